"""An order on its way to the WMS that does not get there: who tries again, when, and when no more."""

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from alerts.models import Alert
from integration_manager.kit import clock
from integration_manager.kit.errors import Transient
from merchants import schedules
from merchants.models import Schedule, Service
from orders import actions, connections
from orders.journal import Journal
from orders.models import Event, Order, Status
from orders.run import Run
from orders.services.deliver import SMALLEST, deliver
from tests.world import START, World, alerts, answers, asked, at, change, place, run
from wms.systems.sandbox_wms import SandboxWms, SandboxWmsBlind

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def world(calm: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Without the budget of calls, which goes by the real clock."""
    monkeypatch.setattr(connections, "limiter", lambda: None)
    return calm


def sends(world: World) -> int:
    return asked(world.warehouse, "POST", "/v1/orders")


def trouble(world: World, fault: str, match: str = "POST /v1/orders", **how: Any) -> None:
    world.warehouse.faults.script(match, fault, **{"times": 10**6, **how})


# ── once an hour, for 15 days ──


def test_a_failed_order_is_tried_once_an_hour_whatever_the_schedules_frequency(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    trouble(world, "error")
    with at(0):
        schedule = world.schedule(DELIVER)
        schedules.set_frequency(schedule, START, every=12 * 3600)
        run(world, DELIVER)
        order = world.only()
        assert (order.status, order.failures, order.retry_at) == (Status.READY, 1, START + HOUR)
        schedule.refresh_from_db()
        assert schedule.next_run is not None and schedule.next_run <= START + HOUR, "half a day would be too late"
        assert alerts() == ["delivery_failing"]
    with at(minutes=59):
        run(world, DELIVER)
        assert sends(world) == 1, "and not more often"
    for hour in (1, 2, 3):
        with at(hour):
            run(world, DELIVER)
            assert (sends(world), world.only().failures) == (hour + 1, hour + 1)
    world.warehouse.faults.clear()
    with at(4):
        run(world, DELIVER)
        assert world.only().status == Status.AT_WMS
        assert (world.only().error_code, alerts()) == ("", []), "the alert resolves itself"
    assert len(world.warehouse.effects("order")) == 1


@contextlib.contextmanager
def delivering(world: World) -> Iterator[Run]:
    """A run of Order Delivery that is under way: what a worker has when it calls the service."""
    schedule, journal = world.schedule(DELIVER), Journal()
    schedule.token += 1
    Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=Now() + timedelta(hours=1))
    connector = connections.open_wms(world.wms, world.merchant, world.account, journal)
    made = Run(schedule, world.account, connector, journal, time.monotonic() + 3600)
    made.wms_id, made.effects_wait, made.products_wait = world.wms.pk, False, False
    yield made
    made.close()


def test_360_times_an_hour_apart_then_given_up_with_an_alert_and_alive_again_by_resend(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hour by hour through fifteen days: the first of each day by a worker’s whole run, the others by the service.

    The warehouse refuses without a network between: 360 hours have to be over soon.
    """
    place(world)
    run(world, DOWNLOAD)
    tried: list[timedelta] = []

    def refuse(*_: Any) -> str:
        tried.append(clock.now() - START)
        raise Transient("We are moving house.", code="server_error")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxWmsBlind, "_send", refuse)
        patch.setattr(SandboxWms, "find", lambda *_: None)
        with at(0):
            schedules.set_frequency(world.schedule(DELIVER), START, every=12 * 3600)
        for day in range(15):
            with at(24 * day):
                run(world, DELIVER)
                planned = world.schedule(DELIVER).next_run
                assert planned is not None and planned <= clock.now() + HOUR, "half a day would be too late"
            with delivering(world) as service:
                with at(24 * day, minutes=59):
                    deliver(service)
                    assert service.next_at == START + (24 * day + 1) * HOUR, "not now"
                for hour in range(24 * day + 1, 24 * day + 24):
                    with at(hour):
                        deliver(service)
    assert tried == [hour * HOUR for hour in range(360)]
    assert timedelta(days=15) == len(tried) * HOUR
    order = world.only()
    assert (order.status, order.error_code, order.starts) == (Status.GAVE_UP, "gave_up", 360)
    assert alerts() == ["gave_up"], "and no more that it is tried again"
    said = Alert.objects.get(kind="gave_up").message
    assert "360 failed tries in 15 days" in said and "We are moving house." in said
    assert Event.objects.filter(order_id=order.pk, kind="failed").count() == 359
    with at(days=16):
        run(world, DELIVER)
        assert sends(world) == 0, "not even when the warehouse takes orders again"
    with at(days=17):
        actions.resend(order, "dana@mail.example")
        assert (world.only().status, world.only().failures) == (Status.READY, 0)
        run(world, DELIVER)
        assert (world.only().status, sends(world), alerts()) == (Status.AT_WMS, 1, [])


