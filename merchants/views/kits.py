"""Kits of a merchant: what is sold as one item and sent as several."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import list_pages, spreadsheet, stale
from integration_manager.kit import clock
from integration_manager.searched import search_text
from integration_manager.undone import once_more
from merchants import catalog
from merchants import kits as stored
from merchants.models import Kit, KitPart, Merchant
from merchants.views.kit_import import COLUMNS, KitImport, rows_of
from merchants.views.page import crumbs, merchant_or_404
from orders import kits as orders_kits
from orders.releasing import go_on

LONGEST = 20_000  # characters of what is typed


@require("merchants.view")
@require_GET
def kits(request: AccountRequest, merchant: str) -> HttpResponse:
    """The kits by SKU, with what is in each."""
    found = merchant_or_404(merchant)
    text = search_text(request)
    page = catalog.page(
        stored.matching(found.pk, text), "sku", request.GET.get("after", ""), request.GET.get("before", "")
    )
    parts = _parts(page.items)
    for one in page.items:
        one.contents = parts.get(one.pk, [])
    return render(request, "merchants/kits.html", {"shown": found, "page": page, "text": text, "noun": "kit"})


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
@once_more
def kit_new(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Adds a kit."""
    return _form(request, merchant_or_404(merchant), None)


@require("merchants.view")
@require_http_methods(["GET", "POST"])
@once_more
def kit(request: AccountRequest, merchant: str, kit: str) -> HttpResponseBase:
    """One kit: changed or deleted by who may."""
    found = merchant_or_404(merchant)
    one = Kit.objects.filter(merchant=found, public_id=kit).first()
    if one is None:
        raise Http404
    if request.method == "POST" and "merchants.edit" not in request.permissions:
        raise PermissionDenied("your role may not change merchants")
    deletes = request.POST.get("do") == "delete"
    if deletes and not stale.overtaken(request.POST, _mark(one, _parts([one]).get(one.pk, []))):
        went_on = orders_kits.change(found, clock.now(), request.user, remove=[one.sku])
        messages.success(request, f"{one.sku} is no kit any more: it is sent as it is.{go_on(went_on.released)}")
        return redirect("kits", request.account.public_id, found.public_id)
    return _form(request, found, one)


@require("merchants.view")
@require_GET
def kits_csv(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """The kits, or those that are searched for, as a file that the import takes."""
    found = merchant_or_404(merchant)
    audit.record(request.user, "kits.exported", found.name, {})
    rows = stored.matching(found.pk, search_text(request))
    return spreadsheet.streamed(request, f"kits {found.name}", [c.header for c in COLUMNS], lambda: rows_of(rows))


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
@once_more
def kits_import(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Takes up a file of kits."""
    found, account = merchant_or_404(merchant), request.account.public_id
    back = reverse("kits", args=[account, found.public_id])
    way = [*crumbs(request, found), ("Kits", back)]
    return list_pages.importing(request, KitImport(found, back, request.user), {"crumbs": way})


def _form(request: AccountRequest, found: Merchant, one: Kit | None) -> HttpResponseBase:
    error, parts = "", _parts([one]).get(one.pk, []) if one is not None else []
    mark = _mark(one, parts) if one is not None else ""
    said = stale.said(request.POST, mark) if one is not None else {}
    typed = {"sku": one.sku if one else "", "parts": "\n".join(f"{part.quantity} {part.sku}" for part in parts)}
    if request.method == "POST":
        typed = {name: request.POST.get(name, was).replace("\x00", "")[:LONGEST] for name, was in typed.items()}
    if request.method == "POST" and not said:
        try:
            lines = [line for line in typed["parts"].splitlines() if line.strip()]
            sku, wanted = stored.checked(typed["sku"], map(_split, lines))
            if (one is None or sku != one.sku) and Kit.objects.filter(merchant=found, sku=sku).exists():
                raise stored.Refused(f"There is a kit {sku} already. Change that one.")
            gone = [one.sku] if one is not None and one.sku != sku else []
            new = stored.unheard_of(found.pk, (part.sku for part in wanted))
            went_on = orders_kits.change(found, clock.now(), request.user, put={sku: wanted}, remove=gone)
        except stored.Refused as why:
            error = str(why)
        else:
            words = f"{sku} is sent as {stored.in_words(wanted)}.{go_on(went_on.released)}"
            messages.success(request, words)
            if new:
                messages.warning(request, " ".join(new.values()))
            return redirect("kits", request.account.public_id, found.public_id)
    context = {
        "shown": found,
        "one": one,
        "parts": parts,
        "typed": typed,
        "error": error,
        "mark": mark,
        **said,
        "above": "Kits",
        "above_url": reverse("kits", args=[request.account.public_id, found.public_id]),
    }
    return render(request, "merchants/kit.html", context, status=422 if error or said else 200)


def _mark(one: Kit, parts: list[KitPart]) -> str:
    """A mark of what the form is made of."""
    return stale.mark(one.sku, [(part.quantity, part.sku) for part in parts])


def _split(line: str) -> tuple[str, str]:
    """SKU and number of a line: "2 MUG-BLUE", "2 × MUG-BLUE" or the SKU alone."""
    first, _, rest = line.strip().partition(" ")
    if rest.strip() and first.rstrip("x×").isdigit():
        return rest.strip().removeprefix("× ").removeprefix("x ").strip(), first.rstrip("x×")
    return line.strip(), "1"


def _parts(kits: Iterable[Kit]) -> dict[int, list[KitPart]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for part in KitPart.objects.filter(kit__in=[one.pk for one in kits]).order_by("position"):
        found[part.kit_id].append(part)
    return found
