"""Where the files of a connection are, for those that work by files."""

from collections.abc import Callable
from typing import Any

from django import template
from django.urls import reverse

from accounts.models import Account
from carts.models import Cart
from integration_manager.kit.connector import Connector
from merchants.models import Merchant
from orders.connections import cart_class, wms_class
from wms.models import Wms

register = template.Library()


@register.simple_tag
def cart_files(account: Account, cart: Cart) -> str:
    """The address of a cart's files; "" for one that has none."""
    return reverse("cart_files", args=[account.public_id, cart.public_id]) if _by_files(cart_class, cart) else ""


@register.simple_tag
def wms_files(account: Account, merchant: Merchant) -> str:
    """The address of a merchant's files of the WMS; "" where the WMS has none."""
    wms = Wms.current()
    if wms is None or not _by_files(wms_class, wms):
        return ""
    return reverse("wms_files", args=[account.public_id, merchant.public_id])


def _by_files(class_of: Callable[[Any], type[Connector]], connection: Cart | Wms) -> bool:
    try:
        return class_of(connection).uses == "folder"
    except KeyError:  # a connector that is not installed any more
        return False
