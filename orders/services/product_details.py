"""What the WMS says of its products: their names, and their other codes. A part of Inventory, after the levels.

Once a day of all products, otherwise of those that have changed. What takes more than one run goes on where it
stopped. A code that another product has already is told to people: it stays with that one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import transaction

from integration_manager.kit.canonical import Product
from integration_manager.kit.connector import Reject, WmsConnector
from integration_manager.kit.errors import storable
from merchants import catalog, schedules
from merchants.catalog import Refused
from merchants.models import Product as Known
from merchants.models import ProductAlias, Service
from orders import aliases, cursors, files_read, rejects
from orders.run import Run

FULL = timedelta(hours=24)
STATE = "details"  # in the schedule's state
BARCODE = "Barcode"  # what a barcode is called among a product's other codes
ACTOR = "WMS"  # who changed them, on the timelines of orders that waited for one


@dataclass(slots=True)
class _Reading:
    """How far the products are read. Times as text, as the state keeps them."""

    cursor: str | None = None  # the other side's time of the last product that is stored
    full_at: str | None = None  # when all of them were last asked for
    full: bool = True  # whether the reading that is under way is of all
    since: str | None = None  # where it goes on, where it takes more than one run
    began: str = ""  # by our clock; "": none is under way
    told: bool = False  # something of it was there: no new file says nothing about what an older one lacked
    refused: bool = False  # something of it could not be read, or not be kept


def pick_up(run: Run) -> None:
    """Keeps what the WMS says of its products; what is new wakes the uploads to the carts."""
    connector = run.connector
    assert isinstance(connector, WmsConnector)
    if not connector.overrides("products") or run.unfinished:
        return
    now = run.now
    going = _Reading(**run.state.get(STATE, {}))
    if not going.began:
        going.full = going.cursor is None or going.full_at is None or now - _time(going.full_at) >= FULL
        going.since = None if going.full or going.cursor is None else _back(going.cursor, connector.overlap)
        going.began, going.told, going.refused = now.isoformat(), False, False
    changed = 0
    for page in run.pages(connector.products(_time(going.since) if going.since else None)):
        newest = cursors.clamped(page, connector)
        if newest is not None and (going.cursor is None or newest > _time(going.cursor)):
            going.cursor = newest.isoformat()
        if newest is not None:
            going.since = newest.isoformat()
        with transaction.atomic():
            news, refused = _store(run, page.rows)
            going.told = going.told or bool(page.rows)
            going.refused = going.refused or bool(page.rejects or refused)
            run.state[STATE] = asdict(going)
            cursors.remember(run)
            files_read.note(run, page, left_out=len(refused))
        changed += news
        if not news:
            run.repeated(page)
        files_read.finish(run, page, refused, of=STATE)
    if not run.unfinished:
        if going.full:
            going.full_at = going.began
        if going.full and going.told and not going.refused:
            rejects.all_read(run, of=STATE)
        going.began, going.since = "", None
        run.state[STATE] = asdict(going)
    if changed:
        run.counts["products"] = changed
        schedules.wake(Service.UPLOAD_INVENTORY, now, merchant_id=run.merchant.pk)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _back(text: str, overlap: timedelta) -> str:
    return (_time(text) - overlap).isoformat()


def _store(run: Run, products: Sequence[Product]) -> tuple[int, list[Reject]]:
    """How many names and codes are new, and what could not be kept."""
    merchant = run.merchant
    rows = {sku: one for one in products if (sku := storable(one.sku).strip()[: catalog.LONGEST])}
    if not rows:
        return 0, []
    names = [(sku, storable(one.name or "", 200).strip()) for sku, one in sorted(rows.items())]
    wanted, refused = _codes(run, rows)
    if not wanted:
        return len(catalog.store(merchant.pk, names, Known.Origin.WMS, run.now)), refused
    with aliases.changing(merchant, list(wanted), run.now, actor=ACTOR):  # first the rules are locked, then products
        written = len(catalog.store(merchant.pk, names, Known.Origin.WMS, run.now))
        skus = {sku for sku, _ in wanted.values()}
        known = {one.sku: one for one in Known.objects.filter(merchant=merchant, sku__in=skus)}
        new = [catalog.alias(known[sku], kind, value) for value, (sku, kind) in wanted.items()]
        return written + catalog.store_aliases(new), refused


def _codes(run: Run, rows: dict[str, Product]) -> tuple[dict[str, tuple[str, str]], list[Reject]]:
    """The codes that are new, each with its product's SKU and its kind; and those that cannot be kept."""
    kinds = catalog.kinds(run.merchant.pk)
    said: list[tuple[str, str, str]] = []  # SKU, kind, value
    refused: list[Reject] = []
    for sku, one in rows.items():
        every = [(alias.name, alias.value) for alias in one.aliases]
        if one.barcode and one.barcode not in {value for _, value in every}:
            every.append((BARCODE, one.barcode))
        for name, text in every:
            try:
                kind = catalog.kind_of(storable(name), kinds)
                value = catalog.code(storable(text), "The alias value")
            except Refused as why:
                refused.append(_refused(sku, name, text, str(why)))
                continue
            kinds = kinds if kind in kinds else [*kinds, kind]
            said.append((sku, kind, value))
    there = ProductAlias.objects.filter(merchant=run.merchant, value__in=[value for _, _, value in said])
    owners = dict(there.values_list("value", "product__sku"))
    wanted: dict[str, tuple[str, str]] = {}
    for sku, kind, value in said:
        owner = owners.get(value) or (wanted[value][0] if value in wanted else None)
        if owner is None:
            wanted[value] = (sku, kind)
        elif owner != sku:
            taken = f"{value} is a code of {owner} already. A value belongs to one product."
            refused.append(_refused(sku, kind, value, taken))
    return wanted, refused


def _refused(sku: str, kind: str, value: str, why: str) -> Reject:
    return Reject("", 0, f"{sku}, {kind[:40]}: {why}", f"{sku} {kind} {value}")
