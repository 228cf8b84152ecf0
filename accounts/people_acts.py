"""What is done to a user of an account: a page that says what happens, with one button."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import people
from accounts.models import Membership
from accounts.people_views import member_or_404
from accounts.reauth import recently_authenticated
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager.kit import clock


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do. `text` says what it means, `done` that it is so; {name} is the user."""

    title: str
    text: str
    button: str
    keep: str
    done: str
    do: Callable[[AccountRequest, Membership], object]
    permission: str = "users.edit"
    danger: bool = False


ACTS = {
    "deactivate": Act(
        "Deactivate {name}?",
        "They do not get into this account any more, from their next page on, and are not mailed about its alerts. "
        "Their role, their merchants and their place among the error contacts are kept, so they can be reactivated.",
        "Deactivate {name}",
        "Keep active",
        "{name} is deactivated.",
        lambda request, member: people.deactivate(member, request.user, clock.now()),
        danger=True,
    ),
    "reactivate": Act(
        "Reactivate {name}?",
        "They get into this account again, as what they were, and are mailed about its alerts as before.",
        "Reactivate {name}",
        "Leave deactivated",
        "{name} is active again.",
        lambda request, member: people.reactivate(member, request.user),
    ),
    "remove": Act(
        "Remove {name}?",
        "They do not get into this account any more and are no error contact of it. If they belong to other accounts "
        "they keep those; if not, their user is deleted. What they did stays in the audit log. "
        "To have them back, invite them again.",
        "Remove {name}",
        "Keep this user",
        "{name} is removed.",
        lambda request, member: people.remove(member, request.user),
        danger=True,
    ),
    "primary": Act(
        "Make {name} the primary user?",
        "There is one primary user: {name} takes your place, with all rights and billing access. You become an admin "
        "user, keep billing access until it is taken from you, and cannot undo this yourself.",
        "Hand over to {name}",
        "Stay the primary user",
        "{name} is the primary user now. You are an admin user.",
        lambda request, member: people.make_primary(member, request.user),
        permission="users.primary",
        danger=True,
    ),
    "billing": Act(
        "Give {name} billing access?",
        "They see bills and the way of payment, can change and cancel the plan, and can give billing access to others.",
        "Give billing access",
        "Leave it",
        "{name} has billing access.",
        lambda request, member: people.set_billing(member, request.user, True),
        permission="billing.access",
    ),
    "no-billing": Act(
        "Take billing access from {name}?",
        "They do not see bills any more, from their next page on.",
        "Take billing access",
        "Leave it",
        "{name} has no billing access any more.",
        lambda request, member: people.set_billing(member, request.user, False),
        permission="billing.access",
    ),
}


@require("users.edit")
@recently_authenticated
@never_cache
@require_http_methods(["GET", "POST"])
def user_act(request: AccountRequest, member: str, what: str) -> HttpResponseBase:
    """Asks whether it is meant, and does it."""
    found, act = member_or_404(member), ACTS.get(what)
    if act is None:
        raise Http404
    if act.permission not in request.permissions:
        raise PermissionDenied("your role may not do this")
    name = str(found.user)
    if request.method == "POST":
        try:
            act.do(request, found)
        except people.Refused as refused:
            messages.error(request, str(refused))
            return redirect("users", request.account.public_id)
        messages.success(request, act.done.format(name=name))
        if what in ("remove", "primary"):
            return redirect("users", request.account.public_id)
        return redirect("user", request.account.public_id, found.public_id)
    words = {part: getattr(act, part).format(name=name) for part in ("title", "text", "button", "keep")}
    return render(request, "accounts/user_act.html", {"member": found, "act": act, **words})
