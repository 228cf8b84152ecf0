"""What was typed into a form is not lost when the session ends in the middle of it.

The POST that meets an ended session waits for half an hour, and is shown again after the sign-in: in its
form, where the page's view takes what was typed from `typed(request)`, else as a list with a button that
sends it. Nothing of it is done before the person sends it again.

It waits in the session, encrypted; passwords, keys and files are left out. It is shown to the person it is
of, whose browser has a mark of them in a cookie (which says nothing to anybody else), at its own address.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import redirect, render
from django.utils.crypto import salted_hmac
from django.views.csrf import csrf_failure

from accounts.models import User
from carts.systems import registry as cart_systems
from integration_manager import crypto
from wms.systems import registry as wms_systems

KEPT_SECONDS = 30 * 60
LONGEST = 100_000  # bytes of one form
MOST = 3  # forms of one browser
QUERY = "kept"  # in the address that the person comes back to
COOKIE = f"{'__Host-' if settings.HTTPS else ''}im_person"
_WAITING = "kept_forms"  # in the session: id → [path, when, page it was sent from, encrypted body]
_SECRET = re.compile(r"passw|passphrase|secret|token|api_?key|private|credential", re.IGNORECASE)
_OURS = ("csrfmiddlewaretoken", QUERY)
_BELOW_ACCOUNT = "/a/"

Next = Callable[[HttpRequest], HttpResponseBase]


@dataclass(slots=True)
class Kept:
    """One form that waits: what was typed, whether secrets were left out, and whether a view has taken it."""

    typed: QueryDict
    page: str
    left_out: bool
    taken: bool = field(default=False)

    def fields(self) -> Iterator[tuple[str, str, str]]:
        """Name, name for people and value of each."""
        for name, values in self.typed.lists():
            for value in values:
                yield name, re.sub(r"^\w-", "", name).replace("_", " ").replace("-", " ").capitalize(), str(value)


def typed(request: HttpRequest) -> QueryDict | None:
    """What a form of this page is filled with: what is being sent, or what waits from an ended session."""
    if request.method == "POST":
        return request.POST
    kept: Kept | None = getattr(request, "kept", None)
    if kept is None:
        return None
    kept.taken = True
    return kept.typed


def keep(request: HttpRequest) -> str | None:
    """Puts a POST away that found nobody signed in. The address to come back to; None where nothing is kept."""
    person = _person_in(request)
    if person is None or CsrfViewMiddleware(lambda _: None).process_view(request, _nothing, (), {}):  # type: ignore[arg-type, return-value]
        return None
    back = _put_away(request, person)
    if back is not None:
        messages.info(request, "Your session had ended. What you typed is kept: sign in to go on.")
    return back


def too_old(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """A form whose token is of an earlier sign-in (CSRF_FAILURE_VIEW): one of ours is shown again to its person."""
    ours = request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"
    if ours and hasattr(request, "account") and isinstance(request.user, User):
        back = _put_away(request, _mark_of(request.user))
        if back is not None:
            return redirect(back)
    return csrf_failure(request, reason)


def _put_away(request: HttpRequest, person: str) -> str | None:
    body = request.POST.copy()
    left_out = bool(request.FILES)
    for name in list(body):
        if name in _OURS:
            del body[name]
        elif is_secret(name):
            left_out = left_out or any(body.getlist(name))
            del body[name]
    sent = body.urlencode()
    if not sent or len(sent) > LONGEST:
        return None
    key = secrets.token_urlsafe(16)
    waiting = list(request.session.get(_WAITING, {}).items())[-(MOST - 1) :]
    sealed = crypto.encrypt(f"{'+' if left_out else '-'}{sent}", _bound_to(person, request.path))
    request.session[_WAITING] = dict([*waiting, (key, [request.path, time.time(), page_before(request), sealed])])
    return f"{request.path}?{urlencode([*_query(request), (QUERY, key)])}"


def page_before(request: HttpRequest) -> str:
    """The page that a form was sent from, if it is one of the same account; else the account's first page."""
    account = "/".join(request.path.split("/")[:3]) + "/"
    before = urlsplit(request.headers.get("Referer", ""))
    same = before.netloc == request.get_host() and before.path.startswith(account)
    if not same:
        return account
    return before.path + (f"?{before.query}" if before.query else "")


