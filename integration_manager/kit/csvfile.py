"""CSV files as a CSV cart and a CSV WMS share them: read in a stream, checked by row, written.

Files are made by people and by old programs. A bad row is told with its line number and the reason and
never taken half; a file that is no table at all raises `Broken`; all else is read.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from integration_manager.kit.csvformats import Column, Preset, fault, suspicious
from integration_manager.kit.folder import CHUNK, spool

DELIMITERS = ",;\t|"
MAX_ROWS = 1_000_000
MAX_COLUMNS = 500
MAX_RECORD = 128_000  # characters of one row with all its lines; the csv module ends cells at 131,072
MAX_UNCLOSED = 50  # rows with a quotation mark that is never closed, after which the file is given up
SAMPLE = 64 * 1024  # bytes looked at to tell what a file is

# The columns that an error file has besides its source's: line number and reason.
ERROR_LINE, ERROR = "error_line", "error"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_NO_TEXT = {
    b"PK\x03\x04": "It is an Excel workbook or a ZIP archive. Save it as CSV UTF-8, and put that file here.",
    b"\xd0\xcf\x11\xe0": "It is an old Excel workbook. Save it as CSV UTF-8, and put that file here.",
    b"%PDF": "It is a PDF document, and not a CSV file.",
    b"\x1f\x8b": "It is compressed. Unpack it first.",
}


class Broken(Exception):
    """A file that cannot be read as a table. The text says why, in plain words."""


class _Runaway(Exception):
    """A record that does not end."""


@dataclass(slots=True)
class Record:
    """One row. `line`: where it begins, from 1. `cells`: text by field, trimmed, without empty ones.

    `problem`: why it cannot be used, "" if it can; `raw` is the row's text where it has no cells.
    """

    line: int
    cells: dict[str, str]
    problem: str = ""
    raw: str = ""


class _Lines:
    """The lines of a file as text. Those of a record that went wrong can be given back."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.number = stream, 0
        self.taken: list[str] = []
        self._size = 0
        self._back: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._back.popleft() if self._back else self._read()
        self.number += 1
        self.taken.append(text)
        self._size += len(text)
        if self._size > MAX_RECORD:
            raise _Runaway
        return text

    def _read(self) -> str:
        raw = self.stream.readline(MAX_RECORD * 4)
        if not raw:
            raise StopIteration
        if len(raw) == MAX_RECORD * 4 and not raw.endswith(b"\n"):
            while (rest := self.stream.readline(CHUNK)) and not rest.endswith(b"\n"):
                pass
        # Each line by itself: programs append lines in another encoding than that of the rest.
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace")

    def begin(self) -> None:
        """The next line begins a record."""
        self.taken, self._size = [], 0

    def give_back(self, keep: int) -> None:
        """The lines of the present record will come again, other than the first `keep`."""
        rest = self.taken[keep:]
        self._back.extendleft(reversed(rest))
        self.number -= len(rest)

    def peek(self) -> str:
        """The next line that is not blank; "" at the end. It comes again."""
        for text in self:
            if text.strip():
                self.give_back(len(self.taken) - 1)
                return text
        return ""


