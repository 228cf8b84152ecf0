"""What may be asked of the order list, from its address."""

from typing import Any

from django import forms

from orders.search import SORTS, STATES, Filters

STATE_CHOICES = [("", "All but canceled"), *((state, state) for state in STATES)]


class FilterForm(forms.Form):
    """The filters of the order list. What cannot be read is left out, never an error."""

    q = forms.CharField(required=False, max_length=100)
    state = forms.ChoiceField(required=False, choices=STATE_CHOICES)
    merchant = forms.SlugField(required=False, max_length=12)
    cart = forms.SlugField(required=False, max_length=12)
    cause = forms.CharField(required=False, max_length=200)
    placed_from = forms.DateField(required=False)
    placed_to = forms.DateField(required=False)
    loaded = forms.ChoiceField(required=False, choices=[("", ""), ("today", "today")])
    sort = forms.ChoiceField(required=False, choices=[(name, name) for name in SORTS])

    def filters(self, **more: Any) -> Filters:
        """The filters that were given and make sense."""
        self.is_valid()
        data = self.cleaned_data
        return Filters(
            state=data.get("state") or "",
            text=(data.get("q") or "").strip(),
            merchant=data.get("merchant") or "",
            cart=data.get("cart") or "",
            cause=data.get("cause") or "",
            placed_from=data.get("placed_from"),
            placed_to=data.get("placed_to"),
            **more,
        )
