"""What happened to an order or a purchase order: the newest on its page, the rest on pages further and further back.

Entries have no public id: the cursors are signed, so that nobody tries numbers.
"""

from collections.abc import Iterator
from typing import Any

from django.core import signing
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import spreadsheet
from orders import differences, search
from orders.models import Event, EventDetail, Order
from orders.templatetags.timeline import title_of
from orders.views import order_or_404

MOST = 200  # entries on one page
HEAD = ["When (UTC)", "What happened", "More", "By"]
CHANGES = ["Changed", "Before", "After"]
_SALT = "timeline"
_FROM_THE_NEWEST = QueryDict()


@require("orders.view")
@require_GET
def timeline(request: AccountRequest, order: str) -> HttpResponse:
    """The entries of an order from one of them on, newest first."""
    found = order_or_404(order)
    its_page = reverse("order", args=[request.account.public_id, found.public_id])
    csv_url = reverse("order_timeline_csv", args=[request.account.public_id, found.public_id])
    page = entries(found, request.GET)
    context = {"name": found.cust_po_no, "its_page": its_page, "csv_url": csv_url, "page": page}
    return render(request, "orders/timeline_page.html", context)


@require("orders.view")
@require_GET
def timeline_csv(request: AccountRequest, order: str) -> HttpResponseBase:
    """All entries of an order as a file, newest first: a row for each thing that an entry changed."""
    found = order_or_404(order)
    audit.record(request.user, "orders.exported", f"the timeline of {found.cust_po_no}")

    def cells() -> Iterator[list[object]]:
        for event in map(_filled, spreadsheet.newest_first(_of(found))):
            about = cells_of(event, title_of(event), event.text or event.message)
            for change in event.differences or [differences.Difference("", "", "")]:
                yield [*about, change.name, change.before, change.after]

    return spreadsheet.streamed(request, f"timeline-{found.public_id}", [*HEAD, *CHANGES], cells)


def cells_of(event: Any, title: str, text: str) -> list[object]:
    """What HEAD names of an entry."""
    return [spreadsheet.moment(event.at), title, text, event.actor]


def entries(order: Order, asked: QueryDict = _FROM_THE_NEWEST) -> search.Page:
    """Entries of an order, each with its before and after where there is one."""
    page = cut(_of(order), asked)
    page.items = [_filled(event) for event in page.items]
    return page


def _of(order: Order) -> QuerySet[Any]:
    detail = EventDetail.objects.filter(order_id=order.pk, event_id=OuterRef("pk"))
    return Event.objects.filter(order_id=order.pk).annotate(changes=Subquery(detail.values("changes")[:1]))


def _filled(event: Any) -> Any:
    """An entry with the text of a note, or what it changed."""
    changes, note = event.changes or {}, event.kind == "note"
    event.text = changes.get("note", [None, ""])[1] if note else ""
    event.differences = [] if note else differences.of_changes(changes)
    return event


def cut(rows: QuerySet[Any], asked: QueryDict = _FROM_THE_NEWEST) -> search.Page:
    """A page of entries, newest first: those that a query string asks for, after one of them or before it."""
    after, before = _read(asked.get("after", "")), _read(asked.get("before", ""))
    upward = before is not None and after is None
    if upward:
        rows = rows.filter(pk__gt=before)
    elif after is not None:
        rows = rows.filter(pk__lt=after)
    rows = rows.order_by("pk" if upward else "-pk")
    return search.cut(rows, MOST, _mark, begun=upward or after is not None, upward=upward)


def _mark(event: Any) -> str:
    return signing.dumps(event.pk, salt=_SALT)


def _read(text: str) -> int | None:
    try:
        return int(signing.loads(text, salt=_SALT))
    except signing.BadSignature:
        return None
