"""How long a session may last, whoever keeps it busy; and when it was last used, for its person to see.

Idle ones end by SESSION_COOKIE_AGE.
"""

from collections.abc import Callable
from datetime import timedelta

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponseBase

from integration_manager.kit import clock

LONGEST = timedelta(days=14)
BEGAN = "began"


class SessionLimit:
    """Signs out who signed in longer ago than a session may last: a stolen cookie does not live for ever."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Notes when a session with a person in it is first seen, and ends it in time."""
        if SESSION_KEY in request.session:
            now = clock.now().timestamp()
            if now - request.session.setdefault(BEGAN, now) > LONGEST.total_seconds():
                logout(request)
        return self.get_response(request)


def seen(request: HttpRequest) -> None:
    """Notes when and from where this session was last used."""
    UserSession.objects.filter(session_key=request.session.session_key).update(
        last_seen_at=clock.now(), ip=get_adapter().get_client_ip(request)
    )
