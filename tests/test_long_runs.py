"""Work that takes longer than one run, runs within runs, and the lease that covers all of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import RateLimited, Transient
from merchants.models import Schedule, Service, StockLevel
from orders import jobs
from orders import run as runs
from orders.run import Run
from orders.services import upload_inventory
from tests.test_inventory import count, told
from tests.world import START, World, ago, alerts, at, place, run
from wms.systems import sandbox_wms

DOWNLOAD, INVENTORY, UPLOAD = Service.DOWNLOAD, Service.INVENTORY, Service.UPLOAD_INVENTORY
SKUS = [f"SKU-{n}" for n in range(7)]


@pytest.fixture
def world(calm: World) -> World:
    return calm


def lease_left(service: Service) -> timedelta:
    left = Schedule.objects.annotate(left=F("lease_until") - Now()).get(service=service).left
    assert isinstance(left, timedelta)
    return left


# ── the lease ──


@pytest.mark.parametrize("held", [180, 1, -5], ids=["fresh", "long in the queue", "expired"])
def test_a_run_begins_with_a_lease_that_covers_its_calls(
    world: World, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(SandboxShop, "timeout", 60.0)
    seen: list[timedelta] = []
    monkeypatch.setitem(jobs.SERVICES, DOWNLOAD, lambda run: seen.append(lease_left(DOWNLOAD)))
    schedule = world.schedule(DOWNLOAD)
    Schedule.objects.filter(pk=schedule.pk).update(token=7, lease_until=Now() + timedelta(seconds=held))
    jobs.run_schedule(schedule.pk, 7)
    # A batch's calls begin within 20 seconds; the last one may be a look-up and a send.
    assert seen[0] > timedelta(seconds=20 + 2 * 60)


def test_a_run_whose_lease_was_taken_over_does_not_begin(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = world.schedule(DOWNLOAD)
    Schedule.objects.filter(pk=schedule.pk).update(token=7, lease_until=Now() - timedelta(seconds=1))
    opened = jobs._open

    def taken_meanwhile(*args: Any) -> Any:
        Schedule.objects.filter(pk=schedule.pk).update(token=8)
        return opened(*args)

    monkeypatch.setattr(jobs, "_open", taken_meanwhile)
    monkeypatch.setitem(jobs.SERVICES, DOWNLOAD, lambda run: pytest.fail("it began"))
    jobs.run_schedule(schedule.pk, 7)


# ── reading ahead ──


def behind(world: World) -> None:
    """The shop has an order that was not downloaded, and a product to be told of."""
    count(world, 10)
    run(world, INVENTORY)
    world.schedule(DOWNLOAD)
    place(world, 1, ("MUG-BLUE", 4))


def test_reading_ahead_for_long_keeps_the_uploads_own_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    behind(world)
    monkeypatch.setattr(runs, "RENEW", 0.0)  # at every look
    monkeypatch.setattr(runs, "SLACK", 1000.0, raising=False)
    with at(0):
        run(world, UPLOAD)
    assert told(world) == [("MUG-BLUE", 6)]
    assert world.schedule(UPLOAD).finished_at == START
    assert world.schedule(DOWNLOAD).lease_until is None


def test_reading_ahead_has_a_budget_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    behind(world)
    monkeypatch.setattr(upload_inventory, "AHEAD", -1.0)
    with at(0):
        done = run_of(world, UPLOAD)
    assert (told(world), done.unfinished) == ([("MUG-BLUE", 10)], False)


def test_what_cannot_be_read_ahead_is_said_and_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    behind(world)
    usual = upload_inventory.download

    def fails(*args: Any, **kwargs: Any) -> None:
        raise Transient("The orders are being moved.")

    monkeypatch.setattr(upload_inventory, "download", fails)
    with at(0):
        run(world, UPLOAD)
        assert (told(world), alerts()) == ([("MUG-BLUE", 10)], ["stock_without_orders"])
    monkeypatch.setattr(upload_inventory, "download", usual)
    with at(1):
        run(world, UPLOAD)
        assert (told(world)[-1], alerts()) == (("MUG-BLUE", 6), [])


# ── passes of more than one run ──


def run_of(world: World, service: Service) -> Run:
    done = world.run(service)
    assert done is not None
    return done


def one_look_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's time is up after its first page or batch."""
    looks: dict[int, int] = {}

    def keep_alive(self: Run) -> bool:
        looks[id(self)] = looks.get(id(self), 0) + 1
        self.unfinished = looks[id(self)] > 1
        return not self.unfinished

    monkeypatch.setattr(Run, "keep_alive", keep_alive)


