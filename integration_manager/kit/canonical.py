"""The canonical model: what a connector gives and gets.

Field names are those of the public API's order object. `None` means unknown, which is not empty.
Money is `Decimal`, times are aware, countries are ISO 3166 alpha-2, currencies ISO 4217.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct, field

from integration_manager.kit.canonical_json import from_json as from_json
from integration_manager.kit.canonical_json import to_json as to_json

ZERO = Decimal(0)


class SourceState(StrEnum):
    """What the order source says of an order."""

    ELIGIBLE = "eligible"  # ready to be shipped
    NOT_YET = "not_yet"  # unpaid, on hold at the source …: may become eligible
    CANCELED = "canceled"
    CLOSED = "closed"  # shipped or finished elsewhere: never ours to ship


class Address(Struct, frozen=True):
    """A postal address with its contact."""

    company: str | None = None
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    address_3: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    phone: str | None = None
    e_mail: str | None = None
    address_type: str | None = None  # R residential, C commercial

    @property
    def name(self) -> str:
        """Who lives there: the person, else the company."""
        first, last = self.first_name, self.last_name
        person = f"{first} {last}" if first and last else first or last
        return person or self.company or ""


class Line(Struct, frozen=True):
    """One line of an order. `price` and `discount` are per unit, before tax; the rest per line."""

    line_id: str  # the source's own id of the line, unique in the order
    item: str  # SKU as the source gives it; "" where it has none
    quantity: Decimal
    description: str | None = None
    price: Decimal | None = None
    discount: Decimal | None = None
    addl_discount: Decimal | None = None
    tax: Decimal | None = None
    shipping_surcharge: Decimal | None = None
    line_comment: str | None = None
    alt_sku: str | None = None
    lot_number: str | None = None
    location: str | None = None
    extra_fields: dict[str, str] = field(default_factory=dict)

    @property
    def extended_amount(self) -> Decimal:
        """(price − discount) × quantity."""
        return ((self.price or ZERO) - (self.discount or ZERO)) * self.quantity


class Order(Struct, frozen=True):
    """An order as its source has it."""

    cart_key: str  # the source's own stable key
    cust_ref: str  # the short reference, unique per cart
    cust_po_no: str  # the full order number people see
    order_date: date
    source_state: SourceState
    lines: tuple[Line, ...]
    ship: Address
    bill: Address = Address()
    ordered_at: datetime | None = None  # where the source gives a moment: the account's zone says which day
    modified_at: datetime | None = None
    order_source: str | None = None
    customer_id: str | None = None
    carrier: str | None = None
    ship_code: str | None = None
    ship_code_description: str | None = None
    requested_ship_date: date | None = None
    expected_delivery_date: date | None = None
    latest_ship_date: date | None = None
    shipping_instructions: str | None = None
    gift_message: str | None = None
    gift_wrap: bool | None = None
    ship_account_no: str | None = None
    ship_account_zip: str | None = None
    weight: Decimal | None = None
    currency_code: str | None = None
    pay_type: str | None = None
    promo_code: str | None = None
    location: str | None = None  # the warehouse the order names
    sub_total: Decimal | None = None
    order_discount: Decimal | None = None
    sales_tax: Decimal | None = None
    shipping_handling: Decimal | None = None
    grand_total: Decimal | None = None
    tags: tuple[str, ...] = ()
    refunded: tuple[str, ...] = ()  # refunds that lines and sums are without: the source's ids, our keys
    shipped: dict[str, str] = field(default_factory=dict)  # pieces by line id that they are without too: on their way
    extra_fields: dict[str, str] = field(default_factory=dict)


class PreparedLine(Struct, frozen=True):
    """One line as the WMS is to get it, after the rules.

    `of`: of a kit's component, the id of the source's line that it is sent for; the fields before it are its
    share of that line's. What goes as one item has all that in the source's line.
    """

    line_id: str
    item: str
    quantity: Decimal
    description: str | None = None
    price: Decimal | None = None
    extra_fields: dict[str, str] = field(default_factory=dict)
    discount: Decimal | None = None
    addl_discount: Decimal | None = None
    tax: Decimal | None = None
    shipping_surcharge: Decimal | None = None
    of: str = ""


class Prepared(Struct, frozen=True):
    """An order as the WMS is to get it, after the rules. `wms_ref` is the reference we go by."""

    wms_ref: str
    order: Order
    lines: tuple[PreparedLine, ...]
    carrier: str | None
    ship_code: str | None
    merchant_code: str


class ShipmentLine(Struct, frozen=True):
    """How much of an item a parcel holds. `line_id` where the other side knows it."""

    item: str
    quantity: Decimal
    line_id: str | None = None
    lot_number: str | None = None
    serial_no: str | None = None


class Shipment(Struct, frozen=True):
    """One parcel. `key` is the other side's own id of it, else the tracking number."""

    key: str
    wms_key: str | None = None  # the order at the WMS
    ref: str | None = None  # our reference, where the WMS gives it back
    carrier: str | None = None
    method: str | None = None
    tracking_no: str | None = None
    tracking_url: str | None = None
    shipped_at: datetime | None = None
    modified_at: datetime | None = None
    weight_lbs: Decimal | None = None
    total_cost: Decimal | None = None
    lines: tuple[ShipmentLine, ...] = ()  # empty: the whole order
    closed: bool = False  # the WMS says: this was the last one
    voided: bool = False


