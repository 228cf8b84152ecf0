"""What happened to an order or a purchase order: the newest on its page, the rest on pages further and further back.

Entries have no public id: the cursors are signed, so that nobody tries numbers.
"""

from typing import Any

from django.core import signing
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from orders import differences, search
from orders.models import Event, EventDetail, Order
from orders.views import order_or_404

MOST = 200  # entries on one page
_SALT = "timeline"
_FROM_THE_NEWEST = QueryDict()


@require("orders.view")
@require_GET
def timeline(request: AccountRequest, order: str) -> HttpResponse:
    """The entries of an order from one of them on, newest first."""
    found = order_or_404(order)
    its_page = reverse("order", args=[request.account.public_id, found.public_id])
    context = {"name": found.cust_po_no, "its_page": its_page, "page": entries(found, request.GET)}
    return render(request, "orders/timeline_page.html", context)


def entries(order: Order, asked: QueryDict = _FROM_THE_NEWEST) -> search.Page:
    """Entries of an order, each with its before and after where there is one."""
    detail = EventDetail.objects.filter(order_id=order.pk, event_id=OuterRef("pk"))
    rows = Event.objects.filter(order_id=order.pk).annotate(changes=Subquery(detail.values("changes")[:1]))
    page = cut(rows, asked)
    for event in page.items:
        changes = event.changes or {}
        if event.kind == "note":
            event.text = changes.get("note", [None, ""])[1]
        else:
            event.differences = differences.of_changes(changes)
    return page


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
