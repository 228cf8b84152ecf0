"""What an order's cart and WMS can be asked for: an action that one of them does not have is not offered."""

from dataclasses import dataclass

from orders.connections import wms_class
from orders.models import Order
from orders.telling import system_of
from wms.models import Wms


@dataclass(frozen=True, slots=True)
class Abilities:
    """Of one order's cart, and of the account's WMS. `wms_id` None: there is no WMS."""

    cancels_in_cart: bool
    refunds: bool
    takes_tracking: bool
    wms_id: int | None
    wms_label: str
    gives_tracking: bool
    cancels_at_wms: bool


def of(order: Order, wms: Wms | None) -> Abilities:
    """What can be asked for about this order. A connector that is not installed any more can nothing."""
    cart = system_of(order)
    try:
        there = wms_class(wms) if wms is not None else None
    except KeyError:
        there = None
    return Abilities(
        cancels_in_cart=cart is not None and cart.overrides("cancel"),
        refunds=cart is not None and cart.overrides("refund"),
        takes_tracking=cart is not None and (cart.overrides("ship") or "confirmations" in cart.renders),
        wms_id=wms.pk if wms is not None else None,
        wms_label=there.label if there is not None else "the WMS",
        gives_tracking=there is not None and there.overrides("shipments"),
        cancels_at_wms=there is not None and there.overrides("cancel"),
    )
