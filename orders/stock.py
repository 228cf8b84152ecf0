"""What may be sold: the WMS's levels less what is ordered and not yet taken from them. Never below 0."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from integration_manager import tenancy

# A count of the WMS older than this says nothing about orders of then: all of a year need not be read for it.
OLDEST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Available:
    """The quantity of a SKU that carts may be told, over all enabled warehouses."""

    sku: str
    quantity: Decimal
    at: datetime  # the oldest snapshot in it


def available(merchant_id: int, now: datetime) -> list[Available]:
    """Every SKU of a merchant with what is available to send, by SKU.

    Open are the quantities of orders that are not delivered yet (not those that a person keeps from
    being sent) and of those delivered after the level's snapshot was taken. An order that names a
    warehouse takes from that one, any other from all of them together.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH asked AS (
                SELECT max((state ->> 'as_of')::timestamptz) AS at FROM merchants_schedule
                WHERE account_id = %(account)s AND merchant_id = %(merchant)s AND service = 'inventory'),
            levels AS (
                SELECT w.name, w.enabled, l.sku, l.available, greatest(l.at, asked.at) AS at
                FROM merchants_stocklevel l JOIN merchants_warehouse w ON w.id = l.warehouse_id CROSS JOIN asked
                WHERE l.account_id = %(account)s AND l.merchant_id = %(merchant)s),
            orders AS (
                SELECT o.id, NULL::timestamptz AS delivered_at, o.location FROM orders_order o
                WHERE o.account_id = %(account)s AND o.merchant_id = %(merchant)s
                  AND (o.status IN ('received', 'ready', 'sending', 'error', 'gave_up')
                       OR (o.status = 'held' AND o.held_by <> 'person'))
                UNION ALL
                SELECT o.id, o.delivered_at, o.location FROM orders_order o
                WHERE o.account_id = %(account)s AND o.merchant_id = %(merchant)s
                  AND o.status IN ('at_wms', 'shipped', 'confirmed')
                  AND o.delivered_at > (SELECT greatest(min(at), %(earliest)s) FROM levels)),
            open AS (
                SELECT ol.sent_item AS sku, ol.quantity, o.delivered_at, o.location AS warehouse
                FROM orders o
                JOIN orders_orderline ol ON ol.account_id = %(account)s AND ol.order_id = o.id AND NOT ol.filtered),
            here AS (
                SELECT l.sku, l.name, sum(o.quantity) AS quantity
                FROM open o JOIN levels l ON l.sku = o.sku AND l.name = o.warehouse
                WHERE o.delivered_at IS NULL OR o.delivered_at > l.at GROUP BY l.sku, l.name),
            anywhere AS (
                SELECT o.sku, sum(o.quantity) AS quantity
                FROM open o JOIN (SELECT sku, min(at) AS at FROM levels WHERE enabled GROUP BY sku) l ON l.sku = o.sku
                WHERE (o.delivered_at IS NULL OR o.delivered_at > l.at)
                  AND NOT EXISTS (SELECT 1 FROM levels n WHERE n.sku = o.sku AND n.name = o.warehouse)
                GROUP BY o.sku)
            SELECT l.sku, greatest(sum(greatest(l.available - coalesce(h.quantity, 0), 0))
                                   - coalesce(max(a.quantity), 0), 0), min(l.at)
            FROM levels l LEFT JOIN here h ON h.sku = l.sku AND h.name = l.name LEFT JOIN anywhere a ON a.sku = l.sku
            WHERE l.enabled GROUP BY l.sku ORDER BY l.sku""",
            {"account": tenancy.account_id(), "merchant": merchant_id, "earliest": now - OLDEST},
        )
        return [Available(*row) for row in cursor.fetchall()]
