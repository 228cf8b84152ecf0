"""OAuth 2.0, authorization code: a person grants access on the system's own page, and we get tokens.

A class that connects so declares it and puts the token on its calls:

    oauth = OAuth(
        authorize=lambda values: f"{values['url']}/oauth/authorize",
        token=lambda values: f"{values['url']}/oauth/token",
        scopes=("orders", "stock"),
    )

    def connect(self, http):
        http.base_url = self.url
        http.auth = bearer(http, self.oauth, self.values)

Everything here is pure but `exchange` and what `bearer` does when a token has to be renewed. `values`
are the connection's; in them stand CLIENT_ID and CLIENT_SECRET, which are the operator's, or fields of
the connection where people make an app of their own in their shop.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from integration_manager.kit import clock
from integration_manager.kit.errors import AuthFailed, BadAnswer
from integration_manager.kit.fields import revealed
from integration_manager.kit.tokens import Bearer, Token

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer, Http

CLIENT_ID, CLIENT_SECRET = "client_id", "client_secret"
ACCESS = "access"  # where a connection's values name the tokens that are kept for it

Values = Mapping[str, Any]
Query = Mapping[str, str]


class Denied(Exception):
    """The person, or the system for them, did not grant access; the message says so in plain words."""


class BadCallback(Exception):
    """What came back is not from the system that was asked; the message says which check failed."""


@dataclass(frozen=True, slots=True)
class OAuth:
    """How a system grants access.

    authorize, token: the addresses of its consent page and of its tokens, from the connection's values.
    pkce: it knows PKCE (S256); without, it is not sent. parameters: what else its consent page wants.
    with_code: what else it wants with a code that becomes a token.
    verify: what its callback proves besides the state, from values and query; raises BadCallback.
    when: (a choice of the connection's, its values for access by consent) where it can be got into otherwise too.
    """

    authorize: Callable[[Values], str]
    token: Callable[[Values], str]
    scopes: tuple[str, ...] = ()
    separator: str = " "
    pkce: bool = True
    parameters: tuple[tuple[str, str], ...] = ()
    with_code: tuple[tuple[str, str], ...] = ()
    verify: Callable[[Values, Query], None] | None = None
    when: tuple[str, tuple[str, ...]] | None = None


def authorization_url(oauth: OAuth, values: Values, state: str, redirect_uri: str, verifier: str) -> str:
    """The consent page's address. `state`, `verifier`: random, 43 characters or more; used once."""
    asked = {
        "response_type": "code",
        "client_id": plain(values, CLIENT_ID),
        "redirect_uri": redirect_uri,
        "state": state,
        **({"scope": oauth.separator.join(oauth.scopes)} if oauth.scopes else {}),
        **({"code_challenge": challenge(verifier), "code_challenge_method": "S256"} if oauth.pkce else {}),
        **dict(oauth.parameters),
    }
    address = oauth.authorize(values)
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"


def challenge(verifier: str) -> str:
    """What goes ahead of a PKCE verifier: its SHA-256, base64url without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def code_of(oauth: OAuth, values: Values, query: Query) -> str:
    """The code in a callback whose state was ours. Raises BadCallback, Denied."""
    if oauth.verify is not None:
        oauth.verify(values, query)
    error = query.get("error", "")
    if error == "access_denied":
        raise Denied("Access was not granted: somebody chose to deny it.")
    if error:  # its words are anybody's, so they are not repeated
        raise Denied("The system refused to grant access. Look whether this app may be connected there.")
    code = query.get("code", "")
    if not code or len(code) > 4000:
        raise BadCallback("The answer carries no code.")
    return code


def verify_hmac_of_query(secret: str, query: Query, name: str = "hmac") -> None:
    """The usual signature of a callback: HMAC-SHA256 in hex over all other parameters, sorted by name."""
    rest = "&".join(f"{key}={query[key]}" for key in sorted(query) if key != name)
    right = hmac.new(secret.encode(), rest.encode(), hashlib.sha256).hexdigest()
    if not secret or not hmac.compare_digest(query.get(name, "").encode(), right.encode()):
        raise BadCallback("Its signature does not fit.")


def exchange(http: "Http", oauth: OAuth, values: Values, code: str, redirect_uri: str, verifier: str) -> Token:
    """The tokens for a code, stored where the transport keeps them. Raises AuthFailed, Transient …"""
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, **dict(oauth.with_code)}
    http.hide(code, verifier)
    auth, http.auth = http.auth, None  # the first token is asked for without one
    try:
        token = _ask(http, oauth, values, asked | ({"code_verifier": verifier} if oauth.pkce else {}))
    finally:
        http.auth = auth
    http.tokens.save(token)
    return token


def bearer(http: "Http", oauth: OAuth, values: Values, **how: Any) -> Bearer:
    """Puts the connection's token on every call, renewed in time. `how`: see `tokens.Bearer`."""

    def renew(old: Token | None) -> Token:
        if old is None or not old.refresh:
            raise AuthFailed("Access has to be granted again: press Grant API Access.")
        token = _ask(http, oauth, values, {"grant_type": "refresh_token", "refresh_token": old.refresh})
        # Who gives no new refresh token means that the old one stays good.
        return token if token.refresh else Token(token.value, token.expires_at, old.refresh)

    return Bearer(http.tokens, renew, **how)


def by_app(http: "Http", oauth: OAuth, values: Values, **how: Any) -> Bearer:
    """The same where our app gets in by its own id and secret (client credentials): each token is asked for anew."""
    return Bearer(http.tokens, lambda old: _ask(http, oauth, values, {"grant_type": "client_credentials"}), **how)


def plain(values: Values, name: str) -> str:
    """A value as text, unwrapped."""
    return str(revealed(values.get(name)) or "")


def _ask(http: "Http", oauth: OAuth, values: Values, asked: dict[str, str]) -> Token:
    app = {"client_id": plain(values, CLIENT_ID), "client_secret": plain(values, CLIENT_SECRET)}
    return _token(http.post(oauth.token(values), data=asked | app, headers={"Accept": "application/json"}))


def _token(answer: "Answer") -> Token:
    said = answer.json()
    value = said.get("access_token") if isinstance(said, dict) else None
    if not isinstance(value, str) or not value:
        raise BadAnswer("The system answered without an access token.")
    life, refresh = said.get("expires_in"), said.get("refresh_token")
    known = isinstance(life, int | float | str) and str(life).split(".")[0].isdecimal()
    expires = clock.now() + timedelta(seconds=min(float(str(life)), 10**9)) if known else None
    return Token(value, expires, refresh if isinstance(refresh, str) else "")
