"""3PL Warehouse Manager's whole life through the engine: orders out, parcels and stock back, and lost answers."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from alerts.models import Alert
from integration_manager.kit.simulator import Request
from merchants.models import Schedule, Service, StockLevel
from orders import actions
from orders.models import Effect, Order, Shipment, Status
from tests.extensiv_world import options, running
from tests.world import World, alerts, answers, asked, at, change, fake, leases_expire, pack, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
CONFIRM, UPLOAD = Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS
INVENTORY, UPLOAD_INVENTORY = Service.INVENTORY, Service.UPLOAD_INVENTORY
DANA = "dana@example.com"


@pytest.fixture
def world(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account with a sandbox shop and a running 3PL Warehouse Manager."""
    with running(fake("sandbox_shop", "oak"), settings, monkeypatch) as made:
        yield made


def hall(world: World) -> Any:
    return world.warehouse


def told(world: World) -> list[tuple[str | None, dict[str, str]]]:
    """What the shop was told of its parcels: the tracking number and how much of which SKU."""
    parcels = world.shop.effects("shipment")
    return [(one["tracking_number"], lines_of(one)) for one in parcels]


def lines_of(parcel: Any) -> dict[str, str]:
    return {line["item"]: line["quantity"] for line in parcel["lines"]}


def test_an_order_leaves_in_two_packages_with_their_contents(world: World) -> None:
    place(world, 1, ("MUG-BLUE", 3), ("POT-GLASS", 1))
    run(world, DOWNLOAD, DELIVER)
    (sent,) = world.warehouse.effects("order")
    assert (sent["customer"], sent["said"]["facilityIdentifier"], sent["said"]["routingInfo"]) == (
        77,
        {"id": 2},
        {"mode": "GROUND"},
    )
    first = pack(world, share="0.5")
    run(world, CONFIRM)
    assert not Shipment.objects.exists(), "what is packed has not left before the order is confirmed"
    second = pack(world)
    run(world, CONFIRM, UPLOAD)
    assert told(world) == [
        (f"1Z{first}", {"MUG-BLUE": "2", "POT-GLASS": "1"}),
        (f"1Z{second}", {"MUG-BLUE": "1"}),
    ]
    assert (world.only().status, alerts()) == (Status.CONFIRMED, [])


def test_each_package_as_soon_as_it_has_a_label(world: World) -> None:
    options(world, parcels="labelled")
    place(world, 1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD, DELIVER)
    pack(world, share="0.5")
    run(world, CONFIRM, UPLOAD)
    assert (len(told(world)), world.only().status) == (1, Status.AT_WMS)
    pack(world)
    run(world, CONFIRM, UPLOAD)
    assert [lines for _, lines in told(world)] == [{"MUG-BLUE": "2"}, {"MUG-BLUE": "1"}]
    assert (world.only().status, alerts()) == (Status.CONFIRMED, [])


def test_a_label_that_is_voided_is_taken_back_and_the_next_one_told(world: World) -> None:
    options(world, parcels="labelled")
    place(world, 1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, DELIVER)
    pack(world, close=False)
    run(world, CONFIRM)
    key = world.only().wms_key
    (box,) = hall(world).orders.rows[key]["packages"]
    hall(world).touch(key, packages=[{**box, "trackingNumber": None}])
    run(world, CONFIRM)
    assert (Shipment.objects.get().voided_at is not None, world.only().status) == (True, Status.AT_WMS)
    hall(world).touch(key, packages=[{**box, "trackingNumber": "1ZNEW"}], status=1)
    run(world, CONFIRM, UPLOAD)
    assert [number for number, _ in told(world)] == ["1ZNEW"]
    assert world.only().status == Status.CONFIRMED


