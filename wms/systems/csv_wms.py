"""CSV files as a WMS: orders and products go out as files, confirmations and inventory come in as files."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from integration_manager.kit import csvcells
from integration_manager.kit.canonical import (
    Line,
    Prepared,
    PreparedLine,
    Product,
    Receipt,
    Shipment,
    ShipmentLine,
    Stock,
)
from integration_manager.kit.connector import Field, Page, WmsConnector
from integration_manager.kit.csvfile import Record
from integration_manager.kit.csvproducts import product_rows, to_listed
from integration_manager.kit.csvpurchases import purchase_rows, to_receipt
from integration_manager.kit.csvwriting import written
from integration_manager.kit.file_pages import BadRow, pages, parts
from integration_manager.kit.filefields import ADDRESS, ITEM_EXTRA, ORDER_EXTRA
from integration_manager.kit.folder import Entry, Missing, entered
from integration_manager.kit.folder_places import FILES
from integration_manager.kit.folder_system import FolderSystem, file_name

T = TypeVar("T")
ORDER_FIELDS = (  # what goes out as the order has it
    "order_source",
    "order_date",
    "requested_ship_date",
    "latest_ship_date",
    "expected_delivery_date",
    "ship_code_description",
    "customer_id",
    "shipping_instructions",
    "gift_message",
    "ship_account_no",
    "ship_account_zip",
    "location",
    "weight",
    "currency_code",
    "pay_type",
    "promo_code",
    "sub_total",
    "order_discount",
    "sales_tax",
    "shipping_handling",
    "grand_total",
)
# What goes out as the order's line has it; item, quantity, description and price are as prepared.
SHARED = ("discount", "addl_discount", "tax", "shipping_surcharge")
LINE_FIELDS = (*SHARED, "line_comment", "alt_sku", "lot_number")


class CsvWms(FolderSystem, WmsConnector):
    """A warehouse that takes orders as CSV files and leaves confirmations and stock as CSV files."""

    key = "csv_wms"
    label = "CSV files"
    renders = ("orders", "products", "purchases")
    tells_aliases = True
    ref_scope = "account"  # merchants may share the directories
    places: ClassVar[dict[str, str]] = {
        "orders": "orders_dir",
        "confirmations": "confirmations_dir",
        "inventory": "inventory_dir",
        "products": "products_dir",
        "catalog": "catalog_dir",
        "purchases": "purchases_dir",
        "receipts": "receipts_dir",
    }
    guide = (
        "A file server is the warehouse's or your own; we log in to it. The user needs the right to write, rename"
        " and delete in the directories below. Missing ones are made by the connection test. By e-mail every file"
        " of orders is a mail to the warehouse, and its answers come to a mailbox of their own."
    )

    orders_dir = Field("Directory for orders (we write)", default="orders", when=("place", FILES))
    confirmations_dir = Field("Directory for confirmations (we read)", default="confirmations", when=("place", FILES))
    inventory_dir = Field("Directory for inventory (we read)", default="inventory", when=("place", FILES))
    products_dir = Field("Directory for products (we write)", default="products", when=("place", FILES))
    catalog_dir = Field("Directory for the product list (we read)", default="product-list", when=("place", FILES))
    purchases_dir = Field("Directory for purchase orders (we write)", default="purchase-orders", when=("place", FILES))
    receipts_dir = Field("Directory for receipts (we read)", default="receipts", when=("place", FILES))
    confirmations_subject = Field(
        "Subject of confirmations",
        default="confirmation",
        when=("place", ("email",)),
        help="Mails with this in their subject, and with the merchant's directory's name, bring confirmations.",
    )
    inventory_subject = Field(
        "Subject of inventory",
        default="inventory",
        when=("place", ("email",)),
        help="Mails with this in their subject, and with the merchant's directory's name, bring inventory.",
    )
    receipts_subject = Field(
        "Subject of receipts",
        default="receipt",
        when=("place", ("email",)),
        help="Mails with this in their subject, and with the merchant's directory's name, bring receipts.",
    )
    catalog_subject = Field(
        "Subject of product lists",
        required=False,
        when=("place", ("email",)),
        help="The same for the list of the warehouse’s products. Empty: no mails bring one.",
    )
    client_dir = Field(
        "Directory of this merchant",
        level="merchant",
        help="Each merchant has a directory of its own, so that their files do not mix. It is combined with the"
        " directories of the WMS Setup. With one merchant only: a dot.",
        example="ACME",
    )
    directory_order = Field(
        "Directory order",
        kind="choice",
        choices=(
            ("client_first", "merchant, then kind: ACME/orders"),
            ("kind_first", "kind, then merchant: orders/ACME"),
        ),
        default="client_first",
        option=True,
        when=("place", FILES),
    )
    order_format = Field("Format of order files", kind="format", files="orders", default="full", option=True)
    confirmation_format = Field(
        "Format of confirmation files", kind="format", files="confirmations", default="confirmation", option=True
    )
    inventory_format = Field(
        "Format of inventory files", kind="format", files="inventory", default="inventory", option=True
    )
    product_format = Field("Format of product files", kind="format", files="products", default="products", option=True)
    catalog_format = Field(
        "Format of the product list",
        kind="format",
        files="catalog",
        default="catalog",
        option=True,
        help="What the warehouse says of its products: SKU, name, barcode, and other codes in rows of their own.",
    )
    purchase_format = Field(
        "Format of purchase order files", kind="format", files="purchases", default="purchases", option=True
    )
    receipt_format = Field("Format of receipt files", kind="format", files="receipts", default="receipts", option=True)
    dates = Field("Dates are written", kind="choice", choices=csvcells.DATE_ORDERS, default="mdy", option=True)

    def where(self, directory: str) -> str:
        """The path of a directory, of this merchant where it has its own."""
        if self.posts:
            return super().where(directory)
        parts = [str(self.client_dir or ""), directory]
        if self.directory_order == "kind_first":
            parts.reverse()
        return entered(str(self.directory or ""), *parts)

    def mail_names(self) -> list[str]:
        """Mails are this merchant's where its directory's name is in the subject."""
        name = str(self.client_dir or "").strip()
        return [] if name in ("", ".") else [name]

    def shipments(self, since: datetime) -> Iterator[Page]:
        """The parcels of every whole confirmation file. `since` plays no part."""

        def build(records: list[Record], entry: Entry) -> Shipment:
            return to_shipment([cells for _, cells in parts(records)], entry.modified, self.options())

        form = self.format_of("confirmations", self.options())
        return pages(
            self.inbox("confirmations"), form, ("cust_ref", "tracking_no"), build, names=("order number", "parcel")
        )

    def stock(self, since: datetime | None) -> Iterator[Page]:
        """The levels of every whole inventory file, oldest first. `since` plays no part."""

        def build(records: list[Record], entry: Entry) -> Stock:
            return to_stock([cells for _, cells in parts(records)], entry.modified, self.options())

        form = self.format_of("inventory", self.options())
        return pages(self.inbox("inventory"), form, ("sku", "warehouse"), build, names=("SKU", "SKU"))

    def products(self, since: datetime | None) -> Iterator[Page]:
        """The products of every whole product list. `since` plays no part."""
        if self.posts and "catalog" not in self.subjects() and self.uploads is None:
            return

        def build(records: list[Record], entry: Entry) -> Product:
            return to_listed([cells for _, cells in parts(records)], entry.modified)

        form = self.format_of("catalog", self.options())
        try:
            yield from pages(self.inbox("catalog"), form, ("sku",), build, names=("SKU", "product"))
        except Missing:
            return  # a warehouse that leaves no such list need not have its directory

    def subjects(self) -> dict[str, str]:
        """Mails bring product lists only where somebody has said which ones."""
        return {kind: words for kind, words in super().subjects().items() if words or kind != "catalog"}

    def receipts(self, since: datetime) -> Iterator[Page]:
        """What has come, by every whole file of receipts. `since` plays no part."""

        def build(records: list[Record], entry: Entry) -> Receipt:
            return to_receipt([cells for _, cells in parts(records)], entry.modified, self.options())

        form, names = self.format_of("receipts", self.options()), ("purchase order number", "receipt")
        return pages(self.inbox("receipts"), form, ("number",), build, names=names)

    @classmethod
    def render(cls, kind: str, items: Sequence[Any], stamp: str, options: Mapping[str, Any]) -> tuple[str, bytes]:
        """A file of orders (items are Prepared), of products, or of purchase orders, each with our reference."""
        if kind == "purchases":
            wanted = [purchase_rows(order, ref) for order, ref in items]
            return file_name(kind, stamp), written(cls.format_of("purchases", options), wanted)
        if kind == "products":
            return file_name(kind, stamp), written(cls.format_of("products", options), map(product_rows, items))
        records = [payload(prepared)["rows"] for prepared in items]
        return file_name(kind, stamp), written(cls.format_of("orders", options), records)


def payload(prepared: Prepared) -> dict[str, Any]:
    """The rows of one order: text by field of the order formats."""
    order = prepared.order
    head: dict[str, Any] = {
        "cust_ref": prepared.wms_ref,
        "cust_po_no": order.cust_po_no,
        "merchant_code": prepared.merchant_code,
        "carrier": prepared.carrier,
        "ship_code": prepared.ship_code,
    }
    head |= {name: getattr(order, name) for name in ORDER_FIELDS}
    for side, address in (("ship", order.ship), ("cust", order.bill)):
        head |= {f"{side}_{name}": getattr(address, name) for name in ADDRESS}
    head["ship_address_type"] = order.ship.address_type
    head |= {f"{ORDER_EXTRA}{name}": text for name, text in order.extra_fields.items()}
    given = {line.line_id: line for line in order.lines}
    rows = [
        {
            **head,
            "line_item_id": line.line_id,
            "item": line.item,
            "quantity": line.quantity,
            "description": line.description,
            "price": line.price,
            **_of_line(line, given.get(line.of or line.line_id)),
            **{f"{ITEM_EXTRA}{name}": text for name, text in line.extra_fields.items()},
        }
        for line in prepared.lines
    ]
    return {"rows": [{name: _text(value) for name, value in row.items() if value is not None} for row in rows]}


def _of_line(sent: PreparedLine, line: Line | None) -> dict[str, Any]:
    """What the source said of a line; nothing of one that the rules have added."""
    if line is None:
        return {}
    if sent.of:  # a component: its share of the money, and what was said of the kit as a whole
        shares = {name: getattr(sent, name) for name in SHARED}
        return shares | {"line_comment": line.line_comment, "line_location": line.location}
    return {name: getattr(line, name) for name in LINE_FIELDS} | {"line_location": line.location}


def _text(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


# ── files that come in ──


def to_shipment(rows: Sequence[Mapping[str, str]], modified: datetime, options: Mapping[str, Any]) -> Shipment:
    """The rows of one parcel. `modified`: the file's time. Raises BadRow.

    A row without an item stands for the whole order; rows with the quantity 0 are left out.
    """
    lines: list[ShipmentLine] = []
    whole = False
    for index, row in enumerate(rows):
        if not row.get("item"):
            if row.get("quantity"):
                raise BadRow(index, "item", "there is a quantity and no item")
            whole = True
            continue
        if not row.get("quantity"):
            raise BadRow(index, "quantity", "it is missing")
        if _read(index, "quantity", row["quantity"], csvcells.number) == 0:
            continue
        quantity = _read(index, "quantity", row["quantity"], csvcells.quantity)
        lines.append(
            ShipmentLine(row["item"], quantity, lot_number=row.get("lot_number"), serial_no=row.get("serial_no"))
        )
    if whole == bool(lines):
        why = "some rows of the parcel have an item and others have none" if whole else "nothing was shipped: qty is 0"
        raise BadRow(0, "item", why)
    first = {name: text for row in reversed(rows) for name, text in row.items()}
    dates = str(options.get("dates") or "mdy")
    shipped = _read(0, "date", first["date"], lambda text: csvcells.moment(text, dates)) if "date" in first else None
    tracking = first.get("tracking_no")
    return Shipment(
        key=tracking or _made_key(first, lines),
        ref=first["cust_ref"],
        carrier=first.get("carrier"),
        method=first.get("ship_code"),
        tracking_no=tracking,
        tracking_url=first.get("tracking_url"),
        shipped_at=shipped,
        modified_at=modified,
        weight_lbs=_number(first, "package_weight_lbs"),
        total_cost=_number(first, "total_cost"),
        lines=tuple(lines),
    )


def _made_key(first: Mapping[str, str], lines: Sequence[ShipmentLine]) -> str:
    """The key of a parcel without a tracking number: the same each time the file is read."""
    content = [first.get(name, "") for name in ("cust_ref", "date", "carrier", "ship_code")]
    content += sorted(f"{line.item}\x1f{line.quantity}" for line in lines)
    return "csv-" + hashlib.sha256("\x1e".join(content).encode()).hexdigest()[:24]


def to_stock(rows: Sequence[Mapping[str, str]], modified: datetime, options: Mapping[str, Any]) -> Stock:
    """The level of one SKU in one warehouse. `modified`: the file's time, unless a row says another.

    Raises BadRow, also where the SKU stands there twice with two levels: nobody knows which one holds.
    """
    first = rows[0]
    for index, row in enumerate(rows):
        if not row.get("available"):
            raise BadRow(index, "available", "it is missing")
        if row["available"] != first["available"]:
            raise BadRow(index, "available", f"it is {row['available']} here, and {first['available']} in a row before")
    dates = str(options.get("dates") or "mdy")
    at = _read(0, "at", first["at"], lambda text: csvcells.moment(text, dates)) if "at" in first else modified
    return Stock(
        sku=first["sku"],
        available=_read(0, "available", first["available"], csvcells.number),
        on_hand=_number(first, "on_hand"),
        warehouse=first.get("warehouse", ""),
        at=at,
    )


def _number(row: Mapping[str, str], field: str) -> Decimal | None:
    return _read(0, field, row[field], csvcells.number) if row.get(field) else None


def _read(index: int, name: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise BadRow(index, name, str(error)) from None
