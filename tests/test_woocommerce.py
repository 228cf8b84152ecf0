"""WooCommerce: every way in, what hosts put in between, and what it does with parcels, stock, refunds and webhooks."""

import contextlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from msgspec import structs
from woocommerce import API  # type: ignore[import-untyped]

from carts.systems.woocommerce import WooCommerce, refund_tax, to_order
from integration_manager.kit.acceptance.hooks import mailbox
from integration_manager.kit.canonical import Refund, RefundLine, Shipment, ShipmentLine, SourceState, Stock
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import AuthFailed, BadAnswer, OutcomeUnknown, Permanent, Transient, Unmappable
from integration_manager.kit.oauth1 import OneLegged
from integration_manager.kit.reading import Reader
from integration_manager.kit.transport import Http
from integration_manager.kit.webhooks import SECRET
from tests.kit_server import Authority
from tests.world import fake

WHEN = datetime(2026, 3, 1, 8, tzinfo=UTC)
PARCEL = Shipment("P1", carrier="UPS", tracking_no="1Z999", tracking_url="https://ups.example/1Z999", shipped_at=WHEN)


@contextlib.contextmanager
def connected(shop: Any, url: str, ca_file: str | None = None, /, **values: Any) -> Iterator[WooCommerce]:
    """A connector on a running shop."""
    typed = {**shop.values(url), **values}
    guard = Guard(["127.0.0.1"])
    with Http(guard=guard, limiter=None, journal=None, timeout=10, ca_file=ca_file) as http:
        yield WooCommerce(typed, http=http)


@pytest.fixture
def shop() -> Any:
    return fake("woocommerce")


@pytest.fixture
def url(shop: Any) -> Iterator[str]:
    with shop.serve() as found:
        yield found


@pytest.fixture
def woo(shop: Any, url: str) -> Iterator[WooCommerce]:
    with connected(shop, url) as connector:
        yield connector


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("woo-ca"))


@pytest.fixture
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.context("127.0.0.1")


def keys(woo: WooCommerce) -> list[str]:
    return [str(row["id"]) for page in woo.orders(WHEN) for row in page.rows]


def only(woo: WooCommerce) -> Any:
    """The latest form of the one order there is."""
    return to_order([row for page in woo.orders(WHEN) for row in page.rows][-1], woo.options())


def notes(shop: Any) -> list[tuple[str, bool]]:
    return [(row["note"], row["customer_note"]) for row in shop.notes]


def ways(shop: Any) -> list[str]:
    """How each request signed in."""
    found = []
    for seen in shop.journal:
        query, headers = seen.request.query, seen.request.headers
        how = "oauth" if "oauth_signature" in query else "query" if "consumer_secret" in query else "none"
        found.append("basic" if how == "none" and "authorization" in headers else how)
    return found


def test_a_page_that_is_short_since_something_in_it_is_hidden_is_not_the_last(shop: Any, woo: WooCommerce) -> None:
    for number in range(1, 251):
        shop.place(number, WHEN + timedelta(minutes=number))
    shop.hidden = frozenset([1042, *range(1101, 1201)])
    shown = [str(key) for key in range(1001, 1251) if key not in shop.hidden]
    assert list(dict.fromkeys(keys(woo))) == shown
    assert [str(row["id"]) for row in woo.wp.every("/wc/v3/orders", order="asc")] == shown


# ── ways in ──


def test_over_http_each_request_is_signed_and_the_secret_stays_here(shop: Any, url: str, woo: WooCommerce) -> None:
    shop.place(1, WHEN)
    woo.check()
    assert keys(woo) == ["1001"]
    assert set(ways(shop)) == {"oauth"}
    said = [f"{seen.request.query} {seen.request.headers} {seen.request.body!r}" for seen in shop.journal]
    assert not [text for text in said if shop.values(url)["consumer_secret"] in text]


