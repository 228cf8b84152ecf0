"""What bad input gets: a clear sentence for a person, a stable code for a program, and nothing lost."""

import json
from datetime import datetime
from typing import Any

import pytest

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart
from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit.simulator import Reply, stamp
from merchants.models import Schedule, Service, StockLevel
from orders import actions, connections, rejects
from orders.journal import Journal
from orders.models import CartProduct, Exchange, Order, OrderDetail, Shipment, SkippedOrder, Status
from orders.services import products
from tests.world import World, ago, alerts, answers, asked, change, pack, place, run
from wms.systems.sandbox_wms import SandboxWmsBlind

DOWNLOAD, DELIVER, CONFIRM = Service.DOWNLOAD, Service.DELIVER, Service.SHIP_CONFIRM
INVENTORY = Service.INVENTORY


@pytest.fixture
def world(calm: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(SandboxShop, "timeout", 1.0)
    return calm


def stranger(world: World, **fields: Any) -> None:
    """The shop lists an order with these fields changed, as its JSON may hold them."""
    key = place(world)
    row = world.shop.table("orders").rows[key]
    body = json.dumps({"orders": [{**row, **fields}], "more": False}).encode()
    answers(world.shop, "GET", "/api/orders", lambda *_: Reply(body))


# ── orders that cannot be read ──


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"status": "teleported"}, "status"),
        ({"number": None}, "number"),
        ({"created_at": "the day before yesterday"}, "created_at"),
        ({"lines": "three mugs"}, "lines"),
        ({"lines": [{"id": "1", "sku": "MUG", "quantity": "many"}]}, "lines[0].quantity"),
        ({"ship_to": ["Ada"]}, "ship_to"),
        ({"total": {"amount": 5}}, "total"),
        ({"total": "9" * 16}, "total"),
        ({"total": "NaN"}, "total"),
        ({"lines": [{"id": "1", "sku": "MUG", "quantity": "9" * 16}]}, "quantity"),
    ],
    ids=str,
)
def test_an_order_that_cannot_be_mapped_is_stored_in_error_with_its_raw_form(
    world: World, fields: dict[str, Any], field: str
) -> None:
    stranger(world, **fields)
    run(world, DOWNLOAD)
    order = world.only()
    assert (order.status, order.error_code, order.cart_key) == (Status.ERROR, "unmappable", "1")
    assert field in order.error_message
    raw = OrderDetail.objects.get().raw
    assert {name: raw[name] for name in fields} == fields
    assert alerts() == ["unmappable"]
    run(world, DELIVER)
    assert asked(world.warehouse, "POST") == 0


def test_corrected_at_the_source_it_goes_its_way_under_its_own_number(world: World) -> None:
    key = place(world, 1, status="teleported")
    run(world, DOWNLOAD)
    change(world, key, status="paid")
    run(world, DOWNLOAD, DELIVER)
    order = world.only()
    assert (order.status, order.cust_po_no, alerts()) == (Status.AT_WMS, "OAK-1", [])
    assert str(order.order_date) == str(world.shop.table("orders").rows[key]["created_at"])[:10]


def test_an_order_that_becomes_unreadable_keeps_what_we_have(world: World) -> None:
    key = place(world)
    run(world, DOWNLOAD)
    before = OrderDetail.objects.get().data
    change(world, key, status="teleported")
    run(world, DOWNLOAD)
    assert (world.only().held_by, OrderDetail.objects.get().data) == ("source", before)


@pytest.mark.parametrize(
    "fields",
    [{"id": None}, {"id": ""}, {"id": ["1"]}, {"id": "\x00"}],
    ids=["none", "empty", "a list", "a NUL"],
)
def test_an_order_without_a_key_is_a_skipped_row_known_by_its_content(world: World, fields: dict[str, Any]) -> None:
    stranger(world, **fields)
    run(world, DOWNLOAD)
    run(world, DOWNLOAD)
    assert world.orders() == []
    skipped = SkippedOrder.objects.get()
    assert (skipped.reason, skipped.key.startswith("content:")) == ("unreadable", True)
    assert "id" in skipped.message
    assert skipped.raw is not None and skipped.raw["number"] == "OAK-1"


