"""Locations & Products: the products of a merchant, their other codes, and what the carts are told of each."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import Sum
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from alerts.models import Alert
from integration_manager import list_pages, spreadsheet, stale
from integration_manager.folding import fold
from integration_manager.kept import typed
from integration_manager.kit import clock
from integration_manager.searched import search_text
from integration_manager.undone import once_more
from merchants import catalog
from merchants.models import Merchant, Product, ProductAlias, StockLevel, Warehouse
from merchants.offers import plain
from merchants.stock_forms import AliasForm, ProductForm
from merchants.views import lists
from merchants.views.page import crumbs, merchant_or_404
from orders import aliases, product_facts
from orders.releasing import go_on

FILES = {
    "products": ["SKU", "Name", "Other codes", "Available"],
    "aliases": ["SKU", "Alias name", "Alias value"],
    "levels": ["SKU", "Warehouse", "Available", "On hand", "As of (UTC)"],
}


@require("merchants.view")
@require_GET
def products(request: AccountRequest, merchant: str) -> HttpResponse:
    """The products by SKU, with how many there are of each in all warehouses that are enabled."""
    found = merchant_or_404(merchant)
    text = search_text(request)
    page = catalog.page(
        catalog.matching(found.pk, text), "sku", request.GET.get("after", ""), request.GET.get("before", "")
    )
    totals = _totals(found, [product.sku for product in page.items])
    codes = _codes(page.items)
    for product in page.items:
        product.total = totals.get(product.sku)
        product.codes = codes.get(product.pk, [])
    context = {"shown": found, "page": page, "text": text, "noun": "product"}
    return render(request, "merchants/products.html", context)


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
def product_new(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Adds a product by hand."""
    found = merchant_or_404(merchant)
    form = ProductForm(typed(request), merchant=found)
    if request.method == "POST" and form.is_valid():
        sku, name = form.cleaned_data["sku"], form.cleaned_data["name"]
        catalog.store(found.pk, [(sku, name)], Product.Origin.HAND, clock.now())
        product = Product.objects.get(merchant=found, sku=sku)
        audit.record(request.user, "product.added", f"{found.name}: {sku}", {"SKU": (None, sku)})
        messages.success(request, f"{sku} is added. Give it the other codes that carts call it by.")
        return redirect("product", request.account.public_id, found.public_id, product.public_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "merchants/product_new.html", {"shown": found, "form": form}, status=status)


@require("merchants.view")
@require_GET
def product(request: AccountRequest, merchant: str, product: str) -> HttpResponse:
    """One product: its levels, its codes, what is ordered of it, what each cart is told and was told last."""
    found, one = _one(request, merchant, product)
    return _page(request, found, one, AliasForm(typed(request), product=one))


@require("merchants.edit")
@require_POST
@once_more
def product_act(request: AccountRequest, merchant: str, product: str, what: str) -> HttpResponseBase:
    """Names a product, gives it another code, takes one away, or removes the product."""
    found, one = _one(request, merchant, product)
    act = {"name": _name, "alias": _add, "unalias": _take, "remove": _remove}.get(what)
    if act is None:
        raise Http404
    return act(request, found, one)


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
@once_more
def products_import(request: AccountRequest, merchant: str, kind: str) -> HttpResponseBase:
    """Products, their other codes, or what was counted, out of a CSV file."""
    found = merchant_or_404(merchant)
    importer = lists.KINDS.get(kind)
    if importer is None or (importer.managed and not found.managed_inventory):
        raise Http404
    above = reverse("products", args=[request.account.public_id, found.public_id])
    way = [*crumbs(request, found), ("Locations & Products", above)]
    return list_pages.importing(request, importer(request, found), {"crumbs": way})


@require("merchants.view")
@require_GET
def products_csv(request: AccountRequest, merchant: str, kind: str) -> HttpResponseBase:
    """The products, their other codes, or the levels, as a file that a spreadsheet opens and the import reads."""
    found = merchant_or_404(merchant)
    rows = _ROWS.get(kind)
    if rows is None:
        raise Http404
    audit.record(request.user, "products.exported", found.name, {"file": (None, kind)})
    listed = catalog.matching(found.pk, search_text(request))
    parts = partial(spreadsheet.parts, listed, "sku")  # a catalog is never in memory as a whole
    return spreadsheet.streamed(request, f"{kind}-{found.code}", FILES[kind], lambda: rows(found, parts()))


def _one(request: AccountRequest, merchant: str, product: str) -> tuple[Merchant, Product]:
    rows = Product.objects.select_related("merchant").filter(merchant__public_id=merchant, public_id=product)
    one = rows.annotate(active_alerts=Alert.active_number()).first()
    if one is None:
        raise Http404
    request.active_alerts = one.active_alerts
    return one.merchant, one


def _page(
    request: AccountRequest, found: Merchant, one: Product, form: AliasForm, status: int = 200, **said: Any
) -> HttpResponse:
    facts = product_facts.of(found, one, clock.now())
    context = {
        "shown": found,
        "product": one,
        "mark": stale.mark(one.name),
        "typed_name": one.name,
        "facts": facts,
        "form": form,
        "kinds": catalog.kinds(found.pk),
        "places": Warehouse.objects.filter(merchant=found).order_by("-is_default", "name"),
        "removable": not facts.aliases and not facts.levels,
        **said,
    }
    return render(request, "merchants/product.html", context, status=status)


