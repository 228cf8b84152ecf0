"""What a column of a file can mean: the fields of the public API's order, shipment and inventory objects."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["orders", "confirmations", "inventory", "products", "catalog", "purchases", "receipts"]
Direction = Literal["in", "out"]

# Fields that the other side names itself follow after these: "order_extra:Gift tag".
ORDER_EXTRA, ITEM_EXTRA = "order_extra:", "item_extra:"
LONGEST_EXTRA = 100  # characters of the name of an extra field


@dataclass(frozen=True, slots=True)
class FileField:
    """One meaning. `of`: whether it belongs to the whole order (parcel) or to one of its items.

    `required`: no file without it. `code`: digits that mean no number (an order number, a ZIP), which
    a spreadsheet likes to spoil. `dated`: a date or a time. `also`: headers it usually goes by, besides
    its name and label; case, spaces and punctuation do not count. `only`: the direction it is for.
    """

    name: str
    label: str
    help: str = ""
    required: bool = False
    of: Literal["order", "item"] = "order"
    code: bool = False
    dated: bool = False
    also: tuple[str, ...] = ()
    only: Direction | Literal[""] = ""

    @property
    def names(self) -> set[str]:
        """The headers that it is recognised by, folded."""
        return {folded(name) for name in (self.name, self.label, *self.also)}


def folded(header: str) -> str:
    """A header without what does not count: "Cust-ref*" and "cust_ref" are the same."""
    return re.sub(r"[^\w]|_", "", header.lower())


# The parts of an address that a file has, called as in `canonical.Address`.
ADDRESS = {
    "company": "company",
    "title": "title",
    "first_name": "first name",
    "last_name": "last name",
    "address_1": "address 1",
    "address_2": "address 2",
    "address_3": "address 3",
    "city": "city",
    "state": "state",
    "zip": "ZIP",
    "country": "country",
    "phone": "phone",
    "e_mail": "e-mail",
}
_ADDRESS_ALSO = {
    "last_name": ("name", "full name", "surname", "contact name"),
    "address_1": ("address", "street", "address line 1", "address1", "street 1"),
    "address_2": ("address line 2", "street 2"),
    "address_3": ("address line 3", "street 3"),
    "city": ("town",),
    "state": ("province", "region", "state code", "province code"),
    "zip": ("zip code", "postal code", "postcode"),
    "country": ("country code",),
    "phone": ("telephone", "phone number"),
    "e_mail": ("email", "email address"),
}
_ADDRESS_HELP = {
    "last_name": "A column with the whole name can be used as well.",
    "country": "Two or three letters, or the English name.",
}


def _address(side: str, label: str, said: tuple[str, ...], required: tuple[str, ...] = ()) -> tuple[FileField, ...]:
    """The fields of one address. `said`: the words that come before a part's name in headers ("" for none)."""
    return tuple(
        FileField(
            f"{side}_{name}",
            f"{label} {text}",
            _ADDRESS_HELP.get(name, ""),
            required=name in required,
            code=name in ("zip", "phone"),
            also=tuple(f"{word} {part}".strip() for word in said for part in (text, *_ADDRESS_ALSO.get(name, ()))),
        )
        for name, text in ADDRESS.items()
    )


_NUMBER = ("order number", "order no", "order nr", "order id", "order", "reference", "order ref")
_ITEM = ("sku", "item number", "item no", "item code", "item sku", "product code", "article", "lineitem sku")
_QUANTITY = ("qty", "quantity ordered", "count", "lineitem quantity")
_DATE = "Year-month-day is always understood."