@pytest.mark.parametrize("boxes", [1, 2])
def test_numbers_that_come_after_the_order_was_told_of_are_told_of_what_the_shop_has(world: World, boxes: int) -> None:
    place(world, 1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD, DELIVER)
    if boxes == 2:
        pack(world, share="0.5")
    pack(world)
    key = world.only().wms_key
    packed = hall(world).orders.rows[key]["packages"]
    hall(world).touch(key, packages=[{**box, "trackingNumber": None} for box in packed])
    run(world, CONFIRM, UPLOAD)
    (parcel,) = world.shop.effects("shipment")
    assert (parcel["tracking_number"], world.only().status) == (None, Status.CONFIRMED)
    hall(world).touch(key, packages=[{**box, "trackingNumber": f"1Z{n}"} for n, box in enumerate(packed)])
    run(world, CONFIRM, UPLOAD)
    assert len(world.shop.effects("shipment")) == 1
    numbers = [row["tracking_number"] for row in world.shop.effects("correction", parcel["id"])]
    assert set(numbers) == {", ".join(f"1Z{n}" for n in range(boxes))}, "the shop has it once, with all the numbers"
    order = world.only()
    assert (order.status, order.qty_shipped, alerts()) == (Status.CONFIRMED, 3, [])
    assert [one.key for one in Shipment.objects.exclude(voided_at=None)] == [f"order-{key}"]
    run(world, CONFIRM, UPLOAD)
    assert len(world.shop.effects("shipment")) == 1


def test_an_order_confirmed_short_is_told_as_what_it_is(world: World) -> None:
    place(world, 1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD, DELIVER)
    pack(world, share="0.5", close=True)
    run(world, CONFIRM, UPLOAD)
    assert told(world)[0][1] == {"MUG-BLUE": "2"}
    assert (world.only().status, alerts()) == (Status.CONFIRMED, ["shipped_short"])


def test_stock_is_summed_over_qualifiers_and_reaches_the_shop(world: World) -> None:
    options(world, qualifiers="NEW")
    warehouse = hall(world)
    for qualifier, pieces in (("", 5), ("NEW", 30), ("DAMAGED", 400)):
        warehouse.count("MUG-BLUE", Decimal(pieces), qualifier=qualifier)
    warehouse.count("MUG-BLUE", Decimal(1000), facility=5)
    warehouse.count("POT-GLASS", Decimal(9), qualifier="DAMAGED")
    place(world, 1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, INVENTORY, UPLOAD_INVENTORY)
    levels = {
        sku: [Decimal(one["quantity"]) for one in world.shop.effects("stock", sku)] for sku in ("MUG-BLUE", "POT-GLASS")
    }
    assert levels == {"MUG-BLUE": [33], "POT-GLASS": [0]}  # what is ordered and not sent yet is not for sale


def test_what_is_gone_from_the_shelf_is_gone_from_the_shop(world: World) -> None:
    """3PL Warehouse Manager does not list it any more."""
    warehouse = hall(world)
    for sku in ("MUG-BLUE", "POT-GLASS"):
        warehouse.count(sku, Decimal(5))
    place(world, 1, ("MUG-BLUE", 1), ("POT-GLASS", 1))
    with at(0):
        run(world, DOWNLOAD, INVENTORY, UPLOAD_INVENTORY)
    warehouse.count("MUG-BLUE", Decimal(0))
    with at(1):
        run(world, INVENTORY, UPLOAD_INVENTORY)
        run(world, INVENTORY)
    left = {row.sku: row.available for row in StockLevel.objects.all()}
    assert left == {"MUG-BLUE": 0, "POT-GLASS": 5}
    assert [Decimal(one["quantity"]) for one in world.shop.effects("stock", "MUG-BLUE")] == [4, 0]
    warehouse.count("POT-GLASS", Decimal(0))
    with at(2):
        run(world, INVENTORY)
    assert StockLevel.objects.get(sku="POT-GLASS").available == 5, "that all is gone may be a mistake"
    with at(3):
        run(world, INVENTORY)
    assert StockLevel.objects.get(sku="POT-GLASS").available == 0, "twice in a row it is none"
    warehouse.count("POT-GLASS", Decimal(4))
    with at(4):
        run(world, INVENTORY)
    warehouse.count("POT-GLASS", Decimal(0))
    with at(5):
        run(world, INVENTORY)
    assert StockLevel.objects.get(sku="POT-GLASS").available == 4, "once again is once"


