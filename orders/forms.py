"""What may be asked of the order list, from its address."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from integration_manager.kit import clock
from integration_manager.kit.countries import alpha_2
from orders.search import SORTS, STATES, Filters

STATE_CHOICES = [("", "All but canceled"), *((state, state) for state in STATES)]


class FilterForm(forms.Form):
    """The filters of the order list. What cannot be read is left out, never an error."""

    q = forms.CharField(required=False, max_length=100)
    state = forms.ChoiceField(required=False, choices=STATE_CHOICES)
    merchant = forms.SlugField(required=False, max_length=12)
    cart = forms.SlugField(required=False, max_length=12)
    cause = forms.CharField(required=False, max_length=200)
    stuck = forms.ChoiceField(required=False, choices=[("", ""), ("yes", "yes")])
    country = forms.CharField(required=False, max_length=60)  # a code or a name
    method = forms.CharField(required=False, max_length=100)
    placed_from = forms.DateField(required=False)
    placed_to = forms.DateField(required=False)
    loaded_from = forms.DateField(required=False)
    loaded_to = forms.DateField(required=False)
    loaded = forms.ChoiceField(required=False, choices=[("", ""), ("today", "today")])
    sort = forms.ChoiceField(required=False, choices=[(name, name) for name in SORTS])

    def filters(self) -> Filters:
        """The filters that were given and make sense."""
        self.is_valid()
        data: dict[str, Any] = self.cleaned_data
        since = data.get("loaded_from")
        if data.get("loaded") == "today":
            since = timezone.localtime(clock.now()).date()
        until = data.get("loaded_to")
        country = (data.get("country") or "").strip()
        return Filters(
            state=data.get("state") or "",
            text=(data.get("q") or "").strip(),
            merchant=data.get("merchant") or "",
            cart=data.get("cart") or "",
            cause=data.get("cause") or "",
            stuck=data.get("stuck") == "yes",
            country=alpha_2(country) or country.upper(),
            method=(data.get("method") or "").strip(),
            placed_from=data.get("placed_from"),
            placed_to=data.get("placed_to"),
            loaded_from=_midnight(since) if since else None,
            loaded_to=_midnight(until + timedelta(days=1)) if until and until < date.max else None,
        )

    @property
    def sort_by(self) -> str:
        """One of search.SORTS."""
        self.is_valid()
        return self.cleaned_data.get("sort") or "loaded"


def _midnight(day: date) -> datetime:
    """The start of a day in the user's time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))