class Table:
    """A CSV file being read, from its header on. Raises Broken, when made or while it is read."""

    def __init__(self, stream: IO[bytes], preset: Preset, *, header: bool = True) -> None:
        """`stream`: at its start, seekable. `header`: the first row names the columns; else they stand as
        in the preset. An empty file is a table without rows.
        """
        self.preset, self.rows = preset, 0
        self._lines = lines = _Lines(_plain(stream))
        try:
            first = lines.peek()
            if first.lower().startswith("sep=") and len(first.strip()) == 5:
                self.delimiter = first[4]  # Excel's own way to say it
                next(lines)
            else:
                self.delimiter = _delimiter(first, preset, header)
        except _Runaway:
            raise Broken("Its first line is longer than any line of a CSV file.") from None
        self._reader = csv.reader(lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        self._held: tuple[int, list[str]] | None = None
        self.headers: list[str] = [column.header for column in preset.columns]
        self.fields: list[str] = [column.field for column in preset.columns]
        if first:
            self._read_header(header)
        known = {column.field: column for column in preset.columns}
        self._columns: list[Column | None] = [known.get(name) for name in self.fields]
        # An error file of ours that a person corrected: spreadsheets got its formulas with a "'".
        self._corrected = ERROR_LINE in self.fields

    def _read_header(self, header: bool) -> None:
        self._lines.begin()
        try:
            names = next(self._reader)
        except (csv.Error, _Runaway, StopIteration):
            raise Broken("Its first row, which names the columns, has unbalanced quotation marks.") from None
        fields = self.preset.recognise(names)
        lacking = [column.header for column in self.preset.required if column.field not in fields]
        if not header and lacking:
            self._held = (self._lines.number - len(self._lines.taken) + 1, names)
            return
        if len(names) > MAX_COLUMNS:
            raise Broken(f"It has {len(names)} columns; {MAX_COLUMNS} are the limit.")
        if lacking:
            shown = ", ".join(name.strip()[:40] for name in names[:40])
            raise Broken(f"Its first row has to name the columns and lacks {', '.join(lacking)}. It has: {shown}.")
        twice = {name for name in fields if name and fields.count(name) > 1}
        if twice:
            raise Broken(f"The column {sorted(twice)[0]} stands in its first row twice.")
        self.headers, self.fields = [name.strip() for name in names], fields

    def header_of(self, field: str) -> str:
        """What the file itself calls a field."""
        return self.headers[self.fields.index(field)].rstrip("*") if field in self.fields else field

    def __iter__(self) -> Iterator[Record]:
        unclosed = 0
        while True:
            try:
                start, cells = self._next()
            except StopIteration:
                return
            except (csv.Error, _Runaway):
                # Only its first line is lost; what a stray quotation mark swallowed is read as rows again.
                self._lines.give_back(1)
                unclosed += 1
                if unclosed > MAX_UNCLOSED:
                    raise Broken("Its quotation marks are unbalanced in many rows.") from None
                yield self._unreadable()
                continue
            if any(cell.strip() for cell in cells):
                self.rows += 1
                if self.rows > MAX_ROWS:
                    raise Broken(f"It has more than {MAX_ROWS:,} rows. Split it.")
                yield self._record(start, cells)

    def _next(self) -> tuple[int, list[str]]:
        if self._held:
            held, self._held = self._held, None
            return held
        self._lines.begin()
        start = self._lines.number + 1
        return start, next(self._reader)

    def _unreadable(self) -> Record:
        raw = self._lines.taken[0]
        # What can be guessed of it is the order it belongs to, which must not go out without it.
        guess = zip(self.fields, self._columns, raw[:MAX_RECORD].split(self.delimiter), strict=False)
        cells = {name: cell.strip(' "\r\n') for name, column, cell in guess if column and column.code}
        key = {name: cell for name, cell in cells.items() if cell}
        why = "quotation marks do not match: one is opened and never closed, or text follows a closed one"
        if len(raw) > MAX_RECORD:
            why = f"the line has more than {MAX_RECORD:,} characters"
        return Record(self._lines.number, key, f"This row cannot be read: {why}", raw[:2000])

    def _record(self, line: int, row: list[str]) -> Record:
        cells = {field: text for field, cell in zip(self.fields, row, strict=False) if (text := cell.strip())}
        if self._corrected:
            cells = {name: _unsafe(text) for name, text in cells.items()}
        problem = ""
        if suspicious("".join(row)):
            for header, field, column in zip(self.headers, self.fields, self._columns, strict=True):
                problem = problem or fault(header.rstrip("*"), cells.get(field, ""), column)
        more = [cell for cell in row[len(self.fields) :] if cell.strip()]
        if more:
            problem = (
                f"The row has {len(row)} cells and the header {len(self.fields)}: put quotation marks around"
                f" text with a {'TAB' if self.delimiter == chr(9) else self.delimiter} in it"
            )
        return Record(line, cells, problem)


def _plain(stream: IO[bytes]) -> IO[bytes]:
    """The stream without its byte order mark, with line feeds, in an encoding that extends ASCII."""
    sample = stream.read(SAMPLE)
    for magic, why in _NO_TEXT.items():
        if sample.startswith(magic):
            raise Broken(why)
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        stream.seek(0)
        return _copy(stream, codecs.getincrementaldecoder("utf-16")("replace"))
    if sample.count(b"\0") > len(sample) // 10:
        raise Broken("It is no text. Save it as CSV UTF-8.")
    if b"\r" in sample and b"\n" not in sample:
        stream.seek(0)
        return _copy(stream, None)
    stream.seek(len(codecs.BOM_UTF8) if sample.startswith(codecs.BOM_UTF8) else 0)
    return stream


def _copy(stream: IO[bytes], decoder: codecs.IncrementalDecoder | None) -> IO[bytes]:
    copy = spool()
    while chunk := stream.read(CHUNK):
        copy.write(decoder.decode(chunk).encode("utf-8", "replace") if decoder else chunk.replace(b"\r", b"\n"))
    copy.seek(0)
    return copy


def _delimiter(first: str, preset: Preset, header: bool) -> str:
    """The character between the cells, by the line that should be the header: the one that makes most of it."""

    def worth(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([first], delimiter=delimiter, skipinitialspace=True), [])
        known = {column.field for column in preset.columns}
        return (len(known.intersection(preset.recognise(cells))) if header else 0, len(cells))

    return max(DELIMITERS, key=worth)


# ── writing ──


def written(preset: Preset, rows: Iterable[Mapping[str, str]], delimiter: str = ",") -> bytes:
    """A file for a machine: header and rows, UTF-8 without a byte order mark, lines ended by CR LF.

    `rows`: text by field; a field that is absent is an empty cell. What looks like a formula stays as it
    is: phone numbers begin with "+", and no spreadsheet is meant to open this.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([column.header for column in preset.columns])
    fields = [column.field for column in preset.columns]
    for row in rows:
        writer.writerow([_storable(row.get(field, "")) for field in fields])
    return text.getvalue().encode()


class ErrorFile:
    """The rows of a file that were refused, as a CSV file for people: the row as it was, line and reason.

    It keeps the columns of its source, so it can be corrected and put back. `stream` holds what is written.
    """

    def __init__(self, table: Table) -> None:
        self.stream = spool()
        self.count = 0
        self._fields = [name for name in table.fields if name not in (ERROR_LINE, ERROR)]
        self._delimiter = table.delimiter
        headers = [
            header
            for header, field in zip(table.headers, table.fields, strict=True)
            if field not in (ERROR_LINE, ERROR)
        ]
        # The mark tells a spreadsheet that this is UTF-8.
        self.stream.write(codecs.BOM_UTF8)
        self._write([*headers, ERROR_LINE, ERROR])

    def add(self, record: Record, reason: str) -> None:
        """Adds one row with the reason, in plain words."""
        self.count += 1
        cells = [safe(record.cells.get(field, "")) for field in self._fields]
        if record.raw:
            cells = [safe(record.raw), *("" for _ in cells[1:])]
        self._write([*cells, str(record.line), safe(reason)])

    def _write(self, cells: list[str]) -> None:
        self.stream.write(line(cells, self._delimiter).encode())


def line(cells: Iterable[str], delimiter: str = ",") -> str:
    """One row as text, with its line end."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow([_storable(cell) for cell in cells])
    return text.getvalue()


def safe(text: str) -> str:
    """A cell for people: what a spreadsheet would run as a formula gets a "'" before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unsafe(text: str) -> str:
    """The inverse of `safe`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _storable(text: str) -> str:
    # Lone surrogates cannot be encoded; NUL ends the text for many readers, ours too.
    return text.replace("\0", "").encode("utf-8", "replace").decode()
