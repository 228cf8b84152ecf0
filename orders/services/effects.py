"""Carries out what is wanted once in another system, besides sending orders, parcels and files.

This is the loop: claim, call, record. What each kind of effect calls, and what is said of it, is in
`effects_wms.py` and `effects_cart.py`. What fails is tried again at every run, up to 30 days or 100 tries, of
which at most one an hour counts.
"""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import orjson
from django.db import connection, transaction
from django.db.models import F, QuerySet

from alerts.raising import raise_alert, resolve
from integration_manager.kit.connector import Pending
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
from orders.models import Effect
from orders.run import LostLease, Run

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
AGAIN = timedelta(minutes=1)  # a failed one is not claimed again in the same run
TRIES, DAYS = 100, timedelta(days=30)  # whichever comes first
BUGS = 5  # tries of an effect that our own mistake stops
BY_ITSELF = "Nothing to do: it is tried again at every run."


@dataclass(frozen=True, slots=True)
class Claimed:
    """One effect taken to be carried out. `starts` counts this claim."""

    id: int
    kind: str
    key: str
    data: dict[str, Any]
    actor: str
    token: int
    starts: int
    failures: int
    failed_at: datetime | None
    order_id: int
    wms_key: str  # "": only a person, or a parcel, has said that the WMS has it
    wms_ref: str
    cart_key: str
    number: str
    status: str
    canceled_by: str  # who canceled the order here; "" is its source
    wms_id: int | None  # the WMS that has the order, or may have it

    def counts(self, now: datetime) -> bool:
        """Whether a failure of now is counted."""
        return self.failed_at is None or now - self.failed_at >= HOUR

    def failing_since(self, now: datetime) -> datetime:
        """When it failed first since it was asked for; now, if it never has."""
        known = self.data.get(Effect.FAILING_SINCE) if self.failures else None
        return datetime.fromisoformat(known) if known else now

    def is_over(self, now: datetime, most: int = TRIES) -> bool:
        """Whether a failure of now is the last one."""
        return self.failures + self.counts(now) >= most or now - self.failing_since(now) >= DAYS


class Work:
    """One kind of effect: what is called for it, and what is said of how that went, in one transaction."""

    kind: ClassVar[Effect.Kind]
    name: ClassVar[str]  # of its alerts: <name>_failing while it is tried again, <name>_refused
    by_hand: ClassVar[str]  # what a person does where it cannot be done

    def __init__(self, run: Run) -> None:
        self.run = run

    def call(self, one: Claimed) -> Any:
        """The connector's method, called once."""
        raise NotImplementedError

    def undecided(self, one: Claimed) -> bool:
        """Whether there is anything to call. If not, this has recorded why."""
        return True

    def done(self, one: Claimed, answer: Any) -> None:
        """The other system answered."""
        raise NotImplementedError

    def refused(self, one: Claimed, why: str, *, state: str, fix: str = "", said: str = "") -> None:
        """The other system will not do it: REFUSED; or a person has to help: PARKED."""
        raise NotImplementedError

    def failing(self, one: Claimed, error: ConnectorError) -> str:
        """What the alert says, after the order's number, while it is tried again."""
        raise NotImplementedError

    def unclear(self, one: Claimed, error: Exception) -> None:
        """It failed, or nobody knows whether it was done. To ask again is harmless, unless a kind says otherwise."""
        self.failed(one, error)

    # ── one effect ──

    def carry_out(self, one: Claimed) -> bool:
        """Carries out one effect. False: the other system is not to be called again in this run."""
        run = self.run
        with transaction.atomic():  # what is decided and not told with it is never told
            if not self.undecided(one):
                return True
        try:
            answer = run.call(self.call, one, subject=one.order_id)
        except AuthFailed as error:
            release(one)
            run.refused(error)
            return False
        except ConnectionFailed as error:
            release(one)
            run.unreachable(error)
            return False
        except LostLease:
            raise
        except Exception as error:
            answer = error
        with transaction.atomic():
            self._answered(one, answer)
        return True

    def _answered(self, one: Claimed, answer: Any) -> None:
        """What the call gave, or how it failed."""
        if isinstance(answer, RateLimited):
            retry_at = answer.retry_at or self.run.now + AGAIN
            release(one, retry_at)
            self.run.due_at(retry_at)
        elif isinstance(answer, AlreadyDone):
            self.done(one, answer.remote_id)
        elif isinstance(answer, Permanent):
            self.refused(one, str(answer), state=Effect.State.REFUSED, said=answer.said)
        elif isinstance(answer, NeedsHuman):
            self.refused(one, str(answer), state=Effect.State.PARKED, fix=answer.fix, said=answer.said)
        elif isinstance(answer, Exception):
            self.unclear(one, answer)
        elif isinstance(answer, Pending):
            self._pending(one, answer)
        else:
            self.done(one, answer)

    def _pending(self, one: Claimed, pending: Pending) -> None:
        """The other system works on it, and is asked again by the next call."""
        data = {**one.data, Effect.HANDLE: pending.handle}
        mine(one).update(data=data, retry_at=pending.again_at, lease_until=None)
        self.run.due_at(pending.again_at)

    def failed(self, one: Claimed, error: Exception) -> None:
        """It is tried again, unless this was its last try."""
        most, by_hand = TRIES, self.by_hand
        if not isinstance(error, ConnectorError):
            # Our own mistake: tried five times, then left to a person, with a number that leads to the report.
            number = secrets.token_hex(4)
            log.error("report %s: %s of order %s failed", number, self.kind, one.order_id, exc_info=error)
            error = Transient(f"We could not ask for it (report {number}).", code="internal")
            most, by_hand = BUGS, f"{by_hand} This is our mistake: give support the number {number}."
        now = self.run.now
        if one.is_over(now, most):
            self.refused(one, str(error), state=Effect.State.PARKED, fix=by_hand, said=error.said)
            return
        mine(one).update(
            failures=one.failures + one.counts(now),
            failed_at=now if one.counts(now) else one.failed_at,
            data={**one.data, Effect.FAILING_SINCE: one.failing_since(now).isoformat()},
            retry_at=now + AGAIN,
            lease_until=None,
            error_message=str(error),
        )
        self.run.counts["failed"] += 1
        self.alert(one, f"{self.name}_failing", self.failing(one, error), BY_ITSELF, error.said)

    def decide(self, one: Claimed, state: str, why: str = "", **fields: Any) -> bool:
        """Ends an effect. False: another run has it meanwhile."""
        ended = {"state": state, "lease_until": None, "error_message": why, **fields}
        if state != Effect.State.PARKED:
            ended["done_at"] = self.run.now
        decided = bool(mine(one).update(**ended))
        if one.failures:
            resolve(f"{self.name}_failing", [self.subject(one)], self.run.now)
        return decided

    def subject(self, one: Claimed) -> str:
        """The key of its alerts."""
        return f"order:{one.order_id}"

    def alert(self, one: Claimed, kind: str, what: str, fix: str, said: str = "") -> None:
        """Tells people. `what` follows the order's number."""
        raise_alert(
            kind,
            self.subject(one),
            f"Order {one.number} {what}",
            now=self.run.now,
            fix=fix,
            said=said,
            merchant_id=self.run.merchant.pk,
            cart_id=self.run.cart.pk if self.run.cart else None,
            order_id=one.order_id,
        )


