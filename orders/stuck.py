"""Which orders do not move: ready for hours, at the WMS for days. One rule, for the watch over them and for their list.

An order is waiting since it became ready; one that is tried again, since its first failure. A delay that was wanted,
and where deliveries are rare by choice the wait for one of them, is not counted.
"""

from datetime import datetime

from django.db.models import Q
from django.db.models.expressions import RawSQL

READY, AT_WMS = "stuck_ready", "stuck_at_wms"

# Each merchant that is watched, as `w`: its limits, how often it delivers, and the time (the one parameter).
WATCHED = """
    SELECT m.id, m.account_id, coalesce(limits.ready_hours, 2) AS hours, coalesce(limits.at_wms_days, 3) AS days,
           coalesce(s.every, 0) AS every, %s::timestamptz AS now
    FROM merchants_merchant m
    JOIN accounts_account a ON a.id = m.account_id AND a.suspended_at IS NULL
    LEFT JOIN alerts_watch limits ON limits.account_id = m.account_id
    LEFT JOIN merchants_schedule s ON s.merchant_id = m.id AND s.cart_id IS NULL AND s.service = 'deliver'
    WHERE m.archived_at IS NULL"""
# One that was never taken for sending may go from `retry_at` on: a delay. Later that is a pause that the WMS asked for.
SINCE = """coalesce(
    o.first_failed_at, CASE WHEN o.token = 0 THEN greatest(o.updated_at, o.retry_at) ELSE o.updated_at END)"""
# By the kind of its alert: whether an order `o` of `w` does not move.
LATE = {
    READY: f"""o.status = 'ready' AND o.held_by = '' AND w.hours > 0
        AND {SINCE} < w.now - make_interval(hours => w.hours, secs => w.every)
        AND o.retry_at < w.now + interval '1 hour'""",
    AT_WMS: """o.status = 'at_wms' AND w.days > 0 AND o.delivered_at < w.now - make_interval(days => w.days)""",
}
_OF = "SELECT o.id FROM watched w JOIN orders_order o ON o.merchant_id = w.id WHERE"
_IDS = f"WITH watched AS ({WATCHED}) {_OF} {LATE[READY]} UNION ALL {_OF} {LATE[AT_WMS]}"


def orders(now: datetime) -> Q:
    """The orders that do not move, of both kinds."""
    return Q(pk__in=RawSQL(_IDS, [now]))  # noqa: S611 (constants of this file)
