"""Staff in an account of somebody else: opened on record, looked at, never changed.

An operator opens an account for this browser and for OPEN seconds at most; the account's audit log says so.
They stay who they are: no page believes that they are a user of the account.
"""

import time

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts import two_step
from accounts.models import Account, User

OPEN = 4 * 3600  # seconds
_SESSION = "staff_opened"  # [public id of the account, when]
_READING = ("GET", "HEAD", "OPTIONS")


def enter(request: HttpRequest, account: Account) -> None:
    """From now on this operator may look at the account, and no longer at another one."""
    request.session[_SESSION] = [account.public_id, time.time()]


def leave(request: HttpRequest) -> str:
    """Ends that. Returns the public id of the account that was open, or ""."""
    opened = request.session.pop(_SESSION, None)
    return str(opened[0]) if opened else ""


def has_opened(request: HttpRequest, user: User, account: Account) -> bool:
    """Whether this person is an operator with two-step sign-in who has opened this account."""
    public_id, since = request.session.get(_SESSION) or ("", 0)
    if not user.is_staff or public_id != account.public_id or time.time() - since > OPEN:
        return False
    return two_step.has_two_step(user)


def refusal(request: HttpRequest) -> HttpResponse | None:
    """The answer to an operator who is about to change something; None where they only look."""
    if request.method in _READING:
        return None
    return render(request, "accounts/staff_read_only.html", status=403)
