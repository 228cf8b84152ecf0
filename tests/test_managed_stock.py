"""Managed Inventory: orders take what they are to send when they are loaded, once, and give it back if canceled."""

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.canonical import Stock
from integration_manager.kit.connector import Page
from merchants.models import Adjustment, Product, ProductAlias, Service, StockLevel, Taken, Warehouse
from merchants.rules.kits import Component
from orders import abilities, actions, cancelling, changes, editing, kits, managed
from orders.models import Order, OrderDetail, Status
from orders.stock import offered, stock_rules
from tests.world import START, World, asked, at, change, leases_expire, pack, place, run
from wms.systems.sandbox_wms import SandboxWmsBlind

DOWNLOAD, DELIVER, INVENTORY, UPLOAD, CONFIRM = (
    Service.DOWNLOAD, Service.DELIVER, Service.INVENTORY, Service.UPLOAD_INVENTORY, Service.SHIP_CONFIRM,
)  # fmt: skip
MUG = "MUG-BLUE"


def keep_here(world: World, there: int = 10) -> Warehouse:
    """The merchant's stock is kept here, and somebody has counted."""
    world.merchant.managed_inventory = True
    world.merchant.save()
    default: Warehouse = Warehouse.objects.get(merchant=world.merchant, is_default=True)
    managed.adjust(world.merchant, [(default, MUG, Decimal(there), "counted")], "dana@x.example", clock.now())
    return default


def left(world: World) -> int:
    return int(StockLevel.objects.get(merchant=world.merchant, sku=MUG, warehouse__is_default=True).available)


@pytest.fixture
def kept(calm: World) -> World:
    keep_here(calm)
    return calm


def test_an_order_takes_its_items_when_it_is_loaded_and_only_once(kept: World) -> None:
    place(kept, 1, (MUG, 3), ("GIFT-CARD", 1))
    run(kept, DOWNLOAD, DOWNLOAD, UPLOAD, INVENTORY)
    assert left(kept) == 7
    (loaded,) = Adjustment.objects.exclude(order_number="")
    assert (loaded.before, loaded.after, loaded.reason, loaded.order_number) == (
        10,
        7,
        "Loaded",
        kept.only().cust_po_no,
    )
    run(kept, DELIVER, INVENTORY)
    assert (left(kept), kept.only().status) == (7, Status.AT_WMS), "it stays taken"


@pytest.mark.parametrize("which", [managed._ALL, managed._THESE])
def test_each_item_finds_its_level_by_an_index_however_many_levels_there_are(kept: World, which: str) -> None:
    """Past row-level security only plain columns are compared by an index, not what is computed of them."""
    values = {"account": kept.account.pk, "merchant": kept.merchant.pk, "ids": [1], "sent": False, "earliest": START}
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute("EXPLAIN (COSTS off) " + managed._CONCERNED + which + managed._MOVES, values)
        plan = [line.strip() for (line,) in cursor.fetchall()]
    found = next(number for number, line in enumerate(plan) if "on merchants_stocklevel" in line)
    assert plan[found + 1].startswith("Index Cond") and "(sku)::text" in plan[found + 1], "\n".join(plan)


