"""WMS Setup: the one destination of an account."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import trying
from integration_manager.connector_form import ConnectorForm
from integration_manager.kit import clock
from integration_manager.kit.connector import capabilities
from integration_manager.systems import offered, system_or_404
from merchants.models import Merchant, Schedule
from merchants.schedules import MERCHANT_SERVICES, resume
from orders.connections import wms_class
from orders.models import Order, Status
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
    waiting = None if same or found is None else _waiting()
    context = {
        "wms": found,
        "label": chosen.label,
        "guide": chosen.guide,
        "values": values,
        "changes_from": None if same or found is None else wms_class(found).label,
        "waiting": waiting,
    }
    if request.method != "POST":
        return render(request, "wms/setup.html", context)
    if "test" in request.POST:
        return _test(request, context, values)
    if not waiting and values.is_valid():
        answer = trying.check_wms(chosen, values.values(), request.account)
        context["answer"] = answer
        if answer.works:
            kept = found or Wms()
            kept.system, kept.credentials, kept.options = system, values.credentials(), values.options()
            kept.save()
            _let_in_again()
            audit.record(request.user, "wms.changed", chosen.label, values.changes())
            messages.success(request, f"{chosen.label} is connected." if answer is not trying.UNTRIED else answer.text)
            return redirect("wms", request.account.public_id)
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
        _let_in_again()
    if request.headers.get("HX-Request"):
        return render(request, "parts/answer.html", {"answer": answer})
    (messages.success if answer.works else messages.error)(request, f"{answer.title}. {answer.text}")
    return redirect("wms", request.account.public_id)


def _test(request: AccountRequest, context: dict[str, object], values: ConnectorForm) -> HttpResponse:
    inside = request.headers.get("HX-Request")
    if values.is_valid():
        context["answer"] = trying.check_wms(values.system, values.values(), request.account)
    elif inside:
        names = [str(values.fields[name].label) for name in values.errors if name in values.fields]
        context["answer"] = trying.Answer(False, "Some fields are missing or wrong", ", ".join(names))
    return render(request, "parts/answer.html" if inside else "wms/setup.html", context)


def _waiting() -> bool:
    """Whether orders are on their way to or at the present WMS, so that it cannot be changed."""
    return Order.objects.filter(status__in=[Status.SENDING, Status.AT_WMS]).exists()


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


def _let_in_again() -> None:
    """The credentials work: what was paused because they did not goes on."""
    paused = Schedule.objects.filter(cart__isnull=True, paused=Schedule.Paused.AUTH)
    resume(list(paused), clock.now())
