"""The order list as a file for people: a row for each order, or for each of its lines.

Read in parts by key, in the list's own order, so that a hundred thousand orders are never in memory at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, Q, QuerySet

from orders.models import Order, OrderDetail, OrderLine, Shipment
from orders.search import SORTS, oldest_first
from orders.state_words import face_of

BATCH = 1_000
_ORDER = (
    "pk", "order_date", "cust_po_no", "cust_ref", "status", "held_by", "error_message", "merchant__name", "cart__name",
    "ship_code", "ship_country", "qty_total", "qty_shipped", "lines", "grand_total", "currency", "wms_ref", "wms_key",
    "created_at", "delivered_at", "shipped_at", "confirmed_at", "canceled_at",
)  # fmt: skip


@dataclass(slots=True)
class Row:
    """One order with what is written of it."""

    order: dict[str, Any]
    zone: ZoneInfo
    ship: dict[str, Any] = field(default_factory=dict)
    method: str = ""
    tracking: list[str] = field(default_factory=list)

    def at(self, name: str) -> str:
        """A moment in the user's time zone."""
        moment: datetime | None = self.order[name]
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S}" if moment else ""

    def number(self, name: str) -> str:
        """A quantity or an amount without needless zeros."""
        value = self.order[name]
        return "" if value is None else f"{value.normalize():f}"


Cell = Callable[[Row], object]


def _of(name: str) -> Cell:
    return lambda row: row.order[name]


def _ship(*names: str) -> Cell:
    return lambda row: " ".join(str(row.ship[name]) for name in names if row.ship.get(name))


# Head, cell, and the column of the list that it belongs to ("": with every choice of columns; "-": with all only).
CELLS: tuple[tuple[str, Cell, str], ...] = (
    ("Order", _of("cust_po_no"), ""),
    ("State", lambda row: face_of(row.order["status"], row.order["held_by"]).word, ""),
    ("Short number", _of("cust_ref"), "-"),
    ("Merchant", _of("merchant__name"), "from"),
    ("Cart", _of("cart__name"), "from"),
    ("Customer", _ship("first_name", "last_name"), "to"),
    ("Company", _ship("company"), "to"),
    ("Address 1", _ship("address_1"), "-"),
    ("Address 2", _ship("address_2"), "-"),
    ("City", _ship("city"), "to"),
    ("Region", _ship("state"), "to"),
    ("Postal code", _ship("zip"), "-"),
    ("Country", lambda row: row.ship.get("country") or row.order["ship_country"], "to"),
    ("E-mail", _ship("e_mail"), "-"),
    ("Phone", _ship("phone"), "-"),
    ("Ship method code", _of("ship_code"), "method"),
    ("Ship method", lambda row: row.method, "method"),
    ("Units", lambda row: row.number("qty_total"), "units"),
    ("Units shipped", lambda row: row.number("qty_shipped"), "-"),
    ("Lines", _of("lines"), "-"),
    ("Total", lambda row: row.number("grand_total"), "total"),
    ("Currency", _of("currency"), "total"),
    ("Reference at the WMS", _of("wms_ref"), "reference"),
    ("Number at the WMS", _of("wms_key"), "-"),
    ("Placed", lambda row: row.order["order_date"].isoformat(), "placed"),
    ("Loaded", lambda row: row.at("created_at"), "loaded"),
    ("At WMS", lambda row: row.at("delivered_at"), "-"),
    ("Shipped", lambda row: row.at("shipped_at"), "-"),
    ("Confirmed", lambda row: row.at("confirmed_at"), "-"),
    ("Canceled", lambda row: row.at("canceled_at"), "-"),
    ("Tracking", lambda row: " ".join(row.tracking), "next"),
    ("Problem", _of("error_message"), "next"),
)
LINES = (
    "Order", "State", "Merchant", "Cart", "Line", "SKU", "SKU sent", "Description", "Quantity", "Shipped", "Price",
    "Sent to the WMS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Export:
    """Which orders, in which order of the list, with which of its columns (none: with all there are)."""

    orders: QuerySet[Order]
    sort: str
    zone: ZoneInfo
    columns: Sequence[str] = ()

    @property
    def _cells(self) -> list[tuple[str, Cell, str]]:
        return [cell for cell in CELLS if not self.columns or not cell[2] or cell[2] in self.columns]

    def head(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _, _ in self._cells]

    def rows(self) -> Iterator[list[object]]:
        """A row for each order."""
        cells = [cell for _, cell, _ in self._cells]
        for part in self._parts():
            rows = {order["pk"]: Row(order, self.zone) for order in part}
            details = OrderDetail.objects.filter(order__in=list(rows))
            for pk, ship, method in details.values_list("order_id", "data__ship", "data__ship_code_description"):
                rows[pk].ship, rows[pk].method = ship or {}, method or ""
            parcels = Shipment.objects.filter(order__in=list(rows), voided_at__isnull=True).order_by("id")
            for pk, tracking in parcels.values_list("order_id", "tracking_no"):
                if tracking:
                    rows[pk].tracking.append(tracking)
            for row in rows.values():
                yield [cell(row) for cell in cells]

    def lines(self) -> Iterator[list[object]]:
        """A row for each line of the orders."""
        for part in self._parts():
            orders = {order["pk"]: order for order in part}
            sources: dict[int, dict[str, Any]] = {}
            details = OrderDetail.objects.filter(order__in=list(orders))
            for pk, lines in details.values_list("order_id", "data__lines"):
                sources[pk] = {line.get("line_id"): line for line in lines or []}
            found: dict[int, list[OrderLine]] = {pk: [] for pk in orders}
            for line in OrderLine.objects.filter(order__in=list(orders)).order_by("order_id", "position"):
                found[line.order_id].append(line)
            for pk, order in orders.items():
                about = [
                    order["cust_po_no"],
                    face_of(order["status"], order["held_by"]).word,
                    order["merchant__name"],
                    order["cart__name"],
                ]
                for line in found[pk]:
                    source = sources.get(pk, {}).get(line.line_id, {})
                    yield [
                        *about,
                        line.position,
                        line.item,
                        line.sent_item,
                        source.get("description", ""),
                        f"{line.quantity.normalize():f}",
                        f"{line.qty_shipped.normalize():f}",
                        source.get("price", ""),
                        "no" if line.filtered else "yes",
                    ]

    def _parts(self) -> Iterator[list[dict[str, Any]]]:
        """The orders in parts, each found from the last one of the part before."""
        column, ascending = SORTS[self.sort], oldest_first(self.sort)
        names = [column] if column == "pk" else [column, "pk"]
        rows = self.orders.order_by(*(F(name).asc() if ascending else F(name).desc() for name in names))
        compare = "gt" if ascending else "lt"
        last: dict[str, Any] | None = None
        while True:
            wanted = rows
            if last is not None:
                value = last[column]
                beyond = Q(**{f"{column}__{compare}": value}) | Q(**{column: value, f"pk__{compare}": last["pk"]})
                wanted = rows.filter(Q(**{f"{column}__{compare}e": value}) & beyond)
            part = list(wanted.values(*_ORDER)[:BATCH])
            if part:
                yield part
            if len(part) < BATCH:
                return
            last = part[-1]