def test_one_that_cannot_be_read_does_not_keep_the_others(world: World) -> None:
    place(world, 1)
    place(world, 2, status="teleported")
    place(world, 3, id=None)
    place(world, 4)
    run(world, DOWNLOAD, DELIVER)
    assert [o.status for o in world.orders()] == [Status.AT_WMS, Status.ERROR, Status.AT_WMS]
    assert SkippedOrder.objects.count() == 1


# ── what no database can keep ──


@pytest.mark.parametrize(
    "text",
    ["a \x00 NUL", "half a letter \ud83d", "x" * 200_000, "‮sdrawkcab", "e\u0301" * 3000, "'; DROP TABLE orders; --"],
    ids=["NUL", "lone surrogate", "endless", "right to left", "combining", "SQL"],
)
def test_strange_text_is_kept_or_replaced_and_stops_nothing(world: World, text: str) -> None:
    address = {"first_name": text, "address_1": text, "city": text, "zip": "97201", "country": "US"}
    stranger(
        world,
        note=text,
        tags=[text],
        unknown_to_us={text: [text]},
        ship_to=address,
        lines=[{"id": text, "sku": text, "title": text, "price": "1", "quantity": 1}],
    )
    run(world, DOWNLOAD)
    assert world.only().status == Status.READY
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS


@pytest.mark.parametrize("text", ["nul\x00key", "half\ud83d", "k" * 5000], ids=["NUL", "lone surrogate", "endless"])
def test_a_strange_key_is_a_key(world: World, text: str) -> None:
    stranger(world, id=text, number=text)
    run(world, DOWNLOAD)
    run(world, DOWNLOAD)
    assert (Order.objects.count(), world.only().status) == (1, Status.READY)
    assert len(world.only().wms_ref) <= 16


@pytest.mark.parametrize(
    "value",
    [10**40, -(10**25), 1.5, [[[]]] * 100, {"a": {"b": {"c": None}}}, True],
    ids=["a huge number", "a huge negative one", "a fraction", "nested", "an object", "a flag"],
)
def test_what_the_mapping_does_not_look_at_is_kept_raw_whatever_it_is(world: World, value: Any) -> None:
    stranger(world, unknown_to_us=value)
    run(world, DOWNLOAD)
    assert world.only().status == Status.READY
    raw = OrderDetail.objects.get().raw
    assert str(raw["unknown_to_us"]) == str(value)


def test_a_raw_form_with_fractions_can_change(world: World) -> None:
    stranger(world, weight=1.25)
    run(world, DOWNLOAD)
    row = world.shop.table("orders").rows["1"]
    for status in ("paid", "canceled"):
        body = json.dumps({"orders": [{**row, "weight": 2.75, "note": "x", "status": status}], "more": False}).encode()
        answers(world.shop, "GET", "/api/orders", lambda *_, body=body: Reply(body))
        run(world, DOWNLOAD)
    assert world.only().status == Status.CANCELED
    assert float(OrderDetail.objects.get().raw["weight"]) == 2.75


def test_a_raw_form_nested_without_end_is_kept_as_text(world: World) -> None:
    key = place(world)
    row = json.dumps(world.shop.table("orders").rows[key])
    deep = row[:-1] + ', "deep": ' + "[" * 400 + "]" * 400 + "}"
    body = ('{"orders": [' + deep + '], "more": false}').encode()
    answers(world.shop, "GET", "/api/orders", lambda *_: Reply(body))
    run(world, DOWNLOAD)
    assert world.only().status == Status.READY
    assert OrderDetail.objects.get().raw is not None


@pytest.mark.parametrize("field", ["tracking_number", "carrier", "method", "key"])
@pytest.mark.parametrize("text", ["nul\x00", "half\ud83d", "t" * 3000], ids=["NUL", "lone surrogate", "endless"])
def test_a_strange_parcel_is_stored_all_the_same(world: World, field: str, text: str) -> None:
    place(world)
    run(world, DOWNLOAD, DELIVER)
    order = world.only()
    now = stamp(ago())
    row = {
        "key": "P1", "order": order.wms_key, "reference": order.wms_ref, "carrier": "UPS", "method": "GROUND",
        "tracking_number": "1Z", "tracking_url": None, "shipped_at": now, "modified_at": now, "last": True,
        "voided": False, "lines": [], field: text,
    }  # fmt: skip
    body = json.dumps({"shipments": [row], "more": False}).encode()
    answers(world.warehouse, "GET", "/v1/shipments", lambda *_: Reply(body))
    run(world, CONFIRM)
    run(world, CONFIRM)
    assert (Shipment.objects.count(), world.only().status) == (1, Status.SHIPPED)


