"""SCAC Mapping: what the carts of a merchant are told in place of the WMS's carrier codes."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import list_pages, spreadsheet
from merchants.models import CarrierCode, Merchant
from merchants.scac import KNOWN, LONGEST, MOST, carrier_key
from merchants.scac_import import COLUMNS, ScacImport, as_scac, rows_of, save
from merchants.views.page import crumbs, merchant_or_404

PAGE = 50


@require("merchants.view")
@require_http_methods(["GET", "POST"])
def merchant_scac(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """The mapping, and what people do to it."""
    found, error = merchant_or_404(merchant), ""
    if request.method == "POST":
        if "merchants.edit" not in request.permissions:
            raise PermissionDenied("your role may not change merchants")
        said, error = _act(request, found)
        if not error:
            messages.success(request, said)
            return redirect("merchant_scac", request.account.public_id, found.public_id)
    rows = CarrierCode.objects.filter(merchant=found).order_by("code")
    context = {
        "shown": found,
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "known": KNOWN,
        "codes": {code for code, _ in KNOWN},
        "error": error,
        "typed": {name: request.POST.get(name, "").replace("\x00", "")[:200] for name in ("code", "scac")},
    }
    return render(request, "merchants/scac.html", context, status=422 if error else 200)


@require("merchants.view")
@require_GET
def merchant_scac_csv(request: AccountRequest, merchant: str) -> HttpResponse:
    """The mapping as a file that the import takes."""
    found = merchant_or_404(merchant)
    return spreadsheet.download(f"scac {found.name}", [c.header for c in COLUMNS], rows_of(found))


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
def merchant_scac_import(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Takes up a file of carriers."""
    found, account = merchant_or_404(merchant), request.account.public_id
    back = reverse("merchant_scac", args=[account, found.public_id])
    way = [*crumbs(request, found), ("SCAC Mapping", back)]
    return list_pages.importing(request, ScacImport(found, back, request.user), {"crumbs": way})


def _act(request: AccountRequest, merchant: Merchant) -> tuple[str, str]:
    """Saves, adds or deletes. Returns what was done, and what is wrong with what was typed."""
    what, _, of = request.POST.get("do", "").partition(":")
    rows = CarrierCode.objects.filter(merchant=merchant)
    if what == "save":
        wanted = {}
        for row in rows:
            text, was = _text(request, f"c{row.pk}"), _text(request, f"c{row.pk}-was")
            if f"c{row.pk}" in request.POST and as_scac(text) != as_scac(was):
                if len(text) > 20:
                    return "", f"{text[:30]}… is longer than any code. At most 20 letters."
                wanted[row.key] = (row.code, as_scac(text))
        number = save(merchant, wanted, request.user)
        return f"{number} carrier{'' if number == 1 else 's'} changed." if number else "Nothing was changed.", ""
    if what == "add":
        code, scac = _text(request, "code"), _text(request, "scac")
        if not carrier_key(code) or len(code) > LONGEST or len(scac) > 20:
            return "", f"Write the WMS’s code, of at most {LONGEST} letters, and what carts are told, of at most 20."
        if rows.filter(key=carrier_key(code)).exists():
            return "", "This carrier is in the list already, perhaps with other spaces or capitals."
        if rows.count() >= MOST:
            return "", f"The list has at most {MOST:,} carriers. Delete some first."
        save(merchant, {carrier_key(code): (code, as_scac(scac))}, request.user)
        return f"{code} is added.", ""
    if what == "delete":
        known = of.isascii() and of.isdigit() and len(of) < 19
        gone: Any = rows.filter(pk=int(of)).first() if known else None
        if gone is not None:
            gone.delete()
            audit.record(request.user, "merchant.scac", merchant.name, {gone.code: (gone.scac, None)})
        return "It is deleted. It comes back, passed through, with the next confirmation that names it.", ""
    return "", "Press one of the buttons."


def _text(request: AccountRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "").strip()
