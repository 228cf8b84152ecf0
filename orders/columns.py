"""The columns of the order list: which there are, and which of them somebody sees."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column besides State and Order, which are always there. `usual`: seen by who has chosen nothing."""

    key: str
    label: str
    usual: bool = True


COLUMNS = (
    Column("from", "Merchant · cart"),
    Column("to", "Customer · ship to"),
    Column("method", "Ship method"),
    Column("units", "Units"),
    Column("total", "Total", usual=False),
    Column("reference", "Reference at the WMS", usual=False),
    Column("placed", "Placed"),
    Column("loaded", "Loaded"),
    Column("next", "Next step or tracking"),
)
USUAL = tuple(column.key for column in COLUMNS if column.usual)


def known(keys: Iterable[object]) -> list[str]:
    """Those of `keys` that are columns, in the list's order."""
    wanted = set(map(str, keys))
    return [column.key for column in COLUMNS if column.key in wanted]