def test_a_record_that_cannot_be_read_is_said_and_keeps_no_other(world: World) -> None:
    """Parcels, cancellations, levels and products."""
    shop: Any = world.shop
    warehouse: Any = world.warehouse
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD, DELIVER)
    broken, whole, canceled = world.orders()
    warehouse._shipments("C1").change(pack(world, broken), cost="a lot")
    parcel = pack(world, whole)
    for key in (["?"], canceled.wms_key):
        row = {"order": key, "reference": None, "reason": None, "at": stamp(ago())}
        warehouse._cancellations("C1").put(str(key), row)
    for number in (1, 2):
        warehouse.level(number, ago())
    warehouse._stock("C1").change("SKU-00001@MAIN", available="many")
    Cart.objects.update(sync_products=True)
    world.schedule(Service.PRODUCTS)
    Schedule.objects.filter(service=Service.PRODUCTS).update(state={products.FROM: ago(hours=1).isoformat()})
    shop.offer("1", "MUG", "Mug", "dear", at=ago())
    shop.offer("2", "POT", "Pot", "5.00", at=ago())
    run(world, CONFIRM, INVENTORY, Service.PRODUCTS)
    assert [row.key for row in Shipment.objects.all()] == [parcel]
    assert [order.status for order in world.orders()] == [Status.AT_WMS, Status.SHIPPED, Status.CANCELED]
    assert set(StockLevel.objects.values_list("sku", flat=True)) & {"SKU-00001", "SKU-00002"} == {"SKU-00002"}
    assert [row.sku for row in CartProduct.objects.all()] == ["POT"]
    assert alerts().count("bad_rows") == 4, "one of each"
    warehouse._stock("C1").change("SKU-00001@MAIN", available="5")
    run(world, INVENTORY)
    assert alerts().count("bad_rows") == 4, "what has changed since was read alone"
    Schedule.objects.filter(service=INVENTORY).update(reached_back_at=None)
    run(world, INVENTORY)
    assert alerts().count("bad_rows") == 3, "all of the list could be read"


@pytest.mark.parametrize(("most", "news"), [(9, True), (5, False)])
def test_records_that_stay_as_they_are_are_said_once_however_many_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch, most: int, news: bool
) -> None:
    monkeypatch.setattr(rejects, "MOST_TOLD", most)
    warehouse: Any = world.warehouse

    def told(*numbers: int) -> Alert:
        for number in numbers:
            warehouse.level(number, ago())
            warehouse._stock("C1").change(f"SKU-{number:05}@MAIN", available="many")
        Schedule.objects.filter(service=INVENTORY).update(reached_back_at=None)
        run(world, INVENTORY)
        return Alert.objects.get(kind="bad_rows")

    assert told(*range(1, 9)).count == 8
    for _ in range(2):
        Alert.objects.update(dismissed_at=ago())
        assert not told().active, "all are read again each day"
    assert told(9).active is news, "of so many that they are not remembered one more is none"


