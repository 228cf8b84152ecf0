"""Parcels of the WMS: the orders they belong to, how their content counts, and how they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from integration_manager import tenancy
from integration_manager.kit.canonical import ZERO, Canceled, Shipment, ShipmentLine, to_json
from integration_manager.kit.connector import WmsConnector
from merchants import scac
from merchants.models import Merchant
from orders import bulk
from orders.content import fold
from orders.models import Shipment as ShipmentRow
from orders.models import ShipmentLine as ShipmentLineRow
from orders.models import Status
from orders.restored import restored_at
from orders.run import Run
from orders.states import note

each = bulk.PerRow


@dataclass(slots=True)
class Row:
    """An order that a page's shipments belong to, with its lines."""

    id: int
    status: Status
    wms_key: str
    wms_ref: str
    merchant_id: int
    cart_id: int
    number: str
    lines: list["Line"] = field(default_factory=list)


@dataclass(slots=True)
class Line:
    """One line of such an order; `shipped` rises as parcels are counted. Of a kit it is how many are whole."""

    position: int
    line_id: str
    item: str  # what is sent for it
    quantity: Decimal
    shipped: Decimal
    sku: str = ""  # the source's
    parts: list["Part"] = field(default_factory=list)  # the components of a kit
    told: Decimal = ZERO  # of a kit: how many its parcels say

    @property
    def counted(self) -> list["Line | Part"]:
        """What parcels are counted to: the components of a kit, else the line itself."""
        return [*self.parts] if self.parts else [self]

    def settle(self) -> None:
        """Counts the kits that are whole: as many as the scarcest of the components is enough for."""
        wanted: dict[str, Decimal] = {}
        there: dict[str, Decimal] = {}
        for part in self.parts:
            wanted[part.item] = wanted.get(part.item, ZERO) + part.quantity
            there[part.item] = there.get(part.item, ZERO) + part.shipped
        self.shipped = min(there[item] * self.quantity // number for item, number in wanted.items())


@dataclass(slots=True)
class Part:
    """One component that is sent for a line of a kit."""

    number: int
    line_id: str
    item: str
    quantity: Decimal
    shipped: Decimal


def orders_of(run: Run, shipments: Sequence[Shipment | Canceled]) -> list[Row]:
    """The orders of these parcels (or cancellations) by the WMS's key or by our reference, with their lines; locked.

    Not those that a WMS of before has: its keys mean other orders here.
    """
    keys = [s.wms_key for s in shipments if s.wms_key]
    refs = [s.ref for s in shipments if s.ref]
    merchants = [run.merchant.pk]
    if isinstance(run.connector, WmsConnector) and run.connector.ref_scope == "account":
        # Its references are unique in the account, and what we read now nobody reads again.
        merchants = list(Merchant.objects.values_list("id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT o.id, o.status, o.wms_key, o.wms_ref, o.merchant_id, o.cart_id, o.cust_po_no
            FROM orders_order o WHERE o.id IN (
                SELECT id FROM orders_order WHERE merchant_id = ANY(%s) AND wms_key = ANY(%s) AND wms_key <> ''
                UNION SELECT id FROM orders_order
                      WHERE account_id = %s AND merchant_id = ANY(%s) AND wms_ref = ANY(%s))
              AND (o.wms_id IS NULL OR o.wms_id = %s)
            ORDER BY o.id FOR NO KEY UPDATE""",
            [merchants, keys, tenancy.account_id(), merchants, refs, run.wms_id],
        )
        rows = {r[0]: Row(r[0], Status(r[1]), *r[2:]) for r in cursor.fetchall()}
        if rows:
            cursor.execute(
                """SELECT order_id, position, line_id, sent_item, quantity, qty_shipped, item FROM orders_orderline
                   WHERE account_id = %s AND order_id = ANY(%s) AND NOT filtered ORDER BY order_id, position""",
                [tenancy.account_id(), list(rows)],
            )
            for order_id, *line in cursor.fetchall():
                rows[order_id].lines.append(Line(*line))
    _know_parts({row.id: row for row in rows.values() if any(not line.item for line in row.lines)})
    return list(rows.values())


def _know_parts(rows: dict[int, Row]) -> None:
    """Adds the components of kits to these orders' lines, and how many kits their parcels say."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT order_id, position, number, line_id, item, quantity, qty_shipped FROM orders_linepart
               WHERE account_id = %s AND order_id = ANY(%s) ORDER BY order_id, position, number""",
            [tenancy.account_id(), list(rows)],
        )
        lines = {(row.id, line.position): line for row in rows.values() for line in row.lines}
        for order_id, position, *part in cursor.fetchall():
            lines[order_id, position].parts.append(Part(*part))
        cursor.execute(
            """SELECT s.order_id, l.line_id, sum(l.quantity)
               FROM orders_shipment s JOIN orders_shipmentline l ON l.account_id = s.account_id AND l.shipment_id = s.id
               WHERE s.account_id = %s AND s.order_id = ANY(%s) AND s.voided_at IS NULL AND l.line_id <> ''
               GROUP BY 1, 2""",
            [tenancy.account_id(), list(rows)],
        )
        told = {(order_id, line_id): quantity for order_id, line_id, quantity in cursor.fetchall()}
    for (order_id, _), line in lines.items():
        if line.parts:
            line.told = told.get((order_id, line.line_id), ZERO)


def known_parcels(order_ids: Sequence[int]) -> dict[tuple[int, str], ShipmentRow]:
    """The parcels of these orders that are stored already, by order and key."""
    if not order_ids:
        return {}
    return {(s.order_id, s.key): s for s in ShipmentRow.objects.filter(order_id__in=set(order_ids))}


def insert_parcels(run: Run, fresh: Sequence[tuple[Row, Shipment]]) -> None:
    """Stores new parcels with their content, counted to the lines, in two statements."""
    if not fresh:
        return
    now, restored = run.now, restored_at(run)
    written = bulk.insert(
        ShipmentRow,
        {
            "merchant_id": each(row.merchant_id for row, _ in fresh),
            "cart_id": each(row.cart_id for row, _ in fresh),
            "order_id": each(row.id for row, _ in fresh),
            "key": each(s.key[:150] for _, s in fresh),
            "tracking_no": each((s.tracking_no or "")[:100] for _, s in fresh),
            "tracking_key": each(fold(s.tracking_no) for _, s in fresh),
            "carrier": each((s.carrier or "")[:60] for _, s in fresh),
            "method": each((s.method or "")[:100] for _, s in fresh),
            "shipped_at": each(s.shipped_at for _, s in fresh),
            "data": each(to_json(s) for _, s in fresh),
            "created_at": now,
            "retry_at": now,
            # The cart may have been told in the time that the restore of a backup made us forget.
            "starts": each(
                int(bool(restored and (s.shipped_at or s.modified_at or restored) <= restored)) for _, s in fresh
            ),
        },
        conflict="ON CONFLICT (account_id, order_id, key) DO NOTHING",
        returning=("id", "order_id", "key"),
    )
    scac.note(run.merchant.pk, (s.carrier for _, s in fresh), now)
    ids = {(order_id, key): pk for pk, order_id, key in written}
    lines: list[tuple[int, str, ShipmentLine]] = []
    for row, shipment in fresh:
        shipment_id = ids.get((row.id, shipment.key[:150]))
        if shipment_id is not None:
            counted = count(row, shipment)
            lines += [(shipment_id, line_id, line) for line_id, line in counted]
            if _parts_alone(row, counted):
                ShipmentRow.objects.filter(pk=shipment_id).update(for_cart=False)
                note([row.id], "parts", _PARTS.format(shipment.tracking_no or shipment.key), now=now)
    if lines:
        bulk.insert(
            ShipmentLineRow,
            {
                "shipment_id": each(pk for pk, _, _ in lines),
                "line_id": each(line_id for _, line_id, _ in lines),
                "item": each(line.item[:100] for _, _, line in lines),
                "quantity": each(line.quantity for _, _, line in lines),
            },
        )


_PARTS = "Parcel {} holds parts of a kit. The cart is told with the parcel that makes the kit whole."


def _parts_alone(row: Row, counted: Sequence[tuple[str, ShipmentLine]]) -> bool:
    """Whether a parcel holds nothing but components of kits that are not whole yet: nothing that a cart knows."""
    ids = {part.line_id for line in row.lines for part in line.parts}
    return any(line_id in ids for line_id, _ in counted) and all(line_id in ids for line_id, _ in counted if line_id)


def count(row: Row, shipment: Shipment) -> list[tuple[str, ShipmentLine]]:
    """Counts a parcel's content to the order's lines; a parcel without content is the rest of the order.

    The components of kits are counted by themselves, and the kits that they make whole besides.
    """
    sent = [one for line in row.lines for one in line.counted]
    counted = []
    if not shipment.lines:
        for one in sent:
            if one.quantity > one.shipped:
                counted.append((one.line_id, ShipmentLine(one.item, one.quantity - one.shipped, one.line_id)))
                one.shipped = one.quantity
    for part in shipment.lines:
        left = part.quantity
        matching = [one for one in sent if one.line_id == part.line_id] if part.line_id else []
        for one in matching or [one for one in sent if one.item == part.item]:
            take = min(left, one.quantity - one.shipped)
            if take > ZERO:
                one.shipped += take
                left -= take
                counted.append((one.line_id, ShipmentLine(part.item, take, one.line_id)))
        if left > ZERO:  # more than was ordered, or something else: kept, and counted to no line
            counted.append(("", ShipmentLine(part.item, left)))
    for kit in row.lines:
        if kit.parts:
            kit.settle()
            if kit.shipped > kit.told:
                counted.append((kit.line_id, ShipmentLine(kit.sku, kit.shipped - kit.told, kit.line_id)))
                kit.told = kit.shipped
    return counted
