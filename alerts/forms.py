"""Forms about who is told of alerts, and how often."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from alerts.contacts import MOST_EMAILS
from alerts.models import Preference


class EmailsForm(forms.Form):
    """Additional Error Emails: addresses of people without a user."""

    emails = forms.CharField(
        label="Additional Error Emails",
        required=False,
        max_length=MOST_EMAILS * 260,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text="People without a login, separated by commas. They cannot choose how often: every half hour at "
        "most. Example: dock@example.com, office@example.com.",
    )

    def clean_emails(self) -> list[str]:
        """Each address once, in lower case. Says which one is none."""
        typed = self.cleaned_data["emails"].replace(";", ",").replace("\n", ",").split(",")
        found = list(dict.fromkeys(part.strip().lower() for part in typed if part.strip()))
        for address in found:
            try:
                validate_email(address)
            except ValidationError:
                shown = address if len(address) <= 60 else f"{address[:60]}…"
                raise ValidationError(f"“{shown}” is no e-mail address.") from None
        if len(found) > MOST_EMAILS:
            raise ValidationError(f"{MOST_EMAILS} addresses at most; these are {len(found)}.")
        return found


class PreferenceForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """How often a user wants mail about alerts, on their profile."""

    at_hour = forms.TypedChoiceField(
        label="At",
        coerce=int,
        choices=[(hour, f"{hour:02}:00") for hour in range(24)],
        help_text="With Once a day, in your time zone.",
    )

    class Meta:
        model = Preference
        fields = ["frequency", "at_hour"]
        labels = {"frequency": "How often"}
        help_texts = {
            "frequency": "What is new since the last mail, in one. A few kinds that stop orders come at once in any "
            "case but Never."
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["at_hour"].required = False
        self.fields["at_hour"].kept = True  # type: ignore[attr-defined]  # so that its label does not say "optional"
        self.fields["at_hour"].when = (self.add_prefix("frequency"), Preference.Frequency.DAILY)  # type: ignore[attr-defined]

    def clean_at_hour(self) -> int:
        """As it was, where the form came without it."""
        value = self.cleaned_data.get("at_hour")
        return self.instance.at_hour if value in (None, "") else value
