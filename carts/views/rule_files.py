"""The rules of carts that are single values, as one file: a row for each cart, a column for each option."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.models import User
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.forms import CartForm
from carts.models import Cart
from carts.views import listing
from carts.views.lookup import today
from integration_manager import list_pages, spreadsheet
from integration_manager.kit import clock
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, Plan
from merchants import catalog
from merchants.rules.countries import REFUSE
from orders import cart_settings, country_rules, delaying, filters, forgetting, ruling

# Of the cart's form, in its words.
OPTIONS = (
    "reject_unmapped", "translate_items", *delaying.FIELDS, *cart_settings.ADDRESSES,
    "stock_warehouse", "stock_alias", "stock_minimum", "stock_buffer", "stock_percent",
)  # fmt: skip
LEVELS = {False: "Filter Item", True: "Filter Order"}
# Those that have pages of their own, each with its choices: value → words.
OF_PAGES: dict[str, tuple[str, dict[Any, str]]] = {
    "item_filter": ("Item Filter Type", dict(Cart.Filtering.choices)),
    "filter_whole_order": ("Item Filter Level", LEVELS),
    "country_kind": ("Ships To", country_rules.KINDS),
    "country_then": ("Orders To Other Countries", country_rules.THEN),
}
KEPT = "Personal Data Kept, in days"
LABELS: dict[str, str] = {
    **{name: CartForm.Meta.labels[name] for name in OPTIONS},
    **{name: label for name, (label, _) in OF_PAGES.items()},
}
COLUMNS = (
    Column("id", "Id", also=("Cart id",), needed=False),
    Column("merchant", "Merchant", needed=False),
    Column("cart", "Cart", needed=False),
    *(Column(name, label, needed=False) for name, label in LABELS.items()),
    Column("kept", KEPT, needed=False),
)
YES, NO = ("yes", "y", "true", "1", "on", "enabled"), ("no", "n", "false", "0", "off", "disabled")
ANY_TIME = "Any time"
MOST_NAMED = 12  # choices that a sentence lists


class Wrong(ValueError):
    """What a row says cannot be; the text says why, for the person whose file it is."""


@require("carts.view")
@require_GET
def cart_rules_csv(request: AccountRequest) -> HttpResponseBase:
    """The rules of all carts, or of those of one merchant, as a file that the import takes."""
    rows = listing.asked(request).select_related("merchant", "stock_warehouse")
    return spreadsheet.streamed(request, "cart-rules", [c.header for c in COLUMNS], lambda: _cells(rows))


@require("carts.edit")
@require_http_methods(["GET", "POST"])
def cart_rules_import(request: AccountRequest) -> HttpResponseBase:
    """Takes up such a file."""
    back = reverse("carts", args=[request.account.public_id])
    importer = RulesImport(back, request.user, today(request.account))
    return list_pages.importing(request, importer, {"crumbs": [("Carts", back)]})


@dataclass(slots=True)
class Wanted:
    """What a row wants of a cart, which has its options already: those of other pages, and all before and after."""

    cart: Cart
    of_pages: dict[str, Any]
    changes: dict[str, tuple[str, str]] = field(default_factory=dict)  # option's label → its words before and after

    def in_words(self, which: int) -> str:
        """All that changes: before (0) or after (1)."""
        return "; ".join(f"{label}: {pair[which]}" for label, pair in self.changes.items())


class RulesImport:
    """Takes up a file of rules: an importer of integration_manager/list_pages.py."""

    title, what = "Import the rules of carts", "Cart"
    lede = (
        "A row for each cart, found by its id or by its merchant and name. An empty cell leaves an option as it is, "
        "and so does a column that is missing. One wrong row, and nothing of the file is imported."
    )
    columns: Sequence[Column] = COLUMNS
    example: Sequence[Sequence[str]] = ()  # made of the columns below

    def __init__(self, back: str, actor: User, day: date) -> None:
        """`day`: the account's own, for the form."""
        self.back, self._actor, self._day = back, actor, day

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What would change at each cart."""
        plan, carts, seen = Plan(whole=True), _Carts(), dict[int, int]()
        for row in rows:
            try:
                cart = carts.of(row.cells)
                if cart.pk in seen:
                    raise Wrong(f"It is the same cart as in line {seen[cart.pk]}.")
                seen[cart.pk] = row.line
                wanted = self._wanted(cart, row.cells)
            except Wrong as why:
                plan.problems.append((row.line, str(why)))
                continue
            plan.good.append(row)
            if wanted.changes:
                what = f"{cart.merchant.name}: {cart.name}"
                plan.changes.append(Change(what, wanted.in_words(0), wanted.in_words(1)))
            else:
                plan.same += 1
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Stores them, all or none, with what that means for orders that wait."""
        number, released = 0, 0
        try:
            with transaction.atomic():
                asked = _Carts().of_rows(rows)
                ids = [cart.pk for cart, row in asked if self._wanted(cart, row.cells).changes]
                ruling.change(ids)  # locks them
                for cart, row in asked:
                    if cart.pk in ids:
                        fresh = Cart.objects.select_related("merchant", "stock_warehouse").get(pk=cart.pk)
                        released += self._store(self._wanted(fresh, row.cells))
                        number += 1
        except (Wrong, filters.Refused, country_rules.Refused) as why:
            return f"Nothing was changed. {why}"
        said = f"The rules of {number} cart{'' if number == 1 else 's'} are changed."
        if not released:
            return said
        orders = "1 order goes" if released == 1 else f"{released:,} orders go"
        return f"{said} {orders} to the WMS within a minute or two."

    def _wanted(self, cart: Cart, cells: dict[str, str]) -> Wanted:
        """What a row wants of a cart. Raises Wrong."""
        before = _said(cart)
        if cells["kept"] and cells["kept"] != before["kept"]:
            raise Wrong(f"{KEPT} is {before['kept']}: the operator of this installation sets it, by kind of cart.")
        form = CartForm(_data(cart, cells, self._day), instance=cart, today=self._day)
        if not form.is_valid():
            name, errors = next(iter(form.errors.items()))
            raise Wrong(f"{LABELS.get(name, name)}: {' '.join(map(str, errors))}")
        of_pages = {name: _chosen(name, cells[name]) for name in OF_PAGES if cells[name]}
        rule = {"kind": "", "then": REFUSE, **cart.country_rule}
        rule |= {name.removeprefix("country_"): of_pages[name] for name in of_pages if name.startswith("country_")}
        try:
            country_rules.refuse_nothing(rule)
        except country_rules.Refused as why:
            raise Wrong(f"{LABELS['country_kind']}: {why}") from None
        after = _said(cart) | {name: OF_PAGES[name][1][value] for name, value in of_pages.items()}
        changes = {LABELS[name]: (before[name], after[name]) for name in LABELS if before[name] != after[name]}
        return Wanted(cart, of_pages, changes)

    def _store(self, wanted: Wanted) -> int:
        """Stores it as the cart's pages do; returns how many orders go on."""
        cart, now, of_pages = wanted.cart, clock.now(), wanted.of_pages
        stored = Cart.objects.select_related("stock_warehouse").get(pk=cart.pk)
        before = {name: getattr(stored, name) for name in OPTIONS}
        changes = audit.difference(before, {name: getattr(cart, name) for name in OPTIONS})
        released = 0
        if changes:
            cart.save(update_fields=list(changes))
            released += cart_settings.follow(cart, before, now, self._actor.email)
            audit.record(self._actor, "cart.changed", cart.name, changes)
        kind, whole = of_pages.get("item_filter"), of_pages.get("filter_whole_order")
        if {LABELS["item_filter"], LABELS["filter_whole_order"]} & wanted.changes.keys():
            released += filters.change_items(cart, now, self._actor, kind=kind, whole_order=whole).released
        kind, then = of_pages.get("country_kind"), of_pages.get("country_then")
        if {LABELS["country_kind"], LABELS["country_then"]} & wanted.changes.keys():
            released += country_rules.change(cart, now, self._actor, kind=kind, then=then).released
        return released