@pytest.mark.parametrize("pretty", [True, False])
@pytest.mark.parametrize("strips", [False, True])
def test_over_tls_by_basic_or_where_the_host_strips_it_by_the_query(
    shop: Any, tls: ssl.SSLContext, authority: Authority, pretty: bool, strips: bool
) -> None:
    shop.pretty, shop.strips_header = pretty, strips
    shop.place(1, WHEN)
    with shop.serve(tls=tls) as url, connected(shop, url, authority.ca_file) as woo:
        woo.check()
        before = len(shop.journal)
        assert keys(woo) == ["1001"]
        woo.ship("1001", PARCEL)
        assert ways(shop)[before:] == ["query" if strips else "basic"] * (len(shop.journal) - before)
    assert len(shop.effects("shipment", "1001")) == 1


def test_plain_permalinks_over_http(shop: Any, woo: WooCommerce) -> None:
    shop.pretty = False
    shop.place(1, WHEN)
    woo.check()
    assert keys(woo) == ["1001"]
    woo.ship("1001", PARCEL)
    assert shop.orders.rows["1001"]["status"] == "completed"


@pytest.mark.parametrize("name", ["consumer_key", "consumer_secret"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_wrong_key_is_said_to_be_wrong(
    shop: Any, tls: ssl.SSLContext, authority: Authority, name: str, secure: bool
) -> None:
    wrong = {name: "ck_of_somebody_else"}
    with (
        shop.serve(tls=tls if secure else None) as url,
        connected(shop, url, authority.ca_file, **wrong) as woo,
        pytest.raises(AuthFailed, match="key"),
    ):
        woo.check()


def test_an_address_that_people_copy_from_the_browser_is_understood(shop: Any, url: str) -> None:
    for typed in (f"{url}/", f"{url}/wp-admin/admin.php?page=wc-settings", f"{url}/wp-json/wc/v3/"):
        with connected(shop, url, url=typed) as woo:
            woo.check()


def test_one_shop_is_one_whatever_its_address_looks_like() -> None:
    def place(url: str) -> str | None:
        http = Http(guard=None, limiter=None, journal=None)
        return WooCommerce({"url": url, "consumer_key": "k", "consumer_secret": "s"}, http=http).identity()

    same = ("https://www.shop.example/de/", "http://shop.example/de", "https://Shop.example/de/wp-admin")
    assert {place(one) for one in same} == {"shop.example/de"}
    assert place("https://shop.example/en") != "shop.example/de"


# ── what is in between ──


@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("notices", [False, True])
def test_what_php_says_before_the_data_is_passed_over(shop: Any, woo: WooCommerce, bom: bool, notices: bool) -> None:
    shop.bom, shop.notices = bom, notices
    shop.place(1, WHEN)
    woo.check()
    assert keys(woo) == ["1001"]
    woo.ship("1001", PARCEL)
    assert shop.orders.rows["1001"]["status"] == "completed"


def test_half_of_the_data_after_a_notice_is_not_taken_for_all(shop: Any, woo: WooCommerce) -> None:
    shop.notices = True
    for number in range(1, 4):
        shop.place(number, WHEN)
    shop.faults.script("GET /wp-json/wc/v3/orders", "truncated", times=9)
    with pytest.raises(BadAnswer):
        keys(woo)


@pytest.mark.parametrize("status", [403, 503])
def test_a_firewall_is_no_wrong_key(shop: Any, woo: WooCommerce, status: int) -> None:
    shop.firewall = status
    for call in (woo.check, lambda: woo.ship("1001", PARCEL), lambda: keys(woo)):
        with pytest.raises(Transient, match="firewall") as raised:
            call()
        assert raised.value.code == "firewall"


def test_what_keeps_us_out_is_told_in_words(shop: Any, woo: WooCommerce) -> None:
    shop.switched_off = True
    with pytest.raises(AuthFailed, match="switched off, probably by a security plug-in"):
        woo.check()
    shop.switched_off, shop.active = False, False
    with pytest.raises(AuthFailed, match="no WooCommerce at this address"):
        woo.check()
    shop.active, shop.permissions = True, "read"
    with pytest.raises(AuthFailed, match="Read/Write"):
        woo.check()
    assert keys(woo) == []  # reading works


def test_a_status_that_the_shop_does_not_have_is_told_with_those_that_it_has(shop: Any, url: str) -> None:
    shop.statuses = ("packing",)
    typed = {"statuses": "processing, wc-on-hold, Packing", "shipped_status": "none"}
    with connected(shop, url, **typed) as woo:
        woo.check()
    with connected(shop, url, **typed | {"statuses": "procesing, on-hold", "shipped_status": "shiped"}) as woo:
        with pytest.raises(AuthFailed, match="no procesing, shiped among its order statuses") as raised:
            woo.check()
        assert "It has: pending, processing, on-hold" in str(raised.value) and "packing" in str(raised.value)
        shop.reports = False  # of a version without them, or a user who may not see them
        woo.check()


def test_an_address_without_a_shop_is_told_in_words(shop: Any, url: str) -> None:
    with connected(shop, url, url=f"{url}/blog") as woo, pytest.raises(AuthFailed, match="no such interface"):
        woo.check()


def test_a_redirect_to_tls_is_said_before_a_parcel_is_lost(shop: Any, woo: WooCommerce) -> None:
    shop.moved = "https://shop.example.com"
    with pytest.raises(BadAnswer, match=r"https://shop\.example\.com"):
        woo.check()
    with pytest.raises((BadAnswer, AuthFailed), match=r"https://shop\.example\.com"):
        woo.ship("1001", PARCEL)
    assert not shop.led_away


# ── the fake is no mirror of our own mistakes ──


def test_the_fake_refuses_what_a_real_one_refuses(shop: Any, url: str) -> None:
    signed = OneLegged(*[shop.values(url)[name] for name in ("consumer_key", "consumer_secret")])

    def get(query: str, **how: Any) -> tuple[int, str]:
        answer = requests.get(f"{url}/wp-json/wc/v3/orders?{query}", timeout=10, **{"auth": signed, **how})
        return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else ""

    assert get("per_page=100") == (200, "")
    both = tuple(shop.values(url)[name] for name in ("consumer_key", "consumer_secret"))
    assert get("", auth=both) == (401, "woocommerce_rest_cannot_view")  # Basic without TLS
    for wrong in ("per_page=101", "page=0", "status=shipped", "orderby=modified_date", "modified_after=yesterday"):
        assert get(wrong) == (400, "rest_invalid_param")
    replayed = signed(requests.Request("GET", f"{url}/wp-json/wc/v3/orders").prepare()).url
    first, again = (requests.get(str(replayed), timeout=60) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 401)
    assert "nonce" in again.json()["message"]
    forged = requests.get(str(replayed).replace("oauth_nonce=", "oauth_nonce=1"), timeout=60)
    assert "signature does not match" in forged.json()["message"]
    body = {"update": [{"id": 11, "stock_quantity": 1}] * 101}
    many = requests.post(f"{url}/wp-json/wc/v3/products/batch", json=body, auth=signed, timeout=60)
    assert (many.status_code, many.json()["code"]) == (413, "woocommerce_rest_request_entity_too_large")
    parent = requests.post(
        f"{url}/wp-json/wc/v3/products/batch", json={"update": [{"id": 61}]}, auth=signed, timeout=10
    )
    assert parent.json()["update"][0]["error"]["code"] == "woocommerce_rest_product_invalid_id"


def test_modified_after_is_strictly_later_to_the_second(shop: Any, url: str) -> None:
    signed = OneLegged(*[shop.values(url)[name] for name in ("consumer_key", "consumer_secret")])
    shop.place(1, WHEN + timedelta(milliseconds=700))
    asked = {"modified_after": "2026-03-01T08:00:00", "dates_are_gmt": "true"}
    assert requests.get(f"{url}/wp-json/wc/v3/orders", params=asked, auth=signed, timeout=60).json() == []
    asked["modified_after"] = "2026-03-01T07:59:59"
    assert len(requests.get(f"{url}/wp-json/wc/v3/orders", params=asked, auth=signed, timeout=60).json()) == 1


@pytest.mark.parametrize("way", ["http", "basic", "query"])
def test_an_independent_client_reads_and_writes_the_fake(
    shop: Any, tls: ssl.SSLContext, authority: Authority, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.ca_file)
    shop.place(1, WHEN)
    shop.strips_header = way == "query"
    with shop.serve(tls=None if way == "http" else tls) as url:
        mine = shop.values(url)
        api = API(url, mine["consumer_key"], mine["consumer_secret"], query_string_auth=way == "query")
        answer = api.get("orders", params={"per_page": 5, "status": "processing"})
        assert [row["id"] for row in answer.json()] == [1001]
        assert answer.headers["X-WP-Total"] == "1"
        assert api.put("orders/1001", {"status": "on-hold"}).json()["status"] == "on-hold"
        assert api.post("orders/1001/notes", {"note": "Packed", "customer_note": False}).status_code == 201
        assert [note["note"] for note in api.get("orders/1001/notes").json()] == ["Packed"]
        refunded = api.post("orders/1001/refunds", {"amount": "1.00", "api_refund": False})
        assert (refunded.status_code, refunded.json()["amount"]) == (201, "1.00")
        assert api.get("orders", params={"per_page": 101}).json()["code"] == "rest_invalid_param"
        assert api.get("orders/77").status_code == 404
        dated = {"modified_after": "2023-12-31T23:59:59", "dates_are_gmt": "true"}
        sorted_by = {"orderby": "modified", "order": "asc", "per_page": 2}
        assert [row["id"] for row in api.get("products", params={**dated, **sorted_by}).json()] == [11, 12]
        assert api.get("products", params={"type": "variable", "status": "publish"}).json()[0]["id"] == 60
        assert api.get("products", params={"orderby": "colour"}).json()["code"] == "rest_invalid_param"
        lists = [api.get("products/60/variations").json(), api.get("variations", params={"parent": "60"}).json()]
        assert [[row["sku"] for row in rows] for rows in lists] == [["SHIRT-S", "SHIRT-L"]] * 2
        assert api.get("settings/products/woocommerce_weight_unit").json()["value"] == "kg"


# ── orders ──


def test_what_was_trashed_comes_after_everything_else(shop: Any, woo: WooCommerce) -> None:
    for number in (1, 2):
        shop.place(number, WHEN + timedelta(minutes=number))
    shop.trash("1001")
    pages = list(woo.orders(WHEN))
    assert [[row["id"] for row in page.rows] for page in pages] == [[1002], [1001], []]
    assert [page.cursor for page in pages] == [None, None, WHEN + timedelta(minutes=2)]
    trashed = to_order(pages[1].rows[0], woo.options())
    assert trashed.source_state is SourceState.CANCELED


def test_trash_alone_is_read_too(shop: Any, woo: WooCommerce) -> None:
    shop.place(1, WHEN)
    shop.trash("1001")
    assert keys(woo) == ["1001"]


def test_an_order_trashed_while_the_rest_is_read_is_not_passed_by_the_cursor(shop: Any, woo: WooCommerce) -> None:
    """The cursor goes on only as far as the trash was looked at; here orders are later than the shop's clock."""
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    for number in range(1, 151):
        shop.place(number, begin + timedelta(seconds=number))
    trashed_at, given = begin + timedelta(seconds=120), False
    for number, page in enumerate(woo.orders(begin)):
        given = given or any(row["status"] == "trash" for row in page.rows)
        assert given or not page.cursor or page.cursor < trashed_at, "the cursor is past what was never given"
        if number == 1:  # the first page is stored, and the trash was empty
            assert page.cursor == begin + timedelta(seconds=100)
            shop.clock = lambda: trashed_at
            shop.trash("1007")
    assert given


@pytest.mark.parametrize(
    ("option", "status", "state"),
    [
        ("processing", "processing", SourceState.ELIGIBLE),
        ("processing", "on-hold", SourceState.NOT_YET),
        ("processing, On hold", "on-hold", SourceState.ELIGIBLE),
        ("wc-packing", "packing", SourceState.ELIGIBLE),
        ("processing", "checkout-draft", SourceState.NOT_YET),
        ("processing", "completed", SourceState.CLOSED),
        ("completed", "completed", SourceState.ELIGIBLE),
        ("processing", "sent-out", SourceState.CLOSED),
        ("processing", "cancelled", SourceState.CANCELED),
        ("processing", "refunded", SourceState.CANCELED),
        ("processing", "failed", SourceState.CANCELED),
    ],
)
def test_what_a_status_means(shop: Any, url: str, option: str, status: str, state: SourceState) -> None:
    shop.place(1, WHEN)
    shop.orders.change("1001", status=status)
    with connected(shop, url, statuses=option, shipped_status="Sent out") as woo:
        assert only(woo).source_state is state


def test_refunds_of_the_merchant_leave_what_is_to_be_shipped(shop: Any, woo: WooCommerce) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 3), ("POT-GLASS", 1))
    shop.give_back(key, "11.00", l10011=1)
    order = only(woo)
    assert [(line.item, line.quantity) for line in order.lines] == [("MUG-BLUE", 2), ("POT-GLASS", 1)]
    assert (order.sub_total, order.grand_total) == (Decimal("30.00"), Decimal("37.95"))
    shop.give_back(key, "33.00", l10011=2, l10012=1)  # the shipping stays paid: nothing is left to ship
    assert only(woo).source_state is SourceState.CANCELED
    shop.give_back(key, "4.95")
    assert only(woo).source_state is SourceState.CANCELED
    assert shop.orders.rows[key]["status"] == "refunded"


