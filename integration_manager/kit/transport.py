"""The transport: HTTP to other people's systems, as a connector sees it.

A connector calls `http.get("orders")` and gets an `Answer` or one of the errors of `kit.errors`. What
lies between is done here, once for all systems: the egress guard, the rate limit, one deadline per call,
a limit to the body, careful repetition, redirects, plain sentences, and the journal of what was said.
"""

import logging
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from integration_manager.kit import clock, wire
from integration_manager.kit.answer import Answer, error_of, failure, origin, redirect
from integration_manager.kit.connector import Rate
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import (
    AuthFailed,
    BadAnswer,
    ConnectionFailed,
    ConnectorError,
    RateLimited,
)
from integration_manager.kit.exchange import Exchange, blacken, exchange_of, secrets_in
from integration_manager.kit.limiter import Limiter
from integration_manager.kit.redact import Redactor

__all__ = ["Answer", "Exchange", "Http"]

log = logging.getLogger(__name__)

READS = frozenset(("GET", "HEAD", "OPTIONS"))
REPEATS = 2  # how often a harmless request is repeated after a failure on the wire
MAX_REDIRECTS = 3
_CHUNK = 64 * 1024
_WIRE_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)

Params = Mapping[str, Any] | Iterable[tuple[str, Any]]


class _Failure(Exception):
    """A request failed on the wire. `kind`: unsent, timeout, broken (no answer), short or large (body)."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Http:
    """HTTP to one system with one set of credentials. Shared by the threads of a run.

    base_url: what paths are relative to. guard: None connects anywhere (a plain script). limiter, key,
    rate: the budget of calls; None takes none. journal: gets an `Exchange` for every write, failure, and
    for everything while `trace` is set; called in the thread that made the call. timeout: seconds for a
    call in all, with its repetitions and its wait for the budget. connect_timeout: seconds until the
    connection stands. secrets: values that must appear nowhere. max_body: bytes of an answer, unpacked.
    max_wait: seconds a call waits for the budget; a longer wait raises RateLimited. ca_file: authorities
    trusted besides the usual ones.
    """

    def __init__(
        self,
        *,
        base_url: str = "",
        guard: Guard | None,
        limiter: Limiter | None,
        journal: Callable[[Exchange], None] | None,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        secrets: Iterable[str] = (),
        max_body: int = 20 * 1024 * 1024,
        max_wait: float = 5.0,
        key: str = "",
        rate: Rate | None = None,
        ca_file: str | None = None,
    ) -> None:
        self.base_url = base_url
        self.auth: AuthBase | tuple[str, str] | None = None
        self.headers: dict[str, str] = {}
        self.params: dict[str, Any] = {}
        self.classify: Callable[[Answer], Exception | None] | None = None
        self.guard, self.limiter, self.journal = guard, limiter, journal
        self.timeout, self.connect_timeout = timeout, connect_timeout
        self.max_body, self.max_wait = max_body, max_wait
        self.key, self.rate = key, rate
        self.trace = False
        self.calls = 0
        self._redactor = Redactor(secrets)
        self._ca_file = ca_file
        self._local = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._checked: set[str] = set()
        self._latest: Answer | None = None

    def __repr__(self) -> str:
        return f"<Http {urlsplit(self.base_url).hostname or '(no address)'}>"

    def __enter__(self) -> "Http":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections of all threads. A later call opens new ones."""
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    @property
    def remote_time(self) -> datetime | None:
        """The other side's clock in its latest answer, aware; None if it has not told."""
        return self._latest.remote_time if self._latest is not None else None

    # ── the calls ──

    def get(self, path: str, **kwargs: Any) -> Answer:
        """A GET. See `request`."""
        return self.request("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Answer:
        """A POST. See `request`."""
        return self.request("POST", path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> Answer:
        """A PUT. See `request`."""
        return self.request("PUT", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> Answer:
        """A PATCH. See `request`."""
        return self.request("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Answer:
        """A DELETE. See `request`."""
        return self.request("DELETE", path, **kwargs)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """One call. Gives the answer if its status is 2xx and `classify` has no objection.

        path: relative to `base_url`, or a whole URL; credentials go to the host of `base_url` only.
        safe: the request only reads or its repetition is harmless; by default so for GET. timeout:
        seconds in all. Raises the errors of `kit.errors`: ConnectionFailed when nothing was sent,
        OutcomeUnknown when a request that is not safe was sent and its outcome is not known, and so on.
        """
        url = self._url(path)
        harmless = method in READS if safe is None else safe
        wrote = method not in READS and not (harmless and _asks_only(json))
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        ours = origin(url) == origin(self.base_url) or not self.base_url
        request = requests.Request(
            method,
            url,
            params=_merged(self.params, params) if ours else params,
            json=json,
            data=data,
            headers={**(self.headers if ours else {}), **(headers or {})},
            auth=self.auth if ours else None,
        )
        attempt = 0
        while True:
            self._wait(limit, deadline)
            result = self._once(request, harmless, wrote, deadline, limit)
            if isinstance(result, Answer):
                return result
            error, again = result
            attempt += 1
            pause = 0.1 * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 (no secret, only manners)
            if not again or attempt > REPEATS or time.monotonic() + pause >= deadline:
                raise error
            time.sleep(pause)

    # ── one attempt ──

    def _once(
        self, request: requests.Request, harmless: bool, wrote: bool, deadline: float, limit: float
    ) -> Answer | tuple[Exception, bool]:
        """One attempt with its redirects: the answer, or the error and whether to try again."""
        for _ in range(MAX_REDIRECTS + 1):
            began, started_at = time.monotonic(), clock.now()
            prepared = self._prepare(request)
            answer: Answer | None = None
            again = False
            error: Exception | None
            try:
                answer = self._send(prepared, deadline, harmless)
                error = self._error(answer, harmless)
            except _Failure as failed:
                again = failed.kind == "unsent" or (harmless and failed.kind in ("broken", "short"))
                error = failure(failed.kind, _host(prepared), limit, harmless)
            except ConnectorError as refused:
                # A restarting server is back soon; unknown names and bad certificates are not.
                soon = time.monotonic() - began < 1.0
                again = soon and isinstance(refused, ConnectionFailed) and refused.code == "unreachable"
                error = refused
            target = None
            if answer is not None and error is None and answer.status >= 300:
                target, error = redirect(answer, harmless)
            if self.journal is not None and (error is not None or wrote or self.trace):
                self._record(prepared, answer, error, wrote, began, started_at)
            if error is not None:
                blacken(error, self._learn(prepared))
                return error, again
            assert answer is not None
            if target is None:
                self._latest = answer
                return answer
            request.url, request.params = target, None
        return BadAnswer(f"{_host(prepared)} sends us round in circles."), False

    def _prepare(self, request: requests.Request) -> requests.PreparedRequest:
        # Anew for each attempt, since some systems want each one signed with its own time.
        try:
            return self._session().prepare_request(request)
        except (requests.exceptions.InvalidHeader, UnicodeError):
            wrong = "The credentials have characters in them that cannot be sent."
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            wrong = "The web address of this connection is not valid."
        raise AuthFailed(wrong)

    def _send(self, prepared: requests.PreparedRequest, deadline: float, harmless: bool) -> Answer:
        """Sends and reads the whole answer. Raises _Failure, ConnectionFailed, AddressRefused."""
        call = wire.Call(self.guard, deadline, min(deadline, time.monotonic() + self.connect_timeout))
        with self._lock:
            self.calls += 1
        wire.begin(call)
        try:
            response = self._session().get_adapter(str(prepared.url)).send(prepared, stream=True)
            try:
                body, kind = self._body(response.raw), ""
            except _Failure as failed:
                body, kind = b"", failed.kind
            except _WIRE_ERRORS:
                body, kind = b"", "short"
            if kind:
                response.raw.close()
                if kind == "short" and time.monotonic() >= deadline:
                    kind = "timeout"
                if response.status_code < 300:
                    raise _Failure(kind)
            return Answer(
                str(prepared.method),
                str(prepared.url),
                response.status_code,
                response.headers,
                body,
                sure=harmless,
                clean=lambda text: self._learn(prepared).text(text),
            )
        except _WIRE_ERRORS:
            late = time.monotonic() >= deadline
            kind = "unsent" if not call.sent else "timeout" if late else "broken"
        finally:
            wire.end()
        raise _Failure(kind)

    def _body(self, raw: Any) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in raw.stream(_CHUNK, decode_content=True):
            size += len(part)
            if size > self.max_body:
                raise _Failure("large")
            parts.append(part)
        return b"".join(parts)

    def _error(self, answer: Answer, harmless: bool) -> Exception | None:
        """What the connector makes of the answer, else what HTTP says of it."""
        error: Exception | None = None
        if self.classify is not None:
            try:
                error = self.classify(answer)
            except ConnectorError as raised:
                # A gateway's HTML page is no reason to doubt its status.
                error = raised if answer.status < 300 else None
        error = error or error_of(answer, harmless)
        if isinstance(error, RateLimited) and self.limiter is not None:
            pause = (error.retry_at - clock.now()).total_seconds() if error.retry_at else 2.0
            self.limiter.pause(self.key, time.time() + pause)
        return error

    # ── around it ──

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = wire.new_session(self._ca_file)
            with self._lock:
                self._sessions.add(session)
        return session

    def _url(self, path: str) -> str:
        if path.startswith(("https://", "http://")):
            url = path
        elif path:
            url = f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"
        else:
            url = self.base_url
        origin = url[: url.find("/", 8)] if url.find("/", 8) > 0 else url
        if origin not in self._checked:
            (self.guard or Guard()).check_url(origin.partition("?")[0])
            self._checked.add(origin)
        return url

    def _wait(self, limit: float, deadline: float) -> None:
        """Waits for the budget of calls. Raises RateLimited if that would take too long."""
        if self.limiter is None or self.rate is None:
            return
        longest = min(self.max_wait, limit / 2, deadline - time.monotonic())
        wait = self.limiter.take(self.key, self.rate, time.time(), longest)
        if wait > longest:
            raise RateLimited(
                f"{urlsplit(self.base_url).hostname} allows no more calls at the moment.",
                retry_at=clock.now() + timedelta(seconds=wait),
            )
        if wait > 0:
            time.sleep(wait)

    def _record(
        self,
        prepared: requests.PreparedRequest,
        answer: Answer | None,
        error: Exception | None,
        wrote: bool,
        began: float,
        started_at: datetime,
    ) -> None:
        assert self.journal is not None
        exchange = exchange_of(
            prepared, answer, error, self._learn(prepared), wrote, time.monotonic() - began, started_at
        )
        try:
            self.journal(exchange)
        except Exception:
            # An order that went through must not be lost to a journal that is full.
            log.exception("the journal did not take an exchange")

    def _learn(self, prepared: requests.PreparedRequest) -> Redactor:
        """The redactor, which now knows the secrets of this request too."""
        self._redactor.learn(secrets_in(prepared, self.auth))
        return self._redactor


def _host(prepared: requests.PreparedRequest) -> str:
    return urlsplit(str(prepared.url)).hostname or "The other system"


def _merged(always: Mapping[str, Any], extra: Params | None) -> Params:
    if not extra:
        return always
    if isinstance(extra, Mapping):
        return {**always, **extra}
    return [*always.items(), *extra]


def _asks_only(json: Any) -> bool:
    """Whether a harmless POST is a GraphQL query: a question, not a write that may be repeated."""
    query = json.get("query") if isinstance(json, Mapping) else None
    return isinstance(query, str) and not query.lstrip().startswith("mutation")
