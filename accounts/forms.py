"""The profile form."""

import zoneinfo
from functools import cache

from django import forms

from accounts.models import User


@cache
def zones() -> list[tuple[str, str]]:
    """Time zones to choose from, by place."""
    places = (name for name in zoneinfo.available_timezones() if "/" in name)
    named = sorted(name for name in places if not name.startswith(("Etc/", "SystemV/", "US/")))
    return [(name, name.replace("_", " ")) for name in ["UTC", *named]]


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person sets about themselves."""

    timezone = forms.ChoiceField(
        label="Time zone", choices=zones, help_text="Every time on these pages is shown in it. Example: Europe/Berlin."
    )

    class Meta:
        model = User
        fields = ["name", "timezone", "theme"]
        help_texts = {
            "name": "Shown in timelines beside what you did. Example: Priya Raman.",
            "theme": "Light or dark, or as your system says.",
        }
