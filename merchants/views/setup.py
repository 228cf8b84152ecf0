"""New Merchant and Edit Setup: who it is, its services, what the WMS knows it by."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import adding, audit, people, reauth
from accounts.models import Membership
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import service_rows, stale, trying, trying_pages
from integration_manager.connector_form import ConnectorForm
from integration_manager.kept import typed
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from integration_manager.navigation import one_merchant
from integration_manager.systems import wms_system
from merchants import at_wms
from merchants.forms import MerchantForm, MerchantUserForm, ServicesForm
from merchants.models import Merchant, Schedule
from merchants.schedules import MERCHANT_SERVICES, start_over
from merchants.services import services_of
from merchants.views.page import merchant_or_404, merchant_schedules
from orders import lacking, listings
from orders.whereabouts import at_wms as orders_there
from wms.models import Wms
from wms.views.ship_methods import load_first

ONE_FORM = timedelta(minutes=2)  # the same form again within that is the same merchant
ONCE_MORE = "It was added already: this is its page."


@dataclass(slots=True)
class Setup:
    """The forms of one merchant's setup page, and what stands against saving them."""

    merchant: Merchant
    system: type[Connector] | None
    who: MerchantForm
    services: ServicesForm
    values: ConnectorForm | None
    user: MerchantUserForm | None = None
    says: dict[str, Any] = field(default_factory=dict)

    def is_valid(self, *, switch_on: bool = True) -> bool:
        """Whether what was typed can be stored. `switch_on`: services run, so the WMS's values are needed."""
        found = [form.errors for form in (self.who, self.services, self.user) if form is not None]  # of all at once
        good = not any(found)
        if self.values is None:
            return good
        if not switch_on or (good and not self.services.any_on()):
            for one in self.values.fields.values():
                one.required = False
        return self.values.is_valid() and good


