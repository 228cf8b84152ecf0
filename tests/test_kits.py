"""Kits, from the rule to the page: components are what is sent, the kit is what the cart hears of."""

import io
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from accounts.models import AuditEntry
from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.canonical import Line
from merchants.kits import Refused, checked, contents, in_words
from merchants.models import Kit, Merchant, Product, Service, StockLevel, Warehouse
from merchants.rules import Rules, judge
from merchants.rules.codes import Hit, ItemCodes
from merchants.rules.filters import BLACKLIST, WHITELIST, ItemFilter
from merchants.rules.kits import Component
from orders import abilities, cancelling, changes, kits, managed, search
from orders.models import Event, LinePart, Order, OrderDetail, OrderLine, Shipment, Status
from orders.services import waiting_lines
from orders.stock import offered, stock_rules
from tests import desk as desks
from tests.counter import text
from tests.desk import Desk, file_of
from tests.dying import Killed
from tests.statements import counted
from tests.test_rules import PLAIN, order
from tests.world import World, alerts, change, leases_expire, place, run

SET = (Component("MUG", 2), Component("TIN", 1))


def knowing(**kits: tuple[Component, ...]) -> Rules:
    """The plain rules with these kits."""
    return replace(PLAIN, kits=lambda sku: kits.get(sku, ()))


def sent(source: Any, rules: Rules) -> list[tuple[str, Decimal, Decimal | None]]:
    return [(one.item, one.quantity, one.price) for one in judge(source, rules).prepared("R").lines]


# ── the rule alone ──


def test_the_components_are_sent_and_the_line_stays_as_it_is() -> None:
    source = order(("A", "1"), ("SET", "3"))
    outcome = judge(source, knowing(SET=SET))
    assert outcome.order.lines == source.lines
    assert [(one.item, one.quantity, one.of) for one in outcome.prepared("R").lines] == [
        ("A", 1, ""), ("MUG", 6, "2"), ("TIN", 3, "2"),
    ]  # fmt: skip
    assert (outcome.sent_item(1), outcome.sent_item(2)) == ("A", "")
    assert [one.line_id for one in outcome.components(2)] == ["2-1", "2-2"]
    assert outcome.components(1) == ()
    assert outcome.story == [
        {
            "field": "Items",
            "why": "SET is a kit: 2 × MUG and 1 × TIN are sent for each.",
            "before": "3 × SET",
            "after": "6 × MUG, 3 × TIN",
        }
    ]


def test_a_kit_of_one_component_is_a_kit_all_the_same() -> None:
    outcome = judge(order(("SIX", "2")), knowing(SIX=(Component("CAN", 5),)))
    (line,) = outcome.prepared("R").lines
    assert (line.item, line.quantity, line.of, outcome.sent_item(1)) == ("CAN", 10, "1", "")


def test_no_component_has_the_id_of_another_line() -> None:
    source = order(("SET", "1"), ("A", "1"))
    source = structs.replace(source, lines=(source.lines[0], structs.replace(source.lines[1], line_id="1-1")))
    ids = [line.line_id for line in judge(source, knowing(SET=SET)).prepared("R").lines]
    assert ids == ["1--1", "1--2", "1-1"]


def test_a_part_of_a_kit_cannot_be_sent_and_is_one_cause_for_its_sku() -> None:
    first, second = (judge(order(("SET", q)), knowing(SET=SET)) for q in ("0.5", "2.25"))
    assert [p.code for p in first.problems] == ["kit_not_whole"]
    assert first.problem == second.problem, "one alert for all orders with such a part"
    assert first.components(1) == ()
    assert judge(order(("SET", "2.00")), knowing(SET=SET)).problems == []


def test_first_the_filter_then_the_translation_then_the_kit() -> None:
    codes = ItemCodes("m", "UPC", lambda code: [Hit("SET", "UPC")] if code == "111" else [])
    rules = replace(knowing(SET=SET), item_codes=codes)
    assert [one[0] for one in sent(order(("111", "1")), rules)] == ["MUG", "TIN"], "a code of the kit"
    assert [one[0] for one in sent(order(("SET", "1")), rules)] == ["MUG", "TIN"], "its own SKU needs no translation"
    assert [p.code for p in judge(order(("222", "1")), rules).problems] == ["item_code_unknown"]
    listed = replace(rules, item_filter=ItemFilter(BLACKLIST, keys=frozenset({"set"})))
    assert list(judge(order(("111", "1"), ("SET", "1"), ("111", "0")), listed, anyway=True).left_out) == [3]
    for kind, keys in ((BLACKLIST, {"mug"}), (WHITELIST, {"set"})):
        filtered = replace(knowing(SET=SET), item_filter=ItemFilter(kind, keys=frozenset(keys)))
        assert [one[0] for one in sent(order(("SET", "1")), filtered)] == ["MUG", "TIN"], "a filter is of what is sold"


