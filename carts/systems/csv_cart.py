"""CSV files as an order source: orders come in as files, confirmations and inventory go out as files."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from integration_manager.kit import csvcells
from integration_manager.kit.canonical import Address, Line, Order, Shipment, SourceState, Stock
from integration_manager.kit.connector import CartConnector, Field, Page
from integration_manager.kit.csvfile import Record, written
from integration_manager.kit.csvformats import ADDRESS, CONFIRMATION, FULL, INVENTORY, PRESETS
from integration_manager.kit.errors import Unmappable
from integration_manager.kit.folder import Entry
from integration_manager.kit.folder_system import FolderSystem, delimiter_of, file_name
from integration_manager.kit.inbox import BadRow, pages
from integration_manager.kit.reading import Reader

T = TypeVar("T")
LONGEST_NUMBER = 45  # characters of an order number, as the public API has it
SHORT = 16  # characters of the short reference
ZIP_AS_GIVEN = "ZIP in the file"
# Countries where an address without state and ZIP cannot be delivered to.
NEED_STATE = ("US", "CA", "AU")
OF_LINE = ("item", "quantity", "description", "price", "line_item_id", "line_comment")
KNOWN = frozenset(column.field for column in FULL.columns)


class CsvCart(FolderSystem, CartConnector):
    """Orders from CSV files in a folder, one item a row; confirmations and stock as files back."""

    key = "csv_cart"
    label = "CSV files"
    renders = ("confirmations", "inventory")
    places: ClassVar[dict[str, str]] = {
        "orders": "orders_dir",
        "confirmations": "confirmations_dir",
        "inventory": "inventory_dir",
    }
    guide = (
        "The SFTP server is yours or your provider's; we log in to it. The user needs the right to write, rename"
        " and delete in the directories below. Missing ones are made by the connection test."
    )

    orders_dir = Field("Directory for orders (we read)", default="orders")
    confirmations_dir = Field("Directory for confirmations (we write)", default="confirmations")
    inventory_dir = Field("Directory for inventory (we write)", default="inventory")
    format = Field(
        "CSV file format",
        kind="choice",
        choices=tuple((p.key, p.label) for p in PRESETS.values() if p.kind == "orders"),
        default="simple",
        option=True,
    )
    dates = Field("Dates are written", kind="choice", choices=csvcells.DATE_ORDERS, default="mdy", option=True)

    def orders(self, since: datetime) -> Iterator[Page]:
        """The orders of every whole file. `since` plays no part: what lies there was not read yet."""
        options = self.options()

        def build(records: list[Record], entry: Entry) -> dict[str, Any]:
            raw = {
                "file": entry.name,
                "modified": entry.modified.isoformat(),
                "lines": [record.line for record in records],
                "rows": [record.cells for record in records],
            }
            to_order(raw, options)  # what cannot become an order is refused here, where the row is known
            return raw

        preset, names = PRESETS[str(self.format)], ("order number", "order")
        return pages(self.inbox("orders"), preset, _number, build, names=names, header=bool(self.header))

    @classmethod
    def render(cls, kind: str, items: Sequence[Any], stamp: str, options: Mapping[str, Any]) -> tuple[str, bytes]:
        """Confirmations: items are (order with cust_ref, cust_po_no; Shipment). Inventory: Stock."""
        if kind == "confirmations":
            rows = [row for order, shipment in items for row in _confirmation(order, shipment)]
            return file_name(kind, stamp), written(CONFIRMATION, rows, delimiter_of(options))
        return file_name(kind, stamp), written(INVENTORY, map(_level, items), delimiter_of(options))


# ── files that go out ──


def _confirmation(order: Mapping[str, Any], shipment: Shipment) -> Iterator[dict[str, str]]:
    """The rows of one parcel: one for each item, or one without items where it holds the whole order."""
    head = {
        "cust_ref": str(order.get("cust_ref") or ""),
        "cust_po_no": str(order.get("cust_po_no") or ""),
        "carrier": shipment.carrier or "",
        "ship_code": shipment.method or "",
        "tracking_no": shipment.tracking_no or "",
        "tracking_url": shipment.tracking_url or "",
        "date": _time(shipment.shipped_at),
        "package_weight_lbs": _plain(shipment.weight_lbs),
        "total_cost": _plain(shipment.total_cost),
    }
    if not shipment.lines:
        yield head
    for line in shipment.lines:
        yield {
            **head,
            "item": line.item,
            "quantity": _plain(line.quantity),
            "lot_number": line.lot_number or "",
            "serial_no": line.serial_no or "",
        }


def _level(stock: Stock) -> dict[str, str]:
    return {
        "sku": stock.sku,
        "warehouse": stock.warehouse,
        "available": _plain(stock.available),
        "on_hand": _plain(stock.on_hand),
        "at": _time(stock.at),
    }


def _plain(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else ""


# ── the mapping ──


def _number(cells: Mapping[str, str]) -> str:
    return cells.get("cust_ref", "")


def key_of(raw: Any) -> str:
    """The order number. Raises Unmappable without one."""
    rows = _rows(raw)
    return rows[0].need("cust_ref")


def to_order(raw: Any, options: Mapping[str, Any]) -> Order:
    """The rows of one order as an order. Raises Unmappable (BadRow: with the row it is about)."""
    order = _Rows(_rows(raw), str(options.get("dates") or "mdy"))
    number = key_of(raw)
    if len(number) > LONGEST_NUMBER:
        raise BadRow(0, "cust_ref", f"an order number has at most {LONGEST_NUMBER} characters")
    ship, note = _ship_to(order)
    text = order.head.get
    return Order(
        cart_key=number,
        cust_ref=short(number),
        cust_po_no=text("cust_po_no") or number,
        order_date=order.value("order_date", order.day) or _file_day(raw),
        source_state=SourceState.ELIGIBLE,
        lines=tuple(order.lines()),
        ship=ship,
        bill=_address(order, "cust"),
        modified_at=Reader(raw).when("modified"),
        order_source=text("order_source"),
        customer_id=text("customer_id"),
        carrier=text("carrier"),
        ship_code=text("ship_code"),
        ship_code_description=text("ship_code_description"),
        requested_ship_date=order.value("requested_ship_date", order.day),
        latest_ship_date=order.value("latest_ship_date", order.day),
        shipping_instructions=text("shipping_instructions"),
        gift_message=text("gift_message"),
        ship_account_no=text("ship_account_no"),
        currency_code=text("currency_code"),
        location=text("location"),
        sub_total=order.value("sub_total", csvcells.number),
        order_discount=order.value("order_discount", csvcells.number),
        sales_tax=order.value("sales_tax", csvcells.number),
        shipping_handling=order.value("shipping_handling", csvcells.number),
        grand_total=order.value("grand_total", csvcells.number),
        extra_fields=note,
    )


def short(number: str) -> str:
    """The short reference of an order number: itself where it fits, else its beginning and a hash."""
    if len(number) <= SHORT:
        return number
    return f"{number[:7]}-{hashlib.sha256(number.encode()).hexdigest()[:8]}"


def _rows(raw: Any) -> list[Reader]:
    rows = raw.get("rows") if isinstance(raw, dict) else None
    if not isinstance(rows, list) or not rows:
        raise Unmappable("rows", "there are none")
    return [Reader(row) for row in rows]


def _file_day(raw: Any) -> date:
    """The day of the file, for an order without a date of its own."""
    at = Reader(raw).when("modified")
    if at is None:
        raise BadRow(0, "order_date", "it is missing")
    return at.date()


class _Rows:
    """The rows of one order: what belongs to the order stands in the first, and may be repeated."""

    def __init__(self, rows: list[Reader], dates: str) -> None:
        """Raises BadRow where two rows say different things: nobody knows which one is meant."""
        self.dates = dates
        self.head: dict[str, str] = {}
        self.rows: list[dict[str, str]] = []
        for index, row in enumerate(rows):
            cells = {name: text for name in row.raw if name in KNOWN and (text := _text(row, index, name))}
            self.rows.append(cells)
            for name, text in cells.items():
                known = self.head.setdefault(name, text)
                if name not in OF_LINE and known != text and known.casefold() != text.casefold():
                    why = f"it is {text[:60]!r} here, and {known[:60]!r} in a row before"
                    raise BadRow(index, name, why)

    def need(self, field: str) -> str:
        """A field of the order that must be there."""
        text = self.head.get(field)
        if text is None:
            raise BadRow(0, field, "it is missing")
        return text

    def value(self, field: str, read: Callable[[str], T]) -> T | None:
        """A field of the order that is no text."""
        text = self.head.get(field)
        return None if text is None else _read(0, field, text, read)

    def day(self, text: str) -> date:
        """A date in the file's way."""
        return csvcells.day(text, self.dates)

    def lines(self) -> Iterator[Line]:
        """The lines: one for each row."""
        seen: set[str] = set()
        for index, cells in enumerate(self.rows):
            for name in ("item", "quantity"):
                if name not in cells:
                    raise BadRow(index, name, "it is missing")
            line_id = cells.get("line_item_id") or str(index + 1)
            if line_id in seen:
                raise BadRow(index, "line_item_id", f"{line_id[:40]!r} stands in two rows of the order")
            seen.add(line_id)
            yield Line(
                line_id=line_id,
                item=cells["item"],
                quantity=_read(index, "quantity", cells["quantity"], csvcells.quantity),
                description=cells.get("description"),
                price=_read(index, "price", cells["price"], csvcells.number) if "price" in cells else None,
                line_comment=cells.get("line_comment"),
            )


