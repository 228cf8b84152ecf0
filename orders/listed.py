"""The rows of a list of orders: what it shows of each and of what belongs to it, by one statement."""

import json
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from integration_manager import tenancy


@dataclass(slots=True)
class Listed:
    """Some columns of an order, under their own names. A model of fifty takes longer to make than to ask for."""

    id: int
    public_id: str
    cust_po_no: str
    wms_ref: str
    test: bool
    status: str
    held_by: str
    error_code: str
    error_message: str
    failures: int
    unknown_rounds: int
    retry_at: datetime | None
    order_date: date
    ship_code: str
    grand_total: Decimal | None
    currency: str
    qty_total: Decimal
    qty_shipped: Decimal
    created_at: datetime
    updated_at: datetime
    delivered_at: datetime | None
    canceled_at: datetime | None
    # Of what belongs to it: merchant, cart, who it goes to, the last parcel.
    merchant_name: str
    cart_name: str
    ship: dict[str, Any] | None
    ship_words: str | None
    carrier: str | None
    tracking: str | None
    tracking_url: str | None


_BESIDES = ("merchant_name", "cart_name", "ship", "ship_words", "carrier", "tracking", "tracking_url")
_OWN = ", ".join(f"o.{column.name}" for column in fields(Listed) if column.name not in _BESIDES)
# Written out, for this is asked for all the time: the ORM takes longer to put it together than PostgreSQL to answer.
_ROWS = f"""
    SELECT {_OWN}, m.name, c.name, d.data -> 'ship', d.data ->> 'ship_code_description',
           p.carrier, p.tracking_no, p.tracking_url
    FROM orders_order o
    JOIN merchants_merchant m ON m.account_id = o.account_id AND m.id = o.merchant_id
    JOIN carts_cart c ON c.account_id = o.account_id AND c.id = o.cart_id
    LEFT JOIN orders_orderdetail d ON d.account_id = o.account_id AND d.order_id = o.id
    LEFT JOIN LATERAL (
        SELECT s.carrier, s.tracking_no, s.data ->> 'tracking_url' AS tracking_url FROM orders_shipment s
        WHERE s.account_id = o.account_id AND s.order_id = o.id AND s.voided_at IS NULL ORDER BY s.id DESC LIMIT 1
    ) p ON true
    WHERE o.account_id = %(account)s AND o.id = ANY(%(ids)s)"""  # noqa: S608 (constants of this file)


def rows(ids: list[int]) -> dict[int, Listed]:
    """These orders of the active account by id, in no order; what is not there is left out."""
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"account": tenancy.account_id(), "ids": ids})
        found = [Listed(*row) for row in cursor.fetchall()]
    for order in found:
        order.ship = json.loads(order.ship) if order.ship else None  # type: ignore[arg-type]  # as text until here
    return {order.id: order for order in found}
