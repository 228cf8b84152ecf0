"""3PL Warehouse Manager: its language and its words, its tokens, whose stock it is, and what its parcels hold."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from integration_manager.kit import clock
from integration_manager.kit.canonical import (
    Address,
    Order,
    Prepared,
    PreparedLine,
    Shipment,
    ShipmentLine,
    SourceState,
)
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import (
    AlreadyDone,
    AuthFailed,
    BadAnswer,
    ConnectorError,
    NeedsHuman,
    Permanent,
    Transient,
)
from integration_manager.kit.hal import embedded, literal
from integration_manager.kit.parcel_contents import shared
from integration_manager.kit.transport import Exchange, Http
from tests.connectors.extensiv.rql import NotParsable, Property, parse
from tests.world import answers, asked, fake
from wms.systems.extensiv import Extensiv, refusal, to_shipments

ZONE = ZoneInfo("America/Los_Angeles")
WHEN = datetime(2026, 3, 1, 8, tzinfo=UTC)


def order(ref: str = "R1", sku: str = "MUG-BLUE", **fields: Any) -> Prepared:
    to = Address(company="Quay", address_1="1 Quay", city="Tacoma", zip="98402", country="US")
    whole = Order(
        cart_key=ref, cust_ref=ref, cust_po_no=f"PO-{ref}", order_date=WHEN.date(),
        source_state=SourceState.ELIGIBLE, lines=(), ship=fields.pop("ship", to), **fields,
    )  # fmt: skip
    return Prepared(ref, whole, (PreparedLine("1", sku, Decimal(2)),), None, "UPS / Ground", "OAK")


@contextlib.contextmanager
def connected(there: Any, url: str, /, **values: Any) -> Iterator[Extensiv]:
    with Http(guard=Guard(["127.0.0.1"]), limiter=None, journal=said.append, timeout=10) as http:
        yield Extensiv({**there.values(url), **values}, http=http)


said: list[Exchange] = []


@pytest.fixture
def there() -> Any:
    said.clear()
    return fake("extensiv")


@pytest.fixture
def url(there: Any) -> Iterator[str]:
    with there.serve() as found:
        yield found


@pytest.fixture
def wms(there: Any, url: str) -> Iterator[Extensiv]:
    with connected(there, url) as connector:
        yield connector


def refused(call: Any, *args: Any) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        call(*args)
    return caught.value


# ── getting in ──


def test_a_token_is_used_for_half_of_its_life_and_then_renewed(there: Any, wms: Extensiv) -> None:
    with clock.frozen(WHEN):
        wms.check()
        wms.check()
    with clock.frozen(WHEN + timedelta(minutes=25)):
        wms.check()
    assert there.logins == 1
    with clock.frozen(WHEN + timedelta(minutes=31)):
        wms.check()
    assert there.logins == 2


@pytest.mark.parametrize(("user", "name"), [("7", "user_login_id"), ("dana.api", "user_login")])
def test_a_user_is_named_by_its_number_or_its_login(there: Any, url: str, user: str, name: str) -> None:
    there.user = user
    with connected(there, url, user=user) as wms:
        wms.check()
    (login,) = [seen.request for seen in there.journal if seen.request.path == there.login]
    assert login.json == {"grant_type": "client_credentials", name: user, "tpl": there.tpl}


@pytest.mark.parametrize(
    "wrong", [{"user": "8"}, {"tpl": "{0}"}, {"client_id": "x"}, {"client_secret": "wrong-secret"}]
)
def test_who_may_not_in_is_told_what_to_look_at(there: Any, url: str, wrong: dict[str, str]) -> None:
    with connected(there, url, **wrong) as wms:
        error = refused(wms.check)
    assert isinstance(error, AuthFailed)
    assert "client ID and secret, the user or the 3PL key" in str(error)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"customer": 99}, "The API key does not see customer 99."),
        ({"facility": "2, 6"}, "Customer 77 has no facility 6"),
    ],
)
def test_the_test_says_which_number_is_wrong(there: Any, url: str, wrong: dict[str, Any], words: str) -> None:
    with connected(there, url, **wrong) as wms:
        error = refused(wms.check)
    assert isinstance(error, AuthFailed) and words in str(error)


def test_a_facility_is_a_number(there: Any, url: str) -> None:
    with pytest.raises(AuthFailed, match="is a number"), connected(there, url, facility="Main hall"):
        pass


def test_a_role_that_is_missing_is_named(there: Any, wms: Extensiv) -> None:
    there.rights = ("CustomerView",)
    error = refused(wms.find, "R1")
    assert (error.code, "OrderView" in str(error)) == ("forbidden", True)


# ── its language ──


@pytest.mark.parametrize("ref", ["R*1", "50% off", "a;b,c", "(x)==!", "Ü 1", "R1&x=2", "a+b", "100%25"])
def test_references_of_any_signs_are_found_again_and_find_no_other(wms: Extensiv, ref: str) -> None:
    for one in ("R1", "Rx1", ref):
        wms.send(order(one), one)
    found = wms.find(ref)
    assert found is not None and found.order_no == f"PO-{ref}"
    for star in ("*", "R*", "%2A"):
        assert wms.find(star) is None


def test_signs_of_the_language_are_escaped_twice_on_the_wire(there: Any, wms: Extensiv) -> None:
    wms.http.trace = True
    wms.find("A*")
    assert "referenceNum%3D%3DA%252A" in said[-1].url
    assert literal("50%;x") == "50%25%3Bx"


KNOWN = {"name": Property(lambda row: row[0]), "n": Property(lambda row: row[1], int)}


@pytest.mark.parametrize(
    ("rql", "fit"),
    [
        ("name==b", ["B"]),
        ("name==*a*", ["a*c", "ab"]),
        ("name==a%2Ac", ["a*c"]),
        ("n=ge=2;name!=B", ["ab"]),
        ("n==1,n==3;name==ab", ["a*c", "ab"]),
        ("(n==1,n==3);name==ab", ["ab"]),
        ("n=in=(1,2)", ["a*c", "B"]),
        ("name=out=(b,ab)", ["a*c"]),
        ("name=hv=true", ["a*c", "B", "ab"]),
    ],
)
def test_the_fake_reads_the_language(rql: str, fit: list[str]) -> None:
    rows = [("a*c", 1), ("B", 2), ("ab", 3)]
    test = parse(rql, KNOWN)
    assert [name for name, n in rows if test((name, n))] == fit


@pytest.mark.parametrize(
    "rql",
    ["gorp==1", "n==x", "n=like=1", "n==1;", "(n==1", "n==1)", "name==a=b", "name==50%", "n=ge=1*", "n"],
)
def test_the_fake_refuses_what_is_not_of_the_language(rql: str) -> None:
    with pytest.raises(NotParsable):
        parse(rql, KNOWN)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/orders", {"pgsize": "10"}),
        ("/orders", {"pgsiz": "1001"}),
        ("/orders", {"customerid": "77"}),
        ("/orders", {"rql": "gorp==1"}),
        ("/orders", {"sort": "gorp"}),
        ("/orders", {"itemdetail": "All"}),
        ("/inventory/stocksummaries", {"pgsiz": "501"}),
    ],
)
def test_the_fake_refuses_questions_that_it_does_not_know(wms: Extensiv, path: str, query: dict[str, str]) -> None:
    error = refused(lambda: wms.http.get(path, params=query))
    assert isinstance(error, Permanent) and "did not understand the question" in str(error)


def test_changes_need_the_etag_of_what_was_read(there: Any, wms: Extensiv) -> None:
    key = wms.send(order(), "R1")
    path = f"/orders/{key}/canceler"
    tag = wms.http.get(f"/orders/{key}").headers["ETag"]
    there.touch(key)
    assert refused(lambda: wms.http.post(path, json={"reason": "x"})).code == "http_428"
    assert refused(lambda: wms.http.post(path, json={"reason": "x"}, headers={"If-Match": tag})).code == "http_412"
    assert wms.cancel(key) is True
    assert wms.cancel(key) is True, "canceled twice is canceled"


def test_an_order_that_everybody_works_on_is_canceled_at_another_time(there: Any, wms: Extensiv) -> None:
    key = wms.send(order(), "R1")
    usual = there.answer

    def answer(request: Any) -> Any:
        reply = usual(request)
        if request.method == "GET" and request.path == f"/orders/{key}":
            there.touch(key)
        return reply

    there.answer = answer
    assert isinstance(refused(wms.cancel, key), Transient)
    assert not there.effects("cancel")


def test_too_late_is_an_answer_also_between_the_question_and_the_cancellation(there: Any, wms: Extensiv) -> None:
    first, second = wms.send(order(), "R1"), wms.send(order("R2"), "R2")
    there.pack(first)
    assert wms.cancel(first) is False
    row = dict(there.orders.rows[second])
    there.orders.change(second, status=1)
    answers_once(there, row)
    assert wms.cancel(second) is False


def answers_once(there: Any, row: Any) -> None:
    """The next reading of an order shows it as it was."""
    usual = there._view

    def view(now: Any, detail: set[str]) -> Any:
        there._view = usual
        return usual(row, detail)

    there._view = view


def test_what_it_embeds_is_found_in_any_capitals_and_must_be_there() -> None:
    assert embedded({"_embedded": {"http://API/Rels/Orders/Order": [1]}}, "rels/orders/order") == [1]
    assert embedded({"_embedded": {"http://api/rels/orders/orderfile": [1]}}, "rels/orders/order") == []
    assert embedded([], "x") == embedded({"_embedded": 1}, "x") == embedded({"_embedded": {"x": 1}}, "x") == []


def test_rows_that_are_announced_and_missing_are_no_empty_list(there: Any, wms: Extensiv) -> None:
    answers(there, "GET", "/orders", lambda request, usual: {"totalResults": 3, "_embedded": {"other": []}})
    assert isinstance(refused(wms.find, "R1"), BadAnswer)


def test_an_hour_that_its_clock_shows_twice_loses_nothing(there: Any, wms: Extensiv) -> None:
    """On the night of a change of clocks, half past one comes twice, and the second looks like the first."""
    early, late = (datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (8, 9))
    there.parcel(1, early + timedelta(minutes=20))
    (page,) = wms.shipments(early - timedelta(hours=1))
    assert page.cursor is not None
    there.parcel(2, late)
    again = [one.key for page in wms.shipments(page.cursor - wms.overlap) for one in page.rows if not one.voided]
    assert again == ["2", "1"]


# ── its words ──


def exception(kind: str, code: str, *properties: tuple[str, str], hint: str = "") -> dict[str, Any]:
    return {
        "$type": f"WMS.V2.Generic.Models.Exceptions.{kind}, WMS.V2.Generic.Models", "ErrorCode": code, "Hint": hint,
        "Properties": [{"Name": name, "Value": value} for name, value in properties],
    }  # fmt: skip


MODEL, OPERATION = "ModelValidationException", "OperationException"


@pytest.mark.parametrize(
    ("body", "kind", "code", "words"),
    [
        (
            exception(MODEL, "DoesNotExist", ("OrderItems[0].ItemIdentifier.Sku", "MUG-9")),
            NeedsHuman,
            "item_unknown",
            "the SKU MUG-9",
        ),
        (
            exception(MODEL, "ValueNotSupported", ("ItemIdentifier", "MUG-9"), hint="Not assigned to Customer 77"),
            NeedsHuman,
            "item_unknown",
            "MUG-9 for this customer. It says: Not assigned to Customer 77.",
        ),
        (
            exception(MODEL, "ValueNotSupported", hint="Not assigned to Customer {77}"),
            NeedsHuman,
            "item_unknown",
            "an item",
        ),
        (
            exception(MODEL, "DoesNotExist", ("CustomerIdentifier.Id", "99")),
            AuthFailed,
            "auth_failed",
            "CustomerIdentifier.Id 99",
        ),
        (exception(MODEL, "DoesNotExist", ("FacilityIdentifier", "6")), AuthFailed, "auth_failed", "WMS settings"),
        (
            exception(MODEL, "Duplicate", ("ReferenceNum", "R1")),
            AlreadyDone,
            "already_done",
            "an order under this reference",
        ),
        (
            exception(MODEL, "ValueNotSupported", ("RoutingInfo.Carrier", "PIGEON")),
            NeedsHuman,
            "ship_method_unknown",
            "PIGEON",
        ),
        (
            exception(MODEL, "Required", ("ShipTo.Zip", "")),
            NeedsHuman,
            "bad_address",
            "asks for the shipping address (ShipTo.Zip)",
        ),
        (exception(MODEL, "DoesNotExist", ("SavedElements", "Gate")), NeedsHuman, "field_refused", "the custom field"),
        (exception(MODEL, "Oddity", ("Notes", "{x}")), Permanent, "refused", "refuses (Oddity) Notes {x}"),
        (exception(OPERATION, "OrderConfirmed"), Permanent, "order_confirmed", "has shipped"),
        (exception(OPERATION, "DateInFuture"), Permanent, "date_in_future", "does not allow this now"),
        (exception("AuthorizationException", "x"), Permanent, "forbidden", "OrderWrite"),
        (
            exception("QueryParameterException", "NotParsable", hint="Properties not supported: gorp"),
            Permanent,
            "refused",
            "gorp",
        ),
        ({"$type": None, "ErrorCode": 7, "Properties": "x"}, Permanent, "refused", "7"),
    ],
)
def test_its_exceptions_as_sentences(body: Any, kind: type[ConnectorError], code: str, words: str) -> None:
    error = refusal(body, "as said")
    assert (type(error), error.code, error.said) == (kind, code, "as said")
    assert words in str(error)


def test_plain_text_of_a_server_in_trouble_is_kept_as_what_it_said(there: Any, wms: Extensiv) -> None:
    wms.check()
    there.faults.script("GET /orders", "error", times=9)
    error = refused(wms.find, "R1")
    assert (type(error), error.said) == (Transient, "Something went wrong on our side.")


def test_a_reference_that_is_there_is_answered_with_the_order_that_has_it(wms: Extensiv) -> None:
    key = wms.send(order(), "R1")
    error = refused(wms.send, order(), "R1")
    assert isinstance(error, AlreadyDone) and error.remote_id == key


# ── stock and methods ──


def levels(wms: Extensiv) -> dict[tuple[str, str], Decimal]:
    return {(one.sku, one.warehouse): one.available for page in wms.stock(None) for one in page.rows}


def test_stock_of_several_facilities_and_of_the_qualifiers_that_are_sold(there: Any, url: str) -> None:
    for pieces, where in ((3, {}), (40, {"qualifier": "NEW"}), (500, {"qualifier": "OLD"}), (6000, {"facility": 5})):
        there.count("A", Decimal(pieces), **where)
    with connected(there, url) as wms:
        assert levels(wms) == {("A", ""): 543}
    with connected(there, url, qualifiers="NEW", facility="2, 5") as wms:
        assert levels(wms) == {("A", "2"): 43, ("A", "5"): 6000}


def test_a_key_that_sees_other_customers_gives_the_stock_of_ours_only(there: Any, wms: Extensiv) -> None:
    there.visible = (77, 88)
    for number in range(1, 131):  # more than a page of items
        there.count(f"A{number}", Decimal(number), customer=77)
    there.count("B", Decimal(9), customer=88)
    there.count("A1", Decimal(9), customer=88)
    found = levels(wms)
    assert (len(found), found["A1", ""], ("B", "") in found) == (130, 1, False)


@pytest.mark.parametrize("gives", [100, 33, 1])
def test_pages_that_are_smaller_than_asked_for_lose_no_row(there: Any, wms: Extensiv, gives: int) -> None:
    there.gives = gives
    there.visible = (77, 88)
    for number in range(1, 62 if gives == 1 else 331):
        there.count(f"A{number}", Decimal(number))
    assert len(levels(wms)) == len(there.levels)
    for number in range(1, 8 if gives == 1 else 151):
        there._arrived(number, 1, WHEN, None)
    found = {one.wms_key for page in wms.shipments(WHEN) for one in page.rows}
    assert len(found) == len(there.orders)


@pytest.mark.parametrize("number", [1, 37, 537])
@pytest.mark.parametrize("gives", [1000, 40])
def test_rows_that_it_counts_and_never_gives_keep_none_of_the_others_back(
    there: Any, wms: Extensiv, number: int, gives: int
) -> None:
    there.gives = gives
    for one in range(number):
        there.count(f"A{one}", Decimal(1))
    path, more = "/inventory/stocksummaries", {"totalResults": number + 1}
    answers(there, "GET", path, lambda request, usual: {**usual(request), **more})
    assert len(levels(wms)) == number
    answers(there, "GET", path, lambda request, usual: {"summaries": [], **more})
    with pytest.raises(BadAnswer, match="more rows than it gives"):
        levels(wms)


def test_its_carriers_with_their_services(wms: Extensiv) -> None:
    methods = {one.code: (one.description, one.carrier) for one in wms.ship_methods()}
    assert methods["FedEx / Ground"] == ("FedEx Ground", "FedEx")
    assert methods["Will Call"] == ("", "Will Call")
    assert len(methods) == 5


def test_an_order_goes_to_the_facility_that_it_names(there: Any, url: str) -> None:
    with connected(there, url, facility="2, 5") as wms:
        for ref, place in (("R1", None), ("R2", "5"), ("R3", "EAST")):
            wms.send(order(ref, location=place), ref)
    assert [row["said"]["facilityIdentifier"]["id"] for row in there.effects("order")] == [2, 5, 2]


# ── what its parcels hold ──

ITEMS = [
    {"readOnly": {"orderItemId": 11}, "itemIdentifier": {"sku": "MUG"}, "qty": 3, "externalId": "1"},
    {"readOnly": {"orderItemId": 12}, "itemIdentifier": {"sku": "POT"}, "qty": 1, "externalId": "2"},
]


def shipped(*boxes: dict[str, Any], closed: bool = True, status: int = 1, labelled: bool = False, **more: Any) -> Any:
    """(key, tracking number, content, whether it is the last, whether it was voided) of each parcel."""
    read = {
        "orderId": 9, "isClosed": closed, "status": status, "processDate": "2026-03-01T23:30:00",
        "lastModifiedDate": "2026-03-01T23:31:00.123", "packages": list(boxes),
    }  # fmt: skip
    raw = {"readOnly": read, "referenceNum": "R9", "_embedded": {"http://x/rels/orders/item": ITEMS}, **more}
    return to_shipments(raw, ZONE, labelled=labelled)


def told(parcels: list[Shipment]) -> list[tuple[str, str | None, str]]:
    kept = [one for one in parcels if not one.voided]
    return [(one.key, one.tracking_no, " ".join(f"{line.quantity:f}{line.item}" for line in one.lines)) for one in kept]


def box(number: int, tracking: str | None, *contents: tuple[int, int], **more: Any) -> dict[str, Any]:
    parts = [{"orderItemId": item, "qty": qty, **more} for item, qty in contents]
    return {"packageId": number, "trackingNumber": tracking, "packageContents": parts}


def test_packages_with_their_contents() -> None:
    parcels = shipped(box(1, "T1", (11, 2)), box(2, "T2", (11, 1), (12, 1), lotNumber="L7", serialNumber="S1"))
    assert told(parcels) == [("1", "T1", "2MUG"), ("2", "T2", "1MUG 1POT")]
    kept = [one for one in parcels if not one.voided]
    assert [one.closed for one in kept] == [False, True]
    line = kept[1].lines[0]
    assert (line.line_id, line.lot_number, line.serial_no) == ("1", "L7", "S1")
    assert {(one.wms_key, one.ref) for one in parcels} == {("9", "R9")}
    assert kept[0].shipped_at == datetime(2026, 3, 2, 7, 30, tzinfo=UTC)


def test_an_order_without_packages_is_one_parcel_or_as_many_as_it_has_numbers() -> None:
    assert told(shipped()) == [("order-9", None, "")]  # the whole order
    assert told(shipped(routingInfo={"trackingNumber": "PRO1"})) == [("order-9", "PRO1", "")]
    several = shipped(parcelResponse={"trackingNumbers": ["T1", "T2", "T3"]})
    assert told(several) == [("order-9", "T1", "2MUG"), ("order-9-T2", "T2", "1POT"), ("order-9-T3", "T3", "1MUG")]
    assert told(shipped(routingInfo={"trackingNumber": "T1, T2;T1"})) == [
        ("order-9", "T1", "3MUG"),
        ("order-9-T2", "T2", "1POT"),
    ]


def test_packages_on_one_bill_of_lading_are_one_parcel() -> None:
    parcels = shipped(box(1, None, (11, 2)), box(2, None, (11, 1)), routingInfo={"trackingNumber": "PRO1"})
    assert told(parcels) == [("order-9", "PRO1", "2MUG 1MUG")]
    assert [(one.key, one.closed) for one in parcels if one.voided][:2] == [("1", False), ("2", False)]


def test_packages_that_get_their_numbers_later_take_the_place_of_the_whole() -> None:
    more = {"routingInfo": {"trackingNumber": "PRO1 PRO2"}}
    first = shipped(box(1, None, (11, 2)), box(2, None, (11, 1), (12, 1)), **more)
    assert told(first) == [("order-9", "PRO1, PRO2", "2MUG 1MUG 1POT")]
    later = shipped(box(1, "PRO1", (11, 2)), box(2, "T2", (11, 1), (12, 1)), **more)
    assert told(later) == [("1", "PRO1", "2MUG"), ("2", "T2", "1MUG 1POT")]
    assert {one.key for one in later if one.voided} >= {"order-9", "order-9-PRO2"}
    half = shipped(box(1, "T1", (11, 2)), box(2, None, (11, 1), (12, 1)))
    assert told(half) == [("1", "T1", "2MUG"), ("order-9", None, "1MUG 1POT")]
    assert "order-9" not in {one.key for one in half if one.voided}


def test_a_package_of_unknown_content_has_what_is_in_no_other() -> None:
    assert told(shipped(box(1, "T1", (11, 1)), box(2, "T2"))) == [("1", "T1", "1MUG"), ("2", "T2", "2MUG 1POT")]
    assert told(shipped(box(1, "T1"))) == [("1", "T1", "")]
    full = shipped(box(1, "T1", (11, 3), (12, 1)), box(2, "T2"))
    assert told(full) == [("1", "T1, T2", "3MUG 1POT")], "nothing is left for it, and its number is not lost"


def test_more_boxes_than_pieces_keep_all_their_numbers() -> None:
    blank = [Shipment(str(n), tracking_no=f"T{n}") for n in range(1, 4)]
    ordered = [ShipmentLine("SOFA", Decimal(2), "1")]
    assert told(shared(blank, ordered)) == [("1", "T1, T3", "1SOFA"), ("2", "T2", "1SOFA")]
    assert shared(blank, []) == blank


def test_what_is_not_confirmed_is_reported_only_where_labels_count() -> None:
    boxes = (box(1, "T1", (11, 2)), box(2, "T2"), box(3, None, (12, 1)))
    assert shipped(*boxes, closed=False, status=0) == []
    early = shipped(*boxes, closed=False, status=0, labelled=True)
    assert told(early) == [("1", "T1", "2MUG")], "a box of unknown content waits until the order is confirmed"
    assert {one.key for one in early if one.voided} == {"3", "order-9", "order-9-T1"}
    assert not any(one.closed for one in early)
    assert shipped(*boxes, status=2, labelled=True) == []


def test_a_line_that_was_taken_out_of_the_order_since_does_not_stop_the_others() -> None:
    assert told(shipped(box(1, "T1", (99, 1), (11, 3)))) == [("1", "T1", "3MUG")]


def test_it_asks_for_its_customer_only(there: Any, wms: Extensiv) -> None:
    there.visible = (77, 88)
    there._arrived(1, 1, WHEN, None)
    there._arrived(2, 1, WHEN, None, customer=88)
    assert {one.wms_key for page in wms.shipments(WHEN) for one in page.rows} == {"500001"}
    assert asked(there, "GET", "/orders") == 1
