"""What another system answered, and which error it stands for where its connector has no opinion."""

import email.utils
import html
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from integration_manager.kit import clock
from integration_manager.kit.egress import DEFAULT_PORTS
from integration_manager.kit.errors import (
    AuthFailed,
    BadAnswer,
    ConnectionFailed,
    ConnectorError,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
)

LONGEST_WAIT = timedelta(days=1)  # nobody's Retry-After may park a connection for longer
SAID = 500  # characters of the other system's words in an error

READS = frozenset(("GET", "HEAD", "OPTIONS"))

# Answers of a gateway that did not get one from the system behind it (52x: Cloudflare's).
_GATEWAY = frozenset((502, 504, 520, 522, 524))


class Answer:
    """One whole answer. `headers` are case-insensitive, `content` is unpacked.

    `sure`: the request was safe to repeat, so an answer that cannot be read leaves no doubt behind.
    """

    __slots__ = ("_clean", "_text", "content", "headers", "method", "status", "sure", "url")

    def __init__(
        self,
        method: str,
        url: str,
        status: int,
        headers: Mapping[str, str],
        content: bytes,
        *,
        sure: bool = True,
        clean: Callable[[str], str] | None = None,
    ) -> None:
        """`clean` frees a text of secrets; without it `said` is what was said."""
        self.method, self.url, self.status = method, url, status
        self.headers, self.content, self.sure = headers, content, sure
        self._clean = clean
        self._text: str | None = None

    def __repr__(self) -> str:
        return f"<Answer {self.status} to {self.method} from {self.host}>"

    @property
    def host(self) -> str:
        """The host that answered, for sentences."""
        return urlsplit(self.url).hostname or ""

    @property
    def text(self) -> str:
        """The body as text, in the character set it was sent in (UTF-8 unless the other side says so)."""
        if self._text is None:
            found = re.search(r"charset=[\"']?([\w.:-]+)", self.headers.get("Content-Type", ""), re.I)
            try:
                self._text = self.content.decode(found[1] if found else "utf-8-sig", "replace")
            except LookupError:
                self._text = self.content.decode("utf-8-sig", "replace")
        return self._text

    @property
    def said(self) -> str:
        """The other system's own words: free of secrets and of HTML, its first 500 characters."""
        text = self.text[: 40 * SAID]
        if is_html(text):
            text = re.sub(r"<(script|style)\b.*?(</\1>|$)", " ", text, flags=re.I | re.S)
            text = html.unescape(re.sub(r"<[^<>]*>", " ", text))
        text = " ".join((self._clean(text) if self._clean else text).split())
        return text[:SAID]

    @property
    def remote_time(self) -> datetime | None:
        """The other side's clock when it answered, aware; None if it does not tell."""
        return http_date(self.headers.get("Date", ""))

    def json(self) -> Any:
        """The body as JSON types, numbers with a point as Decimal.

        Raises BadAnswer with a sentence if it is none, and OutcomeUnknown where the request may have
        changed something: it was accepted, but what became of it cannot be read.
        """
        try:
            return json.loads(
                self.content if self.content[:1] in b"{[" else self.text,
                parse_float=_decimal,
                parse_constant=_no_number,
            )
        except (ValueError, RecursionError):
            error = self._unreadable()
        raise error  # outside of the handler: the parser's error has the body in it

    def _unreadable(self) -> ConnectorError:
        text = self.text.lstrip()
        if not text:
            why = "answered nothing where data was expected."
        elif is_html(text):
            why = "answered with a web page instead of data."
        elif text[0] in "{[" and not text.rstrip().endswith(("}", "]")):
            why = "sent an answer that ends in the middle."
        else:
            why = "sent an answer that is not valid JSON."
        if not self.sure and self.status < 300:
            return OutcomeUnknown(
                f"{self.host} {why} It may have carried out the request all the same.", said=self.said
            )
        return BadAnswer(f"{self.host} {why}", said=self.said)


