"""The other codes of products change: the rules of the carts that translate by them do too, and who waited goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from carts.models import Cart
from merchants import schedules
from merchants.models import Merchant, Service
from merchants.rules import item_code
from merchants.rules.codes import cause_of
from orders import item_codes, purchase_rows, releasing, ruling
from orders.models import Order, Status

# A cart, what its orders wait as, and the items that they have to have; None: any.
Waiting = tuple[Cart, str, list[str] | None]


@contextmanager
def changing(merchant: Merchant, codes: list[str], now: datetime, *, actor: str) -> Iterator[releasing.Reviewed]:
    """Inside, and only inside, the codes of a merchant's products are changed, by one person after the other.

    What waits for one of them is seen by the rules again, and the carts that go by such codes are told the
    stock anew. All in one transaction. `codes`: those that are new or go; more may come inside. What is given
    counts who went on.
    """
    went_on = releasing.Reviewed()
    with transaction.atomic():
        ruling.keep_all(merchant)
        carts = list(Cart.objects.filter(merchant=merchant).order_by("id"))  # of a deleted one orders are still sent
        translating = [cart for cart in carts if cart.translate_items]
        # First of all: nobody who works by the old codes can stop an order any more.
        ruling.change([cart.pk for cart in translating])
        yield went_on
        for cart, code, items in [*_stopped(merchant, translating, codes), *_kept_back(translating, codes)]:
            cart.refresh_from_db(fields=["rules_mark"])
            message = "The code means one product now." if code == item_code.CODE else "An item has another code now."
            seen = releasing.review(merchant, cart, code, message, now, actor=actor, items=items)
            went_on.released += seen.released
            went_on.left += seen.left
        went_on.released += releasing.try_again(merchant, translating, now, actor=actor, items=codes)
        if translating:
            purchase_rows.codes_changed(merchant.pk, now)
        if translating or any(cart.stock_alias for cart in carts):
            schedules.wake(Service.UPLOAD_INVENTORY, now, merchant_id=merchant.pk)


def _stopped(merchant: Merchant, carts: list[Cart], codes: list[str]) -> list[Waiting]:
    """The carts with orders that one of these codes stopped."""
    keys = [cause_of(merchant.public_id, code) for code in codes]
    if not keys or not carts:
        return []
    waiting = Order.objects.filter(cause__in=keys, status=Status.ERROR, cart__in=carts)
    found = set(waiting.values_list("cart_id", flat=True).distinct())
    return [(cart, item_code.CODE, None) for cart in carts if cart.pk in found]


def _kept_back(carts: list[Cart], codes: list[str]) -> list[Waiting]:
    """The carts with orders that another rule keeps back, which goes by the codes too."""
    if not codes or not carts:
        return []
    kept = Q(status=Status.ERROR, error_code__in=item_codes.CURED) | Q(status=Status.HELD, held_by__in=item_codes.CURED)
    rows = Order.objects.filter(kept, cart__in=carts).exclude(error_code=item_code.CODE)
    found = {(at, code or by) for at, code, by in rows.values_list("cart_id", "error_code", "held_by")}
    by_id = {cart.pk: cart for cart in carts}
    return [(by_id[at], code, codes) for at, code in sorted(found)]
