"""The ship codes of the account's WMS: listed, loaded from it, added by hand and deleted."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import list_pages, spreadsheet, trying
from integration_manager.searched import search_text
from integration_manager.undone import once_more
from orders.connections import wms_class
from wms import ship_methods
from wms.forms import ShipMethodForm
from wms.list_import import COLUMNS, MethodsImport, rows_of
from wms.models import Wms, WmsShipMethod

PAGE = 50
NOT_YET = "Its ship codes are loaded once a merchant has its values for it."


@require("wms.view")
@require_http_methods(["GET", "POST"])
def wms_ship_methods(request: AccountRequest) -> HttpResponseBase:
    """The list, and what people do to it."""
    found = Wms.current()
    if found is None:
        return redirect("wms", request.account.public_id)
    form = ShipMethodForm()
    if request.method == "POST":
        answer = _act(request, found)
        if not isinstance(answer, ShipMethodForm):
            return answer
        form = answer
    return _page(request, found, form)


@require("wms.view")
@require_GET
def wms_ship_methods_csv(request: AccountRequest) -> HttpResponseBase:
    """The list, or what of it is searched for, as a file that the import takes."""
    found = Wms.current()
    if found is None:
        return redirect("wms", request.account.public_id)
    rows = _asked(request, found)[1]
    return spreadsheet.streamed(request, "wms-ship-methods", [c.header for c in COLUMNS], lambda: rows_of(rows))


@require("wms.edit")
@require_http_methods(["GET", "POST"])
@once_more
def wms_ship_methods_import(request: AccountRequest) -> HttpResponseBase:
    """Takes up a file of ship codes."""
    found, account = Wms.current(), request.account.public_id
    if found is None:
        return redirect("wms", account)
    back = reverse("wms_ship_methods", args=[account])
    crumbs = [("WMS Setup", reverse("wms", args=[account])), ("Shipping methods", back)]
    importer = MethodsImport(found, wms_class(found).label, back, request.user)
    return list_pages.importing(request, importer, {"crumbs": crumbs})


def load(request: AccountRequest) -> str:
    """Asks the WMS for its ship codes and stores them; says what came of it."""
    found = Wms.current()
    if found is None:
        return "No WMS is connected."
    system = wms_class(found)
    answer, listed = trying.ship_methods(system, {**found.options, **found.credentials}, request.account)
    if answer is trying.UNTRIED:
        return NOT_YET
    if not answer.works:
        return f"The WMS’s ship codes could not be loaded: {answer.title}. {answer.text}"
    new, gone = ship_methods.keep(found, listed)
    if new or gone:
        audit.record(request.user, "ship_methods.loaded", system.label, {"new": (None, new), "gone": (None, gone)})
    more = f", {gone} no longer listed" if gone else ""
    return f"{len(listed)} ship code{'' if len(listed) == 1 else 's'} loaded, {new} of them new{more}."


def load_first(request: AccountRequest) -> str:
    """The same when a merchant has got its values, and the WMS could not be asked before. Else ""."""
    found = Wms.current()
    if found is None or not wms_class(found).overrides("ship_methods"):
        return ""
    words = "" if WmsShipMethod.objects.filter(wms=found).exists() else load(request)
    return "" if words == NOT_YET else words


def _act(request: AccountRequest, found: Wms) -> HttpResponseBase | ShipMethodForm:
    """Loads, adds or deletes. Returns the form where what was typed has to be corrected."""
    label, what = wms_class(found).label, request.POST.get("do", "")
    if what and "wms.edit" not in request.permissions:
        raise PermissionDenied("your role may not change the WMS setup")
    if what == "load" and wms_class(found).overrides("ship_methods"):
        messages.info(request, load(request))
    elif what == "delete":
        code = request.POST.get("code", "").replace("\x00", "")[:100]
        if WmsShipMethod.objects.filter(wms=found, code=code).delete()[0]:
            audit.record(request.user, "ship_method.deleted", label, {"code": (code, None)})
            messages.success(request, f"{code} is deleted.")
    elif what == "add":
        form = ShipMethodForm(request.POST, instance=WmsShipMethod(wms=found))
        if not form.is_valid():
            return form
        form.save()
        audit.record(request.user, "ship_method.added", label, {"code": (None, form.instance.code)})
        messages.success(request, f"{form.instance.code} is added.")
    return redirect("wms_ship_methods", request.account.public_id)


def _asked(request: AccountRequest, found: Wms) -> tuple[str, "QuerySet[WmsShipMethod]"]:
    """What is searched for, and the ship codes that have it."""
    text = search_text(request, 60)
    rows: QuerySet[WmsShipMethod] = WmsShipMethod.objects.filter(wms=found)
    if text:
        rows = rows.filter(Q(code__icontains=text) | Q(description__icontains=text) | Q(carrier__icontains=text))
    return text, rows


def _page(request: AccountRequest, found: Wms, form: ShipMethodForm) -> HttpResponse:
    text, rows = _asked(request, found)
    context = {
        "label": wms_class(found).label,
        "lists_methods": wms_class(found).overrides("ship_methods"),
        "page": Paginator(rows.order_by("-active", "code"), PAGE).get_page(request.GET.get("page")),
        "text": text,
        "form": form,
    }
    return render(request, "wms/ship_methods.html", context, status=422 if form.is_bound else 200)
