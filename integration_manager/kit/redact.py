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
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

MASK = "•••"
MAX_TEXT = 16_000  # characters of a body that are kept
SHORTEST = 4  # characters; shorter values would blacken every text, and are masked by name only

# In a name that has been stripped of all but letters and digits.
_PARTS = (
    *("password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "credential", "cookie"),
    *("apikey", "accesskey", "privatekey", "clientkey", "authkey", "consumerkey", "licensekey", "sharedkey"),
    *("subscriptionkey", "signature", "hmac", "jwt", "bearer", "authorization", "authentication"),
    *("sessionid", "consumerid", "assertion"),
)
_ONLY_WHOLE = frozenset(("sig", "sign", "auth", "pass", "pw", "pin"))
# Names that mean a secret in a query string only; in a JSON body "key" is any meta data's name.
_QUERY_ONLY = frozenset(("key", "code", "k"))

# A member's name. In a JSON document that stands in a string its quotes have backslashes before them.
_JSON_NAME = re.compile(r'(?<!\\)(\\{0,7})"([^"\\]{1,80})\1"\s*:\s*')
_JSON_STRING = re.compile(r'"((?:[^"\\]|\\.)*)', re.S)
_JSON_BARE = re.compile(r"(?!(?:null|true|false)\b)[\w.+-]+")
_FORM_PAIR = re.compile(r"(?<![\w.\-\[\]%])([\w.\-\[\]%]{1,80})=([^&\s\"'<>;,]+)")
_QUOTED_PAIR = re.compile(r"(?<![\w.\-])([\w.\-:]{1,80})=(\"[^\"<>]*|'[^'<>]*)")
_XML_ELEMENT = re.compile(r"<([\w:.\-]{1,80})((?:\s[^<>]{0,500})?)>([^<]+)")
_SCHEME = re.compile(r"\b(Bearer|Token)\s+(?=\S*[0-9])[A-Za-z0-9._~+/=-]{12,}", re.I)  # not "token expired"


@functools.lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a header, field or parameter of this name holds a secret."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain in _ONLY_WHOLE or any(part in plain for part in _PARTS)


_SQUEEZE = str.maketrans("", "", " _-./:[]\\")


def _may_name_a_secret(text: str) -> bool:
    """Whether looking for names is worth the while; few texts have any, and looking takes long."""
    squeezed = text.lower().translate(_SQUEEZE)
    if any(part in squeezed for part in _PARTS):
        return True
    return any(word + end in squeezed for word in _ONLY_WHOLE for end in ('"', "=", ">", "%"))


def _secret_in_query(name: str) -> bool:
    return name.lower() in _QUERY_ONLY or is_secret(unquote_plus(name))


_UNCHANGED = re.compile(r"[A-Za-z0-9_.~-]*")  # what no coding touches
_CODINGS: tuple[Callable[[str], str], ...] = (
    lambda text: quote(text, safe=""),
    quote,
    quote_plus,
    html.escape,
    lambda text: html.escape(text, quote=False),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
)


@functools.lru_cache(maxsize=256)
def forms(value: str) -> frozenset[str]:
    """The forms in which a secret travels: plain, URL-encoded, in JSON, in HTML and XML, in base64.

    Up to three codings on top of each other: an error may quote in JSON the URL that held JSON. Most
    secrets have no character that a coding changes, and so a handful of forms.
    """
    raw = value.encode("utf-8", "replace")
    coded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), raw.hex()}
    found = {value, *coded, *(text.rstrip("=") for text in coded)}
    new = found
    for _ in range(3):
        awkward = {text for text in new if not _UNCHANGED.fullmatch(text)}
        new = {coding(text) for text in awkward for coding in _CODINGS} - found
        found |= new
    return frozenset(text for text in found if len(text) >= SHORTEST)


