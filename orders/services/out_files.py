"""Files on their way out, each once: planned → uploaded under a temporary name → renamed.

Name, records and content are fixed before the first byte leaves, and every phase is committed. The
temporary name carries the token: a worker that was taken for dead renames nothing of its successor.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from alerts.raising import raise_alert, resolve
from integration_manager.ids import public_id
from integration_manager.kit.canonical import Product, PurchaseOrder, Receipt, Stock, StockResult
from integration_manager.kit.connector import Connector
from integration_manager.kit.crash import crash_here
from integration_manager.kit.errors import AuthFailed, ConnectionFailed, ConnectorError
from orders import listings, parcel_alerts, product_files, product_rows, purchase_files
from orders.models import Order, OutFile, Shipment, Status
from orders.out_file import FREE, LEASE, ByHand, Lost, advance, orders_of
from orders.purchase_rows import Row as PurchaseRow
from orders.run import Run
from orders.services import posting
from orders.services.failed_parcels import SOON, failed
from orders.services.outcomes import AGAIN, TRIES, Outcomes, give_up
from orders.services.preparing import keep, prepare
from orders.services.stopping import stop
from orders.states import Claimed, claim, give_back, move

log = logging.getLogger(__name__)
T = TypeVar("T")
RECORDS = 500  # orders or parcels in one file, at most
HALVES = 20  # that one run clears away
ASK = 60  # tries to give a file its name, one a minute, after which a person may say what has become of it
STUCK = (
    "Mend the folder and its rights: it is tried every minute, and this ends by itself. Or say below that it arrived: "
    "from then on it is not tried any more, and the recipient can have it in another way. Do not delete it before: "
    "what is gone counts as taken."
)
Phase = OutFile.Phase
OPEN = [Phase.PLANNED, Phase.UPLOADED, Phase.POSTING]


def deliver(run: Run, outcomes: Outcomes) -> list[int]:
    """Order Delivery by files: first what was left, then one file for what is ready.

    Returns the orders that were taken. `outcomes` records those that never get into a file.
    """
    connector = outcomes.connector
    taken = recover(run, "orders")
    connector.ready("orders")
    while run.keep_alive() and not run.stopping.is_set():
        run.current()
        claimed = claim(run.merchant.pk, RECORDS, LEASE, run.now, run.wms_id)
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
                    """UPDATE orders_order o SET out_file_id = %s
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
    from orders.services.upload_shipments import claim as claim_parcels

    recover(run, "confirmations")
    run.connector.ready("confirmations")
    while run.keep_alive() and not run.stopping.is_set():
        parcels = claim_parcels(run, RECORDS, LEASE)
        if not parcels:
            break
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


def tell_stock_left(run: Run) -> None:
    """Brings the files of workers that died to their end; one that never left is dropped: the newest levels win."""
    OutFile.objects.filter(cart=run.cart, kind="inventory", phase=Phase.PLANNED).update(phase=Phase.DROPPED)
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