def test_an_edit_at_the_source_tries_at_once(world: World) -> None:
    key = place(world)
    run(world, DOWNLOAD)
    trouble(world, "error", times=1)
    with at(0):
        run(world, DELIVER)
    change(world, key, note="Leave it with the neighbours.")
    with at(minutes=5):
        run(world, DOWNLOAD, DELIVER)
        assert world.only().status == Status.AT_WMS


# ── a wait is not a failure ──


@pytest.mark.parametrize(("fault", "wait"), [("limited", timedelta(seconds=40)), ("limited_bare", MINUTE)])
def test_429_is_a_wait_that_nobody_is_charged_for(world: World, fault: str, wait: timedelta) -> None:
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD)
    trouble(world, fault, times=1, seconds=40)
    with at(0):
        Order.objects.exclude(pk=world.orders()[0].pk).update(retry_at=START + wait)  # one by one: business time
        run(world, DELIVER)
        first = world.orders()[0]
        assert (first.status, first.failures, first.starts) == (Status.READY, 0, 0)
        assert first.retry_at == START + wait
        schedule = world.schedule(DELIVER)
        assert schedule.next_run is not None and schedule.next_run <= START + wait + timedelta(seconds=1)
        assert (schedule.failures, schedule.problem, alerts()) == (0, "", [])
        assert sends(world) == 1, "the others are not tried meanwhile"
    with at(seconds=wait.seconds):
        run(world, DELIVER)
        assert {order.status for order in world.orders()} == {Status.AT_WMS}


# ── the WMS cannot be reached ──


