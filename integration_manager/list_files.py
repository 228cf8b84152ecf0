"""CSV files of lists that people import: maps, filters, aliases. Read whole, and every row checked.

The counterpart of spreadsheet.py: what that writes, this reads.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from integration_manager.kit.csvfile import is_formula
from integration_manager.kit.csvlines import Broken, Lines, Runaway

MOST_BYTES = 2 * 1024 * 1024
MOST_ROWS = 10_000
_DELIMITERS = (",", ";", "\t", "|")

__all__ = ["Broken", "Column", "Row", "Rows", "read"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list: its name for us, its header for people, and other headers that mean it."""

    name: str
    header: str
    also: tuple[str, ...] = ()
    needed: bool = True
    longest: int = 100  # characters


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file, from 1, and its trimmed cells by the columns' names."""

    line: int
    cells: dict[str, str]


@dataclass(slots=True)
class Rows:
    """A file that was read: its rows, and what is wrong with others: (line, why)."""

    rows: list[Row] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)


def read(stream: IO[bytes], size: int, columns: Sequence[Column]) -> Rows:
    """Reads a file of `size` bytes. Raises Broken where it is no such list."""
    if size > MOST_BYTES:
        raise Broken(f"It has more than {MOST_BYTES // 1024 // 1024} MB. Split it.")
    lines = Lines(stream)
    try:
        first = lines.peek()
    except Runaway:
        raise Broken("Its first line is longer than any line of a list.") from None
    if not first.strip():
        raise Broken("It is empty.")
    reader = csv.reader(lines, delimiter=max(_DELIMITERS, key=first.count), strict=True)
    found, places = Rows(), None
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return found
        except (csv.Error, Runaway):
            raise Broken(f"Its quotation marks are unbalanced from line {lines.number} on.") from None
        line = lines.number - len(lines.taken) + 1
        if not any(map(str.strip, cells)):
            continue
        if places is None:
            places = _places(cells, columns)
            continue
        if len(found.rows) + len(found.problems) >= MOST_ROWS:
            raise Broken(f"It has more than {MOST_ROWS:,} rows. Split it.")
        row = {name: _cell(cells[at]) if at < len(cells) else "" for name, at in places.items()}
        row = {column.name: row.get(column.name, "") for column in columns}
        too_long = next((column for column in columns if len(row[column.name]) > column.longest), None)
        if too_long:
            found.problems.append((line, f"{too_long.header} has more than {too_long.longest} characters."))
        else:
            found.rows.append(Row(line, row))


def _places(header: Sequence[str], columns: Sequence[Column]) -> dict[str, int]:
    """Where each column stands, by the header."""
    names = [_folded(cell) for cell in header]
    places = {}
    for column in columns:
        known = [_folded(name) for name in (column.header, *column.also)]
        at = next((names.index(name) for name in known if name in names), None)
        if at is not None:
            places[column.name] = at
        elif column.needed:
            wanted = ", ".join(f"“{column.header}”" for column in columns if column.needed)
            raise Broken(f"Its first row does not name the column “{column.header}”. Needed: {wanted}.")
    return places


def _folded(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _cell(text: str) -> str:
    """As it was before spreadsheet.py made it safe."""
    text = text.replace("\x00", "").strip()
    return text[1:] if text.startswith("'") and is_formula(text[1:]) else text
