"""Inventory: what the WMS says it has, absolute, the latest wins; and what it says of its products.

A pass that takes more than one run goes on where it stopped: its position is kept with each page.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from integration_manager import tenancy
from integration_manager.kit.connector import WmsConnector
from merchants import schedules
from merchants.catalog import LONGEST, learn
from merchants.models import Product, Service
from merchants.warehouses import places_of
from orders import cursors, files_read, managed, rejects
from orders.run import Run
from orders.services.product_details import pick_up

FULL = timedelta(hours=24)  # once a day all levels, otherwise what has changed


UNDER_WAY = "pass"  # in the schedule's state: the pass that is under way
EMPTY = "listed_nothing"  # there, too: the last pass did


@dataclass(slots=True)
class _Pass:
    """One reading of all levels, or of those that have changed. Times as text, as the state keeps them."""

    full: bool
    began: str  # by our clock
    since: str | None  # where the next run goes on: the other side's time of the last page
    timed: bool | None = None  # whether the WMS's levels carry their snapshot's time; None: none has come yet
    cursor: str = ""  # from when on the next pass has to ask, by the other side's own clock, where it tells it
    rows: int = 0
    refused: bool = False  # a row could not be read


def inventory(run: Run) -> None:
    """Stores the merchant's levels, or settles those that are kept here; then what the WMS says of its products."""
    if not run.merchant.managed_inventory:
        _levels(run)
    elif changed := managed.settle(run.merchant, run.now):
        run.counts["changed"] = changed
    pick_up(run)


def _levels(run: Run) -> None:
    """A level that changed wakes the uploads to the carts."""
    connector, now = run.connector, run.now
    assert isinstance(connector, WmsConnector)
    going = _Pass(**run.state[UNDER_WAY]) if UNDER_WAY in run.state else _begin(run, now)
    changed = 0
    for page in run.pages(connector.stock(datetime.fromisoformat(going.since) if going.since else None)):
        if page.rows:
            going.timed = going.timed or any(level.at is not None for level in page.rows)
        going.cursor = going.cursor or _remote_time(run, now)
        newest = cursors.clamped(page, connector)
        if newest is not None and (going.since is None or newest > datetime.fromisoformat(going.since)):
            going.since = newest.isoformat()
        going.rows += len(page.rows)
        going.refused = going.refused or bool(page.rejects)
        with transaction.atomic():
            news = _store(run, page.rows, now)
            changed += news
            run.state[UNDER_WAY] = asdict(going)
            cursors.remember(run)
            files_read.note(run, page)
        if not news:
            run.repeated(page)
        files_read.finish(run, page)
        run.counts["found"] += len(page.rows)
    if not run.unfinished:
        changed += _nothing_left(run, going) if connector.lists_what_is_there else 0
        run.fields["cursor"] = datetime.fromisoformat(going.cursor or _remote_time(run, now))
        if going.full and not going.refused:
            rejects.all_read(run)
        if going.full:
            run.fields["reached_back_at"] = datetime.fromisoformat(going.began)
        if going.timed is None:  # it has listed nothing, as where no file came: that counts nothing anew
            going.timed = run.state.get("timed")
        # Levels without a time are all what the WMS had when it was asked, also one that is not listed as changed.
        run.state |= {"timed": going.timed, "as_of": going.began if going.timed is False else None}
        run.state.pop(UNDER_WAY, None)
    if changed:
        run.counts["changed"] = changed
        schedules.wake(Service.UPLOAD_INVENTORY, run.now, merchant_id=run.merchant.pk)


def _begin(run: Run, now: datetime) -> _Pass:
    last, cursor = run.schedule.reached_back_at, run.schedule.cursor
    if cursor is None or last is None or now - last >= FULL:
        return _Pass(True, now.isoformat(), None)
    since = cursor - run.connector.overlap
    return _Pass(False, now.isoformat(), since.isoformat(), run.state.get("timed"))


def _nothing_left(run: Run, going: _Pass) -> int:
    """Of what a whole pass did not list there is none. Where one lists nothing at all, the next one has to, too.

    A level is as of the run that read it; one with a time of the WMS's own does not say when it was listed.
    """
    empty = run.state.pop(EMPTY, 0) + 1 if not going.rows else 0
    if empty == 1:
        run.state[EMPTY] = empty
    if empty == 1 or going.refused or going.timed:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE merchants_stocklevel
               SET available = 0, on_hand = 0, at = %s, changed_at = %s, version = version + 1
               WHERE account_id = %s AND merchant_id = %s AND at < %s AND (available <> 0 OR on_hand <> 0)""",
            [run.now, run.now, tenancy.account_id(), run.merchant.pk, going.began],
        )
        return int(cursor.rowcount)


def _remote_time(run: Run, now: datetime) -> str:
    http = getattr(run.connector, "http", None)
    remote: datetime = (http.remote_time if http else None) or now
    return remote.isoformat()


def _store(run: Run, levels: Any, asked: datetime) -> int:
    places = places_of(run.merchant, {level.warehouse for level in levels})
    rows = {(places[level.warehouse], level.sku[:LONGEST]): level for level in levels}  # the same twice: the later one
    if not rows:
        return 0
    account, now = tenancy.account_id(), run.now
    learn(run.merchant.pk, {sku for _, sku in rows}, Product.Origin.WMS, now)
    ordered = sorted(rows.items())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO merchants_stocklevel AS old
                   (account_id, merchant_id, warehouse_id, sku, available, on_hand, at, changed_at, version)
            SELECT %s, %s, t.warehouse, t.sku, t.available, t.on_hand, t.at, %s, 1
            FROM unnest(%s::bigint[], %s::text[], %s::numeric[], %s::numeric[], %s::timestamptz[])
                 AS t(warehouse, sku, available, on_hand, at)
            ON CONFLICT (account_id, warehouse_id, sku) DO UPDATE SET
                version = old.version + (old.available <> excluded.available)::int,
                changed_at = CASE WHEN old.available <> excluded.available THEN excluded.changed_at
                                  ELSE old.changed_at END,
                available = excluded.available, on_hand = excluded.on_hand, at = excluded.at
            WHERE old.at <= excluded.at
            RETURNING changed_at = %s""",
            [
                account,
                run.merchant.pk,
                now,
                [warehouse for (warehouse, _), _ in ordered],
                [sku for (_, sku), _ in ordered],
                [level.available for _, level in ordered],
                [level.on_hand for _, level in ordered],
                [min(level.at or asked, asked) for _, level in ordered],  # none is counted in the future
                now,
            ],
        )
        return sum(1 for row in cursor.fetchall() if row[0])
