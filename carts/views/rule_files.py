"""The rules of carts that are single values, as one file: a row for each cart, a column for each option."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.models import User
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.forms import CartForm
from carts.models import Cart, ItemFilter
from carts.views import listing
from carts.views.lookup import today
from integration_manager import list_pages, spreadsheet
from integration_manager.kit import clock
from integration_manager.list_files import Broken, Column, Row
from integration_manager.list_pages import Change, NothingDone, Plan
from integration_manager.undone import once_more
from merchants import catalog
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
MOST_CHANGED = 200  # carts that are changed at a time: all of them are locked meanwhile


class Wrong(ValueError):
    """What a row says cannot be; the text says why, for the person whose file it is."""


@require("carts.view")
@require_GET
def cart_rules_csv(request: AccountRequest) -> HttpResponseBase:
    """The rules of all carts, or of those of one merchant, as a file that the import takes."""
    rows = listing.of_scope(request).select_related("merchant", "stock_warehouse")
    return spreadsheet.streamed(request, "cart-rules", [c.header for c in COLUMNS], lambda: _cells(rows))


@require("carts.edit")
@require_http_methods(["GET", "POST"])
@once_more
def cart_rules_import(request: AccountRequest) -> HttpResponseBase:
    """Takes up such a file."""
    back = reverse("carts", args=[request.account.public_id])
    importer = RulesImport(back, request.user, today(request.account))
    return list_pages.importing(request, importer, {"crumbs": [("Carts", back)]})


@dataclass(slots=True)
class Wanted:
    """What a row wants of a cart, which has its options already: those of other pages, and all before and after."""

    cart: Cart
    before: dict[str, Any]  # OPTIONS as they are stored
    of_pages: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, tuple[str, str]] = field(default_factory=dict)  # option → its words before and after

    def in_words(self, which: int) -> str:
        """All that changes: before (0) or after (1)."""
        return "; ".join(f"{LABELS[name]}: {pair[which]}" for name, pair in self.changes.items())


@dataclass(slots=True)
class Common:
    """What the rows of all carts of a merchant are read with."""

    kinds: list[str]  # of other codes
    fields: dict[str, forms.Field]
    choices: dict[str, dict[str, str]]  # option → its values and their words


class RulesImport:
    """Takes up a file of rules: an importer of integration_manager/list_pages.py."""

    title, what = "Import the rules of carts", "Cart"
    lede = (
        "A row for each cart, found by its id or by its merchant and name. An empty cell leaves an option as it is, "
        "and so does a column that is missing. One wrong row, and nothing of the file is imported."
    )
    columns: Sequence[Column] = COLUMNS
    example: Sequence[Sequence[str]] = ()  # made of the columns below
    most = f"{MOST_CHANGED} carts are changed at a time; for more, choose the same file again"

    def __init__(self, back: str, actor: User, day: date) -> None:
        """`day`: the account's own, for the form."""
        self.back, self._actor, self._day = back, actor, day
        self._common: dict[int, Common] = {}  # by merchant
        self._planned: list[Wanted] = []

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the rules of their carts as they are."""
        ids = [row.cells["id"] for row in rows]
        ruling.keep(Cart.objects.filter(public_id__in=ids).values_list("pk", flat=True))

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What would change at each cart.

        Its good rows are those that change something, with the cart's id and the cells that do alone: what changes
        nothing now is not to undo what somebody else makes of that option until the rows are carried out, and keeps
        no cart locked.
        """
        plan, carts, seen = Plan(whole=True), _Carts(), dict[int, int]()
        self._planned = []
        for row in rows:
            try:
                cart = carts.of(row.cells)
                if cart.pk in seen:
                    raise Wrong(f"It is the same cart as in line {seen[cart.pk]}.")
                seen[cart.pk] = row.line
                wanted = self._wanted(cart, row.cells)
            except Wrong as why:
                plan.problems.append((row.line, str(why)))
                if len(plan.problems) > MOST_CHANGED:
                    line, first = plan.problems[0]
                    raise Broken(f"More than {MOST_CHANGED} of its rows are wrong. Line {line}: {first}") from None
                continue
            if wanted.changes and len(plan.good) == MOST_CHANGED:
                plan.rest = (
                    f"{MOST_CHANGED} carts are changed at a time. What stands from line {row.line} on is not looked at "
                    "yet: once these are changed, choose the same file again, and it goes on there."
                )
                break
            if wanted.changes:
                changed = {name: row.cells[name] for name in wanted.changes}
                plan.good.append(Row(row.line, {**dict.fromkeys(row.cells, ""), **changed, "id": cart.public_id}))
                self._planned.append(wanted)
                what = f"{cart.merchant.name}: {cart.name}"
                plan.changes.append(Change(what, wanted.in_words(0), wanted.in_words(1)))
            else:
                plan.same += 1
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Stores what was planned of them under the lock, all or none, with what that means for orders that wait."""
        planned, released = sorted(self._planned, key=lambda wanted: wanted.cart.pk), 0
        number = len(planned)
        try:
            ruling.change([wanted.cart.pk for wanted in planned])
            for wanted in planned:  # in the order in which carts are locked
                released += self._store(wanted)
        except (filters.Refused, country_rules.Refused) as why:
            raise NothingDone(str(why)) from None
        said = f"The rules of {number} cart{'' if number == 1 else 's'} are changed."
        if number == MOST_CHANGED:
            said += " If the file has more, choose it again: it goes on where this ended."
        if not released:
            return said
        orders = "1 order goes" if released == 1 else f"{released:,} orders go"
        return f"{said} {orders} to the WMS within a minute or two."

    def _wanted(self, cart: Cart, cells: dict[str, str]) -> Wanted:
        """What a row wants of a cart. Raises Wrong."""
        before, wanted = _said(cart), Wanted(cart, {name: getattr(cart, name) for name in OPTIONS})
        given = {name: text for name, text in cells.items() if name in before and text not in ("", before[name])}
        if not given:
            return wanted
        if "kept" in given:
            raise Wrong(f"{KEPT} is {before['kept']}: the operator of this installation sets it, by kind of cart.")
        common = self._common_of(cart)
        form = CartForm(_data(cart, given, common), instance=cart, today=self._day, kinds=common.kinds)
        if not form.is_valid():
            name, errors = next(iter(form.errors.items()))
            raise Wrong(f"{LABELS.get(name, name)}: {' '.join(map(str, errors))}")
        wanted.of_pages = of_pages = {name: _chosen(name, given[name]) for name in OF_PAGES if name in given}
        rule = country_rules.whole(cart.country_rule)
        rule |= {name.removeprefix("country_"): of_pages[name] for name in of_pages if name.startswith("country_")}
        try:
            country_rules.refuse_nothing(rule)
        except country_rules.Refused as why:
            raise Wrong(f"{LABELS['country_kind']}: {why}") from None
        if "item_filter" in of_pages:
            try:
                filters.refuse_nothing(of_pages["item_filter"], ItemFilter.objects.filter(cart=cart).count())
            except filters.Refused as why:
                raise Wrong(f"{LABELS['item_filter']}: {why}") from None
        after = _said(cart) | {name: OF_PAGES[name][1][value] for name, value in of_pages.items()}
        wanted.changes = {name: (before[name], after[name]) for name in LABELS if before[name] != after[name]}
        return wanted

    def _common_of(self, cart: Cart) -> Common:
        """What the rows of its merchant's carts are read with, asked for once."""
        if cart.merchant_id not in self._common:
            kinds = catalog.kinds(cart.merchant_id)
            sent = dict.fromkeys(OPTIONS, "")  # with these fields alone it asks no more than it has to
            fields = CartForm(sent, instance=cart, today=self._day, kinds=kinds).fields
            listed: dict[str, Any] = {name: getattr(fields[name], "choices", None) for name in OPTIONS}
            choices = {name: {str(v): str(words) for v, words in of} for name, of in listed.items() if of is not None}
            self._common[cart.merchant_id] = Common(kinds, fields, choices)
        return self._common[cart.merchant_id]

    def _store(self, wanted: Wanted) -> int:
        """Stores it as the cart's pages do; returns how many orders go on."""
        cart, now, of_pages, before = wanted.cart, clock.now(), wanted.of_pages, wanted.before
        changes = audit.difference(before, {name: getattr(cart, name) for name in OPTIONS})
        released = 0
        if changes:
            cart.save(update_fields=list(changes))
            released += cart_settings.follow(cart, before, now, self._actor.email)
            audit.record(self._actor, "cart.changed", cart.name, changes)
        kind, whole = of_pages.get("item_filter"), of_pages.get("filter_whole_order")
        if {"item_filter", "filter_whole_order"} & wanted.changes.keys():
            released += filters.change_items(cart, now, self._actor, kind=kind, whole_order=whole).released
        kind, then = of_pages.get("country_kind"), of_pages.get("country_then")
        if {"country_kind", "country_then"} & wanted.changes.keys():
            released += country_rules.change(cart, now, self._actor, kind=kind, then=then).released
        return released


