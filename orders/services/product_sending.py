"""Sending products, each once, to whoever may have them already: what both directions of Product Sync have in common.

A product is looked up by its SKU before it is added, where the other side can be asked; where it keeps SKUs unique
it says so itself. What is still not decided when a call ends is asked again only after it has settled.
"""

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import F, QuerySet

from integration_manager.kit.canonical import Product
from integration_manager.kit.connector import CartConnector, WmsConnector
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
from orders.models import CartListing, CartProduct
from orders.out_file import LEASE
from orders.run import WINDOW, Run, Unstarted
from orders.services import file_batches, out_files

log = logging.getLogger(__name__)

BUDGET = 15.0  # seconds of one run; the rest of it is that of what needs the products
BATCH = 40
HOUR, AGAIN = timedelta(hours=1), timedelta(minutes=1)
TRIES, DAYS = 100, timedelta(days=30)  # whichever comes first; at most one an hour counts
BUGS = 5
REFUSED = "refused"  # the state of what waits for a person


@dataclass(frozen=True, slots=True)
class Put:
    """A product is there under this key. `found`: it had been there before us, and was left as it was."""

    key: str
    did: str  # sent, changed, found


@dataclass(frozen=True, slots=True)
class Claimed:
    """One product taken to be sent. `starts` counts this claim."""

    id: int
    cart_id: int
    token: int
    starts: int
    failures: int
    first_failed_at: datetime | None
    failed_at: datetime | None


C = TypeVar("C", bound=Claimed)


