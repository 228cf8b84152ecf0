"""Hold rules, from the rule to the page: what waits for a person, why, and what lets it go."""

import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from accounts.models import AuditEntry
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Service
from merchants.rules import judge
from merchants.rules.conditions import FIELDS, Condition
from merchants.rules.delays import Delay
from merchants.rules.holds import HoldRule
from orders import holds, many
from orders.filters import Saved
from orders.models import Event, Order, Status
from orders.next_step import next_of
from tests import desk as desks
from tests.counter import text
from tests.desk import Desk, file_of
from tests.test_delays import FRIDAY
from tests.test_rules import PLAIN, SHIP, order
from tests.world import World, change, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
VIP = Condition("tag", ("VIP",))
SHIP_ORG = structs.replace(SHIP, e_mail="d@mail.example.org")


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def desk(db: None) -> Desk:
    return desks.build(orders=0)


def holding(*conditions: Condition, name: str = "Careful") -> Any:
    return replace(PLAIN, hold_rules=(HoldRule(name, conditions),))


# ── the rule alone ──


LONG = "Please leave it with the neighbours. " * 9


@pytest.mark.parametrize(
    ("condition", "fields", "held"),
    [
        (VIP, {"tags": ("new", "vip")}, True),
        (VIP, {"tags": ()}, False),
        (Condition("e_mail", ("mail.EXAMPLE",), "contains"), {"ship": SHIP_ORG}, True),
        (Condition("e_mail", ("mail.EXAMPLE",), "ends"), {"ship": SHIP_ORG}, False),
        (Condition("grand_total", ("500",), "at_least"), {"grand_total": Decimal("500")}, True),
        (Condition("grand_total", ("500",), "at_least"), {"grand_total": Decimal("499.99")}, False),
        (Condition("grand_total", ("500",), "at_least"), {"grand_total": None}, False),
        (Condition("item", ("engrave-",), "starts"), {"lines": (("A", "1"), ("ENGRAVE-7", "1"))}, True),
        (Condition("extra:Note", ("call  FIRST",), "contains"), {"extra_fields": {"Note": f"{LONG} Call first"}}, True),
        (Condition("extra:Note", ("call first",), "ends"), {"extra_fields": {"Note": f"{LONG} Call first"}}, True),
        (Condition("extra:Note", ("call first",), "ends"), {"extra_fields": {"Note": f"Call first {LONG}"}}, False),
        (Condition("units", ("5",), "at_least"), {"lines": (("A", "3"), ("B", "2"))}, True),
        (Condition("line_units", ("5",), "at_least"), {"lines": (("A", "3"), ("B", "2"))}, False),
        (Condition("line_units", ("3",), "at_least"), {"lines": (("A", "3"), ("B", "2"))}, True),
    ],
)
def test_what_fits_waits_with_the_rules_name_as_the_reason(condition: Condition, fields: Any, held: bool) -> None:
    lines = fields.pop("lines", (("A", "1"),))
    source = order(*lines, **fields)
    outcome = judge(source, holding(condition))
    assert (outcome.waits is not None) is held
    assert (outcome.problems, outcome.refused, outcome.order.lines) == ([], None, source.lines)
    if outcome.waits:
        assert (outcome.waits.by, outcome.waits.until) == ("hold_rule", None)
        assert outcome.waits.why.startswith("Careful: its ")
    assert judge(source, holding(condition), anyway=True).waits is None, "a person overrules it"


def test_all_conditions_of_a_rule_have_to_fit_and_of_several_rules_the_first_says_why() -> None:
    rules = holding(VIP, Condition("ship_country", ("US",)))
    assert judge(order(tags=("VIP",), ship=structs.replace(SHIP, country="CA")), rules).waits is None
    both = replace(rules, hold_rules=(*rules.hold_rules, HoldRule("Second", (VIP,))))
    waits = judge(order(tags=("VIP",)), both).waits
    assert waits is not None and waits.why == "Careful: its tag is VIP, its shipping country is US."


def test_it_waits_longer_than_any_delay_and_says_no_more_of_a_long_order_than_is_read() -> None:
    rules = replace(holding(Condition("item", ("A",), "starts")), delay=Delay(60))
    waits = judge(order(*((f"A{n}", "1") for n in range(9))), rules, loaded_at=FRIDAY).waits
    assert waits is not None and (waits.by, waits.until) == ("hold_rule", None)
    assert waits.why == "Careful: its item is A0, A1, A2, A3, A4 and 4 more."


