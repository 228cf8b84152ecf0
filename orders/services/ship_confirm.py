"""Shipping Confirmations: what the WMS has shipped, in whatever state we believe the order to be.

The WMS showing a parcel of an order is evidence that it has the order: it moves the order.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F, Q

from alerts.models import Alert
from alerts.raising import raise_alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit.canonical import ZERO, Shipment, to_json
from integration_manager.kit.connector import WmsConnector
from integration_manager.kit.errors import Permanent
from merchants import schedules
from merchants.models import Service
from orders import bulk, causes, cursors, files_read, managed, parcel_alerts
from orders.changes import cancel_found
from orders.connections import cart_class
from orders.content import fold
from orders.models import Order, Status
from orders.models import Shipment as ShipmentRow
from orders.models import ShipmentLine as ShipmentLineRow
from orders.run import Run
from orders.services import begun_kits
from orders.services.confirmed import confirm_complete, tell_end
from orders.services.parcels import Row, insert_parcels, known_parcels, orders_of
from orders.services.pickup import cancel_pickup
from orders.services.replaced import take_over
from orders.states import Each, move, note

each = bulk.PerRow
FIRST = timedelta(days=2)  # how far a first run looks back
ASK_AFTER = timedelta(hours=24)  # at the WMS for longer: asked for one by one, once a day
ASK_AT_ONCE = 100


def ship_confirm(run: Run) -> None:
    """Stores the parcels that the WMS reports, and moves their orders on."""
    connector = run.connector
    assert isinstance(connector, WmsConnector)
    since, deep = cursors.since(run, run.now - FIRST)
    cursor = run.schedule.cursor
    unknown = 0  # parcels of unknown orders before the file that is being read
    for page in run.pages(connector.shipments(since)):
        newest = cursors.clamped(page, connector)
        moved = newest is not None and (cursor is None or newest > cursor)
        cursor = newest if moved else cursor
        carts: set[int] = set()
        if page.rows or moved or page.file:
            with transaction.atomic():
                carts = store(run, page.rows)
                files_read.note(run, page, run.counts["unknown_orders"] - unknown)
                _wake(run, carts)
                if moved:
                    cursors.save(run, cursor)
        if not carts:
            run.repeated(page)
        if deep:
            cursors.passed(run, newest)
        files_read.finish(run, page)
        unknown = run.counts["unknown_orders"] if page.done else unknown
        run.counts["found"] += len(page.rows)
    if deep and not run.unfinished:
        cursors.reached(run)
    if connector.overrides("shipments_of"):
        _ask_one_by_one(run, connector)
    cancel_pickup(run)


def _wake(run: Run, cart_ids: set[int]) -> None:
    """With the parcels, since nobody could later tell that these carts were never woken."""
    if cart_ids:
        schedules.wake(Service.UPLOAD_SHIPMENTS, run.now, cart_ids=list(cart_ids))


def _ask_one_by_one(run: Run, connector: WmsConnector) -> None:
    """Orders that have been at the WMS for long, in case their confirmation was never listed."""
    now = run.now
    waiting = list(
        Order.objects.filter(merchant=run.merchant, status=Status.AT_WMS, delivered_at__lt=now - ASK_AFTER)
        .exclude(~Q(wms_id=run.wms_id), wms_id__isnull=False)  # what another WMS has is not asked for here
        .exclude(checked_at__gt=now - cursors.DAILY)
        .exclude(wms_key="")
        .order_by("delivered_at")
        .values_list("id", "wms_key")[:ASK_AT_ONCE]
    )
    if not waiting or not run.keep_alive():
        return
    # Noted first: orders that make the question fail must not keep the others from being asked for.
    Order.objects.filter(pk__in=[pk for pk, _ in waiting]).update(checked_at=now)
    keys = [key for _, key in waiting]
    try:
        answers = [run.call(connector.shipments_of, keys)]
    except Permanent:
        answers = [_shipments_of_one(run, connector, key) for key in keys if run.keep_alive()]
    for shipments in answers:
        with transaction.atomic():
            _wake(run, store(run, shipments))


def _shipments_of_one(run: Run, connector: WmsConnector, key: str) -> list[Shipment]:
    try:
        return run.call(connector.shipments_of, [key])
    except Permanent:
        return []  # the WMS does not know it (any more)


def store(run: Run, shipments: Sequence[Shipment]) -> set[int]:
    """Stores parcels in a transaction. Returns the carts that have something to upload."""
    rows = orders_of(run, shipments)
    by_key = {row.wms_key: row for row in rows if row.wms_key}
    by_ref = {row.wms_ref: row for row in rows}
    mine: dict[tuple[int, str], tuple[Row, Shipment]] = {}
    for shipment in shipments:
        row = by_ref.get(shipment.ref or "") or by_key.get(shipment.wms_key or "")
        if row is not None:
            mine[row.id, shipment.key] = (row, shipment)
        elif not shipment.voided:
            run.counts["unknown_orders"] += 1
    known = known_parcels([row_id for row_id, _ in mine])
    fresh = [pair for key, pair in mine.items() if key not in known and not pair[1].voided]
    changed = [(known[key], *pair) for key, pair in mine.items() if key in known and _differs(known[key], pair[1])]
    if not fresh and not changed:
        return _close(run, [pair for pair in mine.values() if _closes(pair[1])])
    gone = _by_evidence(run, [*fresh, *((row, s) for _, row, s in changed)])
    for old, row, shipment in changed:  # first: what was voided makes room for what replaces it
        _correct(run, old, row, shipment)
    insert_parcels(run, fresh)
    _take_over(known, fresh, changed)
    touched = {row.id: row for row, _ in mine.values()}
    closed = {row.id for row, shipment in mine.values() if _closes(shipment)}
    if gone:  # before anybody is woken: stock is locked before schedules
        managed.settle(run.merchant, run.now, gone)
    _progress(run, list(touched.values()), closed)
    if gone:  # what has left of them by now, their cancellation finds out
        cancel_found(gone, run.now)
    run.counts["shipments"] += len(fresh)
    return {row.cart_id for row, _ in fresh} | {row.cart_id for _, row, _ in changed}


def _take_over(
    known: dict[tuple[int, str], ShipmentRow],
    fresh: Sequence[tuple[Row, Shipment]],
    changed: Sequence[tuple[ShipmentRow, Row, Shipment]],
) -> None:
    """New parcels, and those that are valid after all, may stand for voided ones that the cart has."""
    new = {
        (row.id, s.key[:150]): row.cart_id for row, s in [*fresh, *((row, s) for _, row, s in changed)] if not s.voided
    }
    carts = {order_id: cart_id for (order_id, _), cart_id in new.items()}
    now_void = {old.pk: bool(shipment.voided) for old, _, shipment in changed}
    told = [one for one in known.values() if one.order_id in carts and one.remote_id]
    voided = [one for one in told if now_void.get(one.pk, one.voided_at is not None)]
    can = {cart_id for cart_id in {carts[one.order_id] for one in voided} if _can_correct(cart_id)}
    if can:
        there = known_parcels(list(carts)).items()
        standing = [one for key, one in there if key in new and not one.remote_id]
        take_over([one for one in voided if carts[one.order_id] in can], standing)


def _closes(shipment: Shipment) -> bool:
    """Whether nothing more comes after this parcel. One that does not leave closes nothing."""
    return shipment.closed and not shipment.voided


def _differs(old: ShipmentRow, new: Shipment) -> bool:
    return bool(new.voided) != bool(old.voided_at) or (new.tracking_no or "")[:100] != old.tracking_no


def _by_evidence(run: Run, pairs: Sequence[tuple[Row, Shipment]]) -> list[int]:
    """The WMS has shipped it, so it has it: in whatever state it is here, it is at the WMS. Gives those moved."""
    moved, held_by = list[int](), list[str]()
    for row in {row.id: row for row, _ in pairs}.values():
        if row.status in (Status.AT_WMS, Status.SHIPPED, Status.CONFIRMED):
            continue
        key = next((s.wms_key for r, s in pairs if r is row and s.wms_key), "")
        was = row.status
        moved.append(row.id)
        held_by += Order.objects.filter(pk=row.id).exclude(cause="").values_list("cause", flat=True)
        move(
            [row.id],
            was,
            Status.AT_WMS,
            "found_at_wms",
            now=run.now,
            message="The WMS has shipped it.",
            wms_key=key,
            wms_id=run.wms_id,
            delivered_at=run.now,
            error_code="",
            error_message="",
            cause="",
            held_by="",
            out_file_id=None,
        )
        row.status, row.wms_key = Status.AT_WMS, key
        if was is Status.CANCELED:
            _alert_although_canceled(run, row)
    causes.settle(held_by, run.now)  # of all at once: alerts are locked in one order, after the orders
    return moved


def _correct(run: Run, old: ShipmentRow, row: Row, shipment: Shipment) -> None:
    """A parcel that was stored has changed: another tracking number, or it was voided."""
    now = run.now
    again = not shipment.voided and (old.uploaded_at is None or _can_correct(row.cart_id))
    ShipmentRow.objects.filter(pk=old.pk).update(
        tracking_no=(shipment.tracking_no or "")[:100],
        tracking_key=fold(shipment.tracking_no),
        data=to_json(shipment),
        voided_at=now if shipment.voided else None,
        uploaded_at=None if again else old.uploaded_at,
        parked_at=now if shipment.voided and old.uploaded_at is None else None,
        retry_at=now,
        token=F("token") + 1,  # an upload that is under way told the cart of the old form
    )
    parcel_alerts.settle(ShipmentRow.objects.filter(pk=old.pk), now)
    if bool(shipment.voided) != bool(old.voided_at):
        sign = -1 if shipment.voided else 1
        counted = {one.line_id: one for line in row.lines for one in line.counted}
        kits = {line.line_id: line for line in row.lines if line.parts}
        for part in ShipmentLineRow.objects.filter(shipment_id=old.pk):
            if part.line_id in kits:
                kits[part.line_id].told += sign * part.quantity
            elif part.line_id in counted:
                one = counted[part.line_id]
                one.shipped = min(one.quantity, max(ZERO, one.shipped + sign * part.quantity))
        for kit in kits.values():
            kit.settle()
    if not shipment.voided:
        change = f"{old.tracking_no or 'none'} to {shipment.tracking_no or 'none'}"
        back = "The parcel was voided and is valid after all. " if old.voided_at else ""
        note([row.id], "tracking_changed", f"{back}Tracking number changed: {change}.", now=now)
        if not again:
            _alert_changed(run, row, change)
        return
    note([row.id], "parcel_voided", f"The WMS voided parcel {old.tracking_no or old.key}.", now=now)
    if row.status is Status.SHIPPED:
        move([row.id], Status.SHIPPED, Status.AT_WMS, "parcel_voided", now=now)
        row.status = Status.AT_WMS


def _progress(run: Run, rows: Sequence[Row], closed: set[int]) -> None:
    """Writes how much of each line has shipped, and moves the orders that are complete."""
    lines = [(row.id, line.position, line.shipped) for row in rows for line in row.lines]
    parts = [(row.id, ln.position, p.number, p.shipped) for row in rows for ln in row.lines for p in ln.parts]
    with connection.cursor() as cursor:
        if parts:
            cursor.execute(
                """UPDATE orders_linepart l SET qty_shipped = g.shipped
                   FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::numeric[])
                        AS g(order_id, position, number, shipped)
                   WHERE l.account_id = %s AND l.order_id = g.order_id AND l.position = g.position
                     AND l.number = g.number AND l.qty_shipped <> g.shipped""",
                [*(list(column) for column in zip(*parts, strict=True)), tenancy.account_id()],
            )
        cursor.execute(
            """UPDATE orders_orderline l SET qty_shipped = g.shipped
               FROM unnest(%s::bigint[], %s::int[], %s::numeric[]) AS g(order_id, position, shipped)
               WHERE l.account_id = %s AND l.order_id = g.order_id AND l.position = g.position
                 AND l.qty_shipped <> g.shipped""",
            [*(list(column) for column in zip(*lines, strict=True)), tenancy.account_id()]
            if lines
            else [[], [], [], tenancy.account_id()],
        )
    shipped = {row.id: sum((line.shipped for line in row.lines), ZERO) for row in rows}
    there = [row for row in rows if row.status is Status.AT_WMS]
    full = [row for row in there if all(line.shipped >= line.quantity for line in row.lines)]
    whole = {row.id for row in full}
    short = [row for row in there if row.id in closed and row.id not in whole]
    done, lacking = full + short, {row.id for row in short}
    move(
        [row.id for row in done],
        Status.AT_WMS,
        Status.SHIPPED,
        "shipped",
        now=run.now,
        qty_shipped=Each(shipped[row.id] for row in done),
        shipped_at=run.now,
        short=Each(row.id in lacking for row in done),
    )
    _stop_nothing_more(run, done)
    ended = [row for row in rows if row.id in lacking or row.status is not Status.AT_WMS]
    begun_kits.tell([row.id for row in ended if any(line.parts for line in row.lines)], run.now)
    # The cart may know all of their parcels already: a void or a close came after the upload.
    if short:
        tell_end([row.id for row in short], run.now)
    confirm_complete(whole | lacking, run.now)
    partial = [row for row in rows if row.id not in whole and row.id not in lacking]
    if partial:
        _count_shipped(partial, shipped)
    for row in short:
        _alert_short(run, row, shipped[row.id])


def _count_shipped(rows: Sequence[Row], shipped: dict[int, Decimal]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_order o SET qty_shipped = g.shipped
               FROM unnest(%s::bigint[], %s::numeric[]) AS g(id, shipped) WHERE o.id = g.id""",
            [[row.id for row in rows], [shipped[row.id] for row in rows]],
        )


