"""View Product Sync: what a cart is told of each product, what it was told last, and why it is not told."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views import product_source
from carts.views.lookup import live_cart_or_404
from integration_manager import spreadsheet, tenancy
from integration_manager.kit import clock
from merchants import catalog
from merchants.models import Product, Schedule, Service
from merchants.offers import ZERO, plain
from merchants.services import services_of
from orders import product_facts, product_rows
from orders.connections import cart_class
from orders.models import CartProduct
from orders.product_facts import NEVER, REFUSED, SKIPPED, Told
from orders.services import products

BATCH = 500
HEAD = [
    "SKU", "Inventory Enabled", "Last Cart Sync Date (UTC)", "WMS SKU", "Available in all warehouses",
    "To be told", "Told last", "Why",
]  # fmt: skip


@require("carts.view")
@require_GET
def product_sync(request: AccountRequest, cart: str) -> HttpResponse:
    """The products of the cart's merchant, by SKU."""
    found = live_cart_or_404(cart, request)
    text = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    products = catalog.matching(found.merchant_id, text)
    page = catalog.page(products, "sku", request.GET.get("after", ""), request.GET.get("before", ""))
    there, told = product_facts.of_cart(found, [one.sku for one in page.items], clock.now())
    ids = {one.sku: one.public_id for one in page.items}
    both = Schedule.objects.filter(cart=found, service__in=(Service.UPLOAD_INVENTORY, Service.PRODUCTS))
    schedules = {schedule.service: schedule for schedule in both}
    context = {
        "cart": found,
        "shown": found.merchant,
        "page": page,
        "rows": [_row(one, there, ids) for one in told],
        "text": text,
        "service": schedules.get(Service.UPLOAD_INVENTORY),
        "to_wms": _to_wms(request, found, schedules.get(Service.PRODUCTS)),
        "takes": bool(services_of(cart_class(found), [Service.UPLOAD_INVENTORY])),
    }
    return render(request, "carts/product_sync.html", context)


@require("carts.view")
@require_GET
def product_sync_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The same for all products, as a file."""
    found = live_cart_or_404(cart)
    audit.record(request.user, "cart.product_sync_exported", found.name)
    pieces = tenancy.stream(request.account.pk, request.merchants, lambda: spreadsheet.lines(HEAD, _lines(found)))
    answer = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="product-sync-{found.public_id}-{clock.now():%Y-%m-%d}.csv"'
    return answer


def _to_wms(request: AccountRequest, cart: Cart, schedule: Schedule | None) -> dict[str, Any] | None:
    """What goes the other way: its products to the WMS."""
    if not product_source.can(cart):
        return None
    state = schedule.state if schedule else {}
    counts = product_rows.counted(cart)
    return {
        "schedule": schedule,
        "import": cart_class(cart).uses != "folder",
        "importing": state.get(products.IMPORT) if schedule and schedule.next_run else None,
        "imported": state.get(products.IMPORTED),
        "states": [
            (one.value, one.label, counts[one.value], f"{_products_url(request, cart)}?state={one.value}")
            for one in CartProduct.State
        ],
    }


def _products_url(request: AccountRequest, cart: Cart) -> str:
    return reverse("cart_products", args=[request.account.public_id, cart.public_id])


def enabled(told: Told) -> str:
    """Whether the cart keeps count of it, as far as it has said."""
    return {NEVER: "Not known", SKIPPED: "No"}.get(told.result, "Yes")


def _row(told: Told, there: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    counted = there.get(told.offer.sku)
    return {
        "told": told,
        "product": ids[told.offer.sku],
        "enabled": enabled(told),
        "places": counted.places if counted else (),
    }


def _lines(cart: Cart) -> Iterator[list[str]]:
    """Read in parts by SKU: a catalog is never in memory as a whole."""
    last = ""
    while True:
        part = Product.objects.filter(merchant=cart.merchant_id, sku__gt=last).order_by("sku")
        skus = list(part.values_list("sku", flat=True)[:BATCH])
        if not skus:
            return
        there, told = product_facts.of_cart(cart, skus, clock.now())
        for one in told:
            counted, sent = there.get(one.offer.sku), one.last
            synced = sent is not None and one.result not in (NEVER, SKIPPED)
            there_now = sum((p.available for p in counted.places if p.enabled), start=ZERO) if counted else None
            why = sent.error if sent is not None and one.result == REFUSED else one.offer.sentence
            yield [
                one.offer.code,
                enabled(one),
                f"{sent.sent_at:%Y-%m-%d %H:%M:%S}" if synced and sent is not None and sent.sent_at else "NEVER",
                one.offer.sku,
                "" if there_now is None else plain(there_now),
                plain(one.offer.quantity) if one.offer.told else "",
                plain(sent.quantity) if sent is not None and synced and sent.quantity is not None else "",
                why,
            ]
        last = skus[-1]