def test_options_of_the_mapping(shop: Any, url: str) -> None:
    meta = [{"id": 1, "key": "_vat", "value": "DE1"}, {"id": 2, "key": "delivery_date", "value": "2026-03-09"}]
    key = shop.order_of(7, ("MUG-BLUE", 1), meta_data=meta)
    with connected(shop, url, extra="_vat, delivery_date, none", order_number="id") as woo:
        order = only(woo)
        assert (order.cust_po_no, order.extra_fields) == (key, {"_vat": "DE1", "delivery_date": "2026-03-09"})
    way = [{"id": 1, "method_title": "Pickup", "method_id": "local_pickup", "total": "0.00"}]
    shop.edit(key, shipping_lines=way)
    with connected(shop, url, pickup=False) as woo:
        assert only(woo).source_state is SourceState.NOT_YET
    with connected(shop, url) as woo:
        assert (only(woo).source_state, only(woo).tags) == (SourceState.ELIGIBLE, ("local pickup",))


def test_the_number_people_see_wins_over_an_id(shop: Any, woo: WooCommerce) -> None:
    first, second = shop.order_of(1, ("MUG-BLUE", 1)), shop.order_of(2, ("MUG-BLUE", 1))
    shop.edit(second, number=first)
    assert [woo.order(one)["id"] for one in (first, second)] == [int(second), int(second)]


