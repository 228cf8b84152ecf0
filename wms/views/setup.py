"""WMS Setup: the one destination of an account, and changing it for another."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import reauth
from accounts.requests import AccountRequest
from accounts.roles import require
from alerts import contact_pages
from alerts.forms import EmailsForm
from integration_manager import spreadsheet, stale, trying, trying_pages
from integration_manager.connector_form import ConnectorForm
from integration_manager.kept import typed
from integration_manager.kit.connector import Connector
from integration_manager.kit.registry import capabilities
from integration_manager.mapping.owner import Owner
from integration_manager.searched import search_text
from integration_manager.systems import offered, system_or_404
from merchants import at_wms
from merchants.models import Schedule
from merchants.schedules import MERCHANT_SERVICES
from orders.connections import wms_class
from orders.leaving import on_their_way
from orders.models import Order, Status
from orders.whereabouts import at_wms as orders_there
from wms.models import Wms, WmsShipMethod
from wms.views import saving
from wms.views.ship_methods import load

MOST_LISTED = 20
LACKING = ["Merchant", "Code", "Values that are missing"]


@require("wms.view")
@require_GET
def wms(request: AccountRequest) -> HttpResponseBase:
    """The WMS that is connected; the choice of systems where none is."""
    found = Wms.current()
    if found is None:
        if "wms.edit" in request.permissions:
            return redirect("wms_choose", request.account.public_id)
        return render(request, "wms/none.html")
    return render(request, "wms/wms.html", _page(request, found))


@require("wms.edit")
@require_GET
def wms_choose(request: AccountRequest) -> HttpResponse:
    """Select WMS: the systems to choose from, with what each supports."""
    text = search_text(request, 60)
    rows = {row.system: row for row in Wms.objects.all()}
    systems = [system for system in offered("wms") if text.casefold() in str(system["label"]).casefold()]
    for system in systems:
        row = rows.get(str(system["key"]))
        if row is not None:
            system["note"] = "Used before; its settings are kept" if row.archived_at else "Connected now"
    current = next((row for row in rows.values() if row.archived_at is None), None)
    return render(request, "wms/choose.html", {"systems": systems, "text": text, "wms": current})


@require("wms.edit")
@require_http_methods(["GET", "POST"])
def wms_edit(request: AccountRequest, system: str) -> HttpResponseBase:
    """The account-level values of one system; saving makes it the account's WMS."""
    chosen = system_or_404("wms", system)
    current = Wms.current()
    row = current if current and current.system == system else Wms.objects.filter(system=system).first()
    stored = {**row.options, **row.credentials} if row else {}
    formats = Owner(request.account, None)
    values = ConnectorForm(chosen, "account", stored, typed(request), formats=formats)
    same = current is not None and current.system == system
    context = _setup(chosen, current, row, values, same=same)
    if request.method != "POST":
        return render(request, "wms/setup.html", context)
    if "test" in request.POST:

        def check(typed: dict[str, Any]) -> trying.Answer:
            return trying.in_words(
                trying.check_wms(chosen, typed, request.account, known=same or current is None, moved=values.moved())
            )

        return trying_pages.of_form(request, "wms/setup.html", context, values, check)
    if values.is_valid() and not _stands_against(request, context):
        if not reauth.is_recent(request):
            return reauth.ask(request)
        answer = trying.check_wms(
            chosen, values.values(), request.account, known=same or current is None, moved=values.moved()
        )
        context["answer"] = answer
        if answer.works:
            outcome = saving.save(request, chosen, current, row, values)
            if isinstance(outcome, saving.Saved):
                _say(request, chosen, outcome, answer)
                return redirect("wms", request.account.public_id)
            context |= outcome
    return render(request, "wms/setup.html", context, status=422)


@require("wms.edit")
@require_POST
def wms_test(request: AccountRequest) -> HttpResponse:
    """Tests the stored values."""
    found = Wms.current()
    if found is None:
        return redirect("wms_choose", request.account.public_id)
    values = {**found.options, **found.credentials}
    answer = trying.in_words(trying.check_wms(wms_class(found), values, request.account, known=True))
    if answer.works:
        trying_pages.let_in_again(cart__isnull=True)
    return trying_pages.of_stored(request, answer, "wms")


@require("wms.view")
@require_GET
def wms_contacts_csv(request: AccountRequest) -> HttpResponseBase:
    """Who is told of the alerts of all merchants, as a file; to who sees all of them."""
    if request.merchants is not None:
        raise Http404
    return contact_pages.as_file(request, None)


