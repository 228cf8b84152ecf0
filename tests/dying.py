"""Runs that die, as a worker dies by SIGKILL: nothing after the blow happens, nothing before is undone.

What PostgreSQL has committed stays, an open transaction is rolled back, leases stay as they are,
threads and sockets are gone; a request on its way arrives all the same.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from integration_manager.kit import crash
from orders.run import Run


class Killed(BaseException):
    """The worker is dead. No Exception, so that no code of ours can catch it."""


def mortal(patch: pytest.MonkeyPatch) -> None:
    """Lets a blow that falls in one of a run's threads end the run: all threads die in one process."""
    one, each = Run._one, Run.each

    def caught(self: Run, *args: Any, **kwargs: Any) -> Any:
        try:
            return one(self, *args, **kwargs)
        except Killed as blow:
            self.stopping.set()  # a dead thread begins nothing
            return blow

    def checked(self: Run, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for group in each(self, *args, **kwargs):
            if any(isinstance(result, Killed) for _, result in group):
                raise Killed  # also what the same group brought from other threads is lost
            yield group

    patch.setattr(Run, "_one", caught)
    patch.setattr(Run, "each", checked)


@contextlib.contextmanager
def dying(*, point: str = "", statement: int = -1) -> Iterator[None]:
    """The run inside dies at the marked `point`, or before its n-th SQL statement; if it gets there."""

    def hook(here: str) -> None:
        if here == point:
            raise Killed

    crash.set_hook(hook if point else None)
    try:
        with at_statement(statement, _die), contextlib.suppress(Killed):
            yield
    finally:
        crash.set_hook(None)


@contextlib.contextmanager
def at_statement(number: int, act: Callable[[], None], *, outside: bool = False) -> Iterator[None]:
    """Does `act` once, before the n-th SQL statement of the block; -1: never.

    `outside`: not inside a transaction, but before the first statement after it.
    """
    left = number

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        if left == 0 and not (outside and connection.in_atomic_block):
            left = -1
            act()
        left = left - 1 if left > 0 else left
        return execute(sql, params, many, context)

    if number < 0:
        yield
        return
    with connection.execute_wrapper(wrapper):
        yield


def _die() -> None:
    raise Killed
