"""Setting up a cart: a new one, and changing one. Services are set in their section, and started last."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import audit, reauth
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.forms import CartForm
from carts.models import Cart
from carts.views import product_source, share, switching
from carts.views.adding import add
from carts.views.consent import Consent
from carts.views.leaving import leave
from carts.views.lookup import (
    live_cart_or_404,
    merchant_of_query,
    schedules_for,
    services_of_cart,
    to_archived,
    today,
)
from integration_manager import kept, service_rows, stale, trying, trying_pages
from integration_manager.connector_form import ConnectorForm
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from integration_manager.mapping.owner import Owner
from integration_manager.systems import system_or_404
from merchants.models import Merchant, Schedule, Service
from orders import cart_settings
from orders.connections import cart_class
from orders.services import products, purchase_orders


@require("carts.edit")
@require_http_methods(["GET", "POST"])
def cart_new(request: AccountRequest, system: str) -> HttpResponse:
    """Sets up a new cart of one system. It is stored once the system lets us in."""
    found = system_or_404("cart", system)
    merchant = merchant_of_query(request.GET.get("merchant", ""))
    if merchant.archived_at is not None:
        return to_archived(request, merchant)
    cart = Cart(merchant=merchant, system=system)
    consent = Consent(request, found, cart)
    typed = {name: text for name, text in consent.typed.items() if name in CartForm.Meta.fields}
    form = CartForm(kept.typed(request), instance=cart, today=today(request.account))
    form.initial.update(typed)
    formats = Owner(request.account, merchant)
    values = ConnectorForm(found, "account", consent.stored({}), kept.typed(request), formats=formats)
    context = _context(request, cart, found, form, values) | {"consent": consent}
    if request.method != "POST":
        return _render(request, context)
    if "grant" in request.POST:
        return _leave(request, context, values, cart)
    if "test" in request.POST:
        return _test(request, context, values, consent, merchant)
    if form.is_valid() & values.is_valid() and consent.fits(values):
        if not reauth.is_recent(request):
            return reauth.ask(request)
        answer = trying.check(found, values.values() | consent.credentials(values), request.account, merchant)
        context["answer"] = answer
        if answer.works:
            cart.credentials, cart.options = values.credentials() | consent.credentials(values), values.options()
            cart.public_id = public_id()
            cart.shop = answer.identity or cart.public_id
            try:
                taken = add(cart)
            except product_source.Taken as why:
                form.add_error("sync_products", str(why))
                return _render(request, context, status=422)
            if taken is None:
                if cart.sync_products:
                    products.switched(cart, on=True, now=clock.now())
                if cart.sync_purchases:
                    purchase_orders.switched(cart, on=True, now=clock.now())
                consent.attach(cart)
                audit.record(request.user, "cart.added", f"{cart.name} ({found.label})")
                _services(request, cart, found, f"{cart.name} is connected.")
                return redirect("cart", request.account.public_id, cart.public_id)
            context["taken"] = taken
    return _render(request, context, status=422)


@require("carts.edit")
@require_http_methods(["GET", "POST"])
def cart_edit(request: AccountRequest, cart: str) -> HttpResponse:
    """Changes a cart's settings and credentials."""
    found = live_cart_or_404(cart)
    system = cart_class(found)
    before = _plain(found)
    consent = Consent(request, system, found)
    form = CartForm(kept.typed(request), instance=found, today=today(request.account))
    stored = {**found.options, **found.credentials}
    formats = Owner(request.account, found.merchant)
    values = ConnectorForm(system, "account", stored, kept.typed(request), formats=formats)
    now = _mark(found, system)
    context = _context(request, found, system, form, values) | {"cart": found, "mark": now, "consent": consent}
    if request.method != "POST":
        return _render(request, context)
    if "grant" in request.POST:
        if found.merchant.archived_at is not None:
            return to_archived(request, found.merchant)
        return _leave(request, context, values, found)
    if "test" in request.POST:
        return _test(request, context, values, consent, found.merchant)
    if stale.overtaken(request.POST, now):
        context |= {"overtaken": True, "last_change": stale.last_change(found.name)}
    elif form.is_valid() & values.is_valid() and consent.fits(values):
        credentials = values.credentials() | consent.credentials(values)
        changed, now_set = values.has_changed(), values.values() | consent.credentials(values)
        if values.changes_credentials() and not reauth.is_recent(request):
            return reauth.ask(request)
        answer = trying.check(system, now_set, request.account, found.merchant) if changed else None
        context["answer"] = answer
        if answer is None or (answer.works and answer.identity in (None, found.shop)):
            found.credentials, found.options = credentials, values.options()
            try:
                in_time = _store(found, now, request.user.email, connected_anew=changed)
            except product_source.Taken as why:
                form.add_error("sync_products", str(why))
                return _render(request, context, status=422)
            if not in_time:
                context |= {"overtaken": True, "last_change": stale.last_change(before["name"])}
                return _render(request, context, status=422)
            if changed:
                trying_pages.let_in_again(cart=found)
            changes = audit.difference(before, _plain(found)) | values.changes()
            if changes:
                audit.record(request.user, "cart.changed", found.name, changes)
            _services(request, found, system, "Saved.")
            return redirect("cart", request.account.public_id, found.public_id)
        context["other_shop"] = answer.works
    return _render(request, context, status=422)


