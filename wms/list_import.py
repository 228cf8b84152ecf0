"""The WMS's list of ship methods as a CSV file: what the export writes, the import reads."""

from collections.abc import Iterator, Sequence

from django.db.models import QuerySet

from accounts import audit
from integration_manager import spreadsheet
from integration_manager.kit.errors import storable
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, Plan
from wms.models import Wms, WmsShipMethod
from wms.ship_methods import MOST, lock

COLUMNS = (
    Column("code", "Ship code", also=("Code",)),
    Column("description", "Description", needed=False, longest=200),
    Column("carrier", "Carrier", needed=False, longest=60),
)


def rows_of(rows: "QuerySet[WmsShipMethod]") -> Iterator[list[str]]:
    """Rows of the list, with those that the WMS no longer lists last."""
    for active in (True, False):
        for part in spreadsheet.parts(rows.filter(active=active), "code"):
            yield from ([row.code, row.description, row.carrier] for row in part)


class MethodsImport:
    """Takes up such a file: an importer of integration_manager/list_pages.py."""

    title = "Import the WMS's ship methods"
    columns: Sequence[Column] = COLUMNS
    example = (("UPSG", "UPS Ground", "UPS"), ("USPSGA", "USPS Ground Advantage", "USPS"))

    def __init__(self, wms: Wms, label: str, back: str, actor: object) -> None:
        self.wms, self.label, self.back, self._actor = wms, label, back, actor

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the list as it is."""
        lock(self.wms)

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What the rows would change. Of a code that comes twice, the last row counts."""
        plan = Plan()
        found: dict[str, Row] = {}
        known = {row.code: row for row in WmsShipMethod.objects.filter(wms=self.wms)}
        for row in rows:
            code = row.cells["code"]
            if not code:
                plan.problems.append((row.line, "It has no ship code."))
            elif code not in known and code not in found and len(known.keys() | found.keys()) >= MOST:
                plan.problems.append((row.line, f"The list has at most {MOST:,} codes."))
            else:
                if code in found:
                    plan.warnings.append((row.line, f"{code} comes twice; this row counts."))
                found[code] = row
        for code, row in found.items():
            stored, after = known.get(code), (row.cells["description"], row.cells["carrier"])
            if stored is not None and stored.active and (stored.description, stored.carrier) == after:
                plan.same += 1
            else:
                plan.good.append(row)
                before = _said(stored.description, stored.carrier) if stored else None
                plan.changes.append(Change(code, before, _said(*after)))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Stores them. What the WMS lists itself stays the WMS's, and is described anew at the next load."""
        WmsShipMethod.objects.bulk_create(
            [
                WmsShipMethod(wms=self.wms, **{name: storable(row.cells[name]) for name in row.cells}, active=True)
                for row in rows
            ],
            update_conflicts=True,
            unique_fields=["account", "wms", "code"],
            update_fields=["description", "carrier", "active"],
        )
        number = len(rows)
        audit.record(self._actor, "ship_methods.imported", self.label, {"codes": (None, number)})
        return f"{number} ship code{'' if number == 1 else 's'} imported."


def _said(description: str, carrier: str) -> str:
    return " · ".join(part for part in (description, carrier) if part) or "—"
