"""Business time: what retries, schedules, digests and retention go by.

Leases do not: they are PostgreSQL's `now()` alone. Tests freeze this clock by `frozen()`.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

_frozen: ContextVar[datetime | None] = ContextVar("clock", default=None)


def now() -> datetime:
    """The present business time, aware, in UTC."""
    return _frozen.get() or datetime.now(UTC)


@contextlib.contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Stops the business clock at `at` (aware) for this context, in tests."""
    if at.tzinfo is None:
        raise ValueError("the business clock takes aware times only")
    mark = _frozen.set(at)
    try:
        yield
    finally:
        _frozen.reset(mark)
