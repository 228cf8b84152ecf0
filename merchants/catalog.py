"""The products of a merchant: stored many at a time, and found again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from integration_manager import tenancy
from integration_manager.folding import fold
from integration_manager.ids import public_ids
from merchants.models import Product, ProductAlias

LONGEST = 100  # characters of a SKU or another code
MOST_KIND = 40  # characters of a kind of code
MOST_KINDS = 100  # of a merchant, to choose from
ANY_CODE = "*"  # in place of a kind: any of them
MOST_MATCHES = 500  # of one way to search
PAGE = 50
STATEMENT = 1000  # rows
_RENAME = """DO UPDATE SET name = excluded.name, name_key = excluded.name_key
    WHERE excluded.name <> '' AND old.name <> excluded.name"""
_LAST = chr(0x10FFFF)  # sorts behind every text, byte by byte


def learn(merchant_id: int, skus: Iterable[str], origin: Product.Origin, now: datetime) -> int:
    """Stores the products that are not known yet, in one statement. How many these were."""
    wanted = sorted({sku[:LONGEST] for sku in skus if sku})
    return len(store(merchant_id, [(sku, "") for sku in wanted], origin, now)) if wanted else 0


def store(merchant_id: int, rows: Sequence[tuple[str, str]], origin: Product.Origin, now: datetime) -> list[str]:
    """Stores products by SKU and name, in one statement: new ones, and new names of known ones. The SKUs written.

    A name that is not given stays as it is. Each SKU may be there once; give them sorted, since those named are locked.
    """
    # Without names nothing of a known product is even locked: most of what the WMS reports is known.
    known = _RENAME if any(name for _, name in rows) else "DO NOTHING"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO merchants_product AS old
                   (account_id, merchant_id, public_id, sku, sku_key, name, name_key, origin, created_at)
            SELECT %s, %s, t.public_id, t.sku, t.sku_key, t.name, t.name_key, %s, %s
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                 AS t(public_id, sku, sku_key, name, name_key)
            ON CONFLICT (account_id, merchant_id, sku) {known} RETURNING sku""",  # noqa: S608 (a text of ours)
            [
                tenancy.account_id(),
                merchant_id,
                origin.value,
                now,
                public_ids(len(rows)),
                [sku for sku, _ in rows],
                [fold(sku) for sku, _ in rows],
                [name for _, name in rows],
                [fold(name) for _, name in rows],
            ],
        )
        return [row[0] for row in cursor.fetchall()]


def lock(merchant_id: int, skus: Iterable[str]) -> None:
    """Keeps the products of these SKUs as they are until the transaction ends: by SKU, as `store` locks them."""
    rows = Product.objects.filter(merchant=merchant_id, sku__in=set(skus)).order_by("sku")
    list(rows.select_for_update(no_key=True).values_list("pk"))


def kinds(merchant_id: int) -> list[str]:
    """The kinds of other codes that a merchant has, by walking its index from one to the next."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE found AS (
                (SELECT kind FROM merchants_productalias WHERE account_id = %(account)s AND merchant_id = %(merchant)s
                 ORDER BY kind LIMIT 1)
                UNION ALL
                SELECT (SELECT a.kind FROM merchants_productalias a
                        WHERE a.account_id = %(account)s AND a.merchant_id = %(merchant)s AND a.kind > f.kind
                        ORDER BY a.kind LIMIT 1)
                FROM found f WHERE f.kind IS NOT NULL)
            SELECT kind FROM found WHERE kind IS NOT NULL LIMIT %(most)s""",
            {"account": tenancy.account_id(), "merchant": merchant_id, "most": MOST_KINDS},
        )
        return [row[0] for row in cursor.fetchall()]