def _mark(cart: Cart, system: type[Connector]) -> str:
    """A mark of what the form is made of."""
    rows = switching.planned_rows(cart, schedules_for(cart, system), system)
    return stale.mark(_plain(cart), cart.options, cart.credentials, service_rows.mark_of(rows))


def _store(cart: Cart, mark: str, actor: str, *, connected_anew: bool) -> bool:
    """Writes what was set, with what that means for orders and stock. `connected_anew`: its own fields are others.

    False where somebody changed or deleted the cart while its shop was being asked. Raises Taken.
    """
    with transaction.atomic():
        stored = Cart.objects.select_for_update(no_key=True).filter(pk=cart.pk, archived_at__isnull=True).first()
        if stored is None or _mark(stored, cart_class(stored)) != mark:
            return False
        if cart.sync_products:
            product_source.claim(cart)
        cart.save(update_fields=[*CartForm.Meta.fields, "credentials", "options"])
        cart_settings.follow(cart, _plain(stored), clock.now(), actor)
        if connected_anew:
            cart_settings.tell_all_stock(cart, clock.now())
    return True


def _render(request: AccountRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    response = render(request, "carts/setup.html", context, status=status)
    if context["consent"].offered:  # a window that our script opens for the consent page stays ours
        response["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
    return response


def _leave(request: AccountRequest, context: dict[str, Any], values: ConnectorForm, cart: Cart) -> HttpResponse:
    """To the system's consent page, where there is one."""
    if context["consent"].offered:
        if not reauth.is_recent(request):
            return reauth.ask(request)
        said = leave(request, values, cart.merchant, cart if cart.pk else None)
        if isinstance(said, HttpResponse):
            return said
        context["not_left"] = said
    return _render(request, context, status=422)


def _plain(cart: Cart) -> dict[str, Any]:
    """The settings that are the same for every cart, for the record."""
    return {name: getattr(cart, name) for name in CartForm.Meta.fields}


def _context(
    request: AccountRequest, cart: Cart, system: type[Connector], form: CartForm, values: ConnectorForm
) -> dict[str, Any]:
    schedules = schedules_for(cart, system) if cart.pk else _unstored(cart, system)
    rows = switching.planned_rows(cart, schedules, system)
    service_rows.fill(rows, request.POST)
    return {
        "label": system.label,
        "guide": system.guide,
        "form": form,
        "values": values,
        "shown": cart.merchant,
        "share_url": share.address(request.account, cart, system),
        "cart": None,
        "rows": rows,
        "on": switching.is_on(schedules),
    }


def _unstored(cart: Cart, system: type[Connector]) -> list[Schedule]:
    return [Schedule(merchant=cart.merchant, service=service) for service in services_of_cart(cart, system)]


def _services(request: AccountRequest, cart: Cart, system: type[Connector], said: str) -> None:
    """Does with the services what the button said: they start, or their choices are kept; and says all that."""
    schedules = schedules_for(cart, system)
    wanted = switching.chosen(request.POST, schedules, system)
    for schedule in schedules:  # just switched on: its row was not in the form yet
        if schedule.service in (Service.PRODUCTS, Service.PURCHASES) and not schedule.every:
            wanted.setdefault(schedule.service, switching.suggested(Service(schedule.service), system))
    if "on" in request.POST or switching.is_on(schedules):
        try:
            changed = switching.switch(cart, schedules, wanted, system, request.user)
        except switching.Stopped as why:
            messages.warning(request, f"{said} {why}")
        else:
            messages.success(request, " ".join([said, *(f"{words}." for words in changed)]))
        return
    switching.plan(cart, wanted)
    messages.success(request, f"{said} Its services are off: look at a preview, then switch them on.")


def _test(
    request: AccountRequest, context: dict[str, Any], values: ConnectorForm, consent: Consent, merchant: Merchant
) -> HttpResponse:
    def check(typed: dict[str, Any]) -> trying.Answer:
        if not consent.fits(values):
            return trying.Answer(False, "Access was not granted for this", "Press Grant API Access.")
        return trying.check(values.system, typed | consent.credentials(values), request.account, merchant)

    return trying_pages.of_form(request, "carts/setup.html", context, values, check)
