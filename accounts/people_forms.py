"""The forms about users of an account. What is offered is what the account has; anything else is refused."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password

from accounts import people
from accounts.models import Account, Membership, User

Role = Membership.Role
_BOXES = 12  # more merchants than that are chosen from a list
LINK, PASSWORD = "link", "password"


class PlaceForm(forms.Form):
    """Role and merchants. In a Merchant account there is nothing to choose: everybody sees the one merchant."""

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.chooses = account.kind == Account.Kind.FULFILLMENT
        if not self.chooses:
            return
        merchants = people.merchants()
        known = list(merchants.values_list("public_id", flat=True)[: _BOXES + 1])
        self.fields["role"] = forms.ChoiceField(
            label="Role",
            choices=[
                (Role.ADMIN.value, "Admin user: all merchants and the WMS setup"),
                (Role.MERCHANT.value, "Merchant user: the chosen merchants only, the WMS setup to look at"),
            ],
            widget=forms.RadioSelect,
        )
        boxes = len(known) <= _BOXES
        self.fields["merchants"] = forms.ModelMultipleChoiceField(
            merchants,
            label="Merchants",
            to_field_name="public_id",
            required=False,
            widget=forms.CheckboxSelectMultiple() if boxes else forms.SelectMultiple(attrs={"size": 12}),
            help_text="" if boxes else "Hold Ctrl, or ⌘, to choose several.",
        )
        self.fields["merchants"].when = ("role", Role.MERCHANT.value)  # type: ignore[attr-defined]
        self.fields["merchants"].kept = True  # type: ignore[attr-defined]  # not “optional” for whom it applies to
        self.order_fields(["name", "email", "role", "merchants"])

    def clean_merchants(self) -> list[Any]:
        """In the order of their names; needed for a merchant user."""
        chosen = sorted(self.cleaned_data["merchants"], key=lambda one: (one.name.casefold(), one.pk))
        if self.cleaned_data.get("role") == Role.MERCHANT and not chosen:
            raise forms.ValidationError("Which merchants? Choose at least one.")
        return chosen

    def place(self) -> people.Place:
        """What was chosen, after validation."""
        if not self.chooses:
            return people.Place(Role.ADMIN)
        role = self.cleaned_data["role"]
        return people.Place(role, self.cleaned_data["merchants"] if role == Role.MERCHANT else [])


class NewUserForm(PlaceForm):
    """Somebody new: who, what they may see, and how they get in."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="Example: Priya Raman.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        help_text="They sign in by it.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    how = forms.ChoiceField(
        label="How do they get in?",
        choices=[
            (LINK, "By a link in a mail, good for 7 days: they choose their password"),
            (
                PASSWORD,
                "By a password that you set and hand over: they verify their address by mail, then choose their own",
            ),
        ],
        widget=forms.RadioSelect,
        initial=LINK,
    )
    password = forms.CharField(
        label="Password",
        max_length=254,
        required=False,
        strip=False,
        help_text="At least 10 characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(account, *args, **kwargs)
        self.fields["password"].when = ("how", PASSWORD)  # type: ignore[attr-defined]
        self.fields["password"].kept = True  # type: ignore[attr-defined]

    def clean_email(self) -> str:
        """As it is kept."""
        return str(self.cleaned_data["email"]).strip().lower()

    def clean(self) -> dict[str, Any]:
        """A password as strict as everywhere, where one is to be set."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("how") == PASSWORD:
            person = User(email=data.get("email", ""), name=data.get("name", ""))
            try:
                validate_password(data.get("password") or "", person)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data

    def password_set(self) -> str:
        """The password, after validation; "" where a link is mailed."""
        return str(self.cleaned_data["password"]) if self.cleaned_data["how"] == PASSWORD else ""
