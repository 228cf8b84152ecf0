"""What happens next with an order, and when: in a few words for a list, in a sentence for its page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from accounts.templatetags.face import when
from integration_manager.kit import clock
from merchants.models import Schedule, Service
from orders.models import Order, Status


@dataclass(frozen=True, slots=True)
class Next:
    """`first` is what matters, `then` the rest of it."""

    first: str
    then: str = ""


def in_words(order: Order) -> str:
    """For a row of a list."""
    if order.status in (Status.RECEIVED, Status.READY):
        if order.failures and order.retry_at and order.retry_at > clock.now():
            return f"Next try {when(order.retry_at)}"
        if order.retry_at and order.retry_at > clock.now():
            return f"Sends from {when(order.retry_at)}"
        return "With the next run"
    if order.status == Status.SENDING:
        if order.error_code == "file_unknown":
            return "Waits for a person: did its file arrive?"
        return "Finding out if it arrived" if order.unknown_rounds else f"Sending since {when(order.updated_at)}"
    if order.status in (Status.ERROR, Status.GAVE_UP):
        return order.error_message or "Open it to see why"
    if order.status == Status.HELD:
        return "Will not be sent" if order.held_by == "person" else "On hold"
    if order.status == Status.AT_WMS:
        if order.qty_shipped:
            return f"{order.qty_shipped.normalize():f} of {order.qty_total.normalize():f} shipped"
        return f"Since {when(order.delivered_at)}" if order.delivered_at else "At the WMS"
    if order.status == Status.SHIPPED:
        return "Tracking goes to the cart"
    if order.status == Status.CANCELED:
        return f"Since {when(order.canceled_at)}" if order.canceled_at else ""
    return ""


def next_of(order: Order, schedules: Iterable[Schedule]) -> Next:
    """For the order's page. `schedules`: those of its merchant and its cart."""
    by_service = {schedule.service: schedule for schedule in schedules}
    deliver = by_service.get(Service.DELIVER)
    confirm = by_service.get(Service.SHIP_CONFIRM)
    upload = by_service.get(Service.UPLOAD_SHIPMENTS)
    if order.status in (Status.RECEIVED, Status.READY):
        return _sending(order, deliver)
    if order.status == Status.SENDING:
        if order.error_code == "file_unknown":
            return Next(f"{order.error_message} A person has to say, on the alert's page.", "Nothing is sent twice.")
        if order.unknown_rounds:
            return Next(
                "The WMS did not answer, so it is being asked whether the order arrived.",
                "Nothing is sent a second time before that is known.",
            )
        return Next("It is being sent to the WMS right now.")
    if order.status == Status.ERROR:
        return Next("Nothing is sent until the problem is solved.", "It is not tried again by itself.")
    if order.status == Status.GAVE_UP:
        return Next("It is not tried again by itself.", "The WMS could not be reached for 15 days. You can resend it.")
    if order.status == Status.HELD and order.held_by == "person":
        return Next("It will not be sent.", "Sending was canceled by a person and can be taken up again.")
    if order.status == Status.HELD:
        return Next("It is on hold and not sent.", "It goes on when the rule that holds it lets it go.")
    if order.status == Status.AT_WMS:
        return Next(_runs("The WMS is asked for shipments", confirm), "Each parcel’s tracking then goes to the cart.")
    if order.status == Status.SHIPPED:
        return Next(_runs("The tracking goes to the cart", upload))
    if order.status == Status.CANCELED:
        return Next("Nothing more happens with this order.")
    return Next("Done: the cart has the tracking.", "Nothing more happens, unless the WMS reports another parcel.")


def _sending(order: Order, deliver: Schedule | None) -> Next:
    if order.retry_at and order.retry_at > clock.now():
        tried = ""
        if order.failures and order.first_failed_at:
            tried = f"Tried {_times(order.failures)} since {when(order.first_failed_at)}; it is repeated once an hour."
        return Next(f"Next try at {when(order.retry_at)}.", tried)
    return Next(_runs("It goes to the WMS", deliver))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _runs(what: str, schedule: Schedule | None) -> str:
    """When a service runs next, said of what it does."""
    if schedule is None or not schedule.every:
        name = schedule.get_service_display() if schedule else "the service"
        return f"{what} once {name} is switched on."
    if schedule.paused == Schedule.Paused.PERSON:
        return f"{what} once {schedule.get_service_display()} is resumed; a person paused it."
    if schedule.paused == Schedule.Paused.AUTH:
        return f"{what} once the credentials work again; they were refused."
    if schedule.automatic or _soon(schedule.next_run):
        return f"{what} within a minute or two."
    return f"{what} at {when(schedule.next_run)}." if schedule.next_run else f"{what} with the next run."


def _soon(moment: datetime | None) -> bool:
    return moment is not None and (moment - clock.now()).total_seconds() < 60
