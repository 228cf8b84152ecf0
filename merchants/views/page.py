"""One merchant: its page, its services, its error contacts."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account
from accounts.requests import AccountRequest
from accounts.roles import require
from alerts import contact_pages
from alerts.forms import EmailsForm
from carts.models import Cart
from integration_manager import runs, service_rows, spreadsheet, stale, trying, trying_pages
from integration_manager.kit.connector import Connector
from integration_manager.navigation import one_merchant
from integration_manager.systems import wms_system
from merchants import at_wms
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import AT_WMS
from merchants.services import schedules_of, services_of
from orders.connections import wms_class
from wms.models import Wms


@require("merchants.view")
@require_GET
def merchant(request: AccountRequest, merchant: str) -> HttpResponse:
    """Its carts, its services, its last runs, its contacts."""
    return render(request, "merchants/merchant.html", _page(request, merchant_or_404(merchant)))


@require("merchants.view")
@require_GET
def merchant_runs_csv(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """All runs of the merchant's own services, as a file; those of its carts are on theirs."""
    found = merchant_or_404(merchant)
    schedules = list(Schedule.objects.filter(merchant=found, cart__isnull=True))
    return spreadsheet.streamed(request, f"runs {found.name}", runs.HEAD, lambda: runs.cells(schedules))


@require("merchants.edit")
@require_POST
def merchant_services(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Sets how often the merchant's services run."""
    found = merchant_or_404(merchant)
    system = wms_system()
    if system is None:
        raise Http404
    missing = at_wms.missing(system, found)
    wanted_on = any(value != "off" for name, value in request.POST.items() if name.startswith("every_"))
    if found.archived_at and wanted_on:
        messages.error(request, f"{found.name} is archived. Restore it first.")
    elif missing and wanted_on:
        messages.error(request, f"First fill in for {system.label}: {', '.join(missing)}.")
        return redirect("merchant_edit", request.account.public_id, found.public_id)
    else:
        schedules = merchant_schedules(found, system)
        if stale.overtaken(request.POST, service_rows.mark_of(service_rows.rows(schedules, system.min_every))):
            return render(request, "merchants/merchant.html", _page(request, found), status=422)
        changed = service_rows.save(schedules, request.POST, system.min_every, request.user, found.name)
        messages.success(request, ". ".join(changed) + "." if changed else "Nothing was changed.")
    return redirect("merchant", request.account.public_id, found.public_id)


@require("merchants.edit")
@require_POST
def merchant_service(request: AccountRequest, merchant: str, what: str, service: str) -> HttpResponseBase:
    """Runs, pauses or resumes one of the merchant's services."""
    found = merchant_or_404(merchant)
    for schedule in merchant_schedules(found, wms_system()):
        if schedule.service == service and what in ("run", "pause", "resume"):
            messages.success(request, service_rows.act(schedule, what, request, found.name))
            return redirect("merchant", request.account.public_id, found.public_id)
    raise Http404


@require("merchants.edit")
@require_POST
def merchant_test(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Tests the WMS with this merchant's values."""
    found = merchant_or_404(merchant)
    wms = Wms.current()
    if wms is None:
        raise Http404
    system = wms_class(wms)
    missing = at_wms.missing(system, found)
    if found.archived_at:
        answer = trying.archived(found)
    elif missing:
        answer = trying.Answer(False, f"{system.label} needs more of this merchant", f"Fill in: {', '.join(missing)}.")
    else:
        answer = trying.check(system, {**wms.options, **wms.credentials, **found.wms_values}, request.account)
    if answer.works:
        trying_pages.let_in_again(cart__isnull=True, merchant=found)
    return trying_pages.of_stored(request, trying.in_words(answer), "merchant", found.public_id)


@require("merchants.view")
@require_GET
def merchant_contacts_csv(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Who is told of this merchant's alerts, as a file."""
    return contact_pages.as_file(request, told_of(request.account, merchant_or_404(merchant)))


@require("merchants.edit")
@require_POST
def merchant_contacts(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Changes who is told of this merchant's alerts."""
    found = merchant_or_404(merchant)
    said, form = contact_pages.change(request, told_of(request.account, found))
    if form is not None:
        return render(request, "merchants/merchant.html", _page(request, found, form), status=422)
    messages.success(request, said)
    return redirect(f"/a/{request.account.public_id}/merchants/{found.public_id}/#contacts")


def merchant_or_404(public_id: str) -> Merchant:
    """The merchant with this id, where the user may see it."""
    found = Merchant.objects.filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


def crumbs(request: AccountRequest, merchant: Merchant) -> list[tuple[str, str]]:
    """The way to a merchant's own page: through the list, where there is one."""
    account = request.account.public_id
    own = (merchant.name, reverse("merchant", args=[account, merchant.public_id]))
    return [own] if one_merchant(request) else [("Merchants", reverse("merchants", args=[account])), own]


def merchant_schedules(
    merchant: Merchant, system: type[Connector] | None, carts: list[Cart] | None = None
) -> list[Schedule]:
    """The schedules of the merchant's services that the WMS supports.

    Receiving where a cart has purchase orders, or it runs for some of a cart that had them.
    """
    found = schedules_of(merchant, None, services_of(system, AT_WMS)) if system else []
    receiving = next((one for one in found if one.service == Service.RECEIVING), None)
    if receiving is not None and receiving.pk:  # it was on once
        with_orders = Cart.objects.filter(merchant=merchant, sync_purchases=True, archived_at=None)
        if receiving.every:
            return found
        if any(cart.sync_purchases for cart in carts) if carts is not None else with_orders.exists():
            return found
    return [one for one in found if one is not receiving]


def told_of(account: Account, merchant: Merchant) -> Merchant | None:
    """Whose contacts a merchant's page shows: in a Merchant account those of all are its own."""
    return None if account.kind == Account.Kind.MERCHANT else merchant


def _page(request: AccountRequest, found: Merchant, emails: EmailsForm | None = None) -> dict[str, Any]:
    system = wms_system()
    carts = list(Cart.objects.filter(merchant=found, archived_at__isnull=True).order_by("name"))
    schedules = merchant_schedules(found, system, carts)
    last = runs.last_runs(schedules)
    rows = service_rows.rows(schedules, system.min_every) if system else []
    mark = service_rows.mark_of(rows)
    service_rows.fill(rows, request.POST)
    stock = next((schedule for schedule in schedules if schedule.service == Service.INVENTORY), None)
    return {
        "shown": found,
        "carts": carts,
        "wms_label": system.label if system else "",
        "wms_by_files": system is not None and system.uses == "folder",
        "rows": rows,
        "mark": mark,
        **({} if emails else stale.said(request.POST, mark, found.name, "service.changed")),
        "runs": last,
        "health": runs.health(last),
        "missing": at_wms.missing(system, found) if system else [],
        "stock": stock,
        **contact_pages.context(request, told_of(request.account, found), emails),
    }
