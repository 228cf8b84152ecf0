"""How allauth behaves here: what other projects do with signals is written in these classes."""

from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.urls import reverse

from accounts import addresses, breach, lockout, mail, own_password, switching
from accounts.devices import device
from accounts.models import User
from accounts.reauth import is_recent
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.loopback import from_this_machine

DEMO_REFUSED = "The demo account works only on the machine that it runs on."
BREACHED = "Your password is in a list of stolen passwords. Change it now, here and wherever else you use it."

# allauth's mails → ours (templates/mail/), and how long their link works.
MAILS: dict[str, tuple[str, timedelta | None]] = {
    "account/email/email_confirmation_signup": ("verify_sign_up", timedelta(days=2)),
    "account/email/email_confirmation": ("verify_address", timedelta(days=2)),
    "account/email/account_already_exists": ("already_exists", None),
    "account/email/unknown_account": ("unknown_account", None),
    "account/email/password_reset_key": ("password_reset", timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)),
    "account/email/password_changed": ("password_changed", None),
    "account/email/password_reset": ("password_changed", None),
    "account/email/password_set": ("password_changed", None),
    "account/email/email_changed": ("address_changed", None),
    "mfa/email/totp_activated": ("app_added", None),
    "mfa/email/totp_deactivated": ("app_removed", None),
    "mfa/email/recovery_codes_generated": ("codes_made", None),
    "mfa/email/webauthn_added": ("passkey_added", None),
    "mfa/email/webauthn_removed": ("passkey_removed", None),
}
# What allauth says on the next page → what we say; "" says nothing.
SAYS = {
    "account/messages/logged_in.txt": "",
    "account/messages/logged_out.txt": "",
    "account/messages/email_confirmation_sent.txt": "We have sent a mail with a link to {email}.",
    "account/messages/email_confirmed.txt": "{email} is verified.",
    "account/messages/email_confirmation_failed.txt": "{email} could not be verified: somebody else signs in by it.",
    "account/messages/password_changed.txt": "Your password is changed. Everywhere else you are signed out.",
    "account/messages/password_set.txt": "Your password is set.",
    "mfa/messages/totp_activated.txt": "Your authenticator app is set up.",
    "mfa/messages/totp_deactivated.txt": "The authenticator app is removed.",
    "mfa/messages/webauthn_added.txt": "The passkey is added.",
    "mfa/messages/webauthn_removed.txt": "The passkey is removed.",
    "mfa/messages/recovery_codes_generated.txt": "",
}


