"""Order Delivery: sends what is ready to the WMS, each order once.

From the second start on an order is looked up before it is sent; a look-up comes only after the time
in which an undecided send may still take effect (`settle`), since the claim's lease covers it.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from integration_manager.kit.connector import Dedupe, WmsConnector
from integration_manager.kit.crash import crash_here
from integration_manager.kit.errors import ConnectorError, OutcomeUnknown, Transient
from orders import following
from orders.changes import cancel, request_cancel
from orders.models import Order, Status
from orders.rewriting import ASKED
from orders.run import AHEAD, THREADS, Run, Unstarted
from orders.services import file_batches
from orders.services.effects_wms import cancel_at_wms
from orders.services.load_products import load_products
from orders.services.look_up import look_up
from orders.services.outcomes import IN_A_ROW, Looked, LookupFailed, Outcomes
from orders.services.preparing import Item, prepare
from orders.services.stopping import stop
from orders.states import UNSENT, Claimed, claim, release

WINDOW = 20.0  # seconds in which the calls of one claim are begun
SMALLEST, LARGEST = 12, 100  # orders in one claim: at first three for each thread


def deliver(run: Run) -> None:
    """Sends this merchant's ready orders, and before them the products that wait."""
    connector = run.connector
    assert isinstance(connector, WmsConnector)
    cancel_at_wms(run, connector)
    load_products(run)
    look_up(run)
    outcomes = Outcomes(run, connector)
    if "orders" in connector.renders:
        take_up_what_came(run, file_batches.deliver(run, outcomes))
        outcomes.close(down=run.outage is not None)
        return
    if run.state.get("down"):  # the last run could not connect: try with one
        _send_all(run, connector, outcomes, _Line(run, outcomes, most=1))
    _send_all(run, connector, outcomes, _Line(run, outcomes))
    for _ in range(IN_A_ROW):  # those that could not connect stand in the line again
        if outcomes.connection_failures and not run.stopping.is_set():
            _send_all(run, connector, outcomes, _Line(run, outcomes))
    outcomes.close()


class _Line:
    """The orders that wait, claimed as they are needed: what is sent in half the window at the present pace."""

    def __init__(self, run: Run, outcomes: Outcomes, most: int = 0) -> None:
        """`most`: claim once, and no more than this."""
        self.run, self.outcomes, self.most = run, outcomes, most
        self.connector = outcomes.connector
        self._done = 0
        self._decided: list[int] = []  # since the last claim
        self._start_before: dict[int, float] = {}

    def __iter__(self) -> Iterator[Item]:
        run, began, limit = self.run, time.monotonic(), self.most or SMALLEST
        while run.keep_alive() and not run.stopping.is_set():
            run.current()
            at = time.monotonic()
            claimed = claim(run.merchant.pk, _size(self.connector, limit), lease(self.connector), run.now, run.wms_id)
            if not claimed:
                return
            items = _prepare(run, self.outcomes, claimed)
            self._start_before |= dict.fromkeys((item.id for item in items), at + WINDOW)
            yield from items
            if self.most:
                return
            self.look_back()
            limit = _next_size(self._done, time.monotonic() - began)

    def start_before(self, item: Item) -> float:
        """Until when the call of an order may be begun, by time.monotonic()."""
        return self._start_before[item.id]

    def decided(self, ids: Sequence[int]) -> None:
        """The calls of these have come back."""
        self._decided += ids
        self._done += len(ids)

    def look_back(self) -> None:
        """What follows from the calls that have come back."""
        take_up_what_came(self.run, self._decided)
        self._decided = []
        self.run.journal.store(self.run.schedule.pk)


def _send_all(run: Run, connector: WmsConnector, outcomes: Outcomes, line: _Line) -> None:
    for group in run.each(
        lambda item: _send(connector, item),
        line,
        subject=lambda item: item.id,
        start_before=line.start_before,
        ahead=_size(connector, AHEAD),
    ):
        outcomes.record([(item, result) for item, result in group if not isinstance(result, Unstarted)])
        release([item.claimed for item, result in group if isinstance(result, Unstarted)], outcomes.wait_until)
        line.decided([item.id for item, _ in group])
    line.look_back()


