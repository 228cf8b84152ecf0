"""What may be sold: what there is, less what is ordered and not yet taken from it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from carts.models import Cart
from integration_manager import tenancy
from merchants import kits
from merchants.models import Merchant, ProductAlias
from merchants.offers import Counted, Offer, Place, StockRules, kit_offers, nothing_withheld, offers
from merchants.rules.filters import ItemFilter
from orders import item_filters

# A count of the WMS older than this says nothing about orders of then: all of a year need not be read for it.
OLDEST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Available:
    """What a cart is told of one product, by the code that it knows it by."""

    sku: str
    quantity: Decimal
    at: datetime  # the oldest count in it


_LEVELS = """
    WITH asked AS (
        SELECT max((state ->> 'as_of')::timestamptz) AS at FROM merchants_schedule
        WHERE account_id = %(account)s AND merchant_id = %(merchant)s AND service = 'inventory'),
    levels AS (
        SELECT w.id, w.name, w.enabled, l.sku, l.available,
               CASE WHEN %(managed)s THEN l.at ELSE greatest(l.at, asked.at) END AS at
        FROM merchants_stocklevel l JOIN merchants_warehouse w ON w.id = l.warehouse_id CROSS JOIN asked
        WHERE l.account_id = %(account)s AND l.merchant_id = %(merchant)s
          AND (%(skus)s::text[] IS NULL OR l.sku = ANY(%(skus)s)))"""
# Open are the quantities of orders that are not delivered yet (not those that a person keeps from being sent)
# and of those delivered after the level's count was taken. An order that names a warehouse takes from that
# one, by the WMS's name of it or ours, any other from all of them together. What is managed here was taken
# from the levels when the order was loaded (orders/managed.py).
_OPEN = """
    , orders AS (
        SELECT o.id, NULL::timestamptz AS delivered_at, o.location FROM orders_order o
        WHERE o.account_id = %(account)s AND o.merchant_id = %(merchant)s AND NOT %(managed)s
          AND (o.status IN ('received', 'ready', 'sending', 'error', 'gave_up')
               OR (o.status = 'held' AND o.held_by <> 'person'))
        UNION ALL
        SELECT o.id, o.delivered_at, o.location FROM orders_order o
        WHERE o.account_id = %(account)s AND o.merchant_id = %(merchant)s AND NOT %(managed)s
          AND o.status IN ('at_wms', 'shipped', 'confirmed')
          AND o.delivered_at > (SELECT greatest(min(at), %(earliest)s) FROM levels)),
    named AS (
        SELECT DISTINCT ON (name) name, id FROM (
            SELECT wms_name AS name, id, 0 AS turn FROM merchants_warehouse
            WHERE account_id = %(account)s AND merchant_id = %(merchant)s AND wms_name <> ''
            UNION ALL SELECT name, id, 1 FROM merchants_warehouse
            WHERE account_id = %(account)s AND merchant_id = %(merchant)s) n ORDER BY name, turn),
    open AS (
        SELECT ol.sent_item AS sku, ol.quantity, o.delivered_at, n.id AS warehouse
        FROM orders o
        JOIN orders_orderline ol ON ol.account_id = %(account)s AND ol.order_id = o.id AND NOT ol.filtered
        LEFT JOIN named n ON n.name = o.location
        UNION ALL
        SELECT p.item, p.quantity, o.delivered_at, n.id
        FROM orders_linepart p JOIN orders o ON p.order_id = o.id LEFT JOIN named n ON n.name = o.location
        WHERE p.account_id = %(account)s),
    here AS (
        SELECT l.sku, l.id, sum(o.quantity) AS quantity
        FROM open o JOIN levels l ON l.sku = o.sku AND l.id = o.warehouse
        WHERE o.delivered_at IS NULL OR o.delivered_at > l.at GROUP BY l.sku, l.id),
    anywhere AS (
        SELECT o.sku, sum(o.quantity) AS quantity
        FROM open o JOIN (SELECT sku, min(at) AS at FROM levels WHERE enabled GROUP BY sku) l ON l.sku = o.sku
        WHERE (o.delivered_at IS NULL OR o.delivered_at > l.at)
          AND NOT EXISTS (SELECT 1 FROM levels n WHERE n.sku = o.sku AND n.id = o.warehouse)
        GROUP BY o.sku)
    SELECT l.sku, l.id, l.name, l.enabled, l.available, l.at, coalesce(h.quantity, 0), coalesce(a.quantity, 0)
    FROM levels l LEFT JOIN here h ON h.sku = l.sku AND h.id = l.id LEFT JOIN anywhere a ON a.sku = l.sku
    ORDER BY l.sku COLLATE "C", l.name, l.id"""


def counted(merchant: Merchant, now: datetime, skus: Iterable[str] | None = None) -> Iterator[Counted]:
    """What there is of every SKU of a merchant, or of these, by SKU: in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LEVELS + _OPEN,
            {
                "account": tenancy.account_id(),
                "merchant": merchant.pk,
                "managed": merchant.managed_inventory,
                "earliest": now - OLDEST,
                "skus": None if skus is None else list(skus),
            },
        )
        sku, places, anywhere = "", list[Place](), Decimal(0)
        for row in cursor.fetchall():
            if row[0] != sku and places:
                yield Counted(sku, tuple(places), anywhere)
                places = []
            sku, anywhere = row[0], row[7]
            places.append(Place(row[1], row[2], row[4], row[6], row[5], row[3]))
        if places:
            yield Counted(sku, tuple(places), anywhere)


def offered(merchant: Merchant, rules: StockRules, now: datetime, skus: Sequence[str] | None = None) -> Iterator[Offer]:
    """What a cart with these rules is told of every SKU, or of these: what is skipped too, with the reason."""
    codes, made = codes_of(merchant.pk, rules.alias, skus), kits.contents(merchant.pk, skus)
    parts = {part.sku for kit in made.values() for part in kit}
    there: dict[str, Counted] = {}
    for one in counted(merchant, now, None if skus is None else {*skus, *parts}):
        if one.sku in parts:
            there[one.sku] = one
        if one.sku not in made and (skus is None or one.sku in skus):
            yield from offers(one, codes.get(one.sku, ()), rules)
    for sku, kit in made.items():
        yield from kit_offers(sku, kit, there, codes.get(sku, ()), rules)


def codes_of(merchant_id: int, kind: str, skus: Sequence[str] | None = None) -> dict[str, list[str]]:
    """The codes of one kind by SKU; none for the kind ""."""
    found: dict[str, list[str]] = defaultdict(list)
    if kind:
        rows = ProductAlias.objects.filter(merchant_id=merchant_id, kind=kind)
        if skus is not None:
            rows = rows.filter(product__sku__in=skus)
        for sku, value in rows.order_by("value").values_list("product__sku", "value"):
            found[sku].append(value)
    return found


def stock_rules(cart: Cart, known: ItemFilter | None = None) -> StockRules:
    """What a cart's General Order Options say of its inventory, and what its item filter keeps from it.

    `known`: its item filter, where those of several carts were loaded at once.
    """
    known = known or item_filters.of([cart])[cart.pk]

    def withheld(code: str, sku: str) -> str:
        return known.why(code) if known.catches((code, sku)) else ""

    return StockRules(
        warehouse=cart.stock_warehouse_id,
        closed=cart.stock_warehouse is not None and not cart.stock_warehouse.enabled,
        alias=cart.stock_alias,
        minimum=Decimal(cart.stock_minimum),
        buffer=Decimal(cart.stock_buffer),
        percent=cart.stock_percent,
        withheld=withheld if known.kind else nothing_withheld,
    )
