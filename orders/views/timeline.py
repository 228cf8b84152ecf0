"""What happened to an order: the newest of it on its page, the rest on pages of its own, further and further back."""

from django.core import signing
from django.db.models import OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from orders import differences, search
from orders.models import Event, EventDetail, Order
from orders.views import order_or_404

MOST = 200  # entries on one page
_SALT = "timeline"


@require("orders.view")
@require_GET
def timeline(request: AccountRequest, order: str) -> HttpResponse:
    """The entries of an order from one of them on, newest first."""
    found = order_or_404(order)
    asked = request.GET
    page = entries(found, after=_read(asked.get("after", "")), before=_read(asked.get("before", "")))
    return render(request, "orders/timeline_page.html", {"order": found, "page": page})


def entries(order: Order, *, after: int | None = None, before: int | None = None) -> search.Page:
    """Newest first, each with its before and after where there is one: those after, or else before, an entry.

    Entries have no public id: the cursors are signed, so that nobody tries numbers.
    """
    detail = EventDetail.objects.filter(order_id=order.pk, event_id=OuterRef("pk"))
    rows = Event.objects.filter(order_id=order.pk).annotate(changes=Subquery(detail.values("changes")[:1]))
    upward = before is not None and after is None
    if upward:
        rows = rows.filter(pk__gt=before)
    elif after is not None:
        rows = rows.filter(pk__lt=after)
    page = search.cut(
        rows.order_by("pk" if upward else "-pk"), MOST, _mark, begun=upward or after is not None, upward=upward
    )
    for event in page.items:
        changes = event.changes or {}
        if event.kind == "note":
            event.text = changes.get("note", [None, ""])[1]
        else:
            event.differences = differences.of_changes(changes)
    return page


def _mark(event: Event) -> str:
    return signing.dumps(event.pk, salt=_SALT)


def _read(text: str) -> int | None:
    try:
        return int(signing.loads(text, salt=_SALT))
    except signing.BadSignature:
        return None
