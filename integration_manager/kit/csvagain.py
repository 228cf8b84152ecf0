"""Columns of our own formats that a file has again: Item2 and Quantity2 are a further item in the same row.

None of them is passed over without a word: what is no item is kept as an extra field, or its row is refused.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from integration_manager.kit.csvlines import Broken
from integration_manager.kit.filefields import (
    FIELDS,
    ITEM_EXTRA,
    LONGEST_EXTRA,
    ORDER_EXTRA,
    fields_of,
    folded,
    of_item,
)
from integration_manager.kit.fileformat import Column, Format

_NUMBERED = re.compile(r"(.*\D)(\d{1,3})")
# A row is of an order, a purchase order or a parcel, with items in it; elsewhere the row is the item.
_WITH_ITEMS = ("orders", "purchases", "receipts", "confirmations")
_MAKES_AN_ITEM = {"item", "quantity", "received"}


class Again(NamedTuple):
    """What the columns are that a file has again.

    `items`: where the fields of each further item stand. `fields`: where those stand that are kept: fields
    that the format has no column for, or extra ones. `refused`: where nothing may stand.
    """

    items: list[dict[str, int]]
    fields: dict[str, int]
    refused: list[int]


def columns_again(form: Format, headers: Sequence[str], places: Mapping[int, int]) -> Again:
    """The columns of a file that are named like one of the format, which stands elsewhere (`places`), by a number.

    Raises Broken where the same one is named twice.
    """
    known = {name: field for column in reversed(form.columns) for name, field in _names_of(form, column).items()}
    there = Counter(folded(headers[at]) for at in places.values() if at >= 0)
    items: dict[int, dict[str, int]] = {}
    others: list[tuple[int, str]] = []
    for at, header in enumerate(headers):
        if at in places.values():
            continue
        name, number = _numbered(header)
        if there[folded(header)]:
            there[folded(header)] += 1
            name, number = folded(header), there[folded(header)]  # Item, Item: the second one
        elif folded(header) in known or number < 0 or name not in known:
            continue  # another name of a column that is there already; or something else
        field = known[name]
        if not takes_items(form, field):
            others.append((at, field))
            continue
        first = items.setdefault(number, {}).setdefault(field, at)
        if first != at:
            raise twice(headers[first], header)
    needed = {name for name in form.fields if takes_items(form, name) and FIELDS[form.kind][name].required}
    for item in items.values():
        bare = [headers[at] for at in item.values() if _numbered(headers[at])[1] < 0]
        if bare and needed - item.keys():  # the same name once more is no item by itself
            raise twice(bare[0], bare[0])
    loose = [(at, name) for item in items.values() if not item.keys() & _MAKES_AN_ITEM for name, at in item.items()]
    whole = [items[number] for number in sorted(items) if items[number].keys() & _MAKES_AN_ITEM]
    return _kept(form, headers, whole, sorted(others + loose))


def _kept(form: Format, headers: Sequence[str], items: list[dict[str, int]], others: list[tuple[int, str]]) -> Again:
    if form.kind != "orders":  # only orders have extra fields
        return Again(items, {}, [at for at, _ in others])
    free = {name: one.name for one in fields_of("orders") if one.name not in form.fields for name in one.names}
    fields: dict[str, int] = {}
    for at, field in others:
        shown = "".join(char for char in headers[at] if char.isprintable())[:LONGEST_EXTRA].strip()
        extra = (ITEM_EXTRA if of_item("orders", field) else ORDER_EXTRA) + shown
        first = fields.setdefault(free.get(folded(headers[at]), extra), at)
        if first != at:
            raise twice(headers[first], headers[at])
    return Again(items, fields, [])


def takes_items(form: Format, field: str) -> bool:
    """Whether a field may stand in a row as often as the row has items."""
    return form.kind in _WITH_ITEMS and of_item(form.kind, field)


def item_at_the_end(form: Format) -> int:
    """How many columns at the end of one of our formats are the item and nothing else; 0: there are others of it.

    A row of such a format goes on to the right with further items, as far as it likes.
    """
    items = [column for column in form.columns if any(takes_items(form, name) for name in column.fields)]
    needed = all(FIELDS[form.kind][name].required for column in items for name in column.fields)
    return len(items) if needed and items and (*items,) == form.columns[-len(items) :] else 0


def first_names(form: Format, column: Column) -> set[str]:
    """What a column is called that counts itself as the first: Item1, Item 1."""
    return {f"{name}1" for name in _names_of(form, column)}


def twice(one: str, other: str) -> Broken:
    """Why a file is broken that has one column in two places."""
    return Broken(f"Its first row names one column twice: as {one} and as {other}.")


def _names_of(form: Format, column: Column) -> dict[str, str]:
    """Every name that a column goes by, with the field it means."""
    names = {name: field for field in reversed(column.fields) for name in FIELDS[form.kind][field].names}
    return names | ({folded(column.header): column.fields[0]} if column.fields else {})


def _numbered(header: str) -> tuple[str, int]:
    """A header without the number at its end, folded, and that number; -1 for none."""
    found = _NUMBERED.fullmatch(folded(header))
    return (found[1], int(found[2])) if found else (folded(header), -1)