# ── parcels ──


@pytest.mark.parametrize("space", ["wc-shipment-tracking/v3", "wc-ast/v3"])
def test_a_tracking_plugin_is_used_where_there_is_one(shop: Any, woo: WooCommerce, space: str) -> None:
    shop.plugin = space
    key = shop.order_of(1, ("MUG-BLUE", 1))
    woo.ship(key, PARCEL)
    (row,) = shop.trackings
    assert (row["tracking_number"], row["tracking_provider"]) == ("1Z999", "UPS")
    assert (row["tracking_link"], row["date_shipped"]) == ("https://ups.example/1Z999", "2026-03-01")
    woo.ship(key, PARCEL)  # what the engine does when it is not sure
    assert (len(shop.trackings), len(shop.notes), len(shop.effects("shipment"))) == (1, 1, 1)
    woo.correct(key, "P1", structs.replace(PARCEL, tracking_no="1Z000", tracking_url=None))
    assert [row["tracking_number"] for row in shop.trackings] == ["1Z000"]
    assert [found.tracking_no for found in woo.find_shipments(key)] == ["1Z000"]
    woo.correct(key, "P1", structs.replace(PARCEL, tracking_no="1Z000", tracking_url=None))
    assert (len(shop.trackings), len(shop.notes)) == (1, 2)


