"""A cart's delivery delay was changed, or the time zone that it goes by: what waits already goes by the new one."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from accounts.models import Account
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit.canonical import Order as Canonical
from integration_manager.kit.canonical import from_json
from merchants.models import Service
from merchants.rules import judge
from merchants.schedules import wake
from orders import item_codes, ruling
from orders.models import Order, OrderDetail, Status
from orders.states import note

FIELDS = ("delay_minutes", "delay_since", "send_not_before", "send_working_days")  # of a cart
BATCH = 1000
TIMED = (Status.READY, Status.ERROR)  # an order's time counts in these


def retime(cart: Cart, now: datetime, *, actor: str, why: str = "The cart's Delivery Delay was changed") -> int:
    """Says anew when the orders that wait for their time may go; none that may go already waits again.

    So for those in error, for which their time is kept until they are released. Call it in the transaction that
    stored the delay. Returns of how many that changed.
    """
    rules = ruling.load(cart.merchant, [cart])[cart.pk]
    waiting = Order.objects.filter(
        cart=cart, merchant=cart.merchant_id, status__in=TIMED, failures=0, token=0, retry_at__gt=now
    )
    rows = waiting.order_by("id").select_for_update(no_key=True)
    last, changed = 0, list[int]()
    while group := list(rows.filter(pk__gt=last)[:BATCH]):
        last = group[-1].pk
        stored = OrderDetail.objects.filter(order__in=group).values_list("order_id", "data", "address_right")
        contents = {order_id: from_json(Canonical, data) for order_id, data, _ in stored}
        right = {order_id: word for order_id, _, word in stored}
        item_codes.know(rules, item_codes.codes_of(contents.values()))
        for order in group:
            hold = judge(
                contents[order.pk],
                rules,
                anyway=order.anyway,
                address_right=right[order.pk],
                loaded_at=order.created_at,
            ).hold
            moment = max(hold.until, now) if hold is not None and hold.until is not None else now
            if moment != order.retry_at:
                Order.objects.filter(pk=order.pk).update(retry_at=moment, updated_at=now)
                changed.append(order.pk)
    if changed:
        note(changed, "delay", f"{why}, so it goes at another time.", now=now, actor=actor)
        wake(Service.DELIVER, now, merchant_id=cart.merchant_id)
    return len(changed)


def zone_changed(account: Account, now: datetime, *, actor: str) -> int:
    """The account's time zone is another one: the same for its carts that send by the clock or by the day."""
    with tenancy.activate(account.pk), transaction.atomic():
        by_the_clock = Q(send_not_before__isnull=False) | Q(send_working_days=True)
        ids = list(Cart.objects.filter(by_the_clock).order_by("pk").values_list("pk", flat=True))
        ruling.change(ids)
        carts = Cart.objects.filter(pk__in=ids).select_related("merchant__account").order_by("pk")
        why = "The account's time zone was changed"
        return sum(retime(cart, now, actor=actor, why=why) for cart in carts)
