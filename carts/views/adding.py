"""A new cart is stored, unless its shop is connected already."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from carts.models import Cart
from carts.views import product_source
from merchants.models import Merchant


def add(cart: Cart) -> dict[str, Any] | None:
    """Stores a new cart. Where its shop is connected already, says what this user may know of that.

    A deleted connection of the same merchant is to be restored, not added again: its orders, and what was
    marked as handled, are its own. Raises Taken.
    """
    with transaction.atomic():
        Merchant.objects.select_for_update(no_key=True).get(pk=cart.merchant_id)  # two at once get two numbers
        return _add(cart)


def _add(cart: Cart) -> dict[str, Any] | None:
    same = Cart.objects.filter(system=cart.system, shop=cart.shop)
    first = same.filter(archived_at__isnull=True).first()
    first = first or same.filter(merchant=cart.merchant).order_by("-archived_at").first()
    if first is not None:
        return {"cart": first}
    if cart.sync_products:
        product_source.claim(cart)
    number = Cart.objects.filter(merchant=cart.merchant).aggregate(last=Max("number"))["last"] or 0
    cart.number = number + 1
    try:
        with transaction.atomic():
            cart.save()
    except IntegrityError:  # another page was quicker, or a merchant whom this user does not see has the shop
        return {"cart": same.filter(archived_at__isnull=True).first()}
    return None
