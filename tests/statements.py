"""Counts SQL statements, as quality goals count them: for the budgets' tests and `make bench`."""

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import connection

NOT_COUNTED = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@contextlib.contextmanager
def counted() -> Iterator[list[str]]:
    """What is sent inside, in order: all but BEGIN, COMMIT and SAVEPOINT."""
    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(NOT_COUNTED):
            sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield sent
