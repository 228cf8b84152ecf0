"""The merchants of an account: list, page, settings, services."""

from collections.abc import Mapping

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager import runs, service_rows, trying, trying_pages
from integration_manager.connector_form import ConnectorForm
from integration_manager.kit.connector import Connector
from integration_manager.systems import wms_system
from merchants.forms import MerchantForm
from merchants.models import Merchant, Schedule
from merchants.schedules import MERCHANT_SERVICES
from merchants.services import schedules_of, services_of
from orders.connections import wms_class
from orders.whereabouts import at_wms
from wms.models import Wms

MOST = 500


@require("merchants.view")
@require_GET
def merchants(request: AccountRequest) -> HttpResponse:
    """All merchants, with their carts and how they fare."""
    found = list(
        Merchant.objects.annotate(
            cart_count=Count("carts", filter=Q(carts__archived_at__isnull=True), distinct=True),
        ).order_by("name")[:MOST]
    )
    ill = set(
        Schedule.objects.filter(Q(failures__gt=0) | ~Q(paused=""), every__gt=0).values_list("merchant_id", flat=True)
    )
    on = set(Schedule.objects.filter(every__gt=0).values_list("merchant_id", flat=True).distinct())
    for merchant in found:
        merchant.is_ill, merchant.is_on = merchant.pk in ill, merchant.pk in on
    return render(request, "merchants/list.html", {"merchants": found})


@require("merchants.add")
@require_http_methods(["GET", "POST"])
def merchant_new(request: AccountRequest) -> HttpResponse:
    """Adds a merchant."""
    form = MerchantForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        merchant = form.save()
        audit.record(request.user, "merchant.added", merchant.name)
        messages.success(request, f"{merchant.name} is added. Next: its values for the WMS, then a cart.")
        return redirect("merchant_edit", request.account.public_id, merchant.public_id)
    return render(request, "merchants/new.html", {"form": form})


@require("merchants.view")
@require_GET
def merchant(request: AccountRequest, merchant: str) -> HttpResponse:
    """One merchant: its carts, its services, its last runs."""
    found = merchant_or_404(merchant)
    system = wms_system()
    schedules = _schedules(found, system)
    last = runs.last_runs(schedules)
    context = {
        "shown": found,
        "carts": Cart.objects.filter(merchant=found, archived_at__isnull=True).order_by("name"),
        "wms_label": system.label if system else "",
        "rows": service_rows.rows(schedules, system.min_every) if system else [],
        "runs": last,
        "health": runs.health(last),
        "missing": _missing(found, system),
    }
    return render(request, "merchants/merchant.html", context)


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
def merchant_edit(request: AccountRequest, merchant: str) -> HttpResponse:
    """A merchant's name; for those who set up the WMS also what that one knows the merchant by.

    With the values of another merchant somebody would read that one's stock and parcels.
    """
    found = merchant_or_404(merchant)
    system = wms_system() if "wms.edit" in request.permissions else None
    before = {"name": found.name}
    form = MerchantForm(request.POST or None, instance=found)
    values = ConnectorForm(system, "merchant", found.wms_values, request.POST or None) if system else None
    asked = False
    if request.method == "POST" and form.is_valid() and (values is None or values.is_valid()):
        asked = not _save(found, form, values, request.POST)
        if not asked:
            changes = audit.difference(before, {"name": found.name}) | (values.changes() if values else {})
            audit.record(request.user, "merchant.changed", found.name, changes)
            messages.success(request, "Saved.")
            return redirect("merchant", request.account.public_id, found.public_id)
    context = {
        "shown": found,
        "form": form,
        "values": values,
        "wms_label": system.label if system else "",
        "there": at_wms(found) if system else None,
        "there_label": system.label if system else "",
        "asked": asked,
    }
    return render(request, "merchants/edit.html", context, status=422 if form.is_bound else 200)


@require("merchants.edit")
@require_POST
def merchant_services(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Sets how often the merchant's services run."""
    found = merchant_or_404(merchant)
    system = wms_system()
    if system is None:
        raise Http404
    missing = _missing(found, system)
    if missing and any(value != "off" for name, value in request.POST.items() if name.startswith("every_")):
        messages.error(request, f"First fill in for {system.label}: {', '.join(missing)}.")
        return redirect("merchant_edit", request.account.public_id, found.public_id)
    changed = service_rows.save(_schedules(found, system), request.POST, system.min_every, request.user, found.name)
    messages.success(request, ". ".join(changed) + "." if changed else "Nothing was changed.")
    return redirect("merchant", request.account.public_id, found.public_id)


@require("merchants.edit")
@require_POST
def merchant_service(request: AccountRequest, merchant: str, what: str, service: str) -> HttpResponseBase:
    """Runs, pauses or resumes one of the merchant's services."""
    found = merchant_or_404(merchant)
    for schedule in _schedules(found, wms_system()):
        if schedule.service == service and what in ("run", "pause", "resume"):
            messages.success(request, service_rows.act(schedule, what, request, found.name))
            return redirect("merchant", request.account.public_id, found.public_id)
    raise Http404


@require("merchants.edit")
@require_POST
def merchant_test(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Tests the WMS with this merchant's values."""
    found = merchant_or_404(merchant)
    wms = Wms.objects.first()
    if wms is None:
        raise Http404
    values = {**wms.options, **wms.credentials, **found.wms_values}
    answer = trying.check(wms_class(wms), values, request.account)
    return trying_pages.of_stored(request, answer, "merchant", found.public_id)


def merchant_or_404(public_id: str) -> Merchant:
    """The merchant with this id, where the user may see it."""
    found = Merchant.objects.filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


def _save(merchant: Merchant, form: MerchantForm, values: ConnectorForm | None, posted: Mapping[str, str]) -> bool:
    """Stores a merchant, unless it has orders where nobody would look for them any more."""
    with transaction.atomic():
        Merchant.objects.select_for_update().get(pk=merchant.pk)
        if values is not None:
            if values.changed_openly() and at_wms(merchant).unconfirmed(posted):
                return False
            merchant.wms_values = {**values.stored, **values.values()}
        form.save()
    return True


def _schedules(merchant: Merchant, system: type[Connector] | None) -> list[Schedule]:
    return schedules_of(merchant, None, services_of(system, MERCHANT_SERVICES)) if system else []


def _missing(merchant: Merchant, system: type[Connector] | None) -> list[str]:
    """The labels of the WMS's required values that the merchant lacks."""
    if system is None:
        return []
    fields = (field for field in system.fields.values() if field.level == "merchant" and field.required)
    return [field.label for field in fields if not merchant.wms_values.get(field.name)]
