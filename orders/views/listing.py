"""The order list and its filters."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager.chips import chips
from integration_manager.context import chosen_merchant
from integration_manager.kit import clock
from merchants.models import Merchant
from orders import search
from orders.forms import FilterForm
from orders.next_step import in_words
from orders.state_words import BY_KEY
from orders.views.tabs import TABS, tabs

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
        "tabs": tabs(request, filters),
        "chips": chips(request, _chips(request, filters, page)),
        "clear_url": "?",
        "state": BY_KEY.get(filters.state),
        "first_page": not (request.GET.get("after") or request.GET.get("before")),
    }
    return render(request, "orders/list.html", context)


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


def _midnight() -> datetime:
    """The start of today in the user's time zone."""
    return timezone.localtime(clock.now()).replace(hour=0, minute=0, second=0, microsecond=0)


def _narrowed(filters: search.Filters) -> bool:
    return filters != search.Filters()


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
