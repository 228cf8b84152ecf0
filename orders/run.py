"""One run of one service: its budget, its calls, its counts. What the six services have in common."""

import contextlib
import itertools
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection

from accounts.models import Account
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector, Page, Progress
from integration_manager.kit.errors import AuthFailed, ConnectionFailed, ConnectorError, Permanent
from integration_manager.kit.folder_system import FolderSystem
from merchants import schedules
from merchants.models import Merchant, Schedule
from merchants.rules import Rules
from orders.journal import Journal, Subject

T = TypeVar("T")
log = logging.getLogger(__name__)

BUDGET = 50.0  # seconds; what is unfinished goes to the back of the line
# The lease always covers what comes before it is looked at again: the calls of a batch are begun within
# WINDOW, one record takes up to CALLS of them (a look-up and a send; the steps of a file), recording SLACK.
WINDOW, CALLS, SLACK = 20.0, 4, 10.0
RENEW = 30.0  # seconds that a renewed lease lasts beyond that, so that it is not renewed at every look
THREADS = 4  # calls at once
AHEAD = 32  # calls handed out at most, for the threads to take
GATHER = 0.02  # seconds in which results are waited for, to be recorded together
GROUP = 25  # results that are recorded together at most
TELL = 2.0  # seconds between two words on how far a file is
PATIENCE = 600.0  # seconds that a run spends at most, beyond its budget, on what does not count against it


class LostLease(Exception):
    """Another run has taken this schedule over: whatever is left is its."""


class Unstarted(Exception):
    """A call that was handed out too late to be begun."""


