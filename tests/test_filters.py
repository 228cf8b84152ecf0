"""Item Filters and Order Filters, from the rule to the page: what is left out, refused, held, and let go again."""

import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from accounts.models import AuditEntry
from carts.models import Cart, ItemFilter
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.canonical import Address
from merchants.models import Service
from merchants.rules import Rules, judge
from merchants.rules.codes import Hit, ItemCodes
from merchants.rules.filters import BLACKLIST, WHITELIST, OrderFilter
from merchants.rules.filters import ItemFilter as Known
from orders import filters
from orders.loading import load_anyway
from orders.models import Order, OrderLine, SkippedOrder, Status
from orders.stock import stock_rules
from tests import desk as desks
from tests.counter import text
from tests.desk import Desk, file_of
from tests.test_rules import PLAIN, SHIP, order
from tests.world import World, change, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def world(calm: World) -> World:
    """The quick one."""
    return calm


@pytest.fixture
def desk(db: None) -> Desk:
    return desks.build(orders=0)


# ── the rules alone ──


def listing(kind: str, *keys: str, **more: Any) -> Rules:
    return replace(PLAIN, item_filter=Known(kind, keys=frozenset(keys), **more))


def left(rules: Rules, *skus: str) -> list[str]:
    """What is sent of an order of these."""
    return [line.item for line in judge(order(*((sku, "1") for sku in skus)), rules).prepared("R").lines]


def test_a_blacklist_leaves_out_what_it_lists_and_a_whitelist_all_else() -> None:
    assert left(listing(BLACKLIST, "gift"), "A", "Gift ", "B") == ["A", "B"]
    assert left(listing(WHITELIST, "a", "b"), "A", "GIFT", "B") == ["A", "B"]
    assert left(listing("", "a"), "A", "B") == ["A", "B"], "a filter that is off lists in vain"


def test_what_is_left_out_is_told_and_its_quantity_is_not_lost() -> None:
    source = order(("A", "2"), ("GIFT", "3"))
    outcome = judge(source, listing(BLACKLIST, "gift"))
    assert outcome.left_out == {2: "GIFT is on this cart's blacklist."}
    assert outcome.story == [{"field": "Items", "why": "GIFT is on this cart's blacklist."}]
    assert outcome.order.lines == source.lines


def test_an_item_without_a_code_stops_the_order_unless_the_blacklist_lists_the_blank() -> None:
    assert [p.code for p in judge(order(("A", "1"), ("", "1")), listing(BLACKLIST, "x")).problems] == ["sku_missing"]
    outcome = judge(order(("A", "1"), ("", "1")), listing(BLACKLIST, ""))
    assert (outcome.problems, list(outcome.left_out)) == ([], [2])


@pytest.mark.parametrize(
    ("rules", "skus"),
    [
        (listing(BLACKLIST, "gift", whole_order=True), ("A", "GIFT")),
        (listing(BLACKLIST, "gift", "a"), ("A", "GIFT")),
        (listing(WHITELIST), ("A",)),
    ],
)
def test_an_order_is_refused_as_a_whole_or_with_nothing_left_unless_a_person_wants_it(rules: Any, skus: Any) -> None:
    source = order(*((sku, "1") for sku in skus))
    refused = judge(source, rules).refused
    assert refused is not None and refused.reason == "items_filtered"
    anyway = judge(source, rules, anyway=True)
    assert (anyway.refused, anyway.problems, len(anyway.prepared("R").lines)) == (None, [], len(skus))


def test_where_codes_are_translated_both_codes_count() -> None:
    codes = ItemCodes("m", "UPC", lambda code: [Hit("WIDGET", "UPC")] if code == "4006381" else [])
    for key in ("4006381", "widget"):
        rules = replace(listing(BLACKLIST, key), item_codes=codes)
        outcome = judge(order(("4006381", "1"), ("B", "1")), rules)
        assert list(outcome.left_out) == [1], key
    rules = replace(listing(BLACKLIST, "gift"), item_codes=codes)
    assert judge(order(("4006381", "1"), ("GIFT", "1")), rules).problems == [], "what is left out needs no product"


AT_HOME = {"ship": structs.replace(SHIP, country="US", zip="33139", state="FL", e_mail="dana@Mail.example")}


