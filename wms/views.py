"""WMS Setup: the one destination of an account."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import trying, trying_pages
from integration_manager.connector_form import ConnectorForm
from integration_manager.kit.connector import capabilities
from integration_manager.systems import offered, system_or_404
from merchants.models import Merchant, Schedule
from merchants.schedules import MERCHANT_SERVICES
from orders.connections import wms_class
from orders.whereabouts import AtWms, at_wms
from wms.models import Wms


@require("wms.view")
@require_GET
def wms(request: AccountRequest) -> HttpResponseBase:
    """The WMS that is connected; the choice of systems where none is."""
    found = Wms.objects.first()
    if found is None:
        if "wms.edit" in request.permissions:
            return redirect("wms_choose", request.account.public_id)
        return render(request, "wms/none.html")
    system = wms_class(found)
    schedules = Schedule.objects.filter(cart__isnull=True, service__in=MERCHANT_SERVICES)
    context = {
        "wms": found,
        "label": system.label,
        "capabilities": capabilities(system),
        "shown_values": _shown(found),
        "merchants": Merchant.objects.order_by("name")[:100],
        "refused": schedules.filter(paused=Schedule.Paused.AUTH).first(),
    }
    return render(request, "wms/wms.html", context)


@require("wms.edit")
@require_GET
def wms_choose(request: AccountRequest) -> HttpResponse:
    """The systems to choose from."""
    text = request.GET.get("q", "").strip()[:60]
    systems = [system for system in offered("wms") if text.casefold() in str(system["label"]).casefold()]
    return render(request, "wms/choose.html", {"systems": systems, "text": text, "wms": Wms.objects.first()})


@require("wms.edit")
@require_http_methods(["GET", "POST"])
def wms_edit(request: AccountRequest, system: str) -> HttpResponse:
    """The account-level values of one system; saving makes it the account's WMS."""
    chosen = system_or_404("wms", system)
    found = Wms.objects.first()
    same = found is not None and found.system == system
    stored = {**found.options, **found.credentials} if found and same else {}
    values = ConnectorForm(chosen, "account", stored, request.POST or None)
    there = at_wms() if found else None
    context = {
        "wms": found,
        "label": chosen.label,
        "guide": chosen.guide,
        "values": values,
        "there": there,
        "there_label": wms_class(found).label if found else "",
        "changes": found is not None and not same,
    }
    if request.method != "POST":
        return render(request, "wms/setup.html", context)
    if "test" in request.POST:

        def check(typed: dict[str, Any]) -> trying.Answer:
            return trying.check_wms(chosen, typed, request.account)

        return trying_pages.of_form(request, "wms/setup.html", context, values, check)
    if values.is_valid() and not _held(there, same, values, request.POST):
        answer = trying.check_wms(chosen, values.values(), request.account)
        context["answer"] = answer
        if answer.works and _save(system, values, same, request.POST):
            trying_pages.let_in_again(cart__isnull=True)
            audit.record(request.user, "wms.changed", chosen.label, values.changes())
            messages.success(request, f"{chosen.label} is connected." if answer is not trying.UNTRIED else answer.text)
            return redirect("wms", request.account.public_id)
    if there is not None:
        context["there"] = at_wms()
        context["asked"] = values.is_valid() and _held(context["there"], same, values, request.POST)
    return render(request, "wms/setup.html", context, status=422)


@require("wms.edit")
@require_POST
def wms_test(request: AccountRequest) -> HttpResponse:
    """Tests the stored values."""
    found = Wms.objects.first()
    if found is None:
        return redirect("wms_choose", request.account.public_id)
    answer = trying.check_wms(wms_class(found), {**found.options, **found.credentials}, request.account)
    if answer.works:
        trying_pages.let_in_again(cart__isnull=True)
    return trying_pages.of_stored(request, answer, "wms")


def _held(there: AtWms | None, same: bool, values: ConnectorForm, posted: Mapping[str, str]) -> bool:
    """Whether orders at the WMS stand against saving.

    Another system would never find them. The same one elsewhere may, so a person who was told decides.
    """
    if there is None or not there.total:
        return False
    return not same or (bool(values.changed_openly()) and there.unconfirmed(posted))


def _save(system: str, values: ConnectorForm, same: bool, posted: Mapping[str, str]) -> bool:
    """Stores the account's WMS, unless more orders went there while the connection was tested."""
    with transaction.atomic():
        kept = Wms.objects.select_for_update().first()
        if kept is not None and _held(at_wms(), same, values, posted):
            return False
        kept = kept or Wms()
        kept.system, kept.credentials, kept.options = system, values.credentials(), values.options()
        kept.save()
    return True


def _shown(wms: Wms) -> list[tuple[str, str]]:
    """The stored values that may be read again, with their labels."""
    fields = ((name, field) for name, field in wms_class(wms).fields.items() if field.level == "account")
    stored = {**wms.options, **wms.credentials}
    shown = []
    for name, field in fields:
        value = stored.get(name)
        plain = "•••" if field.secret and value else getattr(value, "reveal", lambda v=value: v)()
        shown.append((field.label, "—" if plain in (None, "") else str(plain)))
    return shown
