"""A cart's filters as CSV files: what the exports write, the imports read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

from carts.models import Cart, ItemFilter
from integration_manager import spreadsheet
from integration_manager.kit import clock
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, NothingDone, Plan
from orders import conditions, filters, ruling

ITEM_COLUMNS = (Column("item", "Item", also=("SKU", "Item code", "Product code")),)
ORDER_COLUMNS = (
    Column("field", "Field", whole=True),
    Column("kind", "Type"),
    Column("match", "Match", needed=False),
    Column("value", "Value", also=("Filter Value", "Filter Values")),
)


def item_rows(rows: "QuerySet[ItemFilter]") -> Iterator[list[str]]:
    """What of a cart's item filter is listed."""
    for part in spreadsheet.parts(rows, "key"):
        yield from ([row.item or filters.BLANK] for row in part)


def order_rows(cart: Cart) -> list[list[str]]:
    """A cart's order filters, a row for each value."""
    return [
        [
            conditions.label_of(row["field"]),
            "restricted" if row["restricted"] else "required",
            conditions.MATCHES[row["match"]],
            value,
        ]
        for row in cart.order_filters
        for value in row["values"]
    ]


class ItemImport:
    """Takes up a file of item codes: an importer of integration_manager/list_pages.py."""

    noun = "items"
    columns: Sequence[Column] = ITEM_COLUMNS
    example = (("GIFT-WRAP",), ("SHIPPING-PROTECTION",), (filters.BLANK,))

    def __init__(self, cart: Cart, back: str, actor: object, in_words: Callable[[filters.Saved], str]) -> None:
        self.cart, self.back, self._actor, self._in_words = cart, back, actor, in_words
        self.title = f"Import the item filter of {cart.name}"

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the cart's rules as they are."""
        ruling.keep([self.cart.pk])

    def plan(self, rows: Sequence[Row]) -> Plan:
        """Which codes are new."""
        plan = Plan()
        known = set(ItemFilter.objects.filter(cart=self.cart).values_list("key", flat=True))
        for row in rows:
            key = filters.item_key(row.cells["item"])
            if not row.cells["item"]:
                plan.problems.append((row.line, f"It is empty. Items without a code are written {filters.BLANK}."))
            elif key in known:
                plan.same += 1
            else:
                known.add(key)
                plan.good.append(row)
                plan.changes.append(Change(row.cells["item"], None, "listed"))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Lists them."""
        items = [row.cells["item"] for row in rows]
        try:
            return self._in_words(filters.change_items(self.cart, clock.now(), self._actor, add=items))
        except filters.Refused as why:
            raise NothingDone(str(why)) from None


class OrderImport:
    """Takes up a file of order filters; rows of one field are one filter, which replaces the cart's own."""

    noun = "filters"
    columns: Sequence[Column] = ORDER_COLUMNS
    example = (
        ("Shipping country", "required", "is", "USA"),
        ("Shipping country", "required", "is", "CAN"),
        ("Shipping postal code", "restricted", "starts with", "331"),
        ("Extra field Gift tag", "restricted", "is", "HOLD"),
    )

    def __init__(self, cart: Cart, back: str, actor: object, in_words: Callable[[filters.Saved], str]) -> None:
        self.cart, self.back, self._actor, self._in_words = cart, back, actor, in_words
        self.title = f"Import the order filters of {cart.name}"

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the cart's rules as they are."""
        ruling.keep([self.cart.pk])
        self.cart.refresh_from_db(fields=["order_filters"])

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What the filters of the file would replace."""
        plan = Plan()
        known = {row["field"]: row for row in self.cart.order_filters}
        for group in _fields(rows).values():
            try:
                wanted = _checked(group)
            except filters.Refused as why:
                plan.problems += [(row.line, str(why)) for row in group]
                continue
            before = known.get(wanted["field"])
            if before == wanted:
                plan.same += 1
                continue
            plan.good += group
            said = filters.in_words(before) if before else None
            plan.changes.append(Change(conditions.label_of(wanted["field"]), said, filters.in_words(wanted)))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Puts them in place."""
        try:
            put = [_checked(group) for group in _fields(rows).values()]
            return self._in_words(filters.change_orders(self.cart, clock.now(), self._actor, put=put))
        except filters.Refused as why:
            raise NothingDone(str(why)) from None


def _fields(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows by their field, in whatever way it is written."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        try:
            name = conditions.field_of(row.cells["field"])
        except filters.Refused:
            name = row.cells["field"]  # refused with its rows
        found.setdefault(name, []).append(row)
    return found


def _checked(group: Sequence[Row]) -> dict[str, Any]:
    """The filter that rows of one field are. Raises Refused."""
    kinds, matches = {row.cells["kind"].casefold() for row in group}, {row.cells["match"].casefold() for row in group}
    if len(kinds) > 1 or len(matches) > 1:
        raise filters.Refused("Rows of one field need the same Type and the same Match.")
    match, name = conditions.match_of(matches.pop()), conditions.field_of(group[0].cells["field"])
    return filters.checked(name, kinds.pop(), match, [row.cells["value"] for row in group])
