"""The watch over orders that do not move (orders/stuck.py). Tells, and ends by itself.

One statement looks at every merchant of every account, by indexes, and counts no further than MOST.
"""

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery import shared_task
from django.db import close_old_connections, connection

from alerts.models import Alert
from alerts.raising import raise_alert, resolve
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant
from orders import lacking, out_of_stock
from orders.stuck import AT_WMS, LATE, READY, SINCE, WATCHED

log = logging.getLogger(__name__)

JUST_TOLD = timedelta(minutes=5)  # a run that has told of its WMS notes that it failed a moment later
MOST = 1000  # orders counted per merchant
_SQL = f"""
WITH watched AS ({WATCHED})
SELECT w.account_id, w.id, '{READY}', found.number, found.oldest, w.hours FROM watched w, LATERAL (
    SELECT count(*) AS number, min(since) AS oldest FROM (
        SELECT {SINCE} AS since FROM orders_order o
        WHERE o.merchant_id = w.id AND {LATE[READY]}
        LIMIT {MOST}) late) found
WHERE found.number > 0
UNION ALL
SELECT w.account_id, w.id, '{AT_WMS}', found.number, found.oldest, w.days FROM watched w, LATERAL (
    SELECT count(*) AS number, min(delivered_at) AS oldest FROM (
        SELECT o.delivered_at FROM orders_order o
        WHERE o.merchant_id = w.id AND {LATE[AT_WMS]}
        ORDER BY o.delivered_at LIMIT {MOST}) late) found
WHERE found.number > 0
"""  # noqa: S608 (constants of this file and of orders/stuck.py)


@dataclass(frozen=True, slots=True)
class Late:
    """Orders of one merchant that do not move. `limit`: in hours or days."""

    merchant_id: int
    kind: str
    number: int
    oldest: datetime
    limit: int


@shared_task(ignore_result=True)
@tenancy.without_tenant
def watch() -> None:
    """Looks at all accounts."""
    close_old_connections()
    now = clock.now()
    look(now)
    out_of_stock.release_due(now)
    _end_what_is_gone(now)


def look(now: datetime) -> int:
    """Opens, counts and resolves the watch's alerts. Returns for how many merchants something is late."""
    late: dict[int, list[Late]] = defaultdict(list)
    open_in: dict[int, set[tuple[str, str]]] = defaultdict(set)
    with tenancy.everyone("the watch over orders"):
        with connection.cursor() as cursor:
            cursor.execute(_SQL, [now])
            for account, *found in cursor.fetchall():
                late[account].append(Late(*found))
        told = Alert.objects.filter(kind__in=[READY, AT_WMS], resolved_at__isnull=True)
        for account, kind, key in told.values_list("account_id", "kind", "key"):
            open_in[account].add((kind, key))
    for account in sorted({*late, *open_in}):
        with tenancy.activate(account):
            _tell(late[account], open_in[account], now)
    return sum(len(found) for found in late.values())


# Told by services, of the connection or of what they do: none of them is left to find that it is over.
_OF_SERVICES = ("credentials", "unreachable", "delivery_failing", "tracking_failing", "stock_without_orders")
_ENDED = """
UPDATE alerts_alert a SET resolved_at = %s WHERE a.resolved_at IS NULL AND a.kind <> 'file_unknown' AND (
    (EXISTS (SELECT 1 FROM carts_cart c WHERE c.id = a.cart_id AND c.archived_at IS NOT NULL)
        AND NOT (a.kind = 'ship_method_unmapped' AND EXISTS (
            SELECT 1 FROM orders_order o WHERE o.account_id = a.account_id AND o.cause = a.key AND o.status = 'error')))
    OR EXISTS (SELECT 1 FROM merchants_merchant m WHERE m.id = a.merchant_id AND m.archived_at IS NOT NULL)
    OR (a.kind = 'service_failing' AND EXISTS (
        SELECT 1 FROM merchants_schedule s WHERE s.every = 0 AND a.key = 'schedule:' || s.id))
    OR (a.kind = ANY(%s) AND NOT EXISTS (
        SELECT 1 FROM merchants_schedule s
        WHERE s.account_id = a.account_id AND s.merchant_id = a.merchant_id AND s.cart_id IS NOT DISTINCT FROM a.cart_id
          AND (s.every > 0 OR s.next_run IS NOT NULL)
          AND (a.kind <> 'unreachable' OR s.failures > 0 OR a.last_seen >= %s)
          AND s.service = CASE a.kind WHEN 'tracking_failing' THEN 'upload_shipments'
                                      WHEN 'stock_without_orders' THEN 'upload_inventory'
                                      WHEN 'delivery_failing' THEN 'deliver' ELSE s.service END)
        AND a.merchant_id IS NOT NULL)
    OR (a.kind IN ('credentials', 'unreachable') AND a.key = 'wms' AND a.last_seen < %s AND NOT EXISTS (
        SELECT 1 FROM merchants_schedule s
        WHERE s.account_id = a.account_id AND s.cart_id IS NULL AND s.every > 0 AND s.failures > 0)))
"""


def _end_what_is_gone(now: datetime) -> None:
    """Nobody waits for what was switched off, or for a cart or merchant that was taken away.

    But for a person who says whether a mailed file has arrived: nowhere else that can be said. And for the ship method
    of orders that a deleted cart has left: they are still sent.
    """
    with tenancy.everyone("alerts about what is gone"):
        with connection.cursor() as cursor:
            cursor.execute(_ENDED, [now, list(_OF_SERVICES), now - JUST_TOLD, now - JUST_TOLD])
        accounts = list(Alert.objects.filter(kind=lacking.KIND, resolved_at=None).values_list("account_id", flat=True))
    for account in accounts:
        with tenancy.activate(account):
            lacking.look_again(now)


def _tell(late: list[Late], told: set[tuple[str, str]], now: datetime) -> None:
    names = dict(Merchant.objects.filter(pk__in=[one.merchant_id for one in late]).values_list("id", "name"))
    for one in late:
        raise_alert(
            one.kind,
            f"merchant:{one.merchant_id}",
            _words(one, names[one.merchant_id]),
            fix=_FIXES[one.kind],
            merchant_id=one.merchant_id,
            total=one.number,
            now=now,
        )
    still = {(one.kind, f"merchant:{one.merchant_id}") for one in late}
    for kind, key in sorted(told - still):
        resolve(kind, [key], now)


_FIXES = {
    READY: "See why Order Delivery does not take them: whether it is on, and what it said last.",
    AT_WMS: "Ask the warehouse. If they have shipped, see whether Shipping Confirmations are on.",
}


def _words(one: Late, name: str) -> str:
    number = f"{one.number} or more" if one.number >= MOST else str(one.number)
    orders = f"{number} order{'' if one.number == 1 else 's'} of {name}"
    verb = "has" if one.number == 1 else "have"
    if one.kind == READY:
        return f"{orders} {verb} been ready for more than {one.limit} hour{'' if one.limit == 1 else 's'}."
    return f"{orders} {verb} been at the WMS for more than {one.limit} day{'' if one.limit == 1 else 's'}."
