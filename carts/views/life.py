"""A cart's life: switched off and on, deleted and restored, and orders read again from a date."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.forms import RepullForm
from carts.models import Cart
from carts.views import switching
from carts.views.golive import golive_page
from carts.views.lookup import cart_or_404, live_cart_or_404, schedules_for, today
from integration_manager import service_rows, stale
from integration_manager.kit import clock
from integration_manager.trying import SUSPENDED
from merchants.models import Merchant, Service
from orders import causes, listings, pulls
from orders.connections import cart_class
from orders.leftover import of_cart
from orders.services import dry_run, products, purchase_orders
from orders.services.download import beginning


@require("carts.edit")
@require_POST
def cart_on(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Switches the services on: as chosen in the form, else as they were planned."""
    found = live_cart_or_404(cart)
    system = cart_class(found)
    schedules = schedules_for(found, system)
    rows = switching.planned_rows(found, schedules, system)
    said = stale.said(request.POST, service_rows.mark_of(rows), found.name, "service.changed")
    if said:
        return golive_page(request, found, **said)
    planned = {row.schedule.service: row.value for row in rows}
    wanted = {**planned, **switching.chosen(request.POST, schedules, system)}
    changed, stopped = [], ""
    try:
        changed = switching.switch(found, schedules, wanted, system, request.user)
    except switching.Stopped as why:
        stopped = str(why)
    if stopped:
        messages.error(request, stopped)
    elif changed:
        messages.success(request, f"{found.name} is on. {'. '.join(changed)}.")
    elif switching.is_on(schedules_for(found, system)):
        messages.success(request, f"{found.name} is on already.")
    else:
        messages.error(request, "Nothing was switched on: choose how often at least one service runs.")
    return redirect("cart", request.account.public_id, found.public_id)


@require("carts.edit")
@require_POST
def cart_off(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Disables a cart: all services off, which frees its licence. Settings and orders stay."""
    found = live_cart_or_404(cart)
    system = cart_class(found)
    products.forget_import(found)
    if switching.switch_off(found, schedules_for(found, system), system, request.user):
        audit.record(request.user, "cart.disabled", found.name)
        messages.success(request, f"{found.name} is disabled: nothing is loaded from it or sent to it.")
    else:
        messages.success(request, f"{found.name} is disabled already.")
    return redirect("cart", request.account.public_id, found.public_id)


@require("carts.edit")
@require_http_methods(["GET", "POST"])
def cart_delete(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Says what deleting a cart means for its orders, in numbers; and deletes it. Its history stays."""
    found = cart_or_404(cart)
    if found.archived_at is not None:
        messages.success(request, f"{found.name} is deleted already.")
        return redirect("cart", request.account.public_id, found.public_id)
    if request.method != "POST":
        return render(request, "carts/delete.html", {"cart": found, "left": of_cart(found)})
    system = cart_class(found)
    dry_run.stop(found, clock.now())
    with transaction.atomic():
        Cart.objects.select_for_update(no_key=True).get(pk=found.pk)  # first the cart, then its merchant
        Merchant.objects.select_for_update(no_key=True).get(pk=found.merchant_id)  # nobody switches it on meanwhile
        switching.switch_off(found, schedules_for(found, system), system, request.user)
        products.switched(found, on=False, now=clock.now())
        if found.sync_purchases:
            purchase_orders.switched(found, on=False, now=clock.now())
        listings.switched_off(found, clock.now())
        off = {"sync_products": False, "list_products": False, "sync_purchases": False}
        Cart.objects.filter(pk=found.pk).update(archived_at=clock.now(), **off)
        audit.record(request.user, "cart.deleted", found.name)
    messages.success(request, f"{found.name} is deleted. Its orders stay; it can be restored among the deleted carts.")
    return redirect("carts", request.account.public_id)


@require("carts.edit")
@require_POST
def cart_restore(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Brings a deleted cart back, switched off."""
    found = cart_or_404(cart)
    try:
        with transaction.atomic():
            done = Cart.objects.filter(pk=found.pk, archived_at__isnull=False).update(archived_at=None)
            if done:
                causes.bring_back(found.merchant_id, clock.now())
    except IntegrityError:
        messages.error(request, "Its shop is connected by another cart meanwhile. Delete that one first.")
    else:
        if done:
            audit.record(request.user, "cart.restored", found.name)
        messages.success(request, f"{found.name} is back. Its services are off.")
    return redirect("cart", request.account.public_id, found.public_id)


@require("carts.edit")
@require_POST
def cart_repull(request: AccountRequest, cart: str) -> HttpResponse:
    """Reads orders again from a date on; those that we have are recognised."""
    return _pull(request, live_cart_or_404(cart), Service.DOWNLOAD)


@require("carts.edit")
@require_POST
def cart_purchases_pull(request: AccountRequest, cart: str) -> HttpResponse:
    """Reads purchase orders from a date on: those too that were open before they were switched on."""
    return _pull(request, live_cart_or_404(cart), Service.PURCHASES)


def _pull(request: AccountRequest, found: Cart, service: Service) -> HttpResponse:
    system = cart_class(found)
    form = RepullForm(request.POST)
    schedule = next((s for s in schedules_for(found, system) if s.service == service), None)
    if request.account.suspended_at:
        refused = f"{SUSPENDED.title}. {SUSPENDED.text}"
    elif system.uses == "folder":
        refused = "This system gives files, which are read once. Put the file there again instead."
    elif schedule is None:
        refused = f"{service.label} is off. Switch it on first."
    elif not form.is_valid():
        refused = "Choose a day."
    else:
        day = form.cleaned_data["day"]
        refused = pulls.refusal(schedule, day, found.earliest_order_date, today(request.account))
        if not refused:
            since = beginning(day, request.account.timezone)
            if service == Service.PURCHASES:
                purchase_orders.take_over(schedule, since, clock.now())
            else:
                pulls.repull(schedule, since, request.user.email, clock.now())
            verb = "cart.purchases_pulled" if service == Service.PURCHASES else "cart.repulled"
            audit.record(request.user, verb, found.name, {"from": (None, day)})
    if refused:
        messages.error(request, refused)
    elif service == Service.PURCHASES:
        messages.success(request, f"Purchase orders that are open, and changed since {day:%d %b %Y}, are read now.")
    else:
        messages.success(request, f"All that changed since {day:%d %b %Y} is read again. Nothing is loaded twice.")
    return redirect("cart", request.account.public_id, found.public_id)
