"""Orders that were not sent, and that nobody touches any more, are canceled: for nothing else is their address kept.

What sends nothing by itself, since a person keeps it or its tries are over, has the days of its kind of cart. Whatever
else is not sent may still go once somebody acts: it has as long as orders are kept. A shop that shows one of them
changed later has opened it again, with its present content, for a person to release.
"""

import math
import time
from collections import defaultdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from integration_manager import tenancy
from orders import changes, forgetting
from orders.models import Order
from orders.states import UNSENT

BATCH = 500
WHY = "It was not sent, and nobody has touched it for so long that its personal data is removed: it is canceled."

_NEXT = """
    SELECT o.account_id, o.id, o.updated_at FROM orders_order o
    JOIN carts_cart c ON c.account_id = o.account_id AND c.id = o.cart_id
    CROSS JOIN LATERAL (SELECT %(now)s - make_interval(days => CASE
          WHEN o.status = 'gave_up' OR (o.status = 'held' AND o.held_by = 'person')
          THEN coalesce((%(days)s::jsonb ->> c.system)::int, %(otherwise)s) ELSE %(kept)s END) AS before) due
    WHERE o.id > %(last)s AND o.status = ANY(%(unsent)s) AND o.updated_at < due.before
      AND NOT EXISTS (SELECT 1 FROM orders_event e WHERE e.account_id = o.account_id AND e.order_id = o.id
                      AND e.kind = 'note' AND e.at >= due.before)  -- a person has written about it
    ORDER BY o.id LIMIT %(batch)s"""


def cancel(now: datetime, until: float = math.inf) -> int:
    """Cancels what is due, of all accounts, and removes its personal data. Returns how many these were.

    `until`: when it stops at the latest, in seconds of `time.monotonic()`.
    """
    total, last = 0, 0
    while time.monotonic() < until and (rows := _due(now, last)):
        last = rows[-1][1]
        found: dict[int, dict[int, datetime]] = defaultdict(dict)
        for account, pk, touched_at in rows:
            found[account][pk] = touched_at
        for account, touched in found.items():
            with tenancy.activate(account), transaction.atomic():
                total += _cancel(touched, now)
    return total


def _due(now: datetime, last: int) -> list[Any]:
    """The next orders after `last`: account, id, and when it was touched last."""
    given = {"unsent": list(UNSENT), "kept": settings.IM_KEEP_DAYS["orders"], "last": last, "batch": BATCH}
    with tenancy.everyone("orders that nobody sends"), connection.cursor() as cursor:
        cursor.execute(_NEXT, forgetting.times(now) | given)
        found: list[Any] = cursor.fetchall()
    return found


def _cancel(touched: dict[int, datetime], now: datetime) -> int:
    """Those of an account that nobody has touched in this very moment, by when they were touched last."""
    rows = Order.objects.select_for_update(no_key=True).filter(pk__in=touched).order_by("pk")
    still = [order.pk for order in rows if order.updated_at == touched[order.pk]]
    gone = changes.cancel(still, UNSENT, WHY, now)
    forgetting.remove(gone, now)
    return len(gone)
