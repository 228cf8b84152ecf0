"""A cart's ship-method map as a CSV file: what the export writes, the import reads."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain

from carts.models import Cart, CartShipMethod
from integration_manager import spreadsheet
from integration_manager.kit import clock
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, NothingDone, Plan
from orders import ruling
from orders import ship_methods as maps

Match = CartShipMethod.Match
COLUMNS = (
    Column("code", "Code from the cart", also=("Cart code", "Code", "Ship code")),
    Column("wms_code", "WMS ship method", also=("WMS code", "Mapped to", "Ship method")),
    Column("match", "Match", also=("Type",), needed=False),
)
PATTERNS = (Match.STARTS, Match.CONTAINS)
_MATCHES = {
    "": Match.EXACT,
    **{match.value: match for match in Match},
    **{match.label.casefold(): match for match in Match},
    "exact": Match.EXACT,
}


def rows_of(cart: Cart) -> Iterator[list[str]]:
    """The map's rows, patterns in their order after the codes, the default last."""
    rows = CartShipMethod.objects.filter(cart=cart)
    patterns = rows.filter(match__in=PATTERNS).order_by("position", "id")
    codes = chain.from_iterable(spreadsheet.parts(rows.filter(match=Match.EXACT), "key"))
    for row in chain(codes, patterns, rows.filter(match=Match.DEFAULT)):
        yield [row.code, row.wms_code, Match(row.match).label]


Place = tuple[str, str]


def _order(stored: Iterable[Place], found: Iterable[Place] = ()) -> list[Place]:
    """The patterns in their order once those of a file are among them: these in the order of the file.

    They take the places of those that the file names; what it has more of them comes last.
    """
    patterns = [at for at in stored if at[0] in PATTERNS]
    wanted = [at for at in found if at[0] in PATTERNS]
    coming = iter(wanted)
    return [next(coming) if at in wanted else at for at in patterns] + list(coming)


class MapImport:
    """Takes up such a file: an importer of integration_manager/list_pages.py."""

    lede = (
        "Rows of the file are added, or replace what the map says of the same code; the rest of the map stays. Its "
        "patterns come in the order of the file, since the first that fits wins."
    )
    columns: Sequence[Column] = COLUMNS
    example = (
        ("UPS Ground", "UPSG", "Is"),
        ("Free shipping", "USPSGA", "Starts with"),
        ("", "UPSG", "Everything else"),
    )

    def __init__(
        self,
        cart: Cart,
        back: str,
        listed: Collection[str],
        actor: object,
        in_words: Callable[[maps.Saved], str],
    ) -> None:
        """`listed`: the codes of the WMS's list."""
        self.cart, self.back, self._listed, self._actor, self._in_words = cart, back, listed, actor, in_words
        self.title = f"Import ship methods of {cart.name}"

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the map as it is."""
        ruling.keep([self.cart.pk])

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What the rows would change. Of a code that comes twice, the last row counts."""
        plan, found = Plan(), dict[Place, tuple[Row, maps.Entry]]()
        stored = CartShipMethod.objects.filter(cart=self.cart).order_by("position", "id")
        known = {(match, key): code for match, key, code in stored.values_list("match", "key", "wms_code")}
        for row in rows:
            entry = self._entry(row)
            if isinstance(entry, str):
                plan.problems.append((row.line, entry))
                continue
            if entry.at in found:
                plan.warnings.append((row.line, f"{entry.said} comes twice; this row counts."))
            if entry.wms_code and entry.wms_code not in self._listed:
                plan.warnings.append((row.line, f"The WMS's list has no {entry.wms_code}. Orders are sent with it."))
            found.pop(entry.at, None)
            found[entry.at] = (row, entry)
        before, after = _order(known), _order(known, found)
        moved = after[: len(before)] != before  # otherwise than by adding some behind the others
        for at, (row, entry) in found.items():
            same = at in known and known[at] == entry.wms_code
            plan.same += same
            if not same:
                plan.changes.append(Change(entry.said, known.get(at), entry.wms_code or "not mapped"))
            if not same or (moved and at in after):
                plan.good.append(row)
        if moved:
            texts = {(row.match, row.key): maps.in_words(row.match, row.code) for row in stored}
            texts |= {at: entry.said for at, (_, entry) in found.items()}
            said = [", ".join(texts[at] for at in many) for many in (before, after)]
            plan.changes.append(Change("order of patterns", said[0], said[1]))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Saves them, and releases what waited."""
        entries = [entry for row in rows if isinstance(entry := self._entry(row), maps.Entry)]
        stored = CartShipMethod.objects.filter(cart=self.cart).order_by("position", "id")
        order = _order(stored.values_list("match", "key"), [entry.at for entry in entries])
        try:
            return self._in_words(maps.change(self.cart, clock.now(), self._actor, put=entries, order=order))
        except maps.Refused as why:
            raise NothingDone(str(why)) from None

    @staticmethod
    def _entry(row: Row) -> maps.Entry | str:
        """The row's entry, or what is wrong with it."""
        match = _MATCHES.get(row.cells["match"].casefold())
        if match is None:
            words = ", ".join(f"“{known.label}”" for known in Match)
            return f"Match is “{row.cells['match']}”. It may be {words}, or empty for “Is”."
        entry = maps.Entry(match, row.cells["code"], row.cells["wms_code"])
        if match in PATTERNS and not entry.at[1]:
            return "A pattern needs a text."
        if match == Match.DEFAULT and row.cells["code"]:
            return "“Everything else” has no code: leave its cell empty."
        if match != Match.EXACT and not entry.wms_code:
            return "It names no WMS ship method."
        return entry
