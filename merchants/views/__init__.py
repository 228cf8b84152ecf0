"""The pages of merchants."""

from merchants.views.page import merchant_or_404

__all__ = ["merchant_or_404"]
