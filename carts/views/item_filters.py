"""Item Filters of a cart: which items are not sent to the WMS, and not told in its inventory."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart, ItemFilter
from carts.views.lookup import cart_or_404, live_cart_or_404
from integration_manager import list_pages, spreadsheet, stale
from integration_manager.kit import clock
from integration_manager.searched import search_text
from integration_manager.undone import once_more
from orders import filters
from orders.filter_imports import ITEM_COLUMNS, ItemImport, item_rows

PAGE = 100
MOST_AT_ONCE = 1000  # codes that are typed in; more come by a file
LONGEST = 200_000  # characters of them


@require("carts.view")
@require_http_methods(["GET", "POST"])
@once_more
def item_filters(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The filter and what it lists."""
    found = live_cart_or_404(cart) if request.method == "POST" else cart_or_404(cart)
    errors: dict[str, str] = {}
    mark = stale.mark(found.item_filter, found.filter_whole_order)
    said = stale.said(request.POST, mark)
    if request.method == "POST":
        if "carts.edit" not in request.permissions:
            raise PermissionDenied("your role may not change carts")
        saved = None if said else _change(request, found, errors)
        if saved is not None:
            messages.success(request, in_words(saved))
            return redirect("item_filters", request.account.public_id, found.public_id)
    text, rows = _asked(request, found)
    context = {
        "cart": found,
        "page": Paginator(rows.order_by("key"), PAGE).get_page(request.GET.get("page")),
        "text": text,
        "types": Cart.Filtering.choices,
        "blank": filters.BLANK,
        "typed": request.POST.get("items", "")[:LONGEST],
        "errors": errors,
        "kind": request.POST.get("kind", found.item_filter),
        "whole": request.POST["level"] == "order" if "level" in request.POST else found.filter_whole_order,
        "mark": mark,
        **said,
        "editable": "carts.edit" in request.permissions and found.archived_at is None,
    }
    return render(request, "carts/item_filters.html", context, status=422 if errors or said else 200)


@require("carts.view")
@require_GET
def item_filters_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """What the filter lists, or what of it is searched for, as a file that the import takes."""
    found = cart_or_404(cart)
    rows, head = _asked(request, found)[1], [column.header for column in ITEM_COLUMNS]
    return spreadsheet.streamed(request, f"item-filter {found.name}", head, lambda: item_rows(rows))


@require("carts.edit")
@require_http_methods(["GET", "POST"])
@once_more
def item_filters_import(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Takes up a file of item codes."""
    found = live_cart_or_404(cart)
    back = reverse("item_filters", args=[request.account.public_id, found.public_id])
    importer = ItemImport(found, back, request.user, in_words)
    return list_pages.importing(request, importer, {"crumbs": [*crumbs(request, found), ("Item Filters", back)]})


def crumbs(request: AccountRequest, cart: Cart) -> list[tuple[str, str]]:
    """The way to a cart's own page."""
    account = request.account.public_id
    return [("Carts", reverse("carts", args=[account])), (cart.name, reverse("cart", args=[account, cart.public_id]))]


def in_words(saved: filters.Saved) -> str:
    """What was saved, how many orders go on, and how many could be loaded now."""
    number = len(saved.changes)
    said = [f"{number} change{'' if number == 1 else 's'} saved." if number else "Nothing was changed."]
    if saved.released:
        orders = "1 order goes" if saved.released == 1 else f"{saved.released:,} orders go"
        said.append(f"{orders} to the WMS within a minute or two.")
    if saved.skipped:
        orders = "1 order was" if saved.skipped == 1 else f"{saved.skipped:,} orders were"
        said.append(f"{orders} kept out by such a filter before: Orders, Skipped lists them, and can load them.")
    return " ".join(said)


def _asked(request: AccountRequest, cart: Cart) -> tuple[str, "QuerySet[ItemFilter]"]:
    """What is searched for, and the entries that have it."""
    text = search_text(request, 60)
    rows: QuerySet[ItemFilter] = ItemFilter.objects.filter(cart=cart)
    return text, rows.filter(key__contains=filters.item_key(text)) if text else rows


def _change(request: AccountRequest, cart: Cart, errors: dict[str, str]) -> filters.Saved | None:
    """Does what the button says. None: `errors` say why not."""
    what, now = request.POST.get("do", ""), clock.now()
    try:
        if what == "type":
            kind, level = request.POST.get("kind", ""), request.POST.get("level", "item")
            if kind not in Cart.Filtering.values:
                raise filters.Refused("Choose one of the types.")
            return filters.change_items(cart, now, request.user, kind=kind, whole_order=level == "order")
        if what == "add":
            items = [line.strip() for line in request.POST.get("items", "")[:LONGEST].replace("\x00", "").splitlines()]
            items = [item for item in items if item]
            if "blank" in request.POST:
                items.append(filters.BLANK)
            if not items:
                raise filters.Refused("Write at least one item code, each on a line of its own.")
            if len(items) > MOST_AT_ONCE or any(len(item) > 100 for item in items):
                raise filters.Refused(f"At most {MOST_AT_ONCE:,} codes at once, of 100 letters each; import a file.")
            return filters.change_items(cart, now, request.user, add=items)
        if what == "remove":
            marked = ItemFilter.objects.filter(
                cart=cart, pk__in=[m for m in request.POST.getlist("m") if m.isdecimal()]
            )
            return filters.change_items(cart, now, request.user, remove=list(marked.values_list("key", flat=True)))
        raise filters.Refused("Press one of the buttons.")
    except filters.Refused as why:
        errors["items" if what == "add" else "kind"] = str(why)
        return None
