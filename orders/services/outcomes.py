"""What became of each send, and what follows from it: the retry rules of order delivery."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from alerts.raising import raise_alert, resolve
from integration_manager.kit.canonical import Found, to_json
from integration_manager.kit.connector import Dedupe, Pending, WmsConnector
from integration_manager.kit.errors import (
    OUT_OF_STOCK,
    AlreadyDone,
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    NeedsHuman,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
    storable,
)
from orders import causes, out_of_stock, ruling
from orders.changes import cancel, cancel_at_wms, changed_after_sending
from orders.content import same_lines
from orders.models import Order, OrderDetail, Status
from orders.run import Run
from orders.services.preparing import Item, keep
from orders.services.stopping import hold_back
from orders.states import Claimed, Each, move, note, release

log = logging.getLogger(__name__)

TRIES = 360  # one an hour: 15 days
AGAIN = timedelta(hours=1)
PROBE = timedelta(minutes=1)  # while the WMS cannot be reached, one order a minute tries
IN_A_ROW = 3  # connection failures that end a run
BUGS = 5  # tries of an order that our own mistake stops
SOON = 10  # failed look-ups of an order, a minute apart; after that they are an hour apart
ROUNDS = 3  # undecided sends before a person is asked


class Looked:
    """A look-up's result in place of a send: what the WMS has under our reference, or nothing."""

    def __init__(self, found: Found | None) -> None:
        self.found = found


class LookupFailed(Exception):
    """The look-up itself failed: nothing is known, nothing was sent."""

    def __init__(self, error: ConnectorError) -> None:
        super().__init__(str(error))
        self.error = error


