"""All rules at once, in any combination: no quantity and no money is lost or invented, and what differs is said."""

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from integration_manager.kit.canonical import ZERO, Line, Order
from merchants.rules import HOLDS, REFUSALS, Rules, judge
from merchants.rules.codes import MASTER, Hit, ItemCodes
from merchants.rules.conditions import FIELDS
from merchants.rules.delays import Delay
from merchants.rules.filters import BLACKLIST, WHITELIST, ItemFilter, OrderFilter
from merchants.rules.kits import OF_LINES, OF_UNITS, Component
from tests.test_holds import hold_rules
from tests.test_rules import maps, order, ruled, ships, still_hold, texts, verifying

SOLD = ("KIT", "KIT", "KIT", "A", "B", "BOX", "")  # what shops call it; "BOX" may mean the kit
MONEY = (*OF_UNITS, *OF_LINES)
CHANGED = {"ship", "bill", "ship_code", "carrier", "order_source"}  # fields of an order that rules write
LOADED = datetime(2026, 11, 20, 12, tzinfo=UTC)

amounts = st.none() | st.decimals(-100, 1000, places=2)
sold = st.builds(
    Line,
    st.just(""),
    st.sampled_from(SOLD),
    st.sampled_from([Decimal(number) for number in ("1", "2", "3.0", "7", "0", "0.5")]),
    price=amounts,
    discount=amounts,
    addl_discount=amounts,
    tax=amounts,
    shipping_surcharge=amounts,
)
bundles = st.dictionaries(st.sampled_from("PQR"), st.integers(1, 9), min_size=1).map(
    lambda found: tuple(Component(sku, number) for sku, number in found.items())
)
books = st.fixed_dictionaries({"KIT": bundles}, optional={"A": bundles}).map(lambda kits: lambda sku: kits.get(sku, ()))
hits = st.lists(st.builds(Hit, st.sampled_from(["A", "B", "KIT", "Z"]), st.sampled_from(["", "UPC"])), max_size=2)
codes = st.none() | st.builds(
    lambda kind, known: ItemCodes("merchant0001", kind, lambda code: known.get(code, ())),
    st.sampled_from([MASTER, "UPC"]),
    st.dictionaries(st.sampled_from(["A", "B", "BOX"]), hits),
)
item_filters = st.builds(
    ItemFilter,
    st.sampled_from(["", "", BLACKLIST, WHITELIST]),
    st.booleans(),
    st.frozensets(st.sampled_from(["a", "b", "kit", "box", "z", ""])),
)
order_filters = st.builds(
    OrderFilter,
    st.sampled_from([*FIELDS, "extra:x"]),
    st.tuples(st.sampled_from(["US", "A", "97301", "5"])),
    st.sampled_from(["full", "starts", "contains", "at_least"]),
    st.just(True) | st.booleans(),
)
delays = st.none() | st.builds(
    Delay, st.integers(0, 3000), st.booleans(), st.none() | st.just(time(9)), st.booleans(), st.just("Europe/Berlin")
)
everything = st.builds(
    Rules,
    st.just("OAK"),
    order_source=st.sampled_from(["", "Web"]),
    ship_methods=maps,
    item_codes=codes,
    kits=books,
    item_filter=item_filters,
    order_filters=st.lists(order_filters, max_size=1).map(tuple),
    countries=st.lists(ruled, max_size=1).map(tuple),
    verify=verifying,
    hold_rules=hold_rules.map(tuple),
    delay=delays,
)


@settings(derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])  # first draws
@given(st.lists(sold, min_size=1, max_size=5), everything, ships, texts | st.none(), st.booleans(), st.booleans())
def test_all_rules_together_lose_and_invent_nothing(
    lines: list[Line], rules: Rules, ship: Any, code: str | None, anyway: bool, right: bool
) -> None:
    source = structs.replace(
        order(ship_code=code, ship=ship, bill=ship, grand_total=Decimal("99.99"), sales_tax=Decimal("1.01")),
        lines=tuple(structs.replace(line, line_id=str(number)) for number, line in enumerate(lines, 1)),
        order_discount=Decimal("2.50"),
        shipping_handling=Decimal("4.95"),
        currency_code="USD",
    )
    said: Any = {"anyway": anyway, "address_right": right, "loaded_at": LOADED}
    outcome = judge(source, rules, **said)
    assert judge(source, rules, **said) == outcome, "the same again"
    waits = outcome.waits
    assert {hold.by for hold in outcome.holds} <= {*still_hold(anyway=anyway, right=right)}
    assert not (anyway and outcome.refused), "a person overrules it"
    assert waits is None or (waits.by in HOLDS and waits.why and (waits.until is None or waits.until > LOADED))
    if outcome.refused is not None:
        assert outcome.refused.reason in REFUSALS and outcome.refused.message
        return
    sent = outcome.prepared("R")
    written = {one.name for one in structs.fields(Order) if getattr(sent.order, one.name) != getattr(source, one.name)}
    assert written <= CHANGED, "the source's lines and money stay"
    assert not written or outcome.applied
    parts_of = {at: () if at in outcome.left_out else outcome.lines[at] for at in range(1, len(lines) + 1)}
    assert sent.lines == tuple(part for parts in parts_of.values() for part in parts)
    ids = [part.line_id for part in sent.lines]
    assert len(set(ids)) == len(ids), "what comes back can be told apart"
    for at, line in enumerate(source.lines, 1):
        _exactly(line, parts_of[at], outcome.left_out.get(at, ""), rules)


def _exactly(line: Line, parts: Any, left_out: str, rules: Rules) -> None:
    """All of a line is sent, by itself or as its components; or nothing, with the reason."""
    names = {line.item} | ({hit.sku for hit in rules.item_codes.hits(line.item)} if rules.item_codes else set())
    if not parts:
        assert left_out and (line.quantity <= ZERO or rules.item_filter.catches(names))
        return
    if not parts[0].of:
        (part,) = parts
        assert (part.line_id, part.quantity, part.price) == (line.line_id, line.quantity, line.price)
        assert part.item in names
        return
    assert {part.of for part in parts} == {line.line_id}
    kit = next(kit for name in sorted(names) if rules.kits and (kit := rules.kits(name)) and _made_of(parts, kit, line))
    assert kit
    for name in MONEY:
        amount, shares = getattr(line, name), [getattr(part, name) for part in parts]
        if amount is None:
            assert shares == [None] * len(parts)
        elif name in OF_UNITS:
            whole = sum(share * part.quantity for share, part in zip(shares, parts, strict=True))
            assert whole == amount * line.quantity
        else:
            assert sum(shares) == amount


def _made_of(parts: Any, kit: Any, line: Line) -> bool:
    """Whether these are the components of so many kits."""
    found: dict[str, Decimal] = {}
    for part in parts:
        found[part.item] = found.get(part.item, ZERO) + part.quantity
    return found == {one.sku: one.quantity * line.quantity for one in kit}
