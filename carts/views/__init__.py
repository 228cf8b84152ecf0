"""The pages of carts."""

from carts.views.lookup import cart_or_404

__all__ = ["cart_or_404"]
