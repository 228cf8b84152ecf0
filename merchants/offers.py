"""What a cart is told of a product, and why: pure, for the upload and for every page that shows it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from merchants.rules.kits import Component

ZERO = Decimal(0)
_STEP = Decimal("0.0001")  # the finest quantity there is


@dataclass(frozen=True, slots=True)
class Place:
    """What one warehouse has of a SKU. `open`: in orders for it that its count does not include yet."""

    warehouse: int  # its key
    name: str
    available: Decimal
    open: Decimal = ZERO
    at: datetime | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Counted:
    """What there is of a SKU. `open`: in orders that name none of these places."""

    sku: str
    places: tuple[Place, ...]
    open: Decimal = ZERO


def nothing_withheld(code: str, sku: str) -> str:
    """No product is kept from the cart."""
    return ""


@dataclass(frozen=True, slots=True)
class StockRules:
    """What a cart's General Order Options say of its inventory.

    `withheld(code, SKU)`: why a product is kept from the cart (its item filters); "": it is not.
    """

    warehouse: int | None = None  # None: the total of all that are enabled
    closed: bool = False  # that one warehouse is disabled: nothing is told, rather than none of everything
    alias: str = ""  # the kind of code that it is told by; "": the SKU
    minimum: Decimal = ZERO  # fewer than that are none
    buffer: Decimal = ZERO  # so many are held back
    percent: int = 100  # so much of the rest is offered
    withheld: Callable[[str, str], str] = nothing_withheld


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a calculation: what is added or taken off, and the words for it."""

    amount: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What a cart is told under one code. `skipped`: why it is told nothing; then there is no quantity."""

    sku: str
    code: str = ""
    quantity: Decimal = ZERO
    steps: tuple[Step, ...] = ()
    at: datetime | None = None  # the oldest count in it
    skipped: str = ""
    made: bool = False  # a kit: put together here, no product of the WMS

    @property
    def told(self) -> bool:
        """Whether the cart is told anything."""
        return not self.skipped

    @property
    def sentence(self) -> str:
        """The calculation in one line: "12 available − 2 in orders not sent yet − 1 buffer = 9"."""
        if self.skipped:
            return self.skipped
        parts = []
        for number, step in enumerate(self.steps):
            sign = "− " if step.amount < ZERO else "+ " if number else ""
            parts.append(f"{sign}{plain(abs(step.amount))} {step.why}")
        return f"{' '.join(parts)} = {plain(self.quantity)}"


def offers(counted: Counted, codes: Sequence[str], rules: StockRules) -> Iterator[Offer]:
    """What the cart is told of a SKU under each of the codes that it knows it by.

    `codes`: the product's codes of the kind `rules.alias`; what there is of it is told whole under each.
    """
    places = [place for place in counted.places if _counts(place, rules)]
    why = ""
    if not places and (rules.warehouse is None or not counted.places):
        why = "No warehouse that is enabled has a count of it."
    steps: list[Step] = []
    left = _withheld(_free(places, counted.open, steps), rules, steps)
    yield from _told(counted.sku, codes, rules, why, left, steps, [place.at for place in places])


def kit_offers(
    sku: str, kit: Sequence[Component], counts: Mapping[str, Counted], codes: Sequence[str], rules: StockRules
) -> Iterator[Offer]:
    """The same of a kit: as many as the scarcest of its components is enough for. `counts`: of these, by SKU."""
    made: list[tuple[Decimal, str]] = []
    times, why = [], ""
    for part in kit:
        there = counts.get(part.sku, Counted(part.sku, ()))
        places = [place for place in there.places if _counts(place, rules)]
        if not places and not why:
            why = f"No warehouse that this cart is told of has a count of its component {part.sku}."
        left = _free(places, there.open, [])
        made.append((left // part.quantity, f"can be made of {plain(left)} × {part.sku}, {part.quantity} in each"))
        times += [place.at for place in places]
    number, words = min(made)
    steps = [Step(number, words)]
    for offer in _told(sku, codes, rules, why, _withheld(number, rules, steps), steps, times):
        yield replace(offer, made=True)


def _told(
    sku: str,
    codes: Sequence[str],
    rules: StockRules,
    why: str,
    quantity: Decimal,
    steps: list[Step],
    times: Sequence[datetime | None],
) -> Iterator[Offer]:
    """The offers of a calculation. `why`: why nothing is told; "": it is."""
    if not rules.alias:
        codes = (sku,)
    elif not codes:
        yield Offer(sku, skipped=f"It has no {rules.alias}.")
        return
    if rules.closed:
        why = "The warehouse that this cart is told of is disabled."
    if why:
        yield Offer(sku, code=codes[0], skipped=why)
        return
    at = min((time for time in times if time is not None), default=None)
    for code in codes:
        reason = rules.withheld(code, sku)
        yield Offer(sku, code, skipped=reason) if reason else Offer(sku, code, quantity, tuple(steps), at)


def _counts(place: Place, rules: StockRules) -> bool:
    return place.enabled if rules.warehouse is None else place.warehouse == rules.warehouse


def _free(places: Sequence[Place], elsewhere: Decimal, steps: list[Step]) -> Decimal:
    """What is there and in no order yet. `elsewhere`: in orders that name no place."""
    left = ZERO
    for place in places:
        steps.append(Step(place.available, f"in {place.name}" if len(places) > 1 else f"available in {place.name}"))
        free = max(place.available - place.open, ZERO)
        if place.open > ZERO:
            steps.append(Step(free - place.available, f"in orders for {place.name} that its count does not have yet"))
        elif place.available < ZERO:
            steps.append(Step(-place.available, "since nothing is less than none"))
        left += free
    if not places:
        steps.append(Step(ZERO, "in the warehouse that this cart is told of"))
    why = "in orders that its count does not have yet" if len(places) == 1 else "in orders not counted yet"
    return _take(left, elsewhere, why, steps)


def _withheld(left: Decimal, rules: StockRules, steps: list[Step]) -> Decimal:
    """What of it the cart is told: less the buffer, of that the percentage, and none below the minimum."""
    left = _take(left, max(rules.buffer, ZERO), "buffer", steps)
    if rules.percent < 100:
        part = left * max(rules.percent, 0) / 100
        part = part.quantize(Decimal(1) if left == left.to_integral_value() else _STEP, ROUND_DOWN)
        left = _take(left, left - part, f"since {rules.percent} % are offered", steps)
    if ZERO < left < rules.minimum:
        left = _take(left, left, f"since that is below the minimum of {plain(rules.minimum)}", steps)
    return left


def _take(left: Decimal, amount: Decimal, why: str, steps: list[Step]) -> Decimal:
    """Takes off what is there of it, never more; what is left."""
    amount = min(amount, left)
    if amount > ZERO:
        steps.append(Step(-amount, why))
        return left - amount
    return left


def plain(number: Decimal) -> str:
    """A quantity without zeros behind its point."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
