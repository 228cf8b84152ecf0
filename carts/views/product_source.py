"""Sync Products From Cart: whether a cart's products can go to the WMS, and whether another cart's do already."""

from typing import Any

from carts.models import Cart
from integration_manager.kit.connector import Connector
from integration_manager.systems import wms_system
from merchants.models import Merchant, Schedule, Service
from orders import listings
from orders.connections import cart_class


class Taken(Exception):
    """Another cart of the merchant has it; the message says which."""


def can(cart: Cart) -> bool:
    """Whether the cart's system gives products."""
    try:
        return cart_class(cart).overrides("products")
    except KeyError:
        return False


def listed(cart: Cart) -> bool:
    """Whether the cart's system can be told of products of the WMS that it does not have."""
    try:
        return listings.can(cart_class(cart))
    except KeyError:
        return False


def takes(wms: type[Connector] | None) -> bool:
    """Whether a WMS can be given products."""
    return wms is not None and ("products" in wms.renders or wms.overrides("create_product"))


def other(cart: Cart) -> Cart | None:
    """Another cart of the merchant whose products go to the WMS: only one may."""
    rows = Cart.objects.filter(merchant=cart.merchant_id, sync_products=True).exclude(pk=cart.pk)
    return rows.first()


def claim(cart: Cart) -> None:
    """Call it in the transaction that stores the cart, which others of the merchant wait for. Raises Taken.

    The cart itself is locked before (docs/rules.md).
    """
    Merchant.objects.select_for_update(no_key=True).get(pk=cart.merchant_id)
    source = other(cart)
    if source is not None:
        raise Taken(taken_by(source.name))


def taken_by(name: str) -> str:
    """What is said to who wants a second one."""
    return f"{name} has it already, and only one cart of a merchant may: two would overwrite each other’s products."


def impossible(cart: Cart) -> str:
    """Why its products cannot be imported now, in plain words; "" where they can."""
    wms = wms_system()
    if cart.merchant.archived_at is not None:
        return f"{cart.merchant.name} is archived: nothing of it runs. Restore it first."
    if wms is None:
        return "No WMS is set up, so there is nowhere for products to go."
    return "" if takes(wms) else f"{wms.label} takes no products from here."


def facts(cart: Cart) -> dict[str, Any]:
    """What a page says of the way to the WMS."""
    wms = wms_system()
    delivery = Schedule.objects.filter(merchant=cart.merchant, cart=None, service=Service.DELIVER, every__gt=0)
    return {
        "wms_label": wms.label if wms else "the WMS",
        "impossible": impossible(cart),
        "delivers": delivery.filter(paused="").exists(),
    }