texts = st.text("aB5. -ß", max_size=5)
conditions = st.builds(
    Condition,
    st.sampled_from([*FIELDS, "extra:x", "gone"]),
    st.tuples(texts) | st.tuples(texts, texts),
    st.sampled_from(["full", "starts", "ends", "contains", "at_least", "below"]),
)
hold_rules = st.lists(st.builds(HoldRule, texts, st.tuples(conditions) | st.tuples(conditions, conditions)), max_size=2)


@given(hold_rules, texts, st.decimals(-5, 1000, places=2))
def test_whatever_the_rules_the_order_stays_as_it_is(rules: Any, tag: str, total: Decimal) -> None:
    source = order(("A", "2"), (tag, "1.5"), tags=(tag,), grand_total=total, extra_fields={"x": tag})
    plain, held = judge(source, PLAIN), judge(source, replace(PLAIN, hold_rules=tuple(rules)))
    assert held.prepared("R") == plain.prepared("R")
    assert (held.problems, held.left_out) == (plain.problems, plain.left_out)
    assert (held.waits is not None) == any(rule.catches(source) for rule in rules)


# ── changing them, and what follows ──


def put(world: World, *given: Any) -> Saved:
    return holds.change(world.cart, clock.now(), "dana@x.example", put=[holds.checked(*one) for one in given])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("", "tag", "full", ["x"]), "Give the rule a name"),
        (("x" * 61, "tag", "full", ["x"]), "at most 60"),
        (("A", "", "full", ["x"]), "Choose a field"),
        (("A", "tag", "at_least", ["x"]), "is compared by"),
        (("A", "units", "at_least", ["many"]), "no amount"),
        (("A", "ship_country", "full", ["Narnia"]), "no country"),
        (("A", "tag", "full", [" "]), "at least one value"),
    ],
)
def test_what_no_rule_can_be_is_refused_in_words(given: Any, why: str) -> None:
    with pytest.raises(holds.Refused, match=why):
        holds.checked(*given)


def test_an_order_is_held_when_it_is_loaded_and_goes_on_when_it_fits_no_more(world: World) -> None:
    put(world, ("Big", "units", "at_least", ["10"]), ("Said so", "tag", "full", ["HOLD"]))
    key = place(world, 1, ("MUG-BLUE", 12), tags=["HOLD"])
    place(world, 2, ("MUG-BLUE", 1))
    run(world, DOWNLOAD, DELIVER)
    held, free = world.orders()
    assert (held.status, held.held_by, free.status) == (Status.HELD, "hold_rule", Status.AT_WMS)
    loaded = Event.objects.get(order_id=held.pk, kind="loaded")
    assert (loaded.to, loaded.message) == ("held", "Big: its number of units is 12.")
    change(world, key, lines=[{"id": "x", "sku": "MUG-BLUE", "title": "x", "price": "5.00", "quantity": 2}])
    run(world, DOWNLOAD, DELIVER)
    held.refresh_from_db()
    assert held.status == Status.HELD, "the other rule holds it still"
    said = next_of(held, around(held))
    assert said.first == "It is on hold and not sent. Said so: its tag is HOLD."
    change(world, key, tags=[])
    run(world, DOWNLOAD, DELIVER)
    held.refresh_from_db()
    assert (held.status, held.held_by) == (Status.AT_WMS, "")


def around(found: Order) -> Any:
    from orders.next_step import Around

    return Around(events=list(Event.objects.filter(order_id=found.pk).order_by("-id")))


def test_a_rule_that_comes_later_holds_what_is_not_sent_yet(world: World) -> None:
    place(world, 1, tags=["HOLD"])
    run(world, DOWNLOAD)
    put(world, ("Said so", "tag", "full", ["HOLD"]))
    run(world, DELIVER)
    assert (world.only().status, world.only().held_by, world.only().starts) == (Status.HELD, "hold_rule", 0)


def test_a_person_releases_it_and_no_rule_holds_it_again(world: World) -> None:
    put(world, ("Said so", "tag", "full", ["HOLD"]))
    key = place(world, 1, tags=["HOLD"])
    run(world, DOWNLOAD)
    many.undo_cancel([world.only()], "dana@x.example", clock.now())
    change(world, key, shipping_method="EXPRESS")
    run(world, DOWNLOAD, DELIVER)
    assert (world.only().status, world.only().anyway) == (Status.AT_WMS, True)


