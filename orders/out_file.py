"""One step of a file that goes out: committed, and only while the file is ours."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from orders.models import OutFile, Shipment

LEASE = 180.0  # seconds of PostgreSQL's clock for the phases of one file
FREE = Q(lease_until=None) | Q(lease_until__lt=Now())  # no worker has it


class Lost(Exception):
    """Another worker has taken this file over."""


@dataclass(slots=True)
class ByHand:
    """What recording a file needs of a run, where there is none."""

    now: datetime
    counts: Counter[str] = field(default_factory=Counter)


def orders_of(file: OutFile) -> tuple[int, ...]:
    """The ids of the orders that a file is about; none, where it is about something else."""
    if file.kind == "orders":
        return tuple(file.records)
    if file.kind != "confirmations":
        return ()
    parcels = Shipment.objects.filter(pk__in=file.records)
    return tuple(parcels.order_by("order_id").values_list("order_id", flat=True).distinct())


def rows_in(table: str, file: OutFile) -> list[int]:
    """The ids of the rows of this table that are in the file, locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {table} WHERE account_id = %s AND id = ANY(%s) AND out_file_id = %s "  # noqa: S608
            "ORDER BY id FOR NO KEY UPDATE",
            [file.account_id, file.records, file.pk],
        )
        return [row[0] for row in cursor.fetchall()]


def failing_key(file: OutFile) -> str:
    """The key of the alert that files of this kind cannot be written."""
    return f"{file.kind}:{file.cart_id or file.merchant_id}"


def advance(file: OutFile, **fields: Any) -> None:
    """Commits a step, if this file is still ours. Raises Lost."""
    for name, value in fields.items():
        setattr(file, name, value)
    with connection.cursor() as cursor:
        sets = ", ".join(f"{name} = %s" for name in fields)
        cursor.execute(
            f"UPDATE orders_outfile SET {sets}, lease_until = now() + make_interval(secs => %s) "  # noqa: S608
            "WHERE id = %s AND token = %s",
            [*fields.values(), LEASE, file.pk, file.token],
        )
        if cursor.rowcount != 1:
            raise Lost
