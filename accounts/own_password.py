"""Passwords that somebody else knows: set by who added a user, or typed in at a sign-up that nobody has proved.

One that was handed over is changed before any account opens; one of an address that was never verified is
void as soon as a mailed link shows whose the address is. So nobody waits inside for the right person.
"""

from allauth.account.internal.stagekit import unstash_login
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import people
from accounts.models import User

NEXT = "password_next"  # in the session: where somebody who was sent to change it wanted to go


def needed_here(request: HttpRequest, user: User) -> HttpResponse | None:
    """None where this person's password is their own; else the answer that leads to choosing one."""
    if not user.password_handed_over:
        return None
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    messages.info(request, "Your password was set by who added you. Choose one that only you know, then go on.")
    account = "/".join(request.path.split("/")[:3]) + "/"
    request.session[NEXT] = request.get_full_path() if request.method == "GET" else account
    return HttpResponseRedirect(reverse("account_change_password"))


def is_doubtful(request: HttpRequest, user: User) -> bool:
    """Whether somebody else than the reader of this person's mails may have chosen the password.

    Who has signed up in this very browser has chosen it themselves.
    """
    if not user.has_usable_password():
        return False
    if user.password_handed_over:
        return True
    waits = unstash_login(request, peek=True)
    return not people.is_verified(user) and (waits is None or waits.user is None or waits.user.pk != user.pk)


def drop(user: User) -> None:
    """From now on nobody signs in by it."""
    user.set_unusable_password()
    user.password_handed_over = False
    user.save(update_fields=["password", "password_handed_over"])
