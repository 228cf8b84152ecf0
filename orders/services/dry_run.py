"""A dry run: reads what a cart's first download would bring, and notes what would become of each order.

Nothing is loaded. It is a run like the others: page by page, fenced by a token, in a budget of time; what
is unfinished goes on in the next message. Its messages are hints too: who looks at its page sends another.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from celery import shared_task
from django.db import IntegrityError, close_old_connections, connection, transaction

from accounts.models import Account
from carts.models import Cart, DryOrder, DryRun
from integration_manager import tenancy
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import ConnectorError, Transient
from integration_manager.log import context as log_context
from orders import bulk
from orders.connections import open_cart
from orders.foreseeing import Forecast, foresee
from orders.intake import Incoming, Intake
from orders.journal import Journal
from orders.reading import Unreadable, read_raw
from orders.services.download import beginning

BUDGET = 45.0  # seconds of one message
LEASE = 120.0  # seconds of PostgreSQL's clock, renewed with each page
PAUSE = 20.0  # after the other side's passing trouble
MOST_FAILURES = 6  # in a row
V = DryOrder.Verdict
OURS = [V.SEND.value, V.HOLD.value, V.ERROR.value]  # would be loaded

log = logging.getLogger(__name__)


def begin(cart: Cart, by: str, now: datetime) -> DryRun:
    """A new dry run in place of the cart's former ones; the one that runs already, where there is one."""
    running: DryRun | None = DryRun.objects.filter(cart=cart, state=DryRun.State.RUNNING).first()
    if running is not None:
        return running
    try:
        with transaction.atomic():
            DryOrder.objects.filter(dry_run__cart=cart).delete()
            DryRun.objects.filter(cart=cart).delete()
            begun: DryRun = DryRun.objects.create(
                cart=cart, earliest=cart.earliest_order_date, started_by=by, started_at=now
            )
    except IntegrityError:  # another page was quicker
        begun = DryRun.objects.get(cart=cart, state=DryRun.State.RUNNING)
    return begun


def stop(cart: Cart, now: datetime) -> bool:
    """Ends the cart's dry run where it is. False: none was running."""
    running = DryRun.objects.filter(cart=cart, state=DryRun.State.RUNNING)
    return bool(running.update(state=DryRun.State.STOPPED, finished_at=now, lease_until=None))


@shared_task(ignore_result=True)
@tenancy.without_tenant
def dry_run_job(dry_id: int, account_id: int) -> None:
    """One stretch of a dry run, which goes to the back of the line for the next."""
    close_old_connections()
    with tenancy.activate(account_id), log_context(account=account_id):
        if carry_on(dry_id, Account.objects.get(pk=account_id)):
            hint(dry_id, account_id)


def hint(dry_id: int, account_id: int) -> None:
    """Sends a dry run's message. With Redis away it is lost; who looks at its page sends another."""
    try:
        dry_run_job.apply_async((dry_id, account_id), retry=False)
    except dry_run_job.OperationalError:
        log.warning("Redis is away: dry run %s waits until somebody looks at it", dry_id)


def carry_on(dry_id: int, account: Account) -> bool:
    """Goes on with a dry run for as long as its budget lasts. True: there is more to read, and nobody at it."""
    token = _claim(dry_id)
    if token is None or account.suspended_at:
        return False
    dry = DryRun.objects.select_related("cart__merchant").get(pk=dry_id)
    if dry.cart.archived_at or dry.cart.merchant.archived_at:  # since it began
        _fail(dry, token, "The cart was deleted, or its merchant archived: nothing of it is read any more.")
        return False
    journal = Journal()
    try:
        more = _read(dry, token, account, journal)
        _write(dry, token, "lease_until = NULL" if more else "state = 'done', finished_at = %s", *_unless(more))
        return more
    except Transient as error:
        if dry.failures + 1 < MOST_FAILURES:
            lease = "lease_until = now() + make_interval(secs => %s)"
            _write(dry, token, f"failures = failures + 1, problem = %s, {lease}", str(error), PAUSE)
        else:
            _fail(dry, token, str(error))
    except ConnectorError as error:
        _fail(dry, token, str(error))
    except Exception:
        number = public_id()
        log.exception("report %s: dry run %s failed", number, dry_id)
        _fail(dry, token, f"We made a mistake. Report {number}.")
    finally:
        journal.store(None)
    return False


def _unless(more: bool) -> list[datetime]:
    return [] if more else [clock.now()]


