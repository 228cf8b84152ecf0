"""What of a refund goes to which tax rate, in the form of WordPress' shops: lines with `refund_total`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from integration_manager.kit.amounts import shared
from integration_manager.kit.canonical import ZERO
from integration_manager.kit.reading import Reader


def refund_tax(tax: Decimal, rates: Sequence[Reader]) -> list[dict[str, Any]]:
    """A refunded tax by tax rate."""
    parts = shared(tax, [rate.number("total") or ZERO for rate in rates])
    return [
        {"id": int(rate.need("id")), "refund_total": str(part)} for rate, part in zip(rates, parts, strict=True) if part
    ]


def refund_shipping(amount: Decimal, line: Reader) -> dict[str, Any]:
    """Refunded shipping, of which `amount` is all, as a line of the refund: without its tax, and that."""
    rates = line.parts("taxes")
    taxed = (line.number("total_tax") or ZERO) if rates else ZERO
    tax, rest = shared(amount, (taxed, line.number("total") or ZERO))
    parts = {"refund_total": str(rest), "refund_tax": refund_tax(tax, rates)}
    return {"id": int(line.need("id")), "quantity": 0, **parts}
