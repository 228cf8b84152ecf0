"""The formats of CSV files, as data: which columns there are and what each one means.

A preset is a list of columns; a later format, be it another preset or one that a person mapped, is only
another list. The fields are those of the public API's order, shipment and inventory objects.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["orders", "confirmations", "inventory"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `field`: what it means; `header`: how it is called in files that we write.

    `required`: no row without it. `code`: digits that mean no number (an order number, a ZIP), which a
    spreadsheet likes to spoil. `also`: other headers it goes by; case, spaces and punctuation do not
    count, and the field's own name is always one.
    """

    field: str
    header: str
    required: bool = False
    code: bool = False
    also: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        """The headers that it is recognised by, folded."""
        return {folded(name) for name in (self.header, self.field, *self.also)}


@dataclass(frozen=True, slots=True)
class Preset:
    """A file format: its columns in their order."""

    key: str
    label: str
    kind: Kind
    columns: tuple[Column, ...]

    def recognise(self, header: Sequence[str]) -> list[str]:
        """The field that each header cell means; an unknown one stays what it is."""
        by_name = {name: column.field for column in self.columns for name in column.names}
        return [by_name.get(folded(cell), cell.strip()) for cell in header]

    def column(self, field: str) -> Column:
        """The column of a field. Raises KeyError."""
        for column in self.columns:
            if column.field == field:
                return column
        raise KeyError(field)

    @property
    def required(self) -> list[Column]:
        """The columns that no row may lack."""
        return [column for column in self.columns if column.required]


def folded(header: str) -> str:
    """A header without what does not count: "Cust-ref*" and "cust_ref" are the same."""
    return re.sub(r"[^\w]|_", "", header.lower())


_NUMBER = ("order number", "order no", "order nr", "order id", "order", "reference")
_ITEM = ("sku", "item number", "item no", "item code", "product code", "article")
_QUANTITY = ("qty", "quantity ordered", "count")

SIMPLE = Preset(
    "simple",
    "Simple CSV",
    "orders",
    (
        Column("cust_ref", "Cust-ref", required=True, code=True, also=_NUMBER),
        Column("ship_code", "Ship code", required=True, also=("shipping method", "ship method", "ship via")),
        Column("ship_company", "Company", also=("company name",)),
        Column("ship_first_name", "first-name"),
        Column("ship_last_name", "last-name", also=("name", "surname")),
        Column("ship_address_1", "address-1", required=True, also=("address", "street", "address line 1")),
        Column("ship_address_2", "address-2", also=("address line 2",)),
        Column("ship_city", "city", required=True, also=("town",)),
        Column("ship_state", "state", also=("province", "region")),
        Column("ship_zip", "zip", code=True, also=("zip code", "postal code", "postcode")),
        Column("ship_country", "country", required=True, also=("country code",)),
        Column("ship_phone", "phone", code=True, also=("telephone",)),
        Column("ship_e_mail", "E-mail", also=("email address",)),
        Column("order_date", "Order-date", also=("date",)),
        Column("item", "Item", required=True, code=True, also=_ITEM),
        Column("quantity", "Quantity", required=True, also=_QUANTITY),
    ),
)


# The parts of an address that a file has, called as in `canonical.Address`.
ADDRESS = (
    "company",
    "title",
    "first_name",
    "last_name",
    "address_1",
    "address_2",
    "address_3",
    "city",
    "state",
    "zip",
    "country",
    "phone",
    "e_mail",
)


