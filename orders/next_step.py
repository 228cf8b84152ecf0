"""What happens next with an order, and when: in a few words for a list, in a sentence for its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.templatetags.face import spell, when
from alerts import kinds
from integration_manager.kit import clock
from merchants.models import Schedule, Service
from merchants.rules.draft import ADDRESS_LOOKUP, COUNTRY, DELAYED, FILTERED, HOLD_RULE
from orders import out_of_stock
from orders.listed import Listed
from orders.models import Effect, Event, Order, Shipment, Status

FOR_THE_WMS = timedelta(days=15)  # of hourly tries; then a person has to say


@dataclass(frozen=True, slots=True)
class Next:
    """`first` is what matters, `then` the rest of it."""

    first: str
    then: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What else decides over the next step. `schedules`: those of the order's merchant and its cart."""

    schedules: Sequence[Schedule] = ()
    shipments: Sequence[Shipment] = ()
    effects: Sequence[Effect] = ()
    events: Sequence[Event] = ()  # newest first
    wms_id: int | None = None  # the account's WMS now
    has_wms: bool = True
    takes_tracking: bool = True  # the cart can be told of parcels
    gives_tracking: bool = True  # the WMS can be asked for them

    def runs(self, what: str, service: Service) -> str:
        """When a service runs next, said of what it does."""
        return _runs(what, self.schedule(service))

    def schedule(self, service: Service) -> Schedule | None:
        """A service's schedule; None where it has none."""
        return next((s for s in self.schedules if s.service == service), None)

    def is_on(self, service: Service) -> bool:
        """Whether a service runs by itself."""
        found = self.schedule(service)
        return found is not None and bool(found.every) and not found.paused

    def is_down(self, service: Service) -> bool:
        """Whether the other system could not be reached at a service's last run."""
        found = self.schedule(service)
        return found is not None and self.is_on(service) and bool(found.state.get("down"))

    def effect(self, kind: Effect.Kind) -> Effect | None:
        """The newest of a kind."""
        return max((e for e in self.effects if e.kind == kind), key=lambda e: e.pk or 0, default=None)

    def since(self, order: Order) -> Event | None:
        """How the order came to its present state."""
        return next((event for event in self.events if event.to == order.status), None)


def in_words(order: Order | Listed) -> str:
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
        return _HELD_BY.get(order.held_by, "On hold")
    if order.status == Status.AT_WMS:
        if order.qty_shipped:
            return f"{order.qty_shipped.normalize():f} of {order.qty_total.normalize():f} shipped"
        return f"Since {when(order.delivered_at)}" if order.delivered_at else "At the WMS"
    if order.status == Status.SHIPPED:
        return "Tracking goes to the cart"
    if order.status == Status.CANCELED:
        return f"Since {when(order.canceled_at)}" if order.canceled_at else ""
    return ""


_HELD_BY = {  # short: the list cuts what is longer
    "person": "Will not be sent",
    "source": "Held by the shop",
    "reopened": "Reopened in the shop",
    out_of_stock.HELD_BY: "Held for lack of stock",
    FILTERED: "Held by an order filter",
    HOLD_RULE: "Held by a hold rule",
    DELAYED: "Held by its cart’s delay",
    COUNTRY: "Held for its country",
    ADDRESS_LOOKUP: "Held for its address",
}


def next_of(order: Order, around: Around | None = None) -> Next:
    """For the order's page."""
    return _OF[Status(order.status)](order, around or Around())


def _unsent(order: Order, around: Around) -> Next:
    tried = ""
    if order.failures and order.first_failed_at:
        until = when(order.first_failed_at + FOR_THE_WMS)
        tried = f"Tried {_times(order.failures)} since {when(order.first_failed_at)}; once an hour, until {until}."
    if not around.has_wms:
        return Next("It goes to the WMS once one is chosen under WMS Setup.", tried)
    goes = around.runs("It goes to the WMS", Service.DELIVER)
    if order.cancel_requested_at:
        asked = around.runs("The WMS is asked whether an earlier try arrived there", Service.DELIVER)
        return Next("It was canceled, and is not sent any more.", asked)
    if around.is_down(Service.DELIVER):
        return Next("It goes to the WMS as soon as that can be reached; one order a minute tries.", tried)
    if order.starts and not tried:
        tried = "First the WMS is asked whether it has the order already, so that it is not sent twice."
    if order.retry_at and order.retry_at > clock.now() and around.is_on(Service.DELIVER):
        if order.failures:
            return Next(f"Next try at {when(order.retry_at)}.", tried)
        then = "" if order.starts else "Until then it follows its shop: changes and a cancellation there still arrive."
        return Next(f"It goes to the WMS at {when(order.retry_at)}.", tried or then)
    return Next(goes, tried)


