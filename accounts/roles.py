"""Who may do what: one table from roles to permissions, and the decorator that every page declares one by.

A page without a declared permission fails a test (tests/test_web_permissions.py). Pages about users,
credentials and billing also ask for a recent proof: `@recently_authenticated` of accounts/reauth.py.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponseBase

from accounts.models import Account, Membership
from accounts.requests import AccountRequest

PERMISSIONS = {
    "dashboard.view": "see the dashboard",
    "orders.view": "see orders",
    "orders.act": "send, hold and release orders",
    "alerts.view": "see alerts",
    "alerts.act": "dismiss alerts and open them again",
    "alerts.edit": "say where alerts are posted and which orders are watched",
    "carts.view": "see carts",
    "carts.edit": "connect and change carts, run and pause their services",
    "merchants.view": "see merchants",
    "merchants.edit": "change a merchant and its services",
    "merchants.add": "add merchants",
    "wms.view": "see the WMS setup",
    "wms.edit": "change the WMS setup",
    "users.view": "see users",
    "users.edit": "add, change, deactivate and remove users",
    "users.primary": "hand the primary role over",
    "audit.view": "see the audit log",
    "billing.access": "see and pay bills, and give billing access",
    "profile.edit": "change one's own profile",
    "account.security": "say whether everybody needs two-step sign-in",
    "account.addresses": "switch address verification for the whole account",
}
BILLING = "billing.access"  # of the primary user; of others where somebody who has it gave it
_EVERYTHING = frozenset(PERMISSIONS)
_ADMIN = _EVERYTHING - {BILLING, "users.primary"}
STAFF = "staff"  # an operator who opened the account: looks, changes nothing
ROLES: dict[str, frozenset[str]] = {
    "primary": _EVERYTHING,
    "admin": _ADMIN,
    "merchant": _ADMIN
    - {"merchants.add", "wms.edit", "account.security", "account.addresses", "users.edit", "audit.view"},
    STAFF: frozenset(name for name in PERMISSIONS if name.endswith(".view")),
}


def permissions_of(membership: Membership | None) -> frozenset[str]:
    """What this member may do; None: staff who opened the account."""
    if membership is None:
        return ROLES[STAFF]
    granted = {BILLING} if membership.billing else frozenset[str]()
    return ROLES[membership.role] | granted


def role_label(role: str, account: Account) -> str:
    """A role in words. A Merchant account has no merchant users besides the others: all see the one merchant."""
    if role == STAFF:
        return "Staff"
    if role == Membership.Role.ADMIN and account.kind == Account.Kind.MERCHANT:
        return Membership.Role.MERCHANT.label
    return Membership.Role(role).label


View = Callable[..., HttpResponseBase]


def require(permission: str) -> Callable[[View], View]:
    """Marks a page of an account with the permission it takes; 403 for a role that lacks it.

    The page's `account` argument ends here: the middleware has put the account on the request.
    """
    if permission not in PERMISSIONS:
        raise ValueError(f"{permission} is not in accounts.roles.PERMISSIONS")

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: AccountRequest, account: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if permission not in request.permissions:
                raise PermissionDenied(f"your role may not {PERMISSIONS[permission]}")
            return view(request, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return declare


def open_to(whom: str) -> Callable[[View], View]:
    """Marks a page outside any account: "anyone", or "signed_in" (which the page itself sees to)."""
    if whom not in ("anyone", "signed_in", "staff"):
        raise ValueError(whom)

    def declare(view: View) -> View:
        view.permission = whom  # type: ignore[attr-defined]
        return view

    return declare
