"""Carries out what is wanted once in the WMS besides sending: at present cancellations."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection

from alerts.raising import raise_alert
from integration_manager.kit.connector import WmsConnector
from integration_manager.kit.errors import AuthFailed, ConnectionFailed, ConnectorError, Permanent
from orders.models import Effect, Order, Status
from orders.run import Run
from orders.states import move, note

AGAIN = timedelta(hours=1)
TRIES = 360


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    token: int
    failures: int
    order_id: int
    wms_key: str
    number: str
    status: str


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
        if not connector.overrides("cancel"):
            _decide(run, claimed, agreed=False, why="this WMS cannot be asked for it")
            continue
        try:
            agreed = run.call(connector.cancel, claimed.wms_key, subject=claimed.order_id)
        except AuthFailed as error:
            run.refused(error)
            return
        except ConnectionFailed as error:
            run.unreachable(error)
            return
        except Permanent as error:
            _decide(run, claimed, agreed=False, why=str(error))
        except ConnectorError as error:
            # Also where the outcome is unknown: asking again is harmless.
            _later(run, claimed, error)
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
            RETURNING e.id, e.token, e.failures, o.id, o.wms_key, o.cust_po_no, o.status""",
            [run.merchant.pk, run.now, connector.timeout + 10],
        )
        row = cursor.fetchone()
        return _Claimed(*row) if row else None


def _decide(run: Run, claimed: _Claimed, *, agreed: bool, why: str) -> None:
    now = run.now
    state = Effect.State.DONE if agreed else Effect.State.REFUSED
    fenced = Effect.objects.filter(pk=claimed.id, token=claimed.token, state=Effect.State.WAITING)
    order = Order.objects.get(pk=claimed.order_id)
    if agreed:
        message = "Canceled at the WMS."
        if order.status == Status.AT_WMS:
            ids = [order.pk]
            move(ids, Status.AT_WMS, Status.CANCELED, "canceled", now=now, message=message, canceled_at=now)
        run.counts["canceled"] += 1
    else:
        note([order.pk], "cancel_refused", f"The WMS does not cancel it: {why}.", now=now)
        raise_alert(
            "cancel_refused",
            f"order:{order.pk}",
            f"Order {claimed.number} was canceled, but it stays at the WMS: {why}.",
            now=now,
            fix="Stop it at the WMS by hand, or talk to the customer.",
            merchant_id=run.merchant.pk,
            order_id=order.pk,
        )
    fenced.update(state=state, done_at=now, lease_until=None, error_message="" if agreed else why)


def _later(run: Run, claimed: _Claimed, error: ConnectorError) -> None:
    failures = claimed.failures + 1
    state = Effect.State.PARKED if failures >= TRIES else Effect.State.WAITING
    Effect.objects.filter(pk=claimed.id, token=claimed.token).update(
        failures=failures,
        retry_at=run.now + AGAIN,
        lease_until=None,
        error_message=str(error),
        state=state,
    )
    run.due_at(run.now + AGAIN)
