"""What happens to an order because somebody wants it otherwise: edits and cancellations."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from alerts.raising import raise_alert
from merchants.models import Service
from merchants.schedules import wake
from orders import causes, managed
from orders.content import changed_fields
from orders.models import Effect, Event, EventDetail, Order, Status
from orders.states import UNSENT, move, note
from orders.telling import tell_of_cancellation

SAME_NOTE = timedelta(minutes=2)  # a form that was sent twice


def record_change(
    order_id: int,
    before: dict[str, Any],
    after: dict[str, Any],
    now: datetime,
    *,
    actor: str,
    message: str,
    kind: str = "changed",
) -> None:
    """Enters an edit in the timeline, with before and after of every field."""
    changes = changed_fields(before, after)
    if not changes:
        return
    event = Event.objects.create(order_id=order_id, at=now, kind=kind, actor=actor, message=message)
    EventDetail.objects.create(event_id=event.pk, order_id=order_id, changes=changes)


def add_note(order_id: int, text: str, now: datetime, *, actor: str) -> bool:
    """Enters a person's note in the timeline. False: the same person's last note there says the same.

    Its words may be personal, so they stand where they go with the order's personal data.
    """
    changes = {"note": [None, text]}
    last = Event.objects.filter(order_id=order_id, kind="note", actor=actor).order_by("-id").first()
    if last is not None and now - last.at < SAME_NOTE and EventDetail.objects.filter(event_id=last.pk, changes=changes):
        return False
    event = Event.objects.create(order_id=order_id, at=now, kind="note", actor=actor)
    EventDetail.objects.create(event_id=event.pk, order_id=order_id, changes=changes)
    return True


def changed_after_sending(order_id: int, newer: dict[str, Any], now: datetime) -> None:
    """The source changed an order that the WMS has already: nothing we can do by ourselves."""
    order = Order.objects.get(pk=order_id)
    note([order_id], "changed_after_sending", "Changed in the shop after it was sent to the WMS.", now=now)
    raise_alert(
        "changed_after_sending",
        f"order:{order_id}",
        f"Order {order.cust_po_no} was changed in the shop after it had been sent to the WMS.",
        fix="Compare it with the WMS. If it matters, change it there, or cancel it there and send it again.",
        merchant_id=order.merchant_id,
        order_id=order_id,
        now=now,
    )


def here_and_there(order_id: int, part: str) -> str:
    """The key of the alert about a part of an order that was edited here and changed in the shop too."""
    return f"order:{order_id}:{part}"


def request_cancel(order_id: int, now: datetime, *, actor: str, why: str) -> None:
    """Cancels an order, or asks for it: at once if it was certainly never sent, else when that is known."""
    order = Order.objects.get(pk=order_id)
    Order.objects.filter(pk=order_id, cancel_requested_at__isnull=True).update(cancel_requested_at=now, cancel_by=actor)
    status = Status(order.status)
    if status in UNSENT and order.starts == 0:
        if not cancel([order_id], status, why, now, actor=actor):
            request_cancel(order_id, now, actor=actor, why=why)  # taken for sending in this very moment
    elif status in UNSENT:
        # A send had begun once. The next delivery looks it up first, and decides.
        note([order_id], "cancel_requested", f"{why} First it is looked up at the WMS.", now=now, actor=actor)
        if status is not Status.READY:
            causes.free([order_id], status, "To be looked up at the WMS before it is canceled.", now)
        elif not Order.objects.filter(pk=order_id, status=Status.READY).update(retry_at=now):
            request_cancel(order_id, now, actor=actor, why=why)
        wake(Service.DELIVER, now, merchant_id=order.merchant_id)
    elif status is Status.SENDING:
        # Decided when the send is. The effect waits for the order to be at the WMS, if it gets there.
        cancel_at_wms([order_id], now, actor=actor, why=f"{why} It is being sent right now.")
    elif status is Status.AT_WMS:
        cancel_at_wms([order_id], now, actor=actor, why=why)
    elif status in (Status.SHIPPED, Status.CONFIRMED):
        note([order_id], "cancel_too_late", f"{why} It has shipped already.", now=now, actor=actor)
        raise_alert(
            "canceled_after_shipping",
            f"order:{order_id}",
            f"Order {order.cust_po_no} was canceled in the shop after it had shipped.",
            fix="Talk to the customer: the parcel is on its way.",
            merchant_id=order.merchant_id,
            order_id=order_id,
            now=now,
        )


def cancel(
    ids: Sequence[int],
    frm: Status | Sequence[Status],
    why: str,
    now: datetime,
    *,
    actor: str = "",
    tokens: Sequence[int] | None = None,
) -> list[int]:
    """Cancels orders that the WMS does not have, as far as anybody knows."""
    held_by = list(Order.objects.filter(pk__in=ids).exclude(cause="").values_list("cause", flat=True).distinct())
    with transaction.atomic(savepoint=False):  # what is not told with it is never told
        moved = move(
            ids,
            frm,
            Status.CANCELED,
            "canceled",
            now=now,
            actor=actor,
            message=why,
            tokens=tokens,
            canceled_at=now,
            cause="",
            error_code="",
            error_message="",
        )
        causes.settle(held_by, now)
        managed.settle_orders(moved, now)
        _tell_carts(moved, now)
    return moved


def _tell_carts(ids: Sequence[int], now: datetime) -> None:
    """Of cancellations that did not come from there."""
    for order in Order.objects.filter(pk__in=ids).exclude(cancel_by=""):
        tell_of_cancellation([order.pk], now, actor=order.cancel_by, why="It was canceled here.")


def cancel_at_wms(ids: Sequence[int], now: datetime, *, actor: str, why: str, again: bool = False) -> None:
    """Asks the WMS to cancel orders that it has; the delivery service carries it out, once.

    What it has refused before is asked for once more. `again`: then they are sent again (orders/again.py).
    """
    rows = Order.objects.filter(pk__in=ids)
    data = {"again": True} if again else {}
    asked = [
        Effect(
            merchant_id=order.merchant_id,
            order=order,
            kind=Effect.Kind.CANCEL_AT_WMS,
            key=str(order.revision),
            actor=actor,
            created_at=now,
            retry_at=now,
            data=data,
        )
        for order in rows
    ]
    refused = Effect.objects.filter(
        order__in=ids, kind=Effect.Kind.CANCEL_AT_WMS, state__in=(Effect.State.REFUSED, Effect.State.PARKED)
    )
    refused.update(
        state=Effect.State.WAITING, retry_at=now, failures=0, failed_at=None, error_message="", actor=actor, data=data
    )
    Effect.objects.bulk_create(asked, ignore_conflicts=True)
    then = " Then it is sent again." if again else ""
    message = f"{why} If the WMS has it, it is asked to cancel it.{then}"
    note(list(ids), "cancel_requested", message, now=now, actor=actor)
    for merchant_id in {order.merchant_id for order in rows}:
        wake(Service.DELIVER, now, merchant_id=merchant_id)


def cancel_found(ids: Sequence[int], now: datetime) -> None:
    """Of orders that turn out to be at the WMS, it is asked to cancel those that were to be canceled before that.

    What had been canceled already is not: an alert says of it that it left all the same.
    """
    asked = Order.objects.filter(pk__in=ids, cancel_requested_at__isnull=False, canceled_at=None).order_by("pk")
    for pk, by in list(asked.values_list("pk", "cancel_by")):
        cancel_at_wms([pk], now, actor=by, why="Canceled before that was known.")