class Sending(Generic[C]):
    """The products of one run."""

    rows: ClassVar[type[CartProduct | CartListing]]
    kind: ClassVar[str]  # of the files that they leave in, where the other side takes files
    hurries: ClassVar[bool] = True  # what failed is tried again by a run of its own, and not with the next one

    def __init__(self, run: Run, connector: WmsConnector | CartConnector) -> None:
        self.run, self.connector = run, connector
        self.start_before = 0.0  # until when the calls of a batch may be begun, by time.monotonic()
        self.over = False  # the other side is not to be asked again for now
        self.carts: set[int] = set()
        self.refused: set[int] = set()  # carts with a product that has to wait for a person
        self.failed: ConnectorError | None = None

    def claim(self, limit: int, lease: float) -> list[C]:
        """Takes products that wait, for so many seconds."""
        raise NotImplementedError

    def put(self, one: C) -> Put:
        """One product, in a thread of the run."""
        raise NotImplementedError

    def done(self, done: Sequence[tuple[C, Put]]) -> None:
        """These are there."""
        raise NotImplementedError

    def product(self, one: C) -> Product:
        """As the other side is to have it."""
        raise NotImplementedError

    def close(self) -> None:
        """Alerts: of what fails, and of what waits for a person."""
        raise NotImplementedError

    def alone(self, batch: Sequence[C]) -> list[C]:
        """Those of a batch that can be sent; of the others it is recorded why not."""
        return list(batch)

    def unchanged(self, one: C) -> "QuerySet[Any]":
        """The row, if it still is what was sent."""
        return self.mine(one)

    def send(self) -> None:
        """Calls for each, until none waits or the time is up."""
        run, until = self.run, time.monotonic() + BUDGET
        while run.keep_alive() and not run.stopping.is_set() and not self.over:
            if time.monotonic() > until:
                run.due_at(run.now)
                break
            run.current()
            self.start_before = time.monotonic() + WINDOW
            batch = self.claim(BATCH, self._lease())
            if not batch:
                break
            self.carts |= {one.cart_id for one in batch}
            for group in run.each(
                self._put, self.alone(batch), subject=lambda one: None, start_before=lambda one: self.start_before
            ):
                self._record(group)
            run.journal.store(run.schedule.pk)
        self.close()

    def write(self) -> None:
        """By files, of which each may have many."""
        run = self.run
        try:
            run.connector.ready(self.kind)
        except NeedsHuman as error:
            self.failed = error
            self.close()
            return
        out_files.recover(run, self.kind)
        while run.keep_alive() and not run.stopping.is_set():
            run.current()
            batch = self.claim(file_batches.RECORDS, LEASE)
            if not batch:
                break
            self.carts |= {one.cart_id for one in batch}
            alone = self.alone(batch)
            if alone:
                file_batches.tell_products(run, self.kind, [(one.id, one.token, self.product(one)) for one in alone])
        if run.stopping.is_set() and run.refusal is None and run.outage is None:
            run.stopping.clear()  # a folder that takes no products may take the rest
        self.close()

    def _put(self, one: C) -> Put:
        if self.over:
            raise ConnectionFailed
        return self.put(one)

    def _lease(self) -> float:
        """Seconds that cover handing out, a look-up, a call, and its settling."""
        return WINDOW + 3 * self.connector.timeout + self.connector.settle.total_seconds()

    def added(self, product: Product) -> tuple[str, bool]:
        """Looks a product up by its SKU, and adds it where it is not there: its key, and whether we added it."""
        if self.connector.overrides("find_product"):
            key = self.connector.find_product(product.sku)
            if key:
                return key, False
        crash_here("before_product")
        try:
            key = self.connector.create_product(product)
        except AlreadyDone as error:
            if not error.remote_id:
                raise
            return error.remote_id, False
        crash_here("after_product")
        return key, True

    # ── what became of them ──

    def _record(self, group: Sequence[tuple[C, Any]]) -> None:
        done = [(one, result) for one, result in group if isinstance(result, Put)]
        if done:
            self.done(done)
        for one, result in group:
            if not isinstance(result, Put):
                self._one(one, result)

    def _one(self, one: C, error: Any) -> None:
        run = self.run
        error = run.judged(error)
        if isinstance(error, Unstarted):
            self._release(one)
        elif isinstance(error, AuthFailed):
            self._release(one)
            run.refused(error)
        elif isinstance(error, RateLimited):
            self.over, again = True, error.retry_at or run.now + AGAIN
            self._release(one, again)
            run.due_at(again)
        elif isinstance(error, ConnectionFailed):
            # What comes behind finds out for itself whether the other side can be reached.
            self._release(one, run.now + AGAIN)
            self._due_at(run.now + AGAIN)
            if not self.over:
                self.over, self.failed = True, error
        elif isinstance(error, Permanent | NeedsHuman | AlreadyDone):
            fix = getattr(error, "fix", "")
            self.stopped(one, error.code, f"{error} {fix}".strip())
        else:
            self._failed(one, error)

    def stopped(self, one: C, code: str, why: str) -> None:
        """It waits for a person; what was changed meanwhile goes out all the same."""
        ended = {"state": REFUSED, "lease_until": None, "error_code": code[:40], "error_message": why}
        if self.unchanged(one).update(starts=0, **ended):
            self.refused.add(one.cart_id)
            self.run.counts["products_refused"] += 1
        elif self.mine(one).update(starts=0, lease_until=None, retry_at=self.run.now):
            self.run.due_at(self.run.now)

    def _failed(self, one: C, error: BaseException) -> None:
        """It is tried again at every run, until it has failed 100 times or for 30 days."""
        now, most = self.run.now, TRIES
        if not isinstance(error, ConnectorError):
            number = secrets.token_hex(4)
            log.error("report %s: product %s failed", number, one.id, exc_info=error)
            error, most = Transient(f"We could not send it (report {number}).", code="internal"), BUGS
        counts = one.failed_at is None or now - one.failed_at >= HOUR
        failures = one.failures + counts
        self.run.counts["failed"] += 1
        first = one.first_failed_at or now
        if failures >= most or now - first >= DAYS:
            self.stopped(one, "gave_up", f"It was tried {failures} times and is not tried any more. Last: {error}")
            return
        pause = max(AGAIN, self.connector.settle) if isinstance(error, OutcomeUnknown) else AGAIN
        self.mine(one).update(
            failures=failures,
            first_failed_at=first,
            failed_at=now if counts else one.failed_at,
            retry_at=now + pause,
            lease_until=None,
            error_code=error.code,
            error_message=str(error),
        )
        self._due_at(now + pause)
        self.failed = error

    def _due_at(self, at: datetime) -> None:
        if self.hurries:
            self.run.due_at(at)

    def _release(self, one: C, retry_at: datetime | None = None) -> None:
        """Gives back one of which the other side has not been told."""
        kept = {} if retry_at is None else {"retry_at": retry_at}
        self.mine(one).update(lease_until=None, starts=F("starts") - 1, **kept)

    def mine(self, one: C) -> "QuerySet[Any]":
        """The row, if it is still ours."""
        found: QuerySet[Any] = self.rows.objects.filter(pk=one.id, token=one.token)
        return found
