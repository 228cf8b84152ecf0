"""The demo's ship methods: the warehouse's list, and a shop that holds what is not mapped.

Now and then the sandbox shops send a method that no warehouse knows. In this shop the order waits for a mapping;
in the others the warehouse refuses it.
"""

from typing import Any

LISTED = (
    ("GROUND", "Ground, 3 to 5 days", "UPS"),
    ("EXPRESS", "Express, next day", "UPS"),
    ("ECONOMY", "Economy, up to 10 days", "USPS"),
)
PATTERNS = (("starts", "Free shipping", "ECONOMY"), ("contains", "overnight", "EXPRESS"))
CARRIERS = {"UPS": "UPSN"}  # what the carts of the strict shop are told


def of_warehouse(wms: Any) -> None:
    """The warehouse's list, as loading it would bring it."""
    from wms.models import WmsShipMethod

    WmsShipMethod.objects.bulk_create(
        WmsShipMethod(wms=wms, code=code, description=description, carrier=carrier, source=WmsShipMethod.Source.WMS)
        for code, description, carrier in LISTED
    )


def strict(cart: Any, now: Any) -> None:
    """This shop's codes are mapped, and what is not mapped waits; its carriers have SCACs."""
    from merchants.models import CarrierCode
    from merchants.scac import carrier_key
    from orders.ship_methods import Entry, change

    put = [Entry("exact", code, code) for code, _, _ in LISTED] + [Entry(*pattern) for pattern in PATTERNS]
    change(cart, now, "demo", put=put, reject=True)
    for code, scac in CARRIERS.items():
        CarrierCode.objects.create(merchant=cart.merchant, code=code, key=carrier_key(code), scac=scac, by_hand=True)
