"""What becomes of the rows in a file once it has arrived, or will never arrive."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from alerts.raising import resolve
from integration_manager.kit.canonical import StockResult
from integration_manager.kit.errors import ConnectorError
from orders import listings, parcel_alerts, product_files, product_rows, purchase_files
from orders.models import Order, OutFile, Shipment, Status
from orders.out_file import ByHand, failing_key, rows_in
from orders.run import Run
from orders.services.confirmed import confirm_complete
from orders.services.failed_parcels import SOON, failed
from orders.services.outcomes import AGAIN, TRIES, give_up
from orders.services.stock_told import record
from orders.states import give_back, move
from orders.stock import Available


def _orders_done(run: Run | ByHand, file: OutFile) -> None:
    rows = list(rows_in("orders_order", file))
    moved = move(
        rows,
        Status.SENDING,
        Status.AT_WMS,
        "sent",
        now=run.now,
        message=f"Sent in the file {file.name}.",
        delivered_at=run.now,
        out_file_id=None,
        retry_at=None,
        error_code="",
        error_message="",
        cause="",
    )
    # A file has no key of the WMS: it goes by our reference.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET wms_key = wms_ref WHERE id = ANY(%s)", [moved])
    run.counts["sent"] += len(moved)


def _orders_dropped(run: Run, file: OutFile, error: ConnectorError, charged: bool) -> None:
    rows, now = rows_in("orders_order", file), run.now
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, token, failures + 1, cust_po_no FROM orders_order WHERE id = ANY(%s) ORDER BY id", [rows]
        )
        found = cursor.fetchall()
    last = [one for one in found if charged and one[2] >= TRIES]
    again = [pk for pk, _, failures, _ in found if charged and failures < TRIES]
    move(again, Status.SENDING, Status.READY, "failed", now=now, message=str(error), retry_at=now + AGAIN)
    if not charged:
        give_back([(pk, token, 0) for pk, token, _, _ in found])
    with connection.cursor() as cursor:
        # Nothing of a dropped file can ever be read by the other side: these starts did not happen.
        cursor.execute(
            "UPDATE orders_order SET out_file_id = NULL, starts = 0, failures = failures + %s, "
            "first_failed_at = coalesce(first_failed_at, %s), error_code = %s, error_message = %s WHERE id = ANY(%s)",
            [int(charged), now if charged else None, error.code, str(error), rows],
        )
    for pk, token, _, number in last:
        give_up(run, pk, number, error, token)
    if last:
        _end_of_tries(run, file, Order.objects.filter(merchant=run.merchant, status=Status.READY, failures__gt=0))
    run.due_at(now + (AGAIN if charged else SOON))


def _end_of_tries(run: Run, file: OutFile, left: QuerySet[Any]) -> None:
    """What was tried last is not tried again: without others that are (`left`), none is promised any more."""
    stuck = OutFile.objects.filter(
        merchant=run.merchant, cart=run.cart, kind=file.kind, phase=OutFile.Phase.UPLOADED, failures__gt=0
    )
    if not left.exists() and not stuck.exists():
        resolve("file_failing", [failing_key(file)], run.now)


def _parcels_done(run: Run | ByHand, file: OutFile) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            # What was corrected since the file was made is told once more.
            """UPDATE orders_shipment SET uploaded_at = CASE WHEN retry_at <= %s THEN %s::timestamptz END,
                      remote_id = %s, lease_until = NULL, out_file_id = NULL, error_code = '', error_message = ''
               WHERE account_id = %s AND out_file_id = %s AND uploaded_at IS NULL
               RETURNING id, order_id, uploaded_at""",
            [file.created_at, run.now, file.name[:150], file.account_id, file.pk],
        )
        uploaded = [(pk, order_id) for pk, order_id, at in cursor.fetchall() if at is not None]
    order_ids = {order_id for _, order_id in uploaded}
    parcel_alerts.settle(Shipment.objects.filter(pk__in=[pk for pk, _ in uploaded]), run.now)
    run.counts["uploaded"] += len(file.records)
    confirm_complete(order_ids, run.now)


def _parcels_dropped(run: Run, file: OutFile, error: ConnectorError, charged: bool) -> None:
    parcels = Shipment.objects.filter(pk__in=rows_in("orders_shipment", file))
    if not charged:
        parcels.update(
            out_file_id=None,
            lease_until=None,
            starts=0,
            retry_at=run.now + SOON,
            error_code=error.code,
            error_message=str(error),
        )
    elif failed(run, list(parcels.values_list("pk", "token")), error, anew=True):
        waiting = Shipment.objects.filter(cart=run.cart, uploaded_at=None, parked_at=None, for_cart=True)
        _end_of_tries(run, file, waiting.filter(failures__gt=0))


def _stock_done(run: Run | ByHand, file: OutFile) -> None:
    assert isinstance(run, Run)  # stock waits for nobody
    levels = [Available(sku, Decimal(q), datetime.fromisoformat(at)) for sku, q, at in file.records]
    record(run, levels, [StockResult(level.sku) for level in levels])


def _stock_dropped(run: Run, file: OutFile, error: ConnectorError, charged: bool) -> None:
    """Nothing to undo: the next run sends the levels of then."""


# By kind: (run, file); and (run, file, error, charged).
DONE: dict[str, Callable[[Run | ByHand, OutFile], None]] = {
    "orders": _orders_done,
    "confirmations": _parcels_done,
    "inventory": _stock_done,
    "products": lambda run, file: run.counts.update(products_sent=product_rows.in_file(file, run.now)),
    "catalog": lambda run, file: run.counts.update(products_sent=listings.in_file(file, run.now)),
    "purchases": lambda run, file: run.counts.update(purchases_sent=purchase_files.sent(file, run.now)),
    "receipts": lambda run, file: run.counts.update(told=purchase_files.told(file, run.now)),
}
DROPPED: dict[str, Callable[[Run, OutFile, ConnectorError, bool], None]] = {
    "orders": _orders_dropped,
    "confirmations": _parcels_dropped,
    "inventory": _stock_dropped,
    "products": lambda run, file, error, charged: product_files.out_of(
        file, run.now, error.code, str(error), unread=True
    ),
    "catalog": lambda run, file, error, charged: product_files.out_of(
        file, run.now, error.code, str(error), unread=True
    ),
    "purchases": lambda run, file, error, charged: purchase_files.not_sent(
        file, run.now, error.code, str(error), charged=charged
    ),
    "receipts": lambda run, file, error, charged: purchase_files.not_told(file, run.now, str(error)),
}
