"""Once a rule is changed: the orders that wait for it are seen by the rules again, and go on where they may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from carts.models import Cart
from integration_manager.kit.canonical import Order as Canonical
from integration_manager.kit.canonical import from_json
from merchants.models import Merchant, Service
from merchants.rules import Hold, Outcome, judge
from merchants.rules.draft import ADDRESS_LOOKUP
from merchants.schedules import wake
from orders import causes, item_codes, ruling
from orders.models import Order, OrderDetail, Status
from orders.states import Each

BATCH = 1000  # orders of one statement
STANDING = (Status.ERROR, Status.HELD)


def release(merchant: Merchant, keys: Sequence[str], message: str, now: datetime, *, actor: str) -> int:
    """Puts all orders that wait for these causes back in the line, settles their alerts and wakes Order Delivery.

    For a fix that is certain, as a mapped code is: what else may be wrong is found out when they are sent. One
    that is to wait until a moment goes then. Call it in the transaction that changed the rule, after
    `ruling.change`. Returns how many go on.
    """
    if not keys:
        return 0
    released = 0
    held = Order.objects.filter(cause__in=keys, status=Status.ERROR, merchant=merchant).order_by("id")
    while rows := dict(held.values_list("pk", "retry_at")[:BATCH]):
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


def review(merchant: Merchant, cart: Cart, code: str, message: str, now: datetime, *, actor: str) -> Reviewed:
    """Lets the rules see again what stands still: with a problem of this code, or held by this rule.

    For a change that lets some of them go and others not, as a filter's. Call it as `release`.
    """
    known = ruling.load(merchant, [cart])[cart.pk]
    found = Reviewed()
    mine = Q(status=Status.ERROR, error_code=code) | Q(status=Status.HELD, held_by=code)
    rows = Order.objects.filter(mine, cart=cart).order_by("id").select_for_update()
    last = 0
    while group := list(rows.filter(pk__gt=last)[:BATCH]):
        last = group[-1].pk
        stored = OrderDetail.objects.filter(order__in=group).values_list("order_id", "data", "applied")
        details = {order_id: (data, told) for order_id, data, told in stored}
        lines = (line for data, _ in details.values() for line in data.get("lines", ()))
        item_codes.know(known, [line["item"] for line in lines if line.get("item")])
        judged = {
            order.pk: judge(
                from_json(Canonical, details[order.pk][0]), known, anyway=order.anyway, loaded_at=order.created_at
            )
            for order in group
        }
        retold = {pk: outcome for pk, outcome in judged.items() if outcome.story != details[pk][1]}
        ruling.tell(retold, now, store=True)
        ruling.store_lines(retold)
        _place(group, judged, cart, found, message, now, actor)
    if found.released or found.to_ask:
        wake(Service.DELIVER, now, merchant_id=merchant.pk)
    return found


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