def test_without_a_plugin_it_is_not_asked_for_twice(shop: Any, woo: WooCommerce) -> None:
    for number in (1, 2):
        woo.ship(shop.order_of(number, ("MUG-BLUE", 1)), PARCEL)
    assert sum("shipment-trackings" in seen.request.path for seen in shop.journal) == 2  # one for each namespace


def parcel(number: int, *lines: tuple[str, int], **fields: Any) -> Shipment:
    held = tuple(ShipmentLine("", Decimal(quantity), line_id) for line_id, quantity in lines)
    return Shipment(f"P{number}", carrier="UPS", tracking_no=f"1Z{number}", lines=held, **fields)


@pytest.mark.parametrize(("when", "statuses"), [("all", ["processing", "completed"]), ("first", ["completed"] * 2)])
def test_the_status_follows_the_last_parcel_or_the_first(shop: Any, url: str, when: str, statuses: list[str]) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 2), ("POT-GLASS", 1))
    with connected(shop, url, when=when) as woo:
        found = []
        for one in (parcel(1, ("10011", 1)), parcel(2, ("10011", 1), ("10012", 1))):
            woo.ship(key, one)
            found.append(shop.orders.rows[key]["status"])
        assert found == statuses
        assert {one.ref for one in woo.find_shipments(key)} == {"P1", "P2"}
    assert [text for text, _ in notes(shop)] == [
        "Your order is on its way with UPS. Tracking number: 1Z1",
        "Your order is on its way with UPS. Tracking number: 1Z2",
    ]


