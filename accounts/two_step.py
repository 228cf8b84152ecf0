"""Two-step sign-in: who has it, who must have it, and where those who lack it are sent.

`staff_needs_two_step(request)` belongs before everything that only operators may open (Django's admin,
`staff_open`); `needed_here(request)` is asked by the middleware for accounts that require it.
"""

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.models import Account, User
from integration_manager import crypto

_BOUND_TO = "mfa_authenticator"
_SECRETS = ("secret", "seed")  # of TOTP, of recovery codes
NEXT = "two_step_next"  # in the session: where somebody who was sent to set it up wanted to go
STEPS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class TwoStepAdapter(DefaultMFAAdapter):
    """Keeps the secrets of authenticator apps and recovery codes encrypted, and says things in our words."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This code is wrong, or was used already. Type the one that is shown now.",
        "unverified_email": "First follow the link that we mailed to your new address, or keep the present one.",
    }

    def encrypt(self, text: str) -> str:
        """For the database."""
        return crypto.encrypt(text, _BOUND_TO)

    def decrypt(self, encrypted_text: str) -> str:
        """The inverse."""
        return crypto.decrypt(encrypted_text, _BOUND_TO)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """What a device shows when it asks for the passkey."""
        return super().get_public_key_credential_rp_entity() | {"name": "Integration Manager"}

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        """The name that is filled in for a new passkey."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if not number else f"Passkey {number + 1}"


def has_two_step(user: User) -> bool:
    """Whether this person signs in with a second step: an authenticator app or a passkey."""
    return Authenticator.objects.filter(user_id=user.pk, type__in=STEPS).exists()


def staff_needs_two_step(request: HttpRequest) -> HttpResponse | None:
    """None where this operator may go on; else the answer that leads to setting two-step up.

    Ask it only where `request.user` is signed in and `is_staff` or `is_superuser`.
    """
    if isinstance(request.user, User) and has_two_step(request.user):
        return None
    return _to_set_up(request, "Operators sign in with two steps. Set up an authenticator app or a passkey first.")


def needed_here(request: HttpRequest, account: Account, user: User) -> HttpResponse | None:
    """None where this person may open the account; else the answer that leads to setting two-step up."""
    if not account.require_two_step or has_two_step(user):
        return None
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    text = f"{account.name} requires two-step sign-in. Set up an authenticator app or a passkey, then go on."
    return _to_set_up(request, text)


def rotate() -> int:
    """Encrypts all secrets anew with the first key (`im rotate_keys`). Returns how many were changed."""
    first, changed = next(iter(crypto.key_ring())), 0
    for pk in Authenticator.objects.values_list("pk", flat=True).order_by("pk"):
        row = Authenticator.objects.get(pk=pk)
        old = row.data
        data = {
            name: crypto.encrypt(crypto.decrypt(value, _BOUND_TO), _BOUND_TO)
            if name in _SECRETS and value.partition(":")[0] != first
            else value
            for name, value in old.items()
        }
        if data != old:  # only where nobody has changed it meanwhile
            changed += Authenticator.objects.filter(pk=pk, data=old).update(data=data)
    return changed


def _to_set_up(request: HttpRequest, text: str) -> HttpResponse:
    messages.warning(request, text)
    # What was sent is not done, and its address alone may show nothing: back to the first page below it.
    first = "/".join(request.path.split("/")[:3]) + "/" if request.path.startswith("/a/") else "/"
    request.session[NEXT] = request.get_full_path() if request.method == "GET" else first
    return HttpResponseRedirect(reverse("mfa_index"))
