"""From the address to the tenant: /a/<public id>/ → account and membership → tenancy.activate()."""

import re
import time
import zoneinfo
from collections.abc import Callable
from datetime import timedelta
from typing import cast

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone

from accounts import audit, own_password, sessions, staff, switching, two_step
from accounts.models import Account, Membership, User
from accounts.requests import AccountRequest
from accounts.roles import permissions_of
from integration_manager import tenancy
from integration_manager.kit import clock

_BELOW_ACCOUNT = re.compile(r"^/a/([a-z0-9]{1,20})/")
STAY = 600  # seconds

Next = Callable[[HttpRequest], HttpResponseBase]


class AccountMiddleware:
    """Activates the account that the address names, for its members; for everyone else it is not there."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answers below /a/ with the tenant active, elsewhere with none."""
        match = _BELOW_ACCOUNT.match(request.path_info)
        if match is None:
            return self._outside(request)
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise Http404  # no row is called so, and PostgreSQL cannot even be asked
        user = request.user
        if not isinstance(user, User) or not user.is_authenticated:
            return _to_login(request)
        account = Account.objects.filter(public_id=match[1]).first()
        if account is None:
            raise Http404
        _stay(request)
        with tenancy.activate(account.pk), timezone.override(zone_of(user)):
            membership = Membership.objects.filter(user=user, deactivated_at=None).first()
            if membership is None and not staff.has_opened(request, user, account):
                switching.forget(request, account.public_id)
                raise Http404
            wanting = None
            if membership is not None:
                wanting = own_password.needed_here(request, user) or two_step.needed_here(request, account, user)
            if wanting is not None:
                return wanting
            merchants = membership.merchant_ids if membership else None
            page = cast(AccountRequest, request)  # from here on it is one
            page.account, page.membership = account, membership
            page.permissions, page.merchants = permissions_of(membership), merchants
            if membership is None:
                with audit.through("staff"):
                    return staff.refusal(request) or self.get_response(request)
            _seen(request, membership)
            if merchants is None:
                return self.get_response(request)
            with tenancy.activate(account.pk, merchants):
                return self.get_response(request)

    def _outside(self, request: HttpRequest) -> HttpResponseBase:
        """No account is active there; times are the person's all the same."""
        user = request.user
        if not isinstance(user, User):
            return self.get_response(request)
        with timezone.override(zone_of(user)):
            return self.get_response(request)


def zone_of(user: User) -> zoneinfo.ZoneInfo:
    """The user's time zone; UTC where the system no longer knows it."""
    try:
        return zoneinfo.ZoneInfo(user.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


def _stay(request: HttpRequest) -> None:
    """Keeps the session alive, at most once in ten minutes; a part that a page polls is nobody's doing."""
    now = int(time.time())
    if _polls(request):
        return
    if now - request.session.get("seen", 0) > STAY:
        request.session["seen"] = now
        sessions.seen(request)


def _seen(request: HttpRequest, membership: Membership) -> None:
    """Notes that this member was here, at most once in ten minutes."""
    now = clock.now()
    if not _polls(request) and (membership.seen_at is None or now - membership.seen_at > timedelta(seconds=STAY)):
        Membership.objects.filter(pk=membership.pk).update(seen_at=now)


def _polls(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request")) and request.method == "GET"


def _to_login(request: HttpRequest) -> HttpResponseBase:
    if request.headers.get("HX-Request"):
        # A fragment must not put the login page into the middle of an old one: reload the whole.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    back = request.get_full_path() if request.method == "GET" else request.path
    return redirect_to_login(back)
