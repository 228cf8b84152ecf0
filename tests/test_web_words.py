"""The words of states, next steps and timelines."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.templatetags.face import spell
from integration_manager.kit import clock
from merchants.models import Schedule, Service
from orders.journey import Journey
from orders.models import Event, Order, Status
from orders.next_step import Around, in_words, next_of
from orders.state_words import FACES, face_of
from orders.templatetags.order_state import money, place, quantity, recipient
from orders.templatetags.timeline import event_icon, event_title


def order(status: str, **fields: object) -> Order:
    now = clock.now()
    fields = {"qty_total": Decimal(5), "qty_shipped": Decimal(0)} | fields
    return Order(status=status, created_at=now, updated_at=now, **fields)


@pytest.mark.parametrize("status", Status)
def test_every_state_has_a_face_a_next_step_and_four_steps(status: Status) -> None:
    shown = order(status)
    assert face_of(status) in FACES
    assert next_of(shown).first
    assert len(Journey(shown, []).steps) == 4
    assert isinstance(in_words(shown), str)
    event = Event(frm="", to=status, kind="anything", message="x", at=clock.now())
    assert event_title(event).endswith(":")
    assert "<svg" in event_icon(event)


def test_cancel_sending_is_told_from_on_hold() -> None:
    assert face_of("held", "person").word == "Cancel Sending"
    assert face_of("held", "rule").word == "On Hold"


def test_the_next_step_says_when() -> None:
    later = clock.now() + timedelta(minutes=40)
    tried = order("ready", retry_at=later, failures=3, first_failed_at=clock.now() - timedelta(hours=3))
    assert "Tried 3 times since" in next_of(tried, Around([Schedule(service=Service.DELIVER, every=60)])).then
    fresh = order("ready", retry_at=clock.now())
    deliver = Schedule(service=Service.DELIVER, every=3600, next_run=later)
    assert "It goes to the WMS at" in next_of(fresh, Around([deliver])).first
    deliver.automatic = True
    assert "within a minute or two" in next_of(fresh, Around([deliver])).first
    deliver.paused = "person"
    assert "a person paused it" in next_of(fresh, Around([deliver])).first
    deliver.paused, deliver.every = "", 0
    assert "once Order Delivery is switched on" in next_of(fresh, Around([deliver])).first
    assert in_words(order("at_wms", qty_shipped=Decimal("3.0000"))) == "3 of 5 shipped"


def test_small_words() -> None:
    assert [spell(timedelta(seconds=s)) for s in (5, 65, 7200, 200_000)] == ["5 s", "1 min", "2 h", "2 days"]
    assert (quantity(Decimal("3.0000")), quantity(Decimal("1.50")), quantity(Decimal(100))) == ("3", "1.5", "100")
    assert (money("-6.65"), money(None), money("1234.5")) == ("−6.65", "—", "1,234.50")
    assert recipient({"company": "Pinebrook"}) == "Pinebrook"
    assert place({"city": "Tulsa", "state": "OK", "country": "US"}) == "Tulsa, OK"
    assert place({"city": "Leeds", "country": "GB"}) == "Leeds, GB"
