"""The list of countries of Country Rules as a CSV file: what the export writes, the import reads."""

from collections.abc import Callable, Sequence

from carts.models import Cart
from integration_manager.kit import clock
from integration_manager.kit.countries import alpha_2, name_of
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, Plan
from merchants.models import Merchant
from orders import country_rules

COLUMNS = (
    Column("country", "Country", also=("Code", "Country code", "ISO")),
    Column("name", "Name", needed=False),  # for people; the code says it
)


def rows_of(owner: Merchant | Cart) -> list[list[str]]:
    """What the rule lists."""
    return [[code, name_of(code)] for code in owner.country_rule.get("codes", ())]


class CountryImport:
    """Takes up a file of countries: an importer of integration_manager/list_pages.py."""

    noun = "countries"
    columns: Sequence[Column] = COLUMNS
    example = (("US", "United States"), ("CAN", "Canada"), ("Germany", ""))

    def __init__(
        self, owner: Merchant | Cart, back: str, actor: object, in_words: Callable[[country_rules.Saved], str]
    ) -> None:
        self.owner, self.back, self._actor, self._in_words = owner, back, actor, in_words
        self.title = f"Import countries of {owner.name}"

    def plan(self, rows: Sequence[Row]) -> Plan:
        """Which countries are new."""
        plan, known = Plan(), set(self.owner.country_rule.get("codes", ()))
        for row in rows:
            code = alpha_2(row.cells["country"])
            if code is None:
                plan.problems.append((row.line, f"“{row.cells['country']}” is no country."))
            elif code in known:
                plan.same += 1
            else:
                known.add(code)
                plan.good.append(row)
                plan.changes.append(Change(f"{name_of(code)} ({code})", None, "listed"))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Lists them."""
        try:
            codes = country_rules.read(row.cells["country"] for row in rows)
            return self._in_words(country_rules.change(self.owner, clock.now(), self._actor, add=codes))
        except country_rules.Refused as why:
            return f"Nothing was changed. {why}"
