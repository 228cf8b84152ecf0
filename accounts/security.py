"""How somebody's sign-in is protected: e-mail, password, two steps, sessions; and an account's rule."""

from typing import Any

from allauth.account import views as account
from allauth.account.models import EmailAddress
from allauth.mfa.base import views as second_step
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as app
from allauth.mfa.webauthn import views as passkeys
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit, two_step
from accounts.devices import device
from accounts.models import User
from accounts.reauth import recently_authenticated
from accounts.requests import AccountRequest
from accounts.roles import open_to, require
from integration_manager import stale


class _Whole:
    """What a form does and the mail that tells of it are one transaction."""

    def form_valid(self, form: Any) -> HttpResponse:
        """All of it or nothing."""
        with transaction.atomic():
            answer: HttpResponse = super().form_valid(form)  # type: ignore[misc]
        return answer


class ChangeAddress(_Whole, account.EmailView):
    """A new address counts once its link was followed; the old one is told."""


class ChangePassword(_Whole, account.PasswordChangeView):
    """The present password and a new one; other sessions end."""


class SetPassword(_Whole, account.PasswordSetView):
    """The first password."""


class AddApp(_Whole, app.ActivateTOTPView):
    """An authenticator app."""


class RemoveApp(_Whole, app.DeactivateTOTPView):
    """Removes it."""


class NewCodes(_Whole, codes.GenerateRecoveryCodesView):
    """New recovery codes; the old ones are void."""


class AddPasskey(_Whole, passkeys.AddWebAuthnView):
    """A passkey."""


class RemovePasskey(_Whole, passkeys.RemoveWebAuthnView):
    """Removes it."""


class SecondStep(second_step.AuthenticateView):
    """The second step of a sign-in."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Which ways this person has."""
        user = self.stage.login.user
        types = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
        return super().get_context_data(**kwargs) | {
            "has_app": Authenticator.Type.TOTP in types,
            "has_passkey": Authenticator.Type.WEBAUTHN in types,
            "has_codes": Authenticator.Type.RECOVERY_CODES in types,
        }


@open_to("signed_in")
@never_cache
@require_GET
def overview(request: HttpRequest) -> HttpResponseBase:
    """Everything about the sign-in of the person, on one page."""
    user = request.user
    if not isinstance(user, User):
        return redirect_to_login(request.get_full_path())
    found = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    by_type = {each.type: each for each in found}
    recovery = by_type.get(Authenticator.Type.RECOVERY_CODES)
    waiting = request.session.get(two_step.NEXT, "")
    protected = bool({*two_step.STEPS} & by_type.keys())
    if protected and waiting:
        del request.session[two_step.NEXT]
    context = {
        "pending": EmailAddress.objects.filter(user=user, verified=False).exclude(email=user.email).first(),
        "app": by_type.get(Authenticator.Type.TOTP),
        "passkeys": [each for each in found if each.type == Authenticator.Type.WEBAUTHN],
        "codes_left": len(recovery.wrap().get_unused_codes()) if recovery else None,
        "protected": protected,
        "waiting": waiting,
        "sessions": _sessions(request, user),
    }
    return render(request, "accounts/security.html", context)


@open_to("signed_in")
@require_POST
def end_session(request: HttpRequest, session: int) -> HttpResponseBase:
    """Signs one other browser out, or with 0 all others."""
    if not isinstance(request.user, User):
        return redirect_to_login("/")
    others = UserSession.objects.filter(user=request.user).exclude(session_key=request.session.session_key)
    if session:
        get_object_or_404(others, pk=session).end()
        messages.success(request, "That browser is signed out.")
    else:
        for other in others:
            other.end()
        messages.success(request, "All other browsers are signed out.")
    return redirect("mfa_index")


@require("account.security")
@recently_authenticated
@require_http_methods(["GET", "POST"])
def account_security(request: AccountRequest) -> HttpResponseBase:
    """Whether everybody who opens this account needs two-step sign-in."""
    shown = request.account
    has = two_step.has_two_step(request.user)
    mark = stale.mark(shown.require_two_step)
    said = stale.said(request.POST, mark, shown.name, "account.changed")
    wanted = request.POST.get("require_two_step") == "on" if request.method == "POST" else shown.require_two_step
    if request.method == "POST" and not said:
        if wanted and not has:
            messages.error(request, "Set up two-step sign-in for yourself first: you would be locked out.")
            return redirect("mfa_index")
        if wanted != shown.require_two_step:
            with transaction.atomic():
                audit.record(
                    request.user, "account.changed", shown.name, {"require_two_step": (shown.require_two_step, wanted)}
                )
                type(shown).objects.filter(pk=shown.pk).update(require_two_step=wanted)
        messages.success(request, "Saved. It counts from each person's next page." if wanted else "Saved.")
        return redirect("account_security", shown.public_id)
    context = {"has_two_step": has, "wanted": wanted, "mark": mark, **said}
    return render(request, "accounts/account_security.html", context, status=422 if said else 200)


def _sessions(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """Where this person is signed in, this browser first."""
    rows = [
        {
            "pk": each.pk,
            "device": device(each.user_agent),
            "ip": each.ip,
            "seen": each.last_seen_at,
            "began": each.created_at,
            "here": each.session_key == request.session.session_key,
        }
        for each in UserSession.objects.purge_and_list(user)
    ]
    return sorted(rows, key=lambda row: (not row["here"], -row["seen"].timestamp()))
