"""The record of when carts were on. Billing counts by it."""

from datetime import datetime

from carts.models import Cart, CartActivation
from merchants.models import Schedule


def keep_activation(cart: Cart, now: datetime) -> None:
    """Opens or ends the cart's span: it is on while any of its services is."""
    on = cart.archived_at is None and Schedule.objects.filter(cart=cart, every__gt=0).exists()
    span = CartActivation.objects.filter(cart=cart, off_at__isnull=True).first()
    if on and span is None:
        CartActivation.objects.create(cart=cart, on_at=now)
    elif span is not None and not on:
        CartActivation.objects.filter(pk=span.pk).update(off_at=now)