def test_a_cancellation_looks_at_no_other_order(kept: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among twenty thousand open orders each would take a second."""
    place(kept, 1, (MUG, 3))
    place(kept, 2, (MUG, 4))
    run(kept, DOWNLOAD)
    looked: list[Any] = []
    settled = managed._settle
    monkeypatch.setattr(managed, "_settle", lambda *given: looked.append(given[-1]) or settled(*given))
    first = kept.orders()[0]
    changes.cancel([first.pk], Status.READY, "Canceled.", clock.now())
    assert (left(kept), looked) == (6, [[first.pk]])


def test_what_carts_are_told_is_what_is_left(kept: World) -> None:
    place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD)
    told = {offer.code: offer.quantity for offer in offered(kept.merchant, stock_rules(kept.cart), clock.now())}
    assert told == {MUG: 7}


def test_the_wms_is_not_asked_how_many_there_are_but_what_they_are_called(kept: World) -> None:
    kept.warehouse.shelve("P1", MUG, "Mug, blue", {"UPC": "000000000017"})
    run(kept, INVENTORY)
    assert asked(kept.warehouse, "GET", "/v1/stock") == 0
    assert Product.objects.get(sku=MUG).name == "Mug, blue"
    assert ProductAlias.objects.get(product__sku=MUG).value == "000000000017"


def test_canceled_before_it_is_sent_gives_back_and_once(kept: World) -> None:
    place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD)
    order = kept.only()
    changes.cancel([order.pk], Status(order.status), "No more wanted.", clock.now())
    assert left(kept) == 10
    for _ in range(2):
        managed.settle(kept.merchant, clock.now())
    assert left(kept) == 10
    assert [row.reason for row in Adjustment.objects.exclude(order_number="").order_by("pk")] == [
        "Loaded",
        "Given back",
    ]


def test_cancel_sending_gives_back_and_its_undoing_takes_again(kept: World) -> None:
    place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD)
    for status, held_by, there in ((Status.HELD, "person", 10), (Status.READY, "", 7), (Status.HELD, "rule", 7)):
        Order.objects.update(status=status, held_by=held_by)
        managed.settle(kept.merchant, clock.now())
        assert left(kept) == there


def test_what_the_wms_has_stays_taken_even_if_it_is_canceled_later(kept: World) -> None:
    place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD, DELIVER)
    Order.objects.update(status=Status.CANCELED)
    managed.settle(kept.merchant, clock.now())
    assert left(kept) == 7


def test_sent_again_it_takes_no_more_than_it_is(kept: World) -> None:
    key = place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD, DELIVER)
    line = {"id": f"{key}-1", "sku": MUG, "title": MUG, "price": "5.00", "quantity": 4}
    change(kept, key, lines=[line])
    run(kept, DOWNLOAD)
    cancelling.ask(kept.only(), abilities.of(kept.only(), kept.wms), "dana@x.example", again=True)
    run(kept, DELIVER, DELIVER, INVENTORY)
    assert [order.status for order in kept.orders()] == [Status.CANCELED, Status.AT_WMS]
    assert left(kept) == 6


def test_an_edit_moves_the_difference(kept: World) -> None:
    key = place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD)
    line = {"id": f"{key}-1", "sku": MUG, "title": MUG, "price": "5.00", "quantity": 5}
    kept.shop.change(key, lines=[line])
    run(kept, DOWNLOAD)
    assert (left(kept), Taken.objects.get(sku=MUG).quantity) == (5, 5)


def test_what_a_person_changed_by_hand_is_taken_as_it_is_sent(kept: World) -> None:
    place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD)
    order = kept.only()
    base = editing.values_of(OrderDetail.objects.get(order=order).data)
    more = replace(base, lines=(replace(base.lines[0], quantity="5"),))
    assert editing.save(order, base, more, "dana@x.example") == ["lines"]
    run(kept, DELIVER)
    assert (left(kept), kept.only().status) == (5, Status.AT_WMS)


def test_what_is_sent_after_all_takes_again_before_anybody_looks_at_the_stock(kept: World) -> None:
    place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD)
    actions.cancel_sending(kept.only(), "dana@x.example")
    run(kept, INVENTORY)
    assert left(kept) == 10
    actions.undo_cancel(kept.only(), "dana@x.example")
    run(kept, DELIVER)
    assert (left(kept), kept.only().status) == (7, Status.AT_WMS)


def test_a_kit_that_was_changed_before_the_second_try_takes_what_that_sends(kept: World) -> None:
    place(kept, 1, ("GIFT", 3))
    run(kept, DOWNLOAD)
    kept.warehouse.faults.script("POST /v1/orders", "drop")
    run(kept, DELIVER)
    kits.change(kept.merchant, clock.now(), "dana@x.example", put={"GIFT": (Component(MUG, 2), Component("TIN", 1))})
    leases_expire()
    run(kept, DELIVER)
    assert (left(kept), kept.only().status) == (4, Status.AT_WMS)


def test_what_was_kept_from_being_sent_and_ships_all_the_same_is_gone(kept: World) -> None:
    place(kept, 1, (MUG, 3))
    run(kept, DOWNLOAD, DELIVER)
    order = kept.only()
    Order.objects.update(status=Status.HELD, held_by="person", delivered_at=None)
    run(kept, INVENTORY)
    assert left(kept) == 10
    pack(kept, order)
    run(kept, CONFIRM)
    assert (left(kept), kept.only().status) == (7, Status.SHIPPED)


def test_it_takes_from_the_warehouse_that_the_order_names(kept: World) -> None:
    east = Warehouse.objects.create(merchant=kept.merchant, name="East hall", wms_name="EAST")
    managed.adjust(kept.merchant, [(east, MUG, Decimal(4), "counted")], "dana@x.example", clock.now())
    place(kept, 1, (MUG, 3), warehouse="EAST")
    run(kept, DOWNLOAD)
    assert (left(kept), StockLevel.objects.get(warehouse=east).available) == (10, 1)


def test_orders_of_before_the_first_count_take_theirs_when_it_is_counted(kept: World) -> None:
    place(kept, 1, ("TIN-SMALL", 2))
    run(kept, DOWNLOAD)
    assert not Taken.objects.exists()
    default = Warehouse.objects.get(is_default=True)
    managed.adjust(kept.merchant, [(default, "TIN-SMALL", Decimal(5), "counted")], "dana@x.example", clock.now())
    assert StockLevel.objects.get(sku="TIN-SMALL").available == 3


def switch_on(world: World) -> None:
    world.merchant.managed_inventory = True
    world.merchant.save()
    managed.switched(world.merchant, clock.now())


def counted(monkeypatch: pytest.MonkeyPatch, *levels: Stock) -> None:
    """What the warehouse lists as it is asked."""
    monkeypatch.setattr(SandboxWmsBlind, "stock", lambda self, since: iter([Page(list(levels))]))


def test_what_the_wms_got_since_it_counted_is_taken_once_it_is_kept_here(
    calm: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(monkeypatch, Stock(MUG, Decimal(10)))
    with at(0):
        run(calm, INVENTORY)
    with at(minutes=5):
        place(calm, 1, (MUG, 3))
        run(calm, DOWNLOAD, DELIVER)
        place(calm, 2, (MUG, 1))
        run(calm, DOWNLOAD)
    with at(minutes=10):
        switch_on(calm)
        assert left(calm) == 7
        run(calm, INVENTORY, DELIVER, INVENTORY)
        assert left(calm) == 6
    sent, loaded = Adjustment.objects.order_by("pk")
    assert (sent.before, sent.after, sent.reason) == (10, 7, "Sent since the WMS counted")
    assert (sent.order_number, loaded.reason) == (calm.orders()[0].cust_po_no, "Loaded")


@pytest.mark.parametrize("listed", [True, False])
def test_what_was_sent_before_the_wms_was_asked_last_is_in_its_count(
    calm: World, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    counted(monkeypatch, Stock(MUG, Decimal(10)))
    with at(0):
        run(calm, INVENTORY)
    with at(1):
        place(calm, 1, (MUG, 3))
        run(calm, DOWNLOAD, DELIVER)
    with at(2):
        counted(monkeypatch, *[Stock(MUG, Decimal(10))][: int(listed)])  # else it has not changed
        run(calm, INVENTORY)
        switch_on(calm)
        assert left(calm) == 10 and not Adjustment.objects.exists()


@pytest.mark.parametrize(("names", "there"), [("EAST", (10, 4)), ("", (7, 4)), ("MAIN", (7, 4))])
def test_each_count_is_as_old_as_it_is(
    calm: World, monkeypatch: pytest.MonkeyPatch, names: str, there: tuple[int, int]
) -> None:
    """EAST was counted after the order had left; MAIN, which is not the default, before."""
    for name, default in (("MAIN", False), ("EAST", True)):
        Warehouse.objects.create(merchant=calm.merchant, name=name, wms_name=name)
        Warehouse.objects.filter(merchant=calm.merchant, is_default=True).update(is_default=not default)
        Warehouse.objects.filter(merchant=calm.merchant, name=name).update(is_default=default)
    with at(1):
        place(calm, 1, (MUG, 3), warehouse=names)
        run(calm, DOWNLOAD, DELIVER)
    with at(3):
        ages = (("MAIN", 10, 3), ("EAST", 4, 1))
        counted(
            monkeypatch,
            *(Stock(MUG, Decimal(free), None, hall, clock.now() - timedelta(hours=age)) for hall, free, age in ages),
        )
        run(calm, INVENTORY)
        switch_on(calm)
        levels = {row.warehouse.name: int(row.available) for row in StockLevel.objects.select_related("warehouse")}
        assert (levels["MAIN"], levels["EAST"]) == there


def test_two_at_a_time_take_once(world: World) -> None:
    """Two uploads settle at the same moment while somebody counts."""
    place(world, 1, (MUG, 3))
    run(world, DOWNLOAD)  # not managed yet: nothing is taken
    default = keep_here(world, 10)
    Taken.objects.all().delete()
    StockLevel.objects.update(available=10)
    begin, account = threading.Barrier(4), world.account.pk

    def settle() -> None:
        try:
            with tenancy.activate(account):
                begin.wait()
                managed.settle(world.merchant, clock.now())
        finally:
            connection.close()

    def count() -> None:
        try:
            with tenancy.activate(account):
                begin.wait()
                rows = [(default, "TIN-SMALL", Decimal(4), "counted")]
                managed.adjust(world.merchant, rows, "dana@x.example", clock.now())
        finally:
            connection.close()

    threads = [threading.Thread(target=target) for target in (settle, settle, settle, count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (left(world), Taken.objects.get(sku=MUG).quantity) == (7, 3)
    assert Adjustment.objects.filter(sku=MUG).exclude(order_number="").count() == 2  # that of before, and this one