def _close(run: Run, pairs: Sequence[tuple[Row, Shipment]]) -> set[int]:
    """The WMS says of known parcels that nothing more comes."""
    rows = {row.id: row for row, _ in pairs if row.status is Status.AT_WMS}
    if rows:
        _progress(run, list(rows.values()), set(rows))
    return set()


def _can_correct(cart_id: int) -> bool:
    """Whether the cart takes another tracking number for a parcel that it has been told of."""
    return cart_class(Cart.objects.get(pk=cart_id)).overrides("correct")


def _stop_nothing_more(run: Run, rows: Sequence[Row]) -> None:
    """What the WMS did not cancel has left it: that it is to be stopped there is over."""
    refused = Alert.objects.filter(kind="cancel_refused", key__in=[f"order:{row.id}" for row in rows], resolved_at=None)
    unseen = set(refused.filter(dismissed_at=None).values_list("order_id", flat=True))
    if refused.update(resolved_at=run.now):
        canceled = Order.objects.filter(pk__in=unseen, cancel_requested_at__isnull=False)
        for pk in canceled.order_by("id").values_list("id", flat=True):
            _alert_although_canceled(run, next(row for row in rows if row.id == pk))


def _alert_although_canceled(run: Run, row: Row) -> None:
    raise_alert(
        "shipped_although_canceled",
        f"order:{row.id}",
        f"Order {row.number} was canceled, and the WMS has shipped it.",
        fix="Stop the parcel if that is possible, or talk to the customer.",
        merchant_id=row.merchant_id,
        order_id=row.id,
        now=run.now,
    )


def _alert_changed(run: Run, row: Row, change: str) -> None:
    raise_alert(
        "tracking_changed",
        f"order:{row.id}",
        f"The WMS has changed a tracking number of order {row.number} after the cart was told: {change}.",
        fix="Correct it in the shop; this kind of cart cannot be told a second time.",
        merchant_id=row.merchant_id,
        order_id=row.id,
        now=run.now,
    )


def _alert_short(run: Run, row: Row, shipped: Decimal) -> None:
    missing: dict[str, Decimal] = defaultdict(Decimal)
    for one in (one for line in row.lines for one in line.counted):
        if one.quantity > one.shipped:
            missing[one.item] += one.quantity - one.shipped
    what = ", ".join(f"{quantity.normalize():f} × {item}" for item, quantity in missing.items())
    raise_alert(
        "shipped_short",
        f"order:{row.id}",
        f"The WMS has closed order {row.number} without shipping all of it. Missing: {what}.",
        fix="Ask the warehouse what became of it; refund the customer or order it again.",
        merchant_id=row.merchant_id,
        order_id=row.id,
        now=run.now,
    )
