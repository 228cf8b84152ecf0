"""Kits as plain data, and what is sent for a line of one: its components, with the line's money spread exactly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from msgspec import structs

from integration_manager.kit.canonical import Line, PreparedLine
from integration_manager.kit.currencies import decimals

OF_UNITS = ("price", "discount")  # of one unit
OF_LINES = ("addl_discount", "tax", "shipping_surcharge")  # of the whole line


@dataclass(frozen=True, slots=True)
class Component:
    """So many of a SKU of the WMS in each kit."""

    sku: str
    quantity: int


def exploded(
    line: Line, as_sent: PreparedLine, kit: Sequence[Component], currency: str | None, name: str
) -> list[PreparedLine]:
    """What is sent for a line of whole kits. `name`: what the ids of its components begin with.

    Nothing of its money is lost or invented: it is spread by units, in the smallest coin. Units of one component
    that would bear another coin each are two lines of it.
    """
    units = sum(part.quantity for part in kit)
    known = {what: value for what in OF_UNITS if (value := getattr(line, what)) is not None}
    per_unit = {what: _Spread(value, units, currency) for what, value in known.items()}
    found = []
    for part, first, last in _runs(kit, sorted({spread.more for spread in per_unit.values()})):
        prices: dict[str, Any] = {what: spread.of(first) for what, spread in per_unit.items()}
        found.append((part, structs.replace(PreparedLine("", part.sku, (last - first) * line.quantity), **prices)))
    found.sort(key=lambda one: kit.index(one[0]))
    lines = [
        structs.replace(made, line_id=f"{name}{number}", of=line.line_id, extra_fields=as_sent.extra_fields)
        for number, (_, made) in enumerate(found, 1)
    ]
    return _with_totals(line, lines, currency)


class _Spread:
    """An amount in coins over units: each bears the same number of them, the first `more` one coin more."""

    def __init__(self, amount: Decimal, units: int, currency: str | None) -> None:
        self.coin = coin_of(amount, currency)
        self.each, self.more = divmod(int(amount / self.coin), units)

    def of(self, unit: int) -> Decimal:
        """What the unit of this number bears, from 0."""
        return (self.each + (unit < self.more)) * self.coin


def coin_of(amount: Decimal, currency: str | None) -> Decimal:
    """The smallest coin of a currency, or a smaller part if the amount has such."""
    exponent = amount.normalize().as_tuple().exponent
    places = max(decimals(currency or ""), -exponent if isinstance(exponent, int) else 0)
    return Decimal(1).scaleb(-places)


def _runs(kit: Sequence[Component], more: Sequence[int]) -> Iterator[tuple[Component, int, int]]:
    """The units of a kit in runs of one component that bear the same: component, first unit, first behind them.

    Those that bear more come first: whole components as far as they fit, so that few are in two runs.
    """
    left, early, late = (more[0] if more else 0), [], []
    for part in sorted(kit, key=lambda one: -one.quantity):
        if part.quantity <= left:
            left -= part.quantity
            early.append(part)
        else:
            late.append(part)
    at = 0
    for part in [*early, *reversed(late)]:
        end = at + part.quantity
        cuts = [at, *(cut for cut in more if at < cut < end), end]
        yield from ((part, first, last) for first, last in pairwise(cuts))
        at = end


def _with_totals(line: Line, lines: list[PreparedLine], currency: str | None) -> list[PreparedLine]:
    """Spreads the amounts of the whole line by units; the running sum is rounded, so that all of it is spread."""
    units = sum(one.quantity for one in lines)
    for name in OF_LINES:
        amount = getattr(line, name)
        if amount is None:
            continue
        coin, before, behind = coin_of(amount, currency), Decimal(0), Decimal(0)
        for at, one in enumerate(lines):
            behind += one.quantity
            until = (amount * behind / units / coin).to_integral_value() * coin if behind != units else amount
            lines[at] = structs.replace(one, **{name: until - before})
            before = until
    return lines
