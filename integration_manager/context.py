"""What the frame of every page shows: theme, navigation, switcher, number of active alerts.

The parts that ask the database are functions, so that a fragment, which has no frame, does not ask.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest

from accounts import outbox, switching
from accounts.models import User
from accounts.requests import AccountRequest, in_account
from accounts.roles import PERMISSIONS, STAFF, role_label
from alerts.models import COUNTED, Alert
from integration_manager.converters import looks_like_one
from integration_manager.navigation import navigation, one_merchant
from merchants.models import Merchant

SWITCHER_LENGTH = 20
SCOPED = ("dashboard", "orders", "skipped", "carts", "ship_methods", "alerts")  # pages that show all merchants or one
THEME_COOKIE = "im_theme"


def face(request: HttpRequest) -> dict[str, Any]:
    """The template context of the frame."""
    context: dict[str, Any] = {
        "theme": theme_of(request),
        "outbox": outbox.is_open(request),
        "signup_open": settings.IM_SIGNUP,
    }
    if settings.IM_DEMO:
        context["demo"] = {"email": settings.DEMO_EMAIL, "password": settings.DEMO_PASSWORD}
    if not in_account(request):
        return context
    account, permissions, membership = request.account, request.permissions, request.membership
    others = switching.others(request, account)
    chosen = chosen_merchant(request)
    return context | {
        "account": account,
        "person": str(request.user),
        "role_label": role_label(membership.role if membership else STAFF, account),
        "staff_view": membership is None,
        "may": {name.replace(".", "_"): name in permissions for name in PERMISSIONS},
        "navigation": navigation(request),
        "one_merchant": one_merchant(request),
        "other_accounts": others[: switching.SHOWN],
        "more_accounts": len(others) > switching.SHOWN,
        "merchant": chosen,
        "scope_query": lambda: f"?merchant={found.public_id}" if (found := chosen()) else "",
        "switch_merchants": switch_merchants(request),
        "active_alerts": cache(lambda: _active_alerts(request, permissions)),
    }


def theme_of(request: HttpRequest) -> str:
    """The theme that is set: light, dark, or "" for the system's."""
    user = getattr(request, "user", None)
    found = user.theme if isinstance(user, User) else request.COOKIES.get(THEME_COOKIE, "")
    return found if found in (User.Theme.LIGHT, User.Theme.DARK) else ""


class _Framed(AccountRequest):
    """What is asked once for a request. For types only."""

    chosen_merchant: Callable[[], Merchant | None]
    switch_merchants: Callable[[], list[Merchant]]


def chosen_merchant(request: AccountRequest) -> Callable[[], Merchant | None]:
    """A function for the merchant that ?merchant= names and the user may see; asked once a request."""
    known: Callable[[], Merchant | None] | None = getattr(request, "chosen_merchant", None)
    if known is not None:
        return known

    @cache
    def find() -> Merchant | None:
        wanted = request.GET.get("merchant", "")
        if not looks_like_one(wanted):
            return None
        listed = (one for one in switch_merchants(request)() if one.public_id == wanted)
        return next(listed, None) or Merchant.objects.filter(public_id=wanted).first()

    cast(_Framed, request).chosen_merchant = find
    return find


def switch_merchants(request: AccountRequest) -> Callable[[], list[Merchant]]:
    """A function for the merchants to switch between; asked once a request."""
    known: Callable[[], list[Merchant]] | None = getattr(request, "switch_merchants", None)
    if known is None:
        known = cache(lambda: _switch_merchants(request))
        cast(_Framed, request).switch_merchants = known
    return known


def _switch_merchants(request: AccountRequest) -> list[Merchant]:
    """The merchants to switch between; none where there is nothing to choose, or the page is not about them.

    With them comes the number of active alerts, which the frame shows too.
    """
    name = request.resolver_match.url_name if request.resolver_match else ""
    if request.merchants is not None or name not in SCOPED:
        return []
    listed = Merchant.objects.only("account", "public_id", "name").annotate(alerts=Alert.active_number())
    found: list[Any] = list(listed.order_by("name")[: SWITCHER_LENGTH + 1])
    if found:
        request.active_alerts = found[0].alerts
    return found if len(found) > 1 else []


def _active_alerts(request: AccountRequest, permissions: frozenset[str]) -> str:
    if "alerts.view" not in permissions:
        return ""
    switch_merchants(request)()
    number: int | None = getattr(request, "active_alerts", None)  # a page may have asked for it along with its own
    if number is None:
        number = Alert.objects.filter(resolved_at=None, dismissed_at=None)[: COUNTED + 1].count()
    return f"{COUNTED}+" if number > COUNTED else str(number or "")
