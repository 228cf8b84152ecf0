"""Reading in pages: nothing may be lost, whatever the page size, the times and the other side do.

The engine is played by `Poll`: it stores the rows of a page, then keeps the page's cursor, and asks
the next time from the cursor minus the connector's overlap.
"""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from integration_manager.kit.acceptance.bench import START, Bench, Check, Running
from integration_manager.kit.canonical import to_json
from integration_manager.kit.connector import Page
from integration_manager.kit.errors import (
    AuthFailed,
    BadAnswer,
    ConnectorError,
    Permanent,
    RateLimited,
    Transient,
)
from integration_manager.kit.simulator import Fault

MINUTE = timedelta(minutes=1)
ENDLESS = 200  # pages; more than any check here needs

# What a failed reading is. A fault that is not in here leaves the reading whole.
READING: dict[Fault, tuple[type[Exception], ...]] = {
    Fault.ERROR: (Transient,),
    Fault.BAD_GATEWAY: (Transient,),
    Fault.LIMITED: (RateLimited,),
    Fault.LIMITED_BARE: (RateLimited,),
    Fault.HANG: (Transient,),
    Fault.DROP: (Transient,),
    Fault.DROP_AFTER: (Transient,),
    Fault.CUT: (BadAnswer,),
    Fault.REDIRECT: (BadAnswer,),
    Fault.TRUNCATED: (BadAnswer,),
    Fault.GARBAGE: (BadAnswer,),
    Fault.ALIEN: (BadAnswer,),
    Fault.HUGE: (BadAnswer,),
    Fault.SLOW: (Transient,),
    Fault.ECHO: (Permanent,),
}
# One of each kind of error: in a system's further feeds, which go the same way to the same transport.
AGAIN = (Fault.ERROR, Fault.LIMITED, Fault.DROP, Fault.GARBAGE, Fault.ALIEN, Fault.ECHO)


@dataclass(frozen=True, slots=True)
class Feed:
    """One thing that is read in pages: how to read it, how to make rows of it on the other side."""

    name: str
    read: Callable[[Any, datetime], Iterator[Page]]
    make: Callable[[Any, int, datetime], str]
    make_old: Callable[[Any, int, datetime, datetime], str] | None
    key_of: Callable[[Any], str]


PRODUCTS = Feed(  # of a cart or a WMS
    "products",
    lambda c, since: c.products(since),
    lambda fake, n, at: fake.product(n, at),
    None,
    lambda product: str(product.key),
)


def feeds(bench: Bench) -> list[Feed]:
    """What this system gives in pages over HTTP."""
    found = []
    if bench.is_cart:
        if bench.has("orders"):
            found.append(
                Feed(
                    "orders",
                    lambda c, since: c.orders(since),
                    lambda fake, n, at: fake.place(n, at),
                    lambda fake, n, at, born: fake.place(n, at, born),
                    bench.mapper("key_of"),
                )
            )
        if bench.has("products"):
            found.append(PRODUCTS)
        if bench.has("purchase_orders"):
            found.append(
                Feed(
                    "purchase orders",
                    lambda c, since: c.purchase_orders(since),
                    lambda fake, n, at: fake.purchase(n, at),
                    None,
                    lambda purchase: str(purchase.key),
                )
            )
        return found
    if bench.has("shipments"):
        found.append(
            Feed(
                "shipments",
                lambda c, since: c.shipments(since),
                lambda fake, n, at: fake.parcel(n, at),
                lambda fake, n, at, born: fake.parcel(n, at, born),
                lambda parcel: str(parcel.key),
            )
        )
    if bench.has("canceled"):
        found.append(
            Feed(
                "cancellations",
                lambda c, since: c.canceled(since),
                lambda fake, n, at: fake.cancellation(n, at),
                None,
                lambda canceled: str(canceled.wms_key),
            )
        )
    if bench.has("receipts"):
        found.append(
            Feed(
                "receipts",
                lambda c, since: c.receipts(since),
                lambda fake, n, at: fake.receipt(n, at),
                None,
                lambda receipt: str(receipt.wms_key),
            )
        )
    if bench.has("stock"):
        found.append(
            Feed(
                "stock",
                lambda c, since: c.stock(since),
                lambda fake, n, at: fake.level(n, at),
                None,
                lambda level: str(level.sku),
            )
        )
    if bench.has("products"):
        found.append(PRODUCTS)
    return found


