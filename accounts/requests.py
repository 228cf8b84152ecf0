"""A request to a page of an account, as the middleware makes it."""

from typing import TYPE_CHECKING, TypeGuard

from django.http import HttpRequest

if TYPE_CHECKING:
    from accounts.models import Account, Membership, User


class AccountRequest(HttpRequest):
    """What AccountMiddleware adds to requests below /a/<public id>/. For types only, never made."""

    user: "User"
    account: "Account"
    membership: "Membership | None"  # None: staff who opened the account
    permissions: frozenset[str]
    active_alerts: int  # where a page has asked for it along with its own
    merchants: tuple[int, ...] | None  # what the user may see; None: all of the account's


def in_account(request: HttpRequest) -> TypeGuard[AccountRequest]:
    """Whether the middleware has made it one of an account."""
    return hasattr(request, "permissions")
