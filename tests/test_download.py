"""Order Download: where it begins, how its cursor moves, what a failing page costs. Nothing is lost, nothing twice."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit.simulator import moment
from merchants.models import Schedule, Service
from orders import inserting, jobs
from orders.models import Event, Order, SkippedOrder, Status
from orders.models import Run as RunRow
from tests.world import START, World, ago, alerts, at, change, place, run

DOWNLOAD = Service.DOWNLOAD


@pytest.fixture
def world(calm: World) -> World:
    return calm


def since(world: World) -> list[datetime]:
    """From when on each run asked: the first request of each."""
    return [
        moment(seen.request.query["modified_since"])
        for seen in world.shop.journal
        if seen.request.path == "/api/orders" and seen.request.query["page"] == "1"
    ]


def cursor(world: World) -> datetime | None:
    schedule = world.schedule(DOWNLOAD)
    schedule.refresh_from_db()
    return schedule.cursor


# ── the beginning ──


def test_the_first_download_starts_at_the_earliest_order_date_in_the_accounts_zone(world: World) -> None:
    world.account.timezone = "America/Los_Angeles"
    world.account.save()
    world.cart.earliest_order_date = date(2026, 3, 10)
    world.cart.save()
    run(world, DOWNLOAD)
    assert since(world)[0] == datetime(2026, 3, 10, 7, tzinfo=UTC)


def test_an_order_from_before_is_skipped_with_its_number_and_a_reason(world: World) -> None:
    world.cart.earliest_order_date = ago(days=3).date()
    world.cart.save()
    world.shop.place(7, ago(minutes=1), ago(days=9))  # old, and edited a minute ago
    place(world, 8)
    run(world, DOWNLOAD)
    assert world.only().cart_key == "8"
    skipped = SkippedOrder.objects.get()
    assert (skipped.key, skipped.number, skipped.reason) == ("7", "OAK-7", "too_old")
    assert skipped.order_date == ago(days=9).date()
    assert "Earliest Order Date" in skipped.message
    run(world, DOWNLOAD)
    assert SkippedOrder.objects.count() == 1


def test_an_order_of_the_evening_is_of_that_day_where_the_account_is(world: World) -> None:
    world.account.timezone = "America/Los_Angeles"
    world.account.save()
    key = place(world, 1, created_at="2026-03-11T04:30:00+00:00")  # half past eight in the evening there
    run(world, DOWNLOAD)
    assert world.only().order_date == date(2026, 3, 10)
    # Who moves house has not edited all of their orders.
    world.account.timezone = "Europe/Berlin"
    world.account.save()
    change(world, key)
    run(world, DOWNLOAD)
    assert Event.objects.filter(kind="changed").count() == 0


@pytest.mark.parametrize("status", ["unpaid", "canceled", "shipped"])
def test_what_is_not_to_be_shipped_is_not_loaded_before_it_is(world: World, status: str) -> None:
    key = place(world, 1, status=status)
    run(world, DOWNLOAD)
    assert (world.orders(), SkippedOrder.objects.count()) == ([], 0)
    world.shop.change(key, status="paid")
    run(world, DOWNLOAD)
    assert world.only().status == Status.READY


# ── the cursor ──


def test_the_cursor_is_the_shops_time_of_the_last_stored_row(world: World) -> None:
    world.shop.place(1, ago(hours=5))
    world.shop.place(2, last := ago(hours=3))
    run(world, DOWNLOAD)
    found = cursor(world)
    assert found is not None
    assert abs(found - last) < timedelta(milliseconds=1)
    run(world, DOWNLOAD)
    assert since(world)[-1] == found - SandboxShop.overlap
    assert cursor(world) == found, "nothing new, nothing moved"


def test_a_row_dated_next_year_does_not_hide_what_comes_before_it(world: World) -> None:
    world.shop.place(1, datetime.now(UTC) + timedelta(days=365))
    run(world, DOWNLOAD)
    found = cursor(world)
    assert found is not None
    assert found <= datetime.now(UTC) + timedelta(seconds=1), "not beyond the shop's own clock"
    world.shop.place(2, datetime.now(UTC))
    run(world, DOWNLOAD)
    assert [order.cart_key for order in world.orders()] == ["1", "2"]


def test_once_a_day_a_run_reaches_48_hours_back(world: World) -> None:
    world.shop.place(1, ago(minutes=1))
    for hours in (0, 1, 23, 24, 25, 47, 48):
        with at(hours):
            run(world, DOWNLOAD)
    found = cursor(world)
    assert found is not None
    back = [(found - asked) for asked in since(world)[1:]]
    short, deep = SandboxShop.overlap, timedelta(hours=48)
    assert back == [short, short, deep, short, short, deep]


def test_so_a_row_that_the_shop_dated_late_is_still_found(world: World) -> None:
    world.shop.place(1, ago(minutes=1))
    with at(0):
        run(world, DOWNLOAD)
    world.shop.place(2, ago(hours=30))  # appears now, with a time that the cursor has passed
    with at(1):
        run(world, DOWNLOAD)
        assert len(world.orders()) == 1
    with at(24):
        run(world, DOWNLOAD)
        assert len(world.orders()) == 2


def test_the_cursor_is_saved_with_each_page_and_a_failing_page_does_not_move_it(world: World) -> None:
    for number in range(1, 151):
        world.shop.place(number, ago(minutes=300 - number))
    world.shop.faults.script("GET /api/orders", "error", skip=1)
    run(world, DOWNLOAD)
    first_page_ends = moment(world.shop.table("orders").rows["100"]["modified_at"])
    assert (Order.objects.count(), cursor(world)) == (100, first_page_ends)
    schedule = world.schedule(DOWNLOAD)
    assert (schedule.failures, "has a problem" in schedule.problem, schedule.reached_back_at) == (1, True, None)
    assert alerts() == ["service_failing"]
    run(world, DOWNLOAD)
    assert Order.objects.count() == 150
    assert alerts() == []


def test_a_page_that_cannot_be_stored_leaves_neither_rows_nor_cursor(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 151):
        world.shop.place(number, ago(minutes=300 - number))
    write, pages = inserting.Lines.write, [0]

    def fails_on_the_second(lines: inserting.Lines, ids: Sequence[int]) -> None:
        pages[0] += 1
        if pages[0] == 2:
            raise ZeroDivisionError
        write(lines, ids)

    with monkeypatch.context() as patch:
        patch.setattr(inserting.Lines, "write", fails_on_the_second)
        with pytest.raises(AssertionError, match="a bug of ours"):
            run(world, DOWNLOAD)
    assert Order.objects.count() == 100
    assert cursor(world) == moment(world.shop.table("orders").rows["100"]["modified_at"])
    run(world, DOWNLOAD)
    assert (Order.objects.count(), alerts()) == (150, [])


def test_a_run_that_lost_its_lease_ends_at_once_and_keeps_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 151):
        world.shop.place(number, ago(minutes=300 - number))
    orders = SandboxShop.orders

    def overtaken(self: Any, since: datetime) -> Any:
        pages = orders(self, since)
        yield next(pages)
        Schedule.objects.filter(service=DOWNLOAD).update(token=99)  # its lease expired, another run began
        yield from pages

    monkeypatch.setattr(SandboxShop, "orders", overtaken)
    run(world, DOWNLOAD)
    schedule = world.schedule(DOWNLOAD)
    schedule.refresh_from_db()
    assert (Order.objects.count(), schedule.token, schedule.finished_at) == (100, 99, None)


def test_the_same_order_on_two_pages_is_one_order_with_the_later_content(world: World) -> None:
    world.shop.place(1, ago(minutes=30))
    run(world, DOWNLOAD)
    world.shop.place(1, ago(minutes=1))  # edited: it comes again, later
    run(world, DOWNLOAD)
    run(world, DOWNLOAD)
    assert world.only().source_modified_at == moment(world.shop.table("orders").rows["1"]["modified_at"])


# ── what else a run leaves behind ──


def test_an_idle_run_writes_no_history_and_a_busy_one_does(world: World) -> None:
    run(world, DOWNLOAD)
    assert RunRow.objects.count() == 0
    place(world)
    run(world, DOWNLOAD)
    kept = RunRow.objects.get()
    assert (kept.outcome, kept.counts["new"], kept.calls) == ("ok", 1, 1)
    run(world, DOWNLOAD)
    assert RunRow.objects.count() == 1, "the overlap brings it again, which is nothing new"


def test_what_is_unfinished_when_the_time_is_up_goes_to_the_back_of_the_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orders import run as runs

    for number in range(1, 151):
        world.shop.place(number, ago(minutes=300 - number))
    orders = SandboxShop.orders

    def slow(self: Any, since: datetime) -> Any:
        for page in orders(self, since):
            yield page
            monkeypatch.setattr(runs.Run, "keep_alive", lambda run: setattr(run, "unfinished", True))

    monkeypatch.setattr(SandboxShop, "orders", slow)
    with at(0):
        run(world, DOWNLOAD)
        assert world.schedule(DOWNLOAD).next_run == START
    assert world.schedule(DOWNLOAD).reached_back_at is None, "the look back is not over"


def test_a_cart_without_a_run_of_its_own_kind_is_said_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from integration_manager.kit.connector import CartConnector

    monkeypatch.setattr(SandboxShop, "orders", CartConnector.orders)
    schedule = world.schedule(DOWNLOAD)
    assert jobs.run_schedule(schedule.pk, schedule.token) is None
    schedule.refresh_from_db()
    assert (schedule.problem, schedule.lease_until) == ("This system cannot do that.", None)
