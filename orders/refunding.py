"""Cancel and refund in the cart: when it may be asked for, and asking for it, once."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from alerts.raising import resolve
from integration_manager.kit import canonical, clock
from integration_manager.kit.canonical import Refund, SourceState, from_json
from merchants.models import Schedule, Service
from merchants.rules import Hold
from orders import causes, changes, refunds
from orders.actions import NotNow
from orders.many import being_canceled
from orders.models import Effect, Event, Order, OrderDetail, Status
from orders.reading import source_of
from orders.refunds import Left, NotPossible
from orders.states import UNSENT, note
from orders.telling import cancel_in_cart, refund_in_cart, system_of, wake_cart

_ASKED = ("cancel_requested", "cart_cancel_asked", "refund_asked")  # events that come with an effect
# Of these it is, or may be, gone from what can be paid back.
SPENT = (Effect.State.WAITING, Effect.State.DONE, Effect.State.PARKED)


def can(order: Order) -> tuple[bool, bool]:
    """Whether the order's cart can (cancel, refund) at all."""
    system = system_of(order)
    return (
        system is not None and system.overrides("cancel"),
        system is not None and system.overrides("refund"),
    )


def why_not(order: Order, at_wms: str = "") -> str:
    """Why it cannot be canceled or refunded in the cart now, in words; "" if it can."""
    status = Status(order.status)
    if status is Status.SENDING:
        return "It is being sent to the WMS right now. Try again in a minute."
    if status is Status.AT_WMS:
        return f"It is at the WMS. Cancel it there first{at_wms}, so that nothing is shipped that was refunded."
    if status in (Status.SHIPPED, Status.CONFIRMED):
        return "It has shipped. What comes back is refunded in the cart itself, by whoever takes it back."
    if status in UNSENT and order.error_code == "outcome_unknown":
        return "First say whether the order arrived at the WMS."
    looked = status is Status.HELD and order.held_by == "person"  # as it says below
    if being_canceled(order):
        return "It was canceled, and the WMS is asked first whether it has it. Try again once that is known."
    if status is not Status.CANCELED and not looked and order.starts and _may_be_there(order):
        return "A try to send it has failed, and it may be at the WMS. Cancel Sending first, and look there."
    return ""


def _may_be_there(order: Order) -> bool:
    """Whether a try to send it ended without an answer that says that the WMS does not have it.

    Its timeline knows, whatever has been done to the order since: a clear refusal came after the try, or not. What a
    call was to carry is kept until it is answered (`sent_hash`).
    """
    if order.failures or order.sent_hash:
        return True
    events = Event.objects.filter(order_id=order.pk, kind__in=("failed", "unknown", *_CLEAR))
    of_rules = Q(kind="error") & ~Q(frm__in=(Status.SENDING, Status.AT_WMS))  # which know nothing of the WMS
    last = events.exclude(of_rules).order_by("-id").values_list("kind", flat=True).first()
    return last is not None and last not in _CLEAR


_CLEAR = ("error", "it_did_not", "new_reference", "not_there")


def left_of(order: Order, data: dict[str, object]) -> Left:
    """What can be paid back of an order. Raises NotPossible."""
    known = from_json(canonical.Order, _whole(order, _as_paid(order, data)))
    rows = Effect.objects.filter(order=order, kind=Effect.Kind.REFUND, state__in=SPENT)
    made = [
        from_json(Refund, asked)
        for key, remote_id, asked in rows.values_list("key", "remote_id", "data")
        if not {key, remote_id} & {*known.refunded}  # else the cart's own numbers are without it already
    ]
    return refunds.left(known, made)


def _as_paid(order: Order, data: dict[str, object]) -> dict[str, object]:
    """The order with its cart's items, where a person changed them here: paid is what was ordered there."""
    if "lines" not in order.edited_fields:
        return data
    detail = OrderDetail.objects.select_related("order__cart__merchant").filter(order=order).first()
    source = source_of(detail) if detail is not None else None
    if source is None:
        raise NotPossible(
            "Its items were changed here, and what was paid for them is not known. Refund it in the cart."
        )
    return {**data, "lines": source.get("lines", [])}


def _whole(order: Order, data: dict[str, object]) -> dict[str, object]:
    """The stored form, with what is left out of it or was removed from it restored."""
    known = {
        "cart_key": order.cart_key,
        "cust_ref": order.cust_ref,
        "cust_po_no": order.cust_po_no,
        "order_date": order.order_date.isoformat(),
        "source_state": SourceState.ELIGIBLE.value,
        "ship": {},
    }
    return {**known, **data}