def test_a_rule_that_is_changed_or_deleted_lets_go_what_it_held_and_it_is_on_record(world: World) -> None:
    put(world, ("Big", "units", "at_least", ["10"]))
    for number, units in ((1, 11), (2, 30)):
        place(world, number, ("MUG-BLUE", units))
    run(world, DOWNLOAD)
    assert {one.status for one in world.orders()} == {Status.HELD}
    assert put(world, ("big", "units", "at_least", ["20"])).released == 1
    assert [one.status for one in world.orders()] == [Status.READY, Status.HELD]
    assert [row["name"] for row in Cart.objects.get().hold_rules] == ["Big"], "the same rule, in whatever case"
    gone = holds.change(world.cart, clock.now(), "dana@x.example", remove=[("big", "units")])
    assert gone.released == 1
    assert Cart.objects.get().hold_rules == []
    verbs = list(AuditEntry.objects.filter(verb="cart.hold_rules").values_list("changes", flat=True))
    assert {"Big": ["Number of units is at least 20", None]} in verbs
    with pytest.raises(holds.Refused, match="at most 40 hold rules"):
        put(world, *((f"Rule {n}", "tag", "full", ["x"]) for n in range(41)))


# ── the page and the file ──


def test_the_page_adds_changes_and_deletes_rules(desk: Desk) -> None:
    cart = desk.carts[0]
    client, address = desk.client("owner"), desk.url(f"carts/{cart.public_id}/hold-rules/")
    form = {"do": "save", "rule": "Big", "field": "units", "match": "at_least", "values": "10"}
    assert client.post(address, {**form, "values": "many"}).status_code == 422
    assert client.post(address, form).status_code == 302
    page = text(client.get(f"{address}?add=units/Big"))
    assert "Add a condition to Big" in page
    assert client.post(address, {**form, "field": "tag", "match": "contains", "values": "gift\nvip"}).status_code == 302
    assert "has a condition of this field already" in text(client.post(address, form))
    page = text(client.get(f"{address}?change=units/Big"))
    assert "Change a condition" in page and 'value="units" selected' in page
    assert client.post(address, {**form, "was": "units/Big", "values": "20"}).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert [(r["field"], r["values"]) for r in Cart.objects.get(pk=cart.pk).hold_rules] == [
            ("tag", ["gift", "vip"]), ("units", ["20"]),
        ]  # fmt: skip
    assert client.post(address, {"do": "delete:tag/Big"}).status_code == 302
    assert client.post(address, {"do": "delete:gone/Big"}).status_code == 302
    assert client.post(address, {"do": "else"}).status_code == 422
    with tenancy.activate(desk.account.pk):
        assert [r["field"] for r in Cart.objects.get(pk=cart.pk).hold_rules] == ["units"]


def test_what_is_exported_can_be_imported(desk: Desk) -> None:
    first, second = desk.carts
    with tenancy.activate(desk.account.pk):
        rows = [
            holds.checked("Abroad", "grand_total", "at_least", ["500"]),
            holds.checked("Abroad", "ship_country", "full", ["CA", "MX"]),
            holds.checked("Tagged", "extra:Gift tag", "contains", ["wait"]),
        ]
        holds.change(first, clock.now(), desk.users["owner"], put=rows)
    client = desk.client("owner")
    content = file_of(client.get(desk.url(f"carts/{first.public_id}/hold-rules/csv/")))
    address = desk.url(f"carts/{second.public_id}/hold-rules/import/")
    page = client.post(address, {"file": io.BytesIO(content)}).content.decode()
    assert "Grand total is at least 500 and Shipping country is CA or MX" in page
    signed = page.split('name="rows" value="')[1].split('"')[0]
    client.post(address, {"rows": signed})
    with tenancy.activate(desk.account.pk):
        assert Cart.objects.get(pk=second.pk).hold_rules == rows
    wrong = b"Rule,Field,Match,Value\nA,Tag,is,x\nA,Tag,contains,y\nB,Colour,is,red\nC,Tag,sounds like,z\n"
    page = client.post(address, {"file": io.BytesIO(wrong)}).content.decode()
    assert "need the same Match" in page and "no field “Colour”" in page and "Match may be" in page
