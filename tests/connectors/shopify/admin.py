"""The Admin interface around the shop that is not there: ways in, rights, costs, idempotency, Shopify's own schema."""

import base64
import contextlib
import json
import secrets
import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from integration_manager.kit.fake_oauth import CLIENT_ID, CLIENT_SECRET, Grants
from integration_manager.kit.simulator import Reply, Request, route
from tests.connectors.shopify import official
from tests.connectors.shopify.cost import Field, Operation, Unreadable, actual, read, requested, shaped

PATH = "/admin/api/2026-10/graphql.json"
TOKEN = "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"
MOST = 1000  # points of one question
RIGHTS = {
    "orders": "read_orders", "order": "read_orders", "node": "read_orders", "nodes": "read_orders",
    "fulfillment": "read_orders", "fulfillmentOrder": "read_merchant_managed_fulfillment_orders",
    "locations": "read_locations", "inventoryItems": "read_inventory",
    "products": "read_products", "product": "read_products",
    "fulfillmentCreate": "write_merchant_managed_fulfillment_orders",
    "fulfillmentTrackingInfoUpdate": "write_merchant_managed_fulfillment_orders",
    "inventorySetQuantities": "write_inventory", "inventoryActivate": "write_inventory",
    "orderCancel": "write_orders", "refundCreate": "write_orders",
}  # fmt: skip
ONCE = ("inventorySetQuantities", "inventoryActivate", "refundCreate")  # with @idempotent, or not at all


class Refused(Exception):
    """A question that is answered by `errors`."""

    def __init__(self, message: str, code: str = "", **more: Any) -> None:
        super().__init__(message)
        self.error = {"message": message, **({"extensions": {"code": code, **more}} if code else {})}