def test_a_strange_key_of_the_wms_loses_no_order(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    body = json.dumps({"key": "W\x00\ud83d" + "9" * 500}).encode()
    answers(world.warehouse, "POST", "/v1/orders", lambda *_: Reply(body, 201))
    run(world, DELIVER)
    assert (world.only().status, len(world.only().wms_key)) == (Status.AT_WMS, 100)


# ── systems that answer badly: no run crashes, no cursor moves ──

BAD = ["error", "bad_gateway", "drop", "hang", "truncated", "cut", "garbage", "alien", "huge", "slow", "redirect"]
CASES = [
    (DOWNLOAD, "shop", "GET /api/orders"),
    (CONFIRM, "warehouse", "GET /v1/shipments"),
    (INVENTORY, "warehouse", "GET /v1/stock"),
]


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_answer_fails_the_run_in_words_and_moves_no_cursor(
    world: World, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for system in (SandboxShop, SandboxWmsBlind):
        monkeypatch.setattr(system, "timeout", 0.5 if fault in ("hang", "slow") else 3.0)
    place(world)
    for service, name, match in CASES:
        fake = getattr(world, name)
        fake.faults.script(match, fault, times=3)
        run(world, service)
        fake.faults.clear()
        schedule = world.schedule(service)
        assert schedule.cursor is None and schedule.reached_back_at is None, service
        assert (schedule.failures, schedule.succeeded_at) == (1, None), service
        assert schedule.problem.startswith("127.0.0.1 ") and schedule.problem.endswith((".", "?")), schedule.problem
        assert schedule.next_run is not None, "it is tried again"
    assert (Order.objects.count(), StockLevel.objects.count()) == (0, 0)
    for service, _, _ in CASES:
        run(world, service)
        assert world.schedule(service).problem == ""
    assert (Order.objects.count(), alerts()) == (1, [])


def test_a_page_past_the_end_that_repeats_the_last_one_is_noticed(world: World) -> None:
    """Some systems answer any page number beyond the end with their last page."""
    moment: datetime = ago(minutes=9)
    for number in range(1, 101):
        world.shop.place(number, moment)

    def same_page_for_ever(request: Any, usual: Any) -> Any:
        request.query["page"] = "1"
        return usual(request)

    answers(world.shop, "GET", "/api/orders", same_page_for_ever)
    run(world, DOWNLOAD)
    assert "again and again" in world.schedule(DOWNLOAD).problem
    assert asked(world.shop, "GET", "/api/orders") == 3
    assert Order.objects.count() == 100, "what was read is kept"


def test_an_empty_page_past_the_end_is_the_end(world: World) -> None:
    for number in range(1, 101):
        world.shop.place(number, ago(minutes=200 - number))
    run(world, DOWNLOAD)
    assert (Order.objects.count(), world.schedule(DOWNLOAD).problem) == (100, "")


def test_a_row_without_its_time_of_change_is_a_bad_answer_and_no_bug_of_ours(world: World) -> None:
    stranger(world, modified_at="soon")
    run(world, DOWNLOAD)
    assert world.schedule(DOWNLOAD).problem
    assert alerts() == ["service_failing"]


# ── addresses and credentials ──


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/shop",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://2130706433/",
    ],
)
def test_an_address_in_a_private_network_is_refused_in_words_and_pauses_the_connection(
    world: World, url: str, settings: Any
) -> None:
    settings.IM_EGRESS_ALLOW = []
    connections.guard.cache_clear()
    world.cart.credentials = {**world.cart.credentials, "url": url}
    world.cart.save()
    run(world, DOWNLOAD)
    schedule = world.schedule(DOWNLOAD)
    assert (schedule.paused, alerts()) == ("auth", ["credentials"])
    assert "private" in schedule.problem or "IP address" in schedule.problem
    connector = connections.open_cart(world.cart, Account.objects.get(), Journal())
    with pytest.raises(Exception) as caught:
        connector.check()
    assert caught.value.code == "address_refused"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "url", ["", "shop", "ftp://shop.example/", "http://", "http://shop.example:port/", "http://a b/"]
)
def test_an_address_that_is_none_pauses_the_connection_and_says_so(world: World, url: str) -> None:
    world.cart.credentials = {**world.cart.credentials, "url": url}
    world.cart.save()
    run(world, DOWNLOAD)
    schedule = world.schedule(DOWNLOAD)
    assert schedule.paused == "auth"
    assert schedule.problem


def test_a_key_with_characters_that_cannot_be_sent_is_refused_in_words(world: World) -> None:
    world.cart.credentials = {**world.cart.credentials, "api_key": "sch\nlüssel 🗝"}
    world.cart.save()
    run(world, DOWNLOAD)
    assert world.schedule(DOWNLOAD).paused == "auth"
    assert "cannot be sent" in world.schedule(DOWNLOAD).problem


# ── what is left for the person who looks ──


def test_a_failed_exchange_is_kept_and_readable(world: World) -> None:
    place(world, 1, shipping_method="DRONE")
    run(world, DOWNLOAD, DELIVER)
    kept = Exchange.objects.get(order_id=world.only().pk)
    assert (kept.method, kept.status, kept.error) == ("POST", 422, "NeedsHuman")
    assert "We do not ship by 'DRONE'" in kept.response
    assert 0 <= kept.seconds < 60
    assert "resend" in actions.allowed(world.only())