class _Carts:
    """The carts that a file may name, by what it names them."""

    def __init__(self) -> None:
        rows = Cart.objects.filter(archived_at__isnull=True).select_related("merchant", "stock_warehouse")
        self._by_id: dict[str, Cart] = {cart.public_id: cart for cart in rows}
        self._by_name: dict[tuple[str, str], list[Cart]] = {}
        for cart in self._by_id.values():
            for merchant in {"", cart.merchant.name.casefold(), cart.merchant.code.casefold()}:
                self._by_name.setdefault((merchant, cart.name.casefold()), []).append(cart)

    def of(self, cells: dict[str, str]) -> Cart:
        """The one that a row is about. Raises Wrong."""
        if cells["id"]:
            found = [cart] if (cart := self._by_id.get(cells["id"])) else []
        else:
            found = self._by_name.get((cells["merchant"].casefold(), cells["cart"].casefold()), [])
        name = cells["id"] or ", ".join(filter(None, (cells["merchant"], cells["cart"])))
        if not name:
            raise Wrong("It names no cart: write its Id, or its Merchant and Cart.")
        if not found:
            raise Wrong(f"There is no cart {name}.")
        if len(found) > 1:
            raise Wrong(f"Several carts are called {name}: write the Id of the one that is meant.")
        return found[0]

    def of_rows(self, rows: Iterable[Row]) -> list[tuple[Cart, Row]]:
        """The carts of some rows, in the order in which carts are locked. Raises Wrong."""
        return sorted(((self.of(row.cells), row) for row in rows), key=lambda pair: pair[0].pk)


