"""Order Filters of a cart: which orders are loaded."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views.item_filters import crumbs, in_words
from carts.views.lookup import cart_or_404, live_cart_or_404
from integration_manager import list_pages, spreadsheet, stale
from integration_manager.kit import clock
from integration_manager.undone import once_more
from merchants.rules.conditions import EXTRA, FIELDS, FULL
from orders import conditions, filters
from orders.filter_imports import ORDER_COLUMNS, OrderImport, order_rows

LONGEST = 60_000  # characters of values
TYPED = ("was", "field", "name", "kind", "match", "values")


@require("carts.view")
@require_http_methods(["GET", "POST"])
@once_more
def order_filters(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The filters, and one of them to be added or changed."""
    found = live_cart_or_404(cart) if request.method == "POST" else cart_or_404(cart)
    error, mark = "", stale.mark(found.order_filters)
    said = stale.said(request.POST, mark, found.name, "cart.order_filters")
    if request.method == "POST":
        if "carts.edit" not in request.permissions:
            raise PermissionDenied("your role may not change carts")
        if not said:
            try:
                saved = _change(request, found)
            except filters.Refused as why:
                error = str(why)
            else:
                messages.success(request, in_words(saved))
                return redirect("order_filters", request.account.public_id, found.public_id)
    rows = [
        {**row, "label": conditions.label_of(row["field"]), "match": conditions.MATCHES[row["match"]]}
        for row in found.order_filters
    ]
    context = {
        "cart": found,
        "rows": rows,
        "fields": [(name, conditions.label_of(name)) for name in FIELDS],
        "kinds": filters.KINDS.items(),
        "matches": conditions.MATCHES.items(),
        "form": _form(request, found),
        "extra": EXTRA,
        "error": error,
        "mark": mark,
        "deleting": request.POST.get("do", "").startswith("delete"),
        **said,
        "editable": "carts.edit" in request.permissions and found.archived_at is None,
    }
    return render(request, "carts/order_filters.html", context, status=422 if error or said else 200)


@require("carts.view")
@require_GET
def order_filters_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The filters as a file that the import takes."""
    found = cart_or_404(cart)
    return spreadsheet.streamed(
        request, f"order-filters {found.name}", [c.header for c in ORDER_COLUMNS], lambda: order_rows(found)
    )


@require("carts.edit")
@require_http_methods(["GET", "POST"])
@once_more
def order_filters_import(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Takes up a file of order filters."""
    found = live_cart_or_404(cart)
    back = reverse("order_filters", args=[request.account.public_id, found.public_id])
    importer = OrderImport(found, back, request.user, in_words)
    return list_pages.importing(request, importer, {"crumbs": [*crumbs(request, found), ("Order Filters", back)]})


def _change(request: AccountRequest, cart: Cart) -> filters.Saved:
    """Does what the button says. Raises Refused."""
    what, _, name = request.POST.get("do", "").replace("\x00", "").partition(":")
    if what == "delete":
        return filters.change_orders(cart, clock.now(), request.user, remove=[name])
    if what != "save":
        raise filters.Refused("Press one of the buttons.")
    form = _form(request, cart)
    wanted = filters.checked(
        f"{EXTRA}{form['name']}" if form["field"] == EXTRA else form["field"],
        form["kind"],
        form["match"],
        form["values"].splitlines(),
    )
    if wanted["field"] != form["was"] and any(row["field"] == wanted["field"] for row in cart.order_filters):
        raise filters.Refused("There is a filter of this field already: each field may be used once. Change that one.")
    gone = [form["was"]] if form["was"] and form["was"] != wanted["field"] else []
    return filters.change_orders(cart, clock.now(), request.user, put=[wanted], remove=gone)


def _form(request: AccountRequest, cart: Cart) -> dict[str, Any]:
    """What stands in the form: what was typed, else the filter to be changed, else nothing."""
    if request.method == "POST":
        given = {
            name: request.POST.get(name, "").replace("\x00", "") for name in ("was", "field", "name", "kind", "match")
        }
        return {**given, "values": request.POST.get("values", "").replace("\x00", "")[:LONGEST]}
    was = request.GET.get("change", "")
    row = next((row for row in cart.order_filters if row["field"] == was), None)
    if row is None:
        return {"was": "", "field": "", "name": "", "kind": "required", "match": FULL, "values": ""}
    extra = was.startswith(EXTRA)
    return {
        "was": was,
        "field": EXTRA if extra else was,
        "name": was.removeprefix(EXTRA) if extra else "",
        "kind": "restricted" if row["restricted"] else "required",
        "match": row["match"],
        "values": "\n".join(row["values"]),
    }
