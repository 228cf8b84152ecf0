"""Opens and resolves alerts by their cause: the same cause is the same row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from alerts import kinds
from alerts.kinds import Anew
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
    total: int | None = None,
) -> None:
    """Opens the alert of a cause, or counts it again. A resolved one opens anew.

    `count`: how many more, times or records; `total`: how many in all, where that is known. A dismissed one
    opens by the rule of its kind (`Anew`), else it stays quiet until its cause was gone. People are to be
    told when it opens, and of a passing trouble once it has come so often in a row as its kind says.
    """
    known = kinds.of(kind)
    values: dict[str, Any] = {
        "account": tenancy.account_id(),
        "public_id": public_id(),
        "kind": kind,
        "key": key[:200],
        "message": message,
        "fix": fix,
        "said": said[:2000],
        "merchant": merchant_id,
        "cart": cart_id,
        "order": order_id,
        "count": count if total is None else total,
        "now": now,
        "patience": known.patience,
        "each": known.anew is Anew.EACH,
        "more": known.anew is Anew.MORE,
    }
    added = "a.count + excluded.count" if total is None else "excluded.count"
    if total is not None and known.patience > 1:  # of several services of a connection, the one that waits longest
        added = "greatest(a.count, excluded.count)"
    again = "(a.dismissed_at IS NOT NULL AND (%(each)s OR (%(more)s AND excluded.count > a.count)))"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO alerts_alert AS a (account_id, public_id, kind, key, message, fix, said, merchant_id, cart_id,
                                           order_id, count, first_seen, last_seen, news_at)
            VALUES (%(account)s, %(public_id)s, %(kind)s, %(key)s, %(message)s, %(fix)s, %(said)s, %(merchant)s,
                    %(cart)s, %(order)s, %(count)s, %(now)s, %(now)s,
                    CASE WHEN %(count)s >= %(patience)s THEN %(now)s END)
            ON CONFLICT (account_id, kind, key) DO UPDATE SET
                message = excluded.message, fix = excluded.fix, said = excluded.said,
                cart_id = excluded.cart_id, order_id = excluded.order_id, last_seen = excluded.last_seen,
                count = CASE WHEN a.resolved_at IS NULL THEN {added} ELSE excluded.count END,
                first_seen = CASE WHEN a.resolved_at IS NULL THEN a.first_seen ELSE excluded.first_seen END,
                dismissed_at = CASE WHEN a.resolved_at IS NULL AND NOT {again} THEN a.dismissed_at END,
                news_at = CASE WHEN a.resolved_at IS NOT NULL THEN excluded.news_at
                               WHEN {again} OR (a.count < %(patience)s AND {added} >= %(patience)s)
                               THEN excluded.last_seen ELSE a.news_at END,
                resolved_at = NULL""",  # noqa: S608 (constants of this function)
            values,
        )


def resolve(kind: str, keys: Sequence[str], now: datetime) -> int:
    """The causes are gone. Returns how many alerts that closed."""
    return Alert.objects.filter(kind=kind, key__in=keys, resolved_at__isnull=True).update(resolved_at=now)