_ORDERS = (
    FileField("cust_ref", "Order number", "The reference by which we know the order.", True, code=True, also=_NUMBER),
    FileField(
        "cust_po_no",
        "Order number in full",
        "What people see. Without it, it is the order number.",
        code=True,
        also=("po number", "purchase order", "po no"),
    ),
    FileField("merchant_code", "Merchant's code at the WMS", only="out"),
    FileField("record_no", "Running number of the order in the file", only="out"),
    FileField("order_source", "Order source", also=("channel", "source")),
    FileField("order_date", "Order date", _DATE, dated=True, also=("date", "created at", "ordered")),
    FileField("requested_ship_date", "Requested ship date", _DATE, dated=True, also=("ship date", "ship by")),
    FileField("latest_ship_date", "Latest ship date", _DATE, dated=True, also=("ship before", "cancel date")),
    FileField("expected_delivery_date", "Expected delivery date", _DATE, dated=True, also=("delivery date",)),
    FileField("carrier", "Carrier", also=("scac",)),
    FileField(
        "ship_code",
        "Ship code",
        "The shipping method as the cart calls it.",
        also=("shipping method", "ship method", "ship via", "shipping service", "service"),
    ),
    FileField("ship_code_description", "Shipping method in words"),
    *_address(
        "ship",
        "Ship-to",
        ("", "shipping", "ship", "ship to", "delivery", "recipient"),
        required=("address_1", "city", "country"),
    ),
    FileField("ship_address_type", "Address type", "R for residential, C for commercial."),
    *_address("cust", "Bill-to", ("billing", "bill", "bill to", "customer", "cust")),
    FileField("customer_id", "Customer number", code=True, also=("customer id", "customer no")),
    FileField(
        "shipping_instructions",
        "Shipping instructions",
        also=("instructions", "delivery instructions", "notes", "note"),
    ),
    FileField("gift_message", "Gift message"),
    FileField("ship_account_no", "Account at the carrier", code=True, also=("carrier account",)),
    FileField("ship_account_zip", "ZIP of that account", code=True),
    FileField("location", "Warehouse", "The warehouse that the order is to be shipped from."),
    FileField("weight", "Weight"),
    FileField("currency_code", "Currency", also=("currency",)),
    FileField("pay_type", "Way of payment", also=("payment method",)),
    FileField("promo_code", "Promotion code", also=("discount code", "coupon")),
    FileField("sub_total", "Subtotal"),
    FileField("order_discount", "Discount of the order", also=("discount amount",)),
    FileField("sales_tax", "Taxes", also=("tax amount", "taxes", "total tax")),
    FileField("shipping_handling", "Shipping and handling", also=("shipping", "shipping cost")),
    FileField("grand_total", "Total", also=("total amount", "order total")),
    FileField("line_item_id", "Id of the line", "Unique within the order.", of="item", code=True, also=("line id",)),
    FileField("item", "SKU", "", True, "item", code=True, also=_ITEM),
    FileField("quantity", "Quantity", "", True, "item", also=_QUANTITY),
    FileField("description", "Description", of="item", also=("item name", "product name", "lineitem name", "product")),
    FileField("price", "Price of one", "Before taxes.", of="item", also=("unit price", "item price", "lineitem price")),
    FileField("discount", "Discount on one", of="item", also=("item discount",)),
    FileField("addl_discount", "Discount on the line", of="item", also=("line discount",)),
    FileField("tax", "Taxes of the line", of="item", also=("item tax", "line tax")),
    FileField("shipping_surcharge", "Shipping surcharge of the line", of="item"),
    FileField("line_comment", "Comment on the line", of="item", also=("item comment",)),
    FileField("alt_sku", "Other SKU", of="item", code=True),
    FileField("lot_number", "Lot", of="item", code=True, also=("lot", "lot code")),
    FileField("line_location", "Warehouse of the line", of="item"),
)

