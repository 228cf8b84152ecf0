"""A cart's hold rules as a CSV file: what the export writes, the import reads."""

from collections.abc import Callable, Sequence
from typing import Any

from carts.models import Cart
from integration_manager.kit import clock
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, NothingDone, Plan
from merchants.rules.holds import by_name
from orders import conditions, holds, ruling
from orders.filters import Saved

COLUMNS = (
    Column("name", "Rule", also=("Name",), whole=True),
    Column("field", "Field"),
    Column("match", "Match", needed=False),
    Column("value", "Value", also=("Values",)),
)


def rows_of(cart: Cart) -> list[list[str]]:
    """A cart's hold rules, a row for each value."""
    return [
        [row["name"], conditions.label_of(row["field"]), conditions.MATCHES[row["match"]], value]
        for row in cart.hold_rules
        for value in row["values"]
    ]


class HoldImport:
    """Takes up a file of hold rules; rows of one name are one rule, which replaces the cart's own of that name."""

    noun = "rules"
    columns: Sequence[Column] = COLUMNS
    example = (
        ("Large orders abroad", "Grand total", "is at least", "500"),
        ("Large orders abroad", "Shipping country", "is", "CAN"),
        ("Large orders abroad", "Shipping country", "is", "MEX"),
        ("Asked to wait", "Tag", "is", "HOLD"),
        ("Engraving", "Item", "starts with", "ENGRAVE-"),
    )

    def __init__(self, cart: Cart, back: str, actor: object, in_words: Callable[[Saved], str]) -> None:
        self.cart, self.back, self._actor, self._in_words = cart, back, actor, in_words
        self.title = f"Import the hold rules of {cart.name}"

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the cart's rules as they are."""
        ruling.keep([self.cart.pk])
        self.cart.refresh_from_db(fields=["hold_rules"])

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What the rules of the file would replace."""
        plan = Plan()
        known = {name.casefold(): group for name, group in by_name(self.cart.hold_rules).items()}
        for group in _named(rows).values():
            try:
                wanted = _checked(group)
            except holds.Refused as why:
                plan.problems += [(row.line, str(why)) for row in group]
                continue
            before = known.get(wanted[0]["name"].casefold(), [])
            said = holds.in_words(before) if before else None
            if said == holds.in_words(wanted):
                plan.same += 1
            else:
                plan.good += group
                plan.changes.append(Change(wanted[0]["name"], said, holds.in_words(wanted)))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Puts them in place."""
        try:
            put = [one for group in _named(rows).values() for one in _checked(group)]
            names = {row["name"].casefold() for row in put}
            gone = [key for row in self.cart.hold_rules if (key := holds.key_of(row))[0] in names]
            return self._in_words(holds.change(self.cart, clock.now(), self._actor, put=put, remove=gone))
        except holds.Refused as why:
            raise NothingDone(str(why)) from None


def _named(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows by their rule."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(" ".join(row.cells["name"].split()).casefold(), []).append(row)
    return found


def _checked(group: Sequence[Row]) -> list[dict[str, Any]]:
    """The conditions that rows of one rule are. Raises Refused."""
    fields: dict[str, list[Row]] = {}
    for row in group:
        fields.setdefault(conditions.field_of(row.cells["field"]), []).append(row)
    found = []
    for name, rows in fields.items():
        matches = {conditions.match_of(row.cells["match"]) for row in rows}
        if len(matches) > 1:
            raise holds.Refused("Rows of one rule and field need the same Match.")
        values = [row.cells["value"] for row in rows]
        found.append(holds.checked(group[0].cells["name"], name, matches.pop(), values))
    return found