def recover(run: Run, kind: str) -> list[Any]:
    """Goes on with files whose worker died, and clears away halves that were given up.

    Returns the records of those that it took up, whatever comes after: who cannot be reached any more ends the run.
    """
    taken: list[Any] = []
    files = OutFile.objects.filter(merchant=run.merchant, cart=run.cart, kind=kind)
    _let_go(run, files)
    for pk in files.filter(phase__in=OPEN).order_by("id").values_list("id", flat=True):
        if not run.keep_alive() or run.stopping.is_set():
            return taken
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE orders_outfile SET token = token + 1, lease_until = now() + make_interval(secs => %s)
                   WHERE id = %s AND phase = ANY(%s) AND (lease_until IS NULL OR lease_until < now()) RETURNING id""",
                [LEASE, pk, OPEN],
            )
            mine = cursor.fetchone()
        if mine:
            file = OutFile.objects.get(pk=pk)
            taken += file.records
            if not _taken_back(run, file):
                carry(run, file)
    halves = files.filter(phase=Phase.DROPPED).exclude(temporary="").only("account", "kind", "temporary")
    for file in halves.order_by("id")[:HALVES]:
        if not run.keep_alive() or run.stopping.is_set():
            break
        try:
            run.call(run.connector.remove, file.kind, file.temporary)
        except ConnectionFailed as error:
            run.unreachable(error)
        except AuthFailed as error:
            run.refused(error)
        except ConnectorError as error:  # nobody reads it: what waits need not wait for that
            log.info("half a file could not be removed: %s", error)
        else:
            files.filter(pk=file.pk).update(temporary="")
    return taken


def _taken_back(run: Run, file: OutFile) -> bool:
    """Whether a file that has certainly not arrived is dropped, since one of its orders is wanted otherwise by now."""
    if file.kind != "orders" or file.phase != Phase.PLANNED:
        return False
    otherwise = Q(cancel_requested_at__isnull=False) | Q(source_changed=True)
    if not Order.objects.filter(otherwise, out_file_id=file.pk, status=Status.SENDING).exists():
        return False
    message = f"{file.name} is not sent: an order in it was canceled or changed. What is to be sent goes in another."
    with transaction.atomic():
        advance(file, phase=Phase.DROPPED)
        rows = _of_file("orders_order", file)
        move(rows, Status.SENDING, Status.READY, "released", now=run.now, message=message, starts=0, out_file_id=None)
    return True


def _let_go(run: Run, files: QuerySet[OutFile]) -> None:
    """Files that waited for a person or for their name, until the WMS showed of all their orders that it has them."""
    left = Order.objects.filter(out_file_id=OuterRef("pk"))
    shown = files.filter(kind="orders").exclude(Exists(left))
    shown.filter(phase=Phase.PARKED).update(phase=Phase.DONE)
    if shown.filter(FREE, phase=Phase.UPLOADED).update(phase=Phase.DROPPED):  # it is not to be read a second time
        resolve("file_failing", [f"orders:{run.merchant.pk}"], run.now)
    due = PurchaseRow.objects.filter(out_file_id=OuterRef("pk"))
    files.filter(phase=Phase.PARKED, kind="purchases").exclude(Exists(due)).update(phase=Phase.DONE)


def carry(run: Run, file: OutFile) -> None:
    """Takes a file through its phases, from whichever it is in."""
    try:
        # One whose last step was begun stays with that, also if the files have another place meanwhile.
        posts = run.connector.posts or file.phase == Phase.POSTING
        if posts and not posting.post(run, file):
            return
        if not posts:
            _lay(run, file)
        with transaction.atomic():
            advance(file, phase=Phase.DONE, done_at=run.now)
            finished(run, file)
        run.counts["files"] += 1
        run.state["failing"] = False
    except ConnectorError as error:
        _failed(run, file, error)


def finished(run: Run | ByHand, file: OutFile) -> None:
    """The file is where it was to go: so are its records. Nobody has to be asked."""
    _DONE[file.kind](run, file)
    resolve("file_failing", [_key(file)], run.now)
    resolve(posting.KIND, [posting.key_of(file)], run.now)


def _lay(run: Run, file: OutFile) -> None:
    """Puts a file into its directory: whole under a temporary name, then under its own."""
    began = time.monotonic()
    connector = run.connector
    about = () if file.failures else orders_of(file)  # a step that fails every minute is told of each order once
    if file.phase == Phase.PLANNED:
        half, temporary = file.temporary, f".{file.name}.{file.token}.tmp"
        advance(file, temporary=temporary)
        if half and half != temporary:
            run.call(connector.remove, file.kind, half)  # perhaps half a file, of a worker that died
        run.call(connector.put, file.kind, temporary, bytes(file.content), subject=about)
        crash_here("after_put")
        advance(file, phase=Phase.UPLOADED)
        crash_here("after_uploaded")
    if time.monotonic() - began > LEASE / 2:
        raise Lost
    # Uploaded and gone means renamed, and perhaps already taken by its reader.
    if run.call(connector.has, file.kind, file.temporary, subject=about):
        run.call(connector.rename, file.kind, file.temporary, file.name, subject=about)
    crash_here("after_rename")


def _failed(run: Run, file: OutFile, error: ConnectorError) -> None:
    """A planned file is dropped and its records wait for another; an uploaded one stays and is renamed later.

    Where that fails for long, a person is asked: what is in it can go in no other file before somebody knows. What
    may be told twice is not kept for that.
    """
    now = run.now
    if isinstance(error, AuthFailed):
        run.refused(error)
    elif isinstance(error, ConnectionFailed):
        run.unreachable(error)
    else:
        run.stopping.set()
    charged = not isinstance(error, ConnectionFailed | AuthFailed)
    run.counts["failed"] += 1
    if charged:
        raise_alert(
            "file_failing",
            _key(file),
            f"The file {file.name} could not be written: {error}",
            fix="Check the folder and its rights. It is tried again by itself.",
            said=error.said,
            merchant_id=run.merchant.pk,
            cart_id=run.cart.pk if run.cart else None,
            now=now,
        )
    with transaction.atomic():
        if file.phase == Phase.PLANNED or (charged and file.kind in posting.REPEATABLE):
            advance(file, phase=Phase.DROPPED)
            _DROPPED[file.kind](run, file, error, charged)
        else:
            advance(file, failures=file.failures + 1)
            OutFile.objects.filter(pk=file.pk).update(lease_until=None)
            run.due_at(now + SOON)
            if file.failures == ASK and file.kind not in posting.REPEATABLE:
                why = f"it lies there as {file.temporary} and cannot be given its own name: {error}"
                posting.ask(run, file, why, STUCK)


def _key(file: OutFile) -> str:
    return f"{file.kind}:{file.cart_id or file.merchant_id}"


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


# ── what the records become ──


def _orders_done(run: Run | ByHand, file: OutFile) -> None:
    rows = list(_of_file("orders_order", file))
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
    rows, now = _of_file("orders_order", file), run.now
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, token, failures + 1, cust_po_no FROM orders_order WHERE id = ANY(%s) ORDER BY id", [rows]
        )
        found = cursor.fetchall()
    last = [one for one in found if charged and one[2] >= TRIES]
    again = [pk for pk, _, failures, _ in found if charged and failures < TRIES]
    move(again, Status.SENDING, Status.READY, "failed", now=now, message=str(error), retry_at=now + AGAIN)
    if not charged:
        give_back([(pk, token) for pk, token, _, _ in found])
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
        merchant=run.merchant, cart=run.cart, kind=file.kind, phase=Phase.UPLOADED, failures__gt=0
    )
    if not left.exists() and not stuck.exists():
        resolve("file_failing", [_key(file)], run.now)


def _parcels_done(run: Run | ByHand, file: OutFile) -> None:
    from orders.services.upload_shipments import confirm_complete

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
    parcels = Shipment.objects.filter(pk__in=_of_file("orders_shipment", file))
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
    from datetime import datetime
    from decimal import Decimal

    from orders.services.upload_inventory import record
    from orders.stock import Available

    levels = [Available(sku, Decimal(q), datetime.fromisoformat(at)) for sku, q, at in file.records]
    record(run, levels, [StockResult(level.sku) for level in levels])


def _stock_dropped(run: Run, file: OutFile, error: ConnectorError, charged: bool) -> None:
    """Nothing to undo: the next run sends the levels of then."""


def _of_file(table: str, file: OutFile) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {table} WHERE account_id = %s AND id = ANY(%s) AND out_file_id = %s "  # noqa: S608
            "ORDER BY id FOR NO KEY UPDATE",
            [file.account_id, file.records, file.pk],
        )
        return [row[0] for row in cursor.fetchall()]


_DONE: dict[str, Callable[[Run | ByHand, OutFile], None]] = {
    "orders": _orders_done,
    "confirmations": _parcels_done,
    "inventory": _stock_done,
    "products": lambda run, file: run.counts.update(products_sent=product_rows.in_file(file, run.now)),
    "catalog": lambda run, file: run.counts.update(products_sent=listings.in_file(file, run.now)),
    "purchases": lambda run, file: run.counts.update(purchases_sent=purchase_files.sent(file, run.now)),
    "receipts": lambda run, file: run.counts.update(told=purchase_files.told(file, run.now)),
}
_DROPPED: dict[str, Callable[[Run, OutFile, ConnectorError, bool], None]] = {
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


def _drop_canceled(run: Run, claimed: Claimed) -> bool:
    """An order in no file has certainly not been sent."""
    from orders.changes import cancel

    if not claimed.cancel_requested:
        return False
    tokens = [claimed.token]
    cancel([claimed.id], Status.SENDING, "Canceled before it was sent.", run.now, tokens=tokens)
    return True