@pytest.mark.parametrize(
    ("price", "kit", "currency", "prices"),
    [
        ("10.00", SET, "USD", [("MUG", 2, "3.33"), ("TIN", 1, "3.34")]),
        ("10.01", SET, "USD", [("MUG", 2, "3.34"), ("TIN", 1, "3.33")]),
        ("10.00", (Component("CAN", 6),), "USD", [("CAN", 4, "1.67"), ("CAN", 2, "1.66")]),
        ("1000", SET, "JPY", [("MUG", 2, "333"), ("TIN", 1, "334")]),
        ("0.005", SET, "USD", [("MUG", 2, "0.002"), ("TIN", 1, "0.001")]),
        ("0", SET, "USD", [("MUG", 2, "0"), ("TIN", 1, "0")]),
        (None, SET, "USD", [("MUG", 2, None), ("TIN", 1, None)]),
    ],
)
def test_the_price_is_spread_by_units_in_the_smallest_coin(price: Any, kit: Any, currency: str, prices: Any) -> None:
    source = order(("SET", "1"), currency_code=currency)
    line = structs.replace(source.lines[0], price=None if price is None else Decimal(price))
    wanted = [(sku, quantity, None if one is None else Decimal(one)) for sku, quantity, one in prices]
    assert sent(structs.replace(source, lines=(line,)), knowing(SET=kit)) == wanted


money = st.none() | st.decimals(-1000, 100000, places=2) | st.decimals(0, 10, places=4)
bundles = st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 40), min_size=1, max_size=6).map(
    lambda parts: tuple(Component(sku, number) for sku, number in parts.items())
)


currencies = st.sampled_from(["USD", "JPY", "KWD", None])


@given(bundles, st.integers(1, 500), st.lists(money, min_size=5, max_size=5), currencies)
def test_no_kit_loses_or_invents_quantity_or_money(kit: Any, number: int, amounts: Any, currency: Any) -> None:
    names = ("price", "discount", "addl_discount", "tax", "shipping_surcharge")
    line = Line("1", "SET", Decimal(number), **dict(zip(names, amounts, strict=True)))
    source = structs.replace(order(currency_code=currency), lines=(line,))
    outcome = judge(source, knowing(SET=kit))
    parts = outcome.prepared("R").lines
    assert outcome.order == source
    for one in kit:
        assert sum(part.quantity for part in parts if part.item == one.sku) == one.quantity * number
    for name, amount in zip(names, amounts, strict=True):
        shares = [getattr(part, name) for part in parts]
        if amount is None:
            assert shares == [None] * len(parts)
        elif name in ("price", "discount"):
            assert sum(share * part.quantity for share, part in zip(shares, parts, strict=True)) == amount * number
            assert max(shares) - min(shares) <= Decimal(1), "each unit bears the same, but for a coin"
        else:
            assert sum(shares) == amount
    assert len({part.line_id for part in parts}) == len(parts) <= len(kit) + 2
    assert all(part.quantity > 0 and part.quantity == int(part.quantity) for part in parts)


# ── the life of an order with a kit ──


DOWNLOAD, DELIVER, INVENTORY, TELL = (
    Service.DOWNLOAD, Service.DELIVER, Service.INVENTORY, Service.UPLOAD_INVENTORY,
)  # fmt: skip
CONFIRM, UPLOAD = Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS
MUG, TIN, POT = "MUG-BLUE", "TIN-SMALL", "POT-GLASS"
GIFT = (Component(MUG, 2), Component(TIN, 1))


@pytest.fixture
def world(calm: World) -> World:
    return calm


def put(world: World, **made: tuple[Component, ...]) -> Any:
    return kits.change(
        world.merchant, clock.now(), "dana@x.example", put={k.replace("_", "-"): v for k, v in made.items()}
    )


