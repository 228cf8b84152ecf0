"""View Product Sync: what a cart is told of each product, what it was told last, and why it is not told.

And which products of the WMS were created in it, when, and which it does not take.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views import product_source
from carts.views.lookup import live_cart_or_404
from integration_manager import spreadsheet
from integration_manager.kit import clock
from integration_manager.searched import search_text
from merchants import catalog, schedules
from merchants.models import Product, Schedule, Service
from merchants.offers import ZERO, plain
from merchants.services import services_of
from orders import listings, product_facts
from orders.connections import cart_class
from orders.models import CartListing, CartProduct
from orders.product_facts import NEVER, REFUSED, SKIPPED, Told
from orders.services import products

HEAD = [
    "SKU", "Inventory Enabled", "Last Cart Sync Date (UTC)", "WMS SKU", "Available in all warehouses",
    "To be told", "Told last", "Why", "Created in the cart (UTC)", "Not created",
]  # fmt: skip

SHOWN = 20  # of those that the cart has refused


@require("carts.view")
@require_GET
def product_sync(request: AccountRequest, cart: str) -> HttpResponse:
    """The products of the cart's merchant, by SKU."""
    found = live_cart_or_404(cart, request)
    text = search_text(request)
    products = catalog.matching(found.merchant_id, text)
    page = catalog.page(products, "sku", request.GET.get("after", ""), request.GET.get("before", ""))
    there, told = product_facts.of_cart(found, [one.sku for one in page.items], clock.now())
    ids = {one.sku: one.public_id for one in page.items}
    to_wms, to_cart, new = listings.both_ways(found, [one.offer.code for one in told], SHOWN)
    both = Schedule.objects.filter(cart=found, service__in=(Service.UPLOAD_INVENTORY, Service.PRODUCTS))
    runs = {schedule.service: schedule for schedule in both}
    context = {
        "cart": found,
        "shown": found.merchant,
        "page": page,
        "rows": [{**_row(one, there, ids), "listing": new.get(one.offer.code)} for one in told],
        "listed": _listed(found, to_cart),
        "refused": [one for one in new.values() if one.state == CartListing.State.REFUSED][:SHOWN],
        "text": text,
        "service": runs.get(Service.UPLOAD_INVENTORY),
        "to_wms": _to_wms(request, found, runs.get(Service.PRODUCTS), to_wms),
        "takes": bool(services_of(cart_class(found), [Service.UPLOAD_INVENTORY])),
    }
    return render(request, "carts/product_sync.html", context)


@require("carts.view")
@require_GET
def product_sync_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The same for all products, or those that are searched for, as a file."""
    found = live_cart_or_404(cart)
    audit.record(request.user, "cart.product_sync_exported", found.name)
    rows = catalog.matching(found.merchant_id, search_text(request))
    return spreadsheet.streamed(request, f"product-sync-{found.public_id}", HEAD, lambda: _lines(found, rows))


def _to_wms(
    request: AccountRequest, cart: Cart, schedule: Schedule | None, counts: dict[str, int]
) -> dict[str, Any] | None:
    """What goes the other way: its products to the WMS."""
    if not product_source.can(cart):
        return None
    state = schedule.state if schedule else {}
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


def _listed(cart: Cart, counts: dict[str, int]) -> dict[str, Any] | None:
    """Products of the WMS that the cart did not have: where it can be told of any."""
    if not product_source.listed(cart):
        return None
    return {
        **counts,
        "any": any(counts.values()),
        "on": listings.is_on(cart),
        "by_files": cart_class(cart).uses == "folder",
    }


@require("carts.edit")
@require_POST
def cart_listings_again(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Sends once more what the cart did not take of the WMS's products, or all that was created there."""
    found, now = live_cart_or_404(cart), clock.now()
    if not product_source.listed(found):
        raise Http404
    number = listings.all_again(found, now) if "all" in request.POST else listings.try_again(found, now)
    if number:
        schedules.wake(Service.UPLOAD_INVENTORY, now, cart_ids=[found.pk], timed=True)
        audit.record(request.user, "listings.tried_again", found.name, {"products": (None, number)})
        words = "One product is" if number == 1 else f"{number} products are"
        messages.success(request, f"{words} sent to the cart once more, with the next Inventory Upload.")
    else:
        messages.error(request, "There is none to send.")
    return redirect("cart_product_sync", request.account.public_id, found.public_id)


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


def _lines(cart: Cart, rows: "QuerySet[Product]") -> Iterator[list[str]]:
    """Read in parts by SKU: a catalog is never in memory as a whole."""
    for part in spreadsheet.parts(rows.only("account", "sku"), "sku"):
        there, told = product_facts.of_cart(cart, [one.sku for one in part], clock.now())
        new = listings.by_code(cart, [one.offer.code for one in told])
        for one in told:
            made = new.get(one.offer.code)
            counted, sent = there.get(one.offer.sku), one.last
            synced = sent is not None and one.result not in (NEVER, SKIPPED)
            there_now = sum((p.available for p in counted.places if p.enabled), start=ZERO) if counted else None
            why = sent.error if sent is not None and one.result == REFUSED else one.offer.sentence
            yield [
                one.offer.code,
                enabled(one),
                (spreadsheet.moment(sent.sent_at) if synced and sent is not None else "") or "NEVER",
                one.offer.sku,
                "" if there_now is None else plain(there_now),
                plain(one.offer.quantity) if one.offer.told else "",
                plain(sent.quantity) if sent is not None and synced and sent.quantity is not None else "",
                why,
                spreadsheet.moment(made.sent_at) if made and not made.found else "",
                made.error_message if made and made.state == CartListing.State.REFUSED else "",
            ]
