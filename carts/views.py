"""Carts: list, gallery of systems, setup, page, services."""

from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.activation import keep_activation
from carts.forms import CartForm
from carts.models import Cart
from integration_manager import runs, service_rows, trying, trying_pages
from integration_manager.connector_form import ConnectorForm
from integration_manager.context import chosen_merchant
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from integration_manager.systems import offered, system_or_404
from merchants.models import Merchant, Schedule
from merchants.schedules import CART_SERVICES
from merchants.services import schedules_of, services_of
from merchants.views import merchant_or_404
from orders.connections import cart_class

MOST = 500


@require("carts.view")
@require_GET
def carts(request: AccountRequest) -> HttpResponse:
    """All carts, with how they fare."""
    rows = Cart.objects.filter(archived_at__isnull=True).select_related("merchant")
    merchant = chosen_merchant(request)()
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    found = list(rows.order_by("merchant__name", "name")[:MOST])
    by_cart: dict[int, list[Schedule]] = {}
    for schedule in Schedule.objects.filter(cart__in=[cart.pk for cart in found], every__gt=0):
        by_cart.setdefault(schedule.cart_id, []).append(schedule)
    for cart in found:
        mine = by_cart.get(cart.pk, [])
        cart.label = _label(cart)
        cart.on = len(mine)
        cart.ill = next((s for s in mine if s.paused or s.failures), None)
        cart.ran_at = max((s.finished_at for s in mine if s.finished_at), default=None)
    return render(request, "carts/list.html", {"carts": found, "has_merchants": Merchant.objects.exists()})


@require("carts.edit")
@require_GET
def cart_gallery(request: AccountRequest) -> HttpResponse:
    """The systems to choose from."""
    text = request.GET.get("q", "").strip()[:60]
    systems = [system for system in offered("cart") if text.casefold() in str(system["label"]).casefold()]
    merchants = list(Merchant.objects.order_by("name")[:MOST])
    chosen = chosen_merchant(request)() or (merchants[0] if len(merchants) == 1 else None)
    context = {"systems": systems, "text": text, "merchants": merchants, "chosen": chosen}
    return render(request, "carts/gallery.html", context)


@require("carts.edit")
@require_http_methods(["GET", "POST"])
def cart_new(request: AccountRequest, system: str) -> HttpResponse:
    """Sets up a new cart of one system. It is stored once the system lets us in."""
    found = system_or_404("cart", system)
    merchant = merchant_or_404(request.GET.get("merchant", ""))
    cart = Cart(merchant=merchant, system=system)
    form = CartForm(request.POST or None, instance=cart)
    values = ConnectorForm(found, "account", {}, request.POST or None)
    context = _context(found, form, values) | {"shown": merchant, "cart": None}
    if request.method != "POST":
        return render(request, "carts/setup.html", context)
    if "test" in request.POST:
        return _test(request, context, values, merchant)
    if form.is_valid() & values.is_valid():
        answer = trying.check(found, values.values(), request.account, merchant)
        context["answer"] = answer
        if answer.works:
            cart.credentials, cart.options = values.credentials(), values.options()
            cart.public_id = public_id()
            cart.shop = answer.identity or cart.public_id
            first = _add(cart)
            if first is None:
                audit.record(request.user, "cart.added", f"{cart.name} ({found.label})")
                messages.success(request, f"{cart.name} is connected. Switch its services on when you are ready.")
                return redirect("cart", request.account.public_id, cart.public_id)
            context["already"] = first
    return render(request, "carts/setup.html", context, status=422)


@require("carts.view")
@require_GET
def cart(request: AccountRequest, cart: str) -> HttpResponse:
    """One cart: its services, its health, its last runs."""
    found = cart_or_404(cart)
    system = cart_class(found)
    schedules = _schedules(found, system)
    last = runs.last_runs(schedules)
    context = {
        "cart": found,
        "label": system.label,
        "rows": service_rows.rows(schedules, system.min_every),
        "runs": last,
        "health": runs.health(last),
    }
    return render(request, "carts/cart.html", context)


