"""A fake system that grants access: its consent page with Approve and Deny, and its tokens.

Mixed into a `Fake`; its `setup` calls `setup_oauth`. It is strict where an OAuth server is: a code is
good for once and one redirect address, PKCE is checked, access tokens end, a refresh token is good for
once and gives the next one. Its callback is signed and names the shop.
"""

import hashlib
import hmac
import html
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode

from integration_manager.kit import oauth
from integration_manager.kit.simulator import Fake, Reply, Request, route
from integration_manager.kit.tokens import Token

CLIENT_ID, CLIENT_SECRET = "sandbox-app", "sandbox-app-secret"

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{shop}: grant access?</title><h1>{shop}</h1>
<p>{client} wants to see and change: {scope}.</p>
<form method="post" action="authorize">{fields}
<button name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button></form></html>
"""


class Grants(Fake):
    """A fake with an authorization server."""

    token_life = 3600.0  # seconds
    pkce = True
    client = (CLIENT_ID, CLIENT_SECRET)

    def setup_oauth(self) -> None:
        """Its tables."""
        self.codes = self.table("codes")
        self.issued = self.table("tokens")  # by access token, with the refresh token and the end

    def app(self) -> dict[str, str]:
        """What the operator, or a field, says of our app."""
        return {oauth.CLIENT_ID: self.client[0], oauth.CLIENT_SECRET: self.client[1]}

    def token(self) -> Token:
        """A token as a finished consent gives it; for tests that begin behind it."""
        given = self._issue()
        return Token(given["access_token"], None, given["refresh_token"])

    def knows(self, request: Request) -> bool:
        """Whether the request carries an access token that is good now, or needs none."""
        if request.path.startswith("/oauth/"):
            return True
        row = self.issued.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        return bool(row and row["until"] > time.time())

    def expire(self) -> None:
        """Every access token ends now; refresh tokens stay good."""
        with self.lock:
            for row in list(self.issued):
                self.issued.change(row["key"], until=0)

    def consent(self, url: str, decision: str = "approve") -> dict[str, str]:
        """What a person does on the consent page at `url`: the query of the callback that follows."""
        query = dict(parse_qsl(url.partition("?")[2]))
        return self._decided(query | {"decision": decision}, url.partition("/oauth/authorize")[0])

    # ── its pages and its interface ──

    @route("GET", "/oauth/authorize")
    def consent_page(self, request: Request) -> Any:
        wrong = self._wrong(request.query)
        if wrong:
            return self.refuse(400, "invalid_request", wrong)
        names = ("client_id", "redirect_uri", "state", "scope", "code_challenge")
        fields = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(request.query.get(name, ""))}">' for name in names
        )
        scope = html.escape(request.query.get("scope", ""))
        page = PAGE.format(
            shop=html.escape(self.name.title()), client="Integration Manager", scope=scope, fields=fields
        )
        return Reply(page.encode(), headers={"Content-Type": "text/html; charset=utf-8"})

    @route("POST", "/oauth/authorize")
    def decide(self, request: Request) -> Any:
        said = _form(request)
        wrong = self._wrong(said | {"response_type": "code", "code_challenge_method": "S256"})
        if wrong:
            return self.refuse(400, "invalid_request", wrong)
        shop = f"http://{request.headers.get('host', '')}{request.prefix}"
        back = self._decided(said, shop)
        return Reply(status=302, headers={"Location": f"{said['redirect_uri']}?{urlencode(back)}"})

    @route("POST", "/oauth/token")
    def give(self, request: Request) -> Any:
        said = _form(request)
        if (said.get("client_id"), said.get("client_secret")) != self.client:
            return Reply({"error": "invalid_client"}, 401)
        if said["grant_type"] == "refresh_token":
            old = next((row for row in self.issued if row["refresh"] == said["refresh_token"]), None)
            if old is None:
                return Reply({"error": "invalid_grant"}, 400)
            self.issued.remove(old["key"])
            return self._issue()
        code = self.codes.get(said["code"])
        if code is None:
            return Reply({"error": "invalid_grant"}, 400)
        self.codes.remove(said["code"])
        right = oauth.challenge(said.get("code_verifier", "")) == code["challenge"]
        if not right or said["redirect_uri"] != code["redirect_uri"]:
            return Reply({"error": "invalid_grant"}, 400)
        return self._issue()

    # ── behind them ──

    def _wrong(self, asked: dict[str, str]) -> str:
        if asked.get("client_id") != self.client[0]:
            return "This app is not known here."
        if asked.get("response_type") != "code" or not asked.get("state") or not asked.get("redirect_uri"):
            return "The request is incomplete."
        if self.pkce and (asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge")):
            return "PKCE is needed."
        return ""

    def _decided(self, said: dict[str, str], shop: str) -> dict[str, str]:
        back = {"state": said["state"], "shop": shop}
        if said.get("decision") == "approve":
            code = secrets.token_urlsafe(24)
            row = {"challenge": said.get("code_challenge", ""), "redirect_uri": said["redirect_uri"]}
            self.codes.put(code, {"key": code, **row})
            back["code"] = code
        else:
            back["error"] = "access_denied"
        message = "&".join(f"{name}={back[name]}" for name in sorted(back))
        return back | {"hmac": hmac.new(self.client[1].encode(), message.encode(), hashlib.sha256).hexdigest()}

    def _issue(self) -> dict[str, Any]:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.issued.put(access, {"key": access, "refresh": refresh, "until": time.time() + self.token_life})
        return {"access_token": access, "refresh_token": refresh, "expires_in": self.token_life, "token_type": "Bearer"}


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
