"""What a person can do to an order. Each says in words why it cannot be done now."""

from collections.abc import Callable

from django.db import transaction

from integration_manager.kit import clock
from merchants.models import Service
from merchants.schedules import wake
from orders import causes, changes
from orders.intake import Intake
from orders.models import Order, Shipment, Status
from orders.references import wms_ref
from orders.states import move, note


class NotNow(Exception):
    """The order's state does not allow it; the message says why, for the person who asked."""


def allowed(order: Order) -> list[str]:
    """The names of the actions below that this order's state allows, for its page."""
    return [name for name, check in _ALLOWED.items() if check(order)]


_ALLOWED: dict[str, Callable[[Order], bool]] = {
    # What could not be read has nothing to be sent: it has to change at its source.
    "resend": lambda o: (
        o.status in (Status.READY, Status.ERROR, Status.GAVE_UP) and not _undecided(o) and o.error_code != "unmappable"
    ),
    "cancel_sending": lambda o: (
        o.status in (Status.RECEIVED, Status.READY, Status.ERROR, Status.GAVE_UP) and not _undecided(o)
    ),
    "undo_cancel": lambda o: o.status == Status.HELD,
    "it_arrived": lambda o: _undecided(o),
    "it_did_not": lambda o: _undecided(o),
    "same_order": lambda o: o.status == Status.ERROR and o.error_code == "reference_taken",
    "new_reference": lambda o: o.status == Status.ERROR and o.error_code in ("reference_taken", "canceled_at_wms"),
    "resend_tracking": lambda o: o.status in (Status.SHIPPED, Status.CONFIRMED) or o.qty_shipped > 0,
}


def _undecided(order: Order) -> bool:
    return order.status == Status.ERROR and order.error_code == "outcome_unknown"


def _need(order: Order, action: str) -> None:
    order.refresh_from_db()
    if action in allowed(order):
        return
    if order.status == Status.SENDING:
        raise NotNow("The order is being sent right now. Try again in a minute.")
    if _undecided(order):
        raise NotNow("First say whether the order arrived at the WMS.")
    raise NotNow(f"An order that is {Status(order.status).label} cannot do that.")


def _moved(ids: list[int]) -> None:
    if not ids:
        raise NotNow("The order has just changed. Look at it again.")


def resend(order: Order, actor: str) -> None:
    """Sends an order (again) as soon as possible. Raises NotNow."""
    _need(order, "resend")
    now = clock.now()
    if order.status == Status.READY:
        Order.objects.filter(pk=order.pk, status=Status.READY).update(retry_at=now, failures=0, first_failed_at=None)
        note([order.pk], "resend", "Sent by hand.", now=now, actor=actor)
    else:
        _moved(causes.free([order.pk], Status(order.status), "Sent by hand.", now, actor=actor, kind="resend"))
    wake(Service.DELIVER, now, merchant_id=order.merchant_id)


def cancel_sending(order: Order, actor: str) -> None:
    """Keeps an order from being sent until that is undone. Raises NotNow."""
    _need(order, "cancel_sending")
    now = clock.now()
    held_by = [order.cause] if order.cause else []
    moved = move(
        [order.pk],
        Status(order.status),
        Status.HELD,
        "held",
        now=now,
        actor=actor,
        message="Sending canceled.",
        held_by="person",
        cause="",
        error_code="",
        error_message="",
    )
    _moved(moved)
    causes.settle(held_by, now)


def undo_cancel(order: Order, actor: str) -> None:
    """Lets a held order be sent after all. Raises NotNow."""
    _need(order, "undo_cancel")
    now = clock.now()
    _moved(causes.free([order.pk], Status.HELD, "It is sent after all.", now, actor=actor))
    wake(Service.DELIVER, now, merchant_id=order.merchant_id)


def it_arrived(order: Order, wms_key: str, actor: str) -> None:
    """A person has found an order of unknown outcome at the WMS, under `wms_key`. Raises NotNow."""
    _need(order, "it_arrived")
    _at_wms(order, wms_key, actor, "A person found it at the WMS.")


def same_order(order: Order, wms_key: str, actor: str) -> None:
    """The order that the WMS has under our reference is this one. Raises NotNow."""
    _need(order, "same_order")
    _at_wms(order, wms_key, actor, "A person says that the WMS's order is this one.")


def _at_wms(order: Order, wms_key: str, actor: str, message: str) -> None:
    now = clock.now()
    moved = move(
        [order.pk],
        Status(order.status),
        Status.AT_WMS,
        "it_arrived",
        now=now,
        actor=actor,
        message=message,
        wms_key=wms_key.strip()[:100] or order.wms_ref,
        delivered_at=now,
        error_code="",
        error_message="",
        cause="",
    )
    _moved(moved)
    causes.settle([order.cause], now)
    if order.cancel_requested_at:
        changes.cancel_at_wms(moved, now, actor=order.cancel_by, why="Canceled before that was known.")


def it_did_not(order: Order, actor: str) -> None:
    """A person has made sure that the WMS does not have it: it is sent again. Raises NotNow."""
    _need(order, "it_did_not")
    now = clock.now()
    # What had begun is decided by the person's word: the next send is the first.
    Order.objects.filter(pk=order.pk, status=Status.ERROR).update(starts=0, unknown_rounds=0)
    message = "A person says that it did not arrive; it is sent again."
    _moved(causes.free([order.pk], Status.ERROR, message, now, actor=actor, kind="it_did_not"))
    wake(Service.DELIVER, now, merchant_id=order.merchant_id)


def resend_tracking(order: Order, actor: str) -> None:
    """Tells the cart of all parcels again. Raises NotNow."""
    _need(order, "resend_tracking")
    now = clock.now()
    Shipment.objects.filter(order=order, voided_at__isnull=True).update(
        uploaded_at=None, parked_at=None, retry_at=now, failures=0, first_failed_at=None, failed_at=None
    )
    note([order.pk], "resend_tracking", "Tracking is sent to the cart again.", now=now, actor=actor)
    wake(Service.UPLOAD_SHIPMENTS, now, merchant_id=order.merchant_id, cart_ids=[order.cart_id])


def new_reference(order: Order, actor: str) -> None:
    """Sends an order under another reference, since its own is taken at the WMS. Raises NotNow."""
    _need(order, "new_reference")
    now = clock.now()
    same = Order.objects.filter(merchant=order.merchant_id, source=order.source, cart_key=order.cart_key)
    revision = 1 + max(same.values_list("revision", flat=True))
    cart, prefix = order.cart, Intake(order.merchant, order.cart).prefix
    ref = wms_ref(cart.public_id, cart.number, order.cart_key, order.cust_ref, revision, prefix)
    with transaction.atomic():
        Order.objects.filter(pk=order.pk, status=Status.ERROR).update(
            revision=revision, wms_ref=ref, starts=0, unknown_rounds=0, sent_hash=""
        )
        message = f"Sent as {ref}; {order.wms_ref} is taken at the WMS."
        _moved(causes.free([order.pk], Status.ERROR, message, now, actor=actor, kind="new_reference"))
    wake(Service.DELIVER, now, merchant_id=order.merchant_id)