class _Carts:
    """The carts that a file may name, by what it names them."""

    def __init__(self) -> None:
        rows = Cart.objects.filter(archived_at__isnull=True).select_related("merchant", "stock_warehouse")
        self._by_id: dict[str, Cart] = {cart.public_id: cart for cart in rows}
        self._by_name: dict[tuple[str, str], list[Cart]] = {}
        for cart in self._by_id.values():
            for merchant in _merchants(cart):
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
        cart = found[0]
        named = {"", cart.name.casefold()}
        if cells["merchant"].casefold() not in _merchants(cart) or cells["cart"].casefold() not in named:
            raise Wrong(f"{name} is the Id of {cart.merchant.name}, {cart.name}: its row names another cart.")
        return cart


def _merchants(cart: Cart) -> set[str]:
    """What a row may call its merchant."""
    return {"", cart.merchant.name.casefold(), cart.merchant.code.casefold()}


def _cells(rows: "QuerySet[Cart]") -> Iterator[list[str]]:
    for cart in spreadsheet.newest_first(rows):
        said = _said(cart)
        yield [cart.public_id, cart.merchant.name, cart.name, *(said[name] for name in LABELS), said["kept"]]


def _said(cart: Cart) -> dict[str, str]:
    """A cart's rules in words, which the import understands: option → words."""
    rule = country_rules.whole(cart.country_rule)
    values = {
        "item_filter": cart.item_filter,
        "filter_whole_order": cart.filter_whole_order,
        "country_kind": rule["kind"],
        "country_then": rule["then"],
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


def _data(cart: Cart, given: dict[str, str], common: Common) -> dict[str, Any]:
    """What the cart's form would be sent with some cells of a row in it. Raises Wrong."""
    data: dict[str, Any] = {}
    for name in (*OPTIONS, "name", "order_source", "description", "earliest_order_date"):
        value = getattr(cart, name)
        if name == "stock_warehouse":
            value = value and value.public_id
        if name in given:
            try:
                value = _value(common, name, given[name])
            except Wrong as why:
                raise Wrong(f"{LABELS[name]}: {why}") from None
        if value is not False:  # a box that is not ticked is not sent
            data[name] = "" if value is None else value
    return data


def _value(common: Common, name: str, text: str) -> Any:
    """A cell as the form is sent it. Raises Wrong."""
    said = text.casefold()
    if isinstance(common.fields[name], forms.BooleanField):
        if said not in YES + NO:
            raise Wrong(f"“{text}” is neither Yes nor No.")
        return said in YES
    if name == "send_not_before" and said in (ANY_TIME.casefold(), *NO):
        return ""
    return _choice(common.choices[name], text) if name in common.choices else text


def _chosen(name: str, text: str) -> Any:
    label, choices = OF_PAGES[name]
    try:
        return _choice(choices, text)
    except Wrong as why:
        raise Wrong(f"{label}: {why}") from None


def _choice(choices: dict[Any, str], text: str) -> Any:
    """The choice that a text names: by all of its words, by those before a colon or a comma, or by its value."""
    said = text.casefold()
    alike = {words: value for value, words in choices.items() if said == words.casefold()}
    if text in alike:
        return alike[text]
    if len(alike) > 1:
        raise Wrong(f"“{text}” may be {' or '.join(f'“{words}”' for words in alike)}: write it as it is called.")
    if alike:
        return next(iter(alike.values()))
    for value, words in choices.items():
        short = words.partition(":")[0].partition(",")[0].casefold()
        if said == str(value).casefold() or (said == short and value in _OURS):
            return value
    names = list(choices.values())
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    raise Wrong(f"“{text}” is none of {', '.join(f'“{one}”' for one in names[:MOST_NAMED])}{more}.")


# Choices whose words are ours, and not a warehouse's name or a kind of code that people have made.
_OURS = ("", catalog.ANY_CODE, True, False, *Cart.Filtering.values, *country_rules.KINDS, *country_rules.THEN)
