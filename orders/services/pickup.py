"""Order Cancel Pickup: what the WMS has canceled by itself. A part of Shipping Confirmations."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from alerts.raising import raise_alert, resolve
from integration_manager.kit.canonical import Canceled
from integration_manager.kit.connector import WmsConnector
from orders import cursors, rejects
from orders.models import Effect, Order, Status
from orders.run import Run
from orders.services import shipped_in_part
from orders.services.parcels import Row, orders_of
from orders.states import move
from orders.telling import tell_of_cancellation

SINCE = "canceled_since"  # in the schedule's state: how far the WMS's cancellations have been read
FIRST = timedelta(days=2)


def cancel_pickup(run: Run) -> None:
    """Reads what was canceled at the WMS since the last time. To read it again changes nothing."""
    connector = run.connector
    assert isinstance(connector, WmsConnector)
    if not connector.overrides("canceled") or run.unfinished or run.stopping.is_set():
        return
    known = run.state.get(SINCE)
    newest = datetime.fromisoformat(known) if known else run.now - FIRST
    for page in run.pages(connector.canceled(newest - connector.overlap if known else newest)):
        with transaction.atomic():
            _store(run, page.rows)
        rejects.alert(run, page.rejects, of="cancellations")
        at = cursors.clamped(page, connector)
        if at is not None and at > newest:
            newest = at
            run.state[SINCE] = newest.isoformat()


def _store(run: Run, rows: Sequence[Canceled]) -> None:
    by_key = {row.wms_key: row for row in rows if row.wms_key}
    by_ref = {row.ref: row for row in rows if row.ref}
    for order in orders_of(run, rows):
        if order.status is Status.AT_WMS:
            told = by_key.get(order.wms_key) or by_ref[order.wms_ref]
            _canceled(run, order, f" {told.reason}" if told.reason else "")


def _canceled(run: Run, row: Row, reason: str) -> None:
    """The WMS shows that it will not ship it: canceled, or what has shipped of it is all there is."""
    now, order = run.now, Order.objects.get(pk=row.id)
    effects = Effect.objects.filter(order=order, kind=Effect.Kind.CANCEL_AT_WMS, state=Effect.State.WAITING)
    waiting = effects.first()  # asked for here: that it was carried out the effect finds out, and what follows
    asked = order.cancel_requested_at is not None or waiting is not None
    if shipped_in_part.has_shipped(row.id):
        moved = shipped_in_part.end(row.id, shipped_in_part.CANCELED + reason, now)
        what = shipped_in_part.TOLD + reason
        fix = shipped_in_part.FIX
    else:
        said = f"The WMS has canceled it.{reason}"
        moved = move([row.id], Status.AT_WMS, Status.CANCELED, "canceled", now=now, message=said, canceled_at=now)
        what = f"was canceled by the WMS.{reason}"
        fix = "Ask the WMS why, then cancel and refund it in the cart, or send it anew."
        again = waiting is not None and waiting.data.get("again")
        if moved and (not asked or order.cancel_by) and not again:
            tell_of_cancellation(moved, now, actor=order.cancel_by, why="The WMS has canceled it.")
    if not moved:
        return
    run.counts["canceled"] += 1
    resolve("cancel_refused", [f"order:{row.id}"], now)
    if not asked:
        raise_alert(
            "canceled_by_wms",
            f"order:{row.id}",
            f"Order {row.number} {what}",
            fix=fix,
            merchant_id=row.merchant_id,
            cart_id=row.cart_id,
            order_id=row.id,
            now=now,
        )
