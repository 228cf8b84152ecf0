"""What happens next with an order, in one sentence: for every state, and for all that can be different in it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from integration_manager.kit import clock
from merchants.models import Schedule, Service
from merchants.rules import HOLDS
from orders.journey import Journey
from orders.models import Effect, Event, Order, Shipment, Status
from orders.next_step import Around, Next, in_words, next_of

NOW = clock.now()
SOON, LATER, BEFORE = NOW, NOW + timedelta(minutes=40), NOW - timedelta(hours=3)
HOURLY = [Schedule(service=service, every=3600, next_run=LATER) for service in Service]
AUTOMATIC = [Schedule(service=service, every=3600, automatic=True, next_run=LATER) for service in Service]
DOWN = [Schedule(service=Service.DELIVER, every=3600, next_run=LATER, state={"down": True})]
PAUSED = [Schedule(service=service, every=3600, paused="person") for service in Service]
REFUSED = [Schedule(service=service, every=3600, paused="auth") for service in Service]


def parcel(**fields: Any) -> Shipment:
    return Shipment(retry_at=NOW, created_at=NOW, **fields)


def effect(kind: str, state: str = "waiting", **fields: Any) -> Effect:
    return Effect(kind=kind, state=state, created_at=NOW, retry_at=NOW, **fields)


def came(status: str, message: str = "", *, at: Any = BEFORE) -> list[Event]:
    return [Event(to="", at=NOW, kind="note"), Event(to=status, at=at, kind="x", message=message)]


TRIED = {"retry_at": LATER, "failures": 3, "first_failed_at": BEFORE}
ROWS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    # state, what is so of the order, what is so around it, part of the sentence
    ("received", {}, {"schedules": AUTOMATIC}, "It goes to the WMS within a minute or two."),
    ("ready", {}, {"schedules": AUTOMATIC}, "It goes to the WMS within a minute or two."),
    ("ready", {}, {"schedules": HOURLY}, "It goes to the WMS at "),
    ("ready", {}, {}, "It goes to the WMS once its service is switched on."),
    ("ready", {}, {"schedules": [Schedule(service="deliver")]}, "once Order Delivery is switched on"),
    ("ready", {}, {"schedules": PAUSED}, "once Order Delivery is resumed; a person paused it"),
    ("ready", {}, {"schedules": REFUSED}, "once the credentials work again"),
    ("ready", {}, {"has_wms": False}, "once one is chosen under WMS Setup"),
    ("ready", {}, {"schedules": DOWN}, "as soon as that can be reached"),
    ("ready", {"retry_at": LATER}, {"schedules": AUTOMATIC}, "It goes to the WMS at "),
    ("ready", TRIED, {"schedules": AUTOMATIC}, "Next try at "),
    ("ready", TRIED, {"schedules": AUTOMATIC}, "Tried 3 times since "),
    ("ready", {**TRIED, "failures": 1}, {"schedules": AUTOMATIC}, "Tried once since "),
    ("ready", TRIED, {"schedules": PAUSED}, "is resumed; a person paused it. Tried 3 times"),
    ("ready", {**TRIED, "retry_at": BEFORE}, {"schedules": AUTOMATIC}, "within a minute or two. Tried 3 times"),
    ("ready", {"starts": 1}, {"schedules": AUTOMATIC}, "First the WMS is asked whether it has the order already"),
    ("ready", {"starts": 1, "cancel_requested_at": NOW}, {"schedules": AUTOMATIC}, "not sent any more. The WMS is"),
    ("sending", {}, {}, "It is being sent to the WMS right now."),
    ("sending", {"out_file_id": 1}, {}, "It leaves in a file right now."),
    ("sending", {"handle": "job-1"}, {}, "The WMS has taken it in and is working on it."),
    ("sending", {"unknown_rounds": 1}, {}, "is being asked whether the order arrived. Nothing is sent a second time"),
    ("sending", {"cancel_requested_at": NOW}, {}, "right now. The cancellation that was asked for follows"),
    ("sending", {"unknown_rounds": 1, "cancel_requested_at": NOW}, {}, "known. The cancellation that was asked for"),
    ("sending", {"error_code": "file_unknown", "error_message": "Did it arrive?"}, {}, "A person has to say"),
    ("held", {"held_by": "person"}, {}, "It will not be sent. Sending was canceled by a person"),
    ("held", {"held_by": "reopened"}, {}, "the shop opened it again"),
    ("held", {"held_by": "source"}, {"events": came("held", "It is unpaid.")}, "hold. It is unpaid. It goes on"),
    ("held", {"held_by": "source"}, {}, "cannot be shipped as it is now"),
    ("held", {"held_by": "stock", "retry_at": LATER}, {"events": came("held", "No stock.")}, "It is on hold until "),
    ("held", {"held_by": "hold_rule", "retry_at": LATER}, {"events": came("held", "A rule.")}, "not sent. A rule."),
    ("held", {"held_by": "rule", "retry_at": NOW}, {"events": came("held", "A rule.")}, "not sent. A rule. It goes on"),
    (
        "error", {"error_code": "bad_address"}, {"events": came("error")},
        "Held for 3 h; not tried again by itself. Once it",
    ),
    ("error", {"error_code": "bad_address"}, {}, "until the problem is solved. Once it is solved, the order is sent"),
    ("error", {"error_code": "outcome_unknown"}, {}, "until you say whether the WMS has it"),
    ("error", {"error_code": "reference_taken"}, {}, "until you say whose the WMS’s order is"),
    ("error", {"error_code": "canceled_at_wms"}, {}, "it is canceled there. Send it with a new reference"),
    (
        "error", {"error_code": "unmappable"}, {"events": came("error")},
        "could not be read. It is read again as soon as",
    ),
    ("gave_up", {"failures": 360}, {}, "It is not tried again by itself. Tried 360 times in 15 days."),
    ("gave_up", {}, {}, "Tried for 15 days."),
    ("at_wms", {}, {"schedules": HOURLY}, "The WMS is asked for shipments at "),
    ("at_wms", {}, {"gives_tracking": False}, "which cannot be asked for shipments"),
    ("at_wms", {}, {"schedules": HOURLY, "takes_tracking": False}, "The WMS is asked for shipments at "),
    ("at_wms", {"qty_shipped": Decimal(3)}, {"schedules": HOURLY}, "2 units still to ship. The WMS is asked"),
    ("at_wms", {"qty_shipped": Decimal(4)}, {"schedules": HOURLY}, "1 unit still to ship."),
    ("at_wms", {"wms_id": 1}, {"wms_id": 2}, "at the WMS of before"),
    ("at_wms", {"wms_id": 1}, {"wms_id": 1, "schedules": PAUSED}, "once Shipping Confirmations is resumed"),
    ("at_wms", {}, {"effects": [effect("cancel_at_wms")]}, "The WMS is asked to cancel it"),
    ("at_wms", {}, {"effects": [effect("cancel_at_wms", data={"again": True})]}, "Then it is sent again"),
    (
        "at_wms", {}, {"effects": [effect("cancel_at_wms", "refused", error_message="it is too late.")]},
        "did not cancel it, so it ships. It is too late.",
    ),
    ("at_wms", {}, {"effects": [effect("cancel_at_wms", "parked")]}, "did not cancel it"),
    ("shipped", {}, {"schedules": AUTOMATIC, "shipments": [parcel()]}, "The tracking goes to the cart within a minute"),
    ("shipped", {}, {"takes_tracking": False}, "Done: this cart cannot be told of tracking."),
    (
        "shipped", {}, {"shipments": [parcel(parked_at=NOW, error_message="No such order.")]},
        "take the tracking: No such order.",
    ),
    (
        "shipped", {}, {"schedules": HOURLY, "shipments": [parcel(failures=2, first_failed_at=BEFORE)]},
        "Tried 2 times since ",
    ),
    ("shipped", {"short": True, "qty_shipped": Decimal(4)}, {}, "closed it with 1 unit missing"),
    ("confirmed", {}, {}, "Done: the cart has the tracking. Nothing more happens"),
    ("confirmed", {"short": True, "qty_shipped": Decimal(2)}, {}, "closed it with 3 units missing"),
    (
        "confirmed", {}, {"shipments": [parcel()], "schedules": AUTOMATIC},
        "tracking of a later parcel goes to the cart within",
    ),
    ("confirmed", {}, {"shipments": [parcel(parked_at=NOW)]}, "does not take the tracking of a later parcel"),
    ("canceled", {}, {}, "Nothing more happens with this order."),
    (
        "canceled", {}, {"effects": [effect("cancel_in_cart")], "schedules": HOURLY},
        "The cart is told that it is canceled at ",
    ),
    (
        "canceled", {}, {"effects": [effect("cancel_in_cart", "refused", error_message="Shipped.")]},
        "did not cancel it. Shipped.",
    ),
    ("canceled", {}, {"effects": [effect("cancel_in_cart", "done")]}, "Nothing more happens"),
]  # fmt: skip


def order(status: str, **fields: Any) -> Order:
    fields = {"qty_total": Decimal(5), "qty_shipped": Decimal(0), "retry_at": NOW} | fields
    return Order(status=status, created_at=NOW, updated_at=NOW, **fields)


def said(step: Next) -> str:
    return f"{step.first} {step.then}".strip()


@pytest.mark.parametrize(("status", "fields", "around", "words"), ROWS)
def test_the_sentence(status: str, fields: dict[str, Any], around: dict[str, Any], words: str) -> None:
    found = order(status, **fields)
    step = next_of(found, Around(**around))
    assert words in said(step)
    for part in (step.first, step.then):
        assert not part or (part.endswith(".") and not part[0].islower() and "  " not in part and ".." not in part)
    assert "None" not in said(step)
    assert isinstance(in_words(found), str)
    bar = Journey(found, around.get("shipments", [])).steps
    assert len(bar) == 4
    assert sum(step.kind in ("now", "held", "off") for step in bar) == (status != "confirmed")


def test_every_state_is_in_the_table() -> None:
    assert {row[0] for row in ROWS} == {str(status) for status in Status}


def test_a_list_says_who_holds_an_order() -> None:
    holders = [*HOLDS, "person", "source", "reopened", "stock"]
    words = [in_words(order("held", held_by=by)) for by in holders]
    assert len(set(words)) == len(holders)
    assert "On hold" not in words