def _address(side: str, required: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns of one address of an order, called as in the API."""
    return tuple(
        Column(f"{side}_{name}", f"{side}_{name}", required=name in required, code=name in ("zip", "phone"))
        for name in ADDRESS
    )


FULL = Preset(
    "full",
    "All fields, called as in the API",
    "orders",
    (
        Column("cust_ref", "cust_ref", required=True, code=True, also=_NUMBER),
        Column("cust_po_no", "cust_po_no", code=True, also=("po number",)),
        Column("merchant_code", "merchant_code"),
        Column("order_source", "order_source"),
        Column("order_date", "order_date"),
        Column("requested_ship_date", "requested_ship_date"),
        Column("latest_ship_date", "latest_ship_date"),
        Column("carrier", "carrier"),
        Column("ship_code", "ship_code"),
        Column("ship_code_description", "ship_code_description"),
        *_address("ship", required=("address_1", "city", "country")),
        *_address("cust", required=()),
        Column("customer_id", "customer_id", code=True),
        Column("shipping_instructions", "shipping_instructions"),
        Column("gift_message", "gift_message"),
        Column("ship_account_no", "ship_account_no", code=True),
        Column("location", "location"),
        Column("currency_code", "currency_code"),
        Column("sub_total", "sub_total"),
        Column("order_discount", "order_discount"),
        Column("sales_tax", "sales_tax"),
        Column("shipping_handling", "shipping_handling"),
        Column("grand_total", "grand_total"),
        Column("line_item_id", "line_item_id", code=True),
        Column("item", "item", required=True, code=True, also=_ITEM),
        Column("quantity", "quantity", required=True, also=_QUANTITY),
        Column("description", "description"),
        Column("price", "price"),
        Column("line_comment", "line_comment"),
    ),
)

CONFIRMATION = Preset(
    "confirmation",
    "Confirmation",
    "confirmations",
    (
        Column("cust_ref", "cust_ref", required=True, code=True, also=_NUMBER),
        Column("cust_po_no", "cust_po_no", code=True),
        Column("carrier", "carrier", also=("scac",)),
        Column("ship_code", "ship_code", also=("method", "service", "shipping method")),
        Column("tracking_no", "tracking", code=True, also=("tracking number", "tracking code", "trackingno")),
        Column("tracking_url", "tracking_url", also=("tracking link",)),
        Column("date", "ship_date", also=("shipped at", "date shipped")),
        Column("item", "item", code=True, also=_ITEM),
        Column("quantity", "qty", also=(*_QUANTITY, "quantity shipped")),
        Column("lot_number", "lot_number", code=True, also=("lot", "lot code")),
        Column("serial_no", "serial_no", code=True, also=("serial", "serial number")),
        Column("package_weight_lbs", "weight_lbs", also=("weight",)),
        Column("total_cost", "cost", also=("freight", "shipping cost")),
    ),
)

INVENTORY = Preset(
    "inventory",
    "Inventory",
    "inventory",
    (
        Column("sku", "sku", required=True, code=True, also=_ITEM),
        Column("warehouse", "warehouse", also=("location", "site")),
        Column("available", "qty", required=True, also=(*_QUANTITY, "quantity available", "stock")),
        Column("on_hand", "on_hand", also=("quantity on hand",)),
        Column("at", "as_of", also=("updated at", "date")),
    ),
)

PRESETS = {preset.key: preset for preset in (SIMPLE, FULL, CONFIRMATION, INVENTORY)}

# ── what can be wrong with a cell, whatever its column means ──

LONGEST = 8_000  # characters
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d{1,3}", re.I)
_SHEET_ERRORS = {"#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"}


def suspicious(row: str) -> bool:
    """Whether some cell of a row might have a fault: a quick look before the close one."""
    return len(row) > LONGEST or any(sign in row for sign in ("\0", "\ufffd", "#", "E+", "e+"))


def fault(header: str, text: str, column: Column | None) -> str:
    """What is wrong with a cell, in plain words; "" if nothing is. `column`: None for an unknown one."""
    if len(text) > LONGEST:
        return f"{header} has {len(text):,} characters; {LONGEST:,} are the limit"
    if "\0" in text:
        return f"{header} holds a NUL byte; the file is damaged here"
    if "\ufffd" in text:
        return f"{header} holds characters that are neither UTF-8 nor Windows-1252"
    if column is None:
        return ""
    if text in _SHEET_ERRORS or (len(text) > 2 and not text.strip("#")):
        return f"{header} is {text}, which is a spreadsheet's error and no value"
    if column.code and _SCIENTIFIC.fullmatch(text):
        return (
            f"{header} is {text}: a spreadsheet has turned it into a rounded number, and the digits are gone."
            " Format the column as text before saving"
        )
    return ""
