"""Arithmetic with money that other systems give in their own way: by the line, net of discounts, in one sum."""

from collections.abc import Sequence
from decimal import Decimal

from integration_manager.kit.canonical import ZERO, Line

FINER = 4  # decimals more than the amount has, where it does not divide evenly


def each(amount: Decimal | None, quantity: Decimal) -> Decimal | None:
    """An amount by the piece: in its own decimals where it divides evenly, else in four more."""
    if amount is None:
        return None
    places = min(0, int(amount.as_tuple().exponent))
    even = (amount / quantity).quantize(Decimal(1).scaleb(places))
    return even if even * quantity == amount else (amount / quantity).quantize(Decimal(1).scaleb(places - FINER))


def sums(lines: Sequence[Line], tax: Decimal, shipping: Decimal, total: Decimal) -> dict[str, Decimal]:
    """The sums of an order, in our order's names, that make its `total`.

    What goods, tax and shipping do not explain evens it out: less (vouchers) is a discount on the order,
    more (surcharges) is handling.
    """
    places = min(4, max(0, -int(total.as_tuple().exponent)))
    goods = sum((line.extended_amount for line in lines), ZERO).quantize(Decimal(1).scaleb(-places))
    rest = goods + tax + shipping - total
    return {
        "sub_total": goods,
        "sales_tax": tax,
        "shipping_handling": shipping - min(rest, ZERO),
        "order_discount": max(rest, ZERO),
        "grand_total": total,
    }


def shared(amount: Decimal, parts: Sequence[Decimal]) -> list[Decimal]:
    """`amount` to the cent in proportion to `parts`; the last gets what is left."""
    whole, left = sum(parts, ZERO), amount
    found = []
    for part in parts[:-1]:
        share = (amount * part / whole).quantize(Decimal("0.01")) if whole else ZERO
        found.append(share)
        left -= share
    return [*found, left] if parts else []
