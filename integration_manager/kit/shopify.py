"""Shopify's Admin interface, apart from what a cart makes of it: addresses, ways in, IDs, whole orders, locations.

An `Admin` is one shop. Its documents stand in the connector's .graphql file, under the names that are used here:
Orders, Lines, Parts, PartLines, Fulfillments, Contents, Content, Locations, Items, SetStock, Shop, State, and for
its catalog Products and Variants.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from integration_manager.kit.canonical import StockResult
from integration_manager.kit.errors import AddressRefused, AuthFailed, BadAnswer, Permanent, Transient
from integration_manager.kit.graphql import GraphQL, documents, error_of, wait_of
from integration_manager.kit.oauth import CLIENT_SECRET, BadCallback, OAuth, bearer, by_app, plain, verify_hmac_of_query
from integration_manager.kit.page import Page
from integration_manager.kit.paging import by_token
from integration_manager.kit.reading import Reader, pick

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer, Http

VERSION = "2026-10"
HEADER = "X-Shopify-Access-Token"
MOST_LINES = 40  # of a fulfillment order, at first
SKUS = 40  # looked up at once
FULFILLMENTS = 250  # of an order, which it does not page
CONTENTS = 25  # of fulfillments, asked for at once
SCOPES = (
    "write_orders", "write_merchant_managed_fulfillment_orders", "write_inventory",
    "read_locations", "read_products", "read_customers",
)  # fmt: skip
_CLOSED = {402: "frozen, since its bill is open", 404: "not at this address", 423: "locked"}


def home(values: Mapping[str, Any]) -> str:
    """The shop's own address. Raises AddressRefused: an app's secret goes to Shopify, and nowhere else."""
    text = plain(values, "url").strip().rstrip("/")
    host, path = urlsplit(text).hostname or "", urlsplit(text).path.split("/")
    if host == "admin.shopify.com" and len(path) > 2 and path[1] == "store":
        host = f"{path[2]}.myshopify.com"
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*\.myshopify\.com", host):
        return f"https://{host}"
    if host in ("127.0.0.1", "localhost"):  # one that is not there: the operator's guard says who may go to it
        return text
    raise AddressRefused("Type the address that Shopify has given the shop: it ends with .myshopify.com.")


def from_the_shop(values: Mapping[str, Any], query: Mapping[str, str]) -> None:
    """Shopify signs its callback, and names the shop in it."""
    verify_hmac_of_query(plain(values, CLIENT_SECRET), query)
    if query.get("shop") != home(values).partition("://")[2]:
        raise BadCallback("It comes from another shop.")


CONSENT = OAuth(
    authorize=lambda values: f"{home(values)}/admin/oauth/authorize",
    token=lambda values: f"{home(values)}/admin/oauth/access_token",
    scopes=SCOPES,
    separator=",",
    pkce=False,
    with_code=(("expiring", "1"),),  # with a token for an hour, and one to renew it by
    verify=from_the_shop,
    when=("way", ("grant",)),
)


def gid(kind: str, number: str) -> str:
    """Shopify's global ID."""
    return f"gid://shopify/{kind}/{number}"


def tail(text: str) -> str:
    """The number in a global ID."""
    return text.rpartition("/")[2].partition("?")[0]


def quoted(text: str) -> str:
    """A value in a search, as it is."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def modified_at(raw: Any) -> datetime:
    """When an order or a product last changed, to the second."""
    return datetime.fromisoformat(raw["updatedAt"])


def same(one: Any, other: Any) -> bool:
    """Whether two names are the same to a person."""
    return " ".join(str(one or "").split()).casefold() == " ".join(str(other or "").split()).casefold()


def available(item: Any) -> int | None:
    """What is available of an item at the location; None where it is not kept there."""
    rows = Reader(item).part("inventoryLevel").parts("quantities")
    return int(rows[0].need_number("quantity")) if rows else None


def is_open(part: Reader) -> bool:
    """Whether it can be fulfilled now, and by us: not by another fulfillment service."""
    actions = [one.text("action") for one in part.parts("supportedActions")]
    return part.text("status") in ("OPEN", "IN_PROGRESS") and "CREATE_FULFILLMENT" in actions


def place_of(part: Reader) -> str:
    """The location of a fulfillment order."""
    return part.part("assignedLocation").part("location").text("id") or ""


def lines_of(part: Reader) -> list[tuple[str, Reader, Decimal]]:
    """The lines of a fulfillment order: the order's line, this one, and what is left of it."""
    rows = part.part("lineItems").parts("nodes")
    return [(tail(row.part("lineItem").need("id")), row, row.need_number("remainingQuantity")) for row in rows]


