"""The kits of a merchant change: so do the rules of its carts, and who waited for that goes on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from accounts import audit
from carts.models import Cart
from merchants import kits, schedules
from merchants.models import Kit, Merchant, Service
from merchants.rules import item_code, kit
from merchants.rules.kits import Component
from orders import releasing, ruling
from orders.models import Order, Status

CURED = (kit.CODE, item_code.CODE)  # what another kit may cure: a kit's own SKU needs no translation
MOST_TOLD = 50  # changes that one entry of the audit log names


@contextmanager
def changing(merchant: Merchant, now: datetime, *, actor: str) -> Iterator[releasing.Reviewed]:
    """Inside, and only inside, a merchant's kits are changed; one person after the other.

    What waits for that is seen by the rules again, and the carts are told the stock anew. What is given counts
    who went on.
    """
    went_on = releasing.Reviewed()
    with transaction.atomic():
        ruling.keep_all(merchant)
        carts = list(Cart.objects.filter(merchant=merchant).order_by("id"))
        ruling.change([cart.pk for cart in carts])
        yield went_on
        waiting = Order.objects.filter(cart__in=carts, status=Status.ERROR, error_code__in=CURED)
        for cart_id, code in list(waiting.values_list("cart_id", "error_code").order_by("cart_id").distinct()):
            cart = next(one for one in carts if one.pk == cart_id)
            cart.refresh_from_db(fields=["rules_mark"])
            seen = releasing.review(merchant, cart, code, "The merchant's kits were changed.", now, actor=actor)
            went_on.released += seen.released
            went_on.left += seen.left
        went_on.released += releasing.try_again(merchant, carts, now, actor=actor)
        schedules.wake(Service.UPLOAD_INVENTORY, now, merchant_id=merchant.pk)


def change(
    merchant: Merchant,
    now: datetime,
    actor: object,
    *,
    put: Mapping[str, Sequence[Component]] | None = None,
    remove: Iterable[str] = (),
) -> releasing.Reviewed:
    """Stores kits, and removes others by SKU; all of it or nothing. Raises merchants.kits.Refused."""
    put, gone = put or {}, list(remove)
    with changing(merchant, now, actor=str(actor)) as went_on:
        before = kits.contents(merchant.pk, [*put, *gone])
        kits.refuse_nesting(merchant.pk, put, gone)
        Kit.objects.filter(merchant=merchant, sku__in=[sku for sku in gone if sku not in put]).delete()
        kits.store(merchant, put, now)
        after = kits.contents(merchant.pk, [*put, *gone])
        said = [{sku: kits.in_words(parts) for sku, parts in found.items()} for found in (before, after)]
        changes = audit.difference(*said)
        if changes:
            told = dict(list(changes.items())[:MOST_TOLD])
            if len(changes) > MOST_TOLD:
                told["more"] = (None, len(changes) - MOST_TOLD)
            audit.record(actor, "kits.changed", merchant.name, told)
    return went_on