@require("wms.view")
@require_GET
def wms_lacking_csv(request: AccountRequest) -> HttpResponseBase:
    """The merchants that lack a value which the WMS needs of each, as a file."""
    found = Wms.current()
    if found is None:
        raise Http404
    system = wms_class(found)

    def cells() -> Iterator[list[object]]:
        for merchant in at_wms.lacking(system):
            yield [merchant.name, merchant.code, ", ".join(at_wms.missing(system, merchant))]

    return spreadsheet.streamed(request, "merchants-that-need-values", LACKING, cells)


@require("wms.edit")
@require_POST
def wms_contacts(request: AccountRequest) -> HttpResponseBase:
    """Changes who is told of the alerts of all merchants."""
    said, form = contact_pages.change(request, None)
    found = Wms.current()
    if form is not None and found is not None:
        return render(request, "wms/wms.html", _page(request, found, form), status=422)
    (messages.success if said else messages.error)(request, said or "Nothing is saved: an address is none.")
    return redirect(f"/a/{request.account.public_id}/wms/#contacts")


def _page(request: AccountRequest, found: Wms, emails: EmailsForm | None = None) -> dict[str, Any]:
    system = wms_class(found)
    schedules = Schedule.objects.filter(cart__isnull=True, service__in=MERCHANT_SERVICES)
    lacking = at_wms.lacking(system)
    ship_methods = WmsShipMethod.objects.filter(wms=found)
    methods = list(ship_methods.order_by("-active", "code")[: MOST_LISTED + 1])
    context = {
        "wms": found,
        "label": system.label,
        "capabilities": capabilities(system),
        "shown_values": _shown(found, system),
        "lacking": lacking[:MOST_LISTED],
        "lacking_number": len(lacking),
        "refused": schedules.filter(paused=Schedule.Paused.AUTH).exists(),
        "former": _elsewhere(found),
        "lists_methods": system.overrides("ship_methods"),
        "methods": methods[:MOST_LISTED],
        "methods_number": ship_methods.count() if len(methods) > MOST_LISTED else len(methods),
    }
    if request.merchants is None:
        context |= contact_pages.context(request, None, emails)
    return context


def _elsewhere(found: Wms) -> int:
    """How many orders a WMS of before has, which is not asked for them any more."""
    return Order.objects.filter(status=Status.AT_WMS, wms_id__isnull=False).exclude(wms_id=found.pk).count()


def _setup(
    chosen: type[Connector], current: Wms | None, row: Wms | None, values: ConnectorForm, *, same: bool
) -> dict[str, Any]:
    changes = current is not None and not same
    return {
        "wms": current,
        "label": chosen.label,
        "guide": chosen.guide,
        "values": values,
        "changes": changes,
        "used_before": changes and row is not None,
        "there": orders_there() if same else None,
        "there_label": wms_class(current).label if current else "",
        "way": on_their_way() if changes else None,
        "mark": saving.mark_of(current, row),
    }


def _stands_against(request: AccountRequest, context: dict[str, Any]) -> bool:
    """Whether orders, or somebody else's change, stand against saving; before the connection is tested."""
    if stale.overtaken(request.POST, context["mark"]):
        context |= saving.overtaken(context["label"])
    elif context["way"] is not None and context["way"].unconfirmed(request.POST):
        context["asked"] = True
    elif context["there"] is not None and context["values"].changed_openly():
        context["asked"] = context["there"].unconfirmed(request.POST)
    return bool(context.get("asked") or context.get("overtaken"))


def _say(request: AccountRequest, chosen: type[Connector], saved: saving.Saved, answer: trying.Answer) -> None:
    words = [f"{chosen.label} is connected." if answer is not trying.UNTRIED else f"Saved. {answer.text}"]
    if saved.held:
        words.append(f"{saved.held} New orders are kept here: release them in Orders, under Cancel Sending.")
    if saved.asked_again:
        number = len(saved.asked_again)
        words.append(
            f"Its address has changed, so what {number} merchant{'s' if number > 1 else ''} had stored for the old "
            "one is forgotten and has to be entered again."
        )
    if chosen.overrides("ship_methods"):
        words.append(load(request))
    messages.success(request, " ".join(words))


def _shown(wms: Wms, system: type[Connector]) -> list[tuple[str, str]]:
    """The stored values that may be read again, with their labels."""
    stored = {**wms.options, **wms.credentials}
    shown = []
    for name, field in system.fields.items():
        if field.level != "account" or not system.applies(name, stored):
            continue
        value = stored.get(name)
        plain = "•••" if field.secret and value else getattr(value, "reveal", lambda v=value: v)()
        words: dict[Any, str] = {True: "Yes", False: "No"} if field.kind == "bool" else dict(field.choices)
        if plain not in (None, ""):
            shown.append((field.label, str(words.get(plain, plain))))
    return shown
