"""Access tokens that expire: renewed by one holder at a time, and stored before they are used.

Some systems take the old refresh token back the moment they give a new one. Two workers that renew at
once, or a worker that dies between use and storing, would lock the customer out until a person connects
the system anew.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import requests
from requests.auth import AuthBase

from integration_manager.kit import clock
from integration_manager.kit.errors import AuthFailed, OutcomeUnknown, Permanent, Transient

HOLD = 60.0  # seconds after which a holder that died is taken for dead
LOOK = 0.1  # seconds between two looks at what the holder has got


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `expires_at` aware, None: never; `refresh`: what the next one is asked for with."""

    value: str = field(repr=False)
    expires_at: datetime | None = None
    refresh: str = field(default="", repr=False)

    def fresh(self, early: timedelta) -> bool:
        """Whether it can still be used, and for longer than `early`."""
        return self.expires_at is None or clock.now() + early < self.expires_at


class TokenStore(Protocol):
    """Where the tokens of one connection are kept, shared by all who use that connection."""

    def load(self) -> Token | None:
        """The latest token, if there is one."""

    def save(self, token: Token) -> None:
        """Stores a new token; it is used only once this has returned."""

    def hold(self, seconds: float) -> bool:
        """Tries to become the only one who renews, for at most `seconds`."""

    def release(self) -> None:
        """Lets others renew again."""


class MemoryStore:
    """A token store for one process: for a script, a test, or a system whose logins cost nothing."""

    def __init__(self, token: Token | None = None) -> None:
        self._token = token
        self._held_until = 0.0
        self._lock = threading.Lock()

    def load(self) -> Token | None:
        """See `TokenStore.load`."""
        return self._token

    def save(self, token: Token) -> None:
        """See `TokenStore.save`."""
        self._token = token

    def hold(self, seconds: float) -> bool:
        """See `TokenStore.hold`."""
        with self._lock:
            if time.monotonic() < self._held_until:
                return False
            self._held_until = time.monotonic() + seconds
            return True

    def release(self) -> None:
        """See `TokenStore.release`."""
        self._held_until = 0.0


class _OfThread(threading.local):
    renewing = False
    used = ""


class Bearer(AuthBase):
    """Puts a fresh token on each request.

    renew: gets the latest token (None at first) and gives a new one, by a call through the same `Http`;
    that call goes out without a token. early: how long before its end a token counts as expired.
    header, scheme: where it goes. wait: seconds to wait for another holder.
    """

    def __init__(
        self,
        store: TokenStore,
        renew: Callable[[Token | None], Token],
        *,
        early: timedelta = timedelta(minutes=1),
        header: str = "Authorization",
        scheme: str = "Bearer",
        wait: float = 20.0,
    ) -> None:
        self._store, self._renew, self._early = store, renew, early
        self._header, self._scheme, self._wait = header, scheme, wait
        self._lock = threading.Lock()
        self._of_thread = _OfThread()

    def __repr__(self) -> str:
        return f"<Bearer in {self._header}>"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """For `requests`. Raises AuthFailed, Transient if there is no token to be had."""
        if not self._of_thread.renewing:
            token = self._store.load()
            if token is None or not token.fresh(self._early):
                token = self._renewed(token)
            self._of_thread.used = token.value
            request.headers[self._header] = f"{self._scheme} {token.value}".strip()
        return request

    def refused(self) -> bool:
        """The other side answered 401 to this thread's last request. Whether there is another token now.

        Raises AuthFailed, Transient if renewing fails.
        """
        if self._of_thread.renewing:
            return False
        used, latest = self._of_thread.used, self._store.load()
        if latest is None or latest.value == used:
            latest = self._renewed(latest)
        return latest.value != used

    def _renewed(self, old: Token | None) -> Token:
        give_up = time.monotonic() + self._wait
        with self._lock:
            while True:
                latest = self._store.load()
                if latest is not None and latest != old and latest.fresh(self._early):
                    return latest  # somebody else was faster
                if self._store.hold(HOLD):
                    break
                if time.monotonic() >= give_up:
                    raise Transient("The access token is being renewed; this takes longer than usual.")
                time.sleep(LOOK)
            self._of_thread.renewing = True
            try:
                latest = self._store.load()
                if latest is None or latest == old or not latest.fresh(self._early):
                    latest = self._ask(latest)
                    self._store.save(latest)
                return latest
            finally:
                self._of_thread.renewing = False
                self._store.release()

    def _ask(self, old: Token | None) -> Token:
        error: Exception
        try:
            return self._renew(old)
        except Permanent as refused:
            error = AuthFailed(
                "The permission to access this system has ended. Please connect it again.", said=refused.said
            )
        except OutcomeUnknown as unknown:
            # Of the token, not of the order that waits for it: nothing was sent for that one yet.
            error = Transient(str(unknown), said=unknown.said)
        raise error