def test_levels_are_read_to_the_end_however_many_runs_that_takes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_wms, "PAGE", 3)
    for n, sku in enumerate(SKUS):
        count(world, n, sku, at=ago(hours=9, seconds=-n))
    with monkeypatch.context() as short:
        one_look_each(short)
        with at(0):
            for _ in range(6):
                run(world, INVENTORY)
    with at(0):
        assert not run_of(world, INVENTORY).unfinished
    assert StockLevel.objects.count() == len(SKUS)
    schedule = world.schedule(INVENTORY)
    assert (schedule.reached_back_at, schedule.state["as_of"]) == (START, START.isoformat())


def test_a_pass_goes_on_behind_the_last_page_that_was_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a run that died: its position was committed with its page."""
    monkeypatch.setattr(sandbox_wms, "PAGE", 3)
    for n, sku in enumerate(SKUS):
        count(world, n, sku, at=ago(hours=9, seconds=-n))
    with monkeypatch.context() as dying:
        one_look_each(dying)
        dying.setattr(jobs, "_finish", lambda *args: None)
        run(world, INVENTORY)
    assert StockLevel.objects.count() == 3
    before = len(world.warehouse.journal)
    run(world, INVENTORY)
    seen = [one.request.query for one in list(world.warehouse.journal)[before:] if one.request.path == "/v1/stock"]
    asked = [query["changed_since"][:4] for query in seen]
    assert StockLevel.objects.count() == len(SKUS)
    assert "2000" not in asked, "it began anew"


def test_everything_is_told_once_however_many_runs_that_takes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_inventory, "BATCH", 3)
    monkeypatch.setattr(sandbox_wms, "PAGE", 100)
    for n, sku in enumerate(SKUS):
        world.shop.place(n + 1, ago(hours=8))
        count(world, n, "MUG-BLUE" if n == 0 else sku)
    run(world, INVENTORY)
    with at(0):
        run(world, UPLOAD)
    sent: list[str] = []
    usual = SandboxShop.stock
    monkeypatch.setattr(
        SandboxShop, "stock", lambda self, rows: (sent.extend(r.sku for r in rows), usual(self, rows))[1]
    )
    with monkeypatch.context() as short:
        one_look_each(short)
        for minutes in (0, 1, 2):
            with at(24, minutes=minutes):
                run(world, UPLOAD)
    with at(25):
        run(world, UPLOAD)
    assert sorted(sent) == sorted(["MUG-BLUE", *SKUS[1:]])
    assert world.schedule(UPLOAD).reached_back_at == START + timedelta(hours=24)


# ── runs that did nothing ──


def test_a_run_that_was_only_asked_to_wait_is_neither_a_success_nor_a_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(run: Run) -> None:
        raise Transient("In repair.")

    def waits(run: Run) -> None:
        raise RateLimited(retry_at=START + timedelta(minutes=9))

    def waits_inside(run: Run) -> None:
        run.stopping.set()

    with at(0):
        for service in (fails, waits, waits_inside):
            monkeypatch.setitem(jobs.SERVICES, DOWNLOAD, service)
            world.run(DOWNLOAD)
            schedule = world.schedule(DOWNLOAD)
            assert (schedule.failures, schedule.succeeded_at, alerts()) == (1, None, ["service_failing"])
            if service is waits:
                assert schedule.next_run == START + timedelta(minutes=9)


@pytest.mark.parametrize("can", [(), ("confirmations",)], ids=["nothing", "files of another kind"])
def test_what_a_system_cannot_do_is_said_and_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch, can: tuple[str, ...]
) -> None:
    monkeypatch.setattr(SandboxShop, "stock", CartConnector.stock)
    monkeypatch.setattr(SandboxShop, "renders", can)
    with at(0):
        run(world, UPLOAD)
    schedule = world.schedule(UPLOAD)
    assert schedule.problem == "This system cannot do that."
    assert schedule.next_run is not None and schedule.next_run > START