class Backend(AuthenticationBackend):
    """Signs in by the address that is the user's; one that is not verified yet belongs to nobody."""

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        user = User.objects.filter(email=email.strip().lower()).first()
        found: User | None = self._check_password(user, password)
        return found


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up, sign-in, addresses, mails and words."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "duplicate_email": "This is your address already, or it waits to be verified: look into its mailbox.",
        "enter_current_password": "This is not your password.",
        "invalid_password_reset": "This link was used, or it is too old.",
        "rate_limited": "That was too often. Wait a few minutes.",
        "too_many_login_attempts": "Too many tries. Wait 15 minutes, or use a sign-in link.",
    }

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        """The message, with the number of tries left where a password was wrong."""
        left = getattr(self.request, "tries_left", None)
        if code in ("email_password_mismatch", "incorrect_password"):
            what = "E-mail and password do not match." if code.startswith("email") else "This is not your password."
            return ValidationError(what + lockout.warning(left), code=code)
        return super().validation_error(code, *args)

    # ── sign-up ──

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Unless the operator has closed it (IM_SIGNUP)."""
        return bool(settings.IM_SIGNUP)

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:
        """The user of a sign-up form."""
        user.name, user.timezone = form.cleaned_data["name"], form.cleaned_data["timezone"]
        user.terms_accepted_at = clock.now()
        return super().save_user(request, user, form, commit)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Not where somebody else signs in by this address meanwhile."""
        if addresses.taken_by_another(email_address.email, email_address.user_id):
            template = "account/messages/email_confirmation_failed.txt"
            self.add_message(request, messages.ERROR, template, {"email": email_address.email})
            return False
        return bool(super().confirm_email(request, email_address))

    # ── sign-in ──

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Counts the try. The demo's password is public, so it opens nothing from elsewhere."""
        email = str(credentials.get("email", "")).strip().lower()
        if _is_demo(email) and not _demo_may_log_in(request):
            raise ValidationError(DEMO_REFUSED)
        left = lockout.take(email, self.get_client_ip(request), clock.now())
        if left < 0:
            raise self.validation_error("too_many_login_attempts")
        request.tries_left = left  # type: ignore[attr-defined]  # for this form's answer alone

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """The user, or None. Whoever knows the password starts with a full number of tries again."""
        user = super().authenticate(request, **credentials)
        if user is not None:
            lockout.forget(user.email, self.get_client_ip(request))
            if not _is_demo(user.email) and breach.is_breached(str(credentials.get("password", ""))):
                messages.warning(request, BREACHED)
        return user

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> Any:
        """Every way to log in comes through here, links included."""
        if _is_demo(user.email) and not _demo_may_log_in(request):
            raise ImmediateHttpResponse(HttpResponseForbidden(DEMO_REFUSED))
        return super().pre_login(request, user, **kwargs)

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse:
        """Signed in: the switcher knows this person's accounts from now on.

        With an address verified it is one transaction, and the start page, where that leads, sees to it.
        """
        if not tenancy.in_transaction():
            switching.remember(request, user)
        return super().post_login(request, user, **kwargs)

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """After a password reset."""
        lockout.forget(str(credentials.get("email", "")), self.get_client_ip(request))

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """allauth's own pages ask as ours do: a sign-in a minute ago counts (accounts/reauth.py)."""
        return not is_recent(self.request)

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """How somebody may show that it is them, in our words."""
        words = {
            "reauthenticate": "Use your password",
            "mfa_reauthenticate": "Use a code",
            "mfa_reauthenticate:webauthn": "Use a passkey",
        }
        found = super().get_reauthentication_methods(user)
        return [method | {"description": words[method["id"]]} for method in found]

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """To the page that led there."""
        return str(request.session.pop(own_password.NEXT, "") or reverse("mfa_index"))

    # ── mails and words ──

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """For a mail."""
        return mail.link(reverse("account_confirm_email", args=[emailconfirmation.key]))

    def get_reset_password_from_key_url(self, key: str) -> str:
        """For a mail."""
        uid, _, token = key.partition("-")
        return mail.link(reverse("account_reset_password_from_key", args=[uid, token]))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Writes the row; a task sends it."""
        kind, lives = MAILS[template_prefix]
        user = context.get("user")
        said = {"name": user.name if isinstance(user, User) else ""}
        urls = ("activate_url", "password_reset_url", "signup_url")
        found = next((str(context[name]) for name in urls if context.get(name)), "")
        if kind in ("already_exists", "unknown_account"):  # these come with a request's host in them
            found = mail.link(reverse("account_login" if kind == "already_exists" else "account_signup"))
        said["url"] = found or mail.link(reverse("mfa_index"))
        if "timestamp" in context:
            said |= {
                "when": f"{context['timestamp']:%d %B %Y, %H:%M} UTC",
                "ip": str(context["ip"]),
                "device": device(context["user_agent"]),
            }
        said |= {name: str(context[name]) for name in ("from_email", "to_email") if name in context}
        mail.queue(kind, email, said, lives=lives)

    def add_message(  # allauth's signature
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Says it in our words."""
        said = message or SAYS[str(message_template)].format(**(message_context or {}))
        if said:
            messages.add_message(request, level, said, extra_tags=extra_tags)

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """To the page that says so."""
        return HttpResponse(status=302, headers={"Location": reverse("account_inactive")})


def _is_demo(email: object) -> bool:
    return isinstance(email, str) and email.strip().lower() == settings.DEMO_EMAIL


def _demo_may_log_in(request: HttpRequest) -> bool:
    return bool(settings.IM_DEMO) and from_this_machine(request)