def parcel(world: World, *content: tuple[str, int], close: bool = False) -> str:
    """The warehouse packs just this of the order."""
    orders: Any = world.warehouse.orders
    row = orders.rows[world.only().wms_key]
    ids = {line["item"]: line["line_id"] for line in row["lines"]}
    row = orders.change(row["key"], parcels=row.get("parcels", 0) + 1, status="shipped" if close else "open")
    lines = [{"line_id": ids[item], "item": item, "quantity": str(quantity)} for item, quantity in content]
    return str(world.warehouse._send(row, lines, world.warehouse.clock(), close))


def told(world: World) -> list[list[tuple[str, str, float]]]:
    """What the shop was told to be in each parcel."""
    parcels = world.shop.effects("shipment")
    return [[(ln["line_id"], ln["item"], float(ln["quantity"])) for ln in one["lines"]] for one in parcels]


@pytest.fixture
def ordered(world: World) -> World:
    """Two gift sets and a pot are at the warehouse."""
    put(world, GIFT=GIFT)
    place(world, 1, ("GIFT", 2), (POT, 1))
    run(world, DOWNLOAD, DELIVER)
    return world


def test_the_wms_gets_components_and_the_cart_the_kit_once_it_is_whole(ordered: World) -> None:
    (there,) = ordered.warehouse.table("orders").rows.values()
    assert [(ln["item"], float(ln["quantity"])) for ln in there["lines"]] == [(MUG, 4), (TIN, 2), (POT, 1)]
    assert [(line.item, line.sent_item) for line in OrderLine.objects.order_by("position")] == [
        ("GIFT", ""),
        (POT, POT),
    ]
    parcel(ordered, (MUG, 4))
    run(ordered, CONFIRM, UPLOAD)
    order = ordered.only()
    assert (order.status, order.qty_total, order.qty_shipped) == (Status.AT_WMS, 3, 0)
    assert (told(ordered), Shipment.objects.get().for_cart) == ([], False), "no kit is whole"
    assert Event.objects.filter(order_id=order.pk, kind="parts").count() == 1
    parcel(ordered, (TIN, 1), (POT, 1))
    run(ordered, CONFIRM, UPLOAD)
    assert (ordered.only().status, ordered.only().qty_shipped) == (Status.AT_WMS, 2)
    assert [sorted(lines) for lines in told(ordered)] == [[("1-1", "GIFT", 1), ("1-2", POT, 1)]]
    parcel(ordered, (TIN, 1))
    run(ordered, CONFIRM, UPLOAD)
    order = ordered.only()
    assert (order.status, order.qty_shipped, order.short) == (Status.CONFIRMED, 3, False)
    assert told(ordered)[1:] == [[("1-1", "GIFT", 1)]]
    assert list(LinePart.objects.order_by("number").values_list("item", "quantity", "qty_shipped")) == [
        (MUG, 4, 4), (TIN, 2, 2),
    ]  # fmt: skip


def test_a_parcel_without_content_is_the_rest_and_reading_again_changes_nothing(ordered: World) -> None:
    parcel(ordered, (MUG, 2), (TIN, 1))
    key = parcel(ordered, (MUG, 2), (TIN, 1), (POT, 1), close=True)
    ordered.warehouse._shipments("C1").change(key, lines=[])
    for _ in range(2):
        run(ordered, CONFIRM, UPLOAD)
    assert ordered.only().status == Status.CONFIRMED
    assert [sorted(lines) for lines in told(ordered)] == [[("1-1", "GIFT", 1)], [("1-1", "GIFT", 1), ("1-2", POT, 1)]]


def test_what_is_missing_of_a_kit_is_said_by_component_and_the_cart_hears_of_whole_kits_alone(ordered: World) -> None:
    parcel(ordered, (MUG, 3), (TIN, 2), close=True)
    run(ordered, CONFIRM, UPLOAD)
    order = ordered.only()
    assert (order.status, order.short, order.qty_shipped) == (Status.CONFIRMED, True, 1)
    assert told(ordered) == [[("1-1", "GIFT", 1)]]
    assert "Missing: 1 × MUG-BLUE, 1 × POT-GLASS." in Alert.objects.get(kind="shipped_short").message


