"""Shopify's catalog: the variants of its products that are shipped, by when their product last changed.

Shopify dates a product anew with each change of its variants, and with each sale of what it counts.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from integration_manager.kit.graphql import Gone
from integration_manager.kit.page import Page
from integration_manager.kit.reading import Reader, pick
from integration_manager.kit.shopify import Admin

SIZES = {"size": 16, "variants": 14}  # of a page of products; what has more variants is fetched by itself
FOR_SALE = " AND status:active,unlisted"  # no drafts, and nothing that was archived


def changed(admin: Admin, since: datetime) -> Iterator[Page]:
    """Pages of variants: each with its `product`, and with the shop's `currency`."""
    currency = ""
    for page in admin.changed("Products", "data.products", since, FOR_SALE, **SIZES):
        currency = currency or pick(admin.ask("Shop"), "data.shop.currencyCode", str)
        rows = [
            {**variant, "product": {**product, "variants": None}, "currency": currency}
            for product in page.rows
            for variant in _variants(admin, product)
            if _is_shipped(variant)
        ]
        yield Page(rows, page.cursor)


def _variants(admin: Admin, product: dict[str, Any]) -> list[dict[str, Any]]:
    """All of a product's variants; none where it was deleted since it was listed, as if it had not been listed."""
    variants = Reader(product).part("variants")
    if variants.part("pageInfo").flag("hasNextPage"):
        try:
            return [*admin.nodes("Variants", "data.product.variants", id=product["id"])]
        except Gone:
            return []
    return [one.raw for one in variants.parts("nodes")]


def _is_shipped(variant: dict[str, Any]) -> bool:
    """Whether orders have it on lines that are shipped: no gift card or file, and no bundle, which comes in parts."""
    item = variant.get("inventoryItem")
    digital = isinstance(item, dict) and item.get("requiresShipping") is False
    return not digital and variant.get("requiresComponents") is not True
