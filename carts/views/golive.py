"""The day of the change-over: from when on orders count, what would be sent, what is handled already, then on."""

import contextlib
from typing import Any

from django.contrib import messages
from django.core import signing
from django.db.models import Count
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.forms import EarliestForm
from carts.models import Cart, DryOrder, DryRun
from carts.views import switching
from carts.views.lookup import label_of, live_cart_or_404, services_and_delivery, to_archived
from integration_manager import service_rows, stale
from integration_manager.kit import clock
from integration_manager.trying import SUSPENDED
from orders.connections import cart_class
from orders.services import dry_run

PAGE = 50
SALT = "dry-run"
V = DryOrder.Verdict


@require("carts.edit")
@require_GET
def cart_golive(request: AccountRequest, cart: str) -> HttpResponse:
    """Everything for going live, on one page."""
    return golive_page(request, live_cart_or_404(cart))


def golive_page(request: AccountRequest, found: Cart, **said: Any) -> HttpResponse:
    """The page, or what of it is asked for. `said`: what it says where somebody else has changed it meanwhile."""
    dry = DryRun.objects.filter(cart=found).order_by("-pk").first()
    if dry is not None and dry.state == DryRun.State.RUNNING:
        dry_run.hint(dry.pk, request.account.pk)  # should its message have been lost; else it does nothing
    context: dict[str, Any] = {"cart": found, "dry": dry, "numbers": _numbers(dry)}
    if request.headers.get("HX-Target") == "dry-run":
        return render(request, "carts/dry_run.html", context | _listed(request, dry))
    system = cart_class(found)
    schedules, sends = services_and_delivery(found, system)
    rows = switching.planned_rows(found, schedules, system)
    mark = service_rows.mark_of(rows)
    service_rows.fill(rows, request.POST)
    context |= _listed(request, dry) | {
        "label": label_of(found),
        "form": EarliestForm(instance=found),
        "day_mark": stale.mark(found.earliest_order_date),
        "rows": rows,
        "mark": mark,
        "on": switching.is_on(schedules),
        "sends": sends,
    }
    return render(request, "carts/golive.html", context | said, status=422 if said else 200)


@require("carts.edit")
@require_POST
def cart_earliest(request: AccountRequest, cart: str) -> HttpResponse:
    """Sets the Earliest Order Date."""
    found = live_cart_or_404(cart)
    before = found.earliest_order_date
    form, mark = EarliestForm(request.POST, instance=found), stale.mark(before)
    if stale.overtaken(request.POST, mark):
        form.add_error("earliest_order_date", stale.is_now(f"{before:%d %b %Y}"))
        return golive_page(request, found, form=form, day_mark=mark)
    if not form.is_valid():
        messages.error(request, "Choose a day for the Earliest Order Date.")
    elif found.earliest_order_date == before:
        messages.success(request, "Nothing was changed.")
    else:
        found.save(update_fields=["earliest_order_date"])
        changes = {"earliest_order_date": (before, found.earliest_order_date)}
        audit.record(request.user, "cart.changed", found.name, changes)
        messages.success(request, f"Orders count from {found.earliest_order_date:%d %b %Y} on.")
    return redirect("cart_golive", request.account.public_id, cart)


@require("carts.edit")
@require_POST
def cart_dry_run(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Begins a dry run. One that runs already goes on."""
    found = live_cart_or_404(cart)
    if request.account.suspended_at:
        messages.error(request, f"{SUSPENDED.title}. {SUSPENDED.text}")
    elif found.merchant.archived_at:
        return to_archived(request, found.merchant)
    else:
        begun = dry_run.begin(found, request.user.email, clock.now())
        dry_run.hint(begun.pk, request.account.pk)
        audit.record(request.user, "cart.dry_run", found.name)
    return redirect("cart_golive", request.account.public_id, found.public_id)


@require("carts.edit")
@require_POST
def cart_dry_stop(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Ends a dry run where it is."""
    found = live_cart_or_404(cart)
    stopped = dry_run.stop(found, clock.now())
    messages.success(request, "The dry run is stopped." if stopped else "The dry run has ended already.")
    return redirect("cart_golive", request.account.public_id, found.public_id)


@require("carts.edit")
@require_POST
def cart_handled(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Marks orders of the dry run as already handled: those selected, or all that would be loaded."""
    found = live_cart_or_404(cart)
    dry = DryRun.objects.filter(cart=found, public_id=request.POST.get("dry", "")[:12].replace("\x00", "")).first()
    keys = None if "all" in request.POST else [key for key in request.POST.getlist("key") if "\x00" not in key]
    if dry is None or dry.state == DryRun.State.RUNNING:
        messages.error(request, "There is a newer dry run. Look at what it found.")
    elif keys == []:
        messages.error(request, "Nothing was selected.")
    else:
        dry.cart = found
        number = dry_run.mark_handled(dry, request.user.email, clock.now(), keys)
        if number:
            audit.record(request.user, "orders.handled", found.name, {"orders": (None, number)})
        word = "order is" if number == 1 else "orders are"
        messages.success(request, f"{number} {word} marked as already handled, and never sent.")
    return redirect("cart_golive", request.account.public_id, found.public_id)


def _numbers(dry: DryRun | None) -> dict[str, int]:
    """How many orders the dry run has seen, by verdict."""
    if dry is None:
        return {}
    rows = DryOrder.objects.filter(dry_run=dry).order_by().values_list("verdict").annotate(Count("pk"))
    numbers = dict.fromkeys(V.values, 0) | dict(rows)
    return {**numbers, "all": sum(numbers.values()), "ours": sum(numbers[verdict] for verdict in dry_run.OURS)}


def verdict_of(request: AccountRequest) -> str:
    """Of which verdict the orders are that are asked for."""
    shown = request.GET.get("show", "")
    return shown if shown in V.values else V.SEND.value


def _listed(request: AccountRequest, dry: DryRun | None) -> dict[str, Any]:
    """One page of what the dry run found, of one verdict; newest found first."""
    shown = verdict_of(request)
    tabs = {"shown": shown, "verdicts": V.choices, "would_load": shown in dry_run.OURS}
    if dry is None:
        return tabs
    rows = DryOrder.objects.filter(dry_run=dry, verdict=shown).order_by("-pk").defer("raw")
    with contextlib.suppress(signing.BadSignature):  # these rows have no public id
        rows = rows.filter(pk__lt=signing.loads(request.GET.get("until", ""), salt=SALT))
    found = list(rows[: PAGE + 1])
    older = signing.dumps(found[PAGE - 1].pk, salt=SALT) if len(found) > PAGE else ""
    return {**tabs, "orders": found[:PAGE], "older": older}