_CONFIRMATIONS = (
    FileField("cust_ref", "Order number", "Our reference of the order.", True, code=True, also=_NUMBER),
    FileField("cust_po_no", "Order number in full", code=True, also=("po number",)),
    FileField("carrier", "Carrier", also=("scac",)),
    FileField("ship_code", "Shipping method", also=("ship code", "method", "service")),
    FileField(
        "tracking_no",
        "Tracking number",
        "The rows of one order with the same one are one parcel.",
        code=True,
        also=("tracking", "tracking code", "trackingno"),
    ),
    FileField("tracking_url", "Tracking link", also=("tracking url",)),
    FileField("date", "Ship date", _DATE, dated=True, also=("shipped at", "date shipped", "shipped")),
    FileField("package_weight_lbs", "Weight in lbs", also=("weight", "weight_lbs")),
    FileField("total_cost", "Cost", also=("freight", "shipping cost")),
    FileField("item", "SKU", "Without items a parcel holds the whole order.", of="item", code=True, also=_ITEM),
    FileField("quantity", "Quantity", of="item", also=(*_QUANTITY, "quantity shipped", "qty shipped")),
    FileField("lot_number", "Lot", of="item", code=True, also=("lot code",)),
    FileField("serial_no", "Serial number", of="item", code=True, also=("serial",)),
)

_INVENTORY = (
    FileField("sku", "SKU", "", True, "item", code=True, also=_ITEM),
    FileField("warehouse", "Warehouse", of="item", also=("location", "site")),
    FileField("available", "Available", "", True, "item", also=(*_QUANTITY, "quantity", "quantity available", "stock")),
    FileField("on_hand", "On hand", of="item", also=("quantity on hand",)),
    FileField("at", "Time of the count", _DATE, of="item", dated=True, also=("as of", "updated at", "date")),
)

_PRODUCTS = (
    FileField("sku", "SKU", "", True, "item", code=True, also=_ITEM),
    FileField("name", "Name", of="item", also=("product name", "title", "description", "product")),
    FileField("retail_price", "Price", of="item", also=("price", "unit price", "list price")),
    FileField("currency_code", "Currency", of="item", also=("currency",)),
    FileField("weight_lbs", "Weight in lbs", of="item", also=("weight",)),
    FileField("barcode", "Barcode", "UPC or EAN.", of="item", code=True, also=("upc", "ean", "gtin")),
)

# Of the products that a WMS has: it says them, and a cart is told of those that it has not.
_CATALOG = (
    FileField("sku", "SKU", "", True, "item", code=True, also=_ITEM),
    FileField("name", "Name", of="item", also=("product name", "title", "description", "product")),
    FileField("barcode", "Barcode", "UPC or EAN.", of="item", code=True, also=("upc", "ean", "gtin")),
    FileField(
        "alias_name",
        "Alias name",
        "What kind of code the alias is, like ASIN. A product with several has a row for each.",
        of="item",
        also=("alias type", "code type"),
        only="in",
    ),
    FileField("alias_value", "Alias value", "The code.", of="item", code=True, also=("alias", "code"), only="in"),
)

_PURCHASE = ("po number", "purchase order", "purchase order number", "po", "po no", "po id", "asn", "asn number")
_PURCHASES = (
    FileField(
        "number", "Purchase order number", "The reference by which it is known.", True, code=True, also=_PURCHASE
    ),
    FileField("full_number", "Purchase order number in full", "As the cart has it.", code=True, only="out"),
    FileField("status", "Status", "Open, canceled or closed. Without it, it is open."),
    FileField("supplier", "Supplier", also=("vendor", "vendor name", "supplier name")),
    FileField("order_date", "Date of the purchase order", _DATE, dated=True, also=("date", "ordered", "po date")),
    FileField("expected_date", "Expected on", _DATE, dated=True, also=("expected", "eta", "arrival date", "due date")),
    FileField("location", "Warehouse", "Where the goods are to come.", also=("warehouse", "ship to")),
    FileField("currency_code", "Currency", also=("currency",)),
    FileField("note", "Note", also=("notes", "comment", "memo")),
    FileField("line_item_id", "Id of the line", "Unique within it.", of="item", code=True, also=("line id", "line")),
    FileField("item", "SKU", "", True, "item", code=True, also=_ITEM),
    FileField("quantity", "Quantity", "", True, "item", also=(*_QUANTITY, "quantity expected", "qty expected")),
    FileField("description", "Description", of="item", also=("item name", "product name", "product")),
    FileField("cost", "Cost of one", of="item", also=("unit cost", "price", "unit price")),
)

