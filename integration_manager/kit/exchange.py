"""The journal's entry: what was said in one request, free of secrets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from integration_manager.kit.answer import Answer
from integration_manager.kit.errors import ConnectorError
from integration_manager.kit.redact import MAX_TEXT, Redactor, is_secret, secrets_of

LONG_NAME = 16  # a user name of this length is a key; "admin" must stay readable in the texts


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was said in one request and its answer, free of secrets, bodies cut to 16 kB."""

    method: str
    url: str
    status: int | None  # None: no answer came
    request_headers: dict[str, str]
    request_body: str
    response_headers: dict[str, str]
    response_body: str
    seconds: float
    error: str  # name of the error's class; "" if there was none
    started_at: datetime
    wrote: bool  # the request may have changed something on the other side


def exchange_of(
    prepared: requests.PreparedRequest,
    answer: Answer | None,
    error: Exception | None,
    clean: Redactor,
    wrote: bool,
    seconds: float,
    started_at: datetime,
) -> Exchange:
    """The entry for one request; `clean` knows its secrets already ."""
    return Exchange(
        method=str(prepared.method),
        url=clean.url(str(prepared.url)),
        status=answer.status if answer is not None else None,
        request_headers=clean.headers(prepared.headers),
        request_body=clean.text(_body_text(prepared.body)),
        response_headers=clean.headers(answer.headers) if answer is not None else {},
        response_body=clean.text(answer.text) if answer is not None else "",
        seconds=seconds,
        error=type(error).__name__ if error is not None else "",
        started_at=started_at,
        wrote=wrote,
    )


def secrets_in(prepared: requests.PreparedRequest) -> set[str]:
    """The values under a secret's name in one request."""
    return secrets_of(str(prepared.url), prepared.headers, _body_text(prepared.body))


def secrets_of_auth(auth: Any) -> set[str]:
    """The secret values that a (name, password) or an auth object of `requests` holds."""
    if auth is None:
        return set()
    if isinstance(auth, tuple):
        name, password = auth
        return {password, name} if len(name) >= LONG_NAME else {password}
    return {
        value
        for name, value in vars(auth).items()
        if isinstance(value, str) and (is_secret(name) or len(value) >= LONG_NAME)
    }


def blacken(error: Exception, clean: Redactor) -> None:
    """Frees an error of secrets that its connector may have copied from the answer."""
    error.__context__ = error.__cause__ = None  # they have the URL in them, keys and all
    error.args = tuple(clean.values(arg) if isinstance(arg, str) else arg for arg in error.args)
    if isinstance(error, ConnectorError):
        error.said, error.code = clean.values(error.said), clean.values(error.code)


def _body_text(body: Any) -> str:
    if isinstance(body, bytes | bytearray):
        return bytes(body[: 2 * MAX_TEXT]).decode("utf-8", "replace")
    return body[: 2 * MAX_TEXT] if isinstance(body, str) else ""
