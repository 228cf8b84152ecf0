"""The pages about the users of an account. What is done to one: accounts/people_acts.py."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import adding, audit, invitations, people
from accounts.models import Account, Invitation, Membership
from accounts.people_forms import NewUserForm, PlaceForm
from accounts.reauth import recently_authenticated
from accounts.requests import AccountRequest
from accounts.roles import BILLING, PERMISSIONS, ROLES, STAFF, require, role_label
from integration_manager import spreadsheet, stale
from integration_manager.kit import clock
from integration_manager.searched import search_text
from integration_manager.spreadsheet import moment

PAGE = 50
MOST_INVITATIONS = 100
HEAD = ["Name", "E-mail", "Role", "Merchants", "Status", "Two-step", "Billing", "Last seen (UTC)", "Invited by",
        "Invited (UTC)"]  # fmt: skip
Role = Membership.Role
AREAS = {
    "dashboard": "Dashboard",
    "orders": "Orders",
    "alerts": "Alerts",
    "carts": "Carts",
    "merchants": "Merchants",
    "wms": "WMS Setup",
    "users": "Users",
    "audit": "Audit log",
    "billing": "Billing",
    "profile": "Profile",
    "account": "Account",
}


@require("users.view")
@never_cache
@require_GET
def users(request: AccountRequest) -> HttpResponse:
    """Who is in the account, and who is invited. A user of some merchants sees the users of these."""
    found, offers, text, merchant = _asked(request)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    shown, waiting = list(page.object_list), list(offers[:MOST_INVITATIONS])
    _describe(request, shown, waiting)
    context = {"page": page, "offers": waiting, "text": text, "of": merchant, "several": _several(request)}
    return render(request, "accounts/users.html", context)


@require("users.view")
@never_cache
@require_GET
def users_csv(request: AccountRequest) -> HttpResponseBase:
    """The same as a file: the users, then who is invited."""
    found, offers, _, _ = _asked(request)
    audit.record(request.user, "users.exported", request.account.name)

    def cells() -> Iterator[list[object]]:
        for part in spreadsheet.parts(found, "-pk"):
            _describe(request, part, [])
            for row in part:
                billing = row.billing or row.role == Role.PRIMARY
                about = [row.user.name, row.user.email, row.role_words, _merchants_of(row), row.status.title()]
                yield [*about, "On" if row.two_step else "Off", "Yes" if billing else "No", moment(row.seen_at), "", ""]
        for part in spreadsheet.parts(offers, "-pk"):
            _describe(request, [], part)
            for row in part:
                about = [row.name, row.email, row.role_words, _merchants_of(row)]
                state = "Invitation expired" if row.expired else "Invited"
                yield [*about, state, "", "", "", row.invited_by, moment(row.created_at)]

    return spreadsheet.streamed(request, "users", HEAD, cells)


@sensitive_post_parameters("password")
@require("users.edit")
@recently_authenticated
@never_cache
@require_http_methods(["GET", "POST"])
def user_new(request: AccountRequest) -> HttpResponseBase:
    """Adds somebody: *New Admin User*, *New User* of a merchant, *New Merchant User*."""
    merchant = people.merchants().filter(public_id=request.GET.get("merchant", "").replace("\x00", "")).first()
    start = {"role": Role.MERCHANT if merchant else Role.ADMIN, "merchants": [merchant.public_id] if merchant else []}
    form = NewUserForm(request.account, request.POST if request.method == "POST" else None, initial=start)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            password = form.password_set()
            adding.add(request.account, data["email"], data["name"], form.place(), password, request.user)
        except people.Refused as refused:
            form.add_error("email", str(refused))
        else:
            messages.success(request, _said(data["email"], password))
            return redirect("users", request.account.public_id)
    title = "New User" if merchant else "New Admin User" if _several(request) else "New Merchant User"
    status = 422 if form.is_bound else 200
    return render(request, "accounts/user_new.html", {"form": form, "title": title, "of": merchant}, status=status)


@require("users.edit")
@recently_authenticated
@never_cache
@require_http_methods(["GET", "POST"])
def user(request: AccountRequest, member: str) -> HttpResponseBase:
    """One user: role and merchants, billing access, and what can be done."""
    found = member_or_404(member)
    place = people.place_of(found)
    mark = stale.mark(str(place))
    start = {"role": place.role, "merchants": [one.public_id for one in place.merchants]}
    form = PlaceForm(request.account, request.POST if request.method == "POST" else None, initial=start)
    context: dict[str, Any] = {"mark": mark}
    fixed = found.role == Role.PRIMARY or found.user_id == request.user.pk
    if request.method == "POST" and not form.chooses:
        raise Http404  # nothing to change in a Merchant account
    if request.method == "POST" and form.is_valid():
        if not fixed and stale.overtaken(request.POST, mark):
            context |= {"overtaken": True, "last_change": stale.last_change(found.user.email)}
        else:
            try:
                changed = people.change(found, request.user, form.place())
            except people.Refused as refused:
                messages.error(request, str(refused))
            else:
                messages.success(request, "Saved. It counts from their next page." if changed else "Nothing changed.")
            return redirect("user", request.account.public_id, found.public_id)
    shown: Any = found
    shown.status, shown.role_words = people.status(found), role_label(found.role, request.account)
    people.name_merchants([shown])
    context |= {
        "member": shown,
        "form": form,
        "myself": found.user_id == request.user.pk,
        "fixed": fixed,
        "may_grant": BILLING in request.permissions and not fixed,
        "may_hand_over": request.membership is not None and request.membership.role == Role.PRIMARY,
    }
    return render(request, "accounts/user.html", context, status=422 if form.is_bound else 200)


@require("users.edit")
@recently_authenticated
@require_POST
def invitation_act(request: AccountRequest, offer: str, what: str) -> HttpResponseBase:
    """Mails an invitation again, or withdraws it."""
    found = Invitation.objects.filter(public_id=offer).first()
    if found is None or what not in ("resend", "withdraw"):
        raise Http404
    if what == "resend" and invitations.resend(found, request.account, request.user):
        messages.success(request, f"A new link is on its way to {found.email}. The one before works no longer.")
    elif what == "resend":
        messages.info(request, f"{found.email} was mailed a moment ago, or has accepted.")
    elif invitations.withdraw(found, request.user):
        messages.success(request, f"The invitation of {found.email} is withdrawn: its link works no longer.")
    else:
        messages.info(request, f"{found.email} has accepted meanwhile.")
    return redirect("users", request.account.public_id)


@require("users.view")
@require_GET
def permissions(request: AccountRequest) -> HttpResponse:
    """Who may do what: the table of accounts/roles.py."""
    roles = [Role.PRIMARY, Role.ADMIN, *([Role.MERCHANT] if _several(request) else []), STAFF]
    labels = [role_label(role, request.account) for role in roles]
    areas: dict[str, list[dict[str, Any]]] = {}
    for name, does in PERMISSIONS.items():
        area = areas.setdefault(AREAS[name.partition(".")[0]], [])
        cells = [
            {
                "role": label,
                "may": name in ROLES[role],
                "granted": name == BILLING and role not in (Role.PRIMARY, STAFF),
            }
            for role, label in zip(roles, labels, strict=True)
        ]
        area.append({"does": does[0].upper() + does[1:], "cells": cells})
    return render(
        request, "accounts/permissions.html", {"areas": areas, "labels": labels, "several": _several(request)}
    )


def _asked(
    request: AccountRequest,
) -> tuple["QuerySet[Membership]", "QuerySet[Invitation]", str, Any]:
    """Whom the address asks for: users, invitations (to who may see them), the text, the merchant."""
    text = search_text(request, 60)
    merchant = people.merchants().filter(public_id=request.GET.get("merchant", "").replace("\x00", "")).first()
    found, offers = people.members(request.merchants), invitations.waiting()
    if "users.edit" not in request.permissions:
        offers = offers.none()
    if text:
        found = found.filter(Q(user__name__icontains=text) | Q(user__email__icontains=text))
        offers = offers.filter(Q(name__icontains=text) | Q(email__icontains=text))
    if merchant is not None:
        found = found.filter(Q(merchant=merchant) | Q(further__contains=[merchant.pk]))
        offers = offers.filter(Q(merchant=merchant) | Q(further__contains=[merchant.pk]))
    return found, offers, text, merchant


def _describe(request: AccountRequest, members: list[Any], offers: list[Any]) -> None:
    """Puts on users and invitations what people are shown of them, by one query."""
    people.name_merchants([*members, *offers], request.merchants)
    for row in [*members, *offers]:
        row.role_words = role_label(row.role, request.account)
    for member in members:
        member.status = people.status(member)
    now = clock.now()
    for offer in offers:
        offer.expired = offer.expires_at <= now


def _merchants_of(row: Any) -> str:
    return ", ".join(row.merchant_names) if row.merchant_id else "All"


def member_or_404(public_id: str) -> Membership:
    """The user of the active account with this id."""
    found = people.members().filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


def _several(request: AccountRequest) -> bool:
    return request.account.kind == Account.Kind.FULFILLMENT


def _said(email: str, password: str) -> str:
    """The same for an address that signs in here already: that is nobody's business but theirs."""
    if password:
        return (
            f"{email} is invited by mail. Give them the password: who is new here types it in, then chooses their own."
        )
    return f"{email} is invited by mail. The link is good for 7 days."