def test_what_was_refunded_need_not_be_shipped(shop: Any, woo: WooCommerce) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 2), ("POT-GLASS", 1))
    shop.give_back(key, "11.00", l10012=1)
    woo.ship(key, parcel(1, ("10011", 2)))
    assert shop.orders.rows[key]["status"] == "completed"


def test_the_warehouse_says_that_it_was_the_last(shop: Any, woo: WooCommerce) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 2))
    woo.ship(key, parcel(1, ("10011", 1), closed=True))
    assert shop.orders.rows[key]["status"] == "completed"


@pytest.mark.parametrize("status", ["cancelled", "refunded", "trash"])
def test_a_canceled_order_is_not_brought_back_by_its_parcel(shop: Any, woo: WooCommerce, status: str) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 2))
    shop.edit(key, status=status)
    shop.statuses = ("trash",)
    woo.ship(key, PARCEL)
    assert shop.orders.rows[key]["status"] == status
    assert [found.tracking_no for found in woo.find_shipments(key)] == ["1Z999"]


def test_options_of_what_is_told(shop: Any, url: str) -> None:
    shop.statuses = ("shipped",)
    key = shop.order_of(1, ("MUG-BLUE", 1))
    with connected(shop, url, notes="private", note_text="{tracking} by {carrier}", shipped_status="Shipped") as woo:
        woo.ship(key, PARCEL)
    assert (notes(shop), shop.orders.rows[key]["status"]) == ([("1Z999 by UPS", False)], "shipped")
    other = shop.order_of(2, ("MUG-BLUE", 1))
    with connected(shop, url, notes="none", shipped_status="none") as woo:
        woo.ship(other, PARCEL)
        assert [found.ref for found in woo.find_shipments(other)] == ["P1"]
    assert (len(shop.notes), shop.orders.rows[other]["status"]) == (1, "processing")


def test_a_note_without_words_is_left_out(shop: Any, url: str) -> None:
    """WooCommerce refuses an empty one, which would keep the parcel back."""
    key = shop.order_of(1, ("MUG-BLUE", 2))
    with connected(shop, url, note_text="{tracking} {url}") as woo:
        woo.ship(key, Shipment("P1", carrier="Own van"))
    assert (notes(shop), shop.orders.rows[key]["status"]) == ([], "completed")


def test_a_status_that_the_shop_does_not_know_is_told_in_words(shop: Any, url: str) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 1))
    with connected(shop, url, shipped_status="sent") as woo:
        with pytest.raises(Permanent, match="status"):
            woo.ship(key, PARCEL)
        assert woo.find_shipments(key) == []  # it is not done
    assert len(shop.notes) == 1


# ── stock ──


def test_stock_of_products_and_variations_and_why_some_is_not_set(shop: Any, woo: WooCommerce) -> None:
    shop.offer(21, "TWICE")
    shop.offer(22, "TWICE")
    shop.offer(23, "UNMANAGED", manage_stock=False)
    shop.offer(24, "ELSEWHERE", type="external")
    shop.offer(25, "A,B")
    shop.vary(63, 60, "SHIRT-XL", manage_stock="parent")
    skus = ("MUG-BLUE", "shirt-s", "SHIRT-L", "TWICE", "UNMANAGED", "ELSEWHERE", "A,B", "SHIRT-XL", "NOBODY")
    results = {one.sku: one for one in woo.stock([Stock(sku, Decimal("7.9")) for sku in skus])}
    assert set(results) == set(skus)
    taken = {sku for sku, one in results.items() if not one.error and not one.skipped}
    assert taken == {"MUG-BLUE", "shirt-s", "SHIRT-L", "A,B"}
    told = {effect["key"]: effect["quantity"] for effect in shop.effects("stock")}
    assert told == {"MUG-BLUE": 7, "SHIRT-S": 7, "SHIRT-L": 7, "A,B": 7}  # never more than there is
    assert results["NOBODY"].skipped
    words = {"TWICE": "#21, #22", "UNMANAGED": "Manage stock", "ELSEWHERE": "external", "SHIRT-XL": "parent #60"}
    assert not [sku for sku, word in words.items() if word not in results[sku].error]