@dataclass(slots=True)
class Poll:
    """The engine's side of a feed: what is stored, and how far."""

    bench: Bench
    feed: Feed
    running: Running
    cursor: datetime | None = None
    stored: dict[str, str] = field(default_factory=dict)
    made: dict[str, datetime] = field(default_factory=dict)
    between: Callable[[int], None] = lambda page: None

    def make(self, number: int, at: datetime, born: datetime | None = None) -> None:
        """A row comes up on the other side, or changes."""
        if born is None or self.feed.make_old is None:
            key = self.feed.make(self.running.fake, number, at)
        else:
            key = self.feed.make_old(self.running.fake, number, at, born)
        self.made[key] = at

    def poll(self) -> int:
        """Reads on from the cursor. Gives how many pages it took."""
        since = self.cursor - self.bench.system.overlap if self.cursor else START - MINUTE
        pages = 0
        for page in islice(self.feed.read(self.running.connector, since), ENDLESS + 1):
            pages += 1
            assert pages <= ENDLESS, f"{self.feed.name} never end"
            for row in page.rows:
                self.stored[self.feed.key_of(row)] = _text(row)
            if page.cursor is not None:
                self._moved(page.cursor, since)
            if page.done is not None:
                page.done()
            self.between(pages)
        return pages

    def _moved(self, cursor: datetime, since: datetime) -> None:
        assert cursor.tzinfo is not None, "the cursor has no time zone"
        newest = max(self.made.values(), default=cursor)
        assert cursor <= newest, f"the cursor {cursor} is ahead of the last row, {newest}"
        passed = [k for k, at in self.made.items() if since <= at < cursor and k not in self.stored]
        assert not passed, f"the cursor passed {len(passed)} rows that were never given: {passed[:3]}"
        self.cursor = cursor

    def complete(self, what: str) -> None:
        """Everything that was made is stored, as it is now."""
        lost = [key for key in self.made if key not in self.stored]
        assert not lost, f"{what}: {len(lost)} of {len(self.made)} were never given: {lost[:3]}"
        fresh: dict[str, str] = {}
        for page in islice(self.feed.read(self.running.connector, START - MINUTE), ENDLESS):
            fresh.update({self.feed.key_of(row): _text(row) for row in page.rows})
        old = [key for key in self.made if fresh.get(key, self.stored[key]) != self.stored[key]]
        assert not old, f"{what}: {len(old)} are stored as they were before an edit: {old[:3]}"


def _text(row: Any) -> str:
    return json.dumps(to_json(row), sort_keys=True, default=str)


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    found: list[Check] = []
    for number, feed in enumerate(feeds(bench)):
        size = bench.fake().page_size
        for name, count in {
            "none": 0, "one": 1, "a whole page": size, "two pages and a half": size * 5 // 2,
        }.items():  # fmt: skip
            run = functools.partial(counted, bench, feed, count)
            found.append((f"{feed.name}: {name}", run))
        for title, check in (
            ("1,000 with one time", same_time),
            ("edited while paging", edited_while_paging),
            ("created long ago, modified now", created_long_ago),
            ("many between two runs", many_between_runs),
        ):
            if check is created_long_ago and feed.make_old is None:
                continue
            found.append((f"{feed.name}: {title}", functools.partial(check, bench, feed)))
        for fault in AGAIN if number else Fault:
            if fault not in (Fault.ERROR_AFTER, Fault.LATE, Fault.LATE_HANG):
                run = functools.partial(failing, bench, feed, fault)
                found.append((f"{feed.name}: fault {fault}", run))
    return found


