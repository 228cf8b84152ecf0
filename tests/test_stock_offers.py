"""What a cart is told of a product: the calculation alone, by examples and by any numbers there may be."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchants.offers import Counted, Offer, Place, StockRules, offers

D = Decimal
amounts = st.decimals(-50, 10_000, places=4)
places = st.lists(
    st.builds(Place, st.integers(1, 3), st.sampled_from(["Main", "East"]), amounts, st.decimals(0, 500, places=4),
              st.none(), st.booleans()),
    max_size=4,
)  # fmt: skip
some_rules = st.builds(
    StockRules,
    warehouse=st.none() | st.integers(1, 3),
    minimum=st.integers(0, 50).map(D),
    buffer=st.integers(0, 50).map(D),
    percent=st.integers(0, 100),
)


def one(places: list[Place] | None = None, open_: int = 0, codes: tuple[str, ...] = (), **rules: object) -> Offer:
    counted = Counted("MUG", tuple(places or [Place(1, "Main", D(12))]), D(open_))
    return next(iter(offers(counted, codes, StockRules(**rules))))  # type: ignore[arg-type]


def test_the_words_say_the_calculation() -> None:
    offer = one([Place(1, "Main", D(12), D(2))], buffer=D(1))
    said = "12 available in Main − 2 in orders for Main that its count does not have yet − 1 buffer = 9"
    assert (offer.sentence, offer.quantity) == (said, D(9))


@pytest.mark.parametrize(("there", "told"), [(0, 0), (4, 0), (5, 5), (6, 6)])
def test_a_minimum_of_5_makes_4_none_and_leaves_5_as_they_are(there: int, told: int) -> None:
    assert one([Place(1, "Main", D(there))], minimum=D(5)).quantity == told


def test_first_the_buffer_then_the_part_then_the_minimum() -> None:
    assert one(buffer=D(2), percent=50, minimum=D(5)).quantity == 5  # (12 − 2) / 2
    assert one(buffer=D(3), percent=50, minimum=D(5)).quantity == 0  # 4.5 is rounded down to 4


def test_of_all_warehouses_or_of_one() -> None:
    both = [Place(1, "Main", D(12)), Place(2, "East", D(5)), Place(3, "Old", D(99), enabled=False)]
    assert (one(both).quantity, one(both, warehouse=2).quantity) == (17, 5)
    assert one(both, warehouse=7).quantity == 0, "that warehouse has none of it"
    assert "enabled" in one([Place(3, "Old", D(9), enabled=False)]).skipped


def test_of_a_warehouse_that_is_disabled_nothing_is_told_rather_than_none() -> None:
    offer = one(warehouse=1, closed=True)
    assert (offer.told, offer.skipped) == (False, "The warehouse that this cart is told of is disabled.")


def test_told_by_another_code_each_that_it_has_and_not_at_all_without_one() -> None:
    counted = Counted("MUG", (Place(1, "Main", D(3)),))
    found = list(offers(counted, ("111", "222"), StockRules(alias="UPC")))
    assert [(offer.code, offer.quantity) for offer in found] == [("111", 3), ("222", 3)]
    (lacking,) = offers(counted, (), StockRules(alias="UPC"))
    assert (lacking.told, lacking.skipped) == (False, "It has no UPC.")


def test_what_is_withheld_is_not_told_and_says_why() -> None:
    def filtered(code: str, sku: str) -> str:
        return "The cart's item filters leave it out." if code == "MUG" else ""

    assert one(withheld=filtered).skipped.startswith("The cart")
    assert one(codes=("111",), alias="UPC", withheld=filtered).told


@given(places, st.decimals(0, 500, places=4), some_rules)
def test_whatever_the_numbers(places: list[Place], open_: Decimal, rules: StockRules) -> None:
    for offer in offers(Counted("MUG", tuple(places), open_), (), rules):
        if not offer.told:
            continue
        counting = [p for p in places if (p.enabled if rules.warehouse is None else p.warehouse == rules.warehouse)]
        there = sum((max(p.available, D(0)) for p in counting), D(0))
        assert 0 <= offer.quantity <= there
        assert sum((step.amount for step in offer.steps), D(0)) == offer.quantity, "the lines add up"
        assert offer.quantity == 0 or offer.quantity >= rules.minimum
        assert offer.sentence.endswith(f"= {format(offer.quantity.normalize(), 'f')}")


@given(places, st.decimals(0, 500, places=4), some_rules, st.integers(1, 20))
def test_more_orders_or_a_larger_buffer_never_raise_it(
    places: list[Place], open_: Decimal, rules: StockRules, more: int
) -> None:
    def told(opened: Decimal, buffer: Decimal) -> list[Decimal]:
        known = replace(rules, buffer=buffer)
        return [offer.quantity for offer in offers(Counted("MUG", tuple(places), opened), (), known) if offer.told]

    before = told(open_, rules.buffer)
    for after in (told(open_ + more, rules.buffer), told(open_, rules.buffer + more)):
        assert len(after) == len(before)
        assert all(a <= b for a, b in zip(after, before, strict=True))