def error_of(answer: Answer, harmless: bool) -> ConnectorError | None:
    """The error that the answer's status stands for; None for 2xx and 3xx.

    `harmless`: the request may be repeated without effect.
    """
    status, host = answer.status, answer.host
    if status < 400:
        return None
    if status == 401:
        return AuthFailed(f"{host} does not accept the credentials.", said=answer.said)
    if status == 403:
        return Permanent(f"{host} does not allow this.", code="forbidden", said=answer.said)
    if status == 429:
        return RateLimited(f"{host} asks us to slow down.", retry_at=retry_at(answer), said=answer.said)
    if status in _GATEWAY and not harmless:
        return OutcomeUnknown(f"{host} could not tell what became of the request ({status}).", said=answer.said)
    if status in (408, 425) or (status >= 500 and status not in (501, 505)):
        return Transient(
            f"{host} has a problem at the moment ({status}).",
            retry_at=retry_at(answer),
            said=answer.said,
        )
    sentence = {
        404: f"{host} knows nothing under this address or number (404).",
        409: f"{host} says that this contradicts what it has already (409).",
        410: f"{host} no longer has this (410).",
    }.get(status, f"{host} refused the request ({status}).")
    return Permanent(sentence, code=f"http_{status}", said=answer.said)


def failure(kind: str, host: str, limit: float, harmless: bool) -> ConnectorError:
    """The error for a request that failed on the wire.

    kind: "unsent"; after it was sent "timeout" (of `limit` seconds in all), "broken" (no answer),
    "short" (an answer that ends too early), "garbled" (not HTTP, or cannot be unpacked) or "large" (a
    longer one than we read).
    """
    sentence = {
        "unsent": f"{host} cannot be reached.",
        "timeout": f"{host} did not answer within {limit:g} second{'' if limit == 1 else 's'}.",
        "broken": f"{host} closed the connection before it answered.",
        "short": f"{host} sent an answer that ends in the middle.",
        "garbled": f"{host} sent an answer that cannot be read.",
        "large": f"{host} sent an answer that is too large to be read.",
    }[kind]
    if kind == "unsent":
        return ConnectionFailed(sentence)
    if not harmless:
        return OutcomeUnknown(f"{sentence} It may have carried out the request all the same.")
    if kind == "timeout":
        return Transient(sentence, code="timeout")
    if kind == "broken":
        return Transient(sentence)
    return BadAnswer(sentence, code="too_large" if kind == "large" else None)


def redirect(answer: Answer, harmless: bool) -> tuple[str | None, Exception | None]:
    """Where to go on, or why not: only on the same host, never from https to http."""
    target = urljoin(answer.url, answer.headers.get("Location", ""))
    old, new = urlsplit(answer.url), urlsplit(target)
    if not answer.headers.get("Location"):
        return None, BadAnswer(f"{answer.host} answered {answer.status}, which says nothing.")
    if answer.method in READS and _may_follow(answer.url, target):
        return target, None
    to = f"{new.scheme}://{new.hostname}" if new.hostname != old.hostname else "another address"
    if harmless:
        return None, BadAnswer(
            f"{answer.host} sends us on to {to}, where we do not follow. Is the address right?",
            code="redirected",
        )
    if answer.status in (301, 307, 308):
        return None, AuthFailed(
            f"{answer.host} has moved to {to}. Please correct the address of the connection.",
            code="redirected",
        )
    return None, OutcomeUnknown(
        f"{answer.host} sent us on to {to} without saying what became of the request.",
        code="redirected",
    )


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of `url`: who it speaks to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _may_follow(old: str, new: str) -> bool:
    """Whether a redirect stays on the same host and port; http to https is fine, back is not."""
    a, b = origin(old), origin(new)
    return a == b or (a[0] == "http" and b[0] == "https" and a[1] == b[1] and (a[2], b[2]) == (80, 443))


def retry_at(answer: Answer) -> datetime | None:
    """When Retry-After says to come again (seconds or a date), by our clock, at most a day ahead."""
    value = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value):
        wait = timedelta(seconds=float(value))
    else:
        date = http_date(value)
        if date is None:
            return None
        # Both dates are of the other side's clock, so that it may go wrong as it likes.
        wait = date - (answer.remote_time or clock.now())
    return clock.now() + min(max(wait, timedelta(0)), LONGEST_WAIT)


def http_date(value: str) -> datetime | None:
    """An HTTP date, aware, in UTC; None if it is none."""
    if not value:
        return None
    try:
        found = email.utils.parsedate_to_datetime(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_html(text: str) -> bool:
    """Whether a text is a web page."""
    start = text[:1000].lstrip().lower()
    return start.startswith(("<!doctype html", "<html", "<head", "<body")) or "<html" in start


def _decimal(text: str) -> Decimal:
    # 1e999999999 is nine characters as a number and a gigabyte when it is written out.
    if len(text) > 200 or (("e" in text or "E" in text) and abs(Decimal(text).adjusted()) > 100):
        raise ValueError("a number out of all proportion")
    return Decimal(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
