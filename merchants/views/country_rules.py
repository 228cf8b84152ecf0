"""Country Rules of a merchant; and what the page of a cart (carts/views/country_rules.py) has in common with it."""

import re
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager import list_pages, spreadsheet, stale
from integration_manager.kit import clock
from integration_manager.kit.countries import ALPHA_2, name_of
from integration_manager.undone import once_more
from merchants.models import Merchant
from merchants.views.page import crumbs, merchant_or_404
from orders import country_rules
from orders.country_import import COLUMNS, CountryImport, rows_of

LONGEST = 10_000  # characters that are typed in


@require("merchants.view")
@require_http_methods(["GET", "POST"])
@once_more
def merchant_countries(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Which countries this merchant ships to."""
    found = merchant_or_404(merchant)
    way = {"shown": found, "crumbs": crumbs(request, found)}
    return page(request, found, "merchant_countries", "merchants.edit", way)


@require("merchants.view")
@require_GET
def merchant_countries_csv(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """The list as a file that the import takes."""
    return download(request, merchant_or_404(merchant))


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
@once_more
def merchant_countries_import(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Takes up a file of countries."""
    found = merchant_or_404(merchant)
    return take_up(request, found, "merchant_countries", crumbs(request, found))


# ── of a merchant and of a cart alike ──


def page(
    request: AccountRequest, owner: Merchant | Cart, route: str, permission: str, context: dict[str, Any]
) -> HttpResponseBase:
    """The rule, and what people do to it."""
    errors: dict[str, str] = {}
    here = reverse(route, args=[request.account.public_id, owner.public_id])
    rule = owner.country_rule
    mark = stale.mark(rule.get("kind", ""), rule.get("then", ""))
    said = stale.said(request.POST, mark)
    if request.method == "POST":
        if permission not in request.permissions:
            raise PermissionDenied("your role may not change this")
        if not said:
            try:
                words = in_words(_change(request, owner))
            except country_rules.Refused as why:
                errors["add" if request.POST.get("do") == "add" else "kind"] = str(why)
            else:
                messages.success(request, words)
                return redirect(here)
    listed = rule.get("codes", ())
    context |= {
        "owner": owner,
        "here": here,
        "csv_url": reverse(f"{route}_csv", args=[request.account.public_id, owner.public_id]),
        "import_url": reverse(f"{route}_import", args=[request.account.public_id, owner.public_id]),
        "kinds": country_rules.KINDS.items(),
        "thens": country_rules.THEN.items(),
        "kind": request.POST.get("kind", rule.get("kind", "")),
        "then": request.POST.get("then", rule.get("then", "")),
        "active": rule.get("kind", ""),
        "rows": sorted(((code, name_of(code)) for code in listed), key=lambda row: row[1]),
        "others": sorted(((code, name_of(code)) for code in ALPHA_2.difference(listed)), key=lambda row: row[1]),
        "typed": request.POST.get("countries", "").replace("\x00", "")[:LONGEST] if errors else "",
        "errors": errors,
        "mark": mark,
        **said,
        "editable": permission in request.permissions and owner.archived_at is None,
    }
    return render(request, "merchants/countries.html", context, status=422 if errors or said else 200)


def download(request: AccountRequest, owner: Merchant | Cart) -> HttpResponseBase:
    """The list as a file."""
    head = [column.header for column in COLUMNS]
    return spreadsheet.streamed(request, f"countries {owner.name}", head, lambda: rows_of(owner))


def take_up(
    request: AccountRequest, owner: Merchant | Cart, route: str, way: list[tuple[str, str]]
) -> HttpResponseBase:
    """The pages on which a file is imported."""
    back = reverse(route, args=[request.account.public_id, owner.public_id])
    importer = CountryImport(owner, back, request.user, in_words)
    return list_pages.importing(request, importer, {"crumbs": [*way, ("Country Rules", back)]})


def in_words(saved: country_rules.Saved) -> str:
    """What was saved, how many orders go on, and how many could be loaded now."""
    number = len(saved.changes)
    said = [f"{number} change{'' if number == 1 else 's'} saved." if number else "Nothing was changed."]
    if saved.released:
        orders = "1 order goes" if saved.released == 1 else f"{saved.released:,} orders go"
        said.append(f"{orders} to the WMS within a minute or two.")
    if saved.skipped:
        orders = "1 order was" if saved.skipped == 1 else f"{saved.skipped:,} orders were"
        said.append(f"{orders} kept out by such a rule before: Orders, Skipped lists them, and can load them.")
    return " ".join(said)


def _change(request: AccountRequest, owner: Merchant | Cart) -> country_rules.Saved:
    """Does what the button says. Raises Refused."""
    what, now = request.POST.get("do", ""), clock.now()
    if what == "rule":
        kind, then = request.POST.get("kind", ""), request.POST.get("then", "")
        return country_rules.change(owner, now, request.user, kind=kind, then=then)
    if what == "add":
        typed = re.split(r"[\n,;]", request.POST.get("countries", "").replace("\x00", "")[:LONGEST])
        codes = country_rules.read(text for text in (one.strip() for one in typed) if text)
        if not codes:
            raise country_rules.Refused("Write at least one country, by its code or its name.")
        return country_rules.change(owner, now, request.user, add=codes)
    if what == "remove":
        return country_rules.change(owner, now, request.user, remove=request.POST.getlist("m"))
    raise country_rules.Refused("Press one of the buttons.")
