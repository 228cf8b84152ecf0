"""What has come of purchase orders, read from the WMS: totals so far. A part of Receiving."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from integration_manager.kit.canonical import Receipt, to_json
from integration_manager.kit.connector import Reject, WmsConnector
from integration_manager.kit.errors import storable
from merchants import schedules
from merchants.models import Service
from orders import cursors, files_read, purchase_rows
from orders.purchase_rows import TAKEN, Row, State, note
from orders.run import Run

BACK = timedelta(days=2)  # from before it was switched on, receipts are read so far back
FROM = "from"  # in the schedule's state: when it was switched on


def pick_up(run: Run, connector: WmsConnector) -> None:
    """Reads on from where it was. What is of no purchase order of ours is none of our business."""
    cursor = run.schedule.cursor
    began = datetime.fromisoformat(run.state.setdefault(FROM, run.now.isoformat()))
    since, deep = cursors.since(run, began - BACK)
    for page in run.pages(connector.receipts(since)):
        newest = cursors.clamped(page, connector)
        if newest is not None and (cursor is None or newest > cursor):
            cursor = newest
        rows = [receipt for receipt in page.rows if not _below_zero(receipt)]
        below = [_rejected(receipt) for receipt in page.rows if _below_zero(receipt)]
        with transaction.atomic():
            stored, carts = _store(run, rows)
            if deep:
                cursors.passed(run, newest)
            cursors.save(run, cursor)
            files_read.note(run, page)
        if carts:  # by itself: their runs lock the two schedules the other way
            schedules.wake(Service.PURCHASES, run.now, cart_ids=sorted(carts))
        if not stored:
            run.repeated(page)
        run.counts["received"] += stored
        run.counts["found"] += len(page.rows)
        files_read.finish(run, page, below)
    if not run.unfinished:
        run.fields["cursor"] = cursor
        if deep:
            cursors.reached(run)


def _store(run: Run, receipts: Sequence[Receipt]) -> tuple[int, set[int]]:
    """Keeps what has come: how many are news, and of which carts."""
    stored, carts = 0, set()
    _lock(run, receipts)
    for receipt in receipts:
        row = _of(run, receipt)
        if row is None or not (row.at_wms or row.sent) or (not row.at_wms and row.error_code == TAKEN):
            continue  # what the WMS has under our reference is not known to be ours
        refused = row.state == State.REFUSED
        if not row.at_wms:  # so it had arrived: nobody has to be asked any more
            purchase_rows.arrived(row, receipt.wms_key or "", run.wms_id, row.sent_hash, run.now)
            note([row], "sent", "Goods of it have come, so the WMS has it.", run.now)
        if receipt.wms_key and not row.wms_key:  # that it arrived was known: now we know as what
            row.wms_key = storable(receipt.wms_key, 100)
        if purchase_rows.receive(row, receipt, run.now):
            stored += 1
            carts.add(row.cart_id)
        if refused and row.state != State.REFUSED:
            purchase_rows.tell(row.cart, run.now, worse=False)
    return stored, carts


def _lock(run: Run, receipts: Sequence[Receipt]) -> None:
    """All that they are of, always in one order: what reads the cart locks the same rows."""
    mine = Row.objects.filter(merchant=run.merchant).values_list("pk", flat=True)
    found = set(mine.filter(ref__in=[one.ref for one in receipts if one.ref]))
    found |= set(mine.exclude(wms_key="").filter(wms_key__in=[one.wms_key for one in receipts if one.wms_key]))
    list(mine.filter(pk__in=found).select_for_update().order_by("pk"))


def _below_zero(receipt: Receipt) -> bool:
    return any(line.quantity < 0 for line in receipt.lines)


def _rejected(receipt: Receipt) -> Reject:
    what = receipt.ref or receipt.wms_key
    return Reject("", 0, f"Of {what} less than nothing is said to have come.", str(to_json(receipt)))


def _of(run: Run, receipt: Receipt) -> Row | None:
    """The purchase order that goods came of, by the WMS's key or our reference; locked."""
    mine = Row.objects.select_for_update(of=("self",)).select_related("cart").filter(merchant=run.merchant)
    tries: list[Callable[[], Row | None]] = [
        lambda: mine.filter(wms_id=run.wms_id, wms_key=receipt.wms_key).first() if receipt.wms_key else None,
        lambda: mine.filter(ref=receipt.ref).first() if receipt.ref else None,
    ]
    return next((row for one in tries if (row := one()) is not None), None)
