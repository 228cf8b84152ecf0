"""Opens and resolves alerts by their cause: the same cause is the same row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.ids import public_id


def raise_alert(
    kind: str,
    key: str,
    message: str,
    *,
    now: datetime,
    fix: str = "",
    said: str = "",
    merchant_id: int | None = None,
    cart_id: int | None = None,
    order_id: int | None = None,
    count: int = 1,
) -> None:
    """Opens the alert of a cause, or counts it again. A resolved one opens anew, a dismissed one stays quiet."""
    values: list[Any] = [tenancy.account_id(), public_id(), kind, key[:200], message, fix, said[:2000]]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO alerts_alert AS a (account_id, public_id, kind, key, message, fix, said,
                                           merchant_id, cart_id, order_id, count, first_seen, last_seen)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (account_id, kind, key) DO UPDATE SET
                message = excluded.message, fix = excluded.fix, said = excluded.said,
                order_id = excluded.order_id, last_seen = excluded.last_seen,
                count = CASE WHEN a.resolved_at IS NULL THEN a.count + excluded.count ELSE excluded.count END,
                first_seen = CASE WHEN a.resolved_at IS NULL THEN a.first_seen ELSE excluded.first_seen END,
                dismissed_at = CASE WHEN a.resolved_at IS NULL THEN a.dismissed_at END,
                resolved_at = NULL""",
            [*values, merchant_id, cart_id, order_id, count, now, now],
        )


def resolve(kind: str, keys: Sequence[str], now: datetime) -> int:
    """The causes are gone. Returns how many alerts that closed."""
    return Alert.objects.filter(kind=kind, key__in=keys, resolved_at__isnull=True).update(resolved_at=now)
