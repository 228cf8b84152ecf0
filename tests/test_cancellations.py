"""Cancellations at the WMS that do not go well: waits, failures, people, and mistakes of ours."""

from datetime import timedelta

import pytest

from alerts.models import Alert
from integration_manager.kit import clock
from integration_manager.kit.errors import NeedsHuman, RateLimited, Transient
from merchants.models import Service
from orders import abilities, actions, cancelling, many, refunding
from orders.models import Effect, Order, Status
from tests.counter import Counter, text
from tests.test_changes import cancel
from tests.world import START, World, alerts, asked, at, place, run
from wms.models import Wms
from wms.systems.sandbox_wms import SandboxWmsBlind

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def key(world: World) -> str:
    """One order of the shop, downloaded."""
    key = place(world, 1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD)
    return key


def failing(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[Exception]:
    """The WMS answers cancellations with these, one after the other, then as usual. Gives those left."""
    left, usual = list(errors), SandboxWmsBlind.cancel

    def cancel(self: SandboxWmsBlind, wms_key: str) -> bool:
        if left:
            raise left.pop(0)
        return usual(self, wms_key)

    monkeypatch.setattr(SandboxWmsBlind, "cancel", cancel)
    return left


def test_a_wms_that_asks_to_slow_down_is_asked_to_cancel_when_it_says(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world, DELIVER)
    cancel(world, key)
    failing(monkeypatch, RateLimited(retry_at=START + timedelta(minutes=7)))
    with at(0):
        run(world, DELIVER)
        effect = Effect.objects.get()
        assert (effect.failures, effect.starts, effect.retry_at) == (0, 0, START + timedelta(minutes=7))
        assert world.schedule(DELIVER).next_run == world.planned(DELIVER, START + timedelta(minutes=7))
        assert alerts() == []
    with at(minutes=7):
        run(world, DELIVER)
        assert world.only().status == Status.CANCELED


def test_a_failing_cancellation_is_tried_at_every_run_and_said_at_once(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world, DELIVER)
    cancel(world, key)
    left = failing(monkeypatch, *(Transient("In repair.") for _ in range(4)))
    for minutes, failures in ((0, 1), (5, 1), (59, 1), (60, 2)):
        with at(minutes=minutes):
            run(world, DELIVER)
            assert (Effect.objects.get().failures, alerts()) == (failures, ["cancel_failing"])
    assert left == []
    with at(minutes=65):
        run(world, DELIVER)
        assert (world.only().status, alerts()) == (Status.CANCELED, [])


@pytest.mark.parametrize(("pause", "last"), [(1, 99), (24, 30 * 24), (7 * 24, 35 * 24)])
def test_after_100_counted_tries_or_30_days_a_cancellation_waits_for_a_person(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch, pause: int, last: int
) -> None:
    """Runs `pause` hours apart, the last try as many hours after the first one."""
    run(world, DELIVER)
    cancel(world, key)
    left = failing(monkeypatch, *(Transient("In repair.") for _ in range(200)))
    with at(0):
        run(world, DELIVER)
    for hour in range(pause, last + 1, pause):
        assert (Effect.objects.get().state, alerts()) == ("waiting", ["cancel_failing"])
        with at(hour):
            run(world, DELIVER)
    assert (Effect.objects.get().state, alerts()) == ("parked", ["cancel_refused"])
    assert "by hand" in Alert.objects.get(kind="cancel_refused").fix
    with at(last + 1):  # asked for once more, it has as many tries again
        cancelling.ask(world.only(), abilities.of(world.only(), world.wms), "p@example.com")
        run(world, DELIVER)
        assert (Effect.objects.get().state, Effect.objects.get().failures) == ("waiting", 1)
    assert left


def test_a_cancellation_that_a_person_has_to_help_says_how(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world, DELIVER)
    cancel(world, key)
    failing(monkeypatch, NeedsHuman("It is being picked.", fix="Call the hall."))
    run(world, DELIVER)
    assert (Effect.objects.get().state, alerts()) == ("parked", ["cancel_refused"])
    assert Alert.objects.get().fix == "Call the hall."
    world.warehouse.call_off(world.only().wms_key)
    run(world, Service.SHIP_CONFIRM)
    assert (world.only().status, alerts()) == (Status.CANCELED, []), "the hall has done it"


def test_cancel_sending_does_not_stop_the_cancellation_of_what_may_be_at_the_wms(world: World, key: str) -> None:
    """The answer to its sending was lost; canceled in the shop, it waits for its look-up at the WMS."""
    world.warehouse.faults.script("POST /v1/orders", "error_after")
    with at(0):
        run(world, DELIVER)
    cancel(world, key)
    order, owner = world.only(), Counter(world)
    assert (order.status, order.cancel_requested_at is not None) == (Status.READY, True)
    assert "Cancel Sending" not in text(owner.get(f"orders/{order.public_id}/")).partition("Timeline")[0]
    assert "canceled already" in text(owner.post(f"orders/{order.public_id}/do/cancel_sending/"))
    asked_for = text(owner.get("orders/bulk/?action=cancel_sending&all=1"))
    assert "0 of 1" in asked_for and "It was canceled already." in asked_for
    assert "asked first" in refunding.why_not(order), "not: Cancel Sending first"
    assert many.cancel_sending([order], "dana@example.com", clock.now()) == [], "also where it came in that moment"
    with at(1):
        run(world, DELIVER, DELIVER)
    assert world.only().status == Status.CANCELED
    (there,) = world.warehouse.table("orders")
    assert there["status"] == "canceled"


@pytest.mark.parametrize("share", ["1", "0.5"])
def test_what_turns_out_to_be_there_by_its_parcel_is_stopped_as_far_as_it_has_not_left(
    world: World, key: str, share: str
) -> None:
    run(world, DELIVER)
    there = world.only().wms_key
    Order.objects.update(status=Status.ERROR, error_code="outcome_unknown", wms_key="")  # looked up in vain
    cancel(world, key)
    assert world.only().cancel_requested_at
    world.warehouse.pack(there, share=share)
    run(world, Service.SHIP_CONFIRM, DELIVER)
    left = share == "1"
    assert world.only().status == (Status.SHIPPED if left else Status.AT_WMS)
    assert asked(world.warehouse, "POST", "/cancel") == (0 if left else 1)
    assert alerts() == ["shipped_although_canceled" if left else "cancel_refused"]  # it cancels nothing it has packed


def test_what_has_no_number_at_a_wms_that_cannot_be_asked_is_stopped_by_hand(world: World, key: str) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    run(world, DELIVER)
    Order.objects.update(status=Status.ERROR, error_code="outcome_unknown", wms_key="")
    actions.it_arrived(world.only(), "", "dana@example.com")
    cancel(world, key)
    run(world, DELIVER)
    assert (Effect.objects.get().state, alerts()) == ("refused", ["cancel_refused"])
    assert "nobody has said which number it has there" in Alert.objects.get().message
    assert asked(world.warehouse, path="/cancel") == 0


def test_a_mistake_of_ours_in_one_cancellation_stops_nothing_else(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world, DELIVER)
    place(world, 2, ("MUG-BLUE", 1))
    cancel(world, key)
    failing(monkeypatch, *(ZeroDivisionError() for _ in range(5)))
    for hours in range(5):
        with at(hours):
            run(world, DELIVER)
    assert [order.status for order in world.orders()] == [Status.AT_WMS, Status.AT_WMS]
    assert (Effect.objects.get().state, alerts()) == ("parked", ["cancel_refused"])
    assert "report" in Alert.objects.get(kind="cancel_refused").message