class Keep:
    """Middleware above the one that asks for a sign-in: a form that finds nobody signed in is kept."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Leads to the sign-in, and from there back to what was typed, or to the page that it was sent from."""
        ended = (
            request.method == "POST" and request.path.startswith(_BELOW_ACCOUNT) and not request.user.is_authenticated
        )
        if not ended or request.headers.get("HX-Request"):
            return self.get_response(request)
        back = keep(request)
        if back is None:
            messages.info(request, "Your session had ended. What you sent was not done: sign in and do it again.")
        return redirect_to_login(back or page_before(request))


class ShowAgain:
    """Middleware below an account: what waits is shown at its address; the browser has its person's mark."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Nothing of what waits reaches a view as something that is sent."""
        user = request.user
        if not isinstance(user, User) or not hasattr(request, "account"):
            return self.get_response(request)
        person = _mark_of(user)
        waiting = request.session.get(_WAITING)
        if waiting and request.method == "POST":
            request.session[_WAITING] = {key: one for key, one in waiting.items() if one[0] != request.path}
        response = self._answer(request, person if waiting and request.method == "GET" else None)
        signed = Signer(salt=COOKIE).sign(person)
        if request.COOKIES.get(COOKIE) != signed:
            age = 14 * 86400
            response.set_cookie(COOKIE, signed, max_age=age, samesite="Lax", httponly=True, secure=settings.HTTPS)
        return response

    def _answer(self, request: HttpRequest, person: str | None) -> HttpResponseBase:
        kept = _find(request, person) if person else None
        if kept is None:
            return self.get_response(request)
        request.kept = kept  # type: ignore[attr-defined]  # for the templates alone
        response = self.get_response(request)
        if kept.taken or response.status_code in (302, 403, 404):
            return response
        return render(request, "accounts/kept.html", {"kept": kept})


def is_secret(name: str) -> bool:
    """Whether a field of this name may hold a secret: by its name, or since it is one of some connector."""
    plain = name.rsplit("-", 1)[-1]
    return bool(_SECRET.search(name)) or plain in _secret_fields()


@cache
def _secret_fields() -> frozenset[str]:
    systems = [*cart_systems().systems.values(), *wms_systems().systems.values()]
    return frozenset(name for system in systems for name, field in system.fields.items() if field.secret)


def _find(request: HttpRequest, person: str) -> Kept | None:
    path, at, page, sealed = request.session[_WAITING].get(request.GET.get(QUERY, ""), ("", 0, "", ""))
    if path != request.path or time.time() - at > KEPT_SECONDS:
        return None
    try:
        plain = crypto.decrypt(sealed, _bound_to(person, path))
    except ValueError:
        return None  # of somebody else
    return Kept(QueryDict(plain[1:], encoding="utf-8"), page, plain[0] == "+")


def _query(request: HttpRequest) -> list[tuple[str, Any]]:
    return [(name, value) for name, values in request.GET.lists() for value in values if name != QUERY]


def _mark_of(user: User) -> str:
    return salted_hmac(COOKIE, str(user.pk), algorithm="sha256").hexdigest()


def _person_in(request: HttpRequest) -> str | None:
    try:
        return Signer(salt=COOKIE).unsign(request.COOKIES.get(COOKIE, ""))
    except BadSignature:
        return None


def _bound_to(person: str, path: str) -> str:
    return f"kept:{person}:{path}"


def _nothing(request: HttpRequest) -> None:
    """A view to check the token for."""
