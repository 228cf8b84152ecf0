"""A cart's page: its services, its health, its runs."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views import share, switching
from carts.views.lookup import cart_or_404, label_of, live_cart_or_404, schedules_for, services_and_delivery, today
from integration_manager import runs, service_rows, stale, trying, trying_pages
from integration_manager.kit import clock
from merchants.models import Schedule, Service
from orders import forgetting, pulls
from orders.connections import cart_class


@require("carts.view")
@require_GET
def cart(request: AccountRequest, cart: str) -> HttpResponse:
    """One cart: its services, its health, its last runs."""
    context = _page(request, cart_or_404(cart))
    if request.headers.get("HX-Target") == "progress":
        return render(request, "carts/progress.html", context)
    return render(request, "carts/cart.html", context)


@require("carts.view")
@require_GET
def cart_runs(request: AccountRequest, cart: str) -> HttpResponse:
    """All runs of a cart's services, 50 on a page, newest first."""
    found = cart_or_404(cart)
    page = runs.page(Schedule.objects.filter(cart=found), request.GET.get("until", ""))
    context = {"cart": found, "runs": page.items, "older": page.older, "health": runs.health(page.items), "all": True}
    return render(request, "carts/runs.html", context)


@require("carts.edit")
@require_POST
def cart_test(request: AccountRequest, cart: str) -> HttpResponse:
    """Tests the stored credentials."""
    found = live_cart_or_404(cart)
    values = {**found.options, **found.credentials}
    answer = trying.check(cart_class(found), values, request.account, found.merchant)
    if answer.works:
        trying_pages.let_in_again(cart=found)
    return trying_pages.of_stored(request, answer, "cart", found.public_id)


@require("carts.edit")
@require_POST
def cart_services(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Sets how often the cart's services run."""
    found = live_cart_or_404(cart)
    system = cart_class(found)
    schedules = schedules_for(found, system)
    if stale.overtaken(request.POST, service_rows.mark_of(service_rows.rows(schedules, system.min_every))):
        return render(request, "carts/cart.html", _page(request, found), status=422)
    wanted = switching.chosen(request.POST, schedules, system)
    try:
        changed = switching.switch(found, schedules, wanted, system, request.user)
    except switching.Stopped as why:
        messages.error(request, str(why))
    else:
        messages.success(request, ". ".join(changed) + "." if changed else "Nothing was changed.")
    return redirect("cart", request.account.public_id, found.public_id)


@require("carts.edit")
@require_POST
def cart_service(request: AccountRequest, cart: str, what: str, service: str) -> HttpResponseBase:
    """Runs, pauses or resumes one of the cart's services."""
    found = live_cart_or_404(cart)
    for schedule in schedules_for(found, cart_class(found)):
        if schedule.service == service and what in ("run", "pause", "resume"):
            messages.success(request, service_rows.act(schedule, what, request, found.name))
            return redirect("cart", request.account.public_id, found.public_id)
    raise Http404


def _page(request: AccountRequest, found: Cart) -> dict[str, Any]:
    system = cart_class(found)
    schedules, sends = services_and_delivery(found, system)
    download = next((s for s in schedules if s.service == Service.DOWNLOAD), None)
    purchases = next((s for s in schedules if s.service == Service.PURCHASES), None)
    last = runs.last_runs(schedules)
    rows = service_rows.rows(schedules, system.min_every)
    mark = service_rows.mark_of(rows)
    service_rows.fill(rows, request.POST)
    return {
        "cart": found,
        "label": label_of(found),
        "on": switching.is_on(schedules),
        "rows": rows,
        "mark": mark,
        "runs": last,
        "health": runs.health(last),
        "failures": runs.failures(last),
        "pull": pulls.pull_of(download, clock.now()),
        "can_repull": bool(download and download.every) and system.uses != "folder",
        "can_pull_purchases": bool(purchases and purchases.every) and system.uses != "folder",
        "today": today(request.account),
        "sends": sends,
        "share_url": share.address(request.account, found, system),
        "personal_days": forgetting.days_of(found.system),
        **stale.said(request.POST, mark, found.name, "service.changed"),
    }
