"""The accounts that a person may open, for the switcher in the top bar: remembered in the session.

Renewed at sign-in, when they join one, and by the start page, so that no other page has to ask.
"""

from django.http import HttpRequest

from accounts.models import Account, Membership, User
from integration_manager import tenancy

_SESSION = "accounts"  # [[public id, name], …]
SHOWN = 8  # in the menu; who has more finds the others on the start page


def accounts_of(user: User) -> list[Account]:
    """The accounts that this person gets into, by name."""
    with tenancy.everyone("the accounts of a user"):
        found = Membership.objects.filter(user=user, deactivated_at=None).select_related("account")
        return [membership.account for membership in found.order_by("account__name", "account__pk")]


def remember(request: HttpRequest, user: User | None = None) -> list[Account]:
    """Reads them anew and keeps them for the switcher."""
    person = user or request.user
    found = accounts_of(person) if isinstance(person, User) else []
    request.session[_SESSION] = [[account.public_id, account.name] for account in found]
    return found


def forget(request: HttpRequest, public_id: str) -> None:
    """Takes an account out of the switcher that this person does not get into any more."""
    known = request.session.get(_SESSION, [])
    left = [entry for entry in known if entry[0] != public_id]
    if left != known:
        request.session[_SESSION] = left


def others(request: HttpRequest, account: Account) -> list[dict[str, str]]:
    """The remembered accounts but this one."""
    known = request.session.get(_SESSION, [])
    return [{"public_id": public_id, "name": name} for public_id, name in known if public_id != account.public_id]
