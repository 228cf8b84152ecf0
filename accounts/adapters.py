"""How allauth behaves here: what other projects do with signals is written in these classes."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseForbidden

from integration_manager.loopback import from_this_machine

DEMO_REFUSED = "The demo account works only on the machine that it runs on."


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are invited or made by an administrator; nobody signs up by themselves yet."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Sign-up is closed."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """The demo's password is public, so it opens nothing from elsewhere."""
        super().pre_authenticate(request, **credentials)
        if _is_demo(credentials.get("email")) and not _demo_may_log_in(request):
            raise ValidationError(DEMO_REFUSED)

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> Any:
        """Every way to log in comes through here, links included."""
        if _is_demo(user.email) and not _demo_may_log_in(request):
            raise ImmediateHttpResponse(HttpResponseForbidden(DEMO_REFUSED))
        return super().pre_login(request, user, **kwargs)


def _is_demo(email: object) -> bool:
    return isinstance(email, str) and email.strip().lower() == settings.DEMO_EMAIL


def _demo_may_log_in(request: HttpRequest) -> bool:
    return bool(settings.IM_DEMO) and from_this_machine(request)
