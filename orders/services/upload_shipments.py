"""Shipment Upload: tells a cart of its parcels, each once.

Failures are tried again at every run, up to 30 days or 100 tries, of which at most one an hour counts.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from msgspec import structs

from alerts.raising import raise_alert, resolve
from integration_manager import tenancy
from integration_manager.kit.connector import CartConnector, Dedupe, Pending
from integration_manager.kit.crash import crash_here
from integration_manager.kit.errors import (
    AlreadyDone,
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    NeedsHuman,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
)
from orders import causes, parcel_alerts
from orders.models import Shipment as ShipmentRow
from orders.run import AHEAD, THREADS, Run, Unstarted
from orders.services import file_batches
from orders.services.confirmed import confirm_complete
from orders.services.effects_cart import carry_out_in_cart
from orders.services.failed_parcels import SOON, failed
from orders.services.parcel_claims import Parcel, claim, release
from orders.services.told import FOUND, TAKEN, ids, kept, there

WINDOW = 20.0  # seconds in which the calls of one claim are begun
LIMIT = 100
ROUNDS = 3
IN_A_ROW = 3  # connection failures that end a run


def upload_shipments(run: Run) -> None:
    """Uploads what waits for this cart, after the cancellations and refunds."""
    connector = run.connector
    assert isinstance(connector, CartConnector)
    if not carry_out_in_cart(run):
        return
    if "confirmations" in connector.renders:
        file_batches.confirm(run)
        return
    uploads = _Uploads(run, connector)
    _upload_all(run, connector, uploads)
    for _ in range(IN_A_ROW):  # those that could not connect wait again
        if uploads.connection_failures and not run.stopping.is_set():
            _upload_all(run, connector, uploads)
    uploads.close()


def _upload_all(run: Run, connector: CartConnector, uploads: "_Uploads") -> None:
    few = connector.dedupe("ship") is Dedupe.NONE
    for group in run.each(
        lambda parcels: _ship_all(run, connector, parcels),
        _waiting(run, connector, THREADS if few else LIMIT),
        subject=lambda parcels: parcels[0].order_id,
        start_before=lambda parcels: parcels[0].start_before,
        ahead=THREADS if few else AHEAD,
    ):
        results = [pair for parcels, found in group for pair in zip(parcels, _each(parcels, found), strict=True)]
        uploads.record([pair for pair in results if not isinstance(pair[1], Unstarted)])
        release([parcel for parcel, result in results if isinstance(result, Unstarted)])


def _waiting(run: Run, connector: CartConnector, limit: int) -> Iterator[list[Parcel]]:
    """The parcels that wait, claimed as they are needed, `limit` at once; those of one order together."""
    lease = WINDOW + 2 * connector.timeout + connector.settle.total_seconds()
    while run.keep_alive() and not run.stopping.is_set() and (parcels := claim(run, limit, lease, WINDOW)):
        by_order: dict[int, list[Parcel]] = {}
        for parcel in sorted(parcels, key=lambda one: one.id):
            by_order.setdefault(parcel.order_id, []).append(parcel)
        yield from by_order.values()
        run.journal.store(run.schedule.pk)


def _ship_all(run: Run, connector: CartConnector, parcels: Sequence[Parcel]) -> list[Any]:
    """The parcels of one order, in a thread of the run: one after the other.

    Side by side they would be read and written over each other in carts that keep all of them in one place.
    """
    results: list[Any] = []
    told: list[str] = []
    for parcel in parcels:
        if run.stopping.is_set() or time.monotonic() >= parcel.start_before:
            results.append(Unstarted())
            continue
        try:
            results.append(_ship(connector, parcel, ids(told) | parcel.taken))
        except Exception as error:
            results.append(error)
        told += [result for result in results[-1:] if isinstance(result, str)]
    return results


def _each(parcels: Sequence[Parcel], found: Any) -> list[Any]:
    """The results of some parcels; `found`: those, or the one that all of them have."""
    return found if isinstance(found, list) else [found] * len(parcels)


_NAMELESS = "The shop has this parcel already, without the number that it has now, and did not say under which id."


def _ship(connector: CartConnector, parcel: Parcel, taken: set[str]) -> Any:
    """One parcel: looked for first where an upload had been begun before."""
    if parcel.handle:
        return connector.resume(parcel.handle)
    told = connector.overrides("correct") and parcel.remote_id != ""
    if told and ids([parcel.remote_id]):
        connector.correct(parcel.cart_key, parcel.remote_id, parcel.shipment)
        return parcel.remote_id
    known, shipment = None, parcel.shipment
    if (told or parcel.starts > 1) and connector.dedupe("ship") is Dedupe.LOOKUP:
        known = there(shipment, connector.find_shipments(parcel.cart_key), taken)
        if known is not None and not known.missing:
            return known.remote_id
        if told and known is None:
            raise NeedsHuman(_NAMELESS, code="no_id", fix="Correct its number in the shop.")
        shipment = structs.replace(shipment, lines=known.missing) if known else shipment
    elif parcel.starts > 1 and connector.dedupe("ship") is Dedupe.NONE:
        return OutcomeUnknown("An upload was begun and never answered; this cart cannot be asked about it.")
    crash_here("before_ship")
    answer = connector.ship(parcel.cart_key, shipment)
    crash_here("after_ship")
    if isinstance(answer, Pending):
        return answer
    return ",".join(filter(None, (known.remote_id if known else "", answer))) or TAKEN


class _Uploads:
    """Records the results of one run, each fenced by its claim's token."""

    def __init__(self, run: Run, connector: CartConnector) -> None:
        self.run, self.connector = run, connector
        self.connection_failures = 0
        self._failing = int(run.state.get("failing") or 0)  # runs in a row with parcels that failed
        self._told = False

    def record(self, group: Sequence[tuple[Parcel, Any]]) -> None:
        """Records what has arrived; what succeeded together in two statements."""
        done(self.run, [(parcel, result) for parcel, result in group if isinstance(result, str)])
        for parcel, result in group:
            if isinstance(result, str):
                self.connection_failures = 0
            else:
                self._one(parcel, result)

    def _one(self, parcel: Parcel, result: Any) -> None:
        run = self.run
        result = run.judged(result)
        if isinstance(result, Pending):
            self._pending(parcel, result)
        elif isinstance(result, ConnectionFailed):
            release([parcel])
            self.connection_failures += 1
            if self.connection_failures >= IN_A_ROW:
                run.unreachable(result)
        elif isinstance(result, RateLimited):
            release([parcel], result.retry_at or run.now + SOON)
            run.stopping.set()
        elif isinstance(result, AuthFailed):
            release([parcel])
            run.refused(result)
        elif isinstance(result, AlreadyDone):
            done(run, [(parcel, result.remote_id or FOUND)])
        elif isinstance(result, OutcomeUnknown):
            self._unknown(parcel, result)
        elif isinstance(result, NeedsHuman | Permanent):
            self._failed(parcel, result, park=True)
        elif isinstance(result, ConnectorError):
            self._failed(parcel, result)
        else:
            import logging

            number = causes.report_of(result)
            logging.getLogger(__name__).error("report %s: parcel %s", number, parcel.id, exc_info=result)
            ours = Transient(f"We could not process this parcel (report {number}).", code="internal")
            self._failed(parcel, ours, park=parcel.failures >= 4)

    def _pending(self, parcel: Parcel, pending: Pending) -> None:
        """The cart works on it. The claim stays until it wants to be asked again."""
        seconds = max((pending.again_at - self.run.now).total_seconds(), 1.0)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_shipment SET lease_until = now() + make_interval(secs => %s), handle = %s "
                "WHERE id = %s AND token = %s",
                [seconds, pending.handle, parcel.id, parcel.token],
            )
        self.run.due_at(pending.again_at + timedelta(seconds=1))

    def _unknown(self, parcel: Parcel, error: OutcomeUnknown) -> None:
        rounds, dedupe = parcel.unknown_rounds + 1, self.connector.dedupe("ship")
        if dedupe is Dedupe.NONE or rounds > ROUNDS:
            self._failed(parcel, error, park=True)
            return
        settle = self.connector.settle.total_seconds()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_shipment SET lease_until = now() + make_interval(secs => %s), unknown_rounds = %s "
                "WHERE id = %s AND token = %s",
                [max(settle, 1.0), rounds, parcel.id, parcel.token],
            )
        self.run.due_at(self.run.now + timedelta(seconds=settle + 1.5))
        self.run.counts["unknown"] += 1

    def _failed(self, parcel: Parcel, error: ConnectorError, *, park: bool = False) -> None:
        run = self.run
        assert run.cart is not None
        # What the cart works on is only asked about: that fails without a word on the parcel itself.
        going_on = parcel.handle != "" and isinstance(error, Transient)
        # An answer says that it is not there; with no look-up, the next try must not count as a second one.
        anew = self.connector.dedupe("ship") is Dedupe.NONE and not isinstance(error, OutcomeUnknown) and not going_on
        run.counts["failed"] += 1
        claims = [(parcel.id, parcel.token)]
        if not failed(run, claims, error, park=park, anew=anew, going_on=going_on) and not self._told:
            self._told, self._failing = True, self._failing + 1
            raise_alert(
                "tracking_failing",
                f"cart:{run.cart.pk}",
                f"{run.cart.name} does not take tracking numbers at the moment: {error}",
                fix="Nothing to do: it is tried again at every run.",
                said=error.said,
                total=self._failing,
                merchant_id=run.merchant.pk,
                cart_id=run.cart.pk,
                now=run.now,
            )

    def close(self) -> None:
        """Resolves what has healed, and plans the next try."""
        run = self.run
        assert run.cart is not None
        waiting = ShipmentRow.objects.filter(
            cart=run.cart, uploaded_at__isnull=True, parked_at__isnull=True, for_cart=True
        )
        if self._failing and not waiting.filter(failures__gt=0).exists():
            resolve("tracking_failing", [f"cart:{run.cart.pk}"], run.now)
            self._failing = 0
        run.state["failing"] = self._failing


