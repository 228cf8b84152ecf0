"""For carts that know no parcels, or know them otherwise than we do.

What was told of them is kept as text in the order itself.
Such a cart has one status for the whole order, so somebody has to count when everything is on its way.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from integration_manager.kit.canonical import ZERO, Line, Shipment


@dataclass(frozen=True, slots=True)
class Told:
    """A parcel that the cart was told of. `lines`: pieces by line; None: all that was left of the order."""

    tracking_no: str | None
    carrier: str | None
    lines: Mapping[str, Decimal] | None


def written(shipment: Shipment) -> str:
    """A parcel as text."""
    lines: dict[str, Decimal] = defaultdict(Decimal)
    for line in shipment.lines:
        lines[line.line_id or ""] += line.quantity
    held = None if shipment.closed or not lines else {key: str(quantity) for key, quantity in lines.items()}
    return json.dumps({"no": shipment.tracking_no, "by": shipment.carrier, "lines": held}, ensure_ascii=False)


def read(text: str) -> Told | None:
    """The inverse of `written`; None for what is not ours."""
    try:
        said = json.loads(text)
        held = said["lines"]
        lines = None if held is None else {str(key): Decimal(quantity) for key, quantity in held.items()}
        return Told(said["no"], said["by"], lines)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return None


def complete(lines: Iterable[Line], parcels: Iterable[Told]) -> bool:
    """Whether the parcels hold all of the lines."""
    left = {line.line_id: line.quantity for line in lines}
    for parcel in parcels:
        if parcel.lines is None:
            return True
        for line_id, quantity in parcel.lines.items():
            left[line_id] = left.get(line_id, ZERO) - quantity
    return all(quantity <= 0 for quantity in left.values())