def test_stock_management_is_switched_on_where_that_is_wanted(shop: Any, url: str) -> None:
    shop.offer(23, "UNMANAGED", manage_stock=False)
    with connected(shop, url, switch_on=True) as woo:
        assert [one.error for one in woo.stock([Stock("UNMANAGED", Decimal(3))])] == [""]
    assert (shop.products.rows["23"]["manage_stock"], shop.products.rows["23"]["stock_quantity"]) == (True, 3)


def test_many_levels_go_in_batches_and_products_are_looked_up_once(shop: Any, woo: WooCommerce) -> None:
    for number in range(300, 530):
        shop.offer(number, f"SKU-{number}")
    levels = [Stock(f"SKU-{number}", Decimal(number)) for number in range(300, 530)]
    for _ in range(2):
        assert not [one for one in woo.stock(levels) if one.error or one.skipped]
    assert {row["stock_quantity"] for row in shop.products if row["id"] >= 300} == set(range(300, 530))
    paths = [seen.request.path.rpartition("/")[2] for seen in shop.journal]
    assert (paths.count("batch"), paths.count("products")) == (6, 6)


# ── cancellations and refunds ──


def test_an_order_is_canceled_unless_it_is_shipped(shop: Any, woo: WooCommerce) -> None:
    first, second = shop.order_of(1, ("MUG-BLUE", 1)), shop.order_of(2, ("MUG-BLUE", 1))
    for _ in range(2):
        woo.cancel(first, "out of stock")
    assert (shop.orders.rows[first]["status"], len(shop.effects("cancel", first))) == ("cancelled", 1)
    woo.ship(second, PARCEL)
    with pytest.raises(Permanent, match="shipped"):
        woo.cancel(second, "too late")
    with pytest.raises(Permanent) as raised:
        woo.cancel("77", "nobody's")
    assert raised.value.code == "http_404"


def refund(amount: str, **fields: Any) -> Refund:
    line = RefundLine("10011", "MUG-BLUE", Decimal(1), Decimal("10.00"), Decimal("1.00"))
    return Refund("R-1", "USD", Decimal(amount), (line,), note="broken", **fields)


def test_a_refund_names_lines_taxes_and_shipping_and_is_found_again(shop: Any, woo: WooCommerce) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 2))
    assert woo.find_refund(key, "R-1") is None
    remote = woo.refund(key, refund("13.00", shipping=Decimal("2.00")))
    assert woo.find_refund(key, "R-1") == remote
    (row,) = shop.refunds
    assert (row["amount"], row["reason"]) == ("13.00", "broken [R-1]")
    assert [(one["quantity"], one["total"], one["total_tax"]) for one in row["line_items"]] == [(-1, "-10.00", "-1.00")]
    assert [one["total"] for one in row["shipping_lines"]] == ["-2.00"]
    assert only(woo).lines[0].quantity == 1


def test_shipping_goes_back_with_its_tax(shop: Any, woo: WooCommerce) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 2))
    line = shop.orders.rows[key]["shipping_lines"][0]
    taxed = {"total": "5.00", "total_tax": "1.00", "taxes": [{"id": 7, "total": "1.00"}]}
    shop.edit(key, shipping_lines=[{**line, **taxed}])
    woo.refund(key, refund("17.00", shipping=Decimal("6.00")))
    (row,) = shop.refunds
    assert [(one["total"], one["total_tax"]) for one in row["shipping_lines"]] == [("-5.00", "-1.00")]


