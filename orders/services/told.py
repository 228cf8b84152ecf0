"""Whether a cart has a parcel already: what it shows of an order's parcels, held against the one to be told."""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec import structs

from integration_manager.kit.canonical import ZERO, Shipment, ShipmentLine
from integration_manager.kit.errors import OutcomeUnknown

# In place of ids, where the cart has a parcel and does not say as what: it took it, or it had it already.
TAKEN, FOUND = "ok", "found"
UNNAMED = frozenset({TAKEN, FOUND})
LONGEST = 150  # characters that are kept of what a cart gives for one parcel


@dataclass(frozen=True, slots=True)
class There:
    """The part of a parcel that the cart has. `remote_id`: its ids there; `missing`: what it has not been told of."""

    remote_id: str
    missing: tuple[ShipmentLine, ...] = ()


def ids(remote_ids: Iterable[str]) -> set[str]:
    """The single ids in what a cart gave for parcels; of one that it took in parts it gave several, with commas."""
    return {one for remote_id in remote_ids for one in remote_id.split(",") if one} - UNNAMED


def kept(remote_id: str) -> str:
    """As much of it as is kept: a part of an id would be the id of something else."""
    if len(remote_id) <= LONGEST:
        return remote_id
    return remote_id[: LONGEST + 1].rpartition(",")[0] or remote_id[:LONGEST]


def there(parcel: Shipment, shown: Sequence[Shipment], taken: set[str]) -> There | None:
    """What the cart has of a parcel in its present form; None: nothing.

    shown: all that it knows of the order; taken: the ids that the order's other parcels have there. Raises
    OutcomeUnknown where something without a name may be this parcel or not.
    """
    mine = [one for one in shown if _may_be(one, parcel, taken)]
    named = parcel.tracking_no is not None or any(one.ref for one in mine)
    if any(not one.lines for one in mine) or (mine and not parcel.lines):
        if not named:
            raise OutcomeUnknown(_UNNAMED)
        return There(_joined(mine))
    left = _content(parcel.lines)
    for one in mine:
        if _content(one.lines, left) == left:
            return There(_joined([one]))
    found = []
    for one in mine:
        held = _content(one.lines, left)
        if not any(left.get(name) for name in held):
            continue
        if not named and any(left.get(name, ZERO) < quantity for name, quantity in held.items()):
            raise OutcomeUnknown(_UNNAMED)
        found.append(one)
        for name, quantity in held.items():
            left[name] = max(left.get(name, ZERO) - quantity, ZERO)
    return There(_joined(found), _missing(parcel.lines, left)) if found else None


_UNNAMED = "The cart shows a parcel without a tracking number that may be this one, or another."


def _may_be(one: Shipment, parcel: Shipment, taken: set[str]) -> bool:
    """Whether a parcel of the cart may be ours: by our key, where it keeps that, else by what no other of ours is."""
    if one.tracking_no != parcel.tracking_no:
        return False
    return one.ref == parcel.key if one.ref else not ids([one.key]) & taken


def _content(lines: Iterable[ShipmentLine], names: Container[str] | None = None) -> dict[str, Decimal]:
    """Pieces by the order's line, or by the item where the line is not known, or not among the `names`."""
    pieces: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        by_line = line.line_id and (names is None or line.line_id in names)
        pieces[(line.line_id if by_line else "") or line.item] += line.quantity
    return dict(pieces)


def _missing(lines: Iterable[ShipmentLine], left: dict[str, Decimal]) -> tuple[ShipmentLine, ...]:
    found = []
    for line in lines:
        pieces = min(left[line.line_id or line.item], line.quantity)
        left[line.line_id or line.item] -= pieces
        if pieces > 0:
            found.append(structs.replace(line, quantity=pieces))
    return tuple(found)


def _joined(parcels: Iterable[Shipment]) -> str:
    return ",".join(one.key for one in parcels) or FOUND
