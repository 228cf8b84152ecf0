"""The part of a cart's form that is the same for every system; the rest is made from its Fields."""

from typing import Any

from django import forms

from carts.models import Cart
from integration_manager.kit import clock


class CartForm(forms.ModelForm):  # type: ignore[type-arg]
    """How we and the WMS call a cart, and from when on its orders count."""

    class Meta:
        model = Cart
        fields = ["name", "order_source", "earliest_order_date"]
        labels = {
            "name": "Name",
            "order_source": "Order Source",
            "earliest_order_date": "Earliest Order Date",
        }
        help_texts = {
            "name": "Shown on our pages only. Example: Alder & Finch, main shop.",
            "order_source": "Sent to the WMS with every order. Example: SHOPIFY-US.",
            "earliest_order_date": "Orders placed before it are not loaded; they are listed as skipped.",
        }
        widgets = {"earliest_order_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.fields["earliest_order_date"].initial = clock.now().date()