def test_cancellations_before_and_after_sending(world: World) -> None:
    keys = [place(world, number, ("MUG-BLUE", 2)) for number in (1, 2, 3)]
    run(world, DOWNLOAD)
    change(world, keys[0], status="canceled")
    run(world, DOWNLOAD, DELIVER)
    never, open_one, shipped = world.orders()
    assert (never.status, open_one.status) == (Status.CANCELED, Status.AT_WMS)
    pack(world, shipped)
    change(world, keys[1], status="canceled")
    change(world, keys[2], status="canceled")
    run(world, DOWNLOAD, DELIVER)
    assert [order.status for order in world.orders()] == [Status.CANCELED, Status.CANCELED, Status.AT_WMS]
    assert [row["key"] for row in world.warehouse.effects("cancel")] == [open_one.wms_ref]
    alert = Alert.objects.get(kind="cancel_refused")
    assert "too late" in alert.message
    run(world, CONFIRM)
    assert world.orders()[2].status == Status.SHIPPED


@pytest.mark.parametrize("there", [True, False])
def test_what_a_person_found_is_canceled_by_its_own_number_not_by_our_reference(world: World, there: bool) -> None:
    """The shop's number of the second order is the warehouse's own of the first."""
    place(world, 1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, DELIVER)
    other = world.only()
    key = place(world, int(other.wms_key), ("MUG-BLUE", 1))
    run(world, DOWNLOAD)
    if there:
        run(world, DELIVER)
    mine = world.orders()[1]
    assert mine.wms_ref == other.wms_key
    Order.objects.filter(pk=mine.pk).update(status=Status.ERROR, error_code="outcome_unknown", wms_key="")
    actions.it_arrived(mine, "", DANA)
    change(world, key, status="canceled")
    run(world, DOWNLOAD, DELIVER)
    assert [row["key"] for row in world.warehouse.effects("cancel")] == ([mine.wms_ref] if there else [])
    states = [Status.AT_WMS, Status.CANCELED if there else Status.AT_WMS]
    assert [order.status for order in world.orders()] == states
    assert alerts() == ([] if there else ["cancel_refused"])
    if not there:
        message = Alert.objects.get().message
        assert f"it shows no order {mine.cust_po_no} under our reference {mine.wms_ref}" in message


def test_somebody_works_on_the_order_while_it_is_canceled(world: World) -> None:
    """What was read is stale by then (412): it is read again, and canceled as it is now."""
    key = place(world, 1)
    run(world, DOWNLOAD, DELIVER)
    warehouse, usual, touched = hall(world), world.warehouse.answer, []

    def answer(request: Request) -> Any:
        reply = usual(request)
        if request.method == "GET" and request.path.startswith("/orders/") and len(touched) < 2:
            touched.append(warehouse.touch(request.path.rpartition("/")[2]))
        return reply

    warehouse.answer = answer
    change(world, key, status="canceled")
    run(world, DOWNLOAD, DELIVER)
    assert (len(touched), world.warehouse.calls["POST 412"], world.warehouse.calls["POST 204"]) == (2, 2, 1)
    assert (world.only().status, alerts()) == (Status.CANCELED, [])


def test_the_warehouse_cancels_by_itself(world: World) -> None:
    place(world, 1)
    run(world, DOWNLOAD, DELIVER)
    hall(world).call_off(world.only().wms_key)
    run(world, CONFIRM)
    assert world.only().status == Status.CANCELED


def test_a_token_that_expires_in_the_middle_costs_no_order(world: World) -> None:
    for number in range(1, 8):
        place(world, number)
    run(world, DOWNLOAD)
    taken: list[int] = []

    def take(request: Request, usual: Any) -> Any:
        taken.append(1)
        if len(taken) == 3:
            hall(world).expire()
        return usual(request)

    answers(world.warehouse, "POST", "/orders", take)
    run(world, DELIVER)
    assert [order.status for order in world.orders()] == [Status.AT_WMS] * 7
    assert len(world.warehouse.effects("order")) == 7
    assert (asked(world.warehouse, "POST", "/Token"), world.warehouse.calls["POST 401"] >= 1) == (2, True)


