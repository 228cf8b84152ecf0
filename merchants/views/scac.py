"""SCAC Mapping: what the carts of a merchant are told in place of the WMS's carrier codes."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import list_pages, spreadsheet, stale
from integration_manager.undone import once_more
from merchants.models import CarrierCode, Merchant
from merchants.scac import KNOWN, LONGEST, LONGEST_SCAC, MOST, carrier_key
from merchants.scac_import import COLUMNS, PASS, ScacImport, as_scac, rows_of, save
from merchants.views.page import crumbs, merchant_or_404

PAGE = 50
MOST_TYPED = 200  # characters of one field that are shown again


@require("merchants.view")
@require_http_methods(["GET", "POST"])
def merchant_scac(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """The mapping, and what people do to it."""
    found, errors = merchant_or_404(merchant), dict[str, str]()
    if request.method == "POST":
        if "merchants.edit" not in request.permissions:
            raise PermissionDenied("your role may not change merchants")
        said = _act(request, found, errors)
        if not errors:
            messages.success(request, said)
            return redirect("merchant_scac", request.account.public_id, found.public_id)
    rows = CarrierCode.objects.filter(merchant=found).order_by("code")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    for row in page.object_list:
        row.typed = as_scac(request.POST.get(f"c{row.pk}", row.scac)[:MOST_TYPED])
        row.error = errors.get(f"c{row.pk}", "")
    context = {
        "shown": found,
        "page": page,
        "known": KNOWN,
        "codes": {code for code, _ in KNOWN},
        "error": errors.get("code", ""),
        "typed": {name: request.POST.get(name, "").replace("\x00", "")[:200] for name in ("code", "scac")},
    }
    return render(request, "merchants/scac.html", context, status=422 if errors else 200)


@require("merchants.view")
@require_GET
def merchant_scac_csv(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """The mapping as a file that the import takes."""
    found = merchant_or_404(merchant)
    return spreadsheet.streamed(request, f"scac {found.name}", [c.header for c in COLUMNS], lambda: rows_of(found))


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
@once_more
def merchant_scac_import(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Takes up a file of carriers."""
    found, account = merchant_or_404(merchant), request.account.public_id
    back = reverse("merchant_scac", args=[account, found.public_id])
    way = [*crumbs(request, found), ("SCAC Mapping", back)]
    return list_pages.importing(request, ScacImport(found, back, request.user), {"crumbs": way})


def _act(request: AccountRequest, merchant: Merchant, errors: dict[str, str]) -> str:
    """Saves, adds or deletes. Returns what was done; `errors`: what is wrong with what was typed."""
    what, _, of = request.POST.get("do", "").partition(":")
    rows = CarrierCode.objects.filter(merchant=merchant)
    if what == "save":
        wanted = {}
        for row in rows:
            name = f"c{row.pk}"
            try:
                scac = stale.in_list(request.POST, name, row.scac, as_scac, PASS)
            except stale.Overtaken as why:
                errors[name] = str(why)
                continue
            if scac is not None and len(scac) > LONGEST_SCAC:
                errors[name] = f"{scac[:30]}… is longer than any code. At most {LONGEST_SCAC} letters."
            elif scac is not None:
                wanted[row.key] = (row.code, scac)
        number = 0 if errors else save(merchant, wanted, request.user)
        return f"{number} carrier{'' if number == 1 else 's'} changed." if number else "Nothing was changed."
    if what == "add":
        code, scac = request.POST.get("code", "").replace("\x00", "").strip(), as_scac(request.POST.get("scac", ""))
        if not carrier_key(code) or len(code) > LONGEST or len(scac) > LONGEST_SCAC:
            errors["code"] = (
                f"Write the WMS’s code, of at most {LONGEST} letters, and what carts are told, of at most "
                f"{LONGEST_SCAC}."
            )
        elif rows.filter(key=carrier_key(code)).exists():
            errors["code"] = "This carrier is in the list already, perhaps with other spaces or capitals."
        elif rows.count() >= MOST:
            errors["code"] = f"The list has at most {MOST:,} carriers. Delete some first."
        else:
            save(merchant, {carrier_key(code): (code, scac)}, request.user)
        return f"{code} is added."
    if what == "delete":
        known = of.isascii() and of.isdigit() and len(of) < 19
        gone: Any = rows.filter(pk=int(of)).first() if known else None
        if gone is not None:
            try:
                stale.as_shown(request.POST, f"c{gone.pk}", gone.scac, as_scac, PASS)
            except stale.Overtaken as why:
                errors[f"c{gone.pk}"] = str(why)
            else:
                gone.delete()
                audit.record(request.user, "merchant.scac", merchant.name, {gone.code: (gone.scac, None)})
        return "It is deleted. It comes back, passed through, with the next confirmation that names it."
    errors["code"] = "Press one of the buttons."
    return ""
