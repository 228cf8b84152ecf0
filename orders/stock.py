"""What may be sold: the WMS's levels less what is ordered and not yet taken from them. Never below 0."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from integration_manager import tenancy


@dataclass(frozen=True, slots=True)
class Available:
    """The quantity of a SKU that carts may be told, over all enabled warehouses."""

    sku: str
    quantity: Decimal
    at: datetime  # the oldest snapshot in it


def available(merchant_id: int) -> list[Available]:
    """Every SKU of a merchant with what is available to send, by SKU.

    Open are the quantities of orders that are not delivered yet (not those that a person keeps from
    being sent) and of those delivered after the level's snapshot was taken.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH levels AS (
                SELECT l.sku, sum(l.available) AS available, min(l.at) AS at
                FROM merchants_stocklevel l JOIN merchants_warehouse w ON w.id = l.warehouse_id
                WHERE l.account_id = %(account)s AND l.merchant_id = %(merchant)s AND w.enabled
                GROUP BY l.sku),
            undelivered AS (
                SELECT o.id, NULL::timestamptz AS delivered_at FROM orders_order o
                WHERE o.account_id = %(account)s AND o.merchant_id = %(merchant)s
                  AND (o.status IN ('received', 'ready', 'sending', 'error', 'gave_up')
                       OR (o.status = 'held' AND o.held_by <> 'person'))
                UNION ALL
                SELECT o.id, o.delivered_at FROM orders_order o
                WHERE o.account_id = %(account)s AND o.merchant_id = %(merchant)s
                  AND o.status IN ('at_wms', 'shipped', 'confirmed')
                  AND o.delivered_at > (SELECT min(at) FROM levels)),
            open AS (
                SELECT ol.sent_item AS sku, sum(ol.quantity) AS quantity
                FROM undelivered u JOIN orders_orderline ol ON ol.account_id = %(account)s AND ol.order_id = u.id
                JOIN levels l ON l.sku = ol.sent_item
                WHERE NOT ol.filtered AND (u.delivered_at IS NULL OR u.delivered_at > l.at)
                GROUP BY ol.sent_item)
            SELECT l.sku, greatest(l.available - coalesce(o.quantity, 0), 0), l.at
            FROM levels l LEFT JOIN open o ON o.sku = l.sku ORDER BY l.sku""",
            {"account": tenancy.account_id(), "merchant": merchant_id},
        )
        return [Available(*row) for row in cursor.fetchall()]
