"""Shopify: every way in, what it says, and what it does with orders, parcels, stock, refunds and webhooks."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from carts.systems.shopify import Shopify, allotted, to_order
from integration_manager.kit import clock
from integration_manager.kit.canonical import Refund, RefundLine, Shipment, ShipmentLine, SourceState, Stock
from integration_manager.kit.connector import Pending
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import AddressRefused, AuthFailed, NeedsHuman, Permanent, RateLimited, Transient
from integration_manager.kit.graphql import documents, error_of, wait_of
from integration_manager.kit.oauth import CLIENT_SECRET, BadCallback
from integration_manager.kit.shopify import CONTENTS, from_the_shop, home, quoted
from integration_manager.kit.shopify_catalog import SIZES as OF_PRODUCTS
from integration_manager.kit.tokens import MemoryStore
from integration_manager.kit.transport import Answer, Http
from tests.connectors.shopify import official
from tests.connectors.shopify.admin import PATH, TOKEN
from tests.connectors.shopify.cost import read, requested
from tests.world import fake

WHEN = datetime(2026, 3, 1, 8, tzinfo=UTC)
PARCEL = Shipment("P1", carrier="UPS", tracking_no="1Z999", tracking_url="https://ups.example/1Z999", shipped_at=WHEN)
TEXTS = documents(Path(__file__).parents[1] / "carts" / "systems" / "shopify.graphql")
ORDERS = ("size", "lines", "parts", "query", "after")
SIZES: dict[str, Any] = {"size": 8, "lines": 5, "parts": 2, "query": "", "after": None, "id": "gid://shopify/Order/1",
                         "ids": [f"gid://shopify/Fulfillment/{n}" for n in range(CONTENTS)]}  # fmt: skip


@contextlib.contextmanager
def connected(shop: Any, url: str, /, **values: Any) -> Iterator[Shopify]:
    """A connector on a running shop, by consent unless other values are told."""
    typed = {**shop.values(url), **shop.app(), **values}
    tokens = MemoryStore(shop.token()) if typed["way"] == "grant" else None
    with Http(guard=Guard(["127.0.0.1"]), limiter=None, journal=None, timeout=20, tokens=tokens) as http:
        yield Shopify(typed, http=http)


@pytest.fixture
def shop() -> Iterator[Any]:
    found: Any = fake("shopify", "oak")
    yield found
    assert not found.violations, found.violations


@pytest.fixture
def url(shop: Any) -> Iterator[str]:
    with shop.serve() as found:
        yield found


@pytest.fixture
def shopify(shop: Any, url: str) -> Iterator[Shopify]:
    with connected(shop, url) as connector:
        yield connector


def only(shopify: Shopify, **options: Any) -> Any:
    """The one order there is."""
    (raw,) = [row for page in shopify.orders(WHEN) for row in page.rows]
    return to_order(raw, {**shopify.options(), **options})


def questions(shop: Any) -> list[str]:
    return [body["operationName"] for body in shop.asked]


# ── the documents ──


@pytest.mark.parametrize("name", TEXTS)
def test_every_document_is_one_that_shopify_takes(name: str) -> None:
    if official.path() is None:
        pytest.skip("specs: Shopify's schema is not on this machine")
    assert official.wrong_question(TEXTS[name]) == []


def test_what_is_checked_against_the_schema_can_be_wrong() -> None:
    if official.path() is None:
        pytest.skip("specs: Shopify's schema is not on this machine")
    assert official.wrong_question("{ shop { title } }")
    assert official.wrong_answer("{ shop { name } }", None, {}, {"shop": {"name": None}})
    assert not official.wrong_answer("{ shop { name } }", None, {}, {"shop": {"name": "Oak"}})


def test_what_is_wrong_is_found_also_where_much_was_right() -> None:
    if official.path() is None:
        pytest.skip("specs: Shopify's schema is not on this machine")
    text = "query Q($n: Int!) { orders(first: $n) { nodes { id closed displayFinancialStatus } } }"
    good = {"id": "gid://shopify/Order/1", "closed": False, "displayFinancialStatus": "PAID"}
    paid = {"orders": {"nodes": [good, good | {"displayFinancialStatus": None}]}}
    for _ in range(2):
        assert official.wrong_answer(text, "Q", {"n": 5}, paid) == []
    for wrong in (
        {"id": None},
        {"closed": "x"},
        {"displayFinancialStatus": "PAYED"},
        {"displayFinancialStatus": "paid"},
    ):
        assert official.wrong_answer(text, "Q", {"n": 5}, {"orders": {"nodes": [good, good | wrong]}}), wrong
    without = {name: value for name, value in good.items() if name != "closed"}
    assert official.wrong_answer(text, "Q", {"n": 5}, {"orders": {"nodes": [without, good]}})
    assert official.wrong_answer(text, "Q", {"n": 5}, {"orders": good})
    assert official.wrong_answer(text, "Q", {"n": "5"}, paid), "nor are the variables right with every answer"


@pytest.mark.parametrize("name", TEXTS)
def test_no_question_costs_more_than_shopify_allows(name: str) -> None:
    text = TEXTS[name]
    sizes = {**SIZES, "lines": 40, "parts": 4} if name in ("Order", "Parts") else SIZES
    sizes = OF_PRODUCTS if name == "Products" else sizes
    given = {key: value for key, value in sizes.items() if f"${key}:" in text}
    assert requested(read(text, name, given)) <= 1000


# ── ways in ──


@pytest.mark.parametrize(
    "values",
    [{"way": "token", "access_token": TOKEN}, {"way": "app"}, {"way": "grant"}],
    ids=lambda values: values["way"],
)
def test_each_way_in_leads_in(shop: Any, url: str, values: dict[str, str]) -> None:
    shop.place(1, WHEN)
    with connected(shop, url, **values) as shopify:
        shopify.check()
        assert shopify.identity() == "oak"
        assert only(shopify).cust_po_no == "#OAK1"
        shop.expire()
        assert only(shopify).cust_po_no == "#OAK1"


@pytest.mark.parametrize(
    "values",
    [
        {"way": "token", "access_token": "shpat_of_somebody_else"},
        {"way": "app", CLIENT_SECRET: "of somebody else"},
        {"way": "app", "client_id": "of somebody else"},
    ],
    ids=str,
)
def test_a_wrong_way_in_is_said_to_be_wrong(shop: Any, url: str, values: dict[str, str]) -> None:
    with connected(shop, url, **values) as shopify, pytest.raises(AuthFailed):
        shopify.check()


def test_rights_that_are_missing_are_named(shop: Any, shopify: Shopify) -> None:
    shop.scopes = frozenset({"read_orders", "write_inventory", "read_locations", "read_products", "read_customers"})
    with pytest.raises(AuthFailed, match=r"write_orders, write_merchant_managed_fulfillment_orders\."):
        shopify.check()
    key = shop.place(1, WHEN)
    with pytest.raises(Permanent, match="Access denied for orderCancel"):
        shopify.cancel(key, "")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("https://oak-linen.myshopify.com", "https://oak-linen.myshopify.com"),
        ("http://oak-linen.myshopify.com/admin/orders?x=1", "https://oak-linen.myshopify.com"),
        ("https://admin.shopify.com/store/oak-linen/orders", "https://oak-linen.myshopify.com"),
    ],
)
def test_the_shops_address_is_found_in_what_people_type(typed: str, found: str) -> None:
    assert home({"url": typed}) == found


@pytest.mark.parametrize(
    "typed",
    [
        "https://www.oak-linen.example", "https://evil.example/oak.myshopify.com", "https://myshopify.com",
        "https://oak.myshopify.com.evil.example", "https://a.b.myshopify.com", "", "https://admin.shopify.com/store",
    ],
)  # fmt: skip
def test_the_apps_secret_goes_to_shopify_alone(typed: str) -> None:
    with pytest.raises(AddressRefused):
        home({"url": typed})
    with pytest.raises(AddressRefused):
        Shopify({"url": typed}, http=Http(guard=None, limiter=None, journal=None))


def test_the_answer_of_another_shop_is_not_believed(shop: Any, url: str) -> None:
    values = {**shop.values(url), **shop.app()}
    query = shop._decided({"state": "s", "decision": "approve", "redirect_uri": "x"}, "evil.myshopify.com")
    with pytest.raises(BadCallback, match="another shop"):
        from_the_shop(values, query)


def test_a_refresh_whose_answer_was_lost_is_asked_for_again(shop: Any, url: str) -> None:
    with connected(shop, url) as shopify:
        shop.expire()
        shop.faults.script("POST /admin/oauth/access_token", "drop_after")
        with pytest.raises(Transient):
            shopify.check()
        shopify.check()


# ── what it says ──


def answer(body: bytes, *, sure: bool = True, status: int = 200) -> Answer:
    return Answer("POST", "https://oak.myshopify.com/x", status, {}, body, sure=sure)


def test_throttling_says_how_long_to_wait() -> None:
    cost = (
        b'"extensions": {"cost": {"requestedQueryCost": 500, "actualQueryCost": null, '
        b'"throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 100, "restoreRate": 100.0}}}'
    )
    said = answer(b'{"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], ' + cost + b"}")
    error = error_of(said, "Shopify")
    assert isinstance(error, RateLimited) and error.retry_at
    assert wait_of(said.json()) == 4.0
    assert wait_of({"extensions": {"cost": {"requestedQueryCost": 1}}}) == 0.0
    assert wait_of(None) == 0.0


@pytest.mark.parametrize(
    ("code", "sure", "kind"),
    [
        ("ACCESS_DENIED", False, "forbidden"), ("INTERNAL_SERVER_ERROR", True, "remote_unavailable"),
        ("INTERNAL_SERVER_ERROR", False, "outcome_unknown"), ("MAX_COST_EXCEEDED", True, "max_cost_exceeded"),
        ("", True, "refused"),
    ],
)  # fmt: skip
def test_errors_with_status_200(code: str, sure: bool, kind: str) -> None:
    body = b'{"errors": [{"message": "No", "extensions": {"code": "%s"}}]}' % code.encode()
    error: Any = error_of(answer(body, sure=sure), "Shopify")
    assert error.code == kind
    assert error_of(answer(b'{"data": {}}'), "Shopify") is None
    assert error_of(answer(b"<html>", status=502), "Shopify") is None


def test_after_each_answer_later_calls_wait_as_long_as_it_says(shop: Any, shopify: Shopify) -> None:
    waits: list[float] = []
    shopify.http.hold_off = waits.append  # type: ignore[method-assign]
    shop.place(1, WHEN)
    shop.restore_rate, shop.maximum = 0.01, 2000.0
    shop.left = requested(read(TEXTS["Orders"], "Orders", {name: SIZES[name] for name in ORDERS})) + 1.0
    list(shopify.orders(WHEN))
    assert waits[0] > 0


@pytest.mark.parametrize(("status", "words"), [(402, "frozen"), (404, "not at this address"), (423, "locked")])
def test_a_shop_that_is_closed(shopify: Shopify, status: int, words: str) -> None:
    error = shopify.classify(answer(b"{}", status=status))
    assert isinstance(error, AuthFailed) and words in str(error)


def test_the_fake_refuses_what_it_does_not_know(shop: Any, shopify: Shopify) -> None:
    for text in ("{ collections(first: 1) { nodes { id } } }", "{ shop {", "query { orders { nodes { id } } }"):
        with pytest.raises(Permanent):
            shopify.http.post(PATH, json={"query": text}, safe=True)
    shop.violations.clear()  # two of these were none of Shopify's either
    big = "{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { id } } } } }"
    with pytest.raises(Permanent, match="exceeds the single query max cost"):
        shopify.http.post(PATH, json={"query": big}, safe=True)


# ── orders ──


def test_long_orders_come_whole(shop: Any, shopify: Shopify) -> None:
    goods = [(f"SKU-{n}", 1) for n in range(1, 101)]
    key = shop.order_of(1, *goods)
    for n, place in ((1, "502"), (2, "503"), (3, "504")):
        shop.place_at(place, f"Place {n}")
        shop.split(key, f"SKU-{n}", place)
    order = only(shopify)
    assert [line.item for line in order.lines] == [sku for sku, _ in goods]
    assert {"Lines", "Parts", "PartLines"} <= set(questions(shop))
    assert order.grand_total == Decimal("1104.95")
    assert len(shopify.ship(key, PARCEL).split(",")) == 4
    assert only(shopify).source_state is SourceState.CLOSED


def test_an_order_is_found_by_its_number_with_all_its_signs(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(12, ("MUG-BLUE", 1))
    shop.order_of(1, ("MUG-BLUE", 1))
    for number in ("#OAK12", "OAK12", key):
        assert shopify.order(number)["legacyResourceId"] == key
    assert [shopify.order(number) for number in ("OAK2", '"', "\\", "9" * 18)] == [None] * 4
    assert quoted('a"b\\') == '"a\\"b\\\\"'


@pytest.mark.parametrize(
    ("fields", "options", "state"),
    [
        ({}, {}, "eligible"),
        ({"financial": "PARTIALLY_REFUNDED"}, {}, "eligible"),
        ({"financial": "PENDING"}, {}, "not_yet"),
        ({"financial": "PENDING"}, {"financial_status": "pending"}, "eligible"),
        ({"financial": "AUTHORIZED"}, {"financial_status": "any"}, "eligible"),
        ({"financial": "REFUNDED"}, {}, "canceled"),
        ({"financial": "REFUNDED"}, {"financial_status": "refunded"}, "eligible"),
        ({"financial": "VOIDED"}, {"financial_status": "voided"}, "eligible"),
        ({"financial": "PARTIALLY_PAID"}, {"financial_status": "partially_paid"}, "eligible"),
        ({"closed": True}, {}, "closed"),
        ({"closed": True}, {"order_status": "closed"}, "eligible"),
        ({}, {"order_status": "closed"}, "not_yet"),
        ({"closed": True}, {"order_status": "any"}, "eligible"),
        ({"source": "pos"}, {}, "closed"),
        ({"source": "pos"}, {"pos": True}, "eligible"),
        ({"tags": ["HOLD"]}, {"by_order_tags": "without", "order_tags": "hold, later"}, "not_yet"),
        ({"tags": ["Ready"]}, {"by_order_tags": "without", "order_tags": "hold"}, "eligible"),
        ({"tags": ["Ready"]}, {"by_order_tags": "has", "order_tags": "ready"}, "eligible"),
        ({}, {"by_order_tags": "has", "order_tags": "ready"}, "not_yet"),
        ({"customer_tags": ["B2B"]}, {"by_customer_tags": "has", "customer_tags": "b2b"}, "eligible"),
        ({"customer_tags": ["B2B"]}, {"by_customer_tags": "without", "customer_tags": "b2b"}, "not_yet"),
        ({}, {"fulfillment_status": "partial"}, "not_yet"),
        ({}, {"fulfillment_status": "unshipped"}, "eligible"),
        ({}, {"location": " mill  street "}, "eligible"),
        ({}, {"location": "Harbour Road"}, "closed"),
    ],
    ids=str,
)
def test_what_the_settings_make_of_an_order(
    shop: Any, shopify: Shopify, fields: dict[str, Any], options: dict[str, Any], state: str
) -> None:
    shop.order_of(1, ("MUG-BLUE", 1), **fields)
    assert only(shopify, **options).source_state == state


@pytest.mark.parametrize(
    ("setting", "state"), [("unfulfilled", "eligible"), ("unshipped", "closed"), ("partial", "eligible")]
)
def test_what_was_fulfilled_in_part(shop: Any, shopify: Shopify, setting: str, state: str) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 3))
    shopify.ship(key, structs.replace(PARCEL, lines=(ShipmentLine("MUG-BLUE", Decimal(2), f"{key}1"),)))
    order = only(shopify, fulfillment_status=setting)
    assert (order.source_state, order.lines[0].quantity, order.shipped) == (state, 1, {f"{key}1": "2"})


def test_pick_ups_are_loaded_only_if_they_are_wanted(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 1))
    shop.change_part(key, method="PICK_UP")
    assert [only(shopify, pickup=wanted).source_state for wanted in (False, True)] == ["closed", "eligible"]


# ── parcels ──


def test_a_parcel_of_two_locations_is_two_fulfillments(shop: Any, shopify: Shopify) -> None:
    shop.place_at("502", "Harbour Road")
    key = shop.order_of(1, ("MUG-BLUE", 2), ("TEA-GREEN", 1))
    shop.split(key, "TEA-GREEN", "502")
    ids = shopify.ship(key, PARCEL)
    found = shopify.find_shipments(key)
    assert [one.key for one in found] == ids.split(",")
    assert {(one.tracking_no, one.carrier) for one in found} == {("1Z999", "UPS")}
    assert [(line.line_id, line.quantity) for one in found for line in one.lines] == [(f"{key}1", 2), (f"{key}2", 1)]
    shopify.correct(key, ids, structs.replace(PARCEL, tracking_no="1Z000"))
    assert [made["number"] for made in shop.orders.rows[key]["fulfillments"]] == ["1Z000"] * 2


def test_an_order_of_300_lines_is_loaded_shipped_and_found_whole(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(1, *((f"SKU-{n}", 1) for n in range(300)))
    assert len(only(shopify).lines) == 300
    shopify.ship(key, PARCEL)
    (found,) = shopify.find_shipments(key)
    assert len({line.line_id for line in found.lines}) == 300


def test_every_one_of_40_fulfillments_is_found_with_what_is_in_it(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 41))
    made = [
        {"id": 700 + n, "status": "CANCELLED" if n == 40 else "SUCCESS", "lines": {f"{key}1": 1}, "company": "UPS",
         "number": f"1Z{n}", "url": None}
        for n in range(41)
    ]  # fmt: skip
    shop.orders.change(key, fulfillments=made)
    found = shopify.find_shipments(key)
    assert [(one.key, one.tracking_no) for one in found] == [(str(700 + n), f"1Z{n}") for n in range(40)]
    assert {(line.line_id, line.quantity) for one in found for line in one.lines} == {(f"{key}1", 1)}
    shop.orders.change(key, fulfillments=made * 7)
    with pytest.raises(Permanent, match="250 fulfillments"):
        shopify.find_shipments(key)


def test_what_another_service_ships_or_is_on_hold_is_left_alone(shop: Any, shopify: Shopify) -> None:
    shop.place_at("502", "Another warehouse")
    key = shop.order_of(1, ("MUG-BLUE", 2), ("TEA-GREEN", 1), ("TIN-SMALL", 1))
    shop.split(key, "TEA-GREEN", "502", service=True)
    shop.split(key, "TIN-SMALL", "501", status="ON_HOLD", id="gid://shopify/FulfillmentOrder/9")
    assert [line.item for line in only(shopify).lines] == ["MUG-BLUE"]
    shopify.ship(key, PARCEL)
    assert [row["lines"] for row in shop.effects("shipment", key)] == [{f"{key}1": 2}]
    with pytest.raises(Permanent, match="nothing left"):
        shopify.ship(key, PARCEL)


def test_more_than_is_left_is_never_told() -> None:
    row = {
        "id": "L",
        "totalQuantity": 3,
        "remainingQuantity": 1,
        "lineItem": {"id": "gid://shopify/LineItem/7", "sku": "A"},
    }
    part = {"id": "P", "status": "OPEN", "supportedActions": [{"action": "CREATE_FULFILLMENT"}],
            "lineItems": {"nodes": [row]}, "assignedLocation": {"name": "X", "location": {"id": "W"}}}  # fmt: skip
    options = {"pickup": False, "location": None}
    for line in (ShipmentLine("A", Decimal(5), "7"), ShipmentLine("A", Decimal(5))):
        calls = allotted([part], structs.replace(PARCEL, lines=(line,)), options)
        assert calls["W"][0]["fulfillmentOrderLineItems"] == [{"id": "L", "quantity": 1}]
    other = structs.replace(PARCEL, lines=(ShipmentLine("B", Decimal(1), "8"),))
    assert allotted([part], other, options) == {}


# ── stock ──


def test_a_sale_while_stock_is_set_is_read_again_and_no_change_is_lost(shop: Any, shopify: Shopify) -> None:
    sold: list[int] = []
    before = shop.do_inventorySetQuantities

    def sell(input: Any) -> Any:
        if len(sold) < 2:
            sold.append(1)
            shop.items.change("1", levels={"501": 100 - len(sold)})
        return before(input=input)

    shop.do_inventorySetQuantities = sell
    results = shopify.stock([Stock("MUG-BLUE", Decimal("40.7")), Stock("TEA-GREEN", Decimal(-2))])
    assert [(result.sku, result.error) for result in results] == [("MUG-BLUE", ""), ("TEA-GREEN", "")]
    assert [row["quantity"] for row in shop.effects("stock", "MUG-BLUE")] == [40]
    assert questions(shop).count("SetStock") == 3


@pytest.mark.parametrize("what", ["deleted", "doubled", "moved"])
def test_an_item_that_changes_while_stock_is_set_costs_no_other_its_level(
    shop: Any, shopify: Shopify, what: str
) -> None:
    before = shop.do_inventorySetQuantities

    def sell(input: Any) -> Any:
        shop.do_inventorySetQuantities = before
        shop.items.change("1", levels={"501": 7})
        answer = before(input=input)
        if what == "deleted":
            shop.items.remove("1")
        elif what == "doubled":
            shop.item(31, "MUG-BLUE")
        else:
            shop.items.change("1", levels={})
        return answer

    shop.do_inventorySetQuantities = sell
    mug, tea = shopify.stock([Stock("MUG-BLUE", Decimal(40)), Stock("TEA-GREEN", Decimal(2))])
    assert (tea.error, [row["quantity"] for row in shop.effects("stock", "TEA-GREEN")]) == ("", [2])
    assert (mug.skipped, "2 products have this SKU" in mug.error) == (what == "deleted", what == "doubled")
    assert [row["quantity"] for row in shop.effects("stock", "MUG-BLUE")] == ([40] if what == "moved" else [])


def test_what_shopify_cannot_count_is_said_item_by_item(shop: Any, shopify: Shopify) -> None:
    shop.item(31, "TWICE")
    shop.item(32, "TWICE")
    shop.item(33, "UNTRACKED", tracked=False)
    shop.item(34, 'IT"S, odd')
    levels = [Stock(sku, Decimal(1)) for sku in ("TWICE", "UNTRACKED", 'IT"S, odd', "mug-blue", "TIN-SMALL")]
    found = {result.sku: result for result in shopify.stock(levels)}
    assert "give each its own" in found["TWICE"].error and "does not track" in found["UNTRACKED"].error
    assert found["mug-blue"].skipped and not found["TIN-SMALL"].error and not found['IT"S, odd'].error
    assert [row["quantity"] for row in shop.effects("stock")] == [1, 1]


def test_of_several_locations_one_has_to_be_chosen(shop: Any, url: str, shopify: Shopify) -> None:
    shop.place_at("502", "Harbour Road")
    (result,) = shopify.stock([Stock("MUG-BLUE", Decimal(1))])
    assert "2 locations: choose one" in result.error
    with connected(shop, url, location="harbour road") as other:
        assert other.stock([Stock("MUG-BLUE", Decimal(4))])[0].error == ""
    assert shop.items.rows["1"]["levels"] == {"501": 0, "502": 4}
    with connected(shop, url, location="Nowhere") as other:
        assert "no location Nowhere" in other.stock([Stock("MUG-BLUE", Decimal(4))])[0].error


# ── cancellations and refunds ──


def test_a_fulfilled_order_is_not_canceled(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 1))
    shopify.ship(key, PARCEL)
    with pytest.raises(Permanent, match="fulfilled in Shopify already"):
        shopify.cancel(key, "")


def begun(shop: Any, shopify: Shopify, key: str) -> Pending:
    """A cancellation that Shopify has begun, and not finished."""
    shop.slow_jobs = True
    pending = shopify.cancel(key, "No longer wanted")
    assert isinstance(pending, Pending) and shop.orders.rows[key]["cancelled"] is None
    return pending


def test_a_cancellation_in_the_background_is_asked_about(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 1))
    pending = begun(shop, shopify, key)
    again = shopify.resume(pending.handle)
    assert isinstance(again, Pending)
    shop.work()
    assert shopify.resume(again.handle) is None
    assert (shopify.cancel(key, ""), len(shop.effects("cancel", key))) == (None, 1)


@pytest.mark.parametrize(
    ("reason", "words"),
    [("The order has an open return.", "^The order has an open return.$"), ("", "gives no reason.*pending payment")],
)
def test_a_cancellation_that_fails_in_the_background_says_why(
    shop: Any, shopify: Shopify, reason: str, words: str
) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 1))
    pending = begun(shop, shopify, key)
    shop.job_fails = reason
    shop.work()
    with pytest.raises(Permanent, match=words):
        shopify.resume(pending.handle)


def test_a_second_request_while_one_is_under_way_is_no_refusal(shop: Any, shopify: Shopify) -> None:
    """Shopify refuses it; that is how it looks as well where the answer to the first one was lost."""
    keys = [shop.order_of(number, ("MUG-BLUE", 1)) for number in (1, 2)]
    begun(shop, shopify, keys[0])
    with clock.frozen(WHEN):
        second = begun(shop, shopify, keys[0])
        assert "already canceled" in second.handle and "already canceled" not in begun(shop, shopify, keys[1]).handle
    shop.work()
    assert shopify.resume(second.handle) is None


def test_a_refusal_is_believed_when_nothing_can_be_under_way_any_more(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 2))
    shopify.ship(key, structs.replace(PARCEL, lines=(ShipmentLine("MUG-BLUE", Decimal(1), f"{key}1"),)))
    with clock.frozen(WHEN):
        pending = begun(shop, shopify, key)
    with clock.frozen(WHEN + timedelta(minutes=2)):
        assert isinstance(shopify.resume(pending.handle), Pending)
    with clock.frozen(WHEN + timedelta(minutes=3)), pytest.raises(Permanent, match="Cannot cancel a fulfilled order"):
        shopify.resume(pending.handle)


def test_a_cancellation_that_never_ends_is_a_persons(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 1))
    with clock.frozen(WHEN):
        pending = begun(shop, shopify, key)
    with clock.frozen(WHEN + timedelta(hours=6)), pytest.raises(NeedsHuman, match="for 6 hours"):
        shopify.resume(pending.handle)


def test_a_change_that_is_still_worked_on_is_tried_again_later(shop: Any, shopify: Any) -> None:
    shop.item(1, "MUG-BLUE")
    shop.still_busy = 1
    with pytest.raises(Transient, match="still busy"):
        shopify.stock([Stock("MUG-BLUE", Decimal(4))])
    assert shop.effects("stock") == []
    assert shopify.stock([Stock("MUG-BLUE", Decimal(4))])[0].error == ""
    assert [row["quantity"] for row in shop.effects("stock", "MUG-BLUE")] == [4]


@pytest.mark.parametrize("restock", [True, False])
def test_a_refund_says_whether_its_pieces_are_available_again(shop: Any, url: str, restock: bool) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 3))
    line = RefundLine(f"{key}1", "MUG-BLUE", Decimal(2), Decimal("20.00"), Decimal("2.00"))
    refund = Refund("k-1", "USD", Decimal("26.95"), (line,), Decimal("4.95"), "broken")
    with connected(shop, url, restock=restock) as shopify:
        number = shopify.refund(key, refund)
        assert shopify.find_refund(key, "k-1") == number and shopify.find_refund(key, "k-2") is None
        order = only(shopify)
    assert (order.lines[0].quantity, order.grand_total, order.shipping_handling) == (1, 11, 0)
    assert order.refunded == (number, "k-1")
    assert shop.items.rows["1"]["levels"]["501"] == (2 if restock else 0)
    assert [row["amount"] for row in shop.effects("refund", key)] == ["26.95"]


def test_a_refund_goes_to_the_payments_that_were_made(shop: Any, shopify: Shopify) -> None:
    paid = [{"id": "71", "gateway": "gift_card", "amount": "5", "left": "5"},
            {"id": "72", "gateway": "x", "amount": "9", "left": "9", "kind": "AUTHORIZATION"},
            {"id": "73", "gateway": "card", "amount": "10.95", "left": "10.95", "kind": "CAPTURE"}]  # fmt: skip
    key = shop.order_of(1, ("MUG-BLUE", 1), payments=paid)
    line = RefundLine(f"{key}1", "MUG-BLUE", Decimal(1), Decimal(10), Decimal(1))
    shopify.refund(key, Refund("k-1", "USD", Decimal(11), (line,)))
    assert [one["left"] for one in shop.orders.rows[key]["payments"]] == ["0", "9", "4.95"]
    with pytest.raises(Permanent, match=r"pay back 4\.95 of it only"):
        shopify.refund(key, Refund("k-2", "USD", Decimal("4.96"), shipping=Decimal("4.96")))


def test_what_was_paid_in_another_currency_is_refunded_in_shopify(shop: Any, shopify: Shopify) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 1), presentment="EUR")
    with pytest.raises(Permanent, match="another currency"):
        shopify.refund(key, Refund("k-1", "USD", Decimal(1), shipping=Decimal(1)))
