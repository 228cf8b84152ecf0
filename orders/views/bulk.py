"""Actions on many orders: ask first, then do it, and show what became of each."""

import secrets
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import spreadsheet
from integration_manager.kit import clock
from orders import bulk_run, selection
from orders.agreed import more_than_agreed, shown_at
from orders.many import KINDS, words_of
from orders.models import BulkAction, BulkRow, Order, SkippedOrder

LATELY = 50
# What is in the form by itself; the rest are filters.
ASKED = ("action", "order", "key", "shown", "shown_at", "csrfmiddlewaretoken")
SHOWN = 100  # orders that were not done, on the page itself
HEAD = ["Order", "Merchant", "Cart", "Result", "Why not"]
LATER = "{} order{} came, or changed, after you were shown them: left as they are."
ACTIONS = ["Action", "State", "Orders", "By", "Done", "Not done", "To go", "When (UTC)", "What went wrong"]


@require("orders.act")
@require_http_methods(["GET", "POST"])
def orders_bulk(request: AccountRequest) -> HttpResponseBase:
    """With an action it says what that would do to which orders; posted, it begins, unless there are more by then.

    Without one: the actions of late.
    """
    data = request.POST if request.method == "POST" else request.GET
    if request.method == "GET" and "action" not in data:
        found: list[Any] = list(_mine(request).order_by("-pk")[:LATELY])
        for one in found:
            one.kind = words_of(one.action)
        return render(request, "orders/bulk_list.html", {"bulks": found})
    kind, chosen = KINDS.get(data.get("action", "")), selection.of(data)
    back = reverse("orders", args=[request.account.public_id]) + f"?{chosen.filters or 'state='}"
    if kind is None or chosen.empty:
        messages.info(request, "Choose what is to be done." if kind is None else "No order was selected.")
        return redirect(back)
    now, more = clock.now(), False  # before they are counted
    if request.method == "POST":
        # What was ticked is what was shown. What matches goes on changing: nothing is done to orders nobody knows of.
        seen = None if chosen.ticked else shown_at(data.get("shown_at", ""))
        forecast = bulk_run.forecast(chosen.orders, kind, seen)
        more = not chosen.ticked and more_than_agreed(forecast.able, data.get("shown", ""))
        if not more:
            orders = chosen.orders.filter(updated_at__lte=seen) if seen else chosen.orders
            key = data.get("key", "").replace("\x00", "")[:32] or secrets.token_hex(16)
            begun = bulk_run.begin(orders, kind, request.user, key, chosen.words, now)
            if forecast.later:
                messages.info(request, LATER.format(forecast.later, "" if forecast.later == 1 else "s"))
            return redirect("bulk", request.account.public_id, begun.public_id)
    forecast = bulk_run.forecast(chosen.orders, kind)
    context = {
        "now": now,
        "kind": kind,
        "chosen": chosen,
        "found": forecast,
        "careful": kind.what if kind.careful else "",
        "more": more,
        "most": bulk_run.MOST,
        "key": secrets.token_hex(16),
        "to": reverse("orders_bulk", args=[request.account.public_id]),
        "back": back,
        "fields": [(name, value) for name, value in data.items() if name not in ASKED],
    }
    return render(request, "orders/bulk_ask.html", context)


@require("orders.act")
@require_GET
def bulk(request: AccountRequest, bulk: str) -> HttpResponse:
    """How far one is, and what became of its orders. One that nobody is at goes on when it is looked at."""
    found = _bulk_or_404(request, bulk)
    running = found.state == BulkAction.State.RUNNING
    if running:
        bulk_run.hint(found.pk, found.account_id)
    refused = BulkRow.objects.filter(bulk=found, outcome=BulkRow.Outcome.REFUSED)
    rows = list(refused.order_by("order_id").values_list("order_id", "reason")[:SHOWN])
    orders = {order.pk: order for order in Order.objects.filter(pk__in=[pk for pk, _ in rows])}
    skipped = {-row.pk: row for row in SkippedOrder.objects.filter(pk__in=[-pk for pk, _ in rows])}
    context = {
        "bulk": found,
        "kind": words_of(found.action),
        "running": running,
        "percent": 100 * (found.total - found.waiting) // found.total if found.total else 100,
        "reasons": list(refused.order_by().values_list("reason").annotate(number=Count("pk")).order_by("-number")),
        "rows": [(orders.get(pk), skipped.get(pk), reason) for pk, reason in rows],
        "more": max(0, found.refused - SHOWN),
    }
    inside = request.headers.get("HX-Target") == "bulk"
    return render(request, "orders/bulk_progress.html" if inside else "orders/bulk.html", context)


@require("orders.act")
@require_GET
def bulks_csv(request: AccountRequest) -> StreamingHttpResponse:
    """All actions on many orders that are kept, as a file."""
    rows = _mine(request)
    return spreadsheet.streamed(request, "actions-on-orders", ACTIONS, lambda: _actions(rows))


@require("orders.act")
@require_GET
def bulk_csv(request: AccountRequest, bulk: str) -> StreamingHttpResponse:
    """What became of each order, as a file."""
    found = _bulk_or_404(request, bulk)
    return spreadsheet.streamed(request, f"{found.action}-{found.public_id}", HEAD, lambda: _results(found))


def _actions(rows: QuerySet[BulkAction]) -> Iterator[list[object]]:
    for one in spreadsheet.newest_first(rows):
        kind = words_of(one.action)
        about = [kind.label if kind else one.action, one.get_state_display(), one.about, one.actor]
        yield [*about, one.done, one.refused, one.waiting, spreadsheet.moment(one.created_at), one.problem]


def _results(bulk: BulkAction) -> Iterator[list[str]]:
    """Read in parts: an action may have a hundred thousand orders."""
    last, size = -(1 << 62), bulk_run.BATCH
    while True:
        part = list(BulkRow.objects.filter(bulk=bulk, order_id__gt=last).order_by("order_id")[:size])
        ids, whose = [row.order_id for row in part], ("merchant__name", "cart__name")
        numbers = Order.objects.filter(pk__in=ids).values_list("pk", "cust_po_no", *whose)
        skipped = SkippedOrder.objects.filter(pk__in=[-pk for pk in ids]).values_list(-F("pk"), "number", *whose)
        known = {pk: about for pk, *about in (*numbers, *skipped)}
        for row in part:
            yield [*known.get(row.order_id, ("", "", "")), row.get_outcome_display(), row.reason if row.outcome else ""]
        if len(part) < size:
            return
        last = part[-1].order_id


def _mine(request: AccountRequest) -> QuerySet[BulkAction]:
    """Those that the user asked for; who sees all merchants sees everybody's."""
    rows: QuerySet[BulkAction] = BulkAction.objects.all()
    return rows if request.merchants is None else rows.filter(user=request.user)


def _bulk_or_404(request: AccountRequest, public_id: str) -> BulkAction:
    found = _mine(request).filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found
