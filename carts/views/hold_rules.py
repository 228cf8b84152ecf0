"""Hold rules of a cart: which orders wait for a person."""

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
from carts.views.item_filters import crumbs
from carts.views.lookup import cart_or_404, live_cart_or_404
from integration_manager import list_pages, spreadsheet, stale
from integration_manager.kit import clock
from integration_manager.undone import once_more
from merchants.rules.conditions import EXTRA, FIELDS, FULL
from merchants.rules.draft import HOLD_RULE
from merchants.rules.holds import by_name
from orders import conditions, holds
from orders.filters import Saved
from orders.hold_imports import COLUMNS, HoldImport, rows_of
from orders.models import Order, Status

LONGEST = 60_000  # characters of values
TYPED = ("was", "rule", "field", "name", "match", "values")


@require("carts.view")
@require_http_methods(["GET", "POST"])
@once_more
def hold_rules(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The rules, and one of their conditions to be added or changed."""
    found = live_cart_or_404(cart) if request.method == "POST" else cart_or_404(cart)
    error, mark = "", stale.mark(found.hold_rules)
    said = stale.said(request.POST, mark, found.name, "cart.hold_rules")
    if request.method == "POST":
        if "carts.edit" not in request.permissions:
            raise PermissionDenied("your role may not change carts")
        if not said:
            try:
                saved = _change(request, found)
            except holds.Refused as why:
                error = str(why)
            else:
                messages.success(request, in_words(saved))
                return redirect("hold_rules", request.account.public_id, found.public_id)
    context = {
        "cart": found,
        "rules": [(name, _shown(rows), _key(rows[0])) for name, rows in by_name(found.hold_rules).items()],
        "held": Order.objects.filter(cart=found, status=Status.HELD, held_by=HOLD_RULE).count(),
        "fields": [(name, conditions.label_of(name)) for name in FIELDS],
        "matches": conditions.MATCHES.items(),
        "form": _form(request, found),
        "extra": EXTRA,
        "error": error,
        "mark": mark,
        "deleting": request.POST.get("do", "").startswith("delete"),
        **said,
        "editable": "carts.edit" in request.permissions and found.archived_at is None,
    }
    return render(request, "carts/hold_rules.html", context, status=422 if error or said else 200)


@require("carts.view")
@require_GET
def hold_rules_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The rules as a file that the import takes."""
    found = cart_or_404(cart)
    return spreadsheet.streamed(
        request, f"hold-rules {found.name}", [c.header for c in COLUMNS], lambda: rows_of(found)
    )


@require("carts.edit")
@require_http_methods(["GET", "POST"])
@once_more
def hold_rules_import(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Takes up a file of hold rules."""
    found = live_cart_or_404(cart)
    back = reverse("hold_rules", args=[request.account.public_id, found.public_id])
    importer = HoldImport(found, back, request.user, in_words)
    return list_pages.importing(request, importer, {"crumbs": [*crumbs(request, found), ("Hold Rules", back)]})


def in_words(saved: Saved) -> str:
    """What was saved, and how many orders go on."""
    if not saved.changes:
        return "Nothing was changed."
    if not saved.released:
        return "Saved."
    return f"Saved. {saved.released} order{'' if saved.released == 1 else 's'} that waited for it go on."


def _change(request: AccountRequest, cart: Cart) -> Saved:
    """Does what the button said. Raises Refused."""
    what, _, key = request.POST.get("do", "").replace("\x00", "").partition(":")
    known = {_key(row): row for row in cart.hold_rules}
    if what == "delete":
        return holds.change(cart, clock.now(), request.user, remove=[holds.key_of(known[key])] if key in known else [])
    if what != "save":
        raise holds.Refused("Press one of the buttons.")
    form = _form(request, cart)
    field = f"{EXTRA}{form['name']}" if form["field"] == EXTRA else form["field"]
    wanted = holds.checked(form["rule"], field, form["match"], form["values"].splitlines())
    was = holds.key_of(known[form["was"]]) if form["was"] in known else None
    if holds.key_of(wanted) != was and any(holds.key_of(row) == holds.key_of(wanted) for row in cart.hold_rules):
        raise holds.Refused(f"The rule {wanted['name']} has a condition of this field already. Change that one.")
    return holds.change(cart, clock.now(), request.user, put=[wanted], remove=[was] if was is not None else [])


def _shown(rows: list[Any]) -> list[dict[str, Any]]:
    return [{**row, "label": conditions.label_of(row["field"]), "key": _key(row)} for row in rows]


def _key(row: Any) -> str:
    """A row in a form and in an address."""
    return f"{row['field']}/{row['name']}"


def _form(request: AccountRequest, cart: Cart) -> dict[str, str]:
    """What stands in the form: what was typed, else the condition to be changed, else its rule's name or nothing."""
    if request.method == "POST":
        return {name: request.POST.get(name, "").replace("\x00", "")[:LONGEST] for name in TYPED}
    empty = {**dict.fromkeys(TYPED, ""), "match": FULL}
    rows = {_key(row): row for row in cart.hold_rules}
    row = rows.get(request.GET.get("add", ""))
    if row is not None:
        return {**empty, "rule": row["name"]}
    row = rows.get(request.GET.get("change", ""))
    if row is None:
        return empty
    extra = row["field"].startswith(EXTRA)
    return {
        "was": _key(row),
        "rule": row["name"],
        "field": EXTRA if extra else row["field"],
        "name": row["field"].removeprefix(EXTRA) if extra else "",
        "match": row["match"],
        "values": "\n".join(row["values"]),
    }