def test_parts_alone_are_told_of_once_nothing_more_comes(ordered: World) -> None:
    parcel(ordered, (MUG, 1))
    parcel(ordered, (MUG, 2))
    run(ordered, CONFIRM, UPLOAD)
    assert (ordered.only().status, told(ordered)) == (Status.AT_WMS, [])
    parcel(ordered, (TIN, 1), close=True)
    run(ordered, CONFIRM, UPLOAD)
    order = ordered.only()
    assert (order.status, order.short, order.qty_shipped) == (Status.CONFIRMED, True, 1)
    assert told(ordered) == [[("1-1", "GIFT", 1)], [("1-1", "GIFT", 1)]], "one is whole, another is begun"
    run(ordered, CONFIRM, UPLOAD)
    assert len(told(ordered)) == 2, "told once"


def test_where_no_kit_is_whole_the_cart_hears_of_those_that_were_begun(ordered: World) -> None:
    parcel(ordered, (MUG, 3), close=True)
    run(ordered, CONFIRM, UPLOAD)
    order = ordered.only()
    assert (order.status, order.qty_shipped, told(ordered)) == (Status.CONFIRMED, 0, [[("1-1", "GIFT", 2)]])
    assert "Missing: 1 × MUG-BLUE, 2 × TIN-SMALL, 1 × POT-GLASS." in Alert.objects.get(kind="shipped_short").message
    assert "after all" in Event.objects.filter(order_id=order.pk, kind="parts").latest("id").message
    ordered.warehouse.void("C1", Shipment.objects.get().key)
    run(ordered, CONFIRM, UPLOAD)
    assert len(told(ordered)) == 1


@pytest.mark.parametrize("who", ["the warehouse", "a person", "by hand"])
def test_parts_alone_are_told_of_when_the_rest_is_canceled(ordered: World, who: str) -> None:
    parcel(ordered, (MUG, 1))
    run(ordered, CONFIRM)
    order = ordered.only()
    if who == "a person":
        changes.request_cancel(order.pk, clock.now(), actor="dana@x.example", why="Too late.")
        run(ordered, DELIVER)
    elif who == "by hand":
        unable = replace(abilities.of(order, ordered.wms), cancels_at_wms=False)
        cancelling.is_canceled(order, unable, "dana@x.example")
    else:
        ordered.warehouse.call_off(order.wms_key)
    run(ordered, CONFIRM, UPLOAD)
    assert (ordered.only().status, told(ordered)) == (Status.CONFIRMED, [[("1-1", "GIFT", 1)]])


def test_a_kit_that_is_changed_while_nobody_knows_stays_as_it_was_sent(world: World) -> None:
    put(world, GIFT=GIFT)
    place(world, 1, ("GIFT", 1))
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "drop_after")
    run(world, DELIVER)
    put(world, GIFT=(Component(POT, 3),))
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, alerts()) == (Status.AT_WMS, ["changed_after_sending"])
    assert list(LinePart.objects.order_by("number").values_list("item", flat=True)) == [MUG, TIN], (
        "that is what the warehouse has"
    )
    assert "2 × MUG-BLUE" in str(OrderDetail.objects.get().applied)
    assert not Event.objects.filter(kind="rules", message__contains="POT").exists()
    world.warehouse.pack(world.only().wms_key)
    run(world, CONFIRM, UPLOAD)
    assert (world.only().status, told(world)) == (Status.CONFIRMED, [[("1-1", "GIFT", 1)]])


def test_a_kit_that_is_changed_before_it_is_sent_again_is_what_was_sent(world: World) -> None:
    put(world, GIFT=GIFT)
    place(world, 1, ("GIFT", 1))
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "drop")
    run(world, DELIVER)
    put(world, GIFT=(Component(TIN, 3),))
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, alerts()) == (Status.AT_WMS, [])
    assert set(LinePart.objects.values_list("item", flat=True)) == {TIN}
    assert "3 × TIN-SMALL" in str(OrderDetail.objects.get().applied)