@pytest.fixture
def down(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tries at a WMS that cannot be reached; `up()` brings it back."""

    class Down:
        tries = 0
        url = world.wms.credentials["url"].reveal()

        def at(self, url: str) -> None:
            world.wms.credentials = {**world.wms.credentials, "url": url}
            world.wms.save()

        def up(self) -> None:
            self.at(self.url)

    state, send = Down(), SandboxWmsBlind._send

    def counted(self: Any, *args: Any, **kwargs: Any) -> str:
        state.tries += 1
        return send(self, *args, **kwargs)

    monkeypatch.setattr(SandboxWmsBlind, "_send", counted)
    state.at("http://127.0.0.1:1/")
    return state


def test_three_connection_failures_in_a_row_end_the_run_and_charge_nobody(world: World, down: Any) -> None:
    for number in range(1, 21):
        place(world, number)
    run(world, DOWNLOAD)
    with at(0):
        before = [(o.pk, o.retry_at) for o in world.orders()]
        run(world, DELIVER)
        assert 3 <= down.tries <= SMALLEST, "those that were on their way already"
        assert {(o.status, o.failures, o.starts, o.error_code) for o in world.orders()} == {(Status.READY, 0, 0, "")}
        assert [(o.pk, o.retry_at) for o in world.orders()] == before, "each keeps its place in the line"
        assert alerts() == ["unreachable"]
        assert world.schedule(DELIVER).next_run == START + MINUTE


def test_then_one_order_a_minute_probes_until_all_go_and_the_alert_resolves(world: World, down: Any) -> None:
    for number in range(1, 21):
        place(world, number)
    run(world, DOWNLOAD)
    with at(0):
        run(world, DELIVER)
    for minute in (1, 2, 3):
        before = down.tries
        with at(minutes=minute):
            run(world, DELIVER)
            assert down.tries == before + 1
            assert world.schedule(DELIVER).next_run == START + (minute + 1) * MINUTE
    assert Alert.objects.get(kind="unreachable").count == 4, "one alert for the connection"
    down.up()
    with at(minutes=4):
        run(world, DELIVER)
        assert {o.status for o in world.orders()} == {Status.AT_WMS}
        assert alerts() == []


def test_new_orders_do_not_make_it_probe_more_often(world: World, down: Any) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    with at(0):
        run(world, DELIVER)
    place(world, 2)
    with at(seconds=10):
        run(world, DOWNLOAD)
        assert world.schedule(DELIVER).next_run == START + MINUTE


def test_a_wms_that_answers_again_with_errors_is_reachable(world: World, down: Any) -> None:
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD)
    with at(0):
        run(world, DELIVER)
    down.up()
    trouble(world, "error")
    with at(minutes=1):
        run(world, DELIVER)
        assert alerts() == ["delivery_failing"]
        assert {o.failures for o in world.orders()} == {1}
        next_run = world.schedule(DELIVER).next_run
        assert next_run is not None and next_run <= START + MINUTE + HOUR, "and planned like any failure"
        assert world.schedule(DELIVER).state["down"] is False


def test_one_connection_failure_among_successes_is_no_outage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from integration_manager.kit.errors import ConnectionFailed

    for number in range(1, 7):
        place(world, number)
    run(world, DOWNLOAD)
    tries, send = [0], SandboxWmsBlind._send

    def shaky(self: Any, *args: Any, **kwargs: Any) -> str:
        tries[0] += 1
        if tries[0] in (2, 5):
            raise ConnectionFailed("The line is bad.")
        return send(self, *args, **kwargs)

    monkeypatch.setattr(SandboxWmsBlind, "_send", shaky)
    run(world, DELIVER)
    run(world, DELIVER)  # where a later call's success was heard of before the failure, it goes with the next run
    assert {(o.status, o.failures) for o in world.orders()} == {(Status.AT_WMS, 0)}
    assert alerts() == []


# ── refused credentials ──


def test_refused_credentials_pause_the_connections_services_and_a_probe_an_hour_heals_them(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    others = [world.schedule(s) for s in (Service.SHIP_CONFIRM, Service.INVENTORY)]
    world.warehouse.credential = "changed"  # type: ignore[misc]
    with at(0):
        run(world, DELIVER)
        order = world.only()
        assert (order.status, order.failures, order.starts) == (Status.READY, 0, 0)
        for schedule in (world.schedule(DELIVER), *others):
            schedule.refresh_from_db()
            assert (schedule.paused, schedule.next_run) == ("auth", START + HOUR)
        assert world.schedule(DOWNLOAD).paused == "", "the shop's have nothing to do with it"
        assert alerts() == ["credentials"]
    posts = sends(world)
    with at(1):
        run(world, DELIVER)
        assert (sends(world), asked(world.warehouse, "GET", "/v1/ping")) == (posts, 1), "a probe sends no order"
        assert world.schedule(DELIVER).next_run == START + 2 * HOUR
    del world.warehouse.credential  # type: ignore[misc]
    with at(2):
        run(world, DELIVER)
        assert world.only().status == Status.AT_WMS
        for schedule in others:
            schedule.refresh_from_db()
            assert (schedule.paused, schedule.next_run) == ("", START + 2 * HOUR)
        assert alerts() == []


def test_corrected_by_a_person_it_goes_on_at_once_and_the_alert_resolves(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    world.warehouse.credential = "changed"  # type: ignore[misc]
    with at(0):
        run(world, DELIVER)
    del world.warehouse.credential  # type: ignore[misc]
    with at(minutes=3):
        schedules.resume(list(Schedule.objects.filter(paused="auth")), START)  # what the setup page does
        run(world, DELIVER)
        assert (world.only().status, alerts()) == (Status.AT_WMS, [])


def forbids(world: World, reference: str) -> None:
    """The warehouse answers 403 to one order."""

    def answer(request: Any, usual: Any) -> Any:
        if request.json["reference"] == reference:
            return world.warehouse.refuse(403, "no_rights", "Not for you.")
        return usual(request)

    answers(world.warehouse, "POST", "/v1/orders", answer)


def test_403_for_one_order_is_about_that_order_when_the_credentials_pass_the_check(world: World) -> None:
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD)
    second = world.orders()[1]
    forbids(world, second.wms_ref)
    run(world, DELIVER)
    assert [o.status for o in world.orders()] == [Status.AT_WMS, Status.ERROR, Status.AT_WMS]
    assert world.orders()[1].error_code == "forbidden"
    assert asked(world.warehouse, "GET", "/v1/ping") == 1, "the check is made once"
    assert world.schedule(DELIVER).paused == ""


@pytest.mark.parametrize("status", [401, 403])
def test_403_is_about_the_credentials_when_they_fail_the_check_too(world: World, status: int) -> None:
    place(world)
    run(world, DOWNLOAD)
    forbids(world, world.only().wms_ref)
    answers(world.warehouse, "GET", "/v1/ping", lambda *_: world.warehouse.refuse(status, "no_rights", "Not you."))
    with at(0):
        run(world, DELIVER)
        assert (world.only().status, world.only().failures) == (Status.READY, 0)
        assert (world.schedule(DELIVER).paused, alerts()) == ("auth", ["credentials"])


# ── our own mistakes ──


def test_our_own_bug_is_tried_five_times_then_parked_with_a_report_number(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place(world)
    run(world, DOWNLOAD)

    def broken(*args: Any, **kwargs: Any) -> str:
        raise ZeroDivisionError("inner workings")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxWmsBlind, "_send", broken)
        for hour in range(4):
            with at(hour):
                run(world, DELIVER)
                assert (world.only().status, world.only().failures) == (Status.READY, hour + 1)
        with at(4):
            run(world, DELIVER)
    order = world.only()
    assert (order.status, order.error_code) == (Status.ERROR, "internal")
    number = order.error_message.partition("report ")[2].rstrip(").")
    assert number in Alert.objects.get(kind="internal").fix
    assert any(number in record.getMessage() and record.exc_info for record in caplog.records)
    assert not Event.objects.filter(message__contains="inner workings").exists()
    with at(5):
        actions.resend(order, "dana@mail.example")
        run(world, DELIVER)
        assert world.only().status == Status.AT_WMS
