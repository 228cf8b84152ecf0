"""Purchase orders: the list, one of them, and what a person does with it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager import spreadsheet
from integration_manager.kit import clock
from integration_manager.kit.canonical import PurchaseOrder, from_json
from integration_manager.kit.csvcells import plain
from integration_manager.searched import search_text
from orders import purchase_acts, purchase_rows, purchase_words, search
from orders.actions import NotNow
from orders.purchase_rows import Row, State
from orders.views import timeline

UNTOLD = "untold"  # in the place of a state: received, and the cart does not take that
HEAD = [
    "Purchase order", "Reference at the WMS", "Merchant", "Cart", "Supplier", "Expected", "State", "SKU", "Sent as",
    "Ordered", "Received", "Cost", "Loaded (UTC)", "Why",
]  # fmt: skip
# action → what to call, and what to say once it is done
ACTIONS: dict[str, tuple[Callable[[Row, str, datetime], None], str]] = {
    "send_again": (purchase_acts.send_again, "It goes to the WMS within a minute or two."),
    "keep_here": (purchase_acts.keep_here, "It will not be sent. You can send it after all."),
    "it_arrived": (purchase_acts.it_arrived, "Noted: the WMS has it."),
    "it_did_not": (purchase_acts.it_did_not, "It is sent again."),
    "settle": (purchase_acts.settle, "Noted: it is settled at the WMS."),
    "tell_again": (purchase_acts.tell_again, "The cart is told what has come within a minute or two."),
}


@require("orders.view")
@require_GET
def purchases(request: AccountRequest) -> HttpResponse:
    """The purchase orders of the account, newest first."""
    rows, state, text, cart = _asked(request)
    page = _page(purchase_words.listed(rows).select_related("merchant", "cart"), request.GET)
    for row in page.items:
        row.icon, row.tone = purchase_words.FACES[State(row.state)]
        row.come, row.ordered_pieces = plain(row.come), plain(row.ordered_pieces)
    waiting = Row.objects.filter(state=State.REFUSED).count()
    context = {
        "page": page,
        "tabs": [("", "All", 0), *((one.value, one.label, waiting * (one is State.REFUSED)) for one in State)],
        "state": state,
        "text": text,
        "cart": Cart.objects.filter(public_id=cart).first() if cart else None,
        "narrowed": bool(state or text or cart),
    }
    return render(request, "orders/purchases.html", context)


@require("orders.view")
@require_GET
def purchases_csv(request: AccountRequest) -> HttpResponseBase:
    """What matches as a file: a row for each line."""
    rows = _asked(request)[0].select_related("merchant", "cart")
    audit.record(request.user, "orders.exported", "purchase orders")
    return spreadsheet.streamed(request, "purchase-orders", HEAD, lambda: _cells(rows))


@require("orders.view")
@require_GET
def purchase(request: AccountRequest, purchase: str) -> HttpResponse:
    """One purchase order: what is to come, what has come, and how it went."""
    row: Any = _or_404(purchase)
    row.icon, row.tone = purchase_words.FACES[State(row.state)]
    page = _entries(row, QueryDict())
    context = {
        "purchase": row,
        "order": from_json(PurchaseOrder, row.data),
        "lines": purchase_words.lines(row),
        "next": purchase_words.next_words(row),
        "can": purchase_acts.can(row),
        "events": page.items,
        "earlier": page.older,
    }
    return render(request, "orders/purchase.html", context)


@require("orders.view")
@require_GET
def purchase_timeline(request: AccountRequest, purchase: str) -> HttpResponse:
    """The entries of a purchase order from one of them on, newest first."""
    row = _or_404(purchase)
    its_page = reverse("purchase", args=[request.account.public_id, row.public_id])
    context = {
        "kind": "purchase order",
        "name": row.number,
        "its_page": its_page,
        "csv_url": reverse("purchase_timeline_csv", args=[request.account.public_id, row.public_id]),
        "page": _entries(row, request.GET),
    }
    return render(request, "orders/purchase_timeline.html", context)


@require("orders.view")
@require_GET
def purchase_timeline_csv(request: AccountRequest, purchase: str) -> HttpResponseBase:
    """All entries of a purchase order as a file, newest first."""
    row = _or_404(purchase)
    audit.record(request.user, "orders.exported", f"the timeline of purchase order {row.number}")

    def cells() -> Iterator[list[object]]:
        for event in spreadsheet.newest_first(row.events.all()):
            yield timeline.cells_of(event, purchase_words.EVENTS[event.kind][0], event.message)

    return spreadsheet.streamed(request, f"timeline-{row.public_id}", timeline.HEAD, cells)


@require("orders.act")
@require_POST
def purchase_act(request: AccountRequest, purchase: str, action: str) -> HttpResponseBase:
    """Does one of the actions to one purchase order."""
    row = _or_404(purchase)
    if action not in ACTIONS:
        raise Http404
    act, done = ACTIONS[action]
    try:
        act(row, request.user.email, clock.now())
    except NotNow as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, done)
    return redirect("purchase", request.account.public_id, row.public_id)


def _asked(request: AccountRequest) -> tuple["QuerySet[Row]", str, str, str]:
    """What the address asks for: the rows, the state, the text and the cart."""
    state, cart = request.GET.get("state", ""), request.GET.get("cart", "").replace("\x00", "")[:12]
    text = search_text(request)
    rows: QuerySet[Row] = Row.objects.all()
    if state == UNTOLD:
        rows = rows.filter(tell_at__isnull=True).exclude(tell_error="")
    elif state in State.values:
        rows = rows.filter(state=state)
    else:
        state = ""
    if cart:
        rows = rows.filter(cart__public_id=cart)
    if text:  # from its beginning: what an index serves
        folded = purchase_rows.fold(text)
        rows = rows.filter(search__gte=folded, search__lt=folded + chr(0x10FFFF))
    return rows, state, text, cart


def _page(rows: "QuerySet[Row]", asked: Any) -> search.Page:
    """A page, newest first; its cursors are the public ids of the rows at its ends."""
    upward = bool(asked.get("before") and not asked.get("after"))
    mark = (asked.get("after") or asked.get("before") or "").replace("\x00", "")[:12]
    at = Row.objects.filter(public_id=mark).values_list("pk", flat=True).first() if mark else None
    if at is not None:
        rows = rows.filter(pk__gt=at) if upward else rows.filter(pk__lt=at)
    upward = upward and at is not None
    found = list(rows.order_by("pk" if upward else "-pk")[: search.PAGE + 1])
    more, items = len(found) > search.PAGE, found[: search.PAGE]
    if upward:
        items.reverse()
    if not items:
        return search.Page()
    newer, older = (more if upward else at is not None), (upward or more)
    return search.Page(items, items[0].public_id if newer else "", items[-1].public_id if older else "")


def _entries(row: Row, asked: QueryDict) -> search.Page:
    page = timeline.cut(row.events.all(), asked)
    for event in page.items:
        event.title, event.icon, event.tone = purchase_words.EVENTS[event.kind]
    return page


def _cells(rows: "QuerySet[Row]") -> Iterator[list[object]]:
    for row in spreadsheet.newest_first(rows):
        head = [row.number, row.ref, row.merchant.name, row.cart.name, row.supplier, row.expected_on or ""]
        loaded = f"{row.created_at:%Y-%m-%d %H:%M:%S}"
        for line in purchase_words.lines(row):
            ordered = "" if line.ordered is None else plain(line.ordered)
            about = [line.item, line.sent_as, ordered, plain(line.received), line.cost or ""]
            yield [*head, row.get_state_display(), *about, loaded, row.error_message]


def _or_404(public_id: str) -> Row:
    found: Row | None = Row.objects.select_related("merchant", "cart").filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found
