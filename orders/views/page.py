"""The page of one order, and what was said about it to the other systems."""

from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from alerts.models import Alert
from merchants.models import Schedule
from orders import actions, refunding
from orders.journey import Journey
from orders.models import Event, EventDetail, Exchange, Order, OrderDetail, OrderLine, Shipment
from orders.next_step import next_of
from orders.views import order_or_404

MOST_EVENTS = 200
MOST_EXCHANGES = 30


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
    found = order_or_404(order)
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