def counted(bench: Bench, feed: Feed, count: int) -> None:
    """So many rows, a minute apart: all are given, by a sensible number of requests."""
    with bench.running() as running:
        poll = Poll(bench, feed, running)
        for number in range(1, count + 1):
            poll.make(number, START + number * MINUTE)
        poll.poll()
        if not count:
            assert not poll.stored, "rows from nowhere"
            assert poll.cursor is None, "a cursor without a row"
        requests = sum(running.fake.calls.values())
        most = 3 * (count // running.fake.page_size + 2) + 2 * count * (not _plain(poll))
        assert requests <= most, f"{requests} requests for {count} rows"
        poll.complete(f"{count} rows")


def _plain(poll: Poll) -> bool:
    """Whether a row comes whole with its list; some systems have details to be fetched one by one."""
    return sum(poll.running.fake.calls.values()) <= len(poll.stored) + 6


def same_time(bench: Bench, feed: Feed) -> None:
    """1,000 rows of one import, with the same time to the millisecond."""
    with bench.running() as running:
        poll = Poll(bench, feed, running)
        for number in range(1, 1001):
            poll.make(number, START)
        poll.poll()
        poll.complete("1,000 rows with the same time")


def edited_while_paging(bench: Bench, feed: Feed) -> None:
    """A row of the first page is edited while the second is read: offsets shift, nothing is lost."""
    with bench.running() as running:
        size = running.fake.page_size
        poll = Poll(bench, feed, running)
        count = size * 3
        for number in range(1, count + 1):
            poll.make(number, START + number * MINUTE)

        def edit(page: int) -> None:
            if page <= 2:  # a row of this page moves to the end
                poll.make((page - 1) * size + 2, START + (count + page) * MINUTE)

        poll.between = edit
        poll.poll()
        poll.between = lambda page: None
        poll.poll()
        poll.complete("edited while paging")


def created_long_ago(bench: Bench, feed: Feed) -> None:
    """Rows are found by when they changed, not by when they were made."""
    with bench.running() as running:
        poll = Poll(bench, feed, running)
        for number in range(1, 31):
            poll.make(number, START + number * MINUTE, START - timedelta(days=number))
        poll.poll()
        poll.complete("created long ago")
        later = START + timedelta(days=1)
        poll.make(5, later)  # an old row changes after the cursor has passed it
        poll.make(31, later + MINUTE, START - timedelta(days=90))
        poll.poll()
        poll.complete("modified after the cursor")


def many_between_runs(bench: Bench, feed: Feed) -> None:
    """More rows than any default page come and change between two runs; a quiet run costs little."""
    with bench.running() as running:
        poll = Poll(bench, feed, running)
        poll.make(1, START)
        poll.poll()
        for number in range(2, 48):
            poll.make(number, START + timedelta(hours=1) + number * MINUTE)
        poll.make(1, START + timedelta(hours=2))
        poll.poll()
        poll.complete("46 rows between two runs")


def failing(bench: Bench, feed: Feed, fault: Fault) -> None:
    """The login, the first or the second page fails: the right error, and the next run goes on without a loss."""
    login = bool(bench.fake().login)
    for skip in range(2 + login):
        with bench.running() as running:
            poll = Poll(bench, feed, running)
            for number in range(1, running.fake.page_size * 2 + 4):
                poll.make(number, START + number * MINUTE)
            running.fail("*", fault, times=99, skip=skip)
            refused = login and not skip and fault is Fault.ECHO  # who refuses a login refuses the credentials
            _read(poll, fault, (AuthFailed,) if refused else READING.get(fault, ()))
            running.heal()
            poll.poll()
            poll.complete(f"after {fault} on request {skip + 1}")
            assert not running.fake.led_away, "a redirect to another host was followed"


def _read(poll: Poll, fault: Fault, wanted: tuple[type[Exception], ...]) -> None:
    names = " or ".join(kind.__name__ for kind in wanted)
    try:
        poll.poll()
    except ConnectorError as error:
        assert isinstance(error, wanted), f"{fault} is {type(error).__name__}, not {names or 'fine'}"
        if fault is Fault.LIMITED:
            assert getattr(error, "retry_at", None), "Retry-After is not passed on"
        return
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{fault} is {type(error).__name__}: {error}; not {names}") from error
    assert not wanted, f"{fault} is swallowed: the reading ends as if that were all"
