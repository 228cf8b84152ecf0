"""How often somebody may try something: counted in PostgreSQL, so that it holds while Redis is away.

One row per counter, written by one statement: parallel tries are all counted. When a counter reaches its
limit, a full window begins in which nothing more is let through.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from accounts.models import Tries


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `number` tries within `window`; then none until a `window` after the last of them."""

    name: str
    number: int
    window: timedelta


def take(limit: Limit, key: str, now: datetime) -> int:
    """Counts one try and says how many are left after it; -1 where it is not allowed any more."""
    until = now + limit.window
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_tries AS t (key, number, until) VALUES (%(key)s, 1, %(until)s) "
            "ON CONFLICT (key) DO UPDATE SET "
            "number = CASE WHEN t.until <= %(now)s THEN 1 ELSE least(t.number + 1, %(most)s + 1) END, "
            "until = CASE WHEN t.until <= %(now)s OR t.number + 1 = %(most)s THEN %(until)s ELSE t.until END "
            "RETURNING number",
            {"key": _hash(limit, key), "now": now, "until": until, "most": limit.number},
        )
        (number,) = cursor.fetchone()
    return int(limit.number - number)


def used_up(limit: Limit, key: str, now: datetime) -> bool:
    """Whether the next try would be refused. Counts nothing."""
    return Tries.objects.filter(key=_hash(limit, key), number__gte=limit.number, until__gt=now).exists()


def forget(limit: Limit, key: str) -> None:
    """Begins anew: the right person has come."""
    Tries.objects.filter(key=_hash(limit, key)).delete()


def _hash(limit: Limit, key: str) -> str:
    return hashlib.sha256(f"{limit.name}\0{key}".encode()).hexdigest()
