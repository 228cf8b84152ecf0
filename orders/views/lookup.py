"""The order that an address names."""

from django.http import Http404

from orders.models import Order


def order_or_404(public_id: str) -> Order:
    """An order that the tenant and the user's merchants may see, with its merchant and cart."""
    found: Order | None = Order.objects.select_related("merchant", "cart").filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found
