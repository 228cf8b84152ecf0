"""What of an order can still be paid back, and what a part of it comes to. Pure: amounts in, a `Refund` out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from integration_manager.kit.canonical import ZERO, Line, Order, Refund, RefundLine
from integration_manager.kit.currencies import decimals, rounded

UNKNOWN_CURRENCY = "USD"


class NotPossible(Exception):
    """It cannot be refunded like this. `field`: the line's id or "shipping_amount", "" the whole."""

    def __init__(self, why: str, field: str = "") -> None:
        super().__init__(why)
        self.field = field


@dataclass(frozen=True, slots=True)
class LineLeft:
    """One line, with what has not been refunded of it. The amounts are of the whole rest."""

    line_id: str
    item: str
    description: str
    ordered: Decimal
    quantity: Decimal
    amount: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of an order after the refunds that were made, or may have been."""

    currency: str
    total: Decimal
    shipping: Decimal
    lines: tuple[LineLeft, ...] = field(default=())

    @property
    def step(self) -> Decimal:
        """The smallest amount of its currency."""
        return Decimal(1).scaleb(-decimals(self.currency))


def left(order: Order, refunds: Iterable[Refund]) -> Left:
    """What is left of an order. Raises NotPossible where its cart does not tell what was paid."""
    currency = order.currency_code or UNKNOWN_CURRENCY
    made = list(refunds)
    prices = _paid(order, currency)
    shipping = rounded(_shipping(order), currency)
    total = order.grand_total
    if total is None:
        if any(line.price is None for line in order.lines):
            raise NotPossible("The cart does not tell what was paid for it. Refund it there.")
        total = sum((amount + tax for amount, tax in prices.values()), ZERO) + shipping
    total = rounded(total, currency)
    back = sum((refund.amount for refund in made), ZERO)
    lines = []
    for line in order.lines:
        parts = [part for refund in made for part in refund.lines if part.line_id == line.line_id]
        amount, tax = prices[line.line_id]
        lines.append(
            LineLeft(
                line.line_id,
                line.item,
                line.description or "",
                line.quantity,
                max(line.quantity - sum((part.quantity for part in parts), ZERO), ZERO),
                max(amount - sum((part.amount for part in parts), ZERO), ZERO),
                max(tax - sum((part.tax for part in parts), ZERO), ZERO),
            )
        )
    rest = max(shipping - sum((refund.shipping for refund in made), ZERO), ZERO)
    return Left(currency, max(total - back, ZERO), min(rest, max(total - back, ZERO)), tuple(lines))


def _paid(order: Order, currency: str) -> dict[str, tuple[Decimal, Decimal]]:
    """(amount, tax) that was paid for each line, its share of what concerns the whole order included."""
    taxes = _taxes(order)
    gross = {
        line.line_id: (line.extended_amount - (line.addl_discount or ZERO), taxes[line.line_id]) for line in order.lines
    }
    together = sum((amount + tax for amount, tax in gross.values()), ZERO)
    # A discount on the order falls to its lines in proportion.
    share = Decimal(1)
    if order.grand_total is not None and together > 0:
        share = min(max(order.grand_total - _shipping(order), ZERO) / together, Decimal(1))
    return {
        key: (rounded(amount * share, currency), rounded(tax * share, currency)) for key, (amount, tax) in gross.items()
    }


def _shipping(order: Order) -> Decimal:
    """What was paid for shipping, with its tax: what the lines' own taxes leave of the order's."""
    shipping, own = order.shipping_handling or ZERO, sum((line.tax or ZERO for line in order.lines), ZERO)
    return shipping + max((order.sales_tax or ZERO) - own, ZERO) if shipping > 0 and own else shipping


def _taxes(order: Order) -> dict[str, Decimal]:
    """The tax of each line; where the cart gives that of the order alone, in proportion to what they cost."""
    lines: Sequence[Line] = order.lines
    own = {line.line_id: line.tax or ZERO for line in lines}
    goods = sum((line.extended_amount for line in lines), ZERO)
    if any(own.values()) or not order.sales_tax or goods <= 0:
        return own
    return {line.line_id: order.sales_tax * line.extended_amount / goods for line in lines}


def whole(what: Left, key: str, note: str) -> Refund:
    """All that is left. Raises NotPossible where nothing is."""
    if what.total <= 0:
        raise NotPossible("Everything that was paid has been refunded already.")
    lines = tuple(
        RefundLine(line.line_id, line.item, line.quantity, line.amount, line.tax)
        for line in what.lines
        if line.quantity
    )
    return Refund(key, what.currency, what.total, lines, what.shipping, note, whole=True)


def part(what: Left, quantities: Mapping[str, Decimal], shipping: Decimal, key: str, note: str) -> Refund:
    """Some units of some lines, and so much of the shipping. Raises NotPossible with the field that is wrong."""
    lines = []
    for line in what.lines:
        quantity = quantities.get(line.line_id, ZERO)
        if quantity < 0 or quantity > line.quantity:
            raise NotPossible(f"Between 0 and {plain(line.quantity)}.", line.line_id)
        if quantity:
            share = quantity / line.quantity
            amount, tax = (rounded(value * share, what.currency) for value in (line.amount, line.tax))
            lines.append(RefundLine(line.line_id, line.item, quantity, amount, tax))
    if shipping < 0 or shipping > what.shipping:
        raise NotPossible(f"At most {money(what.shipping, what.currency)} is left of the shipping.", "shipping_amount")
    if shipping != rounded(shipping, what.currency):
        raise NotPossible(f"{what.currency} amounts have {decimals(what.currency)} decimals.", "shipping_amount")
    amount = sum((line.amount + line.tax for line in lines), ZERO) + shipping
    amount = min(amount, what.total)  # roundings of the lines may add up to a cent more than was paid
    if amount <= 0:
        raise NotPossible("Choose what to refund: units of a line, or shipping.")
    rest = {line.line_id: line.quantity for line in what.lines}
    for chosen in lines:
        rest[chosen.line_id] -= chosen.quantity
    return Refund(
        key, what.currency, amount, tuple(lines), shipping, note, amount == what.total and not any(rest.values())
    )


def fits(refund: Refund, what: Left) -> bool:
    """Whether a refund that was shown to a person can still be made as it was shown."""
    there = {line.line_id: line for line in what.lines}
    return (
        ZERO < refund.amount <= what.total
        and refund.currency == what.currency
        and refund.shipping <= what.shipping
        and all(line.line_id in there and line.quantity <= there[line.line_id].quantity for line in refund.lines)
    )


def money(amount: Decimal, currency: str) -> str:
    """An amount for people: 12.50 USD."""
    return f"{rounded(amount, currency):f} {currency}"


def plain(quantity: Decimal) -> str:
    """A quantity for people: 3, not 3.0000."""
    return f"{quantity.normalize():f}"


def in_words(refund: Refund) -> str:
    """What was paid back, for a timeline."""
    parts = [f"{plain(line.quantity)} × {line.item or line.line_id}" for line in refund.lines]
    if refund.shipping:
        parts.append(f"shipping {money(refund.shipping, refund.currency)}")
    what = f" ({', '.join(parts)})" if parts else ""
    return f"{money(refund.amount, refund.currency)} refunded{what}"
