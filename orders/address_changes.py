"""Changing how addresses are verified, with what follows for orders that stand still because of theirs."""

from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.models import Account
from carts.models import Cart
from merchants.rules import address
from merchants.rules.draft import ADDRESS_LOOKUP
from orders import releasing, ruling


def change_verification(account: Account, wanted: str, now: datetime, actor: object) -> int:
    """Switches the verification of a whole account; says how many orders go on that stood still because of it."""
    with transaction.atomic():
        carts = list(Cart.objects.exclude(verify_addresses="").select_related("merchant").order_by("pk"))
        ruling.change([cart.pk for cart in carts])
        before = (
            Account.objects.select_for_update(no_key=True).values_list("verification", flat=True).get(pk=account.pk)
        )
        Account.objects.filter(pk=account.pk).update(verification=wanted)
        if before == wanted:
            return 0
        audit.record(actor, "account.verification", account.name, {"verification": (before, wanted)})
        return sum(review(cart, "Address verification was changed.", now, str(actor)) for cart in carts)


def review(cart: Cart, message: str, now: datetime, actor: str) -> int:
    """Lets the rules see again what stands still because of its address; says how many go on."""
    codes = (address.ERROR, address.INCOMPLETE, ADDRESS_LOOKUP)  # a city found in another line completes it
    return sum(releasing.review(cart.merchant, cart, code, message, now, actor=actor).released for code in codes)