@require("carts.edit")
@require_http_methods(["GET", "POST"])
def cart_edit(request: AccountRequest, cart: str) -> HttpResponse:
    """Changes a cart's settings and credentials."""
    found = cart_or_404(cart)
    system = cart_class(found)
    stored = {**found.options, **found.credentials}
    before = {"name": found.name, "source": found.order_source, "from": found.earliest_order_date}
    form = CartForm(request.POST or None, instance=found)
    values = ConnectorForm(system, "account", stored, request.POST or None)
    context = _context(system, form, values) | {"shown": found.merchant, "cart": found}
    if request.method != "POST":
        return render(request, "carts/setup.html", context)
    if "test" in request.POST:
        return _test(request, context, values, found.merchant)
    if form.is_valid() & values.is_valid():
        credentials = values.credentials()
        changed = values.has_changed()
        answer = trying.check(system, values.values(), request.account, found.merchant) if changed else None
        context["answer"] = answer
        if answer is None or (answer.works and answer.identity in (None, found.shop)):
            found.credentials, found.options = credentials, values.options()
            form.save()
            trying_pages.let_in_again(cart=found)
            after = {"name": found.name, "source": found.order_source, "from": found.earliest_order_date}
            audit.record(request.user, "cart.changed", found.name, audit.difference(before, after) | values.changes())
            messages.success(request, "Saved.")
            return redirect("cart", request.account.public_id, found.public_id)
        context["other_shop"] = answer.works
    return render(request, "carts/setup.html", context, status=422)


@require("carts.edit")
@require_POST
def cart_test(request: AccountRequest, cart: str) -> HttpResponse:
    """Tests the stored credentials."""
    found = cart_or_404(cart)
    values = {**found.options, **found.credentials}
    answer = trying.check(cart_class(found), values, request.account, found.merchant)
    if answer.works:
        trying_pages.let_in_again(cart=found)
    return trying_pages.of_stored(request, answer, "cart", found.public_id)


@require("carts.edit")
@require_POST
def cart_services(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Sets how often the cart's services run."""
    found = cart_or_404(cart)
    system = cart_class(found)
    changed = service_rows.save(_schedules(found, system), request.POST, system.min_every, request.user, found.name)
    keep_activation(found, clock.now())
    messages.success(request, ". ".join(changed) + "." if changed else "Nothing was changed.")
    return redirect("cart", request.account.public_id, found.public_id)


@require("carts.edit")
@require_POST
def cart_service(request: AccountRequest, cart: str, what: str, service: str) -> HttpResponseBase:
    """Runs, pauses or resumes one of the cart's services."""
    found = cart_or_404(cart)
    for schedule in _schedules(found, cart_class(found)):
        if schedule.service == service and what in ("run", "pause", "resume"):
            messages.success(request, service_rows.act(schedule, what, request, found.name))
            return redirect("cart", request.account.public_id, found.public_id)
    raise Http404


def cart_or_404(public_id: str) -> Cart:
    """The cart with this id, where the user may see it."""
    found = Cart.objects.select_related("merchant").filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


def _label(cart: Cart) -> str:
    try:
        return cart_class(cart).label
    except KeyError:
        return cart.system


def _schedules(cart: Cart, system: type[Connector]) -> list[Schedule]:
    found = schedules_of(cart.merchant, cart.pk, services_of(system, CART_SERVICES))
    for schedule in found:
        schedule.cart = cart
    return found


def _context(system: type[Connector], form: CartForm, values: ConnectorForm) -> dict[str, Any]:
    return {"label": system.label, "guide": system.guide, "form": form, "values": values}


def _test(request: AccountRequest, context: dict[str, Any], values: ConnectorForm, merchant: Merchant) -> HttpResponse:
    def check(typed: dict[str, Any]) -> trying.Answer:
        return trying.check(values.system, typed, request.account, merchant)

    return trying_pages.of_form(request, "carts/setup.html", context, values, check)


def _add(cart: Cart) -> Cart | None:
    """Stores a new cart; answers the one that has the same shop connected already, if any."""
    first = Cart.objects.filter(system=cart.system, shop=cart.shop, archived_at__isnull=True).first()
    if first is not None:
        return first
    number = Cart.objects.filter(merchant=cart.merchant).aggregate(last=Max("number"))["last"] or 0
    cart.number = number + 1
    try:
        with transaction.atomic():
            cart.save()
    except IntegrityError:  # another page was quicker
        return Cart.objects.filter(system=cart.system, shop=cart.shop).first() or cart
    return None