@pytest.mark.parametrize(
    ("known", "fields", "loads"),
    [
        (OrderFilter("ship_country", ("US", "CA")), AT_HOME, True),
        (OrderFilter("ship_country", ("CA",)), AT_HOME, False),
        (OrderFilter("ship_country", ("US",), restricted=True), AT_HOME, False),
        (OrderFilter("ship_zip", ("331",), restricted=True, match="starts"), AT_HOME, False),
        (OrderFilter("ship_zip", ("331",), restricted=True), AT_HOME, True),
        (OrderFilter("e_mail", ("@MAIL.EXAMPLE",), match="ends"), AT_HOME, True),
        (OrderFilter("tag", ("Hold",), restricted=True), {"tags": ("gift", "HOLD")}, False),
        (OrderFilter("tag", ("go",)), {"tags": ()}, False),
        (OrderFilter("company", ("Acme",)), {"bill": Address(company="ACME")}, True),
        (OrderFilter("extra:Gift tag", ("x",)), {"extra_fields": {"gift  TAG": "X"}}, True),
        (OrderFilter("grand_total", ("50",), match="at_least"), {"grand_total": Decimal("49.99")}, False),
        (OrderFilter("grand_total", ("50",), match="at_least"), {"grand_total": Decimal("50.00")}, True),
        (OrderFilter("grand_total", ("50",), restricted=True, match="below"), {"grand_total": None}, True),
        (OrderFilter("grand_total", ("50",)), {"grand_total": Decimal("50.00")}, True),
        (OrderFilter("gone", ("x",)), {}, False),  # of a field that a later version does not know
    ],
)
def test_an_order_is_loaded_if_it_fits_what_is_required_and_nothing_restricted(
    known: OrderFilter, fields: Any, loads: bool
) -> None:
    outcome = judge(order(**fields), replace(PLAIN, order_filters=(known,)))
    assert (outcome.refused is None) is loads
    if outcome.refused:
        assert outcome.refused.reason == "order_filtered"
        assert outcome.refused.message.startswith(f"Its {known.name} is ")


def test_every_filter_has_its_say() -> None:
    both = (OrderFilter("ship_country", ("US",)), OrderFilter("ship_zip", ("331",), "starts", restricted=True))
    refused = judge(order(**AT_HOME), replace(PLAIN, order_filters=both)).refused
    assert refused is not None
    assert refused.message == (
        "Its shipping postal code is 33139; this cart does not load orders where it begins with 331."
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("ship_country", "required", "full", ["Atlantis"]), "“Atlantis” is no country"),
        (("ship_country", "required", "starts", ["US"]), "Shipping country is compared by “is”."),
        (("grand_total", "required", "below", ["1,5o"]), "is no amount"),
        (("grand_total", "required", "below", ["NaN"]), "is no amount"),
        (("extra: ", "required", "full", ["x"]), "the name of the extra field"),
        (("nothing", "required", "full", ["x"]), "Choose a field"),
        (("tag", "perhaps", "full", ["x"]), "required or restricted"),
        (("tag", "required", "full", [" ", ""]), "at least one value"),
        (
            ("tag", "restricted", "ends", ["GIFT" * 26]),
            "“GIFTGIFTGIFTGIFTGIFTGIFTGIFTGI…” has more than 100 characters",
        ),
    ],
)
def test_what_is_no_filter_is_refused_in_words(given: Any, why: str) -> None:
    with pytest.raises(filters.Refused, match=why):
        filters.checked(*given)


def test_countries_are_kept_by_one_code_however_they_are_written() -> None:
    row = filters.checked("ship_country", "required", "full", ["usa", "US", "Canada"])
    assert row["values"] == ["US", "CA"]


# ── with what is stored ──


def change_items(world: World, **given: Any) -> filters.Saved:
    return filters.change_items(world.cart, clock.now(), "dana@example.com", **given)


def require(world: World, *given: Any) -> filters.Saved:
    return filters.change_orders(world.cart, clock.now(), "dana@example.com", put=[filters.checked(*given)])


def sent(world: World) -> list[list[str]]:
    """The items of the orders at the warehouse, oldest first."""
    warehouse: Any = world.warehouse
    return [[line["item"] for line in row["lines"]] for row in warehouse.orders]


def test_a_filtered_item_stays_in_the_order_struck_out_and_is_not_sent(world: World) -> None:
    change_items(world, kind=BLACKLIST, add=["Gift-Wrap"])
    place(world, 1, ("ALPHA", 2), ("GIFT-WRAP", 1))
    run(world, DOWNLOAD, DELIVER)
    assert sent(world) == [["ALPHA"]]
    assert list(OrderLine.objects.order_by("position").values_list("item", "filtered", "sent_item")) == [
        ("ALPHA", False, "ALPHA"),
        ("GIFT-WRAP", True, ""),
    ]


