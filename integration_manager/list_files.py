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
    """A column of a list: its name for us, its header for people, and other headers that mean it.

    `whole`: rows that say the same in it are one thing, a kit say, which is not taken up without one of them.
    """

    name: str
    header: str
    also: tuple[str, ...] = ()
    needed: bool = True
    longest: int = 100  # characters
    whole: bool = False


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
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    whole = next((column for column in columns if column.whole), None)
    found, places, width = list[tuple[Row, str]](), None, 0
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return _apart(found, whole)
        except (csv.Error, Runaway):
            raise Broken(f"Its quotation marks are unbalanced from line {lines.number} on.") from None
        line = lines.number - len(lines.taken) + 1
        if not any(map(str.strip, cells)):
            continue
        if places is None:
            places, width = _places(cells, columns), len(cells)
            continue
        if len(found) >= MOST_ROWS:
            together = f" Leave the rows of each {whole.header} together." if whole else ""
            raise Broken(f"It has more than {MOST_ROWS:,} rows. Split it.{together}")
        row = {name: _cell(cells[at]) if at < len(cells) else "" for name, at in places.items()}
        row = {column.name: row.get(column.name, "") for column in columns}
        too_long = next((column for column in columns if len(row[column.name]) > column.longest), None)
        why = f"{too_long.header} has more than {too_long.longest} characters." if too_long else ""
        if any(map(str.strip, cells[width:])):
            why = f"It has more cells than the first row. A text with “{delimiter}” in it needs quotation marks."
        found.append((Row(line, row), why))


def _apart(found: Sequence[tuple[Row, str]], whole: Column | None) -> Rows:
    """What can be taken up, and what is wrong with the others: with one row, all that it belongs to is wrong."""

    def thing(row: Row) -> str:
        return " ".join(row.cells[whole.name].split()).casefold() if whole else str(row.line)

    wrong = {thing(row): row.line for row, why in reversed(found) if why}
    apart = Rows()
    for row, why in found:
        if not why and thing(row) in wrong:
            why = f"It belongs together with line {wrong[thing(row)]}, which is wrong."
        if why:
            apart.problems.append((row.line, why))
        else:
            apart.rows.append(row)
    return apart


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
