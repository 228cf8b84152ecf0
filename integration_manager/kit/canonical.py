"""The canonical model: what a connector gives and gets.

Field names are those of the public API's order object. `None` means unknown, which is not empty.
Money is `Decimal`, times are aware, countries are ISO 3166 alpha-2, currencies ISO 4217.
"""

import dataclasses
import functools
import types
import typing
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

T = TypeVar("T")
ZERO = Decimal(0)


class SourceState(StrEnum):
    """What the order source says of an order."""

    ELIGIBLE = "eligible"  # ready to be shipped
    NOT_YET = "not_yet"  # unpaid, on hold at the source …: may become eligible
    CANCELED = "canceled"
    CLOSED = "closed"  # shipped or finished elsewhere: never ours to ship


@dataclass(frozen=True, slots=True)
class Address:
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
        person = " ".join(part for part in (self.first_name, self.last_name) if part)
        return person or self.company or ""


@dataclass(frozen=True, slots=True)
class Line:
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


@dataclass(frozen=True, slots=True)
class Order:
    """An order as its source has it."""

    cart_key: str  # the source's own stable key
    cust_ref: str  # the short reference, unique per cart
    cust_po_no: str  # the full order number people see
    order_date: date
    source_state: SourceState
    lines: tuple[Line, ...]
    ship: Address
    bill: Address = Address()
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
    extra_fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreparedLine:
    """One line as the WMS is to get it, after the rules."""

    line_id: str
    item: str
    quantity: Decimal
    description: str | None = None
    price: Decimal | None = None
    extra_fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order as the WMS is to get it, after the rules. `wms_ref` is the reference we go by."""

    wms_ref: str
    order: Order
    lines: tuple[PreparedLine, ...]
    carrier: str | None
    ship_code: str | None
    merchant_code: str


@dataclass(frozen=True, slots=True)
class ShipmentLine:
    """How much of an item a parcel holds. `line_id` where the other side knows it."""

    item: str
    quantity: Decimal
    line_id: str | None = None
    lot_number: str | None = None
    serial_no: str | None = None


@dataclass(frozen=True, slots=True)
class Shipment:
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


@dataclass(frozen=True, slots=True)
class Stock:
    """The level of one item in one warehouse, absolute. `warehouse` "" is the default one."""

    sku: str
    available: Decimal
    on_hand: Decimal | None = None
    warehouse: str = ""
    at: datetime | None = None  # the time of the other side's snapshot


@dataclass(frozen=True, slots=True)
class StockResult:
    """What became of one pushed level. `error` "" means accepted; `skipped`: the shop has no such item."""

    sku: str
    error: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up by our reference found at the WMS."""

    wms_key: str
    order_no: str  # the order number we sent with it
    lines: tuple[tuple[str, Decimal], ...]  # (item, quantity), to tell whether it is the same order
    canceled: bool = False


@dataclass(frozen=True, slots=True)
class ShipMethod:
    """One shipping method of a WMS."""

    code: str
    description: str = ""
    carrier: str = ""


def to_json(value: Any) -> Any:
    """A canonical value as JSON types: decimals and times as strings, unknown fields left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: to_json(v) for name, v in pairs if v is not None and v != () and v != {}}
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], raw: dict[str, Any]) -> T:
    """The inverse of `to_json` for one of the dataclasses above. Raises KeyError, ValueError."""
    known: Any = kind
    hints = _hints(known)
    values = {name: _convert(hints[name], raw[name]) for name in hints if name in raw}
    for name in _needed(known):
        if name not in values:  # `to_json` leaves out what is unknown or empty
            values[name] = _nothing(hints[name], name)
    return kind(**values)


@functools.cache
def _needed(kind: Any) -> list[str]:
    missing = dataclasses.MISSING
    fields = dataclasses.fields(kind)
    return [f.name for f in fields if f.default is missing and f.default_factory is missing]


def _nothing(hint: Any, name: str) -> Any:
    """What a field without a default is when it was left out."""
    if type(None) in typing.get_args(hint):
        return None
    if typing.get_origin(hint) is tuple:
        return ()
    raise KeyError(name)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _convert(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        hint = next(arg for arg in typing.get_args(hint) if arg is not types.NoneType)
        origin = typing.get_origin(hint)
    if origin is tuple:
        inner = typing.get_args(hint)
        if inner[-1] is Ellipsis:
            return tuple(_convert(inner[0], item) for item in value)
        return tuple(_convert(kind, item) for kind, item in zip(inner, value, strict=True))
    if origin is dict:
        return dict(value)
    if hint is Decimal:
        return Decimal(value)
    if hint in (datetime, date):
        return hint.fromisoformat(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value)
    return value
