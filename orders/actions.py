"""What a person can do to an order. Each says in words why it cannot be done now."""

from collections.abc import Callable

from django.db import transaction

from integration_manager.kit import clock
from merchants.models import Service
from merchants.rules import address
from merchants.schedules import wake
from orders import causes, many
from orders.intake import Intake
from orders.models import Order, Status
from orders.references import wms_ref
from orders.state_words import face_of


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
        (
            o.status in (Status.RECEIVED, Status.READY, Status.ERROR, Status.GAVE_UP)
            and not _undecided(o)
            and not many.being_canceled(o)
        )
        or (o.status == Status.HELD and o.held_by not in many.NOT_BY_RULES)
    ),
    "undo_cancel": lambda o: o.status == Status.HELD,
    "it_arrived": lambda o: _undecided(o),
    "it_did_not": lambda o: _undecided(o),
    "same_order": lambda o: o.status == Status.ERROR and o.error_code == "reference_taken",
    "new_reference": lambda o: o.status == Status.ERROR and o.error_code in ("reference_taken", "canceled_at_wms"),
    "address_is_right": lambda o: o.status == Status.ERROR and o.error_code == address.ERROR,
    "resend_tracking": lambda o: o.status in (Status.SHIPPED, Status.CONFIRMED) or o.qty_shipped > 0,
}


def waits(order: Order) -> bool:
    """Whether it would go to the WMS by itself, and is not to before its time."""
    return order.status == Status.READY and not order.failures and bool(order.retry_at and order.retry_at > clock.now())


def _undecided(order: Order) -> bool:
    return order.status == Status.ERROR and order.error_code == "outcome_unknown"


# What `allowed` looks at, besides whether it was canceled and has shipped in part: orders that are alike in these may
# do the same (orders/bulk_run.py counts by them).
DECIDED_BY = ("status", "held_by", "error_code")


_WORDS = {
    "resend": "it cannot be sent again",
    "cancel_sending": "there is no sending to cancel",
    "undo_cancel": "there is nothing to release",
    "it_arrived": "there is nothing to decide",
    "it_did_not": "there is nothing to decide",
    "same_order": "there is nothing to decide",
    "new_reference": "its reference is not in the way",
    "address_is_right": "its address is not in question",
    "resend_tracking": "there is no tracking to send again",
}


def why_not(order: Order, action: str) -> str:
    """Why this order's state does not allow an action, in words; "" where it does."""
    if action in allowed(order):
        return ""
    if order.status == Status.SENDING and order.error_code == "file_unknown":
        return "First say whether its file arrived, on the page of its alert."
    if order.status == Status.SENDING:
        return "The order is being sent right now. Try again in a minute."
    if _undecided(order):
        return "First say whether the order arrived at the WMS."
    if action == "cancel_sending" and many.being_canceled(order):
        return "It was canceled already. First the WMS is asked whether it has it."
    return f"It is {face_of(order.status, order.held_by).word}, so {_WORDS[action]}."


def _need(order: Order, action: str) -> None:
    order.refresh_from_db()
    reason = why_not(order, action)
    if reason:
        raise NotNow(reason)


def _moved(ids: list[int]) -> None:
    if not ids:
        raise NotNow("The order has just changed. Look at it again.")


def resend(order: Order, actor: str) -> None:
    """Sends an order (again) as soon as possible. Raises NotNow."""
    _need(order, "resend")
    _moved(many.resend([order], actor, clock.now()))


def cancel_sending(order: Order, actor: str) -> None:
    """Keeps an order from being sent until that is undone. Raises NotNow."""
    _need(order, "cancel_sending")
    _moved(many.cancel_sending([order], actor, clock.now()))


def undo_cancel(order: Order, actor: str) -> None:
    """Lets a held order be sent after all. Raises NotNow."""
    _need(order, "undo_cancel")
    _moved(many.undo_cancel([order], actor, clock.now()))


def it_arrived(order: Order, wms_key: str, actor: str) -> None:
    """A person has found an order of unknown outcome at the WMS, under `wms_key`. Raises NotNow."""
    _need(order, "it_arrived")
    _moved(many.at_wms([order], actor, clock.now(), key=wms_key.strip()[:100]))


def same_order(order: Order, wms_key: str, actor: str) -> None:
    """The order that the WMS has under our reference is this one. Raises NotNow."""
    _need(order, "same_order")
    message = "A person says that the WMS's order is this one."
    _moved(many.at_wms([order], actor, clock.now(), message, wms_key.strip()[:100]))


def it_did_not(order: Order, actor: str) -> None:
    """A person has made sure that the WMS does not have it: it is sent again. Raises NotNow."""
    _need(order, "it_did_not")
    _moved(many.it_did_not([order], actor, clock.now()))


def address_is_right(order: Order, actor: str) -> None:
    """A person knows better than the rules: it is sent to its address as it is. Raises NotNow."""
    _need(order, "address_is_right")
    _moved(many.address_is_right([order], actor, clock.now()))


def resend_tracking(order: Order, actor: str) -> None:
    """Tells the cart of all parcels again. Raises NotNow."""
    _need(order, "resend_tracking")
    _moved(many.resend_tracking([order], actor, clock.now()))


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
