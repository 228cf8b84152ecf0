"""WordPress around the shop that is not there: permalinks, signing in, what hosts do to requests and answers."""

import base64
import hashlib
import hmac
import re
import time
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from integration_manager.kit.simulator import Fake, Reply, Request

KEY, SECRET = "ck_0f9d6c2b7a1e4835", "cs_77b1e0a94c5d2f68"
WINDOW = 15 * 60  # seconds that a signature is good for
NOTICE = "<br />\n<b>Notice</b>:  Undefined index: weight in <b>/www/shop/x.php</b> on line <b>[12]</b><br />\n"
PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
ORDERS = {"asc", "desc"}
ASKED = ("app_name", "user_id", "return_url", "callback_url", "scope")  # by whoever wants a key


class WordPress(Fake):
    """A site with one REST API key. The switches are what makes hosts differ."""

    credential = KEY

    pretty = True  # permalinks; plain ones have ?rest_route= only
    strips_header = False  # the web server keeps the Authorization header for itself
    notices = False  # PHP's, before the data
    bom = False  # a byte order mark before everything
    firewall = 0  # 403 or 503: a page for people instead of any answer
    switched_off = False  # a security plug-in keeps strangers and friends out
    permissions = "read_write"
    hidden: frozenset[int] = frozenset()  # ids of what nobody may read: it is taken out of pages once they are cut
    active = True  # the WooCommerce plug-in
    moved = ""  # where redirects lead to

    def values(self, url: str) -> dict[str, Any]:
        return {"url": url, "consumer_key": KEY, "consumer_secret": SECRET}

    def refuse(self, status: int, code: str, message: str, **data: Any) -> Reply:
        if status == 401 and code == "unauthorized":
            code = "woocommerce_rest_cannot_view"
        return Reply({"code": code, "message": message, "data": {"status": status, **data}}, status)

    def consent(self, url: str, decision: str = "approve") -> tuple[str, dict[str, Any], str]:
        """What a shop manager does on the page at `url`: where the keys are posted, what, and the way back.

        As strict as WC_Auth is with what it was asked for; the scope that is granted is the one asked for.
        """
        query = dict(parse_qsl(urlsplit(url).query))
        missing = [name for name in ASKED if not query.get(name)]
        assert urlsplit(url).path.endswith("/wc-auth/v1/authorize") and not missing, f"Missing parameter {missing}"
        assert query["scope"] in ("read", "write", "read_write"), "Invalid scope"
        to, back = unquote(query["callback_url"]), unquote(query["return_url"])
        assert to.startswith("https://"), "The callback_url needs to be over SSL"
        assert urlsplit(back).hostname, "The return_url is not a valid URL"
        keys = {"consumer_key": KEY, "consumer_secret": SECRET, "key_permissions": query["scope"]}
        said = urlencode({"success": int(decision == "approve"), "user_id": query["user_id"]})
        back = f"{back}{'&' if '?' in back else '?'}{said}"
        return to, {"key_id": 1, "user_id": query["user_id"], **keys} if decision == "approve" else {}, back

    def answer(self, request: Request) -> Reply:
        if request.path.startswith("/_sim/"):
            return super().answer(request)
        with self.lock:
            reply = self._answer(request)
            if isinstance(reply.body, bytes):
                return reply
            before = ("\ufeff" if self.bom else "") + (NOTICE if self.notices else "")
            kind = {"Content-Type": "application/json; charset=UTF-8", **reply.headers}
            return Reply(before.encode() + reply.content(), reply.status, kind)

    def _answer(self, request: Request) -> Reply:
        if self.firewall:
            return page(self.firewall, "Request blocked")
        if self.moved:
            return Reply(b"", 301, {"Location": self.moved + request.path})
        asked = request.path
        if self.pretty and asked.startswith("/wp-json/"):
            name = asked.removeprefix("/wp-json")
        elif asked in ("/", "/index.php") and "rest_route" in request.query:
            name = request.query["rest_route"]
        else:
            return page(404, "Not Found")
        if self.switched_off:
            return self.refuse(401, "rest_not_logged_in", "You are not currently logged in.")
        wrong = self._sign_in(request)
        if isinstance(wrong, Reply):
            return wrong
        route = Request(request.method, name, request.query, request.headers, request.body)
        handler = self._find(route) if self.active or not name.startswith("/wc/") else None
        if handler is None or not self.answers_to(name):
            return self.refuse(404, "rest_no_route", "No route was found matching the URL and request method.")
        if not wrong:
            verb = {"GET": "view", "POST": "create", "PUT": "edit", "DELETE": "delete"}[request.method]
            return self.refuse(401, f"woocommerce_rest_cannot_{verb}", f"Sorry, you cannot {verb} resources.")
        if request.method != "GET" and self.permissions == "read":
            message = "The API key provided does not have write permissions."
            return self.refuse(401, "woocommerce_rest_authentication_error", message)
        try:
            result = handler(route)
        except Refused as refused:
            return refused.reply
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            return self.refuse(400, "rest_invalid_json", f"{type(error).__name__}: {error}")
        return result if isinstance(result, Reply) else Reply(result)

    def answers_to(self, name: str) -> bool:
        """Whether the plug-in behind a route is there."""
        return True

    # ── signing in ──

    def _sign_in(self, request: Request) -> bool | Reply:
        """Whether the request is somebody's; a refusal where it claims to be and is not."""
        query, header = request.query, request.headers.get("authorization", "")
        if self.strips_header:
            header = ""
        if request.secure or request.headers.get("x-forwarded-proto") == "https":
            key, secret = query.get("consumer_key", ""), query.get("consumer_secret", "")
            if not (key and secret) and header.startswith("Basic "):
                key, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            if key == KEY:
                return secret == SECRET or self._denied("Consumer secret is invalid.")
            if key:
                return False
        if not any(name.startswith("oauth_") for name in query):
            return False
        return self._signed(request)

    def _signed(self, request: Request) -> bool | Reply:
        said = dict(request.query)
        needed = ("consumer_key", "timestamp", "nonce", "signature", "signature_method")
        missing = [f"oauth_{name}" for name in needed if not said.get(f"oauth_{name}")]
        if missing:
            message = f"Missing OAuth parameters {', '.join(missing)}"
            return self.refuse(401, "woocommerce_rest_authentication_missing_parameter", message)
        if said["oauth_consumer_key"] != KEY:
            return self._denied("Consumer key is invalid.")
        signature = said.pop("oauth_signature").replace(" ", "+")
        method = said["oauth_signature_method"]
        if method not in ("HMAC-SHA1", "HMAC-SHA256"):
            return self._denied("Invalid signature - signature method is invalid.")
        scheme = "https" if request.secure else "http"
        home = f"{scheme}://{request.headers['host']}{request.prefix}{request.path}"
        pairs = [quote(f"{strict(name)}={strict(said[name])}", safe="") for name in sorted(said)]
        text = "&".join((request.method, quote(home, safe=""), "%26".join(pairs)))
        digest = getattr(hashlib, method.removeprefix("HMAC-").lower())
        right = base64.b64encode(hmac.new(f"{SECRET}&".encode(), text.encode(), digest).digest()).decode()
        if not hmac.compare_digest(right.encode(), signature.encode()):
            return self._denied("Invalid signature - provided signature does not match.")
        if abs(time.time() - int(said["oauth_timestamp"])) > WINDOW:
            return self._denied("Invalid timestamp.")
        nonces = self.__dict__.setdefault("_nonces", set())
        if said["oauth_nonce"] in nonces:
            return self._denied("Invalid nonce - nonce has already been used.")
        nonces.add(said["oauth_nonce"])
        return True

    def _denied(self, message: str) -> Reply:
        return self.refuse(401, "woocommerce_rest_authentication_error", message)

    # ── lists ──

    def asked(self, request: Request, **known: Any) -> dict[str, Any]:
        """The query, checked as WordPress does: unknown names are nobody's, wrong values are refused.

        known: what the values of a parameter may be: a set, `int` or `datetime`.
        """
        kinds: dict[str, Any] = {"per_page": int, "page": int, "order": ORDERS, **known}
        wrong, found = {}, {"per_page": 10, "page": 1}
        for name, kind in kinds.items():
            if name not in request.query:
                continue
            value = request.query[name]
            try:
                found[name] = _value(name, value, kind)
            except ValueError as error:
                wrong[name] = f"{name} {error}"
        if wrong:
            message = f"Invalid parameter(s): {', '.join(wrong)}"
            raise Refused(self.refuse(400, "rest_invalid_param", message, params=wrong))
        return found

    def paged(self, request: Request, asked: dict[str, Any], rows: list[Any]) -> Reply:
        """One page of a list, with the headers that say how many there are."""
        size, number = asked["per_page"], asked["page"]
        pages = -(-len(rows) // size)
        headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(pages)}
        if number < pages:
            headers["Link"] = f'<http://{request.headers.get("host")}{request.path}?page={number + 1}>; rel="next"'
        part = [row for row in rows[(number - 1) * size : number * size] if row["id"] not in self.hidden]
        fields = request.query.get("_fields")
        if fields:
            part = [{name: row[name] for name in fields.split(",") if name in row} for row in part]
        return Reply(part, 200, headers)


class Refused(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def strict(text: str) -> str:
    """RFC 3986's encoding."""
    return quote(text, safe="-_.~")


def page(status: int, words: str) -> Reply:
    """A page for people."""
    return Reply(PAGE.format(words).encode(), status, {"Content-Type": "text/html; charset=UTF-8"})


def _value(name: str, value: str, kind: Any) -> Any:
    if isinstance(kind, set | frozenset):
        if not set(value.split(",")) <= kind:
            raise ValueError(f"is not one of {', '.join(sorted(kind))}.")
        return value
    if kind is int:
        if not re.fullmatch(r"[0-9]+", value):
            raise ValueError("is not of type integer.")
        if not 1 <= int(value) <= (100 if name == "per_page" else 10**9):
            raise ValueError("must be between 1 (inclusive) and 100 (inclusive)")
        return int(value)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("has an invalid date.") from None
    return value