def done(run: Run, uploaded: Sequence[tuple[Parcel, str]]) -> None:
    """Records uploads, and confirms the orders whose parcels the cart all knows."""
    if not uploaded:
        return
    parcels = [p for p, _ in uploaded]
    with transaction.atomic(), connection.cursor() as cursor:
        # The orders are locked first, as where parcels are stored: of two that complete an order in the
        # same moment, the later one sees the other's part.
        cursor.execute(
            """WITH locked AS MATERIALIZED (
                   SELECT id FROM orders_order WHERE account_id = %s AND id = ANY(%s) ORDER BY id FOR NO KEY UPDATE)
               UPDATE orders_shipment s SET uploaded_at = %s, remote_id = g.remote_id, lease_until = NULL, handle = '',
                      error_code = '', error_message = ''
               FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[]) AS g(id, token, order_id, remote_id)
               JOIN locked ON locked.id = g.order_id
               WHERE s.id = g.id AND s.token = g.token AND s.uploaded_at IS NULL RETURNING s.order_id""",
            [
                *(tenancy.account_id(), [p.order_id for p in parcels], run.now),
                *([p.id for p in parcels], [p.token for p in parcels], [p.order_id for p in parcels]),
                [kept(remote_id) for _, remote_id in uploaded],
            ],
        )
        confirm_complete({row[0] for row in cursor.fetchall()}, run.now)
    parcel_alerts.settle(ShipmentRow.objects.filter(pk__in=[p.id for p in parcels]), run.now)
    run.counts["uploaded"] += len(uploaded)
