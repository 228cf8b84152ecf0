"""CSV files as an order source: orders and products come in as files, confirmations and inventory go out as files."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from integration_manager.kit import csvcells
from integration_manager.kit.canonical import Order, Product, PurchaseOrder, Shipment, Stock, to_json
from integration_manager.kit.connector import CartConnector, Field, Page
from integration_manager.kit.csvfile import Record
from integration_manager.kit.csvorders import SIDES, Mapped
from integration_manager.kit.csvorders import key_of as key_of
from integration_manager.kit.csvorders import to_order as to_order
from integration_manager.kit.csvproducts import to_product
from integration_manager.kit.csvpurchases import receipt_rows, to_purchase
from integration_manager.kit.csvwriting import written
from integration_manager.kit.folder import Entry
from integration_manager.kit.folder_places import FILES
from integration_manager.kit.folder_system import FolderSystem, file_name
from integration_manager.kit.inbox import BadRow, pages, parts
from integration_manager.kit.reading import Reader

T = TypeVar("T")
LONGEST_NUMBER = 45  # characters of an order number, as the public API has it
SHORT = 16  # characters of the short reference
ZIP_AS_GIVEN = "ZIP in the file"
# Countries where an address without state and ZIP cannot be delivered to.
NEED_STATE = ("US", "CA", "AU")
SIDES = {side: [(name, f"{side}_{name}") for name in ADDRESS] for side in ("ship", "cust")}
# What our fields are called in an order, in its addresses and in its lines; and how what is no text is read.
ADDRESSES = {field: (side, name) for side, fields in SIDES.items() for name, field in fields}
ADDRESSES["ship_address_type"] = ("ship", "address_type")
DAYS = ("order_date", "requested_ship_date", "expected_delivery_date", "latest_ship_date")
SUMS = ("weight", "sub_total", "order_discount", "sales_tax", "shipping_handling", "grand_total")
TEXTS = frozenset(
    name
    for name, field in FIELDS["orders"].items()
    if field.of == "order" and field.only != "out" and name not in (*ADDRESSES, *DAYS, *SUMS, "cust_ref", "cust_po_no")
)
OF_LINE = {name: name for name, field in FIELDS["orders"].items() if field.of == "item"}
OF_LINE |= {"line_item_id": "line_id", "line_location": "location"}
NUMBERS = {"quantity": csvcells.quantity} | dict.fromkeys(
    ("price", "discount", "addl_discount", "tax", "shipping_surcharge"), csvcells.number
)
# Whether what a column says is one of the item, or of the whole order.
OF_THE_ITEM = {name: name in OF_LINE for name in FIELDS["orders"]}


class CsvCart(FolderSystem, CartConnector):
    """Orders from CSV files in a folder; confirmations and stock as files back."""

    key = "csv_cart"
    label = "CSV files"
    renders = ("confirmations", "inventory", "receipts")
    places: ClassVar[dict[str, str]] = {
        "orders": "orders_dir",
        "confirmations": "confirmations_dir",
        "inventory": "inventory_dir",
        "products": "products_dir",
        "purchases": "purchases_dir",
        "receipts": "receipts_dir",
    }
    guide = (
        "A file server is yours or your provider's; we log in to it. The user needs the right to write, rename and"
        " delete in the directories below. Missing ones are made by the connection test. By e-mail orders come as"
        " attachments to a mailbox of their own, and confirmations and inventory go out as mails."
    )

    orders_dir = Field("Directory for orders (we read)", default="orders", when=("place", FILES))
    confirmations_dir = Field("Directory for confirmations (we write)", default="confirmations", when=("place", FILES))
    inventory_dir = Field("Directory for inventory (we write)", default="inventory", when=("place", FILES))
    products_dir = Field("Directory for products (we read)", default="products", when=("place", FILES))
    purchases_dir = Field("Directory for purchase orders (we read)", default="purchase-orders", when=("place", FILES))
    receipts_dir = Field("Directory for receipts (we write)", default="receipts", when=("place", FILES))
    orders_subject = Field(
        "Subject of orders",
        required=False,
        when=("place", ("email",)),
        help="Only mails with this in their subject bring orders. Empty: all mails of the allowed senders.",
    )
    products_subject = Field(
        "Subject of products",
        required=False,
        when=("place", ("email",)),
        help="Mails with this in their subject bring products; orders need words of their own then. Empty: none do.",
    )
    purchases_subject = Field(
        "Subject of purchase orders",
        required=False,
        when=("place", ("email",)),
        help="The same for purchase orders. Empty: no mails bring any.",
    )
    format = Field("Format of order files", kind="format", files="orders", default="simple", option=True)
    confirmation_format = Field(
        "Format of confirmation files", kind="format", files="confirmations", default="confirmation", option=True
    )
    inventory_format = Field(
        "Format of inventory files", kind="format", files="inventory", default="inventory", option=True
    )
    product_format = Field("Format of product files", kind="format", files="products", default="products", option=True)
    purchase_format = Field(
        "Format of purchase order files", kind="format", files="purchases", default="purchases", option=True
    )
    receipt_format = Field("Format of receipt files", kind="format", files="receipts", default="receipts", option=True)
    dates = Field("Dates are written", kind="choice", choices=csvcells.DATE_ORDERS, default="mdy", option=True)

    def orders(self, since: datetime) -> Iterator[Page]:
        """The orders of every whole file. `since` plays no part: what lies there was not read yet."""
        options = self.options()

        def build(records: list[Record], entry: Entry) -> dict[str, Any]:
            rows = parts(records)
            raw = Mapped(
                file=entry.name,
                modified=_iso(entry.modified),
                lines=[record.line for record, _ in rows],
                rows=[cells for _, cells in rows],
            )
            # What cannot become an order is refused here, where the row is known.
            raw.means = options, _order(raw["rows"], raw, options)
            if self.reading is not None:
                raw.read = self.reading(raw)
            return raw

        form = self.format_of("orders", options)
        return pages(self.inbox("orders"), form, ("cust_ref",), build, names=("order number", "order"))

    def products(self, since: datetime) -> Iterator[Page]:
        """The products of every whole file. `since` plays no part."""
        if self.posts and "products" not in self.subjects():
            return

        def build(records: list[Record], entry: Entry) -> Product:
            return to_product([cells for _, cells in parts(records)], entry.modified)

        form = self.format_of("products", self.options())
        yield from pages(self.inbox("products"), form, ("sku",), build, names=("SKU", "product"))

    def purchase_orders(self, since: datetime) -> Iterator[Page]:
        """The purchase orders of every whole file. `since` plays no part."""
        if self.posts and "purchases" not in self.subjects():
            return
        options = self.options()

        def build(records: list[Record], entry: Entry) -> PurchaseOrder:
            return to_purchase([cells for _, cells in parts(records)], entry.modified, options)

        form, names = self.format_of("purchases", options), ("purchase order number", "purchase order")
        yield from pages(self.inbox("purchases"), form, ("number",), build, names=names)

    def subjects(self) -> dict[str, str]:
        """Mails bring products and purchase orders only where somebody has said which ones."""
        return {kind: words for kind, words in super().subjects().items() if words or kind == "orders"}

    def place_tests(self, orders: Sequence[Order]) -> list[Any]:
        """As if a file had brought them; there is nowhere else that they would have to be."""
        return [
            {"file": "Test orders", "modified": to_json(order)["ordered_at"], "rows": rows(order)} for order in orders
        ]

    @classmethod
    def render(cls, kind: str, items: Sequence[Any], stamp: str, options: Mapping[str, Any]) -> tuple[str, bytes]:
        """Confirmations: items are (order with cust_ref, cust_po_no; Shipment). Inventory: Stock.

        Receipts: (number of the purchase order; Receipt).
        """
        if kind == "receipts":
            records = [receipt_rows(number, receipt) for number, receipt in items]
            return file_name(kind, stamp), written(cls.format_of("receipts", options), records)
        if kind == "confirmations":
            records = [confirmation(order, shipment) for order, shipment in items]
            return file_name(kind, stamp), written(cls.format_of("confirmations", options), records)
        return file_name(kind, stamp), written(cls.format_of("inventory", options), map(level, items))


# ── files that go out ──


def confirmation(order: Mapping[str, Any], shipment: Shipment) -> list[dict[str, str]]:
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
    return [
        {
            **head,
            "item": line.item,
            "quantity": _count(line.quantity),
            "lot_number": line.lot_number or "",
            "serial_no": line.serial_no or "",
        }
        for line in shipment.lines
    ] or [head]


def level(stock: Stock) -> list[dict[str, str]]:
    """The row of one level."""
    row = {
        "sku": stock.sku,
        "warehouse": stock.warehouse,
        "available": _count(stock.available),
        "on_hand": _count(stock.on_hand),
        "at": _time(stock.at),
    }
    return [row]


def _count(value: Decimal | None) -> str:
    """A quantity without the zeros that the database keeps behind the point."""
    text = _plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat() if at else ""


def rows(order: Order) -> list[dict[str, str]]:
    """An order as the rows of a file, in the names of our fields."""
    head = {"cust_ref": order.cust_po_no, "ship_code": order.ship_code, "currency_code": order.currency_code}
    head |= {field: getattr(order.ship, name) for name, field in SIDES["ship"]}
    lines = [
        {
            "item": line.item,
            "quantity": _count(line.quantity),
            "description": line.description,
            "price": _plain(line.price),
        }
        for line in order.lines
    ]
    return [{name: value for name, value in {**head, **line}.items() if value} for line in lines]


# ── the mapping ──


class Mapped(dict[str, Any]):
    """A raw order, and what it means with which options: a file has many, and is read for that already."""

    means: tuple[Mapping[str, Any], Order] | None = None
    read: Any = None  # what the engine made of it


def key_of(raw: Any) -> str:
    """The order number. Raises Unmappable without one."""
    if isinstance(raw, Mapped) and raw.means:
        return raw.means[1].cart_key
    return Reader(_checked(raw)[0]).need("cust_ref")


def to_order(raw: Any, options: Mapping[str, Any]) -> Order:
    """The rows of one order as an order. Raises Unmappable (BadRow: with the row it is about)."""
    if isinstance(raw, Mapped) and raw.means and raw.means[0] == options:
        return raw.means[1]
    return _order(_checked(raw), raw, options)


def _order(rows: list[dict[str, str]], raw: Any, options: Mapping[str, Any]) -> Order:
    """The same of rows that are known to be text, trimmed, without empty cells."""
    order = _Rows(rows, str(options.get("dates") or "mdy"))
    number = order.need("cust_ref")
    if len(number) > LONGEST_NUMBER:
        raise BadRow(0, "cust_ref", f"an order number has at most {LONGEST_NUMBER} characters")
    ship, note = _ship_to(order)
    lines = tuple(order.lines())
    known: dict[str, Any] = {name: text for name, text in order.head.items() if name in TEXTS}
    known |= order.values(DAYS, order.day) | order.values(SUMS, csvcells.number)
    if "order_date" not in known:
        known["order_date"] = _file_day(raw)
    return Order(
        cart_key=number,
        cust_ref=short(number),
        cust_po_no=order.head.get("cust_po_no") or number,
        source_state=SourceState.ELIGIBLE,
        lines=lines,
        ship=ship,
        bill=_address(order, "cust"),
        modified_at=_modified(raw),
        extra_fields=order.extra_fields | note,
        **known,
    )


def short(number: str) -> str:
    """The short reference of an order number: itself where it fits, else its beginning and a hash."""
    if len(number) <= SHORT:
        return number
    return f"{number[:7]}-{hashlib.sha256(number.encode()).hexdigest()[:8]}"


def _checked(raw: Any) -> list[dict[str, str]]:
    """The rows of a raw order that may be anything, as text, trimmed, without empty cells."""
    rows = raw.get("rows") if isinstance(raw, dict) else None
    if not isinstance(rows, list) or not rows:
        raise Unmappable("rows", "there are none")
    found = [Reader(row) for row in rows]
    return [{name: text for name in row.raw if (text := _text(row, index, name))} for index, row in enumerate(found)]


_iso = lru_cache(100)(datetime.isoformat)  # all orders of a file have the same


@lru_cache(100)
def _moment(text: str) -> datetime | None:
    return Reader({"modified": text}).when("modified")


def _modified(raw: Any) -> datetime | None:
    """When the file was written."""
    value = raw.get("modified")
    return _moment(value) if isinstance(value, str) else Reader(raw).when("modified")


def _file_day(raw: Any) -> date:
    """The day of the file, for an order without a date of its own."""
    at = _modified(raw)
    if at is None:
        raise BadRow(0, "order_date", "it is missing")
    return at.date()


class _Rows:
    """The rows of one order: what belongs to the order stands in the first, and may be repeated."""

    def __init__(self, rows: list[dict[str, str]], dates: str) -> None:
        """Raises BadRow where two rows say different things: nobody knows which one is meant."""
        self.dates = dates
        self.head: dict[str, str] = {}
        self.sides: dict[str, dict[str, str]] = {"ship": {}, "cust": {}}
        self.rows: list[dict[str, str]] = []  # what each says of its item
        self.extra_fields: dict[str, str] = {}
        self.of_items: list[dict[str, str]] = []  # the extra fields of each row
        said: dict[str, str] = {}  # of the whole order, by the rows so far
        for index, row in enumerate(rows):
            # Nearly all is plain text, and most rows repeat what the first says: a file has millions of cells.
            cells = row if "".join(row.values()).isprintable() else _clean(row, index)
            items: dict[str, str] = {}
            more: dict[str, str] = {}
            self.rows.append(items)
            self.of_items.append(more)
            for name, text in cells.items():
                if said.get(name) == text:
                    continue
                of_item = OF_THE_ITEM.get(name)
                if of_item:
                    items[name] = text
                elif of_item is None and name.startswith(ITEM_EXTRA):
                    more[name[len(ITEM_EXTRA) :]] = text
                elif name in said:
                    self._agreed(index, name, said[name], text)
                else:
                    said[name] = text
                    if name in ADDRESSES:
                        side, part = ADDRESSES[name]
                        self.sides[side][part] = text
                    elif of_item is not None:
                        self.head[name] = text
                    elif name.startswith(ORDER_EXTRA):
                        self.extra_fields[name[len(ORDER_EXTRA) :]] = text

    def _agreed(self, index: int, name: str, known: str, text: str) -> None:
        if known.casefold() != text.casefold():
            raise BadRow(index, name, f"it is {text[:60]!r} here, and {known[:60]!r} in a row before")

    def need(self, field: str) -> str:
        """A field of the order that must be there."""
        side, name = ADDRESSES.get(field, ("", field))
        text = (self.sides[side] if side else self.head).get(name)
        if text is None:
            raise BadRow(0, field, "it is missing")
        return text

    def values(self, fields: Sequence[str], read: Callable[[str], T]) -> dict[str, T]:
        """Those of some fields of the order that are there, where they are no text."""
        head = self.head
        return {field: _read(0, field, head[field], read) for field in fields if field in head}

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
            known: dict[str, Any] = {OF_LINE[name]: text for name, text in cells.items()}
            line_id = known.setdefault("line_id", str(index + 1))
            if line_id in seen:
                raise BadRow(index, "line_item_id", f"{line_id[:40]!r} stands in two rows of the order")
            seen.add(line_id)
            for name in cells.keys() & NUMBERS:
                known[name] = _read(index, name, cells[name], NUMBERS[name])
            yield Line(extra_fields=self.of_items[index], **known)


def _address(order: _Rows, side: str) -> Address:
    known = order.sides[side]
    if "country" in known:
        known = {**known, "country": _read(0, f"{side}_country", known["country"], csvcells.country)}
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
    return replace(address, zip=whole), {ZIP_AS_GIVEN: given}


def _with_zero(given: str) -> str:
    """A US ZIP code with the leading zeros that it lost."""
    first, dash, rest = given.partition("-")
    if first.isascii() and first.isdigit() and len(first) in (3, 4) and (not dash or len(rest) == 4):
        return first.zfill(5) + dash + rest
    return given


def _clean(row: dict[str, str], index: int) -> dict[str, str]:
    """A row without what no database can store."""
    reader = Reader(row)
    return {name: text for name in row if (text := _text(reader, index, name))}


def _text(row: Reader, index: int, field: str) -> str:
    try:
        return row.text(field) or ""
    except Unmappable as error:
        raise BadRow(index, error.field, error.why) from None


def _read(index: int, field: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise BadRow(index, field, str(error)) from None
