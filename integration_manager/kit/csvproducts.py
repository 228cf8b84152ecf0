"""Products in CSV files: what the rows of one mean, and how one is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from integration_manager.kit import csvcells
from integration_manager.kit.canonical import Alias, Product
from integration_manager.kit.file_pages import BadRow

FIELDS = ("name", "retail_price", "currency_code", "weight_lbs", "barcode")
LISTED = ("name", "barcode")  # what a WMS says of one, besides its other codes


def to_product(rows: Sequence[Mapping[str, str]], modified: datetime) -> Product:
    """The rows of one SKU. `modified`: the file's time.

    Raises BadRow, also where the SKU stands there twice with different values: nobody knows which ones hold.
    """
    first = rows[0]
    _agree(rows, FIELDS)
    return Product(
        key=first["sku"],
        sku=first["sku"],
        name=first.get("name"),
        retail_price=_number(first, "retail_price"),
        currency_code=first.get("currency_code"),
        weight_lbs=_number(first, "weight_lbs"),
        barcode=first.get("barcode"),
        modified_at=modified,
    )


def to_listed(rows: Sequence[Mapping[str, str]], modified: datetime) -> Product:
    """The rows of one SKU in a WMS's list: one, or one for each of its other codes. `modified`: the file's time.

    Raises BadRow, also where the SKU has two names.
    """
    _agree(rows, LISTED)
    aliases: dict[Alias, None] = {}  # each once
    for index, row in enumerate(rows):
        name, value = row.get("alias_name", ""), row.get("alias_value", "")
        if value and not name:
            raise BadRow(index, "alias_name", "it is missing: what kind of code is the alias?")
        if value:
            aliases[Alias(name, value)] = None
    first = rows[0]
    return Product(
        key=first["sku"],
        sku=first["sku"],
        name=first.get("name"),
        barcode=first.get("barcode"),
        modified_at=modified,
        aliases=tuple(aliases),
    )


def _agree(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> None:
    """The rows of one SKU say the same. Raises BadRow."""
    first = rows[0]
    for index, row in enumerate(rows):
        for name in names:
            here, before = row.get(name, ""), first.get(name, "")
            if here != before:
                raise BadRow(index, name, f"it is {here[:60]!r} here, and {before[:60]!r} in a row before")


def _number(row: Mapping[str, str], field: str) -> Decimal | None:
    if not row.get(field):
        return None
    try:
        return csvcells.number(row[field])
    except ValueError as error:
        raise BadRow(0, field, str(error)) from None


def product_rows(product: Product) -> list[dict[str, str]]:
    """The row of one product: what is not known stays empty."""
    row = {"sku": product.sku}
    for name in FIELDS:
        value = getattr(product, name)
        row[name] = "" if value is None else format(value, "f") if isinstance(value, Decimal) else str(value)
    return [row]