def _being_sent(order: Order, around: Around) -> Next:
    if order.error_code == "file_unknown":
        return Next(
            "A person has to say whether its file arrived.", "Nothing is sent before that, so nothing goes twice."
        )
    then = "The cancellation that was asked for follows at once." if order.cancel_requested_at else ""
    if order.unknown_rounds:
        first = "The WMS did not answer, so it is being asked whether the order arrived."
        return Next(first, f"Nothing is sent a second time before that is known. {then}".strip())
    if order.handle:
        return Next("The WMS has taken it in and is working on it.", f"It is asked for the result. {then}".strip())
    if order.out_file_id:
        return Next("It leaves in a file right now.", then)
    return Next("It is being sent to the WMS right now.", then)


def _held(order: Order, around: Around) -> Next:
    if order.held_by == "person":
        return Next(
            "It will not be sent.",
            "Sending was canceled by a person. Until its personal data is removed, it can be taken up again.",
        )
    event = around.since(order)
    why = event.message if event is not None else ""
    if order.held_by == "reopened":
        return Next("It is on hold: the shop opened it again after it was canceled.", "Release it if it is to be sent.")
    if order.held_by == "source":
        what = why or "The shop’s order cannot be shipped as it is now."
        return Next(f"It is on hold. {what}", "It goes on when that changes in the shop, or when you release it.")
    if order.held_by == out_of_stock.HELD_BY and order.retry_at and order.retry_at > clock.now():
        return Next(f"It is on hold until {when(order.retry_at)}. {why}".strip(), "You can release it before.")
    return Next(f"It is on hold and not sent. {why}".strip(), "It goes on when that is over, or when you release it.")


_DECIDE = {
    "outcome_unknown": Next("Nothing is sent until you say whether the WMS has it.", "It may have arrived."),
    "reference_taken": Next(
        "Nothing is sent until you say whose the WMS’s order is.", "Another one may stand there under its reference."
    ),
    "canceled_at_wms": Next(
        "Nothing is sent: the WMS has it, and it is canceled there.", "Send it with a new reference, or cancel it."
    ),
    "unmappable": Next(
        "Nothing is sent, since the shop’s order could not be read.", "It is read again as soon as it changes there."
    ),
}


def _in_error(order: Order, around: Around) -> Next:
    event = around.since(order)
    held = f"Held for {spell(clock.now() - event.at)}; not tried again by itself." if event is not None else ""
    known = _DECIDE.get(order.error_code)
    if known is not None:
        return Next(known.first, f"{known.then} {held}".strip())
    goes = "Once it is solved, the order is sent at once."
    if kinds.of(order.error_code).resend:
        goes = "What is corrected here goes at once; what is put right at the WMS, by Resend to WMS."
    then = f"{held} {goes}".strip()
    return Next("Nothing is sent until the problem is solved.", then)


def _gave_up(order: Order, around: Around) -> Next:
    tried = f"Tried {_times(order.failures)} in 15 days. " if order.failures else "Tried for 15 days. "
    return Next("It is not tried again by itself.", f"{tried}Correct what the WMS says, then resend it.")


