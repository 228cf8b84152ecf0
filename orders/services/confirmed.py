"""Orders that are through: their cart knows of every parcel."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from carts.systems import registry
from integration_manager import tenancy
from merchants import schedules
from merchants.models import Service
from orders.models import Status
from orders.states import move


def tell_end(order_ids: Sequence[int], now: datetime) -> None:
    """No parcel follows that carts wait for: those that count them are told of the last one again, as the last."""
    counting = [key for key, system in registry().systems.items() if getattr(system, "counts_parcels", False)]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_shipment s SET uploaded_at = NULL, retry_at = %s, failures = 0, failed_at = NULL,
                      first_failed_at = NULL
               FROM (SELECT DISTINCT ON (order_id) id FROM orders_shipment
                     WHERE account_id = %s AND order_id = ANY(%s) AND voided_at IS NULL AND for_cart
                     ORDER BY order_id, id DESC) last, carts_cart c
               WHERE s.id = last.id AND s.uploaded_at IS NOT NULL AND s.remote_id <> ''
                 AND c.account_id = s.account_id AND c.id = s.cart_id AND c.system = ANY(%s) RETURNING s.cart_id""",
            [now, tenancy.account_id(), list(order_ids), counting],
        )
        carts = {row[0] for row in cursor.fetchall()}
    if carts:
        schedules.wake(Service.UPLOAD_SHIPMENTS, now, cart_ids=sorted(carts))


def confirm_complete(order_ids: set[int], now: datetime) -> list[int]:
    """Moves shipped orders to confirmed when no parcel of theirs waits any more."""
    if not order_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT o.id FROM orders_order o WHERE o.account_id = %s AND o.id = ANY(%s) AND o.status = 'shipped'
               AND NOT EXISTS (SELECT 1 FROM orders_shipment s WHERE s.account_id = o.account_id
                               AND s.order_id = o.id AND s.uploaded_at IS NULL AND s.voided_at IS NULL AND s.for_cart)
               AND EXISTS (SELECT 1 FROM orders_shipment s WHERE s.account_id = o.account_id
                           AND s.order_id = o.id AND s.for_cart)""",
            [tenancy.account_id(), list(order_ids)],
        )
        complete = [row[0] for row in cursor.fetchall()]
    message = "The cart has the tracking."
    return move(complete, Status.SHIPPED, Status.CONFIRMED, "confirmed", now=now, message=message, confirmed_at=now)
