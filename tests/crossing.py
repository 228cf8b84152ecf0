"""Two transactions that wait for each other."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction

LOOKS = 2.5  # seconds: PostgreSQL does so after one, and a busy machine somewhat later


@contextmanager
def crossing(mine: int = 1, others: int = 2) -> Iterator[Callable[[], None]]:
    """Gives what a test's transaction calls to be undone by PostgreSQL; both of these locks are taken by two.

    Who waits looks once, a second later, whether that is for ever, and gives way. The other one has looked by the time
    that the test's waits, so it is the test's that finds out, however slow the machine is.
    """

    def meet() -> None:
        _lock(mine)
        thread.start()
        until = time.monotonic() + 30
        while not _somebody_waits(mine):
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(LOOKS)
        _lock(others)

    def other() -> None:
        try:
            with transaction.atomic():
                _lock(others)
                _lock(mine)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    try:
        yield meet
    finally:
        if thread.ident is not None:
            thread.join(20)


def _lock(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _somebody_waits(number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database
               WHERE locktype = 'advisory' AND objid = %s AND NOT granted AND datname = current_database())""",
            [number],
        )
        return bool(cursor.fetchone()[0])
