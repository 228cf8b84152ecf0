"""The parts of a cart's pages that are the same for every system; the rest is made from its Fields."""

from datetime import date
from typing import Any

from django import forms

from carts.models import Cart

DAY: Any = {"attrs": {"type": "date"}, "format": "%Y-%m-%d"}
EARLIEST = "Orders placed before it are not loaded; they are listed as skipped."


class CartForm(forms.ModelForm):  # type: ignore[type-arg]
    """How we and the WMS call a cart, and from when on its orders count."""

    class Meta:
        model = Cart
        fields = ["name", "order_source", "description", "earliest_order_date"]
        labels = {
            "name": "Name",
            "order_source": "Order Source",
            "description": "Description",
            "earliest_order_date": "Earliest Order Date",
        }
        help_texts = {
            "name": "What the cart is called on our pages. Example: Alder & Finch, main shop.",
            "order_source": "Sent to the WMS with every order. Example: SHOPIFY-US. Empty: what the order says itself.",
            "description": "Shown on our pages only. Example: wholesale orders; ask Dana before changing anything.",
            "earliest_order_date": EARLIEST,
        }
        widgets = {"earliest_order_date": forms.DateInput(**DAY)}

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        """`today`: the account's, from which on a new cart's orders count unless somebody says otherwise."""
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.initial["earliest_order_date"] = today


class EarliestForm(forms.ModelForm):  # type: ignore[type-arg]
    """The Earliest Order Date alone, on the page for going live."""

    class Meta:
        model = Cart
        fields = ["earliest_order_date"]
        labels = {"earliest_order_date": "Earliest Order Date"}
        help_texts = {"earliest_order_date": EARLIEST}
        widgets = {"earliest_order_date": forms.DateInput(**DAY)}


class RepullForm(forms.Form):
    """From which day on orders are to be read again."""

    day = forms.DateField(
        label="From",
        widget=forms.DateInput(**DAY),
        help_text="All orders that changed since the beginning of this day are read again.",
    )


class NumberForm(forms.Form):
    """One order of one cart, by its number. `asked`: whether a number is needed."""

    number = forms.CharField(
        label="Order number",
        max_length=100,
        help_text="As the shop shows it, with all its signs. Example: #1042.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class WhyForm(NumberForm):
    """Which cart to ask for which order."""

    cart = forms.ChoiceField(label="Cart", help_text="The shop in which you see the order.")
    field_order = ("cart", "number")

    def __init__(self, *args: Any, carts: list[Cart], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(cart.public_id, f"{cart.name} ({cart.merchant.name})") for cart in carts]
        self.fields["cart"].choices = choices if len(choices) == 1 else [("", "Choose"), *choices]  # type: ignore[attr-defined]
