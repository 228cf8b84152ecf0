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
from integration_manager.kit.csvproducts import product_rows, to_product
from integration_manager.kit.csvpurchases import receipt_rows, to_purchase
from integration_manager.kit.csvwriting import written
from integration_manager.kit.file_pages import pages, parts
from integration_manager.kit.folder import Entry
from integration_manager.kit.folder_places import FILES
from integration_manager.kit.folder_system import FolderSystem, file_name


class CsvCart(FolderSystem, CartConnector):
    """Orders from CSV files in a folder; confirmations and stock as files back."""

    key = "csv_cart"
    label = "CSV files"
    tells_canceled = False
    renders = ("confirmations", "inventory", "catalog", "receipts")
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
        "A file server is yours or your provider's; we log in to it. The user needs the right to write, rename and"
        " delete in the directories below. Missing ones are made by the connection test. By e-mail orders come as"
        " attachments to a mailbox of their own, and confirmations, inventory and new products go out as mails."
    )

    orders_dir = Field("Directory for orders (we read)", default="orders", when=("place", FILES))
    confirmations_dir = Field("Directory for confirmations (we write)", default="confirmations", when=("place", FILES))
    inventory_dir = Field("Directory for inventory (we write)", default="inventory", when=("place", FILES))
    products_dir = Field("Directory for products (we read)", default="products", when=("place", FILES))
    catalog_dir = Field("Directory for new products (we write)", default="new-products", when=("place", FILES))
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
    catalog_format = Field(
        "Format of files of new products",
        kind="format",
        files="catalog",
        default="new_products",
        option=True,
        help="Products of the WMS that are not in the cart yet; they go out where Sync Products To Cart is on.",
    )
    purchase_format = Field(
        "Format of purchase order files", kind="format", files="purchases", default="purchases", option=True
    )
    receipt_format = Field("Format of receipt files", kind="format", files="receipts", default="receipts", option=True)
    dates = Field("Dates are written", kind="choice", choices=csvcells.DATE_ORDERS, default="mdy", option=True)

    def orders(self, since: datetime) -> Iterator[Page]:
        """The orders of every whole file. `since` plays no part: what lies there was not read yet."""
        options = self.options()

        def build(records: list[Record], entry: Entry) -> dict[str, Any]:
            # What cannot become an order is refused here, where the row is known.
            return Mapped(entry.name, entry.modified, parts(records), options)

        form = self.format_of("orders", options)
        names = ("order number", "order")
        return pages(self.inbox("orders"), form, ("cust_ref",), build, names=names, making=self.making)

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

        Receipts: (number of the purchase order; Receipt). Catalog: Product.
        """
        if kind == "catalog":
            records = [product_rows(product) for product in items]
            return file_name("new-products", stamp), written(cls.format_of("catalog", options), records)
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
    return "" if value is None else csvcells.plain(value)


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
