"""The demo's rules: each of them in one of its shops, gentle enough that most orders go through."""

from datetime import datetime
from typing import Any

FAR = ("JP",)  # where Elm Studio's shop does not ship to: one buyer in six
NO_TEA = ("ES",)  # where Pine Street Tea sells no tea to, in whichever of its shops: one buyer in six
LARGE = "90"  # from this total on somebody looks at an order first
DELAY = 5  # minutes that a shop's orders can still be changed
BUFFER = 5  # pieces of each product that a shop is not told of
FEW = 3  # fewer than that are none for a shop that goes by barcodes
SHARE = 50  # percent of what is in the main hall, for a shop that has it beside another one
SPOONS = ("SPOON-SET", (("SPOON", 4),))
SCANNED = {"0810012345055": ("SPOON-SET", "Four spoons")}  # the kit has a barcode like the rest
CODED = {"TIN-SMALL": ("TIN-100", "Tin, 100 g"), "TEA-BLACK": ("TEA-BLK-100", "Black tea, 100 g")}  # as the WMS has it
MAILED = "hall@northquay.example"  # an additional address for alerts


def of_shops(carts: dict[str, Any], user: Any, now: datetime) -> None:
    """`carts`: the demo's by the simulator's name of their shop. `user`: whose the saved views are."""
    from alerts.models import ErrorEmail
    from merchants import catalog
    from merchants.models import Warehouse
    from merchants.rules.conditions import AT_LEAST, STARTS
    from merchants.rules.kits import Component
    from orders import country_rules, filters, holds, kits
    from orders.models import SavedView

    elm, studio, teahouse, oak, pine = (carts[name] for name in ("elm", "studio", "teahouse", "oak", "pine"))
    sku, parts = SPOONS
    kits.change(elm.merchant, now, "demo", put={sku: [Component(item, number) for item, number in parts]})
    country_rules.change(elm, now, "demo", kind="deny", then="hold", add=FAR)
    country_rules.change(teahouse.merchant, now, "demo", kind="deny", add=NO_TEA)
    holds.change(elm, now, "demo", put=[holds.checked("Large order", "grand_total", AT_LEAST, [LARGE])])
    filters.change_items(elm, now, "demo", kind="blacklist", add=["TRAY-OAK"])
    pickup = filters.checked("ship_code", "restricted", STARTS, ["Local pickup"])
    filters.change_orders(studio, now, "demo", put=[pickup])
    _options(studio, delay_minutes=DELAY)
    _options(teahouse, verify_addresses="ship", hold_address_errors=True)
    _coded(teahouse, "Shop code", CODED, now)
    for shop in (teahouse, pine):  # all of the merchant's: else the WMS would come to know both codes as products
        _options(shop, translate_items=catalog.ANY_CODE)
    _options(oak, stock_buffer=BUFFER)
    _coded(elm, "UPC", SCANNED, now)
    _options(elm, stock_alias="UPC", stock_minimum=FEW)
    hall = Warehouse.objects.get(merchant=studio.merchant_id, is_default=True)
    _options(studio, stock_warehouse=hall, stock_percent=SHARE)
    ErrorEmail.objects.create(address=MAILED)
    for name, query in (("Needs a person", "state=error"), ("To the United States", "state=new&country=US")):
        SavedView.objects.create(user=user, name=name, query=query, shared=True)


def _coded(cart: Any, kind: str, codes: dict[str, tuple[str, str]], now: datetime) -> None:
    """Products of a shop's merchant that have another code. `codes`: SKU and name by code."""
    from merchants import catalog
    from merchants.models import Product

    catalog.store(cart.merchant_id, list(codes.values()), Product.Origin.HAND, now)
    products = {product.sku: product for product in Product.objects.filter(merchant=cart.merchant_id)}
    catalog.store_aliases([catalog.alias(products[sku], kind, code) for code, (sku, _) in codes.items()])


def _options(cart: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(cart, name, value)
    cart.save(update_fields=list(values))
