"""Ship Methods: what each cart calls a method, and what the WMS gets for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views.lookup import cart_or_404, live_cart_or_404
from carts.views.ship_map_form import MapForm, WmsMethods
from integration_manager import list_pages, spreadsheet, stale
from integration_manager.context import chosen_merchant
from integration_manager.kit import clock
from integration_manager.searched import search_text
from integration_manager.undone import once_more
from orders import ship_methods as maps
from orders.ship_map import ShipMap
from orders.ship_map_import import COLUMNS, MapImport, rows_of

PAGE = 50
FILTERS = {"": "All", "waiting": "Waiting", "unmapped": "Not mapped"}


@require("carts.view")
@require_GET
def ship_methods(request: AccountRequest) -> HttpResponse:
    """Every cart with what of its codes is mapped, those with waiting orders first."""
    text, rows = asked(request)
    ids = list(rows.order_by("merchant__name", "name").values_list("pk", flat=True))
    waits = maps.waiting(ids)
    ids.sort(key=lambda pk: pk not in waits)
    page = Paginator(ids, PAGE).get_page(request.GET.get("page"))
    carts = {cart.pk: cart for cart in with_codes(rows.filter(pk__in=page.object_list))}
    page.object_list = [told(carts[pk], waits) for pk in page.object_list if pk in carts]
    context = {
        "page": page,
        "text": text,
        "methods": WmsMethods.current(),
    }
    return render(request, "carts/ship_methods.html", context)


def asked(request: AccountRequest) -> tuple[str, "QuerySet[Cart]"]:
    """What is searched for, and the carts that have it."""
    rows = Cart.objects.filter(archived_at__isnull=True).select_related("merchant")
    merchant = chosen_merchant(request)()
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    text = search_text(request, 60)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(merchant__name__icontains=text))
    return text, rows


def with_codes(rows: "QuerySet[Cart]") -> "QuerySet[Cart]":
    """Each with the number of its codes, and of those mapped."""
    exact = Q(ship_methods__match="exact")
    return rows.annotate(
        codes=Count("ship_methods", filter=exact),
        mapped=Count("ship_methods", filter=exact & ~Q(ship_methods__wms_code="")),
    )


def waiting(rows: Iterable[Any]) -> list[Any]:
    """These carts, each with how many orders wait for its map."""
    carts = list(rows)
    waits = maps.waiting([cart.pk for cart in carts])
    return [told(cart, waits) for cart in carts]


def told(cart: Any, waits: Mapping[int, Mapping[str, int]]) -> Any:
    """A cart with how many orders wait for its map. `waits`: of all of them."""
    cart.waits = sum(waits.get(cart.pk, {}).values())
    return cart


@require("carts.view")
@require_http_methods(["GET", "POST"])
@once_more
def ship_map(request: AccountRequest, cart: str) -> HttpResponseBase:
    """One cart's map, and what people do to it."""
    found = live_cart_or_404(cart) if request.method == "POST" else cart_or_404(cart, request)
    methods = WmsMethods.current()
    form = MapForm(request.POST, methods)
    if request.method == "POST":
        if "carts.edit" not in request.permissions:
            raise PermissionDenied("your role may not change carts")
        rest = request.POST.get(stale.FIELD) and ShipMap(found)
        said = stale.said(request.POST, stale.mark(rest.rest, rest.default)) if rest else {}
        if said:
            return _page(request, found, form, methods, **said)
        if form.is_valid(found):
            try:
                saved = maps.change(found, clock.now(), request.user, **form.changes)
            except maps.Refused as why:
                form.errors[form.at] = str(why)
            else:
                messages.success(request, in_words(saved))
                return redirect(
                    f"{reverse('ship_map', args=[request.account.public_id, found.public_id])}{_view(request)}"
                )
    return _page(request, found, form, methods)


@require("carts.view")
@require_GET
def ship_map_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The whole map as a file that the import takes."""
    found = cart_or_404(cart)
    return spreadsheet.streamed(
        request, f"ship-methods {found.name}", [c.header for c in COLUMNS], lambda: rows_of(found)
    )


@require("carts.edit")
@require_http_methods(["GET", "POST"])
@once_more
def ship_map_import(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Takes up a file of codes and what they are for the WMS."""
    found = live_cart_or_404(cart)
    account = request.account.public_id
    back = reverse("ship_map", args=[account, found.public_id])
    importer = MapImport(found, back, WmsMethods.current().codes, request.user, in_words)
    crumbs = [("Ship Methods", reverse("ship_methods", args=[account])), (found.name, back)]
    return list_pages.importing(request, importer, {"crumbs": crumbs})


def in_words(saved: maps.Saved) -> str:
    """What was saved, and how many orders go on."""
    number = len(saved.changes)
    said = f"{number} change{'' if number == 1 else 's'} saved." if number else "Nothing was changed."
    if not saved.released:
        return said
    orders = "1 order goes" if saved.released == 1 else f"{saved.released:,} orders go"
    return f"{said} {orders} to the WMS within a minute or two."


def _view(request: AccountRequest) -> str:
    query = request.GET.urlencode()
    return f"?{query}" if query else ""


def _page(request: AccountRequest, cart: Cart, form: MapForm, methods: WmsMethods, **said: Any) -> HttpResponse:
    shown = ShipMap(cart)
    text = search_text(request, 60)
    view = request.GET.get("show", "") if request.GET.get("show") in FILTERS else ""
    page = Paginator(shown.found(text, view), PAGE).get_page(request.GET.get("page"))
    for row in page.object_list:
        row.listed = not row.wms_code or row.wms_code in methods.codes
        row.typed = form.typed(row.field, row.wms_code)
        row.error = form.errors.get(row.field, "")
    context = {
        "cart": cart,
        "map": shown,
        "page": page,
        "text": text,
        "view": view,
        "filters": [(key, name, shown.count(key)) for key, name in FILTERS.items()],
        "methods": methods,
        "mark": stale.mark(shown.rest, shown.default),
        "rest": form.typed("rest", shown.rest),
        "rest_method": form.typed("rest_method", shown.default),
        "default_kept": "" if shown.default in methods.codes else shown.default,
        "form": form,
        "editable": "carts.edit" in request.permissions and cart.archived_at is None,
        **said,
    }
    return render(request, "carts/ship_map.html", context, status=422 if form.errors or said else 200)