def _address(order: _Rows, side: str) -> Address:
    text = order.head.get
    known = {name: text(f"{side}_{name}") for name in ADDRESS}
    if known.get("country"):
        known["country"] = _read(0, f"{side}_country", str(known["country"]), csvcells.country)
    return Address(**known)


def _ship_to(order: _Rows) -> tuple[Address, dict[str, str]]:
    """The address to ship to, and a note of what was repaired in it."""
    for name in ("ship_address_1", "ship_city", "ship_country"):
        order.need(name)
    address = _address(order, "ship")
    if not address.name:
        raise BadRow(0, "name", "a company or a person's name is needed")
    if address.country in NEED_STATE:
        order.need("ship_state")
        order.need("ship_zip")
    given = address.zip or ""
    whole = _with_zero(given) if address.country == "US" else given
    if whole == given:
        return address, {}
    # Spreadsheets take a ZIP for a number; five digits less their leading zeros can mean only one.
    fields = {name: getattr(address, name) for name in Address.__dataclass_fields__}
    return Address(**{**fields, "zip": whole}), {ZIP_AS_GIVEN: given}


def _with_zero(given: str) -> str:
    """A US ZIP code with the leading zeros that it lost."""
    first, dash, rest = given.partition("-")
    if first.isascii() and first.isdigit() and len(first) in (3, 4) and (not dash or len(rest) == 4):
        return first.zfill(5) + dash + rest
    return given


def _text(row: Reader, index: int, field: str) -> str:
    value = row.raw[field]
    if isinstance(value, str) and value.isprintable():
        return value.strip()  # as nearly all are; a file has millions of them
    try:
        return row.text(field) or ""
    except Unmappable as error:
        raise BadRow(index, error.field, error.why) from None


def _read(index: int, field: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise BadRow(index, field, str(error)) from None
