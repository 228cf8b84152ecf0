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
from integration_manager.kit.answer import READS, Answer, error_of, failure, http_date, origin, redirect
from integration_manager.kit.asking import DEFAULT_HEADERS, Ask, Params, asks_only, encoded, merged
from integration_manager.kit.connector import Rate
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import (
    AuthFailed,
    BadAnswer,
    ConnectionFailed,
    ConnectorError,
    OutcomeUnknown,
    RateLimited,
)
from integration_manager.kit.exchange import Exchange, blacken, exchange_of, secrets_in, secrets_of_auth
from integration_manager.kit.limiter import Limiter
from integration_manager.kit.redact import Redactor
from integration_manager.kit.tokens import Bearer, MemoryStore, TokenStore

__all__ = ["Answer", "Exchange", "Http"]

log = logging.getLogger(__name__)

REPEATS = 2  # how often a harmless request is repeated after a failure on the wire
MAX_REDIRECTS = 3
_CHUNK = 64 * 1024
_UNSENDABLE = "The credentials have characters in them that cannot be sent."
_WIRE_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)


class _Failure(Exception):
    """A request failed on the wire, in one of the kinds of `answer.failure`."""

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
    max_wait: seconds a call waits for the budget; a longer wait raises RateLimited. tokens: where this
    connection's access token is kept, for `tokens.Bearer`. ca_file: authorities trusted besides the usual
    ones. A connector's `connect` sets base_url, auth, headers, params and classify.
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
        tokens: TokenStore | None = None,
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
        self.tokens: TokenStore = tokens or MemoryStore()
        self.trace = False
        self.calls = 0
        self.waited = 0.0  # seconds for answers, all together
        self._redactor = Redactor(secrets)
        self._ca_file = ca_file
        self._local = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._checked: set[str] = set()
        self._date = ""

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

    def hide(self, *secrets: str) -> None:
        """From now on these values appear nowhere either."""
        self._redactor.learn(secrets)

    def hold_off(self, seconds: float) -> None:
        """The other side has said that its budget is used up for so long: later calls wait."""
        if self.limiter is not None and seconds > 0:
            self.limiter.pause(self.key, time.time() + seconds)

    @property
    def remote_time(self) -> datetime | None:
        """The other side's clock in its latest answer, aware; None if it has not told."""
        return http_date(self._date)

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
        ours = not self.base_url or origin(url) == origin(self.base_url)
        harmless = method in READS if safe is None else safe
        limit = self.timeout if timeout is None else timeout
        body, kind = encoded(json, data)
        ask = Ask(
            method=method,
            url=url,
            params=merged(self.params, params) if ours else params,
            body=body,
            headers={**DEFAULT_HEADERS, **kind, **(self.headers if ours else {}), **(headers or {})},
            ours=ours,
            harmless=harmless,
            wrote=method not in READS and not (harmless and asks_only(json)),
            limit=limit,
            deadline=time.monotonic() + limit,
        )
        attempt = 0
        while True:
            self._wait(ask)
            result = self._once(ask)
            if isinstance(result, Answer):
                return result
            error, again = result
            if attempt == 0 and ours and type(error) is AuthFailed and isinstance(self.auth, Bearer):
                # Not carried out, so it may be repeated, whatever it was.
                again = self.auth.refused()
            attempt += 1
            pause = 0.1 * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 (no secret, only manners)
            if not again or attempt > REPEATS or time.monotonic() + pause >= ask.deadline:
                raise error
            time.sleep(pause)

    # ── one attempt ──

    def _once(self, ask: Ask) -> Answer | tuple[Exception, bool]:
        """One attempt with its redirects: the answer, or the error and whether to try again."""
        for _ in range(MAX_REDIRECTS + 1):
            began, started_at = time.monotonic(), clock.now()
            prepared = self._prepare(ask)
            answer: Answer | None = None
            error: Exception | None
            again = False
            try:
                answer = self._send(prepared, ask)
                error = self._error(answer, ask.harmless)
            except _Failure as failed:
                again = failed.kind == "unsent" or (ask.harmless and failed.kind in ("broken", "short"))
                error = failure(failed.kind, _host(prepared), ask.limit, ask.harmless)
            except ConnectorError as refused:
                # A restarting server is back soon; unknown names and bad certificates are not.
                soon = time.monotonic() - began < min(1.0, self.connect_timeout / 2)
                again = soon and isinstance(refused, ConnectionFailed) and refused.code == "unreachable"
                error = refused
            with self._lock:
                self.waited += time.monotonic() - began
            target = None
            if answer is not None and error is None and answer.status >= 300:
                target, error = redirect(answer, ask.harmless)
            if self.journal is not None and (error is not None or ask.wrote or self.trace):
                self._record(prepared, answer, error, ask.wrote, time.monotonic() - began, started_at)
            if error is not None:
                blacken(error, self._redactor_of(prepared))
                return error, again
            if target is None:
                assert answer is not None
                return answer
            ask.url, ask.params = target, None
        return BadAnswer(f"{_host(prepared)} sends us round in circles.", code="redirected"), False

    def _prepare(self, ask: Ask) -> requests.PreparedRequest:
        # Anew for each attempt, since some systems want each one signed with its own time.
        prepared = requests.PreparedRequest()
        try:
            prepared.prepare(
                method=ask.method,
                url=ask.url,
                headers=ask.headers,
                data=ask.body,
                params=ask.params,
                auth=self.auth if ask.ours else None,
            )
            return prepared
        except (requests.exceptions.InvalidHeader, UnicodeError):
            wrong = _UNSENDABLE
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            wrong = "The web address of this connection is not valid."
        raise AuthFailed(wrong)

    def _send(self, prepared: requests.PreparedRequest, ask: Ask) -> Answer:
        """Sends and reads the whole answer. Raises _Failure, ConnectionFailed, AddressRefused."""
        call = wire.Call(self.guard, ask.deadline, min(ask.deadline, time.monotonic() + self.connect_timeout))
        with self._lock:
            self.calls += 1
        wire.begin(call)
        try:
            response = self._session().get_adapter(str(prepared.url)).send(prepared, stream=True)
            body, kind = self._read(response.raw)
            if kind:
                response.raw.close()
                if time.monotonic() >= ask.deadline:
                    kind = "timeout"
            if not kind or response.status_code >= 300:
                # A refusal is a refusal, also if its page of explanations cannot be read.
                self._date = response.headers.get("Date", "")
                return Answer(
                    ask.method,
                    str(prepared.url),
                    response.status_code,
                    response.headers,
                    body,
                    sure=ask.harmless,
                    clean=lambda text: self._redactor_of(prepared).text(text),
                )
        except _WIRE_ERRORS as error:
            kind = _kind(error) if call.sent else "unsent"
            if call.sent and time.monotonic() >= ask.deadline:
                kind = "timeout"
        except UnicodeError:
            kind = "unsendable"  # http.client's, while it writes the headers
        finally:
            wire.end()
        raise AuthFailed(_UNSENDABLE) if kind == "unsendable" else _Failure(kind)

    def _read(self, raw: Any) -> tuple[bytes, str]:
        """The unpacked body, and what went wrong with it ("" if nothing did)."""
        parts: list[bytes] = []
        size = 0
        length = raw.headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:15]) > self.max_body:
            return b"", "large"
        try:
            for part in raw.stream(_CHUNK, decode_content=True):
                size += len(part)
                if size > self.max_body:
                    return b"", "large"
                parts.append(part)
        except urllib3.exceptions.DecodeError:
            return b"", "garbled"
        except _WIRE_ERRORS:
            return b"", "short"
        return b"".join(parts), ""

    def _error(self, answer: Answer, harmless: bool) -> Exception | None:
        """What the connector makes of the answer, else what HTTP says of it."""
        error: Exception | None = None
        if self.classify is not None:
            try:
                error = self.classify(answer)
            except ConnectorError as raised:
                # That a gateway's page is no JSON is no reason to doubt its status.
                unreadable = isinstance(raised, BadAnswer | OutcomeUnknown)
                error = None if unreadable and answer.status >= 300 else raised
        error = error or error_of(answer, harmless)
        if isinstance(error, RateLimited):
            self.hold_off((error.retry_at - clock.now()).total_seconds() if error.retry_at else 2.0)
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
            url = f"{(self.base_url or '').rstrip('/')}/{path.lstrip('/')}"
        else:
            url = self.base_url
        origin = url[: url.find("/", 8)] if url.find("/", 8) > 0 else url
        if origin not in self._checked:
            (self.guard or Guard()).check_url(origin.partition("?")[0])
            self._checked.add(origin)
        return url

    def _wait(self, ask: Ask) -> None:
        """Waits for the budget of calls. Raises RateLimited if that would take too long."""
        if self.limiter is None or self.rate is None:
            return
        longest = max(0.0, min(self.max_wait, ask.limit / 2, ask.deadline - time.monotonic()))
        wait = self.limiter.take(self.key, self.rate, time.time(), longest)
        if wait > longest:
            raise RateLimited(
                f"{urlsplit(ask.url).hostname} allows no more calls at the moment.",
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
        seconds: float,
        started_at: datetime,
    ) -> None:
        assert self.journal is not None
        exchange = exchange_of(prepared, answer, error, self._redactor_of(prepared), wrote, seconds, started_at)
        try:
            self.journal(exchange)
        except Exception:
            # An order that went through must not be lost to a journal that is full.
            log.exception("the journal did not take an exchange")

    def _redactor_of(self, prepared: requests.PreparedRequest) -> Redactor:
        """A redactor that knows the connection's secrets and those of this request."""
        self._redactor.learn(secrets_of_auth(self.auth))
        return self._redactor.knowing(secrets_in(prepared))


def _host(prepared: requests.PreparedRequest) -> str:
    return urlsplit(str(prepared.url)).hostname or "The other system"


def _kind(error: Exception) -> str:
    """How a request failed after it was sent (see `failure`)."""
    inner = error.args[0].args[-1] if error.args and getattr(error.args[0], "args", None) else error
    return "garbled" if isinstance(inner, HTTPException) and not isinstance(inner, OSError) else "broken"
