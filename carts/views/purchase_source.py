"""Purchase Orders of a cart: whether both ends can, the cart and the WMS."""

from carts.models import Cart
from integration_manager.kit.connector import Connector
from orders.connections import cart_class


def can(cart: Cart) -> bool:
    """Whether the cart's system gives purchase orders."""
    try:
        return cart_class(cart).overrides("purchase_orders")
    except KeyError:
        return False


def takes(wms: type[Connector] | None) -> bool:
    """Whether a WMS can be given purchase orders."""
    return wms is not None and ("purchases" in wms.renders or wms.overrides("send_purchase_order"))
