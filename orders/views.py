"""The order list and the order page."""

import contextlib
from datetime import datetime
from typing import Any

from django.core import signing
from django.db.models import OuterRef, Q, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from alerts.models import Alert
from carts.models import Cart
from integration_manager.chips import address, chips
from integration_manager.context import chosen_merchant
from integration_manager.kit import clock
from merchants.models import Merchant, Schedule
from orders import actions, loading, refunding, search
from orders.forms import FilterForm
from orders.journey import Journey
from orders.models import Event, EventDetail, Exchange, Order, OrderDetail, OrderLine, Shipment, SkippedOrder
from orders.next_step import in_words, next_of
from orders.state_words import BY_KEY, SKIPPED

TABS = ("new", "at-wms", "shipped", "confirmed", "error", "on-hold", "cancel-sending", "canceled")
COUNTED = ("error", "on-hold")
MOST_EVENTS = 200
MOST_EXCHANGES = 30
MOST_CHOICES = 500


@require("orders.view")
@require_GET
def orders(request: AccountRequest) -> HttpResponse:
    """The list of orders. Everything that it shows is in its address."""
    form = FilterForm(request.GET)
    filters = form.filters()
    if form.cleaned_data.get("loaded") == "today":
        filters = form.filters(loaded_from=_midnight())
    sort = form.cleaned_data.get("sort") or "loaded"
    matches = search.matching(filters.text) if filters.text else None
    rows = search.filtered(filters, matches)
    page = search.page(rows, sort, request.GET.get("after", ""), request.GET.get("before", ""))
    for order in page.items:
        order.next_words = in_words(order)
    context: dict[str, Any] = {"page": page, "sort": sort, "filters": filters, "narrowed": _narrowed(filters)}
    if request.headers.get("HX-Target") == "rows":
        return render(request, "orders/rows.html", context)
    context |= {
        "most_matches": search.MOST_MATCHES if matches and matches.capped else 0,
        "tabs": _tabs(request, filters),
        "chips": chips(request, _chips(request, filters, page)),
        "clear_url": "?",
        "state": BY_KEY.get(filters.state),
        "first_page": not (request.GET.get("after") or request.GET.get("before")),
    }
    return render(request, "orders/list.html", context)


@require("orders.view")
@require_GET
def skipped(request: AccountRequest) -> HttpResponse:
    """What was knowingly not loaded, with the reason."""
    rows = SkippedOrder.objects.select_related("merchant", "cart").order_by("-pk")
    merchant = chosen_merchant(request)()
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    if request.GET.get("until"):
        # These rows have no public id; signed, so that nobody tries numbers.
        with contextlib.suppress(signing.BadSignature):
            rows = rows.filter(pk__lt=int(signing.loads(request.GET["until"], salt="skipped")))
    found = list(rows[: search.PAGE + 1])
    more = len(found) > search.PAGE
    filters = search.Filters(merchant=merchant.public_id if merchant else "")
    for row in found:
        row.can_load = row.reason in loading.CAN
        row.mark = signing.dumps(row.pk, salt=loading.SALT)
    context = {
        "skipped": found[: search.PAGE],
        "older": signing.dumps(found[search.PAGE - 1].pk, salt="skipped") if more else "",
        "tabs": _tabs(request, filters, "skipped"),
    }
    return render(request, "orders/skipped.html", context)


@require("orders.view")
@require_GET
def order_filter(request: AccountRequest) -> HttpResponse:
    """The form for choosing filters, on a page of its own or inside the list."""
    carts = Cart.objects.select_related("merchant").order_by("merchant__name", "name")[:MOST_CHOICES]
    context = {
        "form": FilterForm(request.GET),
        "merchants": Merchant.objects.order_by("name")[:MOST_CHOICES] if request.merchants is None else [],
        "carts": carts,
        "states": [BY_KEY[state] for state in TABS],
        "given": request.GET,
    }
    inside = request.headers.get("HX-Target") == "filters"
    return render(request, "orders/filter_form.html" if inside else "orders/filter.html", context)


@require("orders.view")
@require_GET
def order(request: AccountRequest, order: str) -> HttpResponse:
    """One order: where it stands, what comes next, what is in it, what happened."""
    found, data = _order_and_data(order)
    shipments = list(Shipment.objects.filter(order=found).order_by("id"))
    problem, schedules = None, []
    if found.cause:  # what is wrong is what comes next: no schedule moves the order
        problem = Alert.objects.filter(key=found.cause).first()
    else:
        schedules = list(Schedule.objects.filter(Q(cart=found.cart_id) | Q(cart=None), merchant=found.merchant_id))
    events = _timeline(found)
    context = {
        "order": found,
        "journey": Journey(found, shipments),
        "allowed": actions.allowed(found) if "orders.act" in request.permissions else [],
        "next": next_of(found, schedules),
        "problem": problem,
        "data": data,
        "lines": _lines(found, data),
        "shipments": shipments,
        "events": events,
        "effects": refunding.effects_of(found, events),
        "in_cart": any(refunding.can(found)),
    }
    if request.headers.get("HX-Target") == "live":
        return render(request, "orders/live.html", context)
    return render(request, "orders/order.html", context)


