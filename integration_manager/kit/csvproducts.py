"""Products in CSV files: what the rows of one mean, and how one is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from integration_manager.kit import csvcells
from integration_manager.kit.canonical import Product
from integration_manager.kit.file_pages import BadRow

FIELDS = ("name", "retail_price", "currency_code", "weight_lbs", "barcode")


def to_product(rows: Sequence[Mapping[str, str]], modified: datetime) -> Product:
    """The rows of one SKU. `modified`: the file's time.

    Raises BadRow, also where the SKU stands there twice with different values: nobody knows which ones hold.
    """
    first = rows[0]
    for index, row in enumerate(rows):
        for name in FIELDS:
            here, before = row.get(name, ""), first.get(name, "")
            if here != before:
                raise BadRow(index, name, f"it is {here[:60]!r} here, and {before[:60]!r} in a row before")
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
