"""The pages of orders."""

from orders.views.lookup import order_or_404

__all__ = ["order_or_404"]
