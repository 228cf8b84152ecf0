"""What is a secret, and how text is freed of it before it is stored, logged or shown.

Two ways together: by name (`api_key=…`, `"password": "…"`, `Authorization: …`), which needs no knowledge
of the value, and by value (the credentials of the connection, in each form they travel in), which finds
them wherever the other side repeats them.
"""

import base64
import functools
import html
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

MASK = "•••"
MAX_TEXT = 16_000  # characters of a body that are kept
SHORTEST = 4  # characters; shorter values would blacken every text, and are masked by name only

_PARTS = (
    "password|passwd|passphrase|passcode|pwd|secret|token|apikey|accesskey|privatekey|clientkey|authkey"
    "|consumerkey|consumerid|licensekey|sharedkey|subscriptionkey|signature|credential|authorization"
    "|authentication|cookie|hmac|jwt|bearer|sessionid|assertion"
)
_ONLY_WHOLE = frozenset(("sig", "sign", "auth", "pass", "pw", "pin"))
# Names that mean a secret in a query string only; in a JSON body "key" is any meta data's name.
_QUERY_ONLY = frozenset(("key", "code", "k"))

# The name, then a string, a string in a JSON document inside a string, or a bare number or word.
_JSON_PAIR = re.compile(r'(\\*"[^"\\]{1,80}\\*"\s*:\s*)(?:"((?:[^"\\]|\\.)*)|(\\+")([^"\\]*)|([\w.+-]+))', re.S)
_FORM_PAIR = re.compile(r"(?<![\w.\-\[\]%])([\w.\-\[\]%]{1,80})=([^&\s\"'<>;,]+)")
_QUOTED_PAIR = re.compile(r"(?<![\w.\-])([\w.\-:]{1,80})=(\"[^\"<>]*|'[^'<>]*)")
_XML_ELEMENT = re.compile(r"<([\w:.\-]{1,80})((?:\s[^<>]{0,500})?)>([^<]+)")
_SCHEME = re.compile(r"\b(Bearer|Basic|Token)\s+[A-Za-z0-9._~+/=\-]{6,}", re.I)


@functools.lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a header, field or parameter of this name holds a secret."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain in _ONLY_WHOLE or re.search(_PARTS, plain) is not None


def _secret_in_query(name: str) -> bool:
    return name.lower() in _QUERY_ONLY or is_secret(unquote_plus(name))


def forms(value: str) -> set[str]:
    """The forms in which a secret travels: plain, URL-encoded, in JSON, in HTML and XML, in base64."""
    raw = value.encode()
    coded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), raw.hex()}
    coded |= {text.rstrip("=") for text in coded}
    found = {value, *coded}
    for text in (value, *coded):
        found |= {quote(text, safe=""), quote(text), quote_plus(text), html.escape(text)}
    found |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return {text for text in found if len(text) >= SHORTEST}


class Redactor:
    """Frees text of secrets: of the values it was told, and of what stands under a secret's name."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self.learn(secrets)

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._known)} secrets>"

    def learn(self, secrets: Iterable[str]) -> None:
        """Adds values to be masked. What was learned stays: an old token may still be echoed."""
        new = {text for text in secrets if len(text) >= SHORTEST} - self._known
        if not new:
            return
        with self._lock:
            every = set(self._forms).union(*(forms(text) for text in new))
            # The longest first, so that no piece of a longer form is left standing.
            self._forms = tuple(sorted(every, key=len, reverse=True))
            self._known |= new

    def knowing(self, secrets: Iterable[str]) -> "Redactor":
        """A redactor that knows these values too, while this one forgets them: they are one request's."""
        new = {text for text in secrets if len(text) >= SHORTEST} - self._known
        if not new:
            return self
        other = Redactor()
        other._known, other._forms = self._known, self._forms
        other.learn(new)
        return other

    def values(self, text: str) -> str:
        """`text` without the known values."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def text(self, text: str, limit: int = MAX_TEXT) -> str:
        """`text` without secrets, cut to `limit` characters: JSON, forms, XML or plain words."""
        margin = max(2_000, len(self._forms[0]) if self._forms else 0)
        whole = len(text) <= limit + margin
        clean = self.values(text if whole else text[: limit + margin])
        clean = _JSON_PAIR.sub(_json_pair, clean)
        clean = _XML_ELEMENT.sub(_xml_element, clean)
        clean = _QUOTED_PAIR.sub(_quoted_pair, clean)
        clean = _FORM_PAIR.sub(_form_pair, clean)
        clean = _SCHEME.sub(rf"\1 {MASK}", clean)
        if not whole:
            # The end may be the first half of a secret that was not recognised.
            clean = clean[: max(len(clean) - margin, 0)]
        return clean if len(clean) <= limit else clean[:limit] + "…"

    def url(self, url: str) -> str:
        """`url` without user name, password, secret parameters and known values."""
        base, mark, query = url.partition("?")
        scheme, slashes, rest = base.partition("://")
        if slashes:
            netloc, slash, path = rest.partition("/")
            base = f"{scheme}://{netloc.rpartition('@')[2]}{slash}{path}"
        pairs = []
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            pairs.append(f"{name}={MASK}" if value and _secret_in_query(name) else pair)
        return self.values(base + mark + "&".join(pairs))[:2_000]

    def headers(self, headers: Mapping[str, Any]) -> dict[str, str]:
        """`headers` with the values of secret ones masked."""
        return {
            str(name): MASK if is_secret(str(name)) else self.values(_text(value))[:1_000]
            for name, value in headers.items()
        }


def secrets_of(url: str = "", headers: Mapping[str, Any] | None = None, body: str = "") -> set[str]:
    """The values under a secret's name in one request, so that their echo is recognised too."""
    found = {value for name, value in parse_qsl(urlsplit(url).query) if _secret_in_query(name)}
    for name, value in (headers or {}).items():
        if is_secret(str(name)):
            text = _text(value)
            # "Bearer abc": the scheme is no secret.
            found |= {text, text.rpartition(" ")[2]}
    for match in _JSON_PAIR.finditer(body):
        value = match[2] or match[4]
        if value and is_secret(match[1]):
            found.add(_unescaped(value))
    for match in _FORM_PAIR.finditer(body):
        if is_secret(unquote_plus(match[1])):
            found.add(unquote_plus(match[2]))
    for match in _XML_ELEMENT.finditer(body):
        if is_secret(match[1]):
            found.add(html.unescape(match[3].strip()))
    return found


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _json_pair(match: re.Match[str]) -> str:
    if not is_secret(match[1]) or match[5] in ("null", "true", "false"):
        return match[0]
    quotes = match[3] or ('"' if match[5] is None else "")
    return f"{match[1]}{quotes}{MASK}"


def _xml_element(match: re.Match[str]) -> str:
    if is_secret(match[1].rpartition(":")[2]) and match[3].strip():
        return f"<{match[1]}{match[2]}>{MASK}"
    return match[0]


def _quoted_pair(match: re.Match[str]) -> str:
    return f"{match[1]}={match[2][0]}{MASK}" if is_secret(match[1]) else match[0]


def _form_pair(match: re.Match[str]) -> str:
    return f"{match[1]}={MASK}" if _secret_in_query(match[1]) else match[0]