class Admin(Grants):
    """One shop's Admin interface. A subclass has `fields`: what may be asked for, by name."""

    credential = TOKEN
    client = (CLIENT_ID, CLIENT_SECRET)
    pkce = False
    still_busy = 0  # so many of the next changes with a key are told that one with it is under way
    restore_rate, maximum = 100_000.0, 200_000.0  # points a second, and at most; a standard shop has 100 and 2,000
    scopes: frozenset[str] | None = None  # what the app may; None: all that it asked for

    installed = True
    checked = False  # against Shopify's own schema

    @contextlib.contextmanager
    def serve(self, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
        """See `Fake.serve`: in a test, where every word is checked if this machine has the schema."""
        self.checked = official.schema() is not None
        with super().serve(port, tls) as url:
            yield url

    def setup_admin(self) -> None:
        self.setup_oauth()
        self.answered = self.table("answered")  # by idempotency key
        self.spent = self.table("spent_tokens")  # refresh tokens of which the successor was not used yet
        self.left, self.measured = self.maximum, time.monotonic()
        self.asked: list[dict[str, Any]] = []  # every question that was put
        self.violations: list[str] = []  # what Shopify's schema says against questions and answers

    def values(self, url: str) -> dict[str, Any]:
        client_id, client_secret = self.client  # for the other ways in
        others = {"access_token": TOKEN, "client_id": client_id, "client_secret": client_secret}
        return {"url": url, "way": "grant", **others}

    # ── getting in ──

    def admits(self, request: Request) -> bool:
        if request.path.startswith("/admin/oauth/"):
            return True
        token = request.headers.get("x-shopify-access-token", "")
        row = self.issued.get(token)
        if row and row["until"] > time.time():
            if row.get("after") in self.spent:
                self.spent.remove(row["after"])
            return True
        return token == TOKEN

    def refuse(self, status: int, code: str, message: str) -> Reply:
        if status == 401:
            message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
        return Reply({"errors": message}, status)

    def writes(self, request: Request) -> bool:
        return request.path == PATH and b"mutation" in request.body

    def consent(self, url: str, decision: str = "approve") -> dict[str, str]:
        address, _, query = url.partition("?")
        shop = address.partition("/admin/oauth/authorize")[0].partition("://")[2]
        return self._decided(dict(parse_qsl(query)) | {"decision": decision}, shop)

    @route("GET", "/admin/oauth/authorize")
    def consent_of_shop(self, request: Request) -> Any:
        return self.consent_page(request)

    @route("POST", "/admin/oauth/authorize")
    def decided_in_shop(self, request: Request) -> Any:
        request.headers["host"] = request.headers.get("host", "")
        return self.decide(request)

    def _decided(self, said: dict[str, str], shop: str) -> dict[str, str]:
        return super()._decided(said, shop.partition("://")[2] or shop)

    @route("POST", "/admin/oauth/access_token")
    def give_token(self, request: Request) -> Any:
        said = dict(parse_qsl(request.body.decode()))
        if (said.get("client_id"), said.get("client_secret")) != self.client:
            return Reply({"error": "invalid_client", "error_description": "The client is not known"}, 401)
        kind = said.get("grant_type", "authorization_code")
        if not self.installed:
            return Reply({"error": "app_not_installed", "error_description": "The app is not installed"}, 400)
        if kind == "client_credentials":
            return {name: value for name, value in self._issue().items() if name != "refresh_token"}
        if kind == "refresh_token":
            old = next((row for row in self.issued if row["refresh"] == said["refresh_token"]), None)
            old = old or self.spent.get(said["refresh_token"])
            if old is None:
                return Reply({"error": "invalid_grant"}, 400)
            # The old one stays good until the new one is used: an answer may be lost.
            self.spent.put(old["refresh"], {"refresh": old["refresh"], "key": old["key"]})
            self.issued.remove(old["key"])
            return self._issue(after=old["refresh"])
        code = self.codes.get(said.get("code", ""))
        if code is None:
            return Reply({"error": "invalid_request", "error_description": "The code was not found or used"}, 400)
        self.codes.remove(said["code"])
        given = self._issue()
        return given if said.get("expiring") == "1" else {name: given[name] for name in ("access_token", "scope")}

    def _issue(self, after: str = "") -> dict[str, Any]:
        given = super()._issue() | {"scope": "write_orders"}
        self.issued.change(given["access_token"], after=after)
        return given

    # ── questions ──

    @route("POST", PATH)
    def graphql(self, request: Request) -> Any:
        body = request.json
        text, name, variables = body.get("query") or "", body.get("operationName"), body.get("variables") or {}
        self.asked.append(body)
        try:
            operation = read(text, name, variables)
            cost = requested(operation)
        except Unreadable as error:
            return Reply({"errors": [{"message": str(error)}]})
        if self.checked and (wrong := official.wrong_question(text)):
            self.violations += wrong
            return Reply({"errors": [{"message": one} for one in wrong]})
        if cost > MOST:
            message = f"Query cost is {cost}, which exceeds the single query max cost limit ({MOST})."
            return Reply({"errors": [Refused(message, "MAX_COST_EXCEEDED", cost=cost, maxCost=MOST).error]})
        if cost > self._available():
            return Reply({"errors": [Refused("Throttled", "THROTTLED").error], **self._cost(cost, None)})
        try:
            data = self._do(operation)
        except Refused as refused:
            return Reply({"errors": [refused.error], **self._cost(cost, 1)})
        if self.checked and (wrong := official.wrong_answer(text, name, variables, data)):
            self.violations += wrong
            return Reply({"errors": f"Shopify does not answer like this: {wrong[:3]}"}, 500)
        used = min(cost, (10 if operation.kind == "mutation" else 0) + actual(operation.fields, data))
        self.left -= used
        return Reply({"data": data, **self._cost(cost, used)})

    def _available(self) -> float:
        now = time.monotonic()
        self.left = min(self.maximum, self.left + (now - self.measured) * self.restore_rate)
        self.measured = now
        return self.left

    def _cost(self, cost: int, used: int | None) -> dict[str, Any]:
        status = {
            "maximumAvailable": self.maximum,
            "currentlyAvailable": int(self.left),
            "restoreRate": self.restore_rate,
        }
        return {"extensions": {"cost": {"requestedQueryCost": cost, "actualQueryCost": used, "throttleStatus": status}}}

    def _do(self, operation: Operation) -> dict[str, Any]:
        found = {}
        for one in operation.fields:
            right = RIGHTS.get(one.name)
            if right and self.scopes is not None and not {right, right.replace("read_", "write_")} & self.scopes:
                raise Refused(
                    f"Access denied for {one.name} field. Required access: `{right}` access scope.", "ACCESS_DENIED"
                )
            handler = getattr(self, f"{'do' if operation.kind == 'mutation' else 'ask'}_{one.name}", None)
            if handler is None:
                raise Refused(f"Field '{one.name}' doesn't exist on type '{operation.kind}'", "undefinedField")
            try:
                whole = self._once(one, handler) if one.name in ONCE else handler(**one.args)
                found[one.key] = shaped(one.fields, whole)
            except (KeyError, TypeError, ValueError) as error:
                raise Refused(f"{one.name}: {type(error).__name__} {error}", "INVALID_VARIABLE") from error
        return found

    def _once(self, one: Field, handler: Any) -> Any:
        key = one.directives.get("idempotent", {}).get("key")
        if not key:
            raise Refused(
                "The @idempotent directive is required for this mutation but was not provided.", "BAD_REQUEST"
            )
        said = json.dumps(one.args, sort_keys=True)
        if self.still_busy > 0:
            self.still_busy -= 1
            busy = {"code": "IDEMPOTENCY_CONCURRENT_REQUEST", "field": None, "message": "It is being worked on."}
            return {"userErrors": [busy], "refund": None, "inventoryLevel": None}
        known = self.answered.get(key)
        if known and known["said"] != said:
            error = {
                "code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
                "field": None,
                "message": "Another request had this key.",
            }
            return {"userErrors": [error], "refund": None, "inventoryLevel": None}
        if known is None:
            whole = handler(**one.args)
            if whole["userErrors"]:
                return whole
            self.answered.put(key, {"key": key, "said": said, "whole": json.loads(json.dumps(whole, default=str))})
            return whole
        return known["whole"]


def most(args: dict[str, Any]) -> int:
    """How many rows of a list are asked for."""
    if not 0 < args["first"] <= 250:
        raise ValueError("first has to be between 1 and 250")
    return int(args["first"])


def connection(rows: list[Any], view: Any = None, position: Any = None) -> Any:
    """A list that is asked for by `first` and `after`. `view`: a row as it is answered; `position`: where it stands."""

    def part(args: dict[str, Any]) -> dict[str, Any]:
        size, after = most(args), args.get("after")
        places = [position(row) if position else f"{n:09d}" for n, row in enumerate(rows)]
        start = 0
        if after is not None:
            last = base64.b64decode(after, validate=True).decode()
            start = next((n for n, place in enumerate(places) if place > last), len(rows))
        chosen = [view(row) if view else row for row in rows[start : start + size]]
        ends = [base64.b64encode(place.encode()).decode() for place in places[start : start + size]]
        return {
            "nodes": chosen, "edges": [{"node": row, "cursor": end} for row, end in zip(chosen, ends, strict=True)],
            "pageInfo": {"hasNextPage": start + size < len(rows), "hasPreviousPage": start > 0,
                         "endCursor": ends[-1] if ends else None, "startCursor": ends[0] if ends else None},
        }  # fmt: skip

    return part


def numbered(kind: str, number: Any) -> str:
    """A global ID."""
    return f"gid://shopify/{kind}/{number}"


def number_of(text: str, kind: str) -> str:
    """The number in a global ID, which has to be of this kind."""
    if not text.startswith(f"gid://shopify/{kind}/"):
        raise Refused(f"Invalid global id '{text}'", "INVALID_VARIABLE")
    return text.rpartition("/")[2].partition("?")[0]


def nonce() -> str:
    """A new ID of a delivery."""
    return secrets.token_hex(16)
