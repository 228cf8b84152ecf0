"""The rules alone: pure functions from an order to what the WMS gets."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from integration_manager.kit.canonical import Address, Line, Order, SourceState
from integration_manager.kit.verifier import Answer
from merchants import rules
from merchants.rules import HOLDS, Rules, judge
from merchants.rules.countries import Countries
from merchants.rules.draft import ADDRESS_LOOKUP, Applied, Draft, Hold
from merchants.rules.methods import Method, Pattern, ShipMethods, cause_of, code_key
from merchants.rules.verify import Verify

SHIP = Address(first_name="Dana", last_name="Whitfield", address_1="14 Mill Lane", city="Salem", country="US")
PLAIN = Rules("OAK", cart="cart00000001", cart_name="Oak shop")


def order(*lines: tuple[str, str], **fields: Any) -> Order:
    """An order of these (SKU, quantity)."""
    made = [
        Line(str(n), sku, Decimal(q), price=Decimal("5.00")) for n, (sku, q) in enumerate(lines or (("A", "1"),), 1)
    ]
    known: dict[str, Any] = {"ship_code": "UPS Ground", "ship": SHIP, **fields}
    return Order("1", "1", "WEB-1", date(2026, 11, 20), SourceState.ELIGIBLE, tuple(made), **known)


def mapped(**methods: Any) -> Rules:
    """The plain rules with this map."""
    return replace(PLAIN, ship_methods=ShipMethods(**methods))


def codes(outcome: rules.Outcome) -> list[str]:
    return [problem.code for problem in outcome.problems]


# ── the frame ──


def test_without_settings_an_order_is_sent_as_it_is() -> None:
    source = order(("A", "1"), ("B", "2.5"))
    outcome = judge(source, PLAIN)
    sent = outcome.prepared("REF")
    assert (outcome.problems, outcome.applied, outcome.left_out, outcome.waits) == ([], [], {}, None)
    assert sent.order == source
    assert [(line.item, line.quantity) for line in sent.lines] == [("A", Decimal(1)), ("B", Decimal("2.5"))]
    assert (sent.wms_ref, sent.ship_code, sent.merchant_code) == ("REF", "UPS Ground", "OAK")


def test_the_order_source_is_the_carts_and_no_news_for_the_timeline() -> None:
    outcome = judge(order(order_source="web"), replace(PLAIN, order_source="OAK-US"))
    assert outcome.prepared("R").order.order_source == "OAK-US"
    assert [one.field for one in outcome.applied] == ["Order Source"]
    assert outcome.story == []


def test_a_line_of_nothing_is_left_out_and_said_so() -> None:
    outcome = judge(order(("A", "1"), ("B", "0")), PLAIN)
    assert [line.item for line in outcome.prepared("R").lines] == ["A"]
    assert list(outcome.left_out) == [2]
    assert outcome.story == [{"field": "Items", "why": "B is left out: its quantity is 0."}]
    assert (outcome.sent_item(1), outcome.sent_item(2)) == ("A", "")


@pytest.mark.parametrize(
    ("fields", "lines", "code"),
    [
        ({"ship": structs.replace(SHIP, city=None)}, (("A", "1"),), "address_incomplete"),
        ({"ship": structs.replace(SHIP, first_name=None, last_name=None)}, (("A", "1"),), "address_incomplete"),
        ({}, (("", "1"),), "sku_missing"),
        ({}, (("A", "0"),), "nothing_to_ship"),
    ],
)
def test_what_cannot_be_packed_or_delivered_stops(fields: Any, lines: Any, code: str) -> None:
    assert codes(judge(order(*lines, **fields), PLAIN)) == [code]


def test_the_problem_that_one_fix_cures_for_many_comes_last() -> None:
    outcome = judge(order(("", "1"), ship=Address(), ship_code="X"), mapped(reject=True))
    assert codes(outcome) == ["address_incomplete", "sku_missing", "ship_method_unmapped"]
    assert outcome.problem is not None
    assert outcome.problem.code == "address_incomplete"


def test_the_longest_wait_wins_and_a_person_overrules_it() -> None:
    from integration_manager.kit import clock

    now = clock.now()
    draft = Draft.of(order())
    draft.wait(Hold("delay", "a while", now))
    draft.wait(Hold("tag", "for ever"))
    draft.wait(Hold("delay", "a while", now))
    assert draft.hold is not None
    assert draft.hold.by == "tag"
    draft = Draft.of(order(), anyway=True)
    draft.wait(Hold("tag", "for ever"))
    draft.refuse("item_filter", "no")
    assert (draft.hold, draft.refused) == (None, None)


def test_no_rule_may_touch_the_sources_lines() -> None:
    with pytest.raises(ValueError, match="lines"):
        Draft.of(order()).change(Applied("x", "y"), lines=())


# ── ship methods ──


@pytest.mark.parametrize("written", ["UPS Ground", "ups  ground", " UPS GROUND\n", "ＵＰＳ Ground"])
def test_a_code_is_the_same_in_any_case_spaces_and_form_of_its_letters(written: str) -> None:
    known = mapped(exact={code_key("UPS Ground"): Method("UPSG")})
    assert judge(order(ship_code=written), known).prepared("R").ship_code == "UPSG"


def test_first_the_code_itself_then_patterns_in_their_order_then_the_default() -> None:
    known = mapped(
        exact={"free shipping plus": Method("EXACT")},
        patterns=(Pattern("free", Method("FIRST")), Pattern("ship", Method("SECOND"), anywhere=True)),
        default=Method("REST"),
        reject=True,
    )
    wanted = {
        "Free Shipping Plus": "EXACT",
        "FREE shipping": "FIRST",
        "Slow Ship": "SECOND",
        "Drone": "REST",
        "": "REST",
    }
    assert {code: judge(order(ship_code=code), known).prepared("R").ship_code for code in wanted} == wanted


def test_a_mapped_method_brings_the_carrier_of_the_wms_list_and_is_told() -> None:
    known = mapped(exact={"x": Method("UPSG", "UPS")})
    outcome = judge(order(ship_code="X", carrier="FedEx"), known)
    sent = outcome.prepared("R")
    assert (sent.ship_code, sent.carrier) == ("UPSG", "UPS")
    assert outcome.story == [
        {
            "field": "Ship method",
            "why": "“X” is sent as UPSG, as mapped under Ship Methods.",
            "before": "X",
            "after": "UPSG (UPS)",
        }
    ]


def test_a_code_mapped_to_itself_is_no_news() -> None:
    assert judge(order(ship_code="UPSG"), mapped(exact={"upsg": Method("UPSG")})).applied == []


@pytest.mark.parametrize("reject", [True, False])
@pytest.mark.parametrize("code", ["Drone", "", None])
def test_an_unmapped_code_is_held_only_if_that_is_wanted(code: str | None, reject: bool) -> None:
    outcome = judge(order(ship_code=code), mapped(reject=reject))
    assert outcome.prepared("R").ship_code == code
    if not reject:
        assert outcome.problems == []
        return
    (problem,) = outcome.problems
    assert (problem.code, problem.field) == ("ship_method_unmapped", "ship_code")
    assert "Oak shop" in problem.message
    assert problem.cause == cause_of(PLAIN.cart, code_key(code))


def test_one_cause_for_one_code_of_one_cart_and_no_other() -> None:
    known = mapped(reject=True)

    def cause(code: str, rules: Rules = known) -> str:
        return judge(order(ship_code=code), rules).problems[0].cause

    assert cause("Drone") == cause("  DRONE ")
    assert len({cause("Drone"), cause("Drones"), cause("Drone", replace(known, cart="cart00000002"))}) == 3


# ── whatever the order, whatever the rules ──

texts = st.text(max_size=12)
methods = st.builds(Method, st.text(min_size=1, max_size=6), st.sampled_from(["", "UPS"]))
maps = st.builds(
    ShipMethods,
    reject=st.booleans(),
    exact=st.dictionaries(texts.map(code_key), methods, max_size=4),
    patterns=st.lists(st.builds(Pattern, texts.map(code_key), methods, st.booleans()), max_size=3).map(tuple),
    default=st.none() | methods,
)
quantities = st.decimals(0, 1000, places=2)
lines = st.lists(st.tuples(st.sampled_from(["A", "B", ""]), quantities, st.decimals(0, 500, places=2)), max_size=5)


parts = st.none() | texts | st.sampled_from(["US", "CA", "DE", "OR", "oregon", "97301", "02134", "Salem, OR 97301"])
ships = st.builds(Address, first_name=parts, address_1=parts, city=parts, state=parts, zip=parts, country=parts)
answers = st.none() | st.builds(Answer, st.booleans(), st.none() | ships, texts, st.booleans())
verifying = st.builds(
    Verify,
    st.sampled_from(["", "ship", "both"]),
    st.sampled_from(["us", "other", "all"]),
    st.booleans(),
    st.none() | answers.map(lambda answer: lambda where: answer),
)
ruled = st.builds(
    Countries, st.sampled_from(["", "allow", "deny"]), st.frozensets(st.sampled_from(["US", "DE"])),
    st.sampled_from(["refuse", "hold"]),
)  # fmt: skip
known = st.builds(
    Rules, st.just("OAK"), ship_methods=maps, verify=verifying, countries=st.lists(ruled, max_size=2).map(tuple)
)


def still_hold(*, anyway: bool, right: bool) -> list[str]:
    """What may still hold an order of which a person has said so."""
    return [by for by in HOLDS if not (right if by == ADDRESS_LOOKUP else anyway)]


@given(lines, texts | st.none(), known, ships, st.booleans(), st.booleans())
def test_no_rule_loses_or_invents_quantity_or_money(
    items: Any, code: str | None, settings: Rules, ship: Address, anyway: bool, right: bool
) -> None:
    source = order(ship_code=code, grand_total=Decimal("99.99"), sales_tax=Decimal("1.01"), ship=ship)
    source = structs.replace(
        source,
        lines=tuple(Line(str(n), sku, quantity, price=price) for n, (sku, quantity, price) in enumerate(items, 1)),
    )
    outcome = judge(source, settings, anyway=anyway, address_right=right)
    assert {hold.by for hold in outcome.holds} <= {*still_hold(anyway=anyway, right=right)}
    assert not (anyway and outcome.refused), "a person overrules it"
    if outcome.refused is not None:
        return
    sent = outcome.prepared("R")
    assert sent.order.lines == source.lines
    assert (sent.order.grand_total, sent.order.sales_tax) == (source.grand_total, source.sales_tax)
    # Every line is either sent with its whole quantity at its price, or left out with a reason.
    kept = [line for at, line in enumerate(source.lines, 1) if at not in outcome.left_out]
    assert [(ln.line_id, ln.item, ln.quantity, ln.price) for ln in sent.lines] == [
        (ln.line_id, ln.item, ln.quantity, ln.price) for ln in kept
    ]
    assert all(why for why in outcome.left_out.values())
    assert sum(ln.quantity for ln in kept) == sum(ln.quantity for ln in source.lines)  # only nothing is left out
    # Where a value differs, somebody says so.
    same = sent.ship_code == source.ship_code and sent.carrier == source.carrier and sent.order.ship == source.ship
    assert same or outcome.story


@given(texts | st.none(), maps)
def test_a_code_is_held_only_where_nothing_decides_it(code: str | None, methods: Any) -> None:
    outcome = judge(order(ship_code=code), replace(PLAIN, ship_methods=methods))
    undecided = methods.decide(code_key(code)) is None
    assert ("ship_method_unmapped" in codes(outcome)) == (undecided and methods.reject)
    assert judge(order(ship_code=code), replace(PLAIN, ship_methods=methods)) == outcome  # the same again
