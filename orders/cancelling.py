"""What a person does about an order that the WMS has: cancel it there, send it again, or say that it is canceled."""

from django.db import transaction

from alerts.models import Alert
from alerts.raising import resolve
from integration_manager.kit import clock
from orders import changes
from orders.abilities import Abilities
from orders.actions import NotNow
from orders.editing import PARTS
from orders.models import Effect, Order, Status
from orders.services import shipped_in_part
from orders.states import move
from orders.telling import tell_of_cancellation

SEEN = ("changed_after_sending", "changed_here_and_there")


def why_not(order: Order) -> str:
    """Why there is nothing to cancel at the WMS, in words; "" where there is."""
    if order.status == Status.SENDING:
        return "It is being sent to the WMS right now. Try again in a minute."
    if order.status in (Status.SHIPPED, Status.CONFIRMED):
        return "It has shipped, so the WMS has nothing to cancel any more."
    if order.status != Status.AT_WMS:
        return "It is not at the WMS."
    return ""


def waiting(order: Order) -> Effect | None:
    """The question to the WMS that has no answer yet."""
    asked = Effect.objects.filter(order=order, kind=Effect.Kind.CANCEL_AT_WMS, state=Effect.State.WAITING)
    found: Effect | None = asked.first()
    return found


def ask(order: Order, able: Abilities, actor: str, *, again: bool = False) -> None:
    """Has the WMS asked to cancel an order. `again`: then it is sent as it is now. Raises NotNow."""
    now = clock.now()
    with transaction.atomic():
        row = Order.objects.select_for_update(no_key=True, of=("self",)).get(pk=order.pk)
        reason = why_not(row)
        if reason:
            raise NotNow(reason)
        if not able.cancels_at_wms:
            raise NotNow(f"{able.wms_label} cannot be asked to cancel an order. Cancel it there by hand.")
        if waiting(row) is not None:
            raise NotNow("The WMS is asked to cancel it already.")
        if again and row.qty_shipped:
            raise NotNow("A part of it has shipped, so it cannot be sent again as a whole.")
        if again and row.forgotten_at is not None:
            raise NotNow("Its personal data was removed, so it cannot be sent again.")
        if again and row.cancel_requested_at is not None:
            raise NotNow("It was canceled, so it is not sent again.")
        if again:
            changes.cancel_at_wms([row.pk], now, actor=actor, why="To be sent again as it is now.", again=True)
        else:
            changes.request_cancel(row.pk, now, actor=actor, why="Canceled here by a person.")


def is_canceled(order: Order, able: Abilities, actor: str) -> None:
    """A person has canceled an order at the WMS by hand. What has shipped of it is all there is. Raises NotNow."""
    now = clock.now()
    with transaction.atomic():
        row = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("cart").get(pk=order.pk)
        reason = why_not(row)
        if reason:
            raise NotNow(reason)
        if not by_hand(row, able):
            raise NotNow("The WMS can be asked to cancel it, which is safer than a person's word.")
        Effect.objects.filter(order=row, kind=Effect.Kind.CANCEL_AT_WMS).exclude(state=Effect.State.DONE).update(
            state=Effect.State.DONE, done_at=now, lease_until=None
        )
        if shipped_in_part.has_shipped(row.pk):
            shipped_in_part.end(row.pk, "A person says that the WMS does not ship the rest of it.", now, actor=actor)
        else:
            said = "A person has canceled it at the WMS."
            Order.objects.filter(pk=row.pk, cancel_requested_at=None).update(cancel_requested_at=now, cancel_by=actor)
            done = move(
                [row.pk], Status.AT_WMS, Status.CANCELED, "canceled", now=now, actor=actor, message=said,
                canceled_at=now,
            )  # fmt: skip
            if row.cancel_requested_at is None or row.cancel_by:  # else the cart has said so itself
                tell_of_cancellation(done, now, actor=actor, why="It was canceled at the WMS.")
    for kind in ("cancel_refused", *SEEN):
        resolve(kind, _keys(order), now)


def by_hand(order: Order, able: Abilities) -> bool:
    """Whether a person's word counts: the WMS cannot be asked, or has said no, or it is one of before."""
    if order.status != Status.AT_WMS:
        return False
    elsewhere = order.wms_id is not None and order.wms_id != able.wms_id
    states = (Effect.State.REFUSED, Effect.State.PARKED)
    refused = Effect.objects.filter(order=order, kind=Effect.Kind.CANCEL_AT_WMS, state__in=states)
    return elsewhere or not able.cancels_at_wms or refused.exists()


def seen(order: Order) -> None:
    """A person knows that the source has changed an order, and leaves it as it is."""
    mine = Alert.objects.filter(kind__in=SEEN, key__in=_keys(order), resolved_at=None, dismissed_at=None)
    if not mine.update(dismissed_at=clock.now()):
        raise NotNow("That was seen already.")


def _keys(order: Order) -> list[str]:
    return [f"order:{order.pk}", *(changes.here_and_there(order.pk, part) for part in PARTS)]
