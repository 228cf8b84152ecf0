"""Tries of telling a cart of parcels that failed: how often is tried, and what becomes of the last one."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction

from integration_manager import tenancy
from integration_manager.kit.errors import ConnectorError
from orders import parcel_alerts
from orders.run import Run

TRIES, DAYS = 100, timedelta(days=30)  # whichever comes first
HOUR = timedelta(hours=1)  # at most one try in it counts
SOON = timedelta(minutes=1)  # a failed one is not claimed again in the same run


def failed(
    run: Run,
    claims: Sequence[tuple[int, int]],
    error: ConnectorError,
    *,
    park: bool = False,
    anew: bool = False,
    going_on: bool = False,
) -> bool:
    """Notes a failed try of parcels, (id, token) each, in one statement. True: of one it was the last, and is told.

    `park`: however few there were. `anew`: nothing of it can have arrived, so the next try is like a first one.
    `going_on`: the cart works on an earlier one, and is asked about that again as long as there are tries.
    """
    assert run.cart is not None
    now = run.now
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """WITH tried AS MATERIALIZED (
                   SELECT s.id, s.failures, coalesce(s.first_failed_at, %(now)s) AS first,
                          s.failed_at IS NULL OR s.failed_at <= %(hour_ago)s AS counts,
                          ARRAY[o.cust_po_no, o.cust_ref, o.cart_key, s.tracking_no, s.key]::text[] AS names
                   FROM orders_shipment s JOIN unnest(%(ids)s::bigint[], %(tokens)s::bigint[]) AS g(id, token)
                     ON s.id = g.id AND s.token = g.token
                   JOIN orders_order o ON o.account_id = s.account_id AND o.id = s.order_id
                   WHERE s.account_id = %(account)s ORDER BY s.id FOR UPDATE OF s),
               decided AS (
                   SELECT *, failures + counts::int >= %(tries)s OR first <= %(days_ago)s AS over FROM tried)
               UPDATE orders_shipment s SET lease_until = NULL, out_file_id = NULL, retry_at = %(again)s,
                      handle = CASE WHEN %(going_on)s AND NOT (%(park)s OR d.over) THEN s.handle ELSE '' END,
                      failures = d.failures + d.counts::int, first_failed_at = d.first,
                      failed_at = CASE WHEN d.counts THEN %(now)s ELSE s.failed_at END,
                      error_code = %(code)s, error_message = %(why)s,
                      parked_at = CASE WHEN %(park)s OR d.over THEN %(now)s END,
                      starts = CASE WHEN %(anew)s THEN 0 ELSE s.starts END
               FROM decided d WHERE s.id = d.id RETURNING s.id, s.order_id, d.names, d.over""",
            {
                "account": tenancy.account_id(),
                "ids": [pk for pk, _ in claims],
                "tokens": [token for _, token in claims],
                "now": now,
                "hour_ago": now - HOUR,
                "tries": TRIES,
                "days_ago": now - DAYS,
                "again": now + SOON,
                "code": error.code,
                "why": str(error),
                "park": park,
                "anew": anew,
                "going_on": going_on,
            },
        )
        last = [row for row in sorted(cursor.fetchall()) if park or row[3]]
        if last:
            kind = parcel_alerts.REFUSED if park else parcel_alerts.SKIPPED
            parcel_alerts.open_alerts(run.cart, kind, [row[:3] for row in last], error, now)
    return bool(last)
