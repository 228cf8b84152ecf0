"""Cancel at the WMS and send again: what was changed at its source after it was sent becomes a new order there.

The WMS is asked to cancel the one that it has. Once it has agreed, the next revision is made of what the source
says now, with what was edited here, and goes the usual way; where the source does not want it shipped, it waits.
"""

from datetime import datetime

from alerts.raising import resolve
from integration_manager.kit.canonical import Order as Canonical
from integration_manager.kit.canonical import SourceState, from_json
from orders import causes, managed
from orders.content import source_hash
from orders.following import withdrawn
from orders.inserting import insert_orders
from orders.intake import Incoming, Intake, Stored
from orders.models import Order, OrderDetail, Status
from orders.reading import source_of
from orders.states import note
from orders.storing import announce


def intake_of(order_id: int, restored_at: datetime | None = None) -> Intake:
    """Where the order came in, with its rules kept as they are. Call it before orders are locked."""
    cart = Order.objects.select_related("cart__merchant").get(pk=order_id).cart
    intake = Intake(cart.merchant, cart, restored_at=restored_at)
    intake.keep_rules()
    return intake


def send_again(intake: Intake, order_id: int, now: datetime, *, actor: str, zone: str) -> Order | None:
    """Makes the next revision of an order that the WMS has canceled.

    None: there is one, it was canceled since, or its address is forgotten.
    """
    row = Order.objects.select_for_update(no_key=True).get(pk=order_id)
    same = Order.objects.filter(merchant=row.merchant_id, source=row.source, cart_key=row.cart_key)
    if row.cancel_requested_at or row.forgotten_at or same.filter(revision__gt=row.revision).exists():
        return None
    detail = OrderDetail.objects.select_related("order__cart__merchant").get(order=row)
    source = source_of(detail, zone)
    data = {**(source or detail.data)}
    if data.get("source_state") == SourceState.CANCELED:
        return None
    kept = {name: detail.data[name] for name in row.edited_fields if name in detail.data}
    data = {name: value for name, value in data.items() if name not in row.edited_fields} | kept
    order, unreadable = from_json(Canonical, data), source is None and detail.raw is not None
    hold = withdrawn(None if unreadable else order)
    incoming = Incoming(row.cart_key, detail.raw, order, data=data)
    incoming.hash = source_hash(source) if source is not None else row.source_hash
    right = detail.right_for(data)
    intake.judge(incoming, row.created_at, anyway=row.anyway, address_right=right)  # it has waited already
    ids = insert_orders(
        intake, [incoming], now, stored := Stored(), revision=row.revision + 1, anyway=row.anyway,
        status=Status.HELD if hold else None,
    )  # fmt: skip
    if not ids:
        return None
    Order.objects.filter(pk=ids[0]).update(edited_fields=row.edited_fields, test=row.test)
    OrderDetail.objects.filter(order__in=ids).update(address_right=right)
    fresh: Order = Order.objects.get(pk=ids[0])
    managed.hand_over(row, fresh)
    if hold:  # it goes once its source wants it shipped
        causes.hold_instead({ids[0]: hold}, now)
    again = "To be sent again" if hold else "Sent again"
    note(ids, "revision", f"{again} as it is now; {row.wms_ref} was canceled at the WMS.", now=now, actor=actor)
    note([row.pk], "revision", f"{again} as {fresh.wms_ref}.", now=now, actor=actor)
    resolve("changed_after_sending", [f"order:{row.pk}"], now)
    announce(row.merchant, stored, now, news=True)
    return fresh
