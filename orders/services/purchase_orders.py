"""Purchase Orders: reads a cart's purchase orders for the WMS, and tells the cart what has come of them.

What is told are totals, so telling them twice is no harm, and the latest hold.
"""

import logging
import secrets
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet

from carts.models import Cart
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import (
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    NeedsHuman,
    Permanent,
    RateLimited,
    Transient,
)
from merchants import schedules
from merchants.models import Schedule, Service
from orders import cursors, files_read, purchase_rows
from orders.connections import wms_class
from orders.purchase_rows import AGAIN, DAYS, HOUR, TRIES, Row, State, note
from orders.restored import restored_at
from orders.run import LostLease, Run
from orders.services import file_batches, out_files
from wms.models import Wms

log = logging.getLogger(__name__)

FROM = "from"  # in the schedule's state: when it was switched on


def purchase_orders(run: Run) -> None:
    """Keeps what has changed of the cart's purchase orders, then tells it what has come."""
    connector, cart = run.connector, run.cart
    assert isinstance(connector, CartConnector) and cart is not None
    if not cart.sync_purchases:
        return
    try:
        _read(run, connector, cart)
    except (AuthFailed, ConnectionFailed, RateLimited):
        raise
    except ConnectorError:  # what has come is told all the same
        _say(run, connector)
        raise
    _say(run, connector)


def _say(run: Run, connector: CartConnector) -> None:
    if "receipts" in connector.renders:
        _write(run)
    elif connector.overrides("tell_received"):
        _tell(run, connector)


def _read(run: Run, connector: CartConnector, cart: Cart) -> None:
    cursor, switched_on = run.schedule.cursor, datetime.fromisoformat(run.state.setdefault(FROM, run.now.isoformat()))
    since, deep = cursors.since(run, switched_on)
    since = max(since, switched_on)  # also where it looks back
    for page in run.pages(connector.purchase_orders(since)):
        newest = cursors.clamped(page, connector)
        if newest is not None and (cursor is None or newest > cursor):
            cursor = newest
        with transaction.atomic():
            stored = purchase_rows.store(cart, page.rows, run.now, restored_at(run))
            if deep:
                cursors.passed(run, newest)
            cursors.save(run, cursor)
            files_read.note(run, page)
        if stored["new"] or stored["changed"]:  # by itself: that one's run locks the two schedules the other way
            schedules.wake(Service.RECEIVING, run.now, merchant_id=run.merchant.pk)
        else:
            run.repeated(page)
        run.counts.update({"new": stored["new"], "changed": stored["changed"], "found": len(page.rows)})
        files_read.finish(run, page)
    if not run.unfinished:
        run.fields["cursor"] = cursor
        if deep:
            cursors.reached(run)


def _waiting(run: Run) -> "QuerySet[Row]":
    due: QuerySet[Row] = Row.objects.filter(cart=run.cart, tell_at__lte=run.now, tell_file_id=None)
    return due.order_by("tell_at", "id")


def _tell(run: Run, connector: CartConnector) -> None:
    """One after the other: they are few, and only this run tells them."""
    assert run.cart is not None
    worse = tried = False
    while run.keep_alive() and not run.stopping.is_set():
        row = _waiting(run).first()
        if row is None:
            break
        run.current()
        tried = True
        try:
            run.call(connector.tell_received, row.data["key"], purchase_rows.to_tell(row))
        except LostLease:
            raise
        except Exception as error:  # a mistake of ours too: it stops this one alone, and is reported
            worse = _failed(run, row, error) or worse
        else:
            purchase_rows.told([(row.pk, row.receipt_hash)], run.now, "The cart knows what has come.")
            run.counts["told"] += 1
    if tried:
        purchase_rows.tell(run.cart, run.now, worse=worse)


def _write(run: Run) -> None:
    """By files, of which each may have many."""
    waiting = _waiting(run).exists()
    if waiting:
        run.connector.ready("receipts")
    out_files.recover(run, "receipts")
    broken: list[bool] = []
    while waiting and run.keep_alive() and not run.stopping.is_set():
        run.current()
        rows = list(_waiting(run)[: file_batches.RECORDS])
        if not rows:
            break
        file_batches.tell_receipts(
            run,
            [(row, purchase_rows.to_tell(row)) for row in rows],
            lambda one, error: broken.append(_failed(run, one[0], error)),
        )
    if broken:
        assert run.cart is not None
        purchase_rows.tell(run.cart, run.now, worse=any(broken))


