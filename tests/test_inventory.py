"""Stock: what the WMS has, less what is ordered and not yet taken from it; the cart is told what has changed."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alerts.models import Alert
from carts.models import CartStock
from integration_manager.kit import clock
from integration_manager.kit.canonical import Stock
from integration_manager.kit.connector import Page
from merchants import schedules
from merchants.models import Schedule, Service, StockLevel, Warehouse
from orders.models import Order, Status
from orders.services import upload_inventory
from orders.stock import offered, stock_rules
from tests.counter import Counter, text
from tests.statements import counted
from tests.world import START, World, ago, alerts, answers, asked, at, pack, place, run
from wms.systems.sandbox_wms import SandboxWmsBlind

DOWNLOAD, DELIVER, CONFIRM = Service.DOWNLOAD, Service.DELIVER, Service.SHIP_CONFIRM
INVENTORY, UPLOAD = Service.INVENTORY, Service.UPLOAD_INVENTORY
MUG = "MUG-BLUE"


@pytest.fixture
def world(calm: World) -> World:
    return calm


def count(world: World, free: int, sku: str = MUG, hall: str = "MAIN", at: datetime | None = None) -> None:
    """The warehouse counts an item: so many are free to be sold."""
    quantity = Decimal(free)
    world.warehouse._count("C1", sku, hall, quantity, quantity, at or world.warehouse.clock())


def ready(world: World, *lines: tuple[str, int], number: int = 1, **fields: Any) -> Order:
    place(world, number, *lines, **fields)
    run(world, DOWNLOAD)
    return world.orders()[-1]


def sellable(world: World) -> dict[str, int]:
    found = offered(world.merchant, stock_rules(world.cart), clock.now())
    return {offer.code: int(offer.quantity) for offer in found if offer.told}


def told(world: World) -> list[tuple[str, int]]:
    """(SKU, quantity) that the shop was told, in order."""
    return [(effect["key"], int(Decimal(effect["quantity"]))) for effect in world.shop.effects("stock")]


# ── what may be sold ──


@pytest.mark.parametrize(
    ("status", "held_by", "left"),
    [
        (Status.RECEIVED, "", 7),
        (Status.READY, "", 7),
        (Status.SENDING, "", 7),
        (Status.ERROR, "", 7),
        (Status.GAVE_UP, "", 7),
        (Status.HELD, "rule", 7),
        (Status.HELD, "reopened", 7),
        (Status.HELD, "person", 10),
        (Status.CANCELED, "", 10),
    ],
)
def test_open_quantities_are_not_for_sale(world: World, status: Status, held_by: str, left: int) -> None:
    count(world, 10)
    run(world, INVENTORY)
    ready(world, (MUG, 1), (MUG, 2))
    Order.objects.update(status=status, held_by=held_by)
    assert sellable(world) == {MUG: left}


def test_it_is_never_below_zero(world: World) -> None:
    count(world, 2)
    run(world, INVENTORY)
    ready(world, (MUG, 5))
    assert sellable(world) == {MUG: 0}


def test_delivered_after_the_wms_was_asked_it_is_still_to_be_taken_off(world: World) -> None:
    count(world, 10)
    with at(0):
        run(world, INVENTORY)
    ready(world, (MUG, 3))
    with at(minutes=5):
        run(world, DELIVER)  # the WMS takes it from its 10; our level is still the old one
        assert sellable(world) == {MUG: 7}
    with at(minutes=10):
        run(world, INVENTORY)  # now it says 7, and 7 it is
        assert {level.available for level in StockLevel.objects.filter(warehouse__name="MAIN")} == {Decimal(7)}
        assert sellable(world)[MUG] == 7 + east(world)
    for service in (CONFIRM, Service.UPLOAD_SHIPMENTS):
        pack(world) if service is CONFIRM else None
        with at(minutes=15):
            run(world, service)
            assert sellable(world)[MUG] == 7 + east(world), "nor does it come back when it ships"


def east(world: World) -> int:
    """What the fake adds in its other hall with the first order of an item."""
    return int(Decimal(world.warehouse._stock("C1").rows[f"{MUG}@EAST"]["available"]))


def test_a_level_that_has_not_changed_for_long_is_as_good_as_the_last_time_it_was_asked_for(world: World) -> None:
    count(world, 5, hall="EAST")
    count(world, 10)
    ready(world, (MUG, 3))
    with at(0):
        run(world, INVENTORY)
    with at(1):
        run(world, DELIVER)
    with at(2):
        run(world, INVENTORY)  # EAST is not among what has changed
        assert sellable(world) == {MUG: 7 + 5}


def test_a_wms_that_dates_its_snapshots_is_taken_at_its_word(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last night's levels are last night's, whenever they are asked for."""
    night = START - timedelta(hours=9)
    level = Stock(sku=MUG, available=Decimal(10), warehouse="MAIN", at=night)
    monkeypatch.setattr(SandboxWmsBlind, "stock", lambda self, since: iter([Page([level])]))
    ready(world, (MUG, 3))
    with at(0):
        run(world, DELIVER)
    with at(1):
        run(world, INVENTORY)
        assert sellable(world) == {MUG: 7}