def _at_wms(order: Order, around: Around) -> Next:
    asks = around.runs("The WMS is asked for shipments", Service.SHIP_CONFIRM)
    if order.wms_id is not None and around.wms_id is not None and order.wms_id != around.wms_id:
        return Next("It is at the WMS of before, which is not asked any more.", "Say there what is to become of it.")
    cancel = around.effect(Effect.Kind.CANCEL_AT_WMS)
    if cancel is not None and cancel.state == Effect.State.WAITING:
        then = (
            "Then it is sent again as it is in the shop now."
            if cancel.data.get("again")
            else "It may be too late there."
        )
        return Next(around.runs("The WMS is asked to cancel it", Service.DELIVER), then)
    if not around.gives_tracking:
        return Next("It is at the WMS, which cannot be asked for shipments.", "Its state does not change by itself.")
    then = "Each parcel’s tracking then goes to the cart." if around.takes_tracking else ""
    if cancel is not None and cancel.state in (Effect.State.REFUSED, Effect.State.PARKED):
        return Next(
            "The WMS did not cancel it, so it ships.",
            f"{cancel.error_message[:1].upper()}{cancel.error_message[1:]} {asks}".strip(),
        )
    if order.qty_shipped:
        left = order.qty_total - order.qty_shipped
        return Next(f"{_units(left)} still to ship. {asks}", then)
    return Next(asks, then)


def _shipped(order: Order, around: Around) -> Next:
    short = _short(order)
    if not around.takes_tracking:
        return Next("Done: this cart cannot be told of tracking.", short)
    waiting = [s for s in around.shipments if s.uploaded_at is None and s.voided_at is None and s.for_cart]
    parked = [s for s in waiting if s.parked_at]
    if parked:
        first = f"The cart does not take the tracking: {parked[0].error_message}".rstrip(". ") + "."
        return Next(first, f"Correct it there, then resend the tracking. {short}".strip())
    if any(s.out_file_id and s.error_code == "outcome_unknown" for s in waiting):
        first = "A person has to say whether the file with its tracking arrived, on the page of its alert."
        return Next(first, f"Until then it is not sent again. {short}".strip())
    failing = [s for s in waiting if s.failures and s.first_failed_at]
    goes = around.runs("The tracking goes to the cart", Service.UPLOAD_SHIPMENTS)
    if failing:
        since = min(s.first_failed_at for s in failing if s.first_failed_at)
        tried = f"Tried {_times(max(s.failures for s in failing))} since {when(since)}, and at every run for 30 days."
        return Next(goes, f"{tried} {short}".strip())
    return Next(goes, short)


def _confirmed(order: Order, around: Around) -> Next:
    waiting = [s for s in around.shipments if s.uploaded_at is None and s.voided_at is None and s.for_cart]
    if waiting and all(s.parked_at for s in waiting):
        return Next(
            "The cart does not take the tracking of a later parcel.", "Correct it there, then resend the tracking."
        )
    if waiting:
        return Next(
            around.runs("The tracking of a later parcel goes to the cart", Service.UPLOAD_SHIPMENTS), _short(order)
        )
    nothing = "Nothing more happens, unless the WMS reports another parcel."
    return Next("Done: the cart has the tracking.", _short(order) or nothing)


def _canceled(order: Order, around: Around) -> Next:
    told = around.effect(Effect.Kind.CANCEL_IN_CART)
    if told is not None and told.state == Effect.State.WAITING and told.data.get(Effect.HANDLE):
        words = "The cart is canceling it, and is asked what has become of that"
        return Next("It is not sent.", around.runs(words, Service.UPLOAD_SHIPMENTS))
    if told is not None and told.state == Effect.State.WAITING:
        return Next("It is not sent.", around.runs("The cart is told that it is canceled", Service.UPLOAD_SHIPMENTS))
    if told is not None and told.state in (Effect.State.REFUSED, Effect.State.PARKED):
        return Next("It is not sent, but the cart did not cancel it.", told.error_message)
    return Next("Nothing more happens with this order.")


def _short(order: Order) -> str:
    if not order.short:
        return ""
    return f"The WMS has closed it with {_units(order.qty_total - order.qty_shipped)} missing."


_OF = {
    Status.RECEIVED: _unsent,
    Status.READY: _unsent,
    Status.SENDING: _being_sent,
    Status.HELD: _held,
    Status.ERROR: _in_error,
    Status.GAVE_UP: _gave_up,
    Status.AT_WMS: _at_wms,
    Status.SHIPPED: _shipped,
    Status.CONFIRMED: _confirmed,
    Status.CANCELED: _canceled,
}


def _units(number: Decimal) -> str:
    return "1 unit" if number == 1 else f"{number.normalize():f} units"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _runs(what: str, schedule: Schedule | None) -> str:
    """When a service runs next, said of what it does."""
    if schedule is None or not schedule.every:
        name = schedule.get_service_display() if schedule else "its service"
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
