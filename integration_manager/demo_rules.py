"""The demo's rules: each of them in one of its shops, gentle enough that most orders go through."""

from datetime import datetime
from typing import Any

FAR = ("JP",)  # where Elm Studio does not ship to: one buyer in six
LARGE = "90"  # from this total on somebody looks at an order first
DELAY = 5  # minutes that a shop's orders can still be changed
BUFFER = 5  # pieces of each product that a shop is not told of
SPOONS = ("SPOON-SET", (("SPOON", 4),))
CODED = {"TIN-SMALL": ("TIN-100", "Tin, 100 g"), "TEA-BLACK": ("TEA-BLK-100", "Black tea, 100 g")}  # as the WMS has it
MAILED = "hall@northquay.example"  # an additional address for alerts


def of_shops(carts: dict[str, Any], user: Any, now: datetime) -> None:
    """`carts`: the demo's by the simulator's name of their shop. `user`: whose the saved views are."""
    from alerts.models import ErrorEmail
    from merchants.rules.conditions import AT_LEAST, STARTS
    from merchants.rules.kits import Component
    from orders import country_rules, filters, holds, kits
    from orders.models import SavedView

    elm, studio, teahouse, oak = (carts[name] for name in ("elm", "studio", "teahouse", "oak"))
    sku, parts = SPOONS
    kits.change(elm.merchant, now, "demo", put={sku: [Component(item, number) for item, number in parts]})
    country_rules.change(elm, now, "demo", kind="deny", then="hold", add=FAR)
    holds.change(elm, now, "demo", put=[holds.checked("Large order", "grand_total", AT_LEAST, [LARGE])])
    filters.change_items(elm, now, "demo", kind="blacklist", add=["TRAY-OAK"])
    pickup = filters.checked("ship_code", "restricted", STARTS, ["Local pickup"])
    filters.change_orders(studio, now, "demo", put=[pickup])
    _options(studio, delay_minutes=DELAY)
    _options(teahouse, verify_addresses="ship", hold_address_errors=True)
    _translated(teahouse, now)
    _options(oak, stock_buffer=BUFFER)
    ErrorEmail.objects.create(address=MAILED)
    for name, query in (("Needs a person", "state=error"), ("To the United States", "state=new&country=US")):
        SavedView.objects.create(user=user, name=name, query=query, shared=True)


def _translated(cart: Any, now: datetime) -> None:
    """A shop that calls some products otherwise than the WMS does."""
    from merchants import catalog
    from merchants.models import Product

    catalog.store(cart.merchant_id, list(CODED.values()), Product.Origin.HAND, now)
    products = {product.sku: product for product in Product.objects.filter(merchant=cart.merchant_id)}
    catalog.store_aliases([catalog.alias(products[sku], "Shop code", code) for code, (sku, _) in CODED.items()])
    _options(cart, translate_items=catalog.ANY_CODE)


def _options(cart: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(cart, name, value)
    cart.save(update_fields=list(values))