_RECEIPTS = (
    FileField("number", "Purchase order number", "Our reference of it.", True, code=True, also=_PURCHASE),
    FileField("date", "Received on", _DATE, dated=True, also=("received at", "receipt date", "date received")),
    FileField("closed", "Closed", "Yes: nothing more is expected.", also=("complete", "status", "done")),
    FileField("line_item_id", "Id of the line", of="item", code=True, also=("line id", "line")),
    FileField("item", "SKU", "", True, "item", code=True, also=_ITEM),
    FileField(
        "received", "Received in all", "So far, not with this delivery alone.", True, "item",
        also=("quantity received", "qty received", "received quantity", "quantity", "qty"),
    ),
)  # fmt: skip

FIELDS: dict[Kind, dict[str, FileField]] = {
    "orders": {field.name: field for field in _ORDERS},
    "confirmations": {field.name: field for field in _CONFIRMATIONS},
    "inventory": {field.name: field for field in _INVENTORY},
    "products": {field.name: field for field in _PRODUCTS},
    "catalog": {field.name: field for field in _CATALOG},
    "purchases": {field.name: field for field in _PURCHASES},
    "receipts": {field.name: field for field in _RECEIPTS},
}
# Without these a file that goes out is of no use to whoever reads it.
_NEEDED_OUT = {"orders": ("cust_ref", "item", "quantity"), "confirmations": ("cust_ref",)}


def fields_of(kind: Kind, direction: Direction = "in") -> list[FileField]:
    """What a column of such a file may mean, in the order in which people look for it."""
    return [field for field in FIELDS[kind].values() if field.only in ("", direction)]


def is_required(kind: Kind, direction: Direction, name: str) -> bool:
    """Whether a file of this kind is of no use without the field."""
    if direction == "out" and kind in _NEEDED_OUT:
        return name in _NEEDED_OUT[kind]
    return FIELDS[kind][name].required


def extra_name(field: str) -> str:
    """The name of an extra field: "Gift tag" of "order_extra:Gift tag"; "" for another field."""
    return field.partition(":")[2] if field.startswith((ORDER_EXTRA, ITEM_EXTRA)) else ""


def of_item(kind: Kind, field: str) -> bool:
    """Whether a field says something of one item, not of the whole order."""
    if field.startswith((ORDER_EXTRA, ITEM_EXTRA)):
        return field.startswith(ITEM_EXTRA)
    known = FIELDS[kind].get(field)
    return known is not None and known.of == "item"


def label_of(kind: Kind, field: str) -> str:
    """What a field is called for people."""
    name = extra_name(field)
    if name:
        return f"extra {'item' if field.startswith(ITEM_EXTRA) else 'order'} field {name}"
    known = FIELDS[kind].get(field)
    return known.label if known else field


def guess(headers: Sequence[str], kind: Kind, direction: Direction = "in") -> list[list[str]]:
    """What each column of a sample probably means, by its header; an empty list where nothing fits.

    A field is given to one column only, the first that fits. One order number stands for both of ours.
    """
    by_name: dict[str, str] = {}
    known = fields_of(kind, direction)
    for name, field in [(folded(f.name), f) for f in known] + [(name, f) for f in known for name in f.names]:
        by_name.setdefault(name, field.name)
    found: list[list[str]] = []
    taken: set[str] = set()
    for header in headers:
        field_name = by_name.get(folded(header), "")
        found.append([field_name] if field_name and field_name not in taken else [])
        taken.add(field_name)
    if kind == "orders" and "cust_ref" in taken and "cust_po_no" not in taken:
        next(fields for fields in found if fields == ["cust_ref"]).append("cust_po_no")
    return found