class Outcomes:
    """Records the results of one run, as they arrive, each fenced by its claim's token."""

    def __init__(self, run: Run, connector: WmsConnector) -> None:
        self.run, self.connector = run, connector
        self.connection_failures = 0  # in a row
        self.wait_until: datetime | None = None
        self._failing = int(run.state.get("failing") or 0)  # runs in a row with orders that failed
        self._told = False
        self._down = bool(run.state.get("down"))

    def record(self, group: Sequence[tuple[Item, Any]]) -> None:
        """Records what has arrived; what succeeded together in one statement."""
        sent = [(item, result) for item, result in group if isinstance(result, str)]
        with transaction.atomic():  # who finds them at the WMS finds with them what that has
            moved = set(self._sent([item for item, _ in sent], [key for _, key in sent]))
            there = [item for item, _ in sent if item.id in moved]
            keep(self.run.merchant, (item for item in there if not item.claimed.handle), self.run.now)
            for item in there:  # what a WMS has worked on is what it was sent, whatever became of it here meanwhile
                if item.claimed.handle and item.claimed.sent_hash != item.hash and not item.claimed.cancel_requested:
                    changed_after_sending(item.id, {}, self.run.now)
        for item, result in group:
            if not isinstance(result, str):
                self._one(item, result)

    def _one(self, item: Item, result: Any) -> None:
        result = self.run.judged(result)
        said = result.error if isinstance(result, LookupFailed) else result
        if isinstance(said, Looked | ConnectorError) and not isinstance(said, ConnectionFailed | RateLimited):
            self.connection_failures, self._down = 0, False  # whatever it said, it answered
        if isinstance(result, Pending):
            self._pending(item.claimed, result)
        elif isinstance(result, Looked):
            self._looked(item, result.found)
        elif isinstance(result, LookupFailed):
            self._lookup_failed(item.claimed, result.error)
        elif isinstance(result, ConnectionFailed):
            release([item.claimed])
            self._unreachable(result)
        elif isinstance(result, RateLimited):
            self.wait_until = result.retry_at or self.run.now + PROBE
            release([item.claimed], self.wait_until)
            self.run.stopping.set()
        elif isinstance(result, Transient):
            self._failed(item.claimed, result, result.retry_at)
        elif isinstance(result, AuthFailed):
            self._refused(item.claimed, result)
        elif isinstance(result, AlreadyDone):
            self._already(item, result)
        elif isinstance(result, OutcomeUnknown):
            self._unknown(item.claimed, result)
        elif isinstance(result, Permanent | NeedsHuman):
            self._not_taken(item, result)
        else:
            self.bug(item.claimed, result)

    def elsewhere(self, claimed: Sequence[Claimed]) -> list[Claimed]:
        """Those of `claimed` that may be sent. Where a send was begun to a WMS of before, a person decides.

        This WMS could only say that it does not have it, and the other one may be packing it. One that takes files
        says nothing, so what may have been in a file that is not known any more is a person's to decide, too.
        """
        mine = []
        for one in claimed:
            if one.starts > 1 and one.wms_id not in (None, self.run.wms_id):
                self._ask_person(one, "The order was sent to the WMS of before, and may have arrived there.")
            elif one.starts > 1 and "orders" in self.connector.renders:
                self._ask_person(one, "It may have gone in a file before, which is not known here any more.")
            else:
                mine.append(one)
        return mine

    # ── it is there ──

    def _sent(self, items: Sequence[Item], keys: Sequence[str], message: str = "") -> list[int]:
        if not items:
            return []
        now, keys = self.run.now, [storable(key, 100) for key in keys]
        canceled = [item.id for item in items if item.claimed.cancel_requested]
        if canceled:  # also by a send, where only that could tell whether an earlier one had arrived
            cancel_at_wms(canceled, now, actor="", why="Canceled before this was known.")
        moved = move(
            [item.id for item in items],
            Status.SENDING,
            Status.AT_WMS,
            "sent",
            now=now,
            message=message or Each(f"The WMS has it as {key}." for key in keys),
            tokens=[item.claimed.token for item in items],
            wms_key=Each(keys),
            delivered_at=now,
            retry_at=None,
            handle="",
            error_code="",
            error_message="",
            cause="",
        )
        self.connection_failures = 0
        self.run.counts["sent"] += len(moved)
        self._down = False
        return moved

    def _looked(self, item: Item, found: Found | None) -> None:
        now = self.run.now
        if found is None:
            if item.claimed.cancel_requested:
                why = "Canceled; the WMS does not have it."
                cancel([item.id], Status.SENDING, why, now, tokens=[item.claimed.token])
            else:
                self._not_there(item)
            return
        if found.order_no != item.prepared.order.cust_po_no:
            self._taken(item, found)
            return
        self.run.counts["found_at_wms"] += 1
        if found.canceled:
            self._canceled_there(item, found)
            return
        lines = same_lines(found, item.prepared)
        with transaction.atomic():  # what is not told with it is never told
            moved = self._sent([item], [found.wms_key], "An earlier send had arrived: found there, not sent again.")
            if moved and lines:  # a later send of ours may be the one that arrived
                keep(self.run.merchant, [item], now)
            same = lines and item.claimed.sent_hash == item.hash
            if moved and not same and not item.claimed.cancel_requested:
                self._keep_found(item, found)
                changed_after_sending(item.id, {}, now)

    def _already(self, item: Item, error: AlreadyDone) -> None:
        """The WMS says "duplicate": believed only if a call of ours had started, and after a look."""
        found: Found | None = None
        if self.connector.overrides("find"):
            try:
                found = self.run.call(self.connector.find, item.claimed.wms_ref, subject=item.id)
            except ConnectorError as failure:
                self._one(item, LookupFailed(failure))
                return
        self.run.counts["duplicates_prevented"] += 1
        # The same content as the send that had begun, and yet other lines there: that is not our order.
        foreign = found is not None and item.claimed.sent_hash == item.hash and not same_lines(found, item.prepared)
        if item.claimed.starts > 1 and found is not None and not foreign:
            self._looked(item, found)
        elif item.claimed.starts > 1 and not self.connector.overrides("find") and error.remote_id:
            self._sent([item], [error.remote_id], "The WMS had it already.")
        else:
            self._taken(item, found)

    def _canceled_there(self, item: Item, found: Found) -> None:
        """Somebody has canceled it at the WMS, after an earlier send of ours had arrived."""
        if item.claimed.cancel_requested:
            why = f"Canceled; the WMS has canceled it too, as {found.wms_key}."
            cancel([item.id], Status.SENDING, why, self.run.now, tokens=[item.claimed.token])
            return
        self._keep_found(item, found)
        self._stopped(
            item.claimed,
            NeedsHuman(
                f"The WMS has the order already, as {found.wms_key}, and it is canceled there.",
                code="canceled_at_wms",
                fix="Cancel it in the shop, or send it with a new reference.",
            ),
            "The WMS has the order already, and it is canceled there.",
        )

    def _taken(self, item: Item, found: Found | None) -> None:
        self._keep_found(item, found)
        what = f", as order {found.order_no}" if found else ""
        self._stopped(
            item.claimed,
            NeedsHuman(
                f"The WMS has another order under the reference {item.claimed.wms_ref}{what}.",
                code="reference_taken",
                field="wms_ref",
                fix="Compare both. If it is the same order, say so; else send it with a new reference.",
            ),
            "The WMS has another order under the same reference.",
        )

    def _keep_found(self, item: Item, found: Found | None) -> None:
        """For the person who is to compare it with ours."""
        OrderDetail.objects.filter(order_id=item.id).update(there=to_json(found) if found else None)

    # ── it is not, or nobody knows ──

    def _not_there(self, item: Item) -> None:
        """What was only looked up, since it must not be sent, stays here: by the rules of this very moment."""
        now, claimed = self.run.now, item.claimed
        with transaction.atomic():
            same = ruling.lock(claimed.cart_id) == item.mark
            moved = move(
                [item.id],
                Status.SENDING,
                Status.READY,
                "not_there",
                now=now,
                message="The WMS does not have it.",
                tokens=[claimed.token],
                retry_at=now,
                unknown_rounds=0,
                sent_hash="",
            )
            if not moved or not same:  # by other rules it may go: they see it at the next claim
                return
            if item.problem:
                cause = causes.of_problem(self.run.merchant.pk, item.problem, claimed.cart_id)
                causes.to_error(moved, Status.READY, item.problem, cause, now)
            keep(self.run.merchant, [item], now)  # alerts before stock; and before a newer version takes its place
            if item.hold and not item.problem:
                hold_back(self.run, item, item.hold)

    def _pending(self, claimed: Claimed, pending: Pending) -> None:
        """The WMS works on it. The claim stays until it wants to be asked again."""
        seconds = max((pending.again_at - self.run.now).total_seconds(), 1.0)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_order SET lease_until = now() + make_interval(secs => %s), handle = %s "
                "WHERE id = %s AND token = %s AND status = 'sending'",
                [seconds, pending.handle, claimed.id, claimed.token],
            )
        self.run.counts["pending"] += 1

    def _unknown(self, claimed: Claimed, error: OutcomeUnknown) -> None:
        dedupe, rounds = self.connector.dedupe("send"), claimed.unknown_rounds + 1
        self.run.counts["unknown"] += 1
        if dedupe is Dedupe.KEY and rounds > ROUNDS:
            # Sending it again is harmless: it goes on like any other failure.
            self._failed(claimed, Transient(str(error), code=error.code))
            return
        if dedupe is Dedupe.NONE or rounds > ROUNDS:
            self._ask_person(claimed, "The WMS never answered when the order was sent. It may be there.")
            return
        # The claim stays until the send has settled; then it is claimed again and looked up.
        self._defer(claimed, max(self.connector.settle.total_seconds(), 1.0), rounds, claimed.failures)
        note([claimed.id], "unknown", f"{error} It is looked up before anything else is done.", now=self.run.now)

    def _lookup_failed(self, claimed: Claimed, error: ConnectorError) -> None:
        """Nothing is known, so nothing is sent: asked again each minute, then each hour, then by a person."""
        error = self.run.judged(error)
        failures = claimed.failures + 1
        if isinstance(error, ConnectionFailed | AuthFailed | RateLimited):
            failures = claimed.failures  # about the connection, not about this order
        if isinstance(error, Permanent | NeedsHuman) or failures >= TRIES:
            self._ask_person(claimed, f"The WMS does not say whether it has the order: {error}")
            return
        pause = PROBE if failures < SOON else AGAIN
        self._defer(claimed, pause.total_seconds(), claimed.unknown_rounds, failures)
        if isinstance(error, ConnectionFailed):
            self._unreachable(error)
        elif isinstance(error, AuthFailed):
            self.run.refused(error)
        elif isinstance(error, RateLimited):
            self.wait_until = error.retry_at or self.run.now + PROBE
            self.run.stopping.set()
        else:
            self.run.counts["failed"] += 1
            self._alert_failing(error)

    def _ask_person(self, claimed: Claimed, message: str) -> None:
        fix = "Look for our reference at the WMS, then say whether the order arrived."
        self._stopped(claimed, NeedsHuman(message, code="outcome_unknown", fix=fix))

    def _defer(self, claimed: Claimed, seconds: float, rounds: int, failures: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_order SET lease_until = now() + make_interval(secs => %s), unknown_rounds = %s, "
                "failures = %s WHERE id = %s AND token = %s AND status = 'sending'",
                [seconds, rounds, failures, claimed.id, claimed.token],
            )

    def _failed(self, claimed: Claimed, error: ConnectorError, retry_at: datetime | None = None) -> None:
        failures, now = claimed.failures + 1, self.run.now
        self.run.counts["failed"] += 1
        if failures >= TRIES:
            give_up(self.run, claimed.id, claimed.cust_po_no, error, claimed.token)
            return
        later = max(retry_at or now, now + AGAIN)
        moved = move(
            [claimed.id],
            Status.SENDING,
            Status.READY,
            "failed",
            now=now,
            message=str(error),
            tokens=[claimed.token],
            retry_at=later,
            failures=failures,
            unknown_rounds=0,
            first_failed_at=claimed.first_failed_at or now,
            error_code=error.code,
            error_message=str(error),
            handle="",
            sent_hash="",  # answered: the next send carries what the order is by then
            **self._not_begun(),
        )
        if moved:
            self._alert_failing(error)

    def _alert_failing(self, error: ConnectorError) -> None:
        if self._told:
            return
        self._told, self._failing = True, self._failing + 1
        raise_alert(
            "delivery_failing",
            f"deliver:{self.run.merchant.pk}",
            f"The WMS does not take orders of {self.run.merchant.name} at the moment: {error}",
            now=self.run.now,
            fix="Nothing to do: each is tried once an hour for 15 days.",
            said=error.said,
            total=self._failing,
            merchant_id=self.run.merchant.pk,
        )

    def _not_taken(self, item: Item, error: Permanent | NeedsHuman) -> None:
        """The WMS refuses what was sent. Where the rules have changed since that was made, it gets what they make now.

        Who changed them has sent on what waited for that, and cannot have seen this one.
        """
        claimed, now = item.claimed, self.run.now
        with transaction.atomic():
            if ruling.lock(claimed.cart_id) == item.mark:
                self._stopped(claimed, error)
                return
            move(
                [claimed.id],
                Status.SENDING,
                Status.READY,
                "failed",
                now=now,
                message=f"{error} The rules have changed meanwhile, so it is sent by the new ones.",
                tokens=[claimed.token],
                retry_at=now,
                handle="",
                sent_hash="",
                unknown_rounds=0,
                **self._not_begun(),
            )

    def _stopped(self, claimed: Claimed, error: Permanent | NeedsHuman, words: str = "") -> None:
        """A person has to help. `words`: what is said of all orders of which this is so."""
        if error.code != "outcome_unknown":
            Order.objects.filter(pk=claimed.id, token=claimed.token).update(
                sent_hash="", handle="", unknown_rounds=0, **self._not_begun()
            )
        own = (claimed.cust_po_no, claimed.wms_ref)
        cause = causes.of_error(self.run.merchant.pk, error, own=own, words=words)
        stopped = causes.to_error([claimed.id], Status.SENDING, error, cause, self.run.now, tokens=[claimed.token])
        self.run.counts["in_error"] += 1
        if error.code == OUT_OF_STOCK:
            out_of_stock.hold(self.run, stopped)

    def _not_begun(self) -> dict[str, Any]:
        """An answer says that it is not there; with no look-up, the next send must not count as a second one."""
        return {"starts": 0} if self.connector.dedupe("send") is Dedupe.NONE else {}

    def _refused(self, claimed: Claimed, error: AuthFailed) -> None:
        release([claimed])
        self.run.refused(error)

    def bug(self, claimed: Claimed, error: BaseException) -> None:
        """Our own mistake: tried five times, then parked with a number that leads to the report."""
        number = causes.report_of(error)
        log.error("report %s: sending order %s failed", number, claimed.id, exc_info=error)
        ours = Transient(f"We could not process this order (report {number}).", code="internal")
        if claimed.failures + 1 < BUGS:
            self._failed(claimed, ours)
        else:
            fix = f"This is our mistake. Give support the number {number}."
            self._stopped(claimed, NeedsHuman(str(ours), code="internal", fix=fix))

    # ── the connection as a whole ──

    def _unreachable(self, error: ConnectionFailed) -> None:
        self.connection_failures += 1
        if self.connection_failures < IN_A_ROW and not self._down:
            return
        self.run.stopping.set()
        self.run.unreachable(error)
        self._down = True

    def close(self, down: bool | None = None) -> None:
        """Plans the next run, and resolves what has healed.

        `down`: whether the WMS could not be reached, where that shows by no order's own call.
        """
        run = self.run
        self._down = self._down if down is None else down
        retry_at, lease = _next_due(run.merchant.pk)
        if not self._down:
            run.due_at(max(retry_at, self.wait_until) if retry_at and self.wait_until else retry_at)
            if lease is not None:
                run.due_at(run.now + timedelta(seconds=max(lease, 0) + 0.5))
        unsent = Order.objects.filter(merchant=run.merchant, status__in=[Status.READY, Status.SENDING])
        if self._failing and not unsent.filter(failures__gt=0).exists():
            resolve("delivery_failing", [f"deliver:{run.merchant.pk}"], run.now)
            self._failing = 0
        out_of_stock.settle(run)
        run.state["failing"] = self._failing
        run.state["down"] = self._down


def give_up(run: Run, order_id: int, number: str, error: ConnectorError, token: int) -> None:
    """An order's last try has failed: a person has to send it again, and is told."""
    gave_up = NeedsHuman(
        f"Skipped after {TRIES} failed tries in 15 days. Last: {error}",
        code="gave_up",
        fix="Correct what the WMS says, then send it again by hand.",
        said=error.said,
    )
    cause = causes.of_error(run.merchant.pk, gave_up, own=[number])
    causes.to_error([order_id], Status.SENDING, gave_up, cause, run.now, tokens=[token], to=Status.GAVE_UP)


def _next_due(merchant_id: int) -> tuple[datetime | None, float | None]:
    """When the next waiting order is due, and in how many seconds the next claim expires."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT (SELECT min(retry_at) FROM orders_order WHERE merchant_id = %s AND status = 'ready'),
                      (SELECT extract(epoch FROM min(lease_until) - now())::float FROM orders_order
                       WHERE merchant_id = %s AND status = 'sending' AND out_file_id IS NULL)""",
            [merchant_id, merchant_id],
        )
        due, lease = cursor.fetchone()
        return due, lease
