"""Managed Inventory: stock that is kept here. Orders take theirs when they are loaded, and give it back if canceled.

What each order has taken is on record, so it takes once, whoever asks how often: `settle` compares what orders
should have with what they have, and moves the difference.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from integration_manager.kit import csvcells
from merchants import catalog, schedules
from merchants.models import Adjustment, Merchant, Product, Schedule, Service, StockLevel, Taken, Warehouse
from merchants.warehouses import ask_for_all
from orders.models import Order
from orders.stock import OLDEST

# An order that is not at the WMS has taken what it is to send, unless it was canceled or a person keeps it from
# being sent. What the WMS has got stays taken, whatever becomes of it: goods that come back are counted in by hand.
_CONCERNED = """
    WITH concerned AS (
        SELECT o.id, o.location, o.cust_po_no, o.delivered_at,
               NOT (o.status = 'canceled' OR (o.status = 'held' AND o.held_by = 'person')) AS takes
        FROM orders_order o
        WHERE o.account_id = %(account)s AND o.merchant_id = %(merchant)s AND """
_THESE = "o.id = ANY(%(ids)s)"
_ALL = """o.delivered_at IS NULL
          AND (o.status IN ('received', 'ready', 'sending', 'error', 'gave_up', 'held')
               OR o.id IN (SELECT order_id FROM merchants_taken
                           WHERE account_id = %(account)s AND merchant_id = %(merchant)s AND quantity <> 0)
                  AND o.status = 'canceled')"""
# What the WMS has got since it counted is not in its count: the same orders as orders/stock.py takes off.
_SENT = """o.status IN ('at_wms', 'shipped', 'confirmed')
          AND o.delivered_at > (SELECT greatest(min(at), %(earliest)s) FROM merchants_stocklevel
                                WHERE account_id = %(account)s AND merchant_id = %(merchant)s)"""
# `moves` by itself: joined as it is written, its SKU is an expression, which may not use an index past the policies.
_MOVES = """),
    wanted AS (
        SELECT order_id, sku, sum(quantity) AS quantity FROM (
            SELECT c.id AS order_id, l.sent_item AS sku, l.quantity
            FROM concerned c
            JOIN orders_orderline l ON l.account_id = %(account)s AND l.order_id = c.id AND NOT l.filtered
            WHERE c.takes AND l.sent_item <> '' AND l.quantity > 0
            UNION ALL
            SELECT p.order_id, p.item, p.quantity
            FROM orders_linepart p JOIN concerned c ON c.id = p.order_id
            WHERE p.account_id = %(account)s AND c.takes) sent
        GROUP BY 1, 2),
    has AS (
        SELECT t.order_id, t.sku, t.warehouse_id, t.quantity
        FROM merchants_taken t JOIN concerned c ON c.id = t.order_id
        WHERE t.account_id = %(account)s),
    moves AS MATERIALIZED (
        SELECT coalesce(w.order_id, h.order_id) AS order_id, coalesce(w.sku, h.sku) AS sku, h.warehouse_id,
               coalesce(w.quantity, 0) - coalesce(h.quantity, 0) AS quantity
        FROM wanted w FULL JOIN has h ON h.order_id = w.order_id AND h.sku = w.sku
        WHERE coalesce(w.quantity, 0) <> coalesce(h.quantity, 0))
    SELECT m.order_id, c.cust_po_no, m.sku, m.quantity, p.id, p.warehouse_id, p.available
    FROM moves m JOIN concerned c ON c.id = m.order_id
    JOIN LATERAL (
        SELECT l.id, l.warehouse_id, l.available, c.delivered_at > l.at AS since FROM merchants_stocklevel l
        JOIN merchants_warehouse w ON w.account_id = l.account_id AND w.id = l.warehouse_id
        WHERE l.account_id = %(account)s AND l.merchant_id = %(merchant)s AND l.sku = m.sku
          AND (m.warehouse_id IS NULL OR l.warehouse_id = m.warehouse_id)
        ORDER BY (c.location <> '' AND c.location IN (w.name, w.wms_name)) DESC, w.enabled DESC,
                 (%(sent)s AND c.delivered_at > l.at) DESC, w.is_default DESC, l.available DESC, l.id
        LIMIT 1) p ON p.since OR NOT %(sent)s
    ORDER BY m.order_id, m.sku"""


def settle(merchant: Merchant, now: datetime, ids: Sequence[int] | None = None) -> int:
    """Gives every open order what it should have taken. How many levels that changed; 0 for a merchant of the WMS's.

    What no warehouse has a count of is nobody's to take. `ids`: these orders alone, as they go out, or have gone.
    """
    if not merchant.managed_inventory:
        return 0
    with transaction.atomic():
        moved = _settle(merchant, now, _ALL if ids is None else _THESE, "Loaded", ids)
        if moved:
            schedules.wake(Service.UPLOAD_INVENTORY, now, merchant_id=merchant.pk)
    return moved


def settle_orders(ids: Sequence[int], now: datetime) -> None:
    """The same for these, which are canceled, where their stock is kept here. What the WMS has got stays taken."""
    if ids:
        owners = Order.objects.filter(pk__in=ids).values("merchant_id")
        for merchant in Merchant.objects.filter(managed_inventory=True, pk__in=owners):
            mine = Order.objects.filter(pk__in=ids, merchant=merchant, delivered_at=None)
            settle(merchant, now, list(mine.values_list("pk", flat=True)))


def hand_over(order: Order, successor: Order) -> None:
    """What an order has taken is its successor's: the WMS has canceled the one, and sends the other instead."""
    Taken.objects.filter(order=order).update(order=successor)