@require("orders.view")
@require_GET
def exchanges(request: AccountRequest, order: str) -> HttpResponse:
    """What was said to the cart and the WMS about an order. That it was read is on record."""
    found = Order.objects.filter(public_id=order).first()
    if found is None:
        raise Http404
    rows = Exchange.objects.filter(order_id=found.pk).order_by("-id")[:MOST_EXCHANGES]
    audit.record(request.user, "exchanges.read", f"order {found.cust_po_no}")
    context = {"order": found, "exchanges": rows}
    inside = request.headers.get("HX-Target") == "exchanges"
    return render(request, "orders/exchanges_list.html" if inside else "orders/exchanges.html", context)


def _order_and_data(public_id: str) -> tuple[Order, dict[str, Any]]:
    """An order and its canonical form, by one query."""
    details = OrderDetail.objects.select_related("order__merchant", "order__cart").defer("raw")
    detail = details.filter(order__in=Order.objects.filter(public_id=public_id)).first()
    if detail is None:
        raise Http404
    return detail.order, detail.data or {}


def _midnight() -> datetime:
    """The start of today in the user's time zone."""
    return timezone.localtime(clock.now()).replace(hour=0, minute=0, second=0, microsecond=0)


def _narrowed(filters: search.Filters) -> bool:
    return filters != search.Filters()


def _tabs(request: AccountRequest, filters: search.Filters, here: str = "") -> list[dict[str, Any]]:
    """A tab for each state; those that wait for a person with their number."""
    scope = Order.objects.all()
    if filters.merchant:
        scope = scope.filter(merchant__public_id=filters.merchant)
    deep = bool(request.GET.get("after") or request.GET.get("before"))
    numbers = {} if deep else search.counts(scope, COUNTED)
    base = reverse("orders", args=[request.account.public_id]) if here else ""
    everything = base + address(request, "state", "until")
    tabs = [{"label": "All", "url": everything, "current": not (filters.state or here), "number": ""}]
    for state in TABS:
        number = numbers.get(state, "0")
        tabs.append(
            {
                "label": BY_KEY[state].word,
                "url": base + address(request, "until", state=state),
                "current": filters.state == state,
                "number": "" if number == "0" else number,
                "bad": state == "error",
            }
        )
    merchant = f"?merchant={filters.merchant}" if filters.merchant else ""
    skipped_url = reverse("skipped", args=[request.account.public_id]) + merchant
    tabs.append({"label": SKIPPED.word, "url": skipped_url, "current": here == "skipped", "number": ""})
    return tabs


def _chips(request: AccountRequest, filters: search.Filters, page: search.Page) -> list[tuple[str, str, str]]:
    merchant = chosen_merchant(request)() if filters.merchant else None
    cart = next((order.cart for order in page.items if order.cart.public_id == filters.cart), None)
    if filters.cart and cart is None:
        cart = Cart.objects.filter(public_id=filters.cart).first()
    return [
        ("q", "Contains", filters.text),
        ("merchant", "Merchant", (merchant.name if merchant else "unknown") if filters.merchant else ""),
        ("cart", "Cart", (cart.name if cart else "unknown") if filters.cart else ""),
        ("cause", "Cause", filters.cause),
        ("loaded", "Loaded", "today" if filters.loaded_from else ""),
        ("placed_from", "Placed from", f"{filters.placed_from:%d %b %Y}" if filters.placed_from else ""),
        ("placed_to", "Placed until", f"{filters.placed_to:%d %b %Y}" if filters.placed_to else ""),
    ]


def _lines(order: Order, data: dict[str, Any]) -> list[dict[str, Any]]:
    """The stored lines with what the source said of each: description, price, extra fields."""
    source = {line.get("line_id"): line for line in data.get("lines", [])}
    return [
        {"row": row, "source": source.get(row.line_id, {})}
        for row in OrderLine.objects.filter(order=order).order_by("position")
    ]


def _timeline(order: Order) -> list[Event]:
    """Newest first, each with its before and after where there is one."""
    detail = EventDetail.objects.filter(order_id=order.pk, event_id=OuterRef("pk"))
    events = Event.objects.filter(order_id=order.pk).annotate(changes=Subquery(detail.values("changes")[:1]))
    return list(events.order_by("-id")[:MOST_EVENTS])