class Redactor:
    """Frees text of secrets: of the values it was told, and of what stands under a secret's name."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] | None = ()
        self._lock = threading.Lock()
        self.learn(secrets)

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._known)} secrets>"

    def learn(self, secrets: Iterable[str]) -> None:
        """Adds values to be masked. What was learned stays: an old token may still be echoed."""
        new = {text for text in secrets if len(text) >= SHORTEST} - self._known
        if new:
            with self._lock:
                self._known |= new
                self._forms = None

    def knowing(self, secrets: Iterable[str]) -> "Redactor":
        """A redactor that knows these values too, while this one forgets them: they are one request's."""
        new = {text for text in secrets if len(text) >= SHORTEST} - self._known
        return Redactor(self._known | new) if new else self

    def _all_forms(self) -> tuple[str, ...]:
        """The longest first, so that no piece of a longer form is left standing."""
        found = self._forms
        if found is None:
            with self._lock:
                every = set[str]().union(*map(forms, self._known))
                found = self._forms = tuple(sorted(every, key=len, reverse=True))
        return found

    def values(self, text: str) -> str:
        """`text` without the known values."""
        for form in self._all_forms():
            if form in text:
                text = text.replace(form, MASK)
        return text

    def text(self, text: str, limit: int = MAX_TEXT) -> str:
        """`text` without secrets, cut to `limit` characters: JSON, forms, XML or plain words."""
        margin = max(2_000, *map(len, self._all_forms()[:1]), 0)
        whole = len(text) <= limit + margin
        clean = self.values(text if whole else text[: limit + margin])
        if _may_name_a_secret(clean):
            clean = _without_json_values(clean)
            clean = _XML_ELEMENT.sub(_xml_element, clean)
            if "=" in clean:
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
        for pair in query.split("&") if mark else ():
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
    if not _may_name_a_secret(body):
        return found
    for start, end in _json_values(body):
        found |= _unescaped(body[start:end])
    for match in _FORM_PAIR.finditer(body):
        if is_secret(unquote_plus(match[1])):
            found.add(unquote_plus(match[2]))
    for match in _XML_ELEMENT.finditer(body):
        if is_secret(match[1]):
            found.add(html.unescape(match[3].strip()))
    return found


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _json_values(text: str) -> Iterator[tuple[int, int]]:
    """Where the values under a secret's name stand in JSON, also in JSON within a string."""
    at = 0
    while match := _JSON_NAME.search(text, at):
        at = match.end()
        if not is_secret(match[2]):
            continue  # to what is in its value, too
        slashes = match[1]
        if slashes and text.startswith(slashes + '"', at):
            start = at + len(slashes) + 1
            closing = re.compile(rf'(?<!\\){re.escape(slashes)}"').search(text, start)
            at = closing.start() if closing else len(text)
            yield start, at
        elif value := _JSON_STRING.match(text, at):
            at = value.end()
            yield value.span(1)
        elif value := _JSON_BARE.match(text, at):
            at = value.end()
            yield value.span()


def _without_json_values(text: str) -> str:
    parts, kept = [], 0
    for start, end in _json_values(text):
        if end > start:
            parts += [text[kept:start], MASK]
            kept = end
    return "".join(parts) + text[kept:]


def _unescaped(text: str) -> set[str]:
    """`text` and what it means in JSON, in JSON within a string, and so on."""
    found = {text}
    for _ in range(3):
        if "\\" not in text:
            break
        try:
            text = str(json.loads(f'"{text}"'))
        except ValueError:
            break
        found.add(text)
    return found


def _xml_element(match: re.Match[str]) -> str:
    if is_secret(match[1].rpartition(":")[2]) and match[3].strip():
        return f"<{match[1]}{match[2]}>{MASK}"
    return match[0]


def _quoted_pair(match: re.Match[str]) -> str:
    return f"{match[1]}={match[2][0]}{MASK}" if is_secret(match[1]) else match[0]


def _form_pair(match: re.Match[str]) -> str:
    return f"{match[1]}={MASK}" if is_secret(unquote_plus(match[1])) else match[0]