def test_an_order_with_nothing_left_is_skipped_and_can_be_loaded_anyway(world: World) -> None:
    change_items(world, kind=WHITELIST, add=["ALPHA"])
    place(world, 1, ("GIFT-WRAP", 1))
    run(world, DOWNLOAD, DELIVER)
    row = SkippedOrder.objects.get()
    assert (row.reason, Order.objects.count()) == ("items_filtered", 0)
    assert "No item is left" in row.message
    load_anyway(row, row.raw, world.account, "dana@example.com", clock.now())
    run(world, DELIVER)
    assert sent(world) == [["GIFT-WRAP"]]


def test_an_item_without_sku_that_stopped_orders_goes_on_the_blacklist_and_they_go_on(world: World) -> None:
    place(world, 1, ("ALPHA", 1), ("", 1))
    run(world, DOWNLOAD, DELIVER)
    assert world.only().error_code == "sku_missing"
    saved = change_items(world, kind=BLACKLIST, add=[filters.BLANK])
    assert saved.released == 1
    run(world, DELIVER)
    assert sent(world) == [["ALPHA"]]


def test_an_order_that_stops_fitting_is_held_until_the_filter_goes(world: World) -> None:
    place(world, 1, ("ALPHA", 1))
    run(world, DOWNLOAD)
    require(world, "ship_country", "required", "full", ["FJ"])
    run(world, DELIVER)
    held = world.only()
    assert (held.status, held.held_by, sent(world)) == (Status.HELD, "filter", [])
    saved = filters.change_orders(world.cart, clock.now(), "dana@example.com", remove=["ship_country"])
    assert saved.released == 1
    run(world, DELIVER)
    assert sent(world) == [["ALPHA"]]


def test_what_a_filter_kept_out_is_said_when_it_is_changed(world: World) -> None:
    require(world, "ship_country", "required", "full", ["FJ"])
    place(world, 1, ("ALPHA", 1))
    run(world, DOWNLOAD)
    assert SkippedOrder.objects.get().reason == "order_filtered"
    saved = require(world, "ship_country", "required", "full", ["US"])
    assert (saved.skipped, saved.released) == (1, 0)
    entry = AuditEntry.objects.filter(verb="cart.order_filters").latest("pk")
    assert entry.changes == {"Shipping country": ["required: is FJ", "required: is US"]}


def test_what_fits_by_now_is_loaded_and_not_listed_as_skipped_any_more(world: World) -> None:
    """A shop's tag HOLD, say, which somebody takes off again."""
    require(world, "tag", "restricted", "full", ["HOLD"])
    held = place(world, 1, ("ALPHA", 1), tags=["HOLD"])
    place(world, 2, ("ALPHA", 1), tags=["HOLD"])
    run(world, DOWNLOAD)
    assert (SkippedOrder.objects.count(), Order.objects.count()) == (2, 0)
    change(world, held, tags=[])
    run(world, DOWNLOAD)
    assert [row.number for row in SkippedOrder.objects.all()] == ["OAK-2"]
    assert require(world, "tag", "restricted", "full", ["WAIT"]).skipped == 1
    run(world, DELIVER)
    assert (world.only().status, sent(world)) == (Status.AT_WMS, [["ALPHA"]])


def test_a_filtered_product_is_kept_from_the_carts_inventory_too(world: World) -> None:
    change_items(world, kind=BLACKLIST, add=["GIFT-WRAP"])
    rules = stock_rules(Cart.objects.get(pk=world.cart.pk))
    assert rules.withheld("gift-wrap", "GIFT-WRAP") == "gift-wrap is on this cart's blacklist."
    assert rules.withheld("ALPHA", "ALPHA") == ""


# ── the pages ──


def test_the_item_filter_is_set_filled_searched_and_emptied(desk: Desk) -> None:
    client, here = desk.client("owner"), desk.url(f"carts/{desk.carts[0].public_id}/item-filters/")
    client.post(here, {"do": "type", "kind": "blacklist", "level": "order"})
    client.post(here, {"do": "add", "items": "ENGRAVING\n engraving \n<b>x</b>\n", "blank": "on"})
    page = text(client.get(here))
    assert "ENGRAVING" in page and "Items without SKU" in page and "&lt;b&gt;x" in page
    assert "ENGRAVING" not in text(client.get(here + "?q=zzz"))
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.get(pk=desk.carts[0].pk)
        assert (cart.item_filter, cart.filter_whole_order) == ("blacklist", True)
        keys = dict(ItemFilter.objects.values_list("key", "pk"))
    assert set(keys) == {"engraving", "<b>x</b>", ""}
    client.post(here, {"do": "remove", "m": [keys[""], "9" * 30, "x"]})
    with tenancy.activate(desk.account.pk):
        assert ItemFilter.objects.count() == 2
    answer = client.post(here, {"do": "add", "items": " \n"})
    assert answer.status_code == 422 and "at least one item code" in text(answer)
    csv = file_of(client.get(here + "csv/")).decode()
    assert "<b>x</b>" in csv


