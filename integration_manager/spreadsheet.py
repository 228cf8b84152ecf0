"""CSV files for people, who open them in a spreadsheet: a text that it would take for a formula gets a '.

Files to a cart or a WMS stay as they are: numbers and telephones there begin with + and -.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from integration_manager import tenancy
from integration_manager.kit import clock, csvwriting

if TYPE_CHECKING:
    from accounts.requests import AccountRequest

_PIECE = 16_384  # characters
_BATCH = 1_000


def safe(cell: object) -> str:
    """The cell's text, which no spreadsheet calculates."""
    return csvwriting.safe("" if cell is None else str(cell).replace("\x00", ""))


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


def streamed(
    request: "AccountRequest", name: str, head: Sequence[str], rows: Callable[[], Iterable[Sequence[object]]]
) -> StreamingHttpResponse:
    """A list as a file that is sent while it is read, so that it may be of any length. `name`: what it holds."""
    return answer(name, tenancy.stream(request.account.pk, request.merchants, lambda: lines(head, rows())))


def answer(name: str, pieces: Iterable[bytes]) -> StreamingHttpResponse:
    """The answer that gives a file piece by piece; `name` without its ending."""
    file = f"{name}-{clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": content_disposition_header(True, file) or "attachment"}
    return StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8", headers=headers)


def newest_first(rows: QuerySet[Any]) -> Iterator[Any]:
    """All rows by their ids, read in parts: none is asked for twice, and few are in memory."""
    return chain.from_iterable(parts(rows, "-pk"))


def parts(rows: QuerySet[Any], key: str) -> Iterator[list[Any]]:
    """All rows in the order of a key that no two of them have ("-" before it: downwards), a thousand at once."""
    name, beyond = (key[1:], "lt") if key.startswith("-") else (key, "gt")
    rest = rows.order_by(key)
    while part := list(rest[:_BATCH]):
        yield part
        if len(part) < _BATCH:
            return
        rest = rows.filter(**{f"{name}__{beyond}": getattr(part[-1], name)}).order_by(key)


def moment(at: datetime | None) -> str:
    """A time in a cell, in UTC; nothing where there is none."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""