@pytest.mark.parametrize("lost", ["drop", "drop_after"])
def test_an_order_is_never_at_the_wms_with_the_parts_of_older_rules(
    world: World, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies between the two; the call of before had arrived, or it had not."""
    put(world, GIFT=GIFT)
    place(world, 1, ("GIFT", 1))
    run(world, DOWNLOAD)
    put(world, GIFT=(Component(TIN, 3),))
    world.warehouse.faults.script("POST /v1/orders", lost)
    run(world, DELIVER)
    leases_expire()

    def die(merchant: Merchant, items: Iterable[Any], now: Any) -> None:
        if [*items]:
            raise Killed

    with monkeypatch.context() as dead, pytest.raises(Killed):
        dead.setattr("orders.services.outcomes.keep", die)
        run(world, DELIVER)
    assert world.only().status == Status.SENDING
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, alerts()) == (Status.AT_WMS, [])
    assert set(LinePart.objects.values_list("item", flat=True)) == {TIN}
    assert "3 × TIN-SMALL" in str(OrderDetail.objects.get().applied)


def test_a_voided_parcel_takes_its_components_back_and_no_kit_is_told_twice(ordered: World) -> None:
    first = parcel(ordered, (MUG, 4), (POT, 1))
    second = parcel(ordered, (TIN, 2))
    run(ordered, CONFIRM)
    assert ordered.only().status == Status.SHIPPED
    ordered.warehouse.void("C1", second)
    run(ordered, CONFIRM)
    assert (ordered.only().status, ordered.only().qty_shipped) == (Status.AT_WMS, 1)
    parcel(ordered, (TIN, 2))
    run(ordered, CONFIRM, UPLOAD)
    assert ordered.only().status == Status.CONFIRMED
    assert told(ordered) == [[("1-2", POT, 1)], [("1-1", "GIFT", 2)]]
    ordered.warehouse.void("C1", first)
    run(ordered, CONFIRM)
    parcel(ordered, (MUG, 4), (POT, 1))
    run(ordered, CONFIRM, UPLOAD)
    assert told(ordered)[2:] == [], "the kits were told with the parcel that made them whole"
    assert len(ordered.shop.effects("correction")) == 1, "and of the other the cart gets the new number"


def test_what_is_changed_in_the_shop_or_in_the_kit_is_exploded_anew(world: World) -> None:
    put(world, GIFT=GIFT)
    key = place(world, 1, ("GIFT", 2))
    run(world, DOWNLOAD)
    change(world, key, lines=[{"id": "7", "sku": "GIFT", "title": "x", "price": "5.00", "quantity": 1}])
    run(world, DOWNLOAD)
    assert list(LinePart.objects.order_by("number").values_list("item", "quantity")) == [(MUG, 2), (TIN, 1)]
    put(world, GIFT=(Component(POT, 3),))
    run(world, DELIVER)
    three = list(LinePart.objects.order_by("number").values_list("item", "quantity"))
    assert three == [(POT, 2), (POT, 1)], "of 5.00 one of the three bears a cent less"
    assert "GIFT is a kit: 3 × POT-GLASS are sent for each." in str(OrderDetail.objects.get().applied)
    kits.change(world.merchant, clock.now(), "dana@x.example", remove=["GIFT"])
    assert LinePart.objects.count() == 2, "what is at the WMS stays as it was sent"


def test_an_order_is_found_by_what_is_in_its_box_too(ordered: World) -> None:
    for typed in ("tin-s", "GIFT", "pot"):
        assert search.matching(typed).ids == {ordered.only().pk}, typed
    assert not search.matching("in-small").ids


def test_a_line_with_the_longest_id_comes_back_by_component(world: World) -> None:
    put(world, GIFT=GIFT)
    key = place(world, 1)
    change(world, key, lines=[{"id": "7" * 100, "sku": "GIFT", "title": "x", "price": "5.00", "quantity": 1}])
    run(world, DOWNLOAD, DELIVER)
    parcel(world, (MUG, 2))
    parcel(world, (TIN, 1), close=True)
    run(world, CONFIRM, UPLOAD)
    assert (world.only().status, told(world)) == (Status.CONFIRMED, [[("7" * 100, "GIFT", 1)]])


def test_an_order_with_a_part_of_a_kit_goes_on_when_the_kit_is_no_more(world: World) -> None:
    put(world, GIFT=GIFT)
    place(world, 1, ("GIFT", "0.5"))
    run(world, DOWNLOAD)
    assert (world.only().status, world.only().error_code) == (Status.ERROR, "kit_not_whole")
    went_on = kits.change(world.merchant, clock.now(), "dana@x.example", remove=["GIFT"])
    assert (went_on.released, world.only().status) == (1, Status.READY)
    assert not Alert.objects.filter(resolved_at=None).exists()


# ── stock ──


def stock(world: World, **counts: int) -> None:
    for sku, number in counts.items():
        world.warehouse._count(
            "C1", sku.replace("_", "-"), "MAIN", Decimal(number), Decimal(number), world.warehouse.clock()
        )
    run(world, INVENTORY)


def offers_of(world: World) -> dict[str, Any]:
    return {one.code: one for one in offered(world.merchant, stock_rules(world.cart), clock.now())}


def quantities(world: World) -> dict[str, Decimal]:
    return {code: one.quantity for code, one in offers_of(world).items() if code in ("GIFT", MUG, TIN)}


def test_of_a_kit_there_are_as_many_as_the_scarcest_component_is_enough_for(world: World) -> None:
    put(world, GIFT=GIFT)
    stock(world, MUG_BLUE=11, TIN_SMALL=4)
    found = offers_of(world)
    assert {code: one.quantity for code, one in found.items() if code in ("GIFT", MUG, TIN)} == {
        "GIFT": 4,
        MUG: 11,
        TIN: 4,
    }
    place(world, 1, ("GIFT", 1), (MUG, 4))
    run(world, DOWNLOAD)
    found = offers_of(world)
    assert {code: one.quantity for code, one in found.items() if code in ("GIFT", MUG, TIN)} == {
        "GIFT": 2,
        MUG: 5,
        TIN: 3,
    }
    assert found["GIFT"].sentence == "2 can be made of 5 × MUG-BLUE, 2 in each = 2"
    world.cart.stock_buffer = 1
    assert offers_of(world)["GIFT"].quantity == 1
    put(world, GIFT=(*GIFT, Component("NOWHERE", 1)))
    assert offers_of(world)["GIFT"].skipped.endswith("has a count of its component NOWHERE.")


def waiting(world: World, *quantities: int) -> list[Order]:
    """Orders of gift sets that wait for their time."""
    world.cart.delay_minutes = 600
    world.cart.save()
    for number, quantity in enumerate(quantities, 1):
        place(world, number, ("GIFT", quantity))
    run(world, DOWNLOAD)
    return world.orders()


def test_what_waits_takes_the_components_of_a_kit_that_was_made_since(world: World) -> None:
    stock(world, MUG_BLUE=40, TIN_SMALL=20)
    ready, error, held, begun, bad = (order.pk for order in waiting(world, 2, 1, 1, 7, 9))
    Order.objects.filter(pk__in=[error, begun]).update(status=Status.ERROR, error_code="missing_fields")
    Order.objects.filter(pk=held).update(status=Status.HELD, held_by="country")
    Order.objects.filter(pk=begun).update(starts=1, sent_hash="what may be at the WMS")
    OrderDetail.objects.filter(order=bad).update(data={"lines": []})
    run(world, TELL)
    put(world, GIFT=GIFT)
    run(world, TELL)
    assert quantities(world) == {MUG: 40 - 2 * 4, TIN: 20 - 4, "GIFT": 16}
    assert {part.order_id for part in LinePart.objects.all()} == {ready, error, held}
    assert set(Event.objects.filter(kind="rules").values_list("order_id", flat=True)) == {ready, error, held}
    kits.change(world.merchant, clock.now(), "dana@x.example", remove=["GIFT"])
    run(world, TELL)
    assert quantities(world) == {MUG: 40, TIN: 20}
    assert set(OrderLine.objects.values_list("sent_item", flat=True)) == {"GIFT"}


def test_many_that_wait_are_seen_in_several_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stock(world, MUG_BLUE=40, TIN_SMALL=20)
    waiting(world, 1, 1)
    put(world, GIFT=GIFT)
    monkeypatch.setattr(waiting_lines, "BATCH", 1)
    monkeypatch.setattr(waiting_lines, "LONGEST", 1.5)
    seen = []
    for _ in range(3):
        clock_of_run = count()  # a second with every look at it: one batch in each run
        monkeypatch.setattr(waiting_lines, "time", SimpleNamespace(monotonic=lambda c=clock_of_run: next(c)))
        run(world, TELL)
        world.cart.refresh_from_db()
        told = bool(world.shop.effects("stock"))
        seen.append((LinePart.objects.count(), world.cart.lines_mark == world.cart.rules_mark, told))
    assert seen == [(2, False, False), (4, False, False), (4, True, True)], "and no stock is told before"


def test_stock_that_is_kept_here_is_taken_by_component(world: World) -> None:
    put(world, GIFT=GIFT)
    Merchant.objects.filter(pk=world.merchant.pk).update(managed_inventory=True)
    world.merchant.refresh_from_db()
    home, _ = Warehouse.objects.get_or_create(merchant=world.merchant, defaults={"name": "Home", "is_default": True})
    managed.adjust(world.merchant, [(home, MUG, Decimal(10), ""), (home, TIN, Decimal(10), "")], "dana", clock.now())
    place(world, 1, ("GIFT", 3))
    run(world, DOWNLOAD)
    levels = dict(StockLevel.objects.values_list("sku", "available"))
    assert levels == {MUG: 4, TIN: 7}
    assert offers_of(world)["GIFT"].quantity == 2


# ── the pages and the file ──


@pytest.fixture
def desk(db: None) -> Desk:
    return desks.build(orders=0)


def of(desk: Desk, path: str = "") -> str:
    return desk.url(f"merchants/{desk.merchants[0].public_id}/kits/{path}")


def kits_of(desk: Desk) -> dict[str, str]:
    with tenancy.activate(desk.account.pk):
        return {sku: in_words(kit) for sku, kit in contents(desk.merchants[0].pk).items()}


def test_the_pages_add_find_change_and_delete_kits(desk: Desk) -> None:
    client = desk.client("owner")
    assert client.post(of(desk, "new/"), {"sku": "GIFT", "parts": "2 MUG\n\n1 × TIN\nBOW"}).status_code == 302
    assert kits_of(desk) == {"GIFT": "2 × MUG, 1 × TIN, 1 × BOW"}
    page = text(client.get(of(desk), {"q": "tin"}))
    assert "GIFT" in page and "2 × " in page
    assert "No such kit" in text(client.get(of(desk), {"q": "x"}))
    with tenancy.activate(desk.account.pk):
        found = Kit.objects.get()
        assert Product.objects.filter(sku="GIFT").exists(), "so that it can have other codes"
    address = of(desk, f"{found.public_id}/")
    assert "1 BOW" in client.get(address).content.decode()
    for wrong, why in (
        ({"sku": "", "parts": "1 A"}, "SKU is empty"),
        ({"sku": "GIFT", "parts": ""}, "at least one component"),
        ({"sku": "GIFT", "parts": "0 A"}, "no quantity"),
        ({"sku": "GIFT", "parts": "1 A\n2 A"}, "stands there twice"),
        ({"sku": "GIFT", "parts": "1 GIFT"}, "cannot be in itself"),
        ({"sku": "GIFT", "parts": "\n".join(f"1 S{n}" for n in range(51))}, "at most 50"),
    ):
        answer = client.post(address, wrong)
        assert (answer.status_code, why in text(answer)) == (422, True), why
    assert client.post(address, {"sku": "GIFT-2", "parts": "4 MUG"}).status_code == 302
    assert kits_of(desk) == {"GIFT-2": "4 × MUG"}
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.filter(verb="kits.changed").count() == 2
        found = Kit.objects.get()
    assert client.post(of(desk, f"{found.public_id}/"), {"do": "delete"}).status_code == 302
    assert kits_of(desk) == {}


def test_a_component_that_no_product_is_called_by_is_said(desk: Desk) -> None:
    """Written the other way round, as "MUG 2", it would be a new SKU, and the WMS would refuse every order with it."""
    client = desk.client("owner")
    unknown = "No product was called {} until now: the WMS has to know it by that SKU."
    assert unknown.format("“MUG 2”") in text(
        client.post(of(desk, "new/"), {"sku": "GIFT", "parts": "MUG 2"}, follow=True)
    )
    content = b"Kit SKU,Component SKU,Quantity\nBOX,MUG 2,1\nBOX,TIN,1\n"
    page = text(client.post(of(desk, "import/"), {"file": io.BytesIO(content)}))
    assert unknown.format("“TIN”") in page and unknown.format("“MUG 2”") not in page, "that is one by now"
    assert "No product was" not in text(client.post(of(desk, "new/"), {"sku": "SET", "parts": "3 MUG 2"}, follow=True))


@pytest.mark.parametrize("number", ["0", "00", "10000", "00000000199999999", "99999999999999999999", "1.5", "-1", "²"])
def test_what_is_no_quantity_is_refused_in_words(number: str) -> None:
    with pytest.raises(Refused, match="is no quantity"):
        checked("GIFT", [(MUG, number)])
    assert checked("GIFT", [(MUG, "0000000000009999")])[1] == (Component(MUG, 9999),)


def test_no_kit_is_in_a_kit(desk: Desk) -> None:
    client = desk.client("owner")
    client.post(of(desk, "new/"), {"sku": "GIFT", "parts": "2 MUG"})
    assert "GIFT is a kit itself" in text(client.post(of(desk, "new/"), {"sku": "BOX", "parts": "1 GIFT"}))
    assert "MUG is in the kit GIFT" in text(client.post(of(desk, "new/"), {"sku": "MUG", "parts": "1 CLAY"}))
    assert "There is a kit GIFT already" in text(client.post(of(desk, "new/"), {"sku": "GIFT", "parts": "1 A"}))
    assert kits_of(desk) == {"GIFT": "2 × MUG"}


def test_what_is_exported_can_be_imported(desk: Desk) -> None:
    client = desk.client("owner")
    content = b"Kit SKU,Component SKU,Quantity\nGIFT,MUG,2\nGIFT,TIN,1\nSIX,CAN,6\n"
    page = client.post(of(desk, "import/"), {"file": io.BytesIO(content)}).content.decode()
    assert "2 × MUG, 1 × TIN" in page
    client.post(of(desk, "import/"), {"rows": page.split('name="rows" value="')[1].split('"')[0]})
    assert kits_of(desk) == {"GIFT": "2 × MUG, 1 × TIN", "SIX": "6 × CAN"}
    exported = file_of(client.get(of(desk, "csv/")))
    assert [line.split(b",")[1:] for line in exported.splitlines()[1:]] == [
        [b"MUG", b"2"],
        [b"TIN", b"1"],
        [b"CAN", b"6"],
    ]
    wrong = b"Kit SKU,Component SKU,Quantity\nBOX,GIFT,1\nA,B,x\nC,D,1\nE,C,1\nSIX,CAN,6\n"
    page = client.post(of(desk, "import/"), {"file": io.BytesIO(wrong)}).content.decode()
    assert "GIFT is a kit itself" in page and "is no quantity" in page and "C is a kit itself in this file" in page


def test_a_file_may_take_a_kit_apart_and_make_kits_of_its_components(desk: Desk) -> None:
    client = desk.client("owner")
    client.post(of(desk, "new/"), {"sku": "GIFT", "parts": "2 MUG"})

    def planned(rows: str) -> tuple[list[str], list[int]]:
        content = f"Kit SKU,Component SKU,Quantity\n{rows}".encode()
        plan = client.post(of(desk, "import/"), {"file": io.BytesIO(content)}).context["plan"]
        return [change.what for change in plan.changes], [line for line, _ in plan.problems]

    assert planned("GIFT,TIN,1\nMUG,CLAY,1\n") == (["GIFT", "MUG"], [])
    assert planned("GIFT,BOX,1\nMUG,CLAY,1\nBOX,LID,1\n") == (["BOX"], [2, 3]), "GIFT stays, with the mugs in it"


def test_a_file_of_many_kits_asks_no_more_than_one_of_few(desk: Desk) -> None:
    client = desk.client("owner")

    def asked(number: int) -> int:
        rows = "".join(f"KIT-{at},PART-{at},2\n" for at in range(number))
        content = f"Kit SKU,Component SKU,Quantity\n{rows}".encode()
        with counted() as statements:
            client.post(of(desk, "import/"), {"file": io.BytesIO(content)})
        return len(statements)

    asked(1)  # what is asked once
    assert asked(200) == asked(2)


def test_the_order_page_says_what_is_sent_for_a_kit_and_how_far_it_is(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        found = desks.make_order(desk.carts[0], "K-1", status="at_wms")
        line = OrderLine.objects.filter(order=found).order_by("position").first()
        assert line is not None
        parts = (("MUG", 1, 1), ("MUG", 1, 0), ("TIN", 1, 0))
        for number, (item, quantity, shipped) in enumerate(parts, 1):
            LinePart.objects.create(
                order=found, position=line.position, number=number, line_id=f"1-{number}", item=item,
                quantity=quantity, qty_shipped=shipped,
            )  # fmt: skip
    page = text(desk.client("owner").get(desk.url(f"orders/{found.public_id}/")))
    assert 'A kit, sent as 2 × <span class="mono">MUG</span> (1 shipped), 1 × <span class="mono">TIN</span>' in page
