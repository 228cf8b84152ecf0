"""The operators' pages: all accounts, with a search; opening one to look at it, and leaving it."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import audit, staff, two_step
from accounts.models import Account, User
from accounts.reauth import recently_authenticated
from accounts.roles import open_to
from integration_manager import spreadsheet, tenancy
from integration_manager.searched import search_text

PAGE = 50
HEAD = ["Account", "Id", "Kind", "Since (UTC)", "Suspended (UTC)"]

View = Callable[..., HttpResponseBase]


def for_staff(view: View) -> View:
    """A page for operators, who sign in with two steps. For everybody else it is not there."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not isinstance(request.user, User) or not request.user.is_staff:
            raise Http404
        return two_step.staff_needs_two_step(request) or view(request, *args, **kwargs)

    return open_to("staff")(guarded)


@for_staff
@never_cache
@require_GET
def accounts(request: HttpRequest) -> HttpResponse:
    """Every account of this installation."""
    text, found = _asked(request)
    page = Paginator(found.order_by("name", "pk"), PAGE).get_page(request.GET.get("page"))
    operators = f"/{settings.IM_ADMIN_PATH}" if cast(User, request.user).is_superuser else ""
    return render(request, "accounts/staff.html", {"page": page, "text": text, "operator_url": operators})


@for_staff
@never_cache
@require_GET
def accounts_csv(request: HttpRequest) -> HttpResponseBase:
    """The same as a file."""
    found = _asked(request)[1]

    def cells() -> Iterator[list[object]]:
        for one in spreadsheet.newest_first(found):
            times = [spreadsheet.moment(at) for at in (one.created_at, one.suspended_at)]
            yield [one.name, one.public_id, one.get_kind_display(), *times]

    return spreadsheet.answer("accounts", spreadsheet.lines(HEAD, cells()))


def _asked(request: HttpRequest) -> tuple[str, "QuerySet[Account]"]:
    """What is searched for, and the accounts that have it."""
    text = search_text(request, 60)
    found: QuerySet[Account] = Account.objects.all()
    if text:
        found = found.filter(name__icontains=text) | found.filter(public_id=text)
    return text, found


@for_staff
@require_POST
@recently_authenticated
def enter(request: HttpRequest, account: str) -> HttpResponseBase:
    """Opens an account to an operator, who may look at it. The account's record says so. `to`: a page in it."""
    found = get_object_or_404(Account, public_id=account)
    with tenancy.activate(found.pk), audit.through("staff"):
        audit.record(request.user, "account.opened", found.name)
    staff.enter(request, found)
    page = request.POST.get("to", "")
    if page.startswith(f"/a/{found.public_id}/"):
        return redirect(page)
    return redirect("dashboard", found.public_id)


@for_staff
@require_POST
def leave(request: HttpRequest) -> HttpResponseBase:
    """Ends looking at an account."""
    found = Account.objects.filter(public_id=staff.leave(request)).first()
    if found is not None:
        with tenancy.activate(found.pk), audit.through("staff"):
            audit.record(request.user, "account.left", found.name)
    return redirect("staff")