def test_wrong_credentials_pause_the_delivery_and_orders_keep_their_place(world: World) -> None:
    place(world, 1)
    hall(world).user = "8"
    run(world, DOWNLOAD, DELIVER)
    assert world.schedule(DELIVER).paused == Schedule.Paused.AUTH
    assert world.only().status == Status.READY


def test_a_wrong_customer_stops_the_delivery_and_not_each_order(world: World) -> None:
    for number in (1, 2):
        place(world, number)
    world.merchant.wms_values = {**world.merchant.wms_values, "customer": 99}
    world.merchant.save()
    run(world, DOWNLOAD, DELIVER)
    assert {order.status for order in world.orders()} == {Status.READY}
    assert world.schedule(DELIVER).paused == Schedule.Paused.AUTH


def test_an_unknown_sku_is_said_by_its_name_and_the_order_goes_when_it_is_mended(world: World) -> None:
    place(world, 1, ("MUG-BLUE", 1), ("UNKNOWN-7", 2))
    place(world, 2)
    run(world, DOWNLOAD, DELIVER)
    stopped, went = world.orders()
    assert (stopped.status, stopped.error_code, went.status) == (Status.ERROR, "item_unknown", Status.AT_WMS)
    alert = Alert.objects.get(resolved_at__isnull=True)
    assert (alert.kind, "UNKNOWN-7" in alert.message) == ("item_unknown", True)
    hall(world).add_item(77, "UNKNOWN-7")
    actions.resend(stopped, DANA)
    run(world, DELIVER)
    assert [order.status for order in world.orders()] == [Status.AT_WMS] * 2
    assert alerts() == []


def test_a_reference_that_somebody_else_has_used_is_not_taken_for_ours(world: World) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    ours = world.only()
    said = {
        "customerIdentifier": {"id": 77}, "facilityIdentifier": {"id": 2}, "referenceNum": ours.wms_ref,
        "poNum": "SOMETHING-ELSE", "shipTo": {"companyName": "Quay", "address1": "1 Quay"},
        "orderItems": [{"itemIdentifier": {"sku": "MUG-RED"}, "qty": 9}],
    }  # fmt: skip
    warehouse = hall(world)
    with warehouse.lock:
        warehouse.take(Request("POST", "/orders", {}, {}, json.dumps(said).encode()))
    run(world, DELIVER)
    assert (world.only().status, world.only().error_code) == (Status.ERROR, "reference_taken")
    assert len(world.warehouse.effects("order")) == 1


def test_exactly_once_while_a_fifth_of_all_answers_is_lost_at_both_ends(world: World) -> None:
    options(world, parcels="labelled")
    for number in range(1, 9):
        place(world, number, ("MUG-BLUE", 2), ("TEA-GREEN", 1))
    for number, system in enumerate((world.shop, world.warehouse)):
        system.faults.seed(11 + number)
        system.faults.plan({"drop_after": 0.2}, match="write")
        system.faults.plan({"drop": 0.1, "drop_after": 0.1}, match="read")
        path = "/api/orders/*" if system is world.shop else "/orders"
        system.faults.script(f"POST {path}", "drop_after", times=2, skip=1)
    for hour in range(30):
        with at(hour):
            run(world, DOWNLOAD, DELIVER)
            for order in Order.objects.filter(status=Status.AT_WMS):
                pack(world, order, share="0.5" if hour < 3 else "1")
            run(world, CONFIRM, UPLOAD)
            leases_expire()
        if Counter(order.status for order in world.orders()) == {Status.CONFIRMED: 8}:
            break
    assert [(order.status, order.error_message) for order in world.orders()] == [(Status.CONFIRMED, "")] * 8
    assert min(one.calls["POST drop_after"] for one in (world.shop, world.warehouse)) >= 2, "no answer was lost"
    for order in world.orders():
        assert len(world.warehouse.effects("order", order.wms_ref)) == 1
        packed = [row["parcel"] for row in world.warehouse.effects("parcel", order.wms_ref)]
        numbers = sorted(row["tracking_number"] for row in world.shop.effects("shipment", order.cart_key))
        assert numbers == sorted(f"1Z{one}" for one in packed)
    assert not Effect.objects.exists()
