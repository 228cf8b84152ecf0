"""How far a service has read: the other side's own time of the last row stored, never our clock."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from integration_manager.kit.connector import Connector, Page
from orders.run import LostLease, Run

REACH_BACK = timedelta(hours=48)  # once a day, in case the other side forgot something
DAILY = timedelta(hours=24)


SEEN = "seen"  # in the schedule's state: the mark of a page that brought nothing new
PASSED = "passed"  # in the schedule's state: how far a look back has come that took more than one run


def since(run: Run, first: datetime) -> tuple[datetime, bool]:
    """From when on to ask, and whether this is the daily look back. `first`: where a first run starts.

    A look back that one run's budget does not suffice for goes on where it stopped: else a busy shop
    would be read from the same beginning for ever, and never to its end.
    """
    cursor, last = run.schedule.cursor, run.schedule.reached_back_at
    if PASSED in run.state:
        return datetime.fromisoformat(run.state[PASSED]) - run.connector.overlap, True
    if cursor is None:
        return first, True
    if last is None or run.now - last >= DAILY:
        return cursor - REACH_BACK, True
    return cursor - run.connector.overlap, False


def passed(run: Run, newest: datetime | None) -> None:
    """Notes that a look back has come as far as this page."""
    if newest is not None:
        run.state[PASSED] = newest.isoformat()


def reached(run: Run) -> None:
    """Ends a look back that has come to its end."""
    run.state.pop(PASSED, None)
    run.fields["reached_back_at"] = run.now


def clamped(page: Page, connector: Connector) -> datetime | None:
    """A page's newest time, not beyond the other side's own clock: a row dated next year hides nothing."""
    http = getattr(connector, "http", None)
    remote: datetime | None = http.remote_time if http is not None else None
    if page.cursor is not None and remote is not None:
        return min(page.cursor, remote)
    return page.cursor


def save(run: Run, cursor: datetime | None) -> None:
    """Saves the cursor, and what the service remembers, with its page. Raises LostLease, which undoes all."""
    _write(run, "cursor = %s, ", cursor)


def remember(run: Run) -> None:
    """Saves what the service remembers with its page, in one transaction. Raises LostLease, which undoes both."""
    _write(run, "")


def _write(run: Run, more: str, *values: Any) -> None:
    state = json.dumps(run.state)
    with connection.cursor() as db:
        db.execute(
            f"UPDATE merchants_schedule SET {more}state = %s WHERE id = %s AND token = %s",  # noqa: S608 - ours alone
            [*values, state, run.schedule.pk, run.token],
        )
        if db.rowcount != 1:
            raise LostLease
    run.schedule.state = json.loads(state)  # what is stored now: the end of the run writes what differs from it
