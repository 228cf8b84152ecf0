"""A cart's filters: changing them, with all that follows for the orders that they held or kept out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import audit
from carts.models import Cart, ItemFilter
from merchants.models import Service
from merchants.rules import item_code, kit
from merchants.rules.draft import FILTERED, ITEMS_FILTERED, ORDER_FILTERED
from merchants.rules.filters import WHITELIST
from merchants.rules.methods import code_key
from merchants.schedules import wake
from orders import conditions, releasing, ruling
from orders.conditions import Refused as Refused
from orders.models import SkippedOrder

MOST_ITEMS = 20_000  # that a cart's filter lists
MOST_FILTERS = 40  # of a cart's orders: each order is compared with every one
MOST_TOLD = 50  # changes that one entry of the audit log names
BLANK = "(no code)"  # how people write the entry for items without a code
# What an item filter may cure besides what it held itself: what it leaves out needs no code, and may be half a kit.
_CURED = (FILTERED, "sku_missing", item_code.CODE, kit.CODE)


@dataclass(slots=True)
class Saved:
    """What a change came to. `skipped`: orders that were not loaded because of such filters, and could be now."""

    changes: audit.Changes = field(default_factory=dict)
    released: int = 0
    skipped: int = 0


def item_key(text: str) -> str:
    """An entry as it is compared; "" for items without a code."""
    key = code_key(text)
    return "" if key == BLANK else key


def change_items(
    cart: Cart,
    now: datetime,
    actor: object,
    *,
    kind: str | None = None,
    whole_order: bool | None = None,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
) -> Saved:
    """Changes a cart's item filter, its entries or both; all of it or nothing.

    `add`: codes as written, "" for items without one. `remove`: keys. `actor`: the user. Raises Refused.
    """
    saved = Saved()
    wanted: dict[str, str] = {}
    for text in add:
        wanted.setdefault(item_key(text), " ".join(text.split())[:100])
    with transaction.atomic():
        ruling.change([cart.pk])
        before = Cart.objects.values("item_filter", "filter_whole_order").get(pk=cart.pk)
        after = dict(before)
        if kind is not None:
            after["item_filter"] = str(Cart.Filtering(kind))
        if whole_order is not None:
            after["filter_whole_order"] = whole_order
        Cart.objects.filter(pk=cart.pk).update(**after)
        saved.changes |= audit.difference(_in_words(before), _in_words(after))
        rows = {row.key: row.item for row in ItemFilter.objects.filter(cart=cart)}
        gone = [key for key in remove if key in rows]
        new = {key: item for key, item in wanted.items() if key not in rows}
        if len(rows) - len(gone) + len(new) > MOST_ITEMS:
            raise Refused(f"An item filter lists at most {MOST_ITEMS:,} codes.")
        refuse_nothing(after["item_filter"], len(rows) - len(gone) + len(new))
        ItemFilter.objects.filter(cart=cart, key__in=gone).delete()
        ItemFilter.objects.bulk_create(
            [ItemFilter(cart=cart, key=key, item=item if key else "", created_at=now) for key, item in new.items()],
            ignore_conflicts=True,
        )
        saved.changes |= {rows[key] or BLANK: ("listed", None) for key in gone}
        saved.changes |= {(item if key else BLANK): (None, "listed") for key, item in new.items()}
        _follow(cart, now, actor, saved, _CURED, ITEMS_FILTERED)
        _enter(actor, "cart.item_filter", cart, saved)
    return saved


def refuse_nothing(kind: str, listed: int) -> None:
    """Raises Refused where an item filter that lists so many would let nothing through."""
    if kind == WHITELIST and not listed:
        raise Refused("List the items first: with an empty whitelist no order would be loaded at all.")


def change_orders(
    cart: Cart,
    now: datetime,
    actor: object,
    *,
    put: Iterable[Mapping[str, Any]] = (),
    remove: Iterable[str] = (),
) -> Saved:
    """Changes a cart's order filters: one for each field. `put`: as `checked` gives them. Raises Refused."""
    saved = Saved()
    with transaction.atomic():
        ruling.change([cart.pk])
        before = Cart.objects.values_list("order_filters", flat=True).get(pk=cart.pk)
        after = {row["field"]: row for row in before} | {row["field"]: dict(row) for row in put}
        for name in remove:
            after.pop(name, None)
        if len(after) > MOST_FILTERS:
            raise Refused(f"A cart has at most {MOST_FILTERS} order filters.")
        Cart.objects.filter(pk=cart.pk).update(order_filters=list(after.values()))
        saved.changes = audit.difference(_said(before), _said(after.values()))
        _follow(cart, now, actor, saved, (FILTERED,), ORDER_FILTERED)
        _enter(actor, "cart.order_filters", cart, saved)
    return saved


def checked(name: str, kind: str, match: str, values: Iterable[str]) -> dict[str, Any]:
    """An order filter as a cart keeps it. `kind`: required or restricted. Raises Refused."""
    found = conditions.checked(name, match, values)
    if kind not in KINDS:
        raise Refused("Choose whether it is required or restricted.")
    return {**found, "restricted": kind == "restricted"}


KINDS = {"required": "Required for loading", "restricted": "Restricted: prevents loading"}


def _follow(cart: Cart, now: datetime, actor: object, saved: Saved, codes: Sequence[str], reason: str) -> None:
    """Lets the rules see again what stands still because of them."""
    fresh = Cart.objects.select_related("merchant").get(pk=cart.pk)
    for code in codes:
        said = "The cart's filters were changed."
        saved.released += releasing.review(fresh.merchant, fresh, code, said, now, actor=str(actor)).released
    saved.released += releasing.try_again(fresh.merchant, [fresh], now, actor=str(actor))
    if saved.changes:
        saved.skipped = SkippedOrder.objects.filter(cart=cart, reason=reason).count()
        wake(Service.UPLOAD_INVENTORY, now, merchant_id=cart.merchant_id, cart_ids=[cart.pk])


def _enter(actor: object, verb: str, cart: Cart, saved: Saved) -> None:
    if not saved.changes:
        return
    told = dict(list(saved.changes.items())[:MOST_TOLD])
    if len(saved.changes) > MOST_TOLD:
        told["more"] = (None, len(saved.changes) - MOST_TOLD)
    audit.record(actor, verb, cart.name, told)


def _in_words(values: Mapping[str, Any]) -> dict[str, str]:
    level = "Filter Order" if values["filter_whole_order"] else "Filter Item"
    return {"Filter Type": str(Cart.Filtering(values["item_filter"]).label), "Filter Level": level}


def in_words(row: Mapping[str, Any]) -> str:
    """An order filter in words: "required: is US or CA"."""
    kind = "restricted" if row["restricted"] else "required"
    return f"{kind}: {conditions.in_words(row)}"


def _said(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {conditions.label_of(row["field"]): in_words(row) for row in rows}