def _cells(rows: "QuerySet[Cart]") -> Iterator[list[str]]:
    for cart in spreadsheet.newest_first(rows):
        said = _said(cart)
        yield [cart.public_id, cart.merchant.name, cart.name, *(said[name] for name in LABELS), said["kept"]]


def _said(cart: Cart) -> dict[str, str]:
    """A cart's rules in words, which the import understands: option → words."""
    rule = cart.country_rule
    values = {
        "item_filter": cart.item_filter,
        "filter_whole_order": cart.filter_whole_order,
        "country_kind": rule.get("kind", ""),
        "country_then": rule.get("then", REFUSE),
    }
    return {
        **{name: _word(cart, name) for name in OPTIONS},
        **{name: OF_PAGES[name][1][value] for name, value in values.items()},
        "kept": str(forgetting.days_of(cart.system)),
    }


def _word(cart: Cart, name: str) -> str:
    value: Any = getattr(cart, name)
    if name == "translate_items":
        return {"": "No", catalog.ANY_CODE: "Master SKU"}.get(value, value)
    if name == "stock_alias":
        return value or "No"
    if name == "stock_warehouse":
        return value.name if value else "All that are enabled"
    if name == "send_not_before":
        return f"{value:%H:%M}" if value else ANY_TIME
    if isinstance(value, bool):
        return "Yes" if value else "No"
    of: Any = Cart._meta.get_field(name)
    return str(dict(of.flatchoices).get(value, value))


def _data(cart: Cart, cells: dict[str, str], day: date) -> dict[str, Any]:
    """What the cart's form would be sent with a row's cells in it. Raises Wrong."""
    form = CartForm(instance=cart, today=day)
    data: dict[str, Any] = {}
    for name in (*OPTIONS, "name", "order_source", "description", "earliest_order_date"):
        value = form[name].value()
        if cells.get(name):
            try:
                value = _value(form.fields[name], name, cells[name])
            except Wrong as why:
                raise Wrong(f"{LABELS[name]}: {why}") from None
        if value is not False:  # a box that is not ticked is not sent
            data[name] = "" if value is None else value
    return data


def _value(of: forms.Field, name: str, text: str) -> Any:
    """A cell as the form is sent it. Raises Wrong."""
    said = text.casefold()
    if isinstance(of, forms.BooleanField):
        if said not in YES + NO:
            raise Wrong(f"“{text}” is neither Yes nor No.")
        return said in YES
    if name == "send_not_before" and said in (ANY_TIME.casefold(), *NO):
        return ""
    choices: Any = getattr(of, "choices", None)
    return text if choices is None else _choice({str(value): str(label) for value, label in choices}, text)


def _chosen(name: str, text: str) -> Any:
    label, choices = OF_PAGES[name]
    try:
        return _choice(choices, text)
    except Wrong as why:
        raise Wrong(f"{label}: {why}") from None


def _choice(choices: dict[Any, str], text: str) -> Any:
    """The choice that a text names: by all of its words, by those before a colon or a comma, or by its value."""
    said = text.casefold()
    for value, words in choices.items():
        if said == words.casefold():
            return value
    for value, words in choices.items():
        short = words.partition(":")[0].partition(",")[0].casefold()
        if said == str(value).casefold() or (said == short and value in _OURS):
            return value
    names = list(choices.values())
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    raise Wrong(f"“{text}” is none of {', '.join(f'“{one}”' for one in names[:MOST_NAMED])}{more}.")


# Choices whose words are ours, and not a warehouse's name or a kind of code that people have made.
_OURS = ("", catalog.ANY_CODE, True, False, *Cart.Filtering.values, *country_rules.KINDS, *country_rules.THEN)
