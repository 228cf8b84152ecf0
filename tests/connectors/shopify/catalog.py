"""What the Shopify that is not there sells: products, each with its variants."""

import re
from datetime import UTC, datetime
from typing import Any

from tests.connectors.shopify.admin import Admin, Refused, connection, number_of
from tests.connectors.shopify.views import product_view, second

GOODS = (
    ("MUG-BLUE", "Mug, blue", "12.50"), ("TEA-GREEN", "Green tea", "8.90"), ("POT-GLASS", "Glass teapot", "34.00"),
    ("TRAY-OAK", "Oak tray", "27.95"), ("SPOON-SET", "Four spoons", "15.20"), ("TIN-SMALL", "Small tin", "5.60"),
)  # fmt: skip
OLD = datetime(2024, 1, 1, tzinfo=UTC)  # when the first products were made


class Catalog(Admin):
    """The products of one shop."""

    def setup_catalog(self) -> None:
        """Makes its table and first products."""
        self.products = self.table("products", sort="updated")
        for number, (sku, title, price) in enumerate(GOODS, 1):
            if str(number) not in self.products:
                self.offer(number, title, {"sku": sku, "price": price}, at=OLD)

    def ask_products(self, first: int, query: str = "", sortKey: str = "ID", after: str | None = None) -> Any:
        found = re.fullmatch(r"updated_at:>='([0-9T:-]+Z)' AND status:([a-z,]+)", query)
        if not found or sortKey != "UPDATED_AT":
            raise Refused(f"This search is not understood: {query}", "BAD_REQUEST")
        rows = [row for row in self.products.since(found[1]) if row["status"].lower() in found[2].split(",")]
        view = connection(rows, product_view, lambda row: f"{row['updated']} {row['key']}")
        return view({"first": first, "after": after})

    def ask_product(self, id: str) -> Any:
        row = self.products.get(number_of(id, "Product"))
        return product_view(row) if row else None

    def product(self, number: int, modified: datetime) -> str:
        key, variant = 2_000 + number, {"id": str(5_000_000 + number), "sku": f"SKU-{number}"}
        title = f"Thing {number}, new" if str(key) in self.products else f"Thing {number}"
        self.offer(key, title, variant, at=modified)
        return variant["id"]

    def offer(
        self, number: int, title: str, *variants: dict[str, Any], at: datetime | None = None, status: str = "ACTIVE"
    ) -> None:
        """The merchant has a product, or changes it. Without a title a variant is the only one."""
        plain = {"title": "Default Title", "sku": "", "price": "10.00", "barcode": "", "weight": 0.5,
                 "unit": "KILOGRAMS", "digital": False, "bundle": False}  # fmt: skip
        rows = [{"id": f"{number}{n:03d}", **plain, **one} for n, one in enumerate(variants, 1)]
        row = {"key": str(number), "title": title, "status": status, "updated": second(at or self.clock())}
        self.products.put(str(number), {**row, "variants": rows})