def matching(merchant_id: int, text: str) -> QuerySet[Product]:
    """The products whose SKU, name or other code begins with a text."""
    key = fold(text)
    mine: QuerySet[Product] = Product.objects.filter(merchant_id=merchant_id)
    if not key:
        return mine
    coded = ProductAlias.objects.filter(_prefix("value_key", key), merchant_id=merchant_id)
    arms = [
        mine.filter(_prefix("sku_key", key)).order_by().values_list("pk", flat=True)[:MOST_MATCHES],
        mine.filter(_prefix("name_key", key)).order_by().values_list("pk", flat=True)[:MOST_MATCHES],
        coded.order_by().values_list("product_id", flat=True)[:MOST_MATCHES],
    ]
    # Asked for by itself, each arm by its index: joined, the planner would rather walk through all products.
    return mine.filter(pk__in=set(arms[0].union(*arms[1:], all=True)))


def _prefix(column: str, key: str) -> Q:
    return Q(**{f"{column}__gte": key, f"{column}__lt": key + _LAST})


@dataclass(slots=True)
class Page:
    """Some rows in the order of a text, and the texts that the pages around them begin at."""

    items: list[Any]
    newer: str = ""  # before them
    older: str = ""  # behind them


def page(rows: QuerySet[Any], column: str, after: str, before: str, size: int = PAGE) -> Page:
    """A page of rows by a column that is unique among them."""
    after, before = after.replace("\x00", ""), before.replace("\x00", "")
    upward = bool(before and not after)
    if upward:
        rows = rows.filter(**{f"{column}__lt": before})
    elif after:
        rows = rows.filter(**{f"{column}__gt": after})
    items = list(rows.order_by(f"-{column}" if upward else column)[: size + 1])
    more, items = len(items) > size, items[:size]
    if upward:
        items.reverse()
    if not items:
        return Page([])
    first, last = getattr(items[0], column), getattr(items[-1], column)
    return Page(items, first if (more if upward else after) else "", last if upward or more else "")


class Refused(Exception):
    """What was asked for cannot be stored; the message says why, for the person who asked."""


def code(text: str, what: str, longest: int = LONGEST) -> str:
    """A code as it is stored: one line, no spaces around it. Refuses what is empty or too long."""
    found = " ".join(text.replace("\x00", "").split())
    if not found:
        raise Refused(f"{what} is empty.")
    if len(found) > longest:
        raise Refused(f"{what} has more than {longest} characters.")
    return found


def kind_of(text: str, known: Iterable[str]) -> str:
    """The name of a kind of code: as the merchant writes it already, whatever the case."""
    found = code(text, "The alias name", MOST_KIND)
    if found == ANY_CODE:
        raise Refused(f"“{ANY_CODE}” cannot be an alias name.")
    return next((one for one in known if one.casefold() == found.casefold()), found)


def add_alias(product: Product, kind: str, value: str) -> ProductAlias:
    """Gives a product another code. Refuses one that another product, or the product itself, has already."""
    kind = kind_of(kind, kinds(product.merchant_id))
    value = code(value, "The alias value")
    taken = ProductAlias.objects.filter(merchant=product.merchant_id, value=value).select_related("product").first()
    if taken is not None:
        raise Refused(f"{value} is {taken.kind} of {taken.product.sku} already. A value belongs to one product.")
    one = alias(product, kind, value)
    if not store_aliases([one]):
        raise Refused(f"{value} has just been given to another product.")
    found: ProductAlias = ProductAlias.objects.get(public_id=one.public_id)
    return found


def alias(product: Product, kind: str, value: str) -> ProductAlias:
    """Another code of a product, not stored yet."""
    return ProductAlias(merchant_id=product.merchant_id, product=product, kind=kind, value=value, value_key=fold(value))


def store_aliases(rows: Sequence[ProductAlias]) -> int:
    """Stores codes, a thousand in a statement; not those whose value another product has. How many."""
    ids = [row.public_id for row in rows]
    for row in rows:
        row.account_id = tenancy.account_id()
    for start in range(0, len(rows), STATEMENT):
        ProductAlias.objects.bulk_create(rows[start : start + STATEMENT], ignore_conflicts=True)
    return int(ProductAlias.objects.filter(public_id__in=ids).count())
