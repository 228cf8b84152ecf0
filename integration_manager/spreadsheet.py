"""CSV files for people, who open them in a spreadsheet: a text that it would take for a formula gets a '.

Files to a cart or a WMS stay as they are: numbers and telephones there begin with + and -.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
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


def download(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    """The answer that gives a short list as a file; `name` without its ending. A long one is streamed."""
    answer = HttpResponse(b"".join(lines(head, rows)), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = content_disposition_header(True, f"{name}-{clock.now():%Y-%m-%d}.csv") or ""
    return answer


def streamed(
    request: "AccountRequest", name: str, head: Sequence[str], rows: Callable[[], Iterable[Sequence[object]]]
) -> StreamingHttpResponse:
    """A list as a file that is sent while it is read, so that it may be of any length. `name`: what it holds."""
    pieces = tenancy.stream(request.account.pk, request.merchants, lambda: lines(head, rows()))
    answer = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
    file = f"{name}-{clock.now():%Y-%m-%d}.csv"
    answer["Content-Disposition"] = content_disposition_header(True, file) or "attachment"
    return answer


def newest_first(rows: QuerySet[Any]) -> Iterator[Any]:
    """All rows by their ids, read in parts: none is asked for twice, and few are in memory."""
    last: int | None = None
    while True:
        part = list((rows if last is None else rows.filter(pk__lt=last)).order_by("-pk")[:_BATCH])
        yield from part
        if len(part) < _BATCH:
            return
        last = part[-1].pk
