"""Parcels of which nobody noted what is in them: the customer is to get every tracking number all the same."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from msgspec import structs

from integration_manager.kit.canonical import Shipment, ShipmentLine

ONE = Decimal(1)


def shared(parcels: list[Shipment], ordered: Iterable[ShipmentLine]) -> list[Shipment]:
    """The parcels of a whole order, each with a content.

    Those without one get one piece each of what is in no other, and the first of them all that is left. Where
    there are fewer pieces than boxes, one has the numbers of the others besides its own.
    """
    blank = [one for one in parcels if not one.lines]
    if not blank or len(parcels) == 1:
        return parcels  # a single parcel without lines is the whole order
    left: dict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for line in ordered:
        left[line.item, line.line_id] += line.quantity
    for line in (line for one in parcels for line in one.lines):
        left[line.item, line.line_id] -= line.quantity
    first, *others = blank
    parts: dict[str, tuple[ShipmentLine, ...]] = {}
    for one in others:
        which = next((key for key in reversed(left) if left[key] >= 1), None)
        if which is not None and sum(count for count in left.values() if count > 0) > 1:
            left[which] -= 1
            parts[one.key] = (ShipmentLine(which[0], ONE, which[1]),)
    rest = tuple(ShipmentLine(item, count, line_id) for (item, line_id), count in left.items() if count > 0)
    if rest:
        parts[first.key] = rest
    kept = [one for one in parcels if one.lines or one.key in parts]
    if not kept:
        return parcels
    host = first if rest else kept[-1]
    numbers = [host.tracking_no, *(one.tracking_no for one in blank if one.key not in parts)]
    joined = ", ".join(filter(None, numbers)) or None
    return [
        structs.replace(
            one,
            lines=one.lines or parts[one.key],
            tracking_no=joined if one is host else one.tracking_no,
        )
        for one in kept
    ]
