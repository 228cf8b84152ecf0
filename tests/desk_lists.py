"""Rows of the lists that a cart or merchant may have: mappings, filters and rules, for who looks at their forms."""

from carts.models import CartShipMethod, ItemFilter
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import CarrierCode, Schedule
from orders import filters, holds
from tests.desk import Desk
from wms.models import Wms, WmsShipMethod


def fill(desk: Desk) -> None:
    """Fills those of the first cart and its merchant; switches the second cart off."""
    with tenancy.activate(desk.account.pk):
        cart, who = desk.carts[0], desk.users["owner"]
        CarrierCode.objects.create(merchant=cart.merchant, code="UPS-G", key="ups-g", scac="UPSN")
        ItemFilter.objects.create(cart=cart, item="WRAP", key="wrap")
        WmsShipMethod.objects.create(wms=Wms.objects.get(), code="GRND", description="Ground")
        for place, (match, code) in enumerate((("exact", "Ground"), ("starts", "Free"), ("contains", "air"))):
            CartShipMethod.objects.create(
                cart=cart, match=match, code=code, key=code.lower(), wms_code="GRND", position=place
            )
        filters.change_orders(cart, clock.now(), who, put=[filters.checked("tag", "restricted", "full", ["HOLD"])])
        holds.change(cart, clock.now(), who, put=[holds.checked("Large orders", "tag", "full", ["BIG"])])
        Schedule.objects.filter(cart=desk.carts[1]).update(every=0)