class Admin:
    """The Admin interface of one shop."""

    def __init__(self, http: "Http", values: Mapping[str, Any], way: str, path: Path) -> None:
        """`way`: grant, app, token. `path`: the file with the documents."""
        self.http = http
        http.base_url = home(values)
        self.graph = GraphQL(http, f"/admin/api/{VERSION}/graphql.json", documents(path))
        self.ask, self.change, self.nodes = self.graph.ask, self.graph.change, self.graph.nodes
        self.tried, self.change_each = self.graph.tried, self.graph.change_each
        self._place: tuple[str, str] | None = None
        if way == "token":
            http.headers[HEADER] = plain(values, "access_token")
        else:
            http.auth = (by_app if way == "app" else bearer)(http, CONSENT, values, header=HEADER, scheme="")

    def error_of(self, answer: "Answer") -> Exception | None:
        """What an answer stands for; where it says that the budget is used up, later calls wait."""
        if answer.status in _CLOSED:
            return AuthFailed(f"The shop is {_CLOSED[answer.status]}.", said=answer.said)
        error = error_of(answer, "Shopify")
        if error is None and answer.status < 300:
            self.http.hold_off(wait_of(answer.json()))
        return error

    def check(self) -> None:
        """Raises AuthFailed where the app lacks rights, with their names."""
        rows = pick(self.ask("Shop"), "data.currentAppInstallation.accessScopes", list)
        have = {str(row.get("handle")) for row in rows}
        have |= {name.replace("write_", "read_", 1) for name in have}
        if missing := [scope for scope in SCOPES if scope not in have]:
            words = f"The app lacks rights in Shopify: {', '.join(missing)}. Give it these, then connect again."
            raise AuthFailed(words)

    def changed(self, name: str, at: str, since: datetime, only: str = "", /, **sizes: int) -> Iterator[Page]:
        """Pages of what was changed at or after `since`, the oldest change first: the connection at `at` of a query.

        only: more of the search, such as " AND status:active".
        """
        start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # it counts whole seconds

        def fetch(after: str | None) -> tuple[list[Any], str | None]:
            answer = self.ask(name, query=f"updated_at:>='{start}'{only}", after=after, **sizes)
            more = pick(answer, f"{at}.pageInfo.hasNextPage", bool)
            return pick(answer, f"{at}.nodes", list), pick(answer, f"{at}.pageInfo.endCursor", str) if more else None

        return by_token(fetch, modified_at)

    # ── orders ──

    def whole(self, row: Any) -> Any:
        """An order with all of its lines, where its lists are longer than those that it came with."""
        r = Reader(row)
        if r.part("lineItems").part("pageInfo").flag("hasNextPage"):
            row = {**row, "lineItems": {"nodes": [*self.nodes("Lines", "data.order.lineItems", id=row["id"])]}}
        parts = r.part("fulfillmentOrders")
        ends = [parts.part("pageInfo"), *(one.part("lineItems").part("pageInfo") for one in parts.parts("nodes"))]
        if any(end.flag("hasNextPage") for end in ends):
            row = {**row, "fulfillmentOrders": {"nodes": self.parts(row["id"])}}
        return row

    def parts(self, order_id: str) -> list[Any]:
        """An order's fulfillment orders with all of their lines."""
        found = []
        for part in self.nodes("Parts", "data.order.fulfillmentOrders", id=order_id, lines=MOST_LINES):
            if Reader(part).part("lineItems").part("pageInfo").flag("hasNextPage"):
                rows = [*self.nodes("PartLines", "data.fulfillmentOrder.lineItems", id=part["id"])]
                part = {**part, "lineItems": {"nodes": rows}}
            found.append(part)
        return found

    def state(self, order_id: str) -> Reader:
        """Whether an order is canceled or fulfilled."""
        return Reader(pick(self.ask("State", id=order_id), "data.order", dict))

    def fulfillments(self, order_id: str) -> list[Any]:
        """An order's fulfillments that stand, each with all of its lines."""
        rows = pick(self.ask("Fulfillments", id=order_id), "data.order.fulfillments", list)
        if len(rows) >= FULFILLMENTS:
            raise Permanent(f"Shopify tells of {FULFILLMENTS} fulfillments of an order only.", code="too_many")
        standing = {row["id"]: row for row in rows if row.get("status") == "SUCCESS"}
        contents, keys = dict[str, Any](), [*standing]
        for at in range(0, len(keys), CONTENTS):
            found = pick(self.ask("Contents", ids=keys[at : at + CONTENTS]), "data.nodes", list)
            contents |= {node["id"]: node["fulfillmentLineItems"] for node in found if node}
        if contents.keys() != standing.keys():
            raise BadAnswer("Shopify does not tell what is in a fulfillment of the order.")
        for key, content in contents.items():
            if Reader(content).part("pageInfo").flag("hasNextPage"):
                contents[key] = {"nodes": [*self.nodes("Content", "data.fulfillment.fulfillmentLineItems", id=key)]}
        return [{**row, "fulfillmentLineItems": contents[key]} for key, row in standing.items()]

    # ── stock ──

    def location(self, name: str) -> tuple[str, str]:
        """The location where stock is set, or why it is not known."""
        if self._place is None:
            rows = [row for row in self.nodes("Locations", "data.locations") if row.get("isActive")]
            named = [row for row in rows if same(row.get("name"), name)] if name else rows
            asked = f"no location {name}; choose another" if name else f"{len(rows)} locations: choose one"
            self._place = (named[0]["id"], "") if len(named) == 1 else ("", f"Shopify has {asked} in the cart’s setup.")
        return self._place

    def items(self, skus: Sequence[str], place: str) -> dict[str, list[Any]]:
        """The inventory items of these SKUs, with what is available at a location."""
        found: dict[str, list[Any]] = {sku: [] for sku in skus}
        for start in range(0, len(skus), SKUS):
            asked = " OR ".join(f"sku:{quoted(sku)}" for sku in skus[start : start + SKUS])
            for row in self.nodes("Items", "data.inventoryItems", query=asked, location=place):
                if row.get("sku") in found:  # the search minds neither capitals nor hyphens
                    found[row["sku"]].append(row)
        return found

    def set_levels(
        self, skus: Sequence[str], items: dict[str, list[Any]], wanted: Mapping[str, int], place: str
    ) -> dict[str, StockResult]:
        """Sets what is available, all or none. Gives the results that are final; of others `items` are read again.

        items: what `items` gave, one for each SKU; wanted: the pieces.
        """
        rows = [
            {
                "inventoryItemId": items[sku][0]["id"],
                "locationId": place,
                "quantity": wanted[sku],
                "changeFromQuantity": available(items[sku][0]),  # so that a sale in between is not overwritten
            }
            for sku in skus
        ]
        what = {"name": "available", "reason": "correction", "quantities": rows}
        errors = self.count("SetStock", "inventorySetQuantities", input=what)
        if not errors or any(at is None or at >= len(skus) for at, _, _ in errors):
            return {sku: StockResult(sku, errors[0][2] if errors else "") for sku in skus}
        found = {skus[at]: (code, why) for at, code, why in errors if at is not None}
        stale = [sku for sku, (code, _) in found.items() if code == "CHANGE_FROM_QUANTITY_STALE"]
        items |= self.items(stale, place)
        return {sku: StockResult(sku, why) for sku, (_, why) in found.items() if sku not in stale}

    def count(self, name: str, field: str, **variables: Any) -> list[tuple[int | None, str, str]]:
        """Changes stock. Why not: (which of the levels, code, words). Each change has a key of its own."""
        errors = self.graph.reasons(name, field, safe=True, key=str(uuid4()), **variables)[1]
        if any(str(row.get("code")).startswith("IDEMPOTENCY") for row in errors):
            raise Transient("Shopify is still busy with the same change.")
        return [(_index(row.get("field") or ()), str(row.get("code")), str(row.get("message"))) for row in errors]


def _index(path: Iterable[Any]) -> int | None:
    """The number in ["input", "quantities", "3", …]."""
    return next((int(part) for part in map(str, path) if part.isdecimal()), None)