def test_an_older_snapshot_does_not_replace_a_newer_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = [
        Stock(sku=MUG, available=Decimal(10), warehouse="MAIN", at=START),
        Stock(sku=MUG, available=Decimal(99), warehouse="MAIN", at=START - timedelta(hours=1)),
    ]
    for level in levels:
        monkeypatch.setattr(SandboxWmsBlind, "stock", lambda self, since, level=level: iter([Page([level])]))
        run(world, INVENTORY)
    assert sellable(world) == {MUG: 10}


@pytest.mark.parametrize("dated", [False, True])
def test_asked_for_all_a_wms_that_lists_nothing_has_counted_unless_it_dates_its_counts(
    world: World, monkeypatch: pytest.MonkeyPatch, dated: bool
) -> None:
    pages = [Page([Stock(sku=MUG, available=Decimal(10), warehouse="MAIN", at=START if dated else None)])]
    monkeypatch.setattr(SandboxWmsBlind, "stock", lambda self, since: iter(pages))
    with at(0):
        run(world, INVENTORY)
    ready(world, (MUG, 3))
    with at(1):
        run(world, DELIVER)
    pages.clear()
    with at(25):
        run(world, INVENTORY)
        assert sellable(world) == {MUG: 7 if dated else 10}


def test_a_snapshot_of_the_future_is_one_of_now(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would stand until then against every later count, and what is delivered would not be taken off."""
    dated = [(0, 10, timedelta(days=400)), (2, 6, None), (3, 5, timedelta(days=300))]
    for hours, free, ahead in dated:
        with at(hours):
            when = None if ahead is None else clock.now() + ahead
            level = Stock(sku=MUG, available=Decimal(free), warehouse="MAIN", at=when)
            monkeypatch.setattr(SandboxWmsBlind, "stock", lambda self, since, level=level: iter([Page([level])]))
            run(world, INVENTORY)
            assert sellable(world) == {MUG: free}
        if not hours:
            ready(world, (MUG, 3))
            with at(1):
                run(world, DELIVER)
                assert sellable(world) == {MUG: 7}


def test_all_enabled_warehouses_count_and_a_disabled_one_does_not(world: World) -> None:
    count(world, 10)
    count(world, 4, hall="EAST")
    run(world, INVENTORY)
    assert sellable(world) == {MUG: 14}
    Warehouse.objects.filter(name="EAST").update(enabled=False)
    assert sellable(world) == {MUG: 10}
    Warehouse.objects.update(enabled=False)
    assert sellable(world) == {}


def test_an_order_that_names_a_warehouse_takes_from_that_one(world: World) -> None:
    count(world, 10)
    count(world, 4, hall="EAST")
    run(world, INVENTORY)
    ready(world, (MUG, 6), warehouse="EAST")  # more than EAST has: MAIN's ten are not promised to it
    assert sellable(world) == {MUG: 10}
    ready(world, (MUG, 3), number=2)
    assert sellable(world) == {MUG: 7}
    Warehouse.objects.filter(name="EAST").update(enabled=False)
    assert sellable(world) == {MUG: 7}, "what a disabled warehouse will send was never for sale"


def test_an_order_that_names_a_warehouse_nobody_knows_takes_from_all(world: World) -> None:
    count(world, 10)
    run(world, INVENTORY)
    ready(world, (MUG, 3), warehouse="ATLANTIS")
    assert sellable(world) == {MUG: 7}


def test_items_that_the_wms_does_not_know_are_nobodys_business(world: World) -> None:
    count(world, 10)
    run(world, INVENTORY)
    ready(world, ("GIFT-CARD", 3))
    assert sellable(world) == {MUG: 10}


# ── asking the WMS ──


def test_only_changed_levels_are_asked_for_and_all_of_them_once_a_day(world: World) -> None:
    count(world, 10)
    for hours in (0, 1, 23, 24, 25):
        with at(hours):
            run(world, INVENTORY)
    seen = [one.request for one in world.warehouse.journal if one.request.path == "/v1/stock"]
    since = [request.query.get("changed_since", "")[:4] for request in seen]
    assert since == ["2000", since[1], since[1], "2000", since[1]]
    assert since[1] > "2000"


def test_a_level_has_a_new_version_when_its_quantity_changes_and_only_then(world: World) -> None:
    count(world, 10)
    run(world, INVENTORY)
    run(world, INVENTORY)
    assert StockLevel.objects.get().version == 1
    count(world, 9)
    run(world, INVENTORY)
    assert (StockLevel.objects.get().version, sellable(world)) == (2, {MUG: 9})


# ── telling the cart ──


def test_the_cart_is_told_only_what_has_changed(world: World) -> None:
    count(world, 10)
    count(world, 3, "TIN-SMALL")
    run(world, INVENTORY, UPLOAD)
    assert told(world) == [(MUG, 10), ("TIN-SMALL", 3)]
    run(world, INVENTORY, UPLOAD)
    assert len(told(world)) == 2
    count(world, 9)
    run(world, INVENTORY, UPLOAD)
    assert told(world)[2:] == [(MUG, 9)]


def test_and_once_a_day_everything(world: World) -> None:
    count(world, 10)
    with at(0):
        run(world, INVENTORY, UPLOAD)
    for hours in (1, 23):
        with at(hours):
            run(world, UPLOAD)
            assert len(told(world)) == 1
    with at(24):
        run(world, UPLOAD)
        assert told(world) == [(MUG, 10)] * 2


def test_an_order_that_comes_in_lowers_what_the_cart_is_told(world: World) -> None:
    count(world, 10)
    run(world, INVENTORY, UPLOAD)
    ready(world, (MUG, 4))
    run(world, UPLOAD)
    assert told(world)[-1] == (MUG, 6)


def test_the_carts_own_orders_are_read_first_when_they_are_older_than_two_minutes(world: World) -> None:
    count(world, 10)
    run(world, INVENTORY)
    with at(0):
        run(world, DOWNLOAD)
    place(world, 1, (MUG, 4))
    with at(minutes=1):
        before = asked(world.shop, "GET", "/api/orders")
        run(world, UPLOAD)
        assert asked(world.shop, "GET", "/api/orders") == before, "fresh enough"
    with at(minutes=3):
        run(world, UPLOAD)
        assert (told(world)[-1], len(world.orders())) == ((MUG, 6), 1)


def test_reading_ahead_leaves_the_downloads_own_cursor_alone(world: World) -> None:
    world.shop.place(1, ago(minutes=9))
    with at(0):
        run(world, DOWNLOAD)
    before = world.schedule(DOWNLOAD).cursor
    world.shop.place(2, ago(minutes=1))
    with at(1):
        run(world, UPLOAD)
        assert (len(world.orders()), world.schedule(DOWNLOAD).cursor) == (2, before)


def refusing(world: World) -> None:
    def answer(request: Any, usual: Any) -> Any:
        rows = [{"sku": row["sku"], "known": True, "problem": "Not for sale."} for row in request.json["levels"]]
        return {"results": rows}

    answers(world.shop, "POST", "/api/stock", answer)


def test_what_the_cart_does_not_take_is_tried_at_every_run_and_at_most_one_an_hour_counts(world: World) -> None:
    count(world, 10)
    run(world, INVENTORY)
    usual = world.shop._exact["POST", "/api/stock"]
    refusing(world)
    seen = []
    for minutes in (0, 30, 59, 60, 90, 120):
        with at(minutes=minutes):
            run(world, UPLOAD)
            seen.append((asked(world.shop, "POST", "/api/stock"), CartStock.objects.get().failures))
    assert seen == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3)]
    assert alerts() == ["stock_refused"]
    world.shop._exact["POST", "/api/stock"] = usual
    with at(3):
        run(world, UPLOAD)
        stored = CartStock.objects.get()
        assert (told(world), stored.failures, stored.first_failed_at, alerts()) == ([(MUG, 10)], 0, None, [])


def test_what_several_batches_of_a_run_refuse_is_told_in_all_without_counting_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_inventory, "BATCH", 1)
    for sku in (MUG, "POT-GLASS", "TIN"):
        count(world, 5, sku)
    run(world, INVENTORY)
    refusing(world)
    for _ in range(2):
        with counted() as sent:
            run(world, UPLOAD)
        (alert,) = Alert.objects.all()
        assert alert.count == 3 and "the stock of 3 products" in alert.message
        assert not [sql for sql in sent if "COUNT(" in sql and "carts_cartstock" in sql]


@pytest.mark.parametrize(
    "ago",
    [{"failures": 99}, {"first_failed_at": START + timedelta(hours=2) - timedelta(days=30)}],
    ids=["tries", "days"],
)
def test_after_100_counted_tries_or_30_days_it_is_left_to_the_daily_full_upload(
    world: World, ago: dict[str, Any]
) -> None:
    assert (100, timedelta(days=30)) == (upload_inventory.TRIES, upload_inventory.DAYS)
    count(world, 10)
    run(world, INVENTORY)
    refusing(world)
    with at(0):
        run(world, UPLOAD)
        CartStock.objects.update(failed_at=START - timedelta(hours=1), **ago)
        before = CartStock.objects.get().failures
    with at(1):
        run(world, UPLOAD)
        assert CartStock.objects.get().failures == before + 1
    posts = asked(world.shop, "POST", "/api/stock")
    with at(2):
        run(world, UPLOAD)
        assert asked(world.shop, "POST", "/api/stock") == posts
        assert alerts() == ["stock_refused"], "it is not resolved by being left alone"
        words = Counter(world).post("cart/run/upload_inventory/")
        assert "A product that was given up is sent once more." in text(words)
        for _ in range(2):
            run(world, UPLOAD)
            assert asked(world.shop, "POST", "/api/stock") == posts + 1, "once, because a person wants it"
    with at(26.5):
        run(world, UPLOAD)
        assert asked(world.shop, "POST", "/api/stock") == posts + 2


def test_a_product_that_the_shop_does_not_have_is_no_failure(world: World) -> None:
    count(world, 10, "UNKNOWN-7")
    run(world, INVENTORY, UPLOAD)
    assert (told(world), alerts(), CartStock.objects.get().failures) == ([], [], 0)


def test_a_shop_in_trouble_is_told_at_the_next_run(world: World) -> None:
    count(world, 10)
    run(world, INVENTORY)
    world.shop.faults.script("POST /api/stock", "error")
    with at(0):
        run(world, UPLOAD)
        assert (told(world), alerts()) == ([], ["service_failing"])
    with at(1):
        run(world, UPLOAD)
        assert (told(world), alerts()) == ([(MUG, 10)], [])


def test_levels_and_orders_wake_the_upload_of_every_cart_of_the_merchant(world: World) -> None:
    """Automatic: it runs with the news, not with the clock."""
    schedules.set_frequency(world.schedule(UPLOAD), START, every=12 * 3600, automatic=True)
    later = START + timedelta(hours=9)

    def wakes(hour: int, service: Service) -> bool:
        Schedule.objects.filter(service=UPLOAD).update(next_run=later, started_at=None, failures=0)
        with at(hour):
            run(world, service)
            return bool(world.schedule(UPLOAD).next_run == clock.now())

    count(world, 10)
    assert wakes(1, INVENTORY), "new levels"
    assert not wakes(2, INVENTORY), "the same levels are no news"
    place(world)
    assert wakes(3, DOWNLOAD), "what is ordered is not there for others"
