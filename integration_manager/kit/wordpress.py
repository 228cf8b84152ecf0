"""WordPress' REST interface as shops on it are reached, and what it answers when it does not want.

Hosts differ in what they let through, and nobody knows of which kind theirs is. So it is found out:
permalinks that are Plain have no /wp-json/, and some web servers keep the Authorization header for
themselves. Both show in the first answer, which has done nothing, and the call is made in another way.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from integration_manager.kit.errors import AuthFailed, BadAnswer, ConnectorError, Permanent, Unmappable
from integration_manager.kit.keygrant import KeyGrant
from integration_manager.kit.oauth import plain
from integration_manager.kit.oauth1 import OneLegged
from integration_manager.kit.php import page_error, told
from integration_manager.kit.reading import Reader

if TYPE_CHECKING:
    from integration_manager.kit.answer import Answer
    from integration_manager.kit.transport import Http

T = TypeVar("T")

PAGE = 100  # the most that it gives and takes at once
PAGES = 1000  # of one list, read to its end
NO_ROUTE = "rest_no_route"  # a Permanent's code: no plug-in answers to this route
NONE = "none"
STATUSES = "/wc/v3/reports/orders/totals"  # WooCommerce's: every status of orders, with how many have it
NOT_SEEN = "not_seen"  # an AuthFailed's: it says that nobody has identified himself


def home_of(url: str) -> str:
    """A site's address, from one of its pages that people take for it."""
    return re.split(r"/(?:wp-json|wp-admin|index\.php)\b|[?#]", url)[0].rstrip("/")


# WooCommerce asks whoever manages the shop, and makes a key for them.
KEYS = KeyGrant(
    authorize=lambda values: f"{home_of(plain(values, 'url'))}/wc-auth/v1/authorize",
    fields=("consumer_key", "consumer_secret"),
)


