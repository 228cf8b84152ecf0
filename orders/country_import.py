"""The list of countries of Country Rules as a CSV file: what the export writes, the import reads."""

from collections.abc import Callable, Sequence

from carts.models import Cart
from integration_manager.kit import clock
from integration_manager.kit.countries import alpha_2, name_of
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, Plan
from merchants.models import Merchant
from merchants.rules.countries import REFUSE
from orders import country_rules

COLUMNS = (
    Column("country", "Country", also=("Code", "Country code", "ISO")),
    Column("name", "Name", needed=False),  # for people; the code says it
    Column("kind", "Ships To", needed=False),  # of the whole rule, which each row says
    Column("then", "Other Orders", also=("Orders To Other Countries",), needed=False),
)
CHOICES = {"kind": country_rules.KINDS, "then": country_rules.THEN}


def rows_of(owner: Merchant | Cart) -> list[list[str]]:
    """What the rule lists, each with what the rule does; a rule that lists nothing is a row without a country."""
    rule = {"kind": "", "then": REFUSE, **owner.country_rule}
    words = [choices[rule[name]] for name, choices in CHOICES.items()]
    return [[code, name_of(code) if code else "", *words] for code in rule.get("codes") or [""]]


class CountryImport:
    """Takes up a file of countries: an importer of integration_manager/list_pages.py."""

    noun = "countries"
    columns: Sequence[Column] = COLUMNS
    example = (
        ("US", "", "Only the countries listed", "Not loaded"),
        ("CAN", "", "", ""),
        ("Germany", "", "", ""),
    )

    def __init__(
        self, owner: Merchant | Cart, back: str, actor: object, in_words: Callable[[country_rules.Saved], str]
    ) -> None:
        self.owner, self.back, self._actor, self._in_words = owner, back, actor, in_words
        self.title = f"Import countries of {owner.name}"

    def plan(self, rows: Sequence[Row]) -> Plan:
        """Which countries are new, and what the rule does that it did not."""
        plan, known, asked = Plan(), set(self.owner.country_rule.get("codes", ())), dict[str, str]()
        stored = {"kind": "", "then": REFUSE, **self.owner.country_rule}
        for row in rows:
            try:
                rule = _rule(row)
                if any(asked.get(name, value) != value for name, value in rule.items()):
                    raise country_rules.Refused("It says of the whole rule something else than a row before it.")
            except country_rules.Refused as why:
                plan.problems.append((row.line, str(why)))
                continue
            for name in rule.keys() - asked.keys():
                asked[name] = rule[name]
                if rule[name] != stored[name]:
                    words, label = CHOICES[name], next(c.header for c in COLUMNS if c.name == name)
                    plan.changes.append(Change(label, words[stored[name]], words[rule[name]]))
            if not row.cells["country"] and rule:
                plan.good.append(row)
                continue
            code = alpha_2(row.cells["country"])
            if code is None:
                plan.problems.append((row.line, f"“{row.cells['country']}” is no country."))
            elif code in known:
                plan.good.append(row)
                plan.same += 1
            else:
                known.add(code)
                plan.good.append(row)
                plan.changes.append(Change(f"{name_of(code)} ({code})", None, "listed"))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Lists them."""
        try:
            codes = country_rules.read(row.cells["country"] for row in rows if row.cells["country"])
            rule = {name: value for row in reversed(rows) for name, value in _rule(row).items()}
            kind, then = rule.get("kind"), rule.get("then")
            saved = country_rules.change(self.owner, clock.now(), self._actor, add=codes, kind=kind, then=then)
            return self._in_words(saved)
        except country_rules.Refused as why:
            return f"Nothing was changed. {why}"


def _rule(row: Row) -> dict[str, str]:
    """What a row says of the whole rule. Raises Refused."""
    return {name: country_rules.named(of, row.cells[name]) for name, of in CHOICES.items() if row.cells[name]}
