"""What goes into files: rows are claimed, written, and planned in one commit with their file."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection, transaction

from integration_manager.ids import public_id
from integration_manager.kit.canonical import Product, PurchaseOrder, Receipt, Stock
from integration_manager.kit.connector import Connector
from integration_manager.kit.errors import OutcomeUnknown
from orders import product_files, purchase_files
from orders.changes import cancel
from orders.models import OutFile, Status
from orders.out_file import LEASE, Lost, advance
from orders.purchase_rows import Row as PurchaseRow
from orders.run import Run
from orders.services.failed_parcels import failed
from orders.services.out_files import carry, recover
from orders.services.outcomes import Outcomes
from orders.services.parcel_claims import Parcel
from orders.services.parcel_claims import claim as claim_parcels
from orders.services.preparing import keep, prepare
from orders.services.stopping import stop
from orders.states import Claimed, claim

T = TypeVar("T")
RECORDS = 500  # orders or parcels in one file, at most


def deliver(run: Run, outcomes: Outcomes) -> list[int]:
    """Order Delivery by files: first what was left, then one file for what is ready.

    Returns the orders that were taken. `outcomes` records those that never get into a file.
    """
    connector = outcomes.connector
    taken = recover(run, "orders")
    connector.ready("orders")
    while run.keep_alive() and not run.stopping.is_set():
        run.current()
        claimed = claim(run.merchant.pk, RECORDS, LEASE, run.now, run.wms_id, begins=False)
        taken += [c.id for c in claimed]
        if not claimed:
            break
        claimed = outcomes.elsewhere(claimed)
        claimed = [c for c in claimed if not _drop_canceled(run, c)]
        if not claimed:
            continue
        batch = prepare(run, connector, claimed)
        stop(run, batch.stopped, batch.waiting)
        for broken, error in batch.broken:
            outcomes.bug(broken, error)
        items, name, content = _render_fit(
            run,
            "orders",
            batch.items,
            lambda item: item.prepared,
            lambda item, error: outcomes.bug(item.claimed, error),
        )
        if not items:
            continue
        with transaction.atomic():
            file = _plan(run, "orders", name, content, [item.id for item in items])
            with connection.cursor() as cursor:
                cursor.execute(
                    """UPDATE orders_order o SET out_file_id = %s, starts = o.starts + 1
                       FROM unnest(%s::bigint[], %s::bigint[]) AS g(id, token)
                       WHERE o.id = g.id AND o.token = g.token AND o.status = 'sending'""",
                    [file.pk, [item.id for item in items], [item.claimed.token for item in items]],
                )
                if cursor.rowcount != len(items):
                    raise Lost  # nothing was planned; the orders belong to somebody else
            keep(run.merchant, items, run.now)
        carry(run, file)
    return taken


def _render_fit(
    run: Run, kind: str, items: Sequence[T], written: Callable[[T], Any], broken: Callable[[T, Exception], object]
) -> tuple[Sequence[T], str, bytes]:
    """The file of these, each as `written`; where that fails, of those that can be written alone.

    The others go to `broken`. Without any: no items.
    """
    if not items:
        return [], "", b""
    try:
        return items, *_render(run, kind, [written(item) for item in items])
    except Exception:
        fit = []
        for item in items:
            try:
                _render(run, kind, [written(item)])
            except Exception as error:
                broken(item, error)
            else:
                fit.append(item)
        if len(fit) == len(items):
            raise  # each alone is fine: it is not about one of them
        return _render_fit(run, kind, fit, written, broken)


def confirm(run: Run) -> None:
    """Shipment Upload by files."""
    recover(run, "confirmations")
    run.connector.ready("confirmations")
    while run.keep_alive() and not run.stopping.is_set():
        parcels = claim_parcels(run, RECORDS, LEASE, begins=False)
        if not parcels:
            break
        forgotten = [(p.id, p.token) for p in parcels if _forgotten(p)]
        if forgotten:
            failed(run, forgotten, OutcomeUnknown(_FORGOTTEN), park=True)
            parcels = [p for p in parcels if not _forgotten(p)]
        if not parcels:
            continue
        items = [
            ({"cust_ref": p.cust_ref, "cust_po_no": p.number, "cart_key": p.cart_key}, p.shipment) for p in parcels
        ]
        name, content = _render(run, "confirmations", items)
        with transaction.atomic():
            file = _plan(run, "confirmations", name, content, [p.id for p in parcels])
            ids, tokens = [p.id for p in parcels], [p.token for p in parcels]
            with connection.cursor() as cursor:
                cursor.execute(
                    """UPDATE orders_shipment s SET out_file_id = %s
                       FROM unnest(%s::bigint[], %s::bigint[]) AS g(id, token)
                       WHERE s.id = g.id AND s.token = g.token""",
                    [file.pk, ids, tokens],
                )
                if cursor.rowcount != len(parcels):
                    raise Lost
        carry(run, file)


_FORGOTTEN = "It may have gone in a file before, which is not known here any more."


def _forgotten(parcel: Parcel) -> bool:
    """Whether the cart may have been told of it in a file that a restored backup made us forget."""
    return parcel.starts > 0 and not parcel.remote_id


def tell_stock_left(run: Run) -> None:
    """Brings the files of workers that died to their end; one that never left is dropped: the newest levels win."""
    OutFile.objects.filter(cart=run.cart, kind="inventory", phase=OutFile.Phase.PLANNED).update(
        phase=OutFile.Phase.DROPPED
    )
    recover(run, "inventory")


def tell_stock(run: Run, levels: Sequence[Any]) -> None:
    """One file of levels."""
    if not levels or run.stopping.is_set():
        return
    run.connector.ready("inventory")
    items = [Stock(sku=level.sku, available=level.quantity, at=level.at) for level in levels]
    name, content = _render(run, "inventory", items)
    with transaction.atomic():
        file = _plan(run, "inventory", name, content, [[x.sku, str(x.quantity), x.at.isoformat()] for x in levels])
    carry(run, file)


def tell_products(run: Run, kind: str, batch: Sequence[tuple[int, int, Product]]) -> None:
    """One file of products, for the WMS or a cart: (id, token, product) of those claimed for it. Raises Lost."""
    name, content = _render(run, kind, [product for _, _, product in batch])
    ids, tokens = [pk for pk, _, _ in batch], [token for _, token, _ in batch]
    _tell(run, kind, name, content, ids, lambda file: product_files.into(file, ids, tokens))


def tell_purchases(
    run: Run,
    batch: Sequence[tuple[PurchaseRow, PurchaseOrder]],
    broken: Callable[[tuple[PurchaseRow, PurchaseOrder], Exception], object],
) -> None:
    """One file of purchase orders that were claimed for it; `broken` is told of what cannot be written. Raises Lost."""
    batch, name, content = _render_fit(run, "purchases", batch, lambda one: (one[1], one[0].ref), broken)
    if not batch:
        return
    records = [row.pk for row, _ in batch]
    _tell(run, "purchases", name, content, records, lambda file: purchase_files.into(file, batch))


def tell_receipts(
    run: Run,
    batch: Sequence[tuple[PurchaseRow, Receipt]],
    broken: Callable[[tuple[PurchaseRow, Receipt], Exception], object],
) -> None:
    """One file of what has come; `broken` is told of what cannot be written. Raises Lost."""
    batch, name, content = _render_fit(run, "receipts", batch, lambda one: (one[0].number, one[1]), broken)
    if not batch:
        return
    records = [[row.pk, row.receipt_hash] for row, _ in batch]
    _tell(run, "receipts", name, content, records, lambda file: purchase_files.into_receipts(file, batch))


def _tell(run: Run, kind: str, name: str, content: bytes, records: list[Any], into: Callable[[OutFile], bool]) -> None:
    """Plans a file and sends it. `into` says of its rows that they are in it; False: some are not ours any more."""
    with transaction.atomic():
        file = _plan(run, kind, name, content, records)
        if not into(file):
            raise Lost
    carry(run, file)


def _render(run: Run, kind: str, items: Sequence[Any]) -> tuple[str, bytes]:
    return rendered(run.connector, kind, items, run.now)


def rendered(connector: Connector, kind: str, items: Sequence[Any], now: datetime) -> tuple[str, bytes]:
    """A file's name and content; also what a preview shows."""
    return connector.render(kind, items, f"{now:%Y%m%d-%H%M%S}-{public_id()[:6]}", connector.options())


def _plan(run: Run, kind: str, name: str, content: bytes, records: list[Any]) -> OutFile:
    file: OutFile = OutFile.objects.create(
        merchant=run.merchant, cart=run.cart, kind=kind, name=name, content=content, records=records, token=1,
        created_at=run.now,
    )  # fmt: skip
    advance(file, token=1)
    return file


def _drop_canceled(run: Run, claimed: Claimed) -> bool:
    """An order that has been in no file, not even one that is forgotten, has certainly not been sent."""
    if not claimed.cancel_requested:
        return False
    tokens = [claimed.token]
    cancel([claimed.id], Status.SENDING, "Canceled before it was sent.", run.now, tokens=tokens)
    return True
