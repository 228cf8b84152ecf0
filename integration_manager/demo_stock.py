"""What the demo's merchants have: products with other codes, warehouses, and one whose stock is kept here."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from integration_manager.demo_files import ARTICLES

# SKU of the WMS: name, UPC.
GOODS = {
    "MUG-BLUE": ("Mug, blue", "0810012345017"),
    "MUG-RED": ("Mug, red", "0810012345024"),
    "TEA-GREEN": ("Green tea", "0810012345031"),
    "POT-GLASS": ("Glass teapot", "0810012345048"),
}
EAST = {"company": "Northquay East", "address_1": "400 Dock St", "city": "Newark", "state": "NJ", "zip": "07102",
        "country": "US", "number": "0042"}  # fmt: skip


def of_shop(merchant: Any, now: datetime) -> None:
    """Products with names and UPCs, and the WMS's two halls under names of our own, beside a place for returns."""
    from merchants import catalog
    from merchants.models import Product, Warehouse

    catalog.store(merchant.pk, [(sku, name) for sku, (name, _) in GOODS.items()], Product.Origin.HAND, now)
    products = Product.objects.filter(merchant=merchant)
    catalog.store_aliases([catalog.alias(product, "UPC", GOODS[product.sku][1]) for product in products])
    Warehouse.objects.filter(merchant=merchant, is_default=True).update(name="Main hall", wms_name="MAIN")
    Warehouse.objects.create(merchant=merchant, name="East hall", wms_name="EAST", address=EAST)
    Warehouse.objects.create(merchant=merchant, name="Returns", wms_name="RETURNS", enabled=False)  # for no shop


def kept_here(merchant: Any, now: datetime) -> None:
    """A merchant whose stock is counted here, by hand."""
    from merchants.models import Warehouse
    from orders import managed

    merchant.managed_inventory = True
    merchant.save(update_fields=["managed_inventory"])
    barn = Warehouse.objects.get(merchant=merchant, is_default=True)
    barn.name = "Barn"
    barn.save(update_fields=["name"])
    counts = [(barn, sku, Decimal(40), "Counted in the barn") for sku in ARTICLES]
    managed.adjust(merchant, counts, "demo", now)