def test_a_refunded_tax_is_shared_by_its_rates_in_the_currencys_own_decimals() -> None:
    rates = [Reader({"id": 1, "total": "10"}), Reader({"id": 2, "total": "20"})]
    for tax, parts in (("100", ["33", "67"]), ("1.00", ["0.33", "0.67"]), ("1.000", ["0.333", "0.667"])):
        assert [row["refund_total"] for row in refund_tax(Decimal(tax), rates)] == parts


@pytest.mark.parametrize(
    "fields",
    [
        {"total": "1." + "0" * 40, "quantity": 3},
        {"subtotal": "999999999999999.99", "quantity": "0.000000000000001"},
    ],
)
def test_numbers_beyond_sense_are_read_or_told_as_the_orders_own_trouble(
    shop: Any, woo: WooCommerce, fields: dict[str, Any]
) -> None:
    """Whatever else comes of them would stop the download of all other orders."""
    key = shop.order_of(1, ("MUG-BLUE", 2))
    line = shop.orders.rows[key]["line_items"][0]
    shop.edit(key, line_items=[{**line, **fields}])
    with contextlib.suppress(Unmappable):
        only(woo)


def test_a_refund_that_the_gateway_cannot_make_is_refused_in_words(shop: Any, url: str) -> None:
    shop.gateway = False
    key = shop.order_of(1, ("MUG-BLUE", 2))
    with connected(shop, url) as woo, pytest.raises(Permanent, match="automatic refunds"):
        woo.refund(key, refund("11.00"))
    with connected(shop, url, gateway=False) as woo:
        assert woo.refund(key, refund("11.00"))
    assert [effect["paid"] for effect in shop.effects("refund", key)] == [False]


def test_a_refund_whose_answer_is_lost_is_not_sent_again_but_found(shop: Any, woo: WooCommerce) -> None:
    key = shop.order_of(1, ("MUG-BLUE", 2))
    shop.faults.script("POST *", "drop_after", times=9)
    with pytest.raises(OutcomeUnknown):
        woo.refund(key, refund("11.00"))
    assert woo.find_refund(key, "R-1") is not None
    assert len(shop.effects("refund", key)) == 1


# ── webhooks ──


def test_webhooks_say_which_order_and_a_delivery_id_may_repeat(shop: Any, woo: WooCommerce) -> None:
    with mailbox() as (address, came):
        assert len(woo.subscribe(address, "whsec-0123456789")) == 4
        values = {SECRET: "whsec-0123456789"}
        pings = [WooCommerce.webhook(values, got.headers, got.body) for got in (came.get(timeout=60) for _ in range(4))]
        assert all(hook.ping and hook.order_key is None for hook in pings)
        key = shop.order_of(1, ("MUG-BLUE", 1))
        shop.edit(key, customer_note="Ring twice")
        shop.edit(key, customer_note="Ring once")
        shop.trash(key)
        shop.edit(key, status="processing")
        hooks = [WooCommerce.webhook(values, got.headers, got.body) for got in (came.get(timeout=60) for _ in range(5))]
    assert [hook.topic.removeprefix("order.") for hook in hooks] == [
        "created", "updated", "updated", "deleted", "restored",
    ]  # fmt: skip
    assert {hook.order_key for hook in hooks} == {key}
    assert hooks[1].delivery_id, "it is for the log"


def test_webhooks_of_a_call_whose_answer_was_lost_are_tidied_up(shop: Any, woo: WooCommerce) -> None:
    shop.faults.script("POST *", "drop_after", skip=1)
    address = "http://127.0.0.1:1/hooks/x/"
    with pytest.raises(OutcomeUnknown):
        woo.subscribe(address, "whsec-0123456789")
    handles = woo.subscribe(address, "another-whsec-012")
    assert sorted(handles) == sorted(str(row["id"]) for row in shop.hooks)
    assert {(row["topic"], row["secret"]) for row in shop.hooks} == {
        (f"order.{event}", "another-whsec-012") for event in ("created", "updated", "deleted", "restored")
    }


def test_nothing_of_the_fixtures_is_left_over() -> None:
    folder = Path(__file__).parent / "connectors" / "woocommerce"
    raws = {path.name.partition(".")[0] for path in folder.glob("*.raw.json")}
    assert raws == {path.name.partition(".")[0] for path in folder.glob("*.order.json")}
