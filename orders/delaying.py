"""A cart's delivery delay was changed: orders that wait already go by the new one."""

from datetime import datetime

from carts.models import Cart
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


def retime(cart: Cart, now: datetime, *, actor: str) -> int:
    """Says anew when the orders that wait for their time may go; none that may go already waits again.

    Call it in the transaction that stored the delay. Returns of how many that changed.
    """
    rules = ruling.load(cart.merchant, [cart])[cart.pk]
    waiting = Order.objects.filter(
        cart=cart, merchant=cart.merchant_id, status=Status.READY, failures=0, token=0, retry_at__gt=now
    )
    rows = waiting.order_by("id").select_for_update()
    last, changed = 0, list[int]()
    while group := list(rows.filter(pk__gt=last)[:BATCH]):
        last = group[-1].pk
        stored = OrderDetail.objects.filter(order__in=group).values_list("order_id", "data")
        contents = {order_id: from_json(Canonical, data) for order_id, data in stored}
        item_codes.know(rules, item_codes.codes_of(contents.values()))
        for order in group:
            hold = judge(contents[order.pk], rules, anyway=order.anyway, loaded_at=order.created_at).hold
            moment = max(hold.until, now) if hold is not None and hold.until is not None else now
            if moment != order.retry_at:
                Order.objects.filter(pk=order.pk).update(retry_at=moment, updated_at=now)
                changed.append(order.pk)
    if changed:
        note(
            changed, "delay", "The cart's Delivery Delay was changed, so it goes at another time.", now=now, actor=actor
        )
        wake(Service.DELIVER, now, merchant_id=cart.merchant_id)
    return len(changed)