class Run:
    """What a service gets: its schedule, an open connector, and the rules of calling out."""

    def __init__(
        self, schedule: Schedule, account: Account, connector: Connector, journal: Journal, held_until: float = 0.0
    ) -> None:
        """`held_until`: the end of the schedule's lease, by time.monotonic()."""
        self.schedule, self.account, self.connector, self.journal = schedule, account, connector, journal
        self.merchant: Merchant = schedule.merchant
        self.cart = schedule.cart
        self.leased, self.token = schedule.pk, schedule.token
        self.wms_id: int | None = None  # the WMS that the connector calls, where it is one
        self.effects_wait = True  # the merchant may have some; known to have none: nobody has to look
        self.products_wait = True  # the same for products on their way to the WMS
        self.rules: dict[int, Rules] = {}  # by cart, of an Order Delivery
        self.counts: Counter[str] = Counter()
        self.unread: dict[str, Any] = {}  # what could not be read so far, by alert (orders/rejects.py)
        self.problem = ""  # why the run is not a success, in plain words
        self.unfinished = False  # work is left: run again as soon as it is our turn
        self.next_at: datetime | None = None  # work is due at this time, before the next regular run
        self.fields: dict[str, Any] = {}  # what is to be kept on the schedule
        self.state: dict[str, Any] = dict(schedule.state)  # what the service remembers between runs
        self.refusal: AuthFailed | None = None  # the credentials are wrong: pause what uses them
        self.outage: ConnectionFailed | None = None  # the other system cannot be reached
        self._checked = False  # whether check() was asked about a 403
        self._lost: AuthFailed | None = None  # what it said, if the credentials fail it too
        self.stopping = threading.Event()
        self._began, self._budget = time.monotonic(), BUDGET
        self._page_began = self._given = self._told = 0.0
        self._held_until = held_until
        self._pool: ThreadPoolExecutor | None = None
        if isinstance(connector, FolderSystem):
            connector.beat = self.hold

    @property
    def now(self) -> datetime:
        """Business time."""
        return clock.now()

    def due_at(self, when: datetime | None) -> None:
        """Notes that work is due at `when`."""
        if when is not None and (self.next_at is None or when < self.next_at):
            self.next_at = when

    def refused(self, error: AuthFailed) -> None:
        """The credentials do not work: no further call in this run."""
        self.stopping.set()
        self.refusal = error

    def unreachable(self, error: ConnectionFailed) -> None:
        """The other system cannot be reached: no further call in this run."""
        self.stopping.set()
        self.outage = error

    def judged(self, result: Any) -> Any:
        """A call's result, or the error in its place.

        A 403 is about the credentials (AuthFailed) if they fail the check too, which is asked once; else about the
        record. Each call's error has to come by here: from `call` and `pages` it has, from `each` it has not.
        """
        if not isinstance(result, Permanent) or result.code != "forbidden":
            return result
        if not self._checked:
            self._checked = True
            try:
                self.call(self.connector.check)
            except (AuthFailed, Permanent) as refused:
                self._lost = AuthFailed(str(refused), said=refused.said)
            except ConnectorError as other:
                log.info("check after a 403 was not answered: %s", other)
        return self._lost or result

    def keep_alive(self) -> bool:
        """Holds on to the lease. False: the time is up. Raises LostLease."""
        self.hold()
        if time.monotonic() - self._began > self._budget:
            self.unfinished = True
        return not self.unfinished

    def current(self) -> None:
        """Makes sure that nobody has taken the schedule over, by changed settings too. Raises LostLease."""
        if not schedules.held(self.leased, self.token):
            raise LostLease

    def hold(self) -> None:
        """Sees to it that the lease covers the longest time until this is called again. Raises LostLease."""
        at = time.monotonic()
        stretch = WINDOW + CALLS * self.connector.timeout + SLACK
        if self._held_until - at < stretch:
            if not schedules.renew(self.leased, self.token, stretch + RENEW):
                raise LostLease
            self._held_until = at + stretch + RENEW

    @contextlib.contextmanager
    def on_behalf_of(self, schedule: Schedule, budget: float) -> Iterator[None]:
        """Does the work of another schedule within this run: under our lease, in a budget of its own.

        Neither the time that takes, nor that it was not finished, counts against this run.
        """
        ours, at = (self.schedule, self.state, self.fields, self._began, self._budget), time.monotonic()
        self.schedule, self.state, self.fields, self._began, self._budget = schedule, {}, {}, at, budget
        self.state |= schedule.state
        try:
            yield
        finally:
            self.schedule, self.state, self.fields, self._began, self._budget = ours
            self._began += time.monotonic() - at
            self.unfinished = False

    def call(self, function: Callable[..., T], *args: Any, subject: Subject = None) -> T:
        """One call of the connector from the run's own thread. `subject`: the order it is about, or those of a file."""
        _no_transaction()
        self.hold()
        try:
            with self.journal.about(subject):
                return function(*args)
        except Permanent as error:
            raise self.judged(error) from None

    def pages(self, pages: Iterable[Page]) -> Iterator[Page]:
        """The pages of a connector, until they or the time are at an end."""
        iterator = iter(pages)
        while self.keep_alive():
            _no_transaction()
            self._page_began = time.monotonic()
            try:
                page = next(iterator)
            except StopIteration:
                return
            except Permanent as error:
                raise self.judged(error) from None
            if page.progress is not None:
                self._tell(page.progress)
            yield page
            uploads = getattr(self.connector, "uploads", None)
            if uploads is not None:
                uploads.loaded(page)  # it is stored by now

    def repeated(self, page: Page) -> None:
        """Nothing on this page was new. Of a file that does not count against the time.

        A run that ends before the file does is followed by one that fetches it again, and looks again at what was
        not stored whole: it has to get further than the one before, or a large file would be read for ever.
        """
        if page.progress is not None and self._given < PATIENCE:
            spent = time.monotonic() - self._page_began
            self._given += spent
            self._budget += spent

    def _tell(self, progress: Progress) -> None:
        """Lets the pages of the cart or merchant show how far a file is. What it did at last takes its place."""
        at = time.monotonic()
        if at - self._told < TELL or self.schedule.pk != self.leased:
            return
        self._told = at
        what = "stored" if progress.stored else "read"
        words = f"{progress.file}: {progress.rows:,} rows {what}, {progress.percent} %"
        schedules.tell(self.leased, self.token, words)

    def each(
        self,
        function: Callable[[T], Any],
        items: Iterable[T],
        *,
        subject: Callable[[T], int | None],
        start_before: Callable[[T], float],
        threads: int = THREADS,
        ahead: int = AHEAD,
    ) -> Iterator[list[tuple[T, Any]]]:
        """Calls `function(item)` in threads; yields what has arrived: (item, result or exception).

        A call is begun only before `start_before(item)` (of time.monotonic()) and while the run is not
        stopping; the others come back as `Unstarted`. The threads do nothing but call: this thread
        records the results, since it alone has the database and the tenant. It also takes the items
        from `items` as they are needed, so that they may be claimed while calls are under way; at most
        `ahead` of them are handed out and undecided.
        """
        _no_transaction()
        source = iter(items)
        first = list(itertools.islice(source, 2))
        source = itertools.chain(first, source)
        if threads == 1 or len(first) < 2:
            for item in source:
                yield [(item, self._one(function, item, subject, start_before))]
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="call")
        results: queue.SimpleQueue[tuple[T, Any]] = queue.SimpleQueue()

        def work(item: T) -> None:
            results.put((item, self._one(function, item, subject, start_before)))

        began, done, running = time.monotonic(), 0, 0
        lost: LostLease | None = None
        while True:
            # What takes about a second is handed out, so that no thread idles while results are recorded.
            pace = int(done / (time.monotonic() - began + 0.1))
            try:
                self.hold()
                for item in itertools.islice(source, max(min(ahead, max(2 * threads, pace)) - running, 0)):
                    self._pool.submit(work, item)
                    running += 1
            except LostLease as error:
                lost = error  # nothing more is taken; what is under way is still ours to record
            if not running:
                if lost is not None:
                    raise lost
                return
            group = _gathered(results, running)
            done += len(group)
            running -= len(group)
            yield group

    def _one(
        self,
        function: Callable[[T], Any],
        item: T,
        subject: Callable[[T], int | None],
        start_before: Callable[[T], float],
    ) -> Any:
        if self.stopping.is_set() or time.monotonic() >= start_before(item):
            return Unstarted()
        try:
            with self.journal.about(subject(item)):
                return function(item)
        except Exception as error:
            return error

    def close(self) -> None:
        """Ends the threads and the connector's connections."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for name in ("http", "folder"):
            resource = getattr(self.connector, name, None)
            if resource is not None:
                resource.close()


def _gathered(results: "queue.SimpleQueue[T]", running: int) -> list[T]:
    """The next result, and those that come with it or soon after: a statement each would be too many."""
    group = [results.get()]
    until = time.monotonic() + GATHER
    while len(group) < min(running, GROUP):
        try:
            group.append(results.get(timeout=max(until - time.monotonic(), 0)))
        except queue.Empty:
            break
    return group


def _no_transaction() -> None:
    # A call out may last half a minute; a transaction open meanwhile would hold locks as long.
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("a connector is called while a transaction is open")
