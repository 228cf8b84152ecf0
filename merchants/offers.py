"""What a cart is told of a product, and why: pure, for the upload and for every page that shows it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

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
    sku = counted.sku
    if not rules.alias:
        codes = (sku,)
    elif not codes:
        yield Offer(sku, skipped=f"It has no {rules.alias}.")
        return
    if rules.closed:
        yield Offer(sku, code=codes[0], skipped="The warehouse that this cart is told of is disabled.")
        return
    places = [place for place in counted.places if _counts(place, rules)]
    if not places and (rules.warehouse is None or not counted.places):
        yield Offer(sku, code=codes[0], skipped="No warehouse that is enabled has a count of it.")
        return
    quantity, steps = _calculated(places, counted.open, rules)
    at = min((place.at for place in places if place.at is not None), default=None)
    for code in codes:
        reason = rules.withheld(code, sku)
        yield Offer(sku, code, skipped=reason) if reason else Offer(sku, code, quantity, tuple(steps), at)


def _counts(place: Place, rules: StockRules) -> bool:
    return place.enabled if rules.warehouse is None else place.warehouse == rules.warehouse


def _calculated(places: Sequence[Place], elsewhere: Decimal, rules: StockRules) -> tuple[Decimal, list[Step]]:
    steps: list[Step] = []
    left = ZERO

    def take(amount: Decimal, why: str) -> None:
        """Takes off what is there of it, never more."""
        nonlocal left
        amount = min(amount, left)
        if amount > ZERO:
            steps.append(Step(-amount, why))
            left -= amount

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
    take(elsewhere, "in orders that its count does not have yet" if len(places) == 1 else "in orders not counted yet")
    take(max(rules.buffer, ZERO), "buffer")
    if rules.percent < 100:
        part = left * max(rules.percent, 0) / 100
        part = part.quantize(Decimal(1) if left == left.to_integral_value() else _STEP, ROUND_DOWN)
        take(left - part, f"since {rules.percent} % are offered")
    if ZERO < left < rules.minimum:
        take(left, f"since that is below the minimum of {plain(rules.minimum)}")
    return left, steps


def plain(number: Decimal) -> str:
    """A quantity without zeros behind its point."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
