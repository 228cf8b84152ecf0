"""Order Download: every changed order of a cart, page by page, each page stored with its cursor."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.db import transaction

from integration_manager.kit.connector import CartConnector, Page
from integration_manager.kit.folder_system import FolderSystem
from orders import ahead, cursors, files_read, inserting, pulls, subscriptions
from orders.content import plain
from orders.intake import Incoming, Intake, Stored
from orders.reading import Unreadable, read_raw
from orders.restored import restored_at
from orders.run import Run
from orders.services.effects_cart import carry_out_in_cart
from orders.services.look_up import look_up
from orders.storing import announce, store_page


def download(run: Run, *, save_cursor: bool = True) -> None:
    """Brings in what has changed since the last stored row.

    `save_cursor` False: another service reads ahead; the download's own run reads it again.
    """
    connector, cart = run.connector, run.cart
    assert isinstance(connector, CartConnector) and cart is not None
    if not carry_out_in_cart(run):
        return
    intake = Intake(run.merchant, cart, restored_at=restored_at(run))
    stored = Stored()
    since, deep = cursors.since(run, beginning(cart.earliest_order_date, run.account.timezone))
    cursor = run.schedule.cursor
    pull = pulls.Counter.of(run, since) if save_cursor else None
    left_out, whole = 0, True  # orders of the file that is being read; whether all of it so far is stored
    if isinstance(connector, FolderSystem):
        connector.making = partial(ahead.make, intake, connector, run.account.timezone, connector.options())
        files_read.go_on(run, connector)
    for page in run.pages(connector.orders(since)):
        newest = cursors.clamped(page, connector)
        moved = newest is not None and (cursor is None or newest > cursor)
        cursor = newest if moved else cursor
        # Files are new at every look: to tell that a page of one was seen would cost more than it saves.
        mark, news = "" if page.progress else _mark(run, page), False
        if moved or page.rejects or page.file or (page.rows and mark != (run.state.get(cursors.SEEN) or None)):
            made = page.made or ahead.Made(_read(run, page.rows), None)
            incoming = [_noted(run, one) for one in made.found]
            with transaction.atomic():
                readable = [i for i in incoming if i is not None]
                skipped = stored.skipped
                news = store_page(intake, readable, run.now, stored, made.plan)
                left_out += stored.skipped - skipped + len(incoming) - len(readable)
                run.state[cursors.SEEN] = "" if news or len(readable) < len(incoming) else mark
                for reject in page.rejects:
                    _store_reject(run, reject)
                files_read.note(run, page, left_out)
                announce(run.merchant, stored, run.now, news=news)
                if pull is not None:
                    pull.note(run, len(page.rows), stored)
                if moved and save_cursor:
                    cursors.save(run, cursor)
        if not news:
            run.repeated(page)
        if deep:
            cursors.passed(run, newest)
        whole = whole and not left_out and not page.rejects
        files_read.got_to(run, page, whole=whole)
        files_read.finish(run, page)
        if page.done:
            left_out, whole = 0, True
        run.counts["found"] += len(page.rows)
    if deep and not run.unfinished:
        cursors.reached(run)
        subscriptions.renew(run)
    if pull is not None and not run.unfinished:
        pull.end(run)
    for name in ("new", "changed", "canceled", "skipped", "in_error"):
        if getattr(stored, name):
            run.counts[name] += getattr(stored, name)
    look_up(run)


def _mark(run: Run, page: Page) -> str:
    """Stands for the content of a page, and for how it is read.

    A quiet cart shows the same last rows at every look. Once a page was found to be known in every row,
    its like needs not be read again.
    """
    earliest = run.cart.earliest_order_date if run.cart else None
    said = plain([page.rows, run.connector.options(), str(earliest)])
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def beginning(day: date, zone: str) -> datetime:
    """When a day begins in the account's time zone: a first download starts at the Earliest Order Date's."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _read(run: Run, rows: Sequence[Any]) -> list[Incoming | Unreadable]:
    options = run.connector.options()
    return [read_raw(raw, run.connector, run.account.timezone, options) for raw in rows]


def _noted(run: Run, found: Incoming | Unreadable) -> Incoming | None:
    """One order as read; None where it has no key, then it is a skipped row."""
    assert run.cart is not None
    if isinstance(found, Unreadable):
        inserting.skip(run.cart, found.key, "unreadable", found.why, run.now, raw=found.raw)
        run.counts["unreadable"] += 1
        return None
    return found


def _store_reject(run: Run, reject: Any) -> None:
    assert run.cart is not None
    key = hashlib.sha256(f"{reject.file}|{reject.line}|{reject.raw}".encode()).hexdigest()[:40]
    message = f"{reject.file}, line {reject.line}: {reject.reason}"
    inserting.skip(run.cart, f"row:{key}", "bad_row", message, run.now, raw={"row": reject.raw})
