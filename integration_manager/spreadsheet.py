"""CSV files for people, who open them in a spreadsheet: a text that it would take for a formula gets a '.

Files to a cart or a WMS stay as they are: numbers and telephones there begin with + and -.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PIECE = 16_384  # characters


def safe(cell: object) -> str:
    """The cell's text, which no spreadsheet calculates."""
    text = "" if cell is None else str(cell).replace("\x00", "")
    return f"'{text}" if text.startswith(_FORMULA) else text


def lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The file in pieces, UTF-8 with the mark by which spreadsheets know it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(head)
    for row in rows:
        writer.writerow([safe(cell) for cell in row])
        if buffer.tell() > _PIECE:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
