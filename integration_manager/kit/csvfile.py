"""CSV files as a CSV cart and a CSV WMS read them: in a stream, checked row by row.

Files are made by people and by old programs. A bad row is told with its line number and the reason and
never taken half; a file that is no table at all raises `Broken`; all else is read.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from integration_manager.kit.csvagain import takes_items
from integration_manager.kit.csvlines import MAX_RECORD, Broken, Lines, Runaway
from integration_manager.kit.csvplan import Plan
from integration_manager.kit.filefields import folded
from integration_manager.kit.fileformat import DELIMITERS, Format

MAX_ROWS = 1_000_000
MAX_UNCLOSED = 50  # rows with a quotation mark that is never closed, after which the file is given up

# The columns that an error file has before its source's: line number and reason.
ERROR_LINE, ERROR = "error_line", "error"
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

__all__ = ["Broken", "Record", "Table"]


@dataclass(slots=True)
class Record:
    """One row. `line`: where it begins, from 1. `row`: its cells as they stand there.

    `parts`: text by field, trimmed, without empty ones, one for each of its items; what belongs to the
    whole order stands in the first. `problem`: why it cannot be used, "" if it can; `raw` is the text
    of a row that has no cells.
    """

    line: int
    parts: list[dict[str, str]]
    row: list[str] = field(default_factory=list)
    problem: str = ""
    raw: str = ""

    @property
    def cells(self) -> dict[str, str]:
        """The first part: what belongs to the whole order, with the first item."""
        return self.parts[0]


class Table:
    """A CSV file being read, from its header on. Raises Broken, when made or while it is read."""

    def __init__(self, stream: IO[bytes], form: Format) -> None:
        """`stream`: at its start, seekable. An empty file is a table without rows."""
        self.form, self.rows = form, 0
        self._lines = lines = Lines(stream, form.encoding)
        self.size = max(_size_of(lines.stream), 1)
        try:
            first = lines.peek()
            self.delimiter = form.delimiter or _delimiter(first, form)
            if first.lower().startswith("sep=") and len(first.strip()) == 5:
                self.delimiter = first[4]  # Excel's own way to say it
                next(lines)
        except Runaway:
            raise Broken("Its first line is longer than any line of a CSV file.") from None
        self._reader = csv.reader(lines, **_dialect(self.delimiter, form.quote), strict=True)
        self._held: tuple[int, list[str]] | None = None
        self._skip = 0  # cells at the beginning of each row that are not the source's
        self.named = True  # whether its first row names its columns
        self.plan = self._planned() if first else Plan(form, None)

    def _planned(self) -> Plan:
        """Reads the header, if there is one."""
        self._lines.begin()
        try:
            row = next(self._reader)
        except (csv.Error, Runaway, StopIteration):
            raise Broken("Its first row, which names the columns, has unbalanced quotation marks.") from None
        if [cell.strip() for cell in row[:2]] == [ERROR_LINE, ERROR]:
            self._skip = 2  # an error file of ours that a person corrected
        names = [_unsafe(name) for name in row[self._skip :]] if self._skip else row
        if self.form.header or (self._skip and all(column.header for column in self.form.columns)):
            return Plan(self.form, names)
        try:
            if all(column.header for column in self.form.columns):
                return Plan(self.form, names)  # they are named all the same
        except Broken:
            pass
        self.named = False
        if not self._skip:
            self._held = (self._lines.number - len(self._lines.taken) + 1, row)
        return Plan(self.form, None)

    @property
    def headers(self) -> list[str]:
        """What the file calls its columns."""
        return self.plan.headers

    @property
    def percent(self) -> int:
        """How much of the file has been read."""
        return min(100 * self._lines.position // self.size, 100)

    def __iter__(self) -> Iterator[Record]:
        return (self.record(*found) for found in self.rows_as_they_are())

    def rows_as_they_are(self) -> Iterator[tuple[int, list[str], str, str]]:
        """Line, cells, problem and text of each row, before the format is looked at: what `record` takes."""
        unclosed = 0
        while True:
            try:
                start, row = self._next()
            except StopIteration:
                return
            except (csv.Error, Runaway):
                # Only its first line is lost; what a stray quotation mark swallowed is read as rows again.
                self._lines.give_back(1)
                unclosed += 1
                if unclosed > MAX_UNCLOSED:
                    raise Broken("Its quotation marks are unbalanced in many rows.") from None
                yield self._unreadable()
                continue
            if any(map(str.strip, row)):
                self.rows += 1
                if self.rows > MAX_ROWS:
                    raise Broken(f"It has more than {MAX_ROWS:,} rows. Split it.")
                yield start, row, "", ""

    def _next(self) -> tuple[int, list[str]]:
        if self._held:
            held, self._held = self._held, None
            return held
        self._lines.begin()
        start = self._lines.number + 1
        row = next(self._reader)
        # Spreadsheets got the formulas of an error file with a "'".
        return start, [_unsafe(cell) for cell in row[self._skip :]] if self._skip else row

    def key(self, fields: Sequence[str], row: list[str], raw: str = "") -> str:
        """What some fields of a row say, as one text; "" where the first of them says nothing."""
        found = self._guess(raw) if raw else self.plan.head_of(row, fields)
        return "\x1f".join(found.get(name, "") for name in fields) if found.get(fields[0]) else ""

    def record(self, line: int, row: list[str], problem: str = "", raw: str = "") -> Record:
        """A row by the format: the same again, if it is asked for again."""
        if raw:
            return Record(line, [self._guess(raw)], row, problem, raw)
        parts, wrong = self.plan.parts(row)
        if not problem and self.plan.too_many(row):
            problem = self._too_many(len(row))
        return Record(line, parts, row, problem or wrong)

    def _too_many(self, cells: int) -> str:
        known = f"the {'header' if self.named else 'format'} {len(self.headers)}"
        sign = DELIMITERS.get(self.delimiter, self.delimiter)
        text = f"The row has {cells} cells and {known}: put quotation marks around text with a {sign} in it"
        more = self.named and self.form.key and takes_items(self.form, "item")
        return f"{text}, and name the columns of further items in the header: Item2, Quantity2" if more else text

    def _unreadable(self) -> tuple[int, list[str], str, str]:
        raw = self._lines.taken[0]
        why = "quotation marks do not match: one is opened and never closed, or text follows a closed one"
        if len(raw) > MAX_RECORD:
            why = f"the line has more than {MAX_RECORD:,} characters"
        return self._lines.number, [], f"This row cannot be read: {why}", raw[:2000]

    def _guess(self, raw: str) -> dict[str, str]:
        # What can be guessed of it is the order it belongs to, which must not go out without it.
        cells = [cell.strip(' "\r\n') for cell in raw.split(self.delimiter)]
        found = self.plan.parts(cells)[0][0]
        return {name: text for name, text in found.items() if name in self.plan.codes}


def dialect(delimiter: str, quote: str) -> dict[str, Any]:
    """The csv module's words for a delimiter and a quotation mark ("" for none)."""
    if not quote:
        return {"delimiter": delimiter, "quoting": csv.QUOTE_NONE, "quotechar": None}
    return {"delimiter": delimiter, "quotechar": quote}


def _dialect(delimiter: str, quote: str) -> dict[str, Any]:
    return {**dialect(delimiter, quote), "skipinitialspace": True}


def _delimiter(first: str, form: Format) -> str:
    """The character between the cells, by the line that should be the header: the one that makes most of it."""
    known = {folded(column.header) for column in form.columns}
    if form.key:
        known = {name for field in form.fields for name in _names_of(form, field)}

    def worth(delimiter: str) -> tuple[int, int]:
        cells: Sequence[str] = next(csv.reader([first], **_dialect(delimiter, form.quote)), [])
        return len(known.intersection(map(folded, cells)) - {""}), len(cells)

    return max([sign for sign in DELIMITERS if sign], key=worth)


def _names_of(form: Format, name: str) -> set[str]:
    from integration_manager.kit.filefields import FIELDS

    return FIELDS[form.kind][name].names


def _unsafe(text: str) -> str:
    """A cell as it was before `csvwriting.safe`."""
    return text[1:] if text.startswith("'") and is_formula(text[1:]) else text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might run a cell, also where it takes for quotation marks what is text to us."""
    return text.lstrip("'\"").startswith(FORMULA)


def _size_of(stream: IO[bytes]) -> int:
    at = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(at)
    return size
