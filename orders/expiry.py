"""Orders that are done go after their time, for all accounts, and what they say goes with them.

Its key stays, among the skipped ones: a shop that shows it again, connected once more, ships nothing twice. Purchase
orders stay: they are few and about no person, and a file that is read again must not have them sent again.

Never goes what is not finished: what may still be sent, a parcel whose cart is still to be told of it, something that
waits to be done in another system, what an open alert is about, and a revision of an order of which another one stays.
"""

import math
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from integration_manager import tenancy
from orders.reading import GONE

BATCH = 500  # of one transaction
SLICE = 5_000  # orders that are looked at by one statement

# Walks the table by its key, from the oldest on, to where all are too young: an index by time would have to be
# written with each order, to be read once a night.
_NEXT = """
    WITH slice AS MATERIALIZED (
        SELECT id, created_at FROM orders_order WHERE id > %(last)s ORDER BY id LIMIT %(slice)s)
    SELECT max(id), bool_or(created_at < %(before)s) FROM slice"""


def _over(o: str) -> str:
    """Whether an order, by its name in the statement, is done with, and long enough ago."""
    return f"""
    {o}.status IN ('shipped', 'confirmed', 'canceled')
      AND greatest({o}.created_at, {o}.shipped_at, {o}.confirmed_at, {o}.canceled_at) < %(before)s
      AND NOT EXISTS (
          SELECT 1 FROM orders_shipment s
          JOIN merchants_schedule told ON told.cart_id = s.cart_id AND told.service = 'upload_shipments'
          WHERE s.account_id = {o}.account_id AND s.order_id = {o}.id AND s.for_cart AND told.every > 0
            AND s.uploaded_at IS NULL AND s.parked_at IS NULL AND s.voided_at IS NULL)
      AND NOT EXISTS (
          SELECT 1 FROM orders_effect e
          WHERE e.account_id = {o}.account_id AND e.order_id = {o}.id AND e.state IN ('waiting', 'parked'))
      AND NOT EXISTS (
          SELECT 1 FROM alerts_alert a
          WHERE a.account_id = {o}.account_id AND a.order_id = {o}.id
            AND a.resolved_at IS NULL AND a.dismissed_at IS NULL)"""  # noqa: S608 (names of this file)


_DUE = f"""
    SELECT o.account_id, o.id FROM orders_order o
    WHERE o.id > %(last)s AND o.id <= %(upto)s AND {_over("o")}
      AND NOT EXISTS (
          SELECT 1 FROM orders_order r
          WHERE r.account_id = o.account_id AND r.merchant_id = o.merchant_id AND r.source = o.source
            AND r.cart_key = o.cart_key AND r.id <> o.id AND NOT ({_over("r")}))
    ORDER BY o.id LIMIT %(batch)s FOR UPDATE OF o SKIP LOCKED"""  # noqa: S608 (constants of this file)
_KEEP_KEYS = """
    INSERT INTO orders_skippedorder
        (account_id, merchant_id, cart_id, key, number, reason, message, order_date, raw, seen_at)
    SELECT DISTINCT ON (account_id, cart_id, cart_key)
        account_id, merchant_id, cart_id, cart_key, cust_po_no, %(gone)s, %(said)s, order_date, NULL, %(now)s
    FROM orders_order WHERE id = ANY(%(ids)s) ORDER BY account_id, cart_id, cart_key, revision DESC
    ON CONFLICT (account_id, cart_id, key) DO UPDATE
        SET reason = excluded.reason, message = excluded.message, raw = NULL, seen_at = excluded.seen_at
        WHERE orders_skippedorder.reason <> 'handled'"""
_SAID = "It was here, was done, and was removed after its time. It is not sent again, unless it is loaded anyway."

# All that belongs to an order, in the order in which it can go. (What a bulk action did to it, and alerts that are
# over, have their own time: orders/retention.py.)
BELONGING = (
    "orders_shipment", "orders_linepart", "orders_orderline", "orders_orderdetail", "orders_eventdetail",
    "orders_event", "orders_exchange", "orders_effect", "merchants_taken",
)  # fmt: skip
_OF = "USING unnest(%(accounts)s::bigint[], %(ids)s::bigint[]) AS g(account_id, id) WHERE "
_PARCEL_LINES = """DELETE FROM orders_shipmentline l USING orders_shipment s, unnest(%(accounts)s::bigint[],
    %(ids)s::bigint[]) AS g(account_id, id) WHERE s.account_id = g.account_id AND s.order_id = g.id
    AND l.account_id = s.account_id AND l.shipment_id = s.id"""


def expire(now: datetime, until: float = math.inf) -> int:
    """Removes what is due, as long as there is time: until `until`, by time.monotonic(). Returns how many."""
    before = now - timedelta(days=settings.IM_KEEP_DAYS["orders"])
    with tenancy.everyone("retention of orders"):
        return _orders(now, before, until)


def _orders(now: datetime, before: datetime, until: float) -> int:
    total, last = 0, 0
    while time.monotonic() < until:
        (upto, old) = _rows(_NEXT, {"last": last, "slice": SLICE, "before": before})[0]
        if not old:
            break
        while time.monotonic() < until:
            with transaction.atomic():
                due = _rows(_DUE, {"last": last, "upto": upto, "before": before, "batch": BATCH})
                if due:
                    _remove_orders(due, now)
            total += len(due)
            if len(due) < BATCH:
                break
            last = due[-1][1]
        last = upto
    return total


def _remove_orders(due: list[Any], now: datetime) -> None:
    given = {"accounts": [account for account, _ in due], "ids": [pk for _, pk in due]}
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_KEYS, given | {"gone": GONE, "said": _SAID, "now": now})
        cursor.execute(_PARCEL_LINES, given)
        for table in BELONGING:
            cursor.execute(f"DELETE FROM {table} t {_OF} t.account_id = g.account_id AND t.order_id = g.id", given)  # noqa: S608 (ours)
        cursor.execute("DELETE FROM orders_order WHERE id = ANY(%(ids)s)", given)


def _rows(sql: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[Any] = cursor.fetchall()
    return found
