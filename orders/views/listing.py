"""The order list and its filters."""

from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views.lookup import to_choose
from integration_manager.chips import Chip, chips
from integration_manager.context import chosen_merchant
from integration_manager.navigation import one_merchant
from merchants.models import Merchant
from orders import columns, many, parcel_alerts, saved_views, search
from orders.forms import FilterForm
from orders.models import Order
from orders.state_words import BY_KEY
from orders.views.tabs import EVERYTHING, TABS, tabs

MOST_CHOICES = 500
NEWEST = 500  # orders among whose ship methods and countries one can choose
# What is offered for a selection, by the state that the list shows.
OFFERED = {
    "": ("resend", "cancel_sending", "release", "undo_cancel", "resend_tracking"),
    "new": ("resend", "cancel_sending"),
    "at-wms": ("resend_tracking",),
    "shipped": ("resend_tracking",),
    "confirmed": ("resend_tracking",),
    "error": ("resend", "cancel_sending", "it_arrived", "it_did_not"),
    "on-hold": ("release", "cancel_sending"),
    "cancel-sending": ("undo_cancel",),
    "parcels": ("resend_tracking",),  # of one cause
    "cause": ("resend", "cancel_sending", "release", "it_arrived", "it_did_not"),  # in any state
}


@require("orders.view")
@require_GET
def orders(request: AccountRequest) -> HttpResponseBase:
    """The list of orders. Everything that it shows is in its address."""
    views = saved_views.of(request)
    if not request.GET and views.default is not None and "HX-Request" not in request.headers:
        return redirect(reverse("orders", args=[request.account.public_id]) + saved_views.address(views.default))
    form = FilterForm(request.GET)
    filters, sort = form.filters(), form.sort_by
    matches = search.matching(filters.text) if filters.text else None
    rows = search.filtered(filters, matches)
    moving = filters.state in search.MOVING
    page = search.page(rows, sort, request.GET.get("after", ""), request.GET.get("before", ""), moving=moving)
    acts = "orders.act" in request.permissions
    context: dict[str, Any] = {
        "page": page,
        "sort": sort,
        "filters": filters,
        "narrowed": filters != search.Filters(),
        "shows": dict.fromkeys(views.columns, True),
        "narrow": one_merchant(request) or chosen_merchant(request)() is not None,
        "acts": [many.KINDS[key] for key in OFFERED.get(_offers(filters), ())] if acts else [],
    }
    if request.headers.get("HX-Target") == "rows":
        return render(request, "orders/rows.html", context)
    context |= {
        "most_matches": search.MOST_MATCHES if matches and matches.capped else 0,
        "tabs": tabs(request, filters),
        "chips": chips_of(request, filters, page),
        "clear_url": EVERYTHING,
        "all_url": f"?{urlencode({'q': filters.text})}" if replace(filters, text="") != search.Filters() else "",
        "state": BY_KEY.get(filters.state),
        "first_page": not (request.GET.get("after") or request.GET.get("before")),
        "views": [(view, saved_views.address(view)) for view in views.named],
        "view": next((view for view in views.named if view.public_id == request.GET.get("view")), None),
        "columns": columns.COLUMNS,
        "why_url": f"{reverse('why_not', args=[request.account.public_id])}?{urlencode({'number': filters.text})}",
    }
    return render(request, "orders/list.html", context)


@require("orders.view")
@require_GET
def order_filter(request: AccountRequest) -> HttpResponse:
    """The form for choosing filters, on a page of its own or inside the list."""
    carts = to_choose(Cart.objects.all(), request.GET.get("cart", ""))
    newest = list(Order.objects.order_by("-pk").values_list("ship_code", "ship_country")[:NEWEST])
    context = {
        "form": FilterForm(request.GET),
        "merchants": Merchant.objects.order_by("name")[:MOST_CHOICES] if request.merchants is None else [],
        "carts": carts,
        "methods": sorted({method for method, _ in newest if method}),
        "countries": sorted({country for _, country in newest if country}),
        "states": [BY_KEY[state] for state in TABS],
        "given": request.GET,
    }
    inside = request.headers.get("HX-Target") == "filters"
    return render(request, "orders/filter_form.html" if inside else "orders/filter.html", context)


def chips_of(request: AccountRequest, filters: search.Filters, page: search.Page) -> list[Chip]:
    """The filters that are on, in words. `page`: what they let through, which spares questions."""
    merchant = chosen_merchant(request)() if filters.merchant else None
    given = request.GET
    found = chips(
        request,
        [
            ("q", "Search", filters.text),
            ("merchant", "Merchant", (merchant.name if merchant else "unknown") if filters.merchant else ""),
            ("cart", "Cart", _cart(page, filters)),
            ("cause", "Cause", _cause(page, filters)),
            ("stuck", "Only", "those that do not move" if filters.stuck else ""),
            ("country", "Country", filters.country),
            ("method", "Ship method", filters.method),
            ("loaded", "Loaded", "today" if given.get("loaded") == "today" and filters.loaded_from else ""),
            ("loaded_from", "Loaded from", _day(given.get("loaded_from")) if filters.loaded_from else ""),
            ("loaded_to", "Loaded until", _day(given.get("loaded_to")) if filters.loaded_to else ""),
            ("placed_from", "Placed from", _day(filters.placed_from)),
            ("placed_to", "Placed until", _day(filters.placed_to)),
        ],
    )
    # An address without anything is that of the view that is seen first.
    return [replace(chip, without=EVERYTHING) if chip.without == "?" else chip for chip in found]


def _day(day: date | str | None) -> str:
    """A day as it is read; what is none is shown as it was given."""
    found = parse_date(day) if isinstance(day, str) else day
    return date_format(found, "j M Y") if found else str(day or "")


def _offers(filters: search.Filters) -> str:
    """What of OFFERED there is: by the state, else by what the orders have in common."""
    if filters.cause.startswith(parcel_alerts.BEGIN):
        return "parcels"
    return filters.state or ("cause" if filters.cause else "")


def _cart(page: search.Page, filters: search.Filters) -> str:
    """The name of the cart whose orders are shown."""
    if not filters.cart:
        return ""
    if page.items:
        return str(page.items[0].cart_name)
    return Cart.objects.filter(public_id=filters.cart).values_list("name", flat=True).first() or "unknown"


def _cause(page: search.Page, filters: search.Filters) -> str:
    """A cause in words: what it says of its orders."""
    if not filters.cause:
        return ""
    if filters.cause.startswith(parcel_alerts.BEGIN):
        return "tracking that did not reach the cart"
    return next((order.error_message for order in page.items if order.error_message), filters.cause)
