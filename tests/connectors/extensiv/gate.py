"""The gate of 3PL Warehouse Manager: tokens, its exceptions, and how lists are asked for."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import Any

from integration_manager.kit.simulator import Fake, Reply, Request, route
from tests.connectors.extensiv.rql import NotParsable, Property, parse


class Refused(Exception):
    """An answer instead of what was asked for."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply.body))
        self.reply = reply


def thrown(status: int, kind: str, code: str, hint: str = "", **more: Any) -> Refused:
    """One of its exceptions, in the form that they have on the wire."""
    body = {"$type": f"WMS.V2.Generic.Models.Exceptions.{kind}, WMS.V2.Generic.Models", **more, "ErrorCode": code}
    return Refused(Reply({**body, **({"Hint": hint} if hint else {})}, status))


def invalid(code: str, name: str, value: Any = "", hint: str = "") -> Refused:
    """A member of what was sent is wrong."""
    properties = [{"Name": name, "Value": str(value)}]
    return thrown(400, "ModelValidationException", code, hint, ModelType="OrderCreate", Properties=properties)


def text(status: int, words: str) -> Reply:
    """An answer in plain text."""
    return Reply(words.encode(), status, {"Content-Type": "text/plain; charset=utf-8"})


class Gate(Fake):
    """Who gets in, and how it says no."""

    login = "/AuthServer/api/Token"
    credential = "3pl-client-secret"
    client = "0b5c7a52-client"
    tpl = "{11111111-2222-3333-4444-555555555555}"
    user = "7"
    rights: tuple[str, ...] = ("OrderView", "OrderWrite", "InventoryRead", "CustomerView", "ItemView")
    life = 3600  # seconds that a token says it lasts
    gives = 1000  # rows of a page at most, however many are asked for

    def setup(self) -> None:
        self.tokens: set[str] = set()
        self.logins = 0

    def writes(self, request: Request) -> bool:
        return request.method != "GET" and request.path != self.login

    def admits(self, request: Request) -> bool:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        return request.path == self.login or (kind == "Bearer" and token in self.tokens)

    def refuse(self, status: int, code: str, message: str) -> Reply:
        if status == 401:
            return Reply({"Message": "Authorization has been denied for this request."}, 401)
        if status == 400:
            parameters = {"Parameters": [code]}
            return thrown(400, "QueryParameterException", "NotParsable", message, **parameters).reply
        return text(status, message)

    def answer(self, request: Request) -> Reply:
        try:
            if self.admits(request) and request.path != self.login and not request.path.startswith("/_sim/"):
                self._speaks(request)
            return super().answer(request)
        except Refused as refused:
            return refused.reply

    def _speaks(self, request: Request) -> None:
        if "application/hal+json" not in request.headers.get("accept", ""):
            raise Refused(text(406, "HAL is spoken here."))
        if request.body and "json" not in request.headers.get("content-type", ""):
            raise Refused(text(415, "Content-Type has to be application/hal+json."))

    def expire(self) -> None:
        """All tokens end now."""
        self.tokens.clear()

    def _needs(self, right: str) -> None:
        if right not in self.rights:
            raise thrown(403, "AuthorizationException", "RoleRequired", right)

    @route("POST", login)
    def token(self, request: Request) -> Any:
        kind, _, pair = request.headers.get("authorization", "").partition(" ")
        said = request.json
        try:
            client, _, secret = base64.b64decode(pair, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client = secret = ""
        if kind != "Basic" or (client, secret) != (self.client, self.credential):
            return Reply({"Message": "invalid_client: the client is not known or its secret is wrong."}, 401)
        if said.get("grant_type") != "client_credentials":
            return Reply({"Message": "unsupported_grant_type"}, 400)
        if self.user not in (said.get("user_login_id"), said.get("user_login")):
            return Reply({"Message": "invalid_request: user_login is required"}, 400)
        if said.get("tpl", self.tpl) != self.tpl:
            return Reply({"Message": "invalid_request: tpl"}, 400)
        self.logins += 1
        value = f"token-{self.name}-{self.logins}-{secrets.token_hex(8)}"
        self.tokens.add(value)
        return {
            "access_token": value, "token_type": "Bearer", "expires_in": self.life, "refresh_token": None,
            "scope": None,
        }  # fmt: skip

    # ── what is asked of a list ──

    def _only(self, request: Request, *names: str) -> None:
        """The real one silently ignores what it does not know; here that is a mistake."""
        strange = [name for name in request.query if name not in names]
        if strange:
            raise thrown(400, "QueryParameterException", "DoesNotExist", strange[0], Parameters=strange)

    def _details(self, request: Request, name: str, possible: set[str]) -> set[str]:
        asked = {one.strip().lower() for one in request.query.get(name, "None").split(",")}
        if asked - possible:
            raise thrown(400, "QueryParameterException", "NotParsable", Parameters=[name])
        every = {"orderitems", "packages", "smallparcel"} if "all" in asked else set()
        return (asked | every) - {"none"}

    def _asked(self, request: Request, rows: list[Any], known: Mapping[str, Property], most: int) -> tuple[Any, int]:
        """A page of the rows that fit, and how many there are."""
        size, page = int(request.query.get("pgsiz", 100)), int(request.query.get("pgnum", 1))
        if not 0 < size <= most or page < 1:
            raise thrown(400, "QueryParameterException", "ValueNotSupported", Parameters=["pgsiz"])
        try:
            test = parse(request.query.get("rql", ""), known)
        except NotParsable as error:
            raise thrown(400, "QueryParameterException", "NotParsable", str(error), Parameters=["rql"]) from None
        found = [row for row in rows if test(row)]
        for name in reversed(request.query.get("sort", "").lower().split(",")):
            what = known.get(name.removeprefix("-"))
            if what is not None:
                found.sort(key=what.of, reverse=name.startswith("-"))
            elif name and known:
                raise thrown(400, "QueryParameterException", "NotParsable", name, Parameters=["sort"])
        size = min(size, self.gives)
        return found[(page - 1) * size : page * size], len(found)
