"""Carries out what is wanted once in the WMS besides sending: at present cancellations.

What fails is tried again at every run of the delivery, up to 15 days, of which at most one an hour counts.
"""

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, QuerySet

from alerts.raising import raise_alert, resolve
from integration_manager.kit.connector import WmsConnector
from integration_manager.kit.errors import (
    AlreadyDone,
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    NeedsHuman,
    Permanent,
    RateLimited,
    Transient,
)
from orders.models import Effect, Status
from orders.run import LostLease, Run
from orders.states import move, note

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
AGAIN = timedelta(minutes=1)  # a failed one is not claimed again in the same run
TRIES = 360
BUGS = 5  # tries of a cancellation that our own mistake stops
BY_HAND = "Stop it at the WMS by hand, or talk to the customer."


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    token: int
    failures: int
    failed_at: datetime | None
    order_id: int
    wms_key: str
    number: str
    status: str
    wms_id: int | None


def carry_out(run: Run, connector: WmsConnector) -> None:
    """Cancels at the WMS what was asked for. A repeated cancellation changes nothing there."""
    while run.keep_alive() and not run.stopping.is_set():
        claimed = _claim(run, connector)
        if claimed is None:
            return
        if claimed.status != Status.AT_WMS:
            # Decided meanwhile: canceled before it was sent, or shipped already.
            _decide(run, claimed, agreed=claimed.status == Status.CANCELED, why="it has shipped already")
            continue
        if claimed.wms_id not in (None, run.wms_id):
            _decide(run, claimed, agreed=False, why="it is at the WMS of before, which is not asked any more")
            continue
        if not connector.overrides("cancel"):
            _decide(run, claimed, agreed=False, why="this WMS cannot be asked for it")
            continue
        try:
            agreed = run.call(connector.cancel, claimed.wms_key, subject=claimed.order_id)
        except AuthFailed as error:
            _release(claimed)
            run.refused(error)
            return
        except ConnectionFailed as error:
            _release(claimed)
            run.unreachable(error)
            return
        except RateLimited as error:
            retry_at = error.retry_at or run.now + AGAIN
            _release(claimed, retry_at)
            run.due_at(retry_at)
            return
        except AlreadyDone:
            _decide(run, claimed, agreed=True, why="")
        except Permanent as error:
            _decide(run, claimed, agreed=False, why=str(error))
        except NeedsHuman as error:
            _park(run, claimed, error, error.fix)
        except ConnectorError as error:
            # Also where the outcome is unknown: asking again is harmless.
            _failed(run, claimed, error)
        except LostLease:
            raise
        except Exception as error:
            _bug(run, claimed, error)
        else:
            _decide(run, claimed, agreed=agreed, why="it is too late")


def _claim(run: Run, connector: WmsConnector) -> _Claimed | None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH picked AS MATERIALIZED (
                SELECT e.id FROM orders_effect e JOIN orders_order o ON o.id = e.order_id
                WHERE e.merchant_id = %s AND e.state = 'waiting' AND e.retry_at <= %s
                  AND (e.lease_until IS NULL OR e.lease_until < now())
                  AND o.status IN ('at_wms', 'shipped', 'confirmed', 'canceled')
                ORDER BY e.retry_at LIMIT 1 FOR UPDATE OF e SKIP LOCKED)
            UPDATE orders_effect e SET token = e.token + 1, starts = e.starts + 1,
                   lease_until = now() + make_interval(secs => %s)
            FROM picked, orders_order o WHERE e.id = picked.id AND o.id = e.order_id
            RETURNING e.id, e.token, e.failures, e.failed_at, o.id, o.wms_key, o.cust_po_no, o.status, o.wms_id""",
            [run.merchant.pk, run.now, connector.timeout + 10],
        )
        row = cursor.fetchone()
        return _Claimed(*row) if row else None


def _release(claimed: _Claimed, retry_at: datetime | None = None) -> None:
    """Gives back one that the WMS has not heard of."""
    kept = {} if retry_at is None else {"retry_at": retry_at}
    _mine(claimed).update(lease_until=None, starts=F("starts") - 1, **kept)


def _mine(claimed: _Claimed) -> QuerySet[Effect]:
    mine: QuerySet[Effect] = Effect.objects.filter(pk=claimed.id, token=claimed.token, state=Effect.State.WAITING)
    return mine


def _decide(run: Run, claimed: _Claimed, *, agreed: bool, why: str) -> None:
    now = run.now
    if agreed:
        ids = [claimed.order_id]
        move(ids, Status.AT_WMS, Status.CANCELED, "canceled", now=now, message="Canceled at the WMS.", canceled_at=now)
        run.counts["canceled"] += 1
    else:
        note([claimed.order_id], "cancel_refused", f"The WMS does not cancel it: {why}.", now=now)
        _alert(run, claimed, "cancel_refused", f"was canceled, but it stays at the WMS: {why}.", BY_HAND)
    if claimed.failures:
        resolve("cancel_failing", [f"order:{claimed.order_id}"], now)
    state = Effect.State.DONE if agreed else Effect.State.REFUSED
    _mine(claimed).update(state=state, done_at=now, lease_until=None, error_message="" if agreed else why)


def _failed(run: Run, claimed: _Claimed, error: ConnectorError) -> None:
    now = run.now
    counts = claimed.failed_at is None or now - claimed.failed_at >= HOUR
    failures = claimed.failures + counts
    if failures >= TRIES:
        _park(run, claimed, error, BY_HAND)
        return
    _mine(claimed).update(
        failures=failures,
        failed_at=now if counts else claimed.failed_at,
        retry_at=now + AGAIN,
        lease_until=None,
        error_message=str(error),
    )
    run.counts["failed"] += 1
    what = f"was canceled, and the WMS does not answer to that as it should: {error}"
    _alert(run, claimed, "cancel_failing", what, "Nothing to do: it is tried again at every run.", error.said)


def _park(run: Run, claimed: _Claimed, error: ConnectorError, fix: str) -> None:
    """A person decides. It is not asked for again."""
    now = run.now
    _mine(claimed).update(state=Effect.State.PARKED, lease_until=None, error_message=str(error))
    note([claimed.order_id], "cancel_refused", f"The WMS does not cancel it: {error}", now=now)
    what = f"was canceled, but it stays at the WMS: {error}"
    _alert(run, claimed, "cancel_refused", what, fix or BY_HAND, error.said)
    resolve("cancel_failing", [f"order:{claimed.order_id}"], now)


def _bug(run: Run, claimed: _Claimed, error: BaseException) -> None:
    """Our own mistake: tried five times, then parked with a number that leads to the report."""
    number = secrets.token_hex(4)
    log.error("report %s: canceling order %s failed", number, claimed.order_id, exc_info=error)
    ours = Transient(f"We could not ask for it (report {number}).", code="internal")
    if claimed.failures + 1 < BUGS:
        _failed(run, claimed, ours)
    else:
        _park(run, claimed, ours, f"{BY_HAND} This is our mistake: give support the number {number}.")


def _alert(run: Run, claimed: _Claimed, kind: str, what: str, fix: str, said: str = "") -> None:
    raise_alert(
        kind,
        f"order:{claimed.order_id}",
        f"Order {claimed.number} {what}",
        now=run.now,
        fix=fix,
        said=said,
        merchant_id=run.merchant.pk,
        order_id=claimed.order_id,
    )