def _failed(run: Run, row: Row, error: Exception) -> bool:
    """Records why the cart was not told. True: a person has to look."""
    now = run.now
    same = Row.objects.filter(pk=row.pk, receipt_hash=row.receipt_hash)
    if isinstance(error, AuthFailed):
        run.refused(error)
        return False
    if isinstance(error, RateLimited):
        run.stopping.set()
        again = error.retry_at or now + AGAIN
        same.update(tell_at=again)
        run.due_at(again)
        return False
    if isinstance(error, ConnectionFailed):
        run.unreachable(error)
        return False
    if not isinstance(error, ConnectorError):
        number = secrets.token_hex(4)
        log.error("report %s: receipt of purchase order %s failed", number, row.pk, exc_info=error)
        error = Transient(f"We could not tell it (report {number}).", code="internal")
    run.counts["failed"] += 1
    first = row.tell_failed_at or now
    over = row.tell_failures + 1 >= TRIES or now - first >= DAYS
    if over or isinstance(error, Permanent | NeedsHuman):
        same.update(tell_at=None, tell_error=str(error))
        note([row], "not_told", f"The cart does not take it: {error}", now)
        return True
    fields = {"tell_failures": F("tell_failures") + 1, "tell_failed_at": first, "tell_error": str(error)}
    same.update(tell_at=now + HOUR, **fields)
    run.due_at(now + HOUR)
    return False


def switched(cart: Cart, *, on: bool, now: datetime) -> None:
    """Purchase orders of a cart were switched: on, they begin with what changes from now on; off, nothing is sent."""
    stored = Schedule.objects.filter(cart=cart, service=Service.PURCHASES)
    if not on:
        purchase_rows.stop(cart, now)
        stored.update(token=F("token") + 1, lease_until=None, every=0, next_run=None)
        begun = Row.objects.filter(merchant=cart.merchant_id, state=State.WAITING)  # that comes to its end
        if not others(cart).exists() and not begun.exists():
            receiving = Schedule.objects.filter(merchant=cart.merchant_id, cart=None, service=Service.RECEIVING)
            receiving.update(token=F("token") + 1, lease_until=None, every=0, next_run=None)
        return
    schedule = stored.first()
    Schedule.objects.update_or_create(
        merchant_id=cart.merchant_id,
        cart=cart,
        service=Service.PURCHASES,
        defaults={
            "state": {**(schedule.state if schedule else {}), FROM: now.isoformat()},
            "cursor": None,
            "reached_back_at": None,
        },
    )
    receive(cart.merchant_id, now)
    purchase_rows.tell(cart, now, worse=True)  # what the cart did not take before is tried by no run


def take_over(schedule: Schedule, since: datetime, now: datetime) -> None:
    """Has purchase orders read that changed since then: those too that were open before all this was switched on.

    What we have is recognised. A run that is under way loses its lease: it would set the cursor forward again.
    """
    with transaction.atomic():
        kept = Schedule.objects.select_for_update().get(pk=schedule.pk)
        state = {name: value for name, value in kept.state.items() if name != cursors.PASSED}
        switched_on = datetime.fromisoformat(state.get(FROM, now.isoformat()))
        Schedule.objects.filter(pk=kept.pk).update(
            cursor=None,
            state=state | {FROM: min(since, switched_on).isoformat()},
            reached_back_at=None,
            token=F("token") + 1,
            lease_until=None,
            paused="" if kept.paused == Schedule.Paused.PERSON else kept.paused,
            next_run=now,
            woken_at=now,
        )


def receive(merchant_id: int, now: datetime) -> None:
    """Has Receiving run, where it does not."""
    receiving, _ = Schedule.objects.get_or_create(merchant_id=merchant_id, cart=None, service=Service.RECEIVING)
    wms = Wms.current()
    if not receiving.every and wms is not None:
        every = schedules.sweep(Service.RECEIVING, wms_class(wms).min_every)
        schedules.set_frequency(receiving, now, every=every, automatic=True)


def others(cart: Cart) -> "QuerySet[Cart]":
    """The merchant's other carts that have purchase orders."""
    on: QuerySet[Cart] = Cart.objects.filter(merchant=cart.merchant_id, sync_purchases=True, archived_at=None)
    return on.exclude(pk=cart.pk)