class Stock(Struct, frozen=True):
    """The level of one item in one warehouse, absolute. `warehouse` "" is the default one."""

    sku: str
    available: Decimal
    on_hand: Decimal | None = None
    warehouse: str = ""
    at: datetime | None = None  # the time of the other side's snapshot


class StockResult(Struct, frozen=True):
    """What became of one pushed level. `error` "" means accepted; `skipped`: the shop has no such item."""

    sku: str
    error: str = ""
    skipped: bool = False


class Alias(Struct, frozen=True):
    """Another code of a product: what kind of code it is, and the code."""

    name: str  # "UPC", "ASIN", "Seller SKU" …
    value: str


class Product(Struct, frozen=True):
    """One thing that a shop sells; of a product with variants, each variant. The SKU is what a WMS goes by.

    Or one thing that a WMS has, as it tells of it: there its key is the WMS's own.
    """

    key: str  # the shop's own stable key
    sku: str  # "" where the shop gives it none
    name: str | None = None
    retail_price: Decimal | None = None
    currency_code: str | None = None
    weight_lbs: Decimal | None = None
    barcode: str | None = None  # UPC, EAN …
    modified_at: datetime | None = None
    aliases: tuple[Alias, ...] = ()  # its other codes, where a WMS tells them


class PurchaseStatus(StrEnum):
    """What the order source says of a purchase order."""

    OPEN = "open"  # goods are expected
    CANCELED = "canceled"  # nothing is to come any more
    CLOSED = "closed"  # finished at the source: whatever was to come has come


class PurchaseLine(Struct, frozen=True):
    """One line of a purchase order: how much of an item is to come, and what one costs."""

    line_id: str  # the source's own id of the line, unique in the purchase order
    item: str  # SKU as the source gives it; "" where it has none
    quantity: Decimal
    description: str | None = None
    cost: Decimal | None = None


class PurchaseOrder(Struct, frozen=True):
    """Goods on their way from a supplier to the warehouse, as the order source has them."""

    key: str  # the source's own stable key
    number: str  # what people see
    status: PurchaseStatus
    lines: tuple[PurchaseLine, ...]
    supplier: str | None = None
    ordered_on: date | None = None
    expected_on: date | None = None
    location: str | None = None  # the warehouse that it names
    currency_code: str | None = None
    note: str | None = None
    modified_at: datetime | None = None


class ReceiptLine(Struct, frozen=True):
    """How much of an item has come so far, in all. `line_id` where the other side knows it."""

    item: str
    quantity: Decimal
    line_id: str | None = None


class Receipt(Struct, frozen=True):
    """What has come of one purchase order so far: totals, not what came last. So telling it twice is no harm."""

    wms_key: str | None = None  # the purchase order at the WMS
    ref: str | None = None  # our reference, where the WMS gives it back
    lines: tuple[ReceiptLine, ...] = ()
    received_at: datetime | None = None  # when something came last
    modified_at: datetime | None = None
    closed: bool = False  # nothing more is expected


class Found(Struct, frozen=True):
    """What a look-up by our reference found at the WMS."""

    wms_key: str
    order_no: str  # the order number we sent with it
    lines: tuple[tuple[str, Decimal], ...]  # (item, quantity), to tell whether it is the same order
    canceled: bool = False


class Canceled(Struct, frozen=True):
    """An order that was canceled at the WMS. `ref`: our reference, where the WMS gives it back."""

    wms_key: str
    ref: str | None = None
    reason: str | None = None


class RefundLine(Struct, frozen=True):
    """Units of one line that are paid back: `amount` for the goods, before tax, and `tax` on top, of all units."""

    line_id: str
    item: str
    quantity: Decimal
    amount: Decimal
    tax: Decimal = ZERO


class Refund(Struct, frozen=True):
    """Money that goes back to the buyer of one order, in the order's currency.

    `amount` is the sum in all and is what counts: the lines with their tax, plus `shipping` with its tax,
    minus the part of a discount on the whole order that falls to them. `whole`: nothing is left after it.
    """

    key: str  # ours and unique, at most 40 letters, digits, hyphens; the same at every try
    currency: str
    amount: Decimal
    lines: tuple[RefundLine, ...] = ()  # empty: shipping alone
    shipping: Decimal = ZERO
    note: str = ""  # what the person who refunds wrote; may be shown to the buyer by the shop
    whole: bool = False


class ShipMethod(Struct, frozen=True):
    """One shipping method of a WMS."""

    code: str
    description: str = ""
    carrier: str = ""
