"""Where the files of a connection are, for those that work by files."""

from django import template
from django.urls import reverse

from accounts.models import Account
from carts.models import Cart
from orders.connections import cart_class

register = template.Library()


@register.simple_tag
def cart_files(account: Account, cart: Cart) -> str:
    """The address of a cart's files; "" for one that has none."""
    return reverse("cart_files", args=[account.public_id, cart.public_id]) if _by_files(cart) else ""


def _by_files(cart: Cart) -> bool:
    try:
        return cart_class(cart).uses == "folder"
    except KeyError:  # a connector that is not installed any more
        return False