def _claim(dry_id: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE carts_dryrun SET token = token + 1, lease_until = now() + make_interval(secs => %s) "
            "WHERE id = %s AND state = 'running' AND (lease_until IS NULL OR lease_until < now()) RETURNING token",
            [LEASE, dry_id],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _write(dry: DryRun, token: int, sets: str, *values: Any) -> bool:
    """Changes the dry run, if it is still ours. False: it was stopped, or taken over."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE carts_dryrun SET {sets} WHERE id = %s AND token = %s AND state = 'running'",  # noqa: S608 (ours)
            [*values, dry.pk, token],
        )
        return bool(cursor.rowcount)


def _fail(dry: DryRun, token: int, words: str) -> None:
    _write(dry, token, "state = 'failed', problem = %s, finished_at = %s, lease_until = NULL", words, clock.now())


def _read(dry: DryRun, token: int, account: Account, journal: Journal) -> bool:
    """Reads pages until there are no more, or the time is up: then True."""
    cart, began = dry.cart, time.monotonic()
    connector: Any = open_cart(cart, account, journal)
    assert isinstance(connector, CartConnector)
    intake = Intake(cart.merchant, cart)
    since = dry.cursor or beginning(cart.earliest_order_date, account.timezone)
    moved = False
    try:
        for page in connector.orders(since):
            found = [read_raw(raw, connector, account.timezone) for raw in page.rows]
            moved = moved or bool(page.cursor and (dry.cursor is None or page.cursor > dry.cursor))
            with transaction.atomic():
                _note(dry, found, foresee(intake, found, clock.now()))
                lease = "lease_until = now() + make_interval(secs => %s)"
                sets = f"cursor = greatest(cursor, %s::timestamptz), failures = 0, problem = '', {lease}"
                if not _write(dry, token, sets, page.cursor, LEASE):
                    transaction.set_rollback(True)
                    return False
            # A source that cannot be read from a point on (files) is read in one go.
            if moved and time.monotonic() - began > BUDGET:
                return True
        return False
    finally:
        for way in (getattr(connector, "http", None), getattr(connector, "folder", None)):
            if way is not None:
                way.close()


def _note(dry: DryRun, found: Sequence[Incoming | Unreadable], forecasts: Sequence[Forecast]) -> None:
    each = bulk.PerRow
    rows = {one.key: (one, forecast) for one, forecast in zip(found, forecasts, strict=True)}
    if not rows:
        return
    orders = [one.order if isinstance(one, Incoming) else None for one, _ in rows.values()]
    bulk.insert(
        DryOrder,
        {
            "dry_run_id": dry.pk,
            "key": each(rows),
            "number": each(o.cust_po_no[:100] if o else key for key, o in zip(rows, orders, strict=True)),
            "verdict": each(forecast.verdict.value for _, forecast in rows.values()),
            "message": each(forecast.message for _, forecast in rows.values()),
            "order_date": each(o.order_date if o else None for o in orders),
            "country": each((o.ship.country or "")[:3] if o else "" for o in orders),
            "lines": each(len(o.lines) if o else 0 for o in orders),
            # Only of what a person could mark as handled, which may be loaded after all one day.
            "raw": each(one.raw if forecast.verdict in OURS else None for one, forecast in rows.values()),
            "seen_at": clock.now(),
        },
        conflict="ON CONFLICT (account_id, dry_run_id, key) DO UPDATE SET number = excluded.number, "
        "verdict = excluded.verdict, message = excluded.message, order_date = excluded.order_date, "
        "country = excluded.country, lines = excluded.lines, raw = excluded.raw",
    )


# ── what a person makes of it ──


def mark_handled(dry: DryRun, by: str, now: datetime, keys: Sequence[str] | None = None) -> int:
    """Marks orders of a dry run as already handled: they are never sent, also when they change. `keys` None: all.

    What was loaded meanwhile is left alone. Returns how many are marked now.
    """
    message = f"Marked as already handled by {by}. It is not sent, whatever changes, unless it is loaded anyway."
    wanted = "" if keys is None else "AND d.key = ANY(%s)"
    picked = [] if keys is None else [list(keys)]
    account = tenancy.account_id()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH marked AS (
                UPDATE carts_dryorder d SET verdict = 'handled', message = %s
                WHERE d.account_id = %s AND d.dry_run_id = %s AND d.verdict = ANY(%s) {wanted}
                  AND NOT EXISTS (SELECT 1 FROM orders_order o WHERE o.account_id = d.account_id
                                  AND o.merchant_id = %s AND o.source = %s AND o.cart_key = d.key)
                RETURNING d.key, d.number, d.order_date, d.raw)
            INSERT INTO orders_skippedorder
                (account_id, merchant_id, cart_id, key, number, reason, message, order_date, raw, seen_at)
            SELECT %s, %s, %s, key, number, 'handled', %s, order_date, raw, %s FROM marked
            ON CONFLICT (account_id, cart_id, key) DO UPDATE SET reason = excluded.reason,
                message = excluded.message, number = excluded.number, raw = excluded.raw, seen_at = excluded.seen_at
            """,  # noqa: S608 (a condition of ours)
            [
                *(message, account, dry.pk, OURS, *picked, dry.cart.merchant_id, dry.cart.source),
                *(account, dry.cart.merchant_id, dry.cart_id, message, now),
            ],
        )
        return int(cursor.rowcount)
