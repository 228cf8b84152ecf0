"""Once a rule is changed: the orders that wait for it are seen by the rules again, and go on where they may."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from carts.models import Cart
from integration_manager.kit.canonical import Order as Canonical
from integration_manager.kit.canonical import from_json
from merchants.models import Merchant, Service
from merchants.rules import Hold, Outcome, Rules, item_code, item_filter, judge, kit
from merchants.rules.draft import ADDRESS_LOOKUP
from merchants.schedules import wake
from orders import causes, item_codes, ruling
from orders.models import Order, OrderDetail, OrderLine, Status
from orders.states import Each

BATCH = 1000  # orders of one statement
STANDING = (Status.ERROR, Status.HELD)
REFUSED = "item_unknown"  # what connectors call it when the WMS does not know a product
ITEMS = {rule.FIELD for rule in (item_filter, item_code, kit)}  # where a story tells which items are sent

log = logging.getLogger(__name__)


def release(merchant: Merchant, keys: Sequence[str], message: str, now: datetime, *, actor: str) -> int:
    """Puts all orders that wait for these causes back in the line, settles their alerts and wakes Order Delivery.

    For a fix that is certain, as a mapped code is: what else may be wrong is found out when they are sent. One
    that is to wait until a moment goes then. Call it in the transaction that changed the rule, after
    `ruling.change`. Returns how many go on.
    """
    if not keys:
        return 0
    released = 0
    held = Order.objects.filter(cause__in=keys, status=Status.ERROR, merchant=merchant)
    waits = list(_locked(held).values_list("pk", "retry_at"))
    causes.lock(keys)
    for start in range(0, len(waits), BATCH):
        rows = dict(waits[start : start + BATCH])
        goes = Each(max(now, when or now) for when in rows.values())
        released += len(causes.free(list(rows), Status.ERROR, message, now, actor=actor, retry_at=goes))
    causes.settle(keys, now)
    if released:
        wake(Service.DELIVER, now, merchant_id=merchant.pk)
    return released


@dataclass(slots=True)
class Reviewed:
    """What became of orders that the rules saw again."""

    released: int = 0
    left: int = 0  # they wait still, perhaps for something else
    to_ask: bool = False  # of those some wait for a look-up now, which Order Delivery does


def go_on(number: int) -> str:
    """What is said of so many that were released, behind another sentence; "" for none."""
    return (
        f" {number:,} order{' that waited for it goes' if number == 1 else 's that waited for it go'} on."
        if number
        else ""
    )


def review(
    merchant: Merchant,
    cart: Cart,
    code: str,
    message: str,
    now: datetime,
    *,
    actor: str,
    other_items: bool = False,
    items: Sequence[str] | None = None,
) -> Reviewed:
    """Lets the rules see again what stands still: with a problem of this code, or held by this rule.

    For a change that lets some of them go and others not, as a filter's. Call it as `release`. `other_items`: only
    orders of which other items are sent now. `items`: only orders with one of these.
    """
    known = ruling.load(merchant, [cart])[cart.pk]
    found = Reviewed()
    mine = Q(status=Status.ERROR, error_code=code) | Q(status=Status.HELD, held_by=code)
    rows = Order.objects.filter(mine, cart=cart)
    if items is not None:
        rows = rows.filter(Exists(OrderLine.objects.filter(order=OuterRef("pk"), item__in=items)))
    held_by = dict(_locked(rows).values_list("pk", "cause"))
    causes.lock(held_by.values())
    ids = list(held_by)
    for start in range(0, len(ids), BATCH):
        group = list(Order.objects.filter(pk__in=ids[start : start + BATCH]).order_by("id"))
        judged = see(group, known, now, other_items=other_items)
        _place([order for order in group if order.pk in judged], judged, cart, found, message, now, actor)
    if found.released or found.to_ask:
        wake(Service.DELIVER, now, merchant_id=merchant.pk)
    return found


def see(group: Sequence[Order], known: Rules, now: datetime, *, other_items: bool = False) -> dict[int, Outcome]:
    """What the rules make of these orders of a cart now, by id; where it is other than told, that is told and kept.

    Without those that they cannot see, which is logged. `other_items`: only those of which other items are sent now.
    """
    stored = OrderDetail.objects.filter(order__in=group).values_list("order_id", "data", "applied", "address_right")
    details = {order_id: about for order_id, *about in stored}
    lines = (line for data, *_ in details.values() for line in data.get("lines", ()))
    item_codes.know(known, [line["item"] for line in lines if line.get("item")])
    judged: dict[int, Outcome] = {}
    for order in group:
        try:
            data, _, right = details[order.pk]
            judged[order.pk] = judge(
                from_json(Canonical, data),
                known,
                anyway=order.anyway,
                address_right=right,
                loaded_at=order.created_at,
            )
        except Exception:  # a mistake of ours about one of them stops no other
            log.exception("the rules cannot see order %s", order.pk)
    if other_items:
        judged = {pk: outcome for pk, outcome in judged.items() if _items(outcome.story) != _items(details[pk][1])}
    retold = {pk: outcome for pk, outcome in judged.items() if outcome.story != details[pk][1]}
    ruling.tell(retold, now, store=True)
    ruling.store_lines(retold)
    return judged


def try_again(
    merchant: Merchant, carts: Iterable[Cart], now: datetime, *, actor: str, items: Sequence[str] | None = None
) -> int:
    """Sends again what the WMS refused for a product, where other items are sent now. Call it as `release`.

    `items`: only orders with one of these. Returns how many go on.
    """
    by_id = {cart.pk: cart for cart in carts}
    refused = Order.objects.filter(cart__in=by_id, status=Status.ERROR, error_code=REFUSED)
    released = 0
    waiting = list(_locked(refused).values_list("cart_id", "cause"))
    causes.lock(cause for _, cause in waiting)
    for cart_id in sorted({cart_id for cart_id, _ in waiting}):
        cart = by_id[cart_id]
        cart.refresh_from_db(fields=["rules_mark"])
        message = "Other items are sent for it now."
        seen = review(merchant, cart, REFUSED, message, now, actor=actor, other_items=True, items=items)
        released += seen.released
    return released


def _locked(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Orders that are locked once asked for: all of them, before the first alert is."""
    return orders.order_by("id").select_for_update(no_key=True)


def _items(story: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in story if one["field"] in ITEMS]


def _place(
    group: Sequence[Order],
    judged: Mapping[int, Outcome],
    cart: Cart,
    found: Reviewed,
    message: str,
    now: datetime,
    actor: str,
) -> None:
    free: dict[int, datetime] = {}
    held: dict[int, Hold] = {}
    for order in group:
        problem, hold = judged[order.pk].problem, judged[order.pk].waits
        if problem is not None:
            cause = causes.of_problem(order.merchant_id, problem, cart.pk)
            if order.status == Status.HELD:
                causes.to_error([order.pk], Status.HELD, problem, cause, now)
            elif order.cause != cause.key:
                causes.instead(order, problem, cause, now)
        elif hold is None or hold.until is not None:
            free[order.pk] = max(now, hold.until) if hold and hold.until else now
        else:
            found.to_ask = found.to_ask or (hold.by == ADDRESS_LOOKUP and order.held_by != ADDRESS_LOOKUP)
            if order.status == Status.ERROR:
                causes.hold([order.pk], Status.ERROR, hold.by, hold.why, now)
            else:
                held[order.pk] = hold
    causes.hold_instead(held, now)
    moved = causes.free(list(free), STANDING, message, now, actor=actor, retry_at=Each(free.values()))
    found.released += len(moved)
    found.left += len(group) - len(moved)
