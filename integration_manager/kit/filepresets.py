"""The file formats that are ours: known by name, found by any header that their fields usually go by."""

from dataclasses import replace
from typing import Any

from integration_manager.kit.errors import NeedsHuman
from integration_manager.kit.filefields import ADDRESS, FIELDS, Kind
from integration_manager.kit.fileformat import Column, Format, problems


def _simple(header: str, field: str, *, required: bool = False) -> Column:
    return Column(header, (field,), required=required)


SIMPLE = Format(
    "orders",
    "in",
    "Simple CSV",
    (
        _simple("Cust-ref", "cust_ref"),
        _simple("Ship code", "ship_code", required=True),
        _simple("Company", "ship_company"),
        _simple("first-name", "ship_first_name"),
        _simple("last-name", "ship_last_name"),
        _simple("address-1", "ship_address_1"),
        _simple("address-2", "ship_address_2"),
        _simple("city", "ship_city"),
        _simple("state", "ship_state"),
        _simple("zip", "ship_zip"),
        _simple("country", "ship_country"),
        _simple("phone", "ship_phone"),
        _simple("E-mail", "ship_e_mail"),
        Column("Order-date", ("order_date",), date_format="m/d/y"),
        _simple("Item", "item"),
        _simple("Quantity", "quantity"),
    ),
    key="simple",
)


def _called(kind: Kind, **headers: str) -> tuple[Column, ...]:
    """A column for every field, with its own name as its header, or the one given."""
    return tuple(Column(headers.get(name, name), (name,)) for name in FIELDS[kind] if name != "record_no")


FULL = Format("orders", "in", "All fields, called as in the API", _called("orders"), date_format="Y-m-d", key="full")


def _cio() -> tuple[Column, ...]:
    """CIODirect 5.3 as far as it is published, and what its order of fields in the API says of the rest."""
    head = ("cust_ref", "ship_code")
    addresses = tuple(f"{side}_{name}" for side in ("cust", "ship") for name in ADDRESS)
    known = {*head, *addresses, "merchant_code", "record_no"}
    rest = tuple(name for name in FIELDS["orders"] if name not in known)
    return (
        Column("Record-begin"),
        Column("Record-no", ("record_no",)),
        Column("Version", constant="5.3"),
        Column("Format", constant="CIODirect"),
        *(
            Column(name.replace("_", "-").capitalize(), (name,), required=name == "ship_code")
            for name in (*head, *addresses, *rest)
        ),
    )


CIODIRECT = Format("orders", "in", "CIODirect 5.3", _cio(), date_format="m/d/y", key="ciodirect")

CONFIRMATION = Format(
    "confirmations",
    "out",
    "Confirmation",
    _called(
        "confirmations",
        tracking_no="tracking",
        date="ship_date",
        quantity="qty",
        package_weight_lbs="weight_lbs",
        total_cost="cost",
    ),
    key="confirmation",
)
INVENTORY = Format(
    "inventory",
    "out",
    "Inventory",
    _called("inventory", available="qty", at="as_of"),
    key="inventory",
)

PRODUCTS = Format("products", "out", "Products", _called("products"), key="products")

CATALOG = Format("catalog", "in", "Product list", _called("catalog"), key="catalog")
NEW_PRODUCTS = Format(
    "catalog",
    "out",
    "New products",
    tuple(column for column in CATALOG.columns if not column.fields[0].startswith("alias_")),
    key="new_products",
)

PURCHASES = Format("purchases", "out", "Purchase orders", _called("purchases"), date_format="Y-m-d", key="purchases")
RECEIPTS = Format("receipts", "out", "Receipts", _called("receipts"), key="receipts")

_ALL = (SIMPLE, CIODIRECT, FULL, CONFIRMATION, INVENTORY, PRODUCTS, CATALOG, NEW_PRODUCTS, PURCHASES, RECEIPTS)
PRESETS = {preset.key: preset for preset in _ALL}


def presets_of(kind: Kind) -> list[Format]:
    """Our formats of one kind of file."""
    return [preset for preset in PRESETS.values() if preset.kind == kind]


class NoFormat(NeedsHuman):
    """The format that a connection uses is not there any more, or cannot be used."""

    def __init__(self, why: str) -> None:
        super().__init__(why, code="no_format", fix="Choose another format on the setup page. Nothing is lost.")


def chosen(value: Any, *, header: bool = True, delimiter: str = "") -> Format:
    """The format that the value of a connection stands for. Raises NoFormat.

    `value`: a preset's key, or a whole format as JSON types. `header`, `delimiter` are the connection's,
    for our own formats; one that a person mapped says both itself.
    """
    if isinstance(value, str) and value in PRESETS:
        return replace(PRESETS[value], header=header, delimiter=delimiter)
    if not isinstance(value, dict):
        raise NoFormat("The file format that is chosen here is not there any more.")
    try:
        form = Format.from_dict(value)
        wrong = problems(form)
    except ValueError as error:
        wrong = [str(error)]
    if wrong:
        raise NoFormat(f"The file format that is chosen here cannot be used: {wrong[0]}")
    return form