def take_up_what_came(run: Run, ids: Sequence[int]) -> None:
    """Edits and cancellations that had to wait for these sends take effect, now that most are decided."""
    if not ids:
        return
    waiting = Order.objects.filter(pk__in=ids).exclude(status__in=[Status.SENDING, Status.CANCELED])
    # What a person is asked says first whether there is anything to cancel.
    asked = Q(cancel_requested_at__isnull=False, status__in=UNSENT) & ~Q(error_code__in=ASKED)
    rows = waiting.filter(Q(source_changed=True) | asked).values_list("id", "cancel_requested_at")
    for order_id, canceled in list(rows):
        with transaction.atomic():
            if canceled:
                request_cancel(order_id, run.now, actor="", why="Asked for while it was being sent.")
            else:
                following.take_newer(run.merchant, order_id, run.now)


def lease(connector: WmsConnector) -> float:
    """Seconds that cover handing out, a look-up, a send, and the send's settling."""
    return WINDOW + 2 * connector.timeout + connector.settle.total_seconds()


def _size(connector: WmsConnector, limit: int) -> int:
    # With no way to find out, a crash leaves every claimed order to a person: claim few.
    return min(limit, THREADS) if connector.dedupe("send") is Dedupe.NONE else limit


def _next_size(done: int, spent: float) -> int:
    """How many are sent within half of the window, at the pace of this run; the other half is for those before."""
    return max(SMALLEST, min(LARGEST, int(done / max(spent, 0.001) * WINDOW / 2)))


def _prepare(run: Run, outcomes: Outcomes, claimed: Sequence[Claimed]) -> list[Item]:
    """What is to be sent; orders with a problem, or canceled before any send, end here."""
    claimed = outcomes.elsewhere(claimed)
    # Canceled, and no call has ever gone out: this claim is the first start and it has not begun.
    dropped = [c for c in claimed if c.cancel_requested and c.starts == 1]
    cancel(
        [c.id for c in dropped],
        Status.SENDING,
        "Canceled before it was sent.",
        run.now,
        tokens=[c.token for c in dropped],
    )
    kept = [c for c in claimed if not (c.cancel_requested and c.starts == 1)]
    batch = prepare(run, outcomes.connector, kept)
    for broken, error in batch.broken:
        outcomes.bug(broken, error)
    # One that was begun before is looked up all the same: the WMS may have it.
    find = outcomes.connector.overrides("find")
    begun = [item for item, _ in batch.stopped if find and item.claimed.starts > 1]
    stop(run, [one for one in batch.stopped if not (find and one[0].claimed.starts > 1)], batch.waiting)
    return [*batch.items, *begun]


def _send(connector: WmsConnector, item: Item) -> Any:
    """One order, in a thread of the run: looked up first where a send had been begun before."""
    ref, dedupe = item.claimed.wms_ref, connector.dedupe("send")
    if item.claimed.handle:
        try:
            return connector.resume(item.claimed.handle)
        except Transient as error:
            return LookupFailed(error)  # nothing new is known; the handle stays good
    if item.claimed.starts > 1:
        if dedupe is Dedupe.NONE:
            return OutcomeUnknown("A send was begun and never answered; this WMS cannot be asked about it.")
        unwanted = item.claimed.cancel_requested or item.problem or item.hold
        if connector.overrides("find") and (dedupe is Dedupe.LOOKUP or unwanted):
            try:
                found = connector.find(ref)
            except ConnectorError as error:
                return LookupFailed(error)
            if found is not None or unwanted:
                return Looked(found)
    crash_here("before_send")
    wms_key = connector.send(item.prepared, ref)
    crash_here("after_send")
    return wms_key
