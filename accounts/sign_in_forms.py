"""allauth's forms in our words: labels above the fields, no placeholders instead of them."""

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as second_step
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms
from django.conf import settings
from django.core.cache import cache
from django.core.validators import MaxLengthValidator

from accounts.models import User

LABELS = {
    "email": "E-mail",
    "login": "E-mail",
    "password": "Password",
    "password1": "Password",
    "oldpassword": "Present password",
    "code": "Code",
    "name": "Name",
}


class Plain:
    """Mixed into a form: our labels, no placeholders, lengths that the browser knows."""

    words: dict[str, str] = {}
    declared: tuple[str, ...] = ()  # fields of ours, which have their label already

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, forms.Field] = self.fields  # type: ignore[attr-defined]
        for name, field in fields.items():
            field.widget.attrs.pop("placeholder", None)
            if name not in self.declared:
                field.label = (LABELS | self.words).get(name, field.label)
            if isinstance(field, forms.CharField) and field.max_length is None:
                field.max_length = 254
                field.validators.append(MaxLengthValidator(254))
            if name.startswith("password") or name == "oldpassword":
                field.help_text = ""


class LoginForm(Plain, account.LoginForm):
    """E-mail and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].widget.attrs["autocomplete"] = "username webauthn"


class ReauthenticateForm(Plain, account.ReauthenticateForm):
    """The password once more."""


class _New(Plain):
    """A new password, typed once: who mistypes it has the sign-in link."""

    words = {"password1": "New password"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["password2"]  # type: ignore[attr-defined]
        self.fields["password1"].help_text = "At least 10 characters."  # type: ignore[attr-defined]


class ChangePasswordForm(_New, account.ChangePasswordForm):
    """The present password and a new one, which is another."""

    def clean(self) -> dict[str, Any]:
        """Who was sent here since somebody else knows it has to choose."""
        data: dict[str, Any] = super().clean()
        if data.get("password1") and data["password1"] == data.get("oldpassword"):
            self.add_error("password1", "This is the present one. Choose another.")
        return data


class SetPasswordForm(_New, account.SetPasswordForm):
    """The first password of somebody who has none."""


class ResetPasswordKeyForm(_New, account.ResetPasswordKeyForm):
    """The new password of somebody who followed the link."""


class ResetPasswordForm(Plain, account.ResetPasswordForm):
    """Whose password is forgotten."""

    def clean_email(self) -> str:
        """The address that somebody signs in by; one that waits to be verified is nobody's yet."""
        email: str = self.cleaned_data["email"].strip().lower()
        self.users = list(User.objects.filter(email=email, is_active=True))
        return email


class AddEmailForm(Plain, account.AddEmailForm):
    """The new address."""

    words = {"email": "New e-mail"}


class LinkForm(Plain, forms.Form):
    """Where the sign-in link is sent."""

    email = forms.EmailField(widget=forms.EmailInput(attrs={"autocomplete": "username"}))

    def clean_email(self) -> str:
        """In lower case, as addresses are kept."""
        return str(self.cleaned_data["email"]).strip().lower()


class _Once(Plain):
    """A code of the app works once, as long as it is valid: allauth remembers it for one period only."""

    authenticator: Any

    def clean_code(self) -> str:
        """What was typed, if it was right; raises ValidationError."""
        code: str = super().clean_code()  # type: ignore[misc]
        used = self.authenticator.wrap()
        if isinstance(used, TOTP):
            cache.touch(
                used._get_used_cache_key(code), settings.MFA_TOTP_PERIOD * (2 * settings.MFA_TOTP_TOLERANCE + 1)
            )
        return code


class CodeForm(_Once, second_step.AuthenticateForm):
    """The second step: a code of the app, or a recovery code."""


class CodeAgainForm(_Once, second_step.ReauthenticateForm):
    """The same, for somebody who is signed in."""


class AddAppForm(Plain, ActivateTOTPForm):
    """The first code of a new authenticator app."""

    words = {"code": "Code that the app shows"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= {"inputmode": "numeric", "autocomplete": "one-time-code"}


class AddPasskeyForm(Plain, AddWebAuthnForm):
    """A new passkey; always one that signs in by itself, and is a second step too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].help_text = "To tell it from others. Example: Phone of Priya."
        # allauth's script looks at `checked`, and so asks the device for one that it finds by itself.
        self.fields["passwordless"].widget = forms.HiddenInput(attrs={"checked": True})
        self.initial["passwordless"] = True


class PasskeyNameForm(Plain, EditWebAuthnForm):
    """A passkey's name."""
