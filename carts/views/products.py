"""A cart's products for the WMS: what became of each, trying again, and Product Import, which takes over all once."""

from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views import product_source
from carts.views.lookup import label_of, live_cart_or_404
from integration_manager import trying
from integration_manager.kit import clock
from integration_manager.searched import search_text
from integration_manager.trying import SUSPENDED
from merchants import catalog, schedules
from merchants.models import Service
from orders import product_rows
from orders.connections import cart_class
from orders.models import CartProduct
from orders.services import products

FIRST = "refused"


@require("carts.view")
@require_GET
def cart_products(request: AccountRequest, cart: str) -> HttpResponse:
    """The products of a cart in one state, by the cart's own key: first those that wait for a person."""
    found = cart_or_404(cart)
    rows, states, chosen, text = asked(request, found)
    page = catalog.page(rows, "key", request.GET.get("after", ""), request.GET.get("before", ""))
    context = {
        "cart": found,
        "states": states,
        "state": chosen,
        "text": text,
        "page": page,
        "mended_there": (product_rows.NO_SKU, product_rows.LONG_SKU),
        "again": chosen == FIRST and product_rows.retriable(found).exists(),
        "twice": product_rows.TWICE,
    }
    return render(request, "carts/products.html", context)


def asked(request: AccountRequest, cart: Cart) -> tuple["QuerySet[CartProduct]", list[tuple[str, str, int]], str, str]:
    """What the address asks for: the products; all states with their numbers; the state, the text."""
    counts = product_rows.counted(cart)
    states = [(state.value, state.label, counts[state.value]) for state in CartProduct.State]
    chosen = request.GET.get("state", "")
    if chosen not in counts:
        chosen = next((state for state, _, number in [s for s in states if s[0] == FIRST] + states if number), FIRST)
    text = search_text(request)
    rows: QuerySet[CartProduct] = CartProduct.objects.filter(cart=cart, state=chosen)
    if text:  # exactly, or its beginning: what an index serves
        rows = rows.filter(Q(sku__gte=text, sku__lt=text + chr(0x10FFFF)) | Q(key=text))
    return rows, states, chosen, text


@require("carts.edit")
@require_POST
def cart_products_again(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Sends once more what waits for a person: one product, or all that have a SKU."""
    found, now = cart_or_404(cart), clock.now()
    one = request.POST.get("product", "")
    number = product_rows.try_one_again(found, now, one[:12]) if one else product_rows.try_again(found, now)
    if number:
        schedules.wake(Service.DELIVER, now, merchant_id=found.merchant_id, timed=True)
        audit.record(request.user, "products.tried_again", found.name, {"products": (None, number)})
        messages.success(request, f"{'One product is' if number == 1 else f'{number} products are'} sent once more.")
    else:
        why = "What has no SKU needs one in the shop; what is being sent right now is sent first."
        messages.error(request, f"There is none that could be sent once more. {why}")
    return redirect("cart_products", request.account.public_id, found.public_id)


@require("carts.edit")
@require_http_methods(["GET", "POST"])
def cart_product_import(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Says how many products the cart has; confirmed, all of them are read and what is new goes to the WMS."""
    found = cart_or_404(cart)
    system = cart_class(found)
    if system.uses == "folder":  # its files are read as they come: there is nothing to be asked for
        raise Http404
    context: dict[str, Any] = {"cart": found, "label": label_of(found), **product_source.facts(found)}
    if request.method != "POST":
        return render(request, "carts/product_import.html", context)
    if "confirm" in request.POST:
        return _ask(request, found)
    answer, counted = trying.answer_of(
        system, {**found.options, **found.credentials}, request.account, found.merchant, products.count
    )
    context |= {"answer": answer, "counted": counted, "known": CartProduct.objects.filter(cart=found).count()}
    return render(request, "carts/product_import.html", context, status=200 if counted else 422)


def _ask(request: AccountRequest, cart: Cart) -> HttpResponseBase:
    why = f"{SUSPENDED.title}. {SUSPENDED.text}" if request.account.suspended_at else product_source.impossible(cart)
    if not why:
        try:
            products.ask_import(cart, request.user.email, clock.now())
        except products.Refused as refused:
            why = str(refused)
    if why:
        messages.error(request, why)
        return redirect("cart_product_import", request.account.public_id, cart.public_id)
    audit.record(request.user, "products.imported", cart.name)
    messages.success(request, f"All products of {cart.name} are being read. What is new goes to the WMS.")
    return redirect("cart_product_sync", request.account.public_id, cart.public_id)


def cart_or_404(public_id: str) -> Cart:
    """A cart whose products can be read."""
    found = live_cart_or_404(public_id)
    if not product_source.can(found):
        raise Http404
    return found