@require("merchants.add")
@require_http_methods(["GET", "POST"])
def merchant_new(request: AccountRequest) -> HttpResponseBase:
    """Adds a merchant, with its services, its values for the WMS and perhaps its user."""
    if one_merchant(request) and (only := Merchant.objects.order_by("id").first()):
        return redirect("merchant", request.account.public_id, only.public_id)
    setup = _setup(request, Merchant())
    setup.user = MerchantUserForm(typed(request))
    if "test" in request.POST:
        return _test(request, setup, "merchants/new.html")
    switch_on = "on" in request.POST
    if request.method == "POST" and (twin := _posted_twice(request)):
        messages.info(request, ONCE_MORE)
        return redirect("merchant", request.account.public_id, twin.public_id)
    if request.method == "POST" and setup.is_valid(switch_on=switch_on) and not _shared(request, setup):
        if _asks_again(request, setup):
            return reauth.ask(request)
        merchant = _add(request, setup, switch_on=switch_on)
        if merchant is not None:
            return redirect("merchant", request.account.public_id, merchant.public_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "merchants/new.html", _context(setup), status=status)


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
def merchant_edit(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """A merchant's name and services; for those who set up the WMS also what that one knows the merchant by.

    With the values of another merchant somebody would read that one's stock and parcels.
    """
    found = merchant_or_404(merchant)
    setup = _setup(request, found)
    if "test" in request.POST:
        return _test(request, setup, "merchants/edit.html")
    if request.method == "POST" and setup.is_valid() and not _shared(request, setup):
        if _asks_again(request, setup):
            return reauth.ask(request)
        if _save(request, setup):
            return redirect("merchant", request.account.public_id, found.public_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "merchants/edit.html", _context(setup), status=status)


def _setup(request: AccountRequest, merchant: Merchant) -> Setup:
    system = wms_system()
    posted = typed(request)
    values = None
    if system and "wms.edit" in request.permissions:
        values = ConnectorForm(system, "merchant", merchant.wms_values if merchant.pk else {}, posted)
        if not values.fields:
            values = None
    schedules = merchant_schedules(merchant, system) if merchant.pk else _usual(system)
    services = ServicesForm(schedules, system.min_every if system else None, posted)
    who = MerchantForm(posted, instance=merchant)
    if posted is not None:
        for name in services.fields:
            if name not in posted:  # a form without services leaves them as they are
                services.fields[name].required = False
    return Setup(merchant, system, who, services, values)


def _usual(system: type[Connector] | None) -> list[Schedule]:
    return [Schedule(service=service) for service in services_of(system, MERCHANT_SERVICES)] if system else []


def _context(setup: Setup) -> dict[str, Any]:
    merchant, system = setup.merchant, setup.system
    known = bool(merchant.pk)
    context = {
        "shown": merchant,
        "form": setup.who,
        "services": setup.services,
        "values": setup.values,
        "user_form": setup.user,
        "wms_label": system.label if system else "",
        "guide": system.guide if system else "",
        "there": orders_there(merchant) if known and setup.values else None,
        "there_label": system.label if system else "",
        "mark": _mark(merchant) if known else "",
    }
    return context | setup.says


def _mark(merchant: Merchant) -> str:
    """A mark of what the form is made of."""
    stored = Merchant.objects.filter(pk=merchant.pk).first() or merchant
    schedules = Schedule.objects.filter(merchant=stored, cart__isnull=True).order_by("service")
    return stale.mark(
        stored.name,
        stored.list_products,
        dict(stored.wms_values),
        list(schedules.values_list("service", "every", "automatic", "at_hour")),
    )


def _test(request: AccountRequest, setup: Setup, template: str) -> HttpResponse:
    """Tests the WMS with the values that were typed."""
    wms = Wms.current()
    if wms is None or setup.values is None:
        raise Http404
    stored = {**wms.options, **wms.credentials}

    def check(typed: dict[str, Any]) -> trying.Answer:
        assert setup.system is not None
        return trying.in_words(trying.check(setup.system, {**stored, **typed}, request.account))

    return trying_pages.of_form(request, template, _context(setup), setup.values, check)


def _shared(request: AccountRequest, setup: Setup) -> bool:
    """Whether the WMS would take this merchant for another one, and nobody has said that this is meant."""
    if setup.values is None or setup.system is None:
        return False
    twin = at_wms.same_there(setup.system, setup.merchant if setup.merchant.pk else None, setup.values.values())
    if twin is None or request.POST.get("shared") == twin.public_id:
        return False
    if setup.merchant.pk and not setup.values.changed_openly():
        return False  # it was so before, and is not this change's matter
    setup.says["twin"] = twin
    return True


def _asks_again(request: AccountRequest, setup: Setup) -> bool:
    """Whether credentials are stored or a user is added, and it is long since this person has shown who they are."""
    credentials = bool(setup.values and setup.values.changes())
    return (credentials or bool(setup.user and setup.user.invited())) and not reauth.is_recent(request)


def _posted_twice(request: AccountRequest) -> Merchant | None:
    """The merchant that the same form has just made."""
    code = request.POST.get("code", "").replace("\x00", "").strip().upper()[:8]
    name = request.POST.get("name", "").replace("\x00", "").strip()[:100]
    since = clock.now() - ONE_FORM
    found: Merchant | None = Merchant.objects.filter(code=code, name=name, created_at__gt=since).first()
    return found


def _add(request: AccountRequest, setup: Setup, *, switch_on: bool) -> Merchant | None:
    """Stores a new merchant. None where somebody else has taken its code in this moment."""
    merchant, invited = setup.merchant, setup.user.invited() if setup.user else ""
    try:
        with transaction.atomic():
            merchant.wms_values = setup.values.values() if setup.values else {}
            merchant.save()
            changes = {"Merchant Name": ("", merchant.name), "Code": ("", merchant.code)}
            if merchant.list_products:
                changes["Sync Products To Carts"] = ("off", "on")
            audit.record(request.user, "merchant.added", merchant.name, changes | _value_changes(setup))
            for schedule in setup.services.schedules:
                schedule.merchant = merchant
            if switch_on:
                _set_services(request, setup)
            if invited:
                place = people.Place(Membership.Role.MERCHANT, [merchant])
                adding.add(request.account, invited, "", place, "", request.user)
    except people.Refused as refused:
        assert setup.user is not None
        setup.user.add_error("email", str(refused))
        merchant.pk = None
        return None
    except IntegrityError:
        setup.who.add_error("code", "Another merchant has this code.")
        merchant.pk = None
        return None
    words = [f"{merchant.name} is added{' and its services are on' if switch_on else ''}."]
    if invited:
        words.append(f"{invited} is invited by mail.")
    words.append(load_first(request) if setup.values is not None else "")
    words.append("Next: its first cart.")
    messages.success(request, " ".join(filter(None, words)))
    return merchant


def _save(request: AccountRequest, setup: Setup) -> bool:
    """Stores what was changed, unless it has orders where nobody would look for them, or somebody was quicker."""
    merchant, values = setup.merchant, setup.values
    with transaction.atomic():
        before = Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        now_mark = _mark(before)
        if stale.overtaken(request.POST, now_mark):
            setup.says |= {"overtaken": True, "mark": now_mark, "last_change": stale.last_change(before.name)}
            return False
        if values is not None:
            if values.changed_openly() and orders_there(merchant).unconfirmed(request.POST):
                setup.says["asked"] = True
                return False
            # What was typed empty goes, unless it is a secret: that is never shown, and so kept.
            merchant.wms_values = values.values()
        written = ["name", "list_products"]
        merchant.save(update_fields=[*written, "wms_values"] if values is not None else written)
        if merchant.list_products != before.list_products:
            listings.merchant_switched(merchant, clock.now())
        changes = audit.difference(_said(before), _said(merchant))
        changes |= _value_changes(setup)
        if changes:
            audit.record(request.user, "merchant.changed", merchant.name, changes)
        if values is not None and values.changes():
            start_over(Schedule.objects.filter(merchant=merchant, cart__isnull=True), clock.now())
        said = [] if before.archived_at else _set_services(request, setup)
        if setup.system is not None and values is not None:
            lacking.tell(setup.system, clock.now())
    codes = load_first(request) if values is not None and not before.archived_at else ""
    messages.success(request, " ".join(filter(None, ["Saved.", *(f"{words}." for words in said), codes])))
    return True


def _said(merchant: Merchant) -> dict[str, str]:
    """What the record has of it, besides the WMS's values."""
    return {"Merchant Name": merchant.name, "Sync Products To Carts": "on" if merchant.list_products else "off"}


def _set_services(request: AccountRequest, setup: Setup) -> list[str]:
    chosen = {name: value for name, value in setup.services.chosen().items() if value}
    schedules, least = setup.services.schedules, setup.services.min_every
    return service_rows.save(schedules, chosen, least, request.user, setup.merchant.name)


def _value_changes(setup: Setup) -> audit.Changes:
    if setup.values is None:
        return {}
    labels = {name: one.label for name, one in setup.values.of_level.items()}
    return {labels[name]: change for name, change in setup.values.changes().items()}