def waits_for(order: Order) -> str:
    """What has to be switched on before the cart can be asked for anything, in words; "" if nothing."""
    services = (Service.UPLOAD_SHIPMENTS, Service.DOWNLOAD)
    mine = Schedule.objects.filter(cart_id=order.cart_id, service__in=services, every__gt=0)
    if any(not paused for paused in mine.values_list("paused", flat=True)):
        return ""
    return f"Order Download and Shipment Upload of {order.cart.name} are off or paused; one of them has to run first."


def effects_of(order: Order, events: Sequence[Event]) -> list[Effect]:
    """What was or is to be done for an order in other systems, newest first. `events`: its timeline, which tells."""
    if not any(event.kind in _ASKED for event in events):
        return []
    found = list(Effect.objects.filter(order=order).order_by("-id")[:20])
    for effect in found:
        if effect.kind == Effect.Kind.REFUND:
            effect.words = refunds.in_words(from_json(Refund, effect.data))
    return found


def ask(order: Order, refund: Refund | None, actor: str, now: datetime | None = None) -> bool:
    """Cancels an order here and in its cart, and pays back `refund`; a part leaves it held.

    `refund` None: canceled only. False: this very thing was asked for before. Raises NotNow, NotPossible.
    """
    now = now or clock.now()
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("cart").get(pk=order.pk)
        if refund is not None and Effect.objects.filter(order=order, kind=Effect.Kind.REFUND, key=refund.key).exists():
            return False
        if why := why_not(order):
            raise NotNow(why)
        cancels, pays = can(order)
        if refund is not None:
            if not pays:
                raise NotNow("This cart cannot be asked for a refund.")
            data = OrderDetail.objects.filter(order=order).values_list("data", flat=True).first() or {}
            if not refunds.fits(refund, left_of(order, data)):
                raise NotNow("Something was refunded meanwhile. Look at the order again.")
        _here(order, refund, actor, now)
        fresh, all_of_it = True, refund is None or refund.whole
        if all_of_it and cancels:
            why = refund.note if refund is not None and refund.note else "It was canceled here."
            fresh = cancel_in_cart(order, now, actor=actor, why=why, key=refund.key if refund else "")
        if refund is not None:
            refund_in_cart(order, refund, now, actor=actor)
            what = refunds.money(refund.amount, refund.currency)
            note([order.pk], "refund_asked", f"A refund of {what} is asked for in the cart.", now=now, actor=actor)
    return fresh


def _here(order: Order, refund: Refund | None, actor: str, now: datetime) -> None:
    """It will not be sent: canceled, or held where a part of it is still wanted."""
    status = Status(order.status)
    if status is Status.CANCELED:
        return
    if refund is None or refund.whole:
        # The cart is told by its own effect, whatever is set for cancellations in general.
        if not changes.cancel([order.pk], status, "Canceled here by a person.", now, actor=actor):
            raise NotNow("The order has just changed. Look at it again.")
        Order.objects.filter(pk=order.pk).update(cancel_requested_at=now, cancel_by=actor)
        return
    if status is Status.HELD and order.held_by == "person":
        return
    said = "Held, since a part of it is refunded. Send it after all once its quantities are right."
    if status is Status.HELD:  # by a rule, or for lack of stock: from now on by a person
        causes.hold_instead({order.pk: Hold("person", said)}, now, actor=actor)
    elif not causes.hold([order.pk], status, "person", said, now, actor=actor):
        raise NotNow("The order has just changed. Look at it again.")


# ── a refund of which nobody knows whether it was made ──


def was_made(order: Order, key: str, actor: str) -> None:
    """A person has found the refund in the cart. Raises NotNow."""
    now = clock.now()
    _decided(order, key, state=Effect.State.DONE, done_at=now)
    refund = _of(order, key)
    said = f"{refunds.in_words(refund)}; a person found it in the cart."
    note([order.pk], "refunded", said, now=now, actor=actor)
    resolve("refund_unknown", [f"refund:{key}"], now)


def was_not_made(order: Order, key: str, actor: str) -> None:
    """A person has made sure that the refund is not in the cart: it is made. Raises NotNow."""
    now = clock.now()
    # What had begun is decided by the person's word: the next call is the first.
    _decided(order, key, state=Effect.State.WAITING, retry_at=now, starts=0, failures=0, failed_at=None)
    said = "A person says that the refund was not made; it is asked for again."
    note([order.pk], "refund_asked", said, now=now, actor=actor)
    resolve("refund_unknown", [f"refund:{key}"], now)
    wake_cart(order, now)


def _decided(order: Order, key: str, **fields: object) -> None:
    parked = Effect.objects.filter(order=order, kind=Effect.Kind.REFUND, key=key, state=Effect.State.PARKED)
    if not parked.update(error_message="", lease_until=None, **fields):
        raise NotNow("That is decided already.")


def _of(order: Order, key: str) -> Refund:
    return from_json(Refund, Effect.objects.get(order=order, kind=Effect.Kind.REFUND, key=key).data)
