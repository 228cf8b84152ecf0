"""CSV files as we write them: for machines by any format, for people (what was refused) with care for spreadsheets."""

import codecs
import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from integration_manager.kit import phpdates
from integration_manager.kit.csvfile import ERROR, ERROR_LINE, Record, Table, dialect, is_formula
from integration_manager.kit.filefields import FIELDS, of_item
from integration_manager.kit.fileformat import Column, Format
from integration_manager.kit.folder import spool

Row = Mapping[str, str]


def written(form: Format, records: Iterable[Sequence[Row]]) -> bytes:
    """A file for a machine. `records`: orders, parcels or levels; each is a row by field for each of its items.

    A format that says nothing of items has one row for each record; a horizontal file is as wide as its
    widest record. A field that is absent is an empty cell, dates are ISO text. What looks like a formula
    stays as it is: phone numbers begin with "+", and no spreadsheet is meant to open this. Lines end with
    CR LF.
    """
    out = Writer(form.delimiter or ",", form.quote)
    found = [[{"record_no": str(number), **row} for row in record] for number, record in enumerate(records, 1)]
    if not any(of_item(form.kind, name) for name in form.fields):
        found = [record[:1] for record in found]
    repeats = max((len(record) for record in found), default=1) if form.group else 1
    lines: list[list[str]] = []
    if form.header:
        lines.append(_headers(form, repeats))
    for record in found:
        if not form.group:
            lines += [[_cell(form, column, row) for column in form.columns] for row in record]
            continue
        head = [_cell(form, column, record[0]) for column in form.head]
        items = [_cell(form, column, row) for row in record for column in form.repeated]
        lines.append(head + items + [""] * (len(form.repeated) * (repeats - len(record))))
    return encoded(out.text(lines), form.encoding)


def _headers(form: Format, repeats: int) -> list[str]:
    names = [column.header for column in (form.head if form.group else form.columns)]
    return names + [_nth(column.header, nth) for nth in range(repeats) for column in form.repeated]


def _nth(header: str, nth: int) -> str:
    """The header of a repeated column: "Item1", "Item2"; "Item", "Item 2"."""
    bare = header.rstrip("0123456789")
    if not nth or not header:
        return header
    return f"{bare}{int(header[len(bare) :]) + nth}" if bare != header and header.isascii() else f"{header} {nth + 1}"


def _cell(form: Format, column: Column, row: Row) -> str:
    """What stands in a column: its fixed text, else the first of its fields that has a value."""
    if column.constant:
        return column.constant
    for name in column.fields:
        text = row.get(name, "")
        if text:
            known = FIELDS[form.kind].get(name)
            return _date(text, column.date_format or form.date_format) if known and known.dated else text
    return ""


def _date(text: str, letters: str) -> str:
    at = datetime.fromisoformat(text)
    return phpdates.formatted(at if at.tzinfo else at.replace(tzinfo=UTC), letters)


def encoded(text: str, encoding: str) -> bytes:
    """Text in an encoding; what it cannot hold becomes the nearest letter, else a question mark."""
    if encoding != "cp1252":
        return text.encode(encoding or "utf-8", "replace")
    return "".join(char if _holds(char) else _nearest(char) for char in text).encode("cp1252", "replace")


def _holds(char: str) -> bool:
    try:
        char.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _nearest(char: str) -> str:
    apart = unicodedata.normalize("NFKD", char)
    bare = "".join(part for part in apart if not unicodedata.combining(part))
    return bare if bare and bare != char and all(map(_holds, bare)) else "?"


class Writer:
    """Rows as text, in one dialect."""

    def __init__(self, delimiter: str = ",", quote: str = '"') -> None:
        self.delimiter, self.quote = delimiter, quote

    def text(self, rows: Iterable[Iterable[str]]) -> str:
        """Rows as text, each with its line end."""
        kept = ([_storable(cell) for cell in cells] for cells in rows)
        if not self.quote:
            # Nothing protects a delimiter or a line end in a cell, so there is none.
            return "".join(self.delimiter.join(map(self._bare, cells)) + "\r\n" for cells in kept)
        text = io.StringIO(newline="")
        csv.writer(text, **dialect(self.delimiter, self.quote), lineterminator="\r\n").writerows(kept)
        return text.getvalue()

    def _bare(self, cell: str) -> str:
        return " ".join(cell.replace(self.delimiter, " ").split())


class ErrorFile:
    """The rows of a file that were refused, as a CSV file for people: line, reason, and the row as it was.

    It keeps the columns of its source, so it can be corrected and put back. `stream` holds what is written.
    """

    def __init__(self, table: Table) -> None:
        self.stream = spool()
        self.count = 0
        self._writer = Writer(table.delimiter, table.form.quote)
        # The mark tells a spreadsheet that this is UTF-8.
        self.stream.write(codecs.BOM_UTF8)
        self._write([ERROR_LINE, ERROR, *map(safe, table.headers)])

    def add(self, record: Record, reason: str) -> None:
        """Adds one row with the reason, in plain words."""
        self.count += 1
        cells = [record.raw] if record.raw else record.row
        self._write([str(record.line), safe(reason), *map(safe, cells)])

    def _write(self, cells: list[str]) -> None:
        self.stream.write(self._writer.text([cells]).encode())


def safe(text: str) -> str:
    """A cell for people: what a spreadsheet would run as a formula gets a "'" before it."""
    return f"'{text}" if is_formula(text) else text


def _storable(text: str) -> str:
    # Lone surrogates cannot be encoded; NUL ends the text for many readers, ours too.
    return text.replace("\0", "").encode("utf-8", "replace").decode()
