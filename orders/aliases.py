"""The other codes of products change: the rules of the carts that translate by them do too, and who waited goes on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from carts.models import Cart
from merchants import schedules
from merchants.models import Merchant, Service
from merchants.rules import item_code
from merchants.rules.codes import cause_of
from orders import purchase_rows, releasing, ruling
from orders.models import Order, Status


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
        for cart in _waited_for(merchant, translating, codes):
            cart.refresh_from_db(fields=["rules_mark"])
            seen = releasing.review(merchant, cart, item_code.CODE, "The code means one product now.", now, actor=actor)
            went_on.released += seen.released
            went_on.left += seen.left
        went_on.released += releasing.try_again(merchant, translating, now, actor=actor, items=codes)
        if translating:
            purchase_rows.codes_changed(merchant.pk, now)
        if translating or any(cart.stock_alias for cart in carts):
            schedules.wake(Service.UPLOAD_INVENTORY, now, merchant_id=merchant.pk)


def _waited_for(merchant: Merchant, carts: list[Cart], codes: Iterable[str]) -> list[Cart]:
    keys = [cause_of(merchant.public_id, code) for code in codes]
    if not keys or not carts:
        return []
    waiting = Order.objects.filter(cause__in=keys, status=Status.ERROR, cart__in=carts)
    found = set(waiting.values_list("cart_id", flat=True).distinct())
    return [cart for cart in carts if cart.pk in found]
