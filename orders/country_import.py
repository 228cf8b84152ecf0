"""The list of countries of Country Rules as a CSV file: what the export writes, the import reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from carts.models import Cart
from integration_manager.kit import clock
from integration_manager.kit.countries import alpha_2, name_of
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, NothingDone, Plan
from merchants.models import Merchant
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
    rule = country_rules.whole(owner.country_rule)
    words = [choices[rule[name]] for name, choices in CHOICES.items()]
    return [[code, name_of(code) if code else "", *words] for code in rule["codes"] or [""]]


class CountryImport:
    """Takes up a file of countries: an importer of integration_manager/list_pages.py."""

    noun = "countries"
    lede = (
        "Countries of the file are added to those listed. Where it says another “Ships To” than the rule has, its list "
        "replaces the one stored, which would mean something else then. A file that says “Ships To” is imported whole: "
        "one wrong row, and nothing of it is."
    )
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

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the rule as it is."""
        country_rules.lock(self.owner)

    def plan(self, rows: Sequence[Row]) -> Plan:
        """Which countries are new, which go, and what the rule does that it did not."""
        plan, asked, codes = Plan(whole=any(row.cells["kind"] for row in rows)), dict[str, str](), dict[str, None]()
        stored, listed = country_rules.whole(self.owner.country_rule), self._listed
        for row in rows:
            try:
                rule = _rule(row)
                if any(asked.get(name, value) != value for name, value in rule.items()):
                    raise country_rules.Refused("It says of the whole rule something else than a row before it.")
                code = alpha_2(row.cells["country"])
                if code is None and (row.cells["country"] or not rule):
                    raise country_rules.Refused(f"“{row.cells['country']}” is no country.")
            except country_rules.Refused as why:
                plan.problems.append((row.line, str(why)))
                continue
            asked |= rule
            plan.good.append(row)
            if code is not None:
                plan.same += code in listed or code in codes
                codes[code] = None
        gone = self._gone(asked, codes)
        for name, value in asked.items():
            if value != stored[name]:
                words, label = CHOICES[name], next(c.header for c in COLUMNS if c.name == name)
                plan.changes.append(Change(label, words[stored[name]], words[value]))
        plan.changes += [Change(_in_words(code), None, "listed") for code in codes if code not in listed]
        plan.changes += [Change(_in_words(code), "listed", "not listed") for code in gone]
        if asked:
            try:
                country_rules.refuse_nothing({**stored, **asked, "codes": [*codes, *listed.difference(gone)]})
            except country_rules.Refused as why:
                plan.problems.append((plan.good[0].line, str(why)))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Lists them."""
        try:
            codes = country_rules.read(row.cells["country"] for row in rows if row.cells["country"])
            rule = {name: value for row in rows for name, value in _rule(row).items()}
            kind, then, gone = rule.get("kind"), rule.get("then"), self._gone(rule, codes)
            saved = country_rules.change(
                self.owner, clock.now(), self._actor, add=codes, remove=gone, kind=kind, then=then
            )
            return self._in_words(saved)
        except country_rules.Refused as why:
            raise NothingDone(str(why)) from None

    @property
    def _listed(self) -> set[str]:
        return set(self.owner.country_rule.get("codes", ()))

    def _gone(self, rule: Mapping[str, str], codes: Iterable[str]) -> list[str]:
        """What is listed no more: of another kind the old list would mean the opposite, so the file's replaces it."""
        same = rule.get("kind") in (None, self.owner.country_rule.get("kind", ""))
        return [] if same else sorted(self._listed.difference(codes))


def _in_words(code: str) -> str:
    return f"{name_of(code)} ({code})"


def _rule(row: Row) -> dict[str, str]:
    """What a row says of the whole rule. Raises Refused."""
    return {name: country_rules.named(of, row.cells[name]) for name, of in CHOICES.items() if row.cells[name]}
