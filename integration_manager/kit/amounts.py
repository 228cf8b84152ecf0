"""Arithmetic with money that other systems give in their own way: by the line, net of discounts, in one sum."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from integration_manager.kit.canonical import ZERO, Line
from integration_manager.kit.errors import Unmappable

FINEST = 8  # decimals of an amount by the piece, at most
FINER = 4  # decimals more than the amount has, where it does not divide evenly


def each(amount: Decimal | None, quantity: Decimal) -> Decimal | None:
    """An amount by the piece: in its own decimals where it divides evenly, else in four more."""
    if amount is None:
        return None
    places = decimals_of(amount, FINEST)
    even = _rounded(amount / quantity, places)
    return even if even * quantity == amount else _rounded(amount / quantity, places + FINER)


def decimals_of(amount: Decimal, most: int) -> int:
    """How many decimals an amount is written with, `most` where they are more."""
    return min(most, max(0, -int(amount.as_tuple().exponent)))


def _rounded(amount: Decimal, places: int) -> Decimal:
    try:
        return amount.quantize(Decimal(1).scaleb(-places))
    except InvalidOperation:  # more digits than there are for all of it
        raise Unmappable("amount", f"{amount:.6g} is no sensible number") from None


def sums(lines: Sequence[Line], tax: Decimal, shipping: Decimal, total: Decimal) -> dict[str, Decimal]:
    """The sums of an order, in our order's names, that make its `total`.

    What goods, tax and shipping do not explain evens it out: less (vouchers) is a discount on the order,
    more (surcharges) is handling.
    """
    goods = _rounded(sum((line.extended_amount for line in lines), ZERO), decimals_of(total, 4))
    rest = goods + tax + shipping - total
    return {
        "sub_total": goods,
        "sales_tax": tax,
        "shipping_handling": shipping - min(rest, ZERO),
        "order_discount": max(rest, ZERO),
        "grand_total": total,
    }


def shared(amount: Decimal, parts: Sequence[Decimal]) -> list[Decimal]:
    """`amount` in proportion to `parts`, each in its own decimals; the last gets what is left."""
    whole, left, places = sum(parts, ZERO), amount, decimals_of(amount, FINEST)
    found = []
    for part in parts[:-1]:
        share = _rounded(amount * part / whole, places) if whole else ZERO
        found.append(share)
        left -= share
    return [*found, left] if parts else []


def drawn(amount: Decimal, most: Sequence[Decimal]) -> list[Decimal]:
    """What of an amount comes from each of several sources, which give so much at most; the first ones first."""
    found = []
    for one in most:
        found.append(max(min(amount, one), ZERO))
        amount -= found[-1]
    return found
