"""Who is really there? Users, credentials and billing ask for the password or a second factor again.

    @require("users.edit")
    @recently_authenticated
    def user_edit(request): ...

A page so marked opens only within IM_REAUTH_MINUTES of a sign-in by password, second factor or passkey,
or of having been asked. Otherwise the person is asked, and what they had sent goes on afterwards by
itself: it waits in the session, encrypted, for half an hour. `only="POST"` asks for changes only. Files
in a form are not kept: ask on the page itself (the default) where there are some.
"""

import secrets
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.datastructures import MultiValueDict

from integration_manager import crypto

KEPT_SECONDS = 30 * 60
RESUME = "resume"  # in the address that the person comes back to
_WAITING = "reauth_waiting"  # in the session: id → [path, when, encrypted body]
_STRONG = ("password", "mfa")  # a mailed link is no proof that it is still the same person

View = Callable[..., HttpResponseBase]


def is_recent(request: HttpRequest) -> bool:
    """Whether this person has shown a password or second factor within the last IM_REAUTH_MINUTES."""
    # Its types know a user who has signed in; of another one there are no records.
    records = get_authentication_records(request, request.user)  # type: ignore[arg-type]
    times = [record["at"] for record in records if record.get("method") in _STRONG]
    return bool(times) and time.time() - max(times) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def recently_authenticated(view: View | None = None, *, only: str = "") -> Any:
    """Marks a page as above. Goes below `@require(…)`, which first sees whether the role may at all."""

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if (only and request.method != only) or is_recent(request):
                return view(request, *args, **kwargs)
            return ask(request)

        guarded.recently_authenticated = True  # type: ignore[attr-defined]  # a mark, on a function
        return guarded

    return declare(view) if view else declare


def ask(request: HttpRequest) -> HttpResponseRedirect:
    """Keeps what was sent, and leads to the page that asks."""
    back = request.get_full_path()
    if request.method == "POST":
        back = request.path + "?" + urlencode({**request.GET.dict(), RESUME: _keep(request)})
    methods = get_adapter().get_reauthentication_methods(request.user)
    where = methods[0]["url"] if methods else reverse("account_set_password")
    return HttpResponseRedirect(f"{where}?{urlencode({'next': back})}")


class ResumePost:
    """Middleware: the address that `ask` made, opened after the answer, is the POST that waited."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The kept POST is used once, only by its session, at its own address, and after the answer."""
        if request.method == "GET" and RESUME in request.GET and is_recent(request):
            body = _take(request, request.GET[RESUME])
            if body is not None:
                request.method = request.META["REQUEST_METHOD"] = "POST"
                read = cast(Any, request)  # what Django keeps of a body that it has read
                read._post, read._files = QueryDict(body, encoding="utf-8"), MultiValueDict()
                # It passed this check when it came; its id is known to nobody else.
                read._dont_enforce_csrf_checks = True
        return self.get_response(request)


def _keep(request: HttpRequest) -> str:
    """Puts the POST away and returns its id. At most three wait: a form has a few hundred kB at most."""
    name = secrets.token_urlsafe(16)
    body = crypto.encrypt(request.POST.urlencode(), _bound_to(request))
    waiting = list(request.session.get(_WAITING, {}).items())[-2:]
    request.session[_WAITING] = dict([*waiting, (name, [request.path, time.time(), body])])
    return name


def _take(request: HttpRequest, name: str) -> str | None:
    waiting = request.session.get(_WAITING, {})
    path, at, body = waiting.get(name, ("", 0, ""))
    if path != request.path or time.time() - at > KEPT_SECONDS:
        return None
    request.session[_WAITING] = {key: value for key, value in waiting.items() if key != name}
    try:
        return crypto.decrypt(body, _bound_to(request))
    except ValueError:
        return None


def _bound_to(request: HttpRequest) -> str:
    return f"reauth:{request.user.pk}"