def test_no_whitelist_is_empty_since_no_order_would_be_loaded(desk: Desk) -> None:
    client, cart = desk.client("owner"), desk.carts[0]
    here, why = desk.url(f"carts/{cart.public_id}/item-filters/"), "with an empty whitelist no order would be loaded"

    def kind() -> str:
        with tenancy.activate(desk.account.pk):
            return str(Cart.objects.get(pk=cart.pk).item_filter)

    wanted = {"do": "type", "kind": "whitelist", "level": "item"}
    answer = client.post(here, wanted)
    assert (answer.status_code, why in text(answer), kind()) == (422, True, "")
    rows = f"Id,Item Filter Type\n{cart.public_id},Whitelist\n".encode()
    assert why in text(client.post(desk.url("carts/rules/import/"), {"file": io.BytesIO(rows)}))
    client.post(here, {"do": "add", "items": "ALPHA"})
    client.post(here, wanted)
    assert kind() == "whitelist"
    with tenancy.activate(desk.account.pk):
        listed = ItemFilter.objects.get().pk
    answer = client.post(here, {"do": "remove", "m": [listed]})
    assert (answer.status_code, why in text(answer)) == (422, True)
    client.post(here, {**wanted, "kind": ""})
    assert client.post(here, {"do": "remove", "m": [listed]}).status_code == 302


def test_an_order_filter_is_added_changed_and_deleted_each_field_once(desk: Desk) -> None:
    client, here = desk.client("owner"), desk.url(f"carts/{desk.carts[0].public_id}/order-filters/")
    form = {"do": "save", "was": "", "field": "ship_country", "kind": "required", "match": "full", "values": "USA\nCAN"}
    client.post(here, form)
    assert "each field may be used once" in text(client.post(here, {**form, "values": "FRA"}))
    client.post(here, {**form, "was": "ship_country", "field": "extra:", "name": "Gift tag", "values": "<HOLD>"})
    page = text(client.get(here))
    assert "Extra field Gift tag" in page and "&lt;HOLD&gt;" in page and "Shipping country</th>" not in page
    change = text(client.get(here + "?change=extra%3AGift+tag"))
    assert 'value="Gift tag"' in change
    assert "“x” is no amount" in text(
        client.post(here, {**form, "field": "grand_total", "match": "below", "values": "x"})
    )
    client.post(here, {"do": "delete:extra:Gift tag"})
    with tenancy.activate(desk.account.pk):
        assert Cart.objects.get(pk=desk.carts[0].pk).order_filters == []


@pytest.mark.parametrize(
    ("which", "file", "kept"),
    [
        ("item", "SKU\nGIFT\n(no code)\nGIFT\n", {"gift", ""}),
        (
            "order",
            "Field;Type;Match;Value\nShipping country;required;is;USA\nship_country;required;is;CAN\n"
            "Extra field Tag;restricted;;HOLD\nMoon;required;is;x\n",
            {"ship_country", "extra:Tag"},
        ),
    ],
)
def test_files_are_shown_before_they_change_anything_and_then_taken_up(
    desk: Desk, which: str, file: str, kept: set[str]
) -> None:
    client, here = desk.client("owner"), desk.url(f"carts/{desk.carts[0].public_id}/{which}-filters/")
    upload = io.BytesIO(file.encode())
    upload.name = "filters.csv"
    shown = client.post(here + "import/", {"file": upload})
    assert "What filters.csv would change" in text(shown)
    client.post(here + "import/", {"rows": shown.context["signed"]})
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.get(pk=desk.carts[0].pk)
        found = {row["field"] for row in cart.order_filters} or set(ItemFilter.objects.values_list("key", flat=True))
    assert found == kept
    again = file_of(client.get(here + "csv/"))
    upload = io.BytesIO(again)
    upload.name = "again.csv"
    assert "the list says all of it already" in text(client.post(here + "import/", {"file": upload}))
