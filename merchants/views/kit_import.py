"""The kits of a merchant as a CSV file, a row for each component: what the export writes, the import reads."""

from collections.abc import Iterator, Sequence

from django.db.models import QuerySet

from integration_manager import spreadsheet
from integration_manager.kit import clock
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, NothingDone, Plan
from merchants import kits
from merchants.models import Kit, Merchant
from merchants.rules.kits import Component
from orders import kits as orders_kits
from orders import ruling

COLUMNS = (
    Column("kit", "Kit SKU", also=("Kit", "Bundle SKU", "Bundle"), whole=True),
    Column("sku", "Component SKU", also=("Component", "SKU", "Item")),
    Column("quantity", "Quantity", also=("Qty",), longest=10),
)


def rows_of(rows: "QuerySet[Kit]") -> Iterator[list[str]]:
    """Kits by SKU, a row for each component."""
    for part in spreadsheet.parts(rows, "sku"):
        found = kits.contents(part[0].merchant_id, [kit.sku for kit in part])
        yield from ([sku, one.sku, str(one.quantity)] for sku, kit in found.items() for one in kit)


class KitImport:
    """Takes up a file of kits: an importer of integration_manager/list_pages.py. A kit's rows are all of it."""

    noun = "kits"
    columns: Sequence[Column] = COLUMNS
    example = (("GIFT-SET", "MUG-BLUE", "2"), ("GIFT-SET", "TIN-SMALL", "1"), ("SIX-PACK", "CAN-330", "6"))

    def __init__(self, merchant: Merchant, back: str, actor: object) -> None:
        self.merchant, self.back, self._actor = merchant, back, actor
        self.title = f"Import the kits of {merchant.name}"

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the merchant's kits as they are."""
        ruling.keep_all(self.merchant)

    def plan(self, rows: Sequence[Row]) -> Plan:
        """Which kits are new or have other contents."""
        plan, wanted = Plan(), dict[str, tuple[Component, ...]]()
        groups = _by_kit(rows)
        for sku, group in groups.items():
            try:
                wanted[sku] = _checked(group)
            except kits.Refused as why:
                plan.problems += [(row.line, str(why)) for row in group]
        while nested := kits.nesting(self.merchant.pk, wanted):  # without these, others may be kits in stored ones
            for sku, said in nested.items():
                plan.problems += [(row.line, said) for row in groups[sku]]
                del wanted[sku]
        known = kits.contents(self.merchant.pk, wanted)
        new = kits.unheard_of(self.merchant.pk, (part.sku for kit in wanted.values() for part in kit))
        for sku, kit in wanted.items():
            if known.get(sku) == kit:
                plan.same += 1
            else:
                plan.good += groups[sku]
                rows_with_parts = zip(groups[sku], kit, strict=True)
                plan.warnings += [(row.line, new[part.sku]) for row, part in rows_with_parts if part.sku in new]
                before = kits.in_words(known[sku]) if sku in known else None
                plan.changes.append(Change(sku, before, kits.in_words(kit)))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Stores them."""
        try:
            put = {sku: _checked(group) for sku, group in _by_kit(rows).items()}
            went_on = orders_kits.change(self.merchant, clock.now(), self._actor, put=put)
        except kits.Refused as why:
            raise NothingDone(str(why)) from None
        said = f"{len(put)} kit{'' if len(put) == 1 else 's'} stored."
        return f"{said} {went_on.released} orders that waited for that go on." if went_on.released else said


def _by_kit(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(" ".join(row.cells["kit"].split()), []).append(row)
    return found


def _checked(group: Sequence[Row]) -> tuple[Component, ...]:
    parts = ((row.cells["sku"], row.cells["quantity"]) for row in group)
    return kits.checked(group[0].cells["kit"], parts)[1]