def carry_out(run: Run, works: Sequence[Work], *, lease: float, where: str, values: Sequence[Any] = ()) -> None:
    """Carries out what waits of these kinds. `where` narrows it, by SQL of ours; `lease` in seconds."""
    by_kind = {work.kind.value: work for work in works}
    while run.keep_alive() and not run.stopping.is_set():
        one = _claim(run, list(by_kind), lease, where, values)
        if one is None or not by_kind[one.kind].carry_out(one):
            return


def _claim(run: Run, kinds: list[str], lease: float, where: str, values: Sequence[Any]) -> Claimed | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH picked AS MATERIALIZED (
                SELECT e.id FROM orders_effect e JOIN orders_order o ON o.id = e.order_id
                WHERE e.merchant_id = %s AND e.state = 'waiting' AND e.retry_at <= %s
                  AND (e.lease_until IS NULL OR e.lease_until < now()) AND e.kind = ANY(%s) AND {where}
                ORDER BY e.retry_at, e.id LIMIT 1 FOR UPDATE OF e SKIP LOCKED)
            UPDATE orders_effect e SET token = e.token + 1, starts = e.starts + 1,
                   lease_until = now() + make_interval(secs => %s)
            FROM picked, orders_order o WHERE e.id = picked.id AND o.id = e.order_id
            RETURNING e.id, e.kind, e.key, e.data::text, e.actor, e.token, e.starts, e.failures, e.failed_at,
                      o.id, o.wms_key, o.wms_ref, o.cart_key, o.cust_po_no, o.status, o.cancel_by, o.wms_id""",  # noqa: S608 (conditions of ours)
            [run.merchant.pk, run.now, kinds, *values, lease],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    values = [*row]
    values[3] = orjson.loads(row[3])
    return Claimed(*values)


def release(one: Claimed, retry_at: datetime | None = None) -> None:
    """Gives back one that the other system has not heard of."""
    kept = {} if retry_at is None else {"retry_at": retry_at}
    mine(one).update(lease_until=None, starts=F("starts") - 1, **kept)


def mine(one: Claimed) -> "QuerySet[Effect]":
    """The effect, as long as it is ours."""
    found: QuerySet[Effect] = Effect.objects.filter(pk=one.id, token=one.token, state=Effect.State.WAITING)
    return found