def _back(request: AccountRequest, found: Merchant, one: Product) -> HttpResponseBase:
    return redirect("product", request.account.public_id, found.public_id, one.public_id)


def _name(request: AccountRequest, found: Merchant, one: Product) -> HttpResponseBase:
    name = " ".join(request.POST.get("name", "").replace("\x00", "").split())[:200]
    said = stale.said(request.POST, stale.mark(one.name), f"{found.name}: {one.sku}", "product.named")
    if said:
        return _page(request, found, one, AliasForm(product=one), status=422, typed_name=name, **said)
    if name != one.name:
        audit.record(request.user, "product.named", f"{found.name}: {one.sku}", {"Name": (one.name, name)})
        one.name, one.name_key = name, fold(name)
        one.save(update_fields=["name", "name_key"])
        messages.success(request, "Saved.")
    return _back(request, found, one)


def _add(request: AccountRequest, found: Merchant, one: Product) -> HttpResponseBase:
    form = AliasForm(request.POST, product=one)
    if not form.is_valid():
        return _page(request, found, one, form, status=422)
    kind, value, actor = form.cleaned_data["kind"], form.cleaned_data["value"], request.user.email
    try:
        with aliases.changing(found, [value], clock.now(), actor=actor) as went_on:
            catalog.add_alias(one, kind, value)
            audit.record(request.user, "product.alias_added", f"{found.name}: {one.sku}", {kind: (None, value)})
    except catalog.Refused as why:
        form.add_error("value", str(why))
        return _page(request, found, one, form, status=422)
    messages.success(request, f"{value} is {kind} of {one.sku} now.{go_on(went_on.released)}")
    return _back(request, found, one)


def _take(request: AccountRequest, found: Merchant, one: Product) -> HttpResponseBase:
    row = ProductAlias.objects.filter(product=one, public_id=request.POST.get("alias", "")[:12]).first()
    if row is not None:
        with aliases.changing(found, [row.value], clock.now(), actor=request.user.email) as went_on:
            row.delete()
            changes = {row.kind: (row.value, None)}
            audit.record(request.user, "product.alias_removed", f"{found.name}: {one.sku}", changes)
        messages.success(request, f"{row.value} is no code of {one.sku} any more.{go_on(went_on.released)}")
    return _back(request, found, one)


def _remove(request: AccountRequest, found: Merchant, one: Product) -> HttpResponseBase:
    if StockLevel.objects.filter(merchant=found, sku=one.sku).exists() or one.aliases.exists():
        messages.error(request, "It has stock or other codes: a product that is in use is not removed.")
        return _back(request, found, one)
    with aliases.changing(found, [one.sku], clock.now(), actor=request.user.email) as went_on:
        one.delete()
        audit.record(request.user, "product.removed", f"{found.name}: {one.sku}", {"SKU": (one.sku, None)})
    messages.success(request, f"{one.sku} is removed.{go_on(went_on.released)}")
    return redirect(reverse("products", args=[request.account.public_id, found.public_id]))


def _totals(found: Merchant, skus: list[str]) -> dict[str, Any]:
    rows = StockLevel.objects.filter(merchant=found, sku__in=skus, warehouse__enabled=True)
    return dict(rows.order_by().values_list("sku").annotate(Sum("available")))


def _codes(products: Iterable[Product]) -> dict[int, list[ProductAlias]]:
    found: dict[int, list[ProductAlias]] = defaultdict(list)
    for row in ProductAlias.objects.filter(product__in=[one.pk for one in products]).order_by("kind", "value"):
        found[row.product_id].append(row)
    return found


def _product_rows(found: Merchant, parts: Iterable[list[Product]]) -> Iterator[list[object]]:
    for part in parts:
        codes, totals = _codes(part), _totals(found, [one.sku for one in part])
        for one in part:
            also = ", ".join(f"{code.kind} {code.value}" for code in codes.get(one.pk, ()))
            yield [one.sku, one.name, also, plain(totals[one.sku]) if one.sku in totals else ""]


def _alias_rows(found: Merchant, parts: Iterable[list[Product]]) -> Iterator[list[object]]:
    for part in parts:
        codes = _codes(part)
        for one in part:
            for code in codes.get(one.pk, ()):
                yield [one.sku, code.kind, code.value]


def _level_rows(found: Merchant, parts: Iterable[list[Product]]) -> Iterator[list[object]]:
    for part in parts:
        rows = StockLevel.objects.filter(merchant=found, sku__in=[one.sku for one in part])
        for row in rows.select_related("warehouse").order_by("sku", "warehouse__name"):
            on_hand = "" if row.on_hand is None else plain(row.on_hand)
            yield [row.sku, row.warehouse.name, plain(row.available), on_hand, spreadsheet.moment(row.at)]


_ROWS: dict[str, Callable[[Merchant, Iterable[list[Product]]], Iterator[list[object]]]] = {
    "products": _product_rows,
    "aliases": _alias_rows,
    "levels": _level_rows,
}
