"""The forms about a person: sign-up, and the profile. What allauth asks besides: accounts/sign_in_forms.py."""

import re
import zoneinfo
from functools import cache
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.internal.flows.login import record_authentication
from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils.html import format_html

from accounts import audit
from accounts.models import Account, Membership, User
from accounts.sign_in_forms import Plain
from integration_manager import tenancy
from merchants.models import Merchant


@cache
def zones() -> list[tuple[str, str]]:
    """Time zones to choose from, by place."""
    places = (name for name in zoneinfo.available_timezones() if "/" in name)
    named = sorted(name for name in places if not name.startswith(("Etc/", "SystemV/", "US/")))
    return [(name, name.replace("_", " ")) for name in ["UTC", *named]]


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
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


class SignUpForm(Plain, AllauthSignupForm):
    """Makes an account, its primary user and, for a business that sells, its one merchant."""

    kind = forms.ChoiceField(
        label="Business Type",
        choices=[
            (Account.Kind.FULFILLMENT.value, "Fulfillment Center: we ship for several merchants"),
            (Account.Kind.MERCHANT.value, "Merchant: we sell, and have our orders shipped"),
        ],
        widget=forms.RadioSelect,
        initial=Account.Kind.FULFILLMENT.value,
    )
    company = forms.CharField(
        label="Company", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    name = forms.CharField(label="Your name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    timezone = forms.ChoiceField(
        label="Time zone",
        choices=zones,
        initial="America/Los_Angeles",
        widget=forms.Select(attrs={"data-zone": ""}),
        help_text="Times are shown in it, and daily services run by it.",
    )
    terms = forms.BooleanField(error_messages={"required": "Without that we cannot open an account."})

    declared = ("name",)
    field_order = ["kind", "company", "name", "email", "password1", "timezone", "terms"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].help_text = "You sign in by it. We send a link there first, to see that it is yours."
        self.fields["password1"].help_text = "At least 10 characters. Several words are easy to remember."
        label: Any = "I agree to the terms of service of this installation."
        if settings.IM_TERMS_URL:
            label = format_html(
                'I agree to the <a href="{}" rel="noopener" target="_blank">terms</a>.', settings.IM_TERMS_URL
            )
        self.fields["terms"].label = label

    def validate_unique_email(self, value: str) -> str:
        """Whether somebody signs in by it; the answer to the browser does not say so."""
        self.account_already_exists = User.objects.filter(email=value).exists()
        return value

    def clean(self) -> dict[str, Any]:
        """The password is also held against the name and the company."""
        cleaned: dict[str, Any] = super().clean()
        password = cleaned.get("password1")
        if password and not self.errors.get("password1"):
            person = User(
                email=cleaned.get("email", ""), name=f"{cleaned.get('name', '')} {cleaned.get('company', '')}"
            )
            try:
                get_adapter().clean_password(password, user=person)
            except forms.ValidationError as error:
                self.add_error("password1", error)
        return cleaned

    def try_save(self, request: HttpRequest) -> Any:
        """Takes as long for an address that is known already."""
        if self.account_already_exists:
            User().set_password(self.cleaned_data["password1"])
        return super().try_save(request)

    def custom_signup(self, request: HttpRequest, user: Any) -> None:
        """The account of the new user; its number is the active tenant's (accounts/entrance.py)."""
        data = self.cleaned_data
        account = Account.objects.create(
            pk=tenancy.account_id(), name=data["company"], kind=data["kind"], timezone=data["timezone"]
        )
        Membership.objects.create(user=user, role=Membership.Role.PRIMARY, billing=True)
        # Who has just chosen the password is not asked for it again while they set things up.
        record_authentication(request, user, method="password")
        if account.kind == Account.Kind.MERCHANT:
            code = re.sub(r"[^A-Z0-9]", "", account.name.upper())[:8] or "M1"
            Merchant.objects.create(name=account.name, code=code)
        audit.record(user, "account.created", account.name)
