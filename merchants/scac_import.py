"""A merchant's SCAC Mapping as a CSV file: what the export writes, the import reads."""

from collections.abc import Iterator, Sequence

from django.db import transaction

from accounts import audit
from integration_manager import spreadsheet
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, Plan
from merchants.models import CarrierCode, Merchant
from merchants.scac import LONGEST, LONGEST_SCAC, MOST, carrier_key

PASS = "*PASSTHROUGH*"  # noqa: S105 (no password: the word for "do not translate")
COLUMNS = (
    Column("code", "WMS Carrier Code", also=("Carrier", "Code"), longest=LONGEST),
    Column("scac", "Mapped SCAC Code", also=("SCAC", "Mapped")),
)


def rows_of(merchant: Merchant) -> Iterator[list[str]]:
    """The mapping's rows."""
    for part in spreadsheet.parts(CarrierCode.objects.filter(merchant=merchant), "key"):
        yield from ([row.code, row.scac or PASS] for row in part)


def lock(merchant: Merchant) -> dict[str, CarrierCode]:
    """Keeps the mapping as it is until the transaction ends; its rows by their keys."""
    # One person after the other.
    Merchant.objects.select_for_update(no_key=True).only("pk", "account").get(pk=merchant.pk)
    rows = CarrierCode.objects.select_for_update().filter(merchant=merchant).order_by("pk")
    return {row.key: row for row in rows}


def save(merchant: Merchant, wanted: dict[str, tuple[str, str]], actor: object) -> int:
    """Stores what carriers are to be: key → (code, SCAC). Returns how many that changed."""
    changes: audit.Changes = {}
    with transaction.atomic():
        rows, put = lock(merchant), []
        for key, (code, scac) in wanted.items():
            row = rows.get(key) or CarrierCode(merchant=merchant, code=code, key=key, by_hand=True)
            if row.pk and row.scac == scac:
                continue
            changes[row.code] = (row.scac or PASS if row.pk else None, scac or PASS)
            row.scac = scac
            put.append(row)
        CarrierCode.objects.bulk_create(
            put, update_conflicts=True, unique_fields=["account", "merchant", "key"], update_fields=["scac"]
        )
        if changes:
            audit.record(actor, "merchant.scac", merchant.name, dict(list(changes.items())[:50]))
    return len(changes)


def as_scac(text: str) -> str:
    """A mapped code as it is stored: "" for passing through."""
    text = " ".join(text.replace("\x00", "").split())
    return "" if text.upper().startswith(PASS) else text


class ScacImport:
    """Takes up such a file: an importer of integration_manager/list_pages.py."""

    columns: Sequence[Column] = COLUMNS
    example = (("UPS-G", "UPS"), ("FDX", "FEDEX"), ("LOCAL", PASS))

    def __init__(self, merchant: Merchant, back: str, actor: object) -> None:
        self.merchant, self.back, self._actor = merchant, back, actor
        self.title = f"Import SCAC Mapping of {merchant.name}"

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the mapping as it is."""
        lock(self.merchant)

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What the rows would change. Of a carrier that comes twice, the last row counts."""
        plan = Plan()
        found: dict[str, Row] = {}
        known = dict(CarrierCode.objects.filter(merchant=self.merchant).values_list("key", "scac"))
        for row in rows:
            key = carrier_key(row.cells["code"])
            if len(as_scac(row.cells["scac"])) > LONGEST_SCAC:
                plan.problems.append((row.line, f"The SCAC code has more than {LONGEST_SCAC} characters."))
            elif not key:
                plan.problems.append((row.line, "It has no carrier code."))
            elif key not in known and key not in found and len(known.keys() | found.keys()) >= MOST:
                plan.problems.append((row.line, f"The list has at most {MOST:,} carriers."))
            else:
                if key in found:
                    plan.warnings.append((row.line, f"{row.cells['code']} comes twice; this row counts."))
                found[key] = row
        for key, row in found.items():
            scac = as_scac(row.cells["scac"])
            if known.get(key) == scac:
                plan.same += 1
            else:
                plan.good.append(row)
                before = (known[key] or PASS) if key in known else None
                plan.changes.append(Change(row.cells["code"], before, scac or PASS))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Saves them."""
        wanted = {carrier_key(row.cells["code"]): (row.cells["code"], as_scac(row.cells["scac"])) for row in rows}
        number = save(self.merchant, wanted, self._actor)
        return f"{number} carrier{'' if number == 1 else 's'} changed."
