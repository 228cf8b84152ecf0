"""The products of a merchant: stored many at a time, and found again."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from integration_manager import tenancy
from integration_manager.folding import fold
from integration_manager.ids import public_id
from merchants.models import Product

LONGEST = 100  # characters of a SKU or another code


def learn(merchant_id: int, skus: Iterable[str], origin: Product.Origin, now: datetime) -> int:
    """Stores the products that are not known yet, in one statement. How many these were."""
    wanted = sorted({sku[:LONGEST] for sku in skus if sku})
    return len(store(merchant_id, [(sku, "") for sku in wanted], origin, now)) if wanted else 0


def store(merchant_id: int, rows: Sequence[tuple[str, str]], origin: Product.Origin, now: datetime) -> list[str]:
    """Stores products by SKU and name, in one statement: new ones, and new names of known ones. The SKUs written.

    A name that is not given stays as it is. Each SKU may be there once.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO merchants_product AS old
                   (account_id, merchant_id, public_id, sku, sku_key, name, name_key, origin, created_at)
            SELECT %s, %s, t.public_id, t.sku, t.sku_key, t.name, t.name_key, %s, %s
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                 AS t(public_id, sku, sku_key, name, name_key)
            ON CONFLICT (account_id, merchant_id, sku) DO UPDATE
                SET name = excluded.name, name_key = excluded.name_key
                WHERE excluded.name <> '' AND old.name <> excluded.name
            RETURNING sku""",
            [
                tenancy.account_id(),
                merchant_id,
                origin.value,
                now,
                [public_id() for _ in rows],
                [sku for sku, _ in rows],
                [fold(sku) for sku, _ in rows],
                [name for _, name in rows],
                [fold(name) for _, name in rows],
            ],
        )
        return [row[0] for row in cursor.fetchall()]
