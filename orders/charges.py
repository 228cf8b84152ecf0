"""An order's charges as its source gave them, and where they do not add up.

`sub_total` is the sum of the lines' (price − discount) × quantity, and `grand_total` is sub_total + sales_tax +
shipping_handling − order_discount. What the source does not say is added up from its parts and marked so, or
left open; what it says is never corrected.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from integration_manager.kit.canonical import ZERO
from integration_manager.kit.currencies import decimals

UNKNOWN_CURRENCY = "USD"  # two decimals, as most


@dataclass(frozen=True, slots=True)
class Charge:
    """One amount. None: not known. `added_up`: the source does not say it, its parts do."""

    label: str
    amount: Decimal | None
    added_up: bool = False


@dataclass(frozen=True, slots=True)
class LineCharges:
    """What one line costs. `total`: (price − discount) × quantity; None without a price."""

    price: Decimal | None
    total: Decimal | None
    details: tuple[tuple[str, Decimal], ...]  # discounts, tax and surcharge, where there are any


@dataclass(frozen=True, slots=True)
class Charges:
    """The charges of one order, and in words what does not fit together."""

    rows: tuple[Charge, ...]
    total: Charge
    remarks: tuple[str, ...]


def of_line(line: Mapping[str, Any]) -> LineCharges:
    """The charges of a line of the stored form."""
    price, discount = _amount(line, "price"), _amount(line, "discount")
    total = None if price is None else (price - (discount or ZERO)) * (_amount(line, "quantity") or ZERO)
    named = (
        ("discount each", discount),
        ("off the line", _amount(line, "addl_discount")),
        ("tax", _amount(line, "tax")),
        ("surcharge", _amount(line, "shipping_surcharge")),
    )
    return LineCharges(price, total, tuple((name, value) for name, value in named if value))


def of_order(data: Mapping[str, Any], *, source: str, edited: Sequence[str] = ()) -> Charges:
    """The charges of an order's stored form. `source`: what its cart is called; `edited`: fields a person changed."""
    lines: list[Mapping[str, Any]] = data.get("lines") or []
    least = Decimal(1).scaleb(-decimals(data.get("currency_code") or UNKNOWN_CURRENCY)) * max(len(lines), 1)
    goods = _sum(of_line(line).total for line in lines) if lines else None
    taxes, off = (_given(_amount(line, name) for line in lines) for name in ("tax", "addl_discount"))
    said = {name: _amount(data, name) for name in _ADDS_UP}
    sub_total = Charge("Items", *_or(said["sub_total"], goods))
    shipping = Charge("Shipping", said["shipping_handling"])
    tax = Charge("Tax", *_or(said["sales_tax"], taxes))
    discount = Charge("Discount", *_or(said["order_discount"], off))
    parts = None
    if sub_total.amount is not None:
        parts = sub_total.amount + (tax.amount or ZERO) + (shipping.amount or ZERO) - (discount.amount or ZERO)
    total = Charge("Total", *_or(said["grand_total"], parts if _enough(said, parts) else None))
    remarks = []
    if "lines" in edited:
        remarks.append(f"The items were changed here; the sums are as {source} gave them.")
    if _differ(said["sub_total"], goods, least):
        remarks.append(f"{source} says {_plain(said['sub_total'])} for the items, which add up to {_plain(goods)}.")
    if taxes is not None and _differ(said["sales_tax"], taxes, least):
        remarks.append(_of_taxes(said["sales_tax"] or ZERO, taxes))
    if off is not None and said["order_discount"] is not None and off - said["order_discount"] > least:
        what = f"{_plain(off)} off single lines is more than the order’s discount of {_plain(said['order_discount'])}"
        remarks.append(f"{what}, which should include it.")
    if _differ(said["grand_total"], parts, least):
        assert parts is not None
        gap = (said["grand_total"] or ZERO) - parts
        words = f"{_plain(abs(gap))} {'more' if gap > 0 else 'less'} than its parts add up to, {_plain(parts)}"
        remarks.append(f"{source} says {_plain(said['grand_total'])} in all: {words}.")
    return Charges((sub_total, shipping, tax, discount), total, tuple(remarks))


_ADDS_UP = ("sub_total", "sales_tax", "shipping_handling", "order_discount", "grand_total")


def _enough(said: Mapping[str, Decimal | None], parts: Decimal | None) -> bool:
    """Whether the parts may stand for a total that the source does not give: it says at least what shipping costs."""
    return parts is not None and said["shipping_handling"] is not None


def _of_taxes(whole: Decimal, lines: Decimal) -> str:
    if whole > lines:
        return f"{_plain(whole - lines)} of the tax belongs to no item: it may be that of the shipping."
    return f"The items’ taxes add up to {_plain(lines)}, more than the order’s {_plain(whole)}."


def _differ(said: Decimal | None, found: Decimal | None, least: Decimal) -> bool:
    return said is not None and found is not None and abs(said - found) > least


def _or(said: Decimal | None, added_up: Decimal | None) -> tuple[Decimal | None, bool]:
    return (said, False) if said is not None else (added_up, added_up is not None)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Their sum; None where one of them is not known."""
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _given(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of those that are known; None where none is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, ZERO) if any(known) else None


def _amount(values: Mapping[str, Any], name: str) -> Decimal | None:
    value = values.get(name)
    try:
        return None if value in (None, "") else Decimal(str(value))
    except InvalidOperation:
        return None


def _plain(amount: Decimal | None) -> str:
    return f"{amount or ZERO:,.2f}"