class WordPress:
    """One site. Routes begin with their namespace: /wc/v3/orders."""

    def __init__(self, http: "Http", url: str, key: str, secret: str) -> None:
        """Signs in by `key` and `secret`: as Basic over TLS, by a signature without it.

        url: the site's address, or one of its pages that people take for it.
        """
        http.base_url = home_of(url)
        self.http, self._keys = http, (key, secret)
        http.auth = self._keys if http.base_url.startswith("https:") else OneLegged(key, secret)
        self._way = ("header", "pretty")

    @property
    def place(self) -> str:
        """The site itself, by whichever of its addresses it is reached."""
        parts = urlsplit(self.http.base_url.lower())
        return parts.netloc.removeprefix("www.") + parts.path

    def check(self, route: str) -> None:
        """Proves that the things under `route` can be read and written, without writing any."""
        answer = self.call("GET", route, params={"per_page": 1, "_fields": "id"})
        if answer.url.startswith("https:") and self.http.base_url.startswith("http:"):
            raise AuthFailed(f"The shop answers at https://{answer.host}: enter this address.", code="redirected")
        self.call("POST", f"{route}/batch", json={}, safe=True)  # needs the right to write, and changes nothing

    def check_statuses(self, wanted: Sequence[str]) -> None:
        """Proves that WooCommerce's orders have these statuses, where it tells. NONE stands for no status."""
        try:
            known = [Reader(row).need("slug") for row in self.rows(STATUSES)]
        except (AuthFailed, Permanent, BadAnswer, Unmappable):
            return  # an old version, or a user who may not see reports
        unknown = [name for name in wanted if name not in (*known, NONE)]
        if unknown and known:
            text = f"The shop has no {', '.join(unknown)} among its order statuses. It has: {', '.join(known)}."
            raise AuthFailed(text, code="unknown_status")

    def rows(self, route: str, **params: Any) -> list[Any]:
        """A list of things."""
        return self._page(route, params)[0]

    def _page(self, route: str, params: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """A page of a list, and whether there are more.

        One with fewer rows than asked for may be any: what a plug-in or its own state hides is taken out of a page
        after that was cut (`get_objects` of WooCommerce's REST controllers). The header says how many there are.
        """
        answer = self.call("GET", route, params=params)
        rows = told(answer, list)
        if not all(isinstance(row, dict) for row in rows):
            raise BadAnswer(f"{urlsplit(self.http.base_url).hostname} sent a list with what is no thing in it.")
        pages = answer.headers.get("X-WP-TotalPages", "")
        more = int(params.get("page", 1)) < int(pages) if pages.isascii() and pages.isdigit() else len(rows) >= PAGE
        return rows, more

    def every(self, route: str, **params: Any) -> Iterator[Any]:
        """A list of things, page by page to its end."""
        before: list[Any] = []
        for page in range(1, PAGES):
            rows, more = self._page(route, {**params, "per_page": PAGE, "page": page})
            if rows and rows == before:
                break
            yield from rows
            if not more:
                return
            before = rows
        raise BadAnswer(f"{urlsplit(self.http.base_url).hostname} has a list without an end.")

    def changed(self, route: str, since: datetime, page: int, **params: Any) -> list[Any]:
        """A page of the things that were changed at or after `since`, to the second; the oldest change first.

        With fewer than PAGE rows it is the last: one that is short for another reason is filled up.
        """
        # It looks for what is strictly later.
        after = since.astimezone(UTC).replace(microsecond=0, tzinfo=None) - timedelta(seconds=1)
        dated = {"modified_after": after.isoformat(), "dates_are_gmt": "true", "orderby": "modified", "order": "asc"}
        rows: list[Any] = []
        for number in range(page, PAGES):
            found, more = self._page(route, {**params, **dated, "per_page": PAGE, "page": number})
            rows += found
            if not more or len(rows) >= PAGE:
                return rows
        raise BadAnswer(f"{urlsplit(self.http.base_url).hostname} has a list without an end.")

    def one(self, route: str) -> dict[str, Any]:
        """One thing. Raises Permanent with the code http_404 where there is none."""
        return told(self.call("GET", route), dict, "id")

    def found(self, ask: Callable[[], T]) -> T | None:
        """What `ask` gives, and None where there is no such thing."""
        try:
            return ask()
        except Permanent as error:
            if error.code != "http_404":
                raise
            return None

    def send(self, method: str, route: str, body: Any, member: str = "id", *, safe: bool = False) -> dict[str, Any]:
        """Makes or changes a thing; `member` is what the answer has to have. `safe`: may be repeated."""
        return told(self.call(method, route, json=body, safe=safe), dict, member)

    def update(self, route: str, changes: Sequence[Mapping[str, Any]]) -> list[str]:
        """Changes many things of a kind: for each why it was refused, "" if it was not."""
        problems = []
        for start in range(0, len(changes), PAGE):
            part = changes[start : start + PAGE]
            done = self.send("POST", f"{route}/batch", {"update": part}, "update", safe=True)["update"]
            if not isinstance(done, list) or len(done) != len(part):
                raise BadAnswer(f"{urlsplit(self.http.base_url).hostname} does not say what became of the changes.")
            problems += [_refused(row) for row in done]
        return problems

    def remove(self, route: str, **params: Any) -> None:
        """Removes a thing, which may be gone already."""
        self.found(lambda: self.call("DELETE", route, params=params, safe=True))

    def call(self, method: str, route: str, *, params: Mapping[str, Any] | None = None, **how: Any) -> "Answer":
        """One call, in the way that the host lets through. See `Http.request`."""
        while True:
            way = self._way
            path, asked = (f"/wp-json{route}", {}) if way[1] == "pretty" else ("/", {"rest_route": route})
            try:
                return self.http.request(method, path, params={**asked, **(params or {})}, **how)
            except AuthFailed as error:
                # Another thread may have found it out meanwhile.
                if way == self._way and not self._another_way(error.code):
                    raise

    def _another_way(self, code: str) -> bool:
        auth, links = self._way
        if code == "no_interface" and links == "pretty":
            self._way = (auth, "plain")
        elif code == NOT_SEEN and auth == "header" and isinstance(self.http.auth, tuple):
            self.http.auth = None
            self.http.params = dict(zip(("consumer_key", "consumer_secret"), self._keys, strict=True))
            self._way = ("query", links)
        else:
            return False
        return True


def _refused(row: Any) -> str:
    error = row.get("error") if isinstance(row, dict) else {"message": "it does not say why."}
    return f"The shop refuses it: {error.get('message', '')}" if error else ""


def note_words(row: Any) -> str:
    """The note of an order as it reads, however WordPress has written it."""
    return " ".join(unescape(Reader(row).text("note") or "").split())


def error_of(answer: "Answer", plugin: str, space: str) -> ConnectorError | None:
    """What an answer stands for: a body {code, message}, or a page that somebody put in its place.

    plugin, space: the name and the namespace of the plug-in that has to be there.
    """
    if answer.status < 400:
        return None
    if page := page_error(answer):
        return page
    try:
        said = told(answer, dict)
    except BadAnswer:
        return None
    code, message = str(said.get("code", "")), str(said.get("message", ""))[:300]
    if code == NO_ROUTE:
        if space not in unquote(answer.url):
            return Permanent(f"{answer.host} has no such plug-in.", code=NO_ROUTE)
        text = f"There is no {plugin} at this address. Is the plug-in active, and the address right?"
        return AuthFailed(text, code=NO_ROUTE, said=answer.said)
    if answer.status in (401, 403):
        return _refusal(answer, plugin, code, message)
    if answer.status < 429 or code.endswith("rest_cannot_create_order_refund"):  # the gateway's no comes as a 500
        plain = f"http_{answer.status}" if answer.status == 404 else code or "refused"
        return Permanent(f"{plugin} refuses it: {message or answer.status}", code=plain, said=answer.said)
    return None


def _refusal(answer: "Answer", plugin: str, code: str, message: str) -> AuthFailed:
    """Why we are not let in, as who owns the key can act on it."""
    if code.endswith("rest_authentication_error"):
        text = f"{plugin} does not accept the key: {message}"
        if answer.method != "GET":
            text += " Create a key with the permissions Read/Write."
        return AuthFailed(text, said=answer.said)
    if "rest_cannot_" in code and answer.status == 401:
        text = f"{plugin} does not know this key. Are the consumer key and the address right?"
        return AuthFailed(text, code=NOT_SEEN, said=answer.said)
    if "rest_cannot_" in code:
        text = "The user of this key may not do this: it has to be an administrator or a shop manager."
        return AuthFailed(text, said=answer.said)
    text = f"The shop's REST interface is switched off, probably by a security plug-in: {message or code}"
    return AuthFailed(text, code="switched_off", said=answer.said)