def switched(merchant: Merchant, now: datetime) -> None:
    """An operator has switched it on or off.

    On: the levels are what the WMS counted last, less what it has got since, and open orders take theirs.
    Off: what was kept here says nothing any more, and the WMS is asked for all.
    """
    with transaction.atomic():
        Taken.objects.filter(merchant=merchant).delete()
        if merchant.managed_inventory:
            _date(merchant)
            _settle(merchant, now, _SENT, "Sent since the WMS counted")
        else:
            StockLevel.objects.filter(merchant=merchant).delete()
        ask_for_all(merchant, now)


def adjust(merchant: Merchant, counts: Sequence[tuple[Warehouse, str, Decimal, str]], actor: str, now: datetime) -> int:
    """Sets levels to what a person says there is: warehouse, SKU, quantity, why. How many that changed."""
    with transaction.atomic():
        lock(merchant)
        catalog.learn(merchant.pk, [sku for _, sku, _, _ in counts], Product.Origin.HAND, now)
        wanted = {(warehouse.pk, sku): (quantity, why) for warehouse, sku, quantity, why in counts}
        rows = StockLevel.objects.filter(merchant=merchant, sku__in={sku for _, sku in wanted})
        before = {(row.warehouse_id, row.sku): row.available for row in rows}
        changed = {key: found for key, found in wanted.items() if before.get(key) != found[0]}
        _store(merchant, {key: quantity for key, (quantity, _) in changed.items()}, now)
        Adjustment.objects.bulk_create(
            Adjustment(
                merchant=merchant, warehouse_id=warehouse, sku=sku, at=now, actor=actor, reason=why[:200],
                before=before.get((warehouse, sku), Decimal(0)), after=quantity,
            )
            for (warehouse, sku), (quantity, why) in sorted(changed.items())
        )  # fmt: skip
        if changed:
            schedules.wake(Service.UPLOAD_INVENTORY, now, merchant_id=merchant.pk)
            settle(merchant, now)  # what nobody had counted before may be waited for
    return len(changed)


def how_many(text: str) -> Decimal:
    """What a person has counted. Raises ValueError with the reason."""
    found = csvcells.number(text)
    if found != round(found, 4):  # finer than levels are kept
        raise ValueError(f"{text} has more than four digits behind its point")
    return found


def lock(merchant: Merchant) -> None:
    """Whoever changes a merchant's stock waits for who does it already, until that one's transaction ends.

    Not by the merchant's row, which is locked before any order; stock is changed after its orders are.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [merchant.pk])


def _settle(merchant: Merchant, now: datetime, which: str, why: str, ids: Sequence[int] | None = None) -> int:
    """Call it in a transaction. The account is the merchant's: an operator, who sees all, has none of their own."""
    values = {
        "account": merchant.account_id,
        "merchant": merchant.pk,
        "ids": None if ids is None else list(ids),
        "sent": which == _SENT,
        "earliest": now - OLDEST,
    }
    with connection.cursor() as cursor:
        if ids is not None:  # what they take points to them, and orders are locked before stock is
            cursor.execute("SELECT FROM orders_order o WHERE " + _THESE + " ORDER BY id FOR KEY SHARE", values)
        lock(merchant)
        cursor.execute(_CONCERNED + which + _MOVES, values)
        moves = cursor.fetchall()
        if moves:
            _move(merchant, moves, now, why)
    return len(moves)


def _date(merchant: Merchant) -> None:
    """Each level is as of when the WMS was asked last, where it tells no times: it is not asked any more."""
    found = Schedule.objects.filter(merchant=merchant, service=Service.INVENTORY).first()
    if found is not None and (asked := found.state.get("as_of")):
        StockLevel.objects.filter(merchant=merchant, at__lt=asked).update(at=asked)


def _move(
    merchant: Merchant, moves: Sequence[tuple[int, str, str, Decimal, int, int, Decimal]], now: datetime, why: str
) -> None:
    levels: dict[tuple[int, str], Decimal] = {}
    log, taken = [], []
    for order_id, number, sku, quantity, _, warehouse, available in moves:
        before = levels.get((warehouse, sku), available)
        levels[warehouse, sku] = after = before - quantity
        log.append(
            Adjustment(
                account_id=merchant.account_id,
                merchant=merchant,
                warehouse_id=warehouse,
                sku=sku,
                at=now,
                reason=why if quantity > 0 else "Given back",
                order_number=number,
                before=before,
                after=after,
            )
        )
        taken.append((order_id, warehouse, sku, quantity))
    _store(merchant, levels, now)
    Adjustment.objects.bulk_create(log)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO merchants_taken AS old (account_id, merchant_id, order_id, warehouse_id, sku, quantity)
               SELECT %s, %s, t.* FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::numeric[]) AS t
               ON CONFLICT (account_id, order_id, warehouse_id, sku) DO UPDATE
               SET quantity = old.quantity + excluded.quantity""",
            [merchant.account_id, merchant.pk, *map(list, zip(*taken, strict=True))],
        )


def _store(merchant: Merchant, levels: dict[tuple[int, str], Decimal], now: datetime) -> None:
    rows = sorted(levels.items())
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO merchants_stocklevel AS old
                      (account_id, merchant_id, warehouse_id, sku, available, on_hand, at, changed_at, version)
               SELECT %s, %s, t.warehouse, t.sku, t.quantity, NULL, %s, %s, 1
               FROM unnest(%s::bigint[], %s::text[], %s::numeric[]) AS t(warehouse, sku, quantity)
               ON CONFLICT (account_id, warehouse_id, sku) DO UPDATE SET available = excluded.available,
                   on_hand = NULL, at = excluded.at, changed_at = excluded.changed_at, version = old.version + 1""",
            [
                *(merchant.account_id, merchant.pk, now, now),
                [warehouse for (warehouse, _), _ in rows],
                [sku for (_, sku), _ in rows],
                [quantity for _, quantity in rows],
            ],
        )
