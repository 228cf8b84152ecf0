"""The sandbox shop: a made-up shop for the demo and the tests, and the shortest example of a cart.

Its interface (`tests/connectors/sandbox_shop/fake.py` plays it) lists orders by modified time, keeps
nothing unique among shipments and refunds (so they are looked up), and signs its webhooks with the time.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import structs

from integration_manager.kit.canonical import (
    ZERO,
    Address,
    Line,
    Order,
    Product,
    PurchaseLine,
    PurchaseOrder,
    PurchaseStatus,
    Receipt,
    Refund,
    Shipment,
    ShipmentLine,
    SourceState,
    Stock,
    StockResult,
    to_json,
)
from integration_manager.kit.connector import CartConnector, Dedupe, Field, Page, Rate, writes
from integration_manager.kit.errors import Permanent, Unmappable
from integration_manager.kit.oauth import CLIENT_SECRET, BadCallback, OAuth, bearer, plain, verify_hmac_of_query
from integration_manager.kit.page import mapped
from integration_manager.kit.paging import by_modified
from integration_manager.kit.reading import Reader, pick
from integration_manager.kit.webhooks import SECRET, BadSignature, Hook, verify_hmac, verify_time

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer, Http

PAGE = 100
STATES = {
    "paid": SourceState.ELIGIBLE,
    "unpaid": SourceState.NOT_YET,
    "canceled": SourceState.CANCELED,
    "shipped": SourceState.CLOSED,
}
PURCHASE_STATES = {state.value: state for state in PurchaseStatus}


class SandboxShop(CartConnector):
    """A shop that exists on this machine only."""

    key, label = "sandbox_shop", "Sandbox shop"
    rate = Rate(per_second=200, burst=200)
    timeout = 3.0
    settle = timedelta(seconds=5)
    overlap = timedelta(seconds=10)
    min_every = timedelta(seconds=5)
    guide = "The address and the key that “manage.py im simulate” prints."

    url = Field("Shop address", kind="url", example="http://127.0.0.1:8100/oak")
    api_key = Field("Key", secret=True)

    def connect(self, http: "Http") -> None:
        http.base_url = self.url
        http.headers["Authorization"] = f"Bearer {self.api_key}"

    def classify(self, answer: "Answer") -> Exception | None:
        if answer.status == 422:
            return Permanent(pick(answer, "message", str), code=pick(answer, "code", str))
        return None

    def check(self) -> None:
        self.http.get("/api/shop")

    def identity(self) -> str | None:
        return pick(self.http.get("/api/shop"), "id", str)

    def orders(self, since: datetime) -> Iterator[Page]:
        def fetch(since: datetime, page: int) -> list[Any]:
            query = {"modified_since": since.isoformat(), "limit": PAGE, "page": page}
            return pick(self.http.get("/api/orders", params=query), "orders", list)

        return by_modified(fetch, since, modified_at, PAGE)

    def order(self, number: str) -> Any:
        try:
            return self.http.get(f"/api/orders/{quote(number, safe='')}").json()
        except Permanent as error:
            if error.code == "http_404":
                return None
            raise

    @writes(Dedupe.LOOKUP)
    def ship(self, order_key: str, shipment: Shipment) -> str:
        body = {"reference": shipment.key, **tracking(shipment)}
        body["lines"] = [to_json(line) for line in shipment.lines]
        answer = self.http.post(f"/api/orders/{order_key}/shipments", json=body)
        return pick(answer, "id", str)

    @writes(Dedupe.NATURAL)
    def correct(self, order_key: str, remote_id: str, shipment: Shipment) -> None:
        path = f"/api/orders/{order_key}/shipments/{remote_id}"
        self.http.put(path, json=tracking(shipment), safe=True)

    def find_shipments(self, order_key: str) -> list[Shipment]:
        rows = pick(self.http.get(f"/api/orders/{order_key}/shipments"), "shipments", list)
        return [to_shipment(Reader(row)) for row in rows]

    @writes(Dedupe.NATURAL)
    def stock(self, levels: Sequence[Stock]) -> list[StockResult]:
        rows = [{"sku": level.sku, "quantity": str(level.available), "warehouse": level.warehouse} for level in levels]
        answer = self.http.post("/api/stock", json={"levels": rows}, safe=True)
        results = pick(answer, "results", list)
        return [StockResult(r["sku"], r["problem"], skipped=not r["known"]) for r in results]

    @writes(Dedupe.NATURAL)
    def cancel(self, order_key: str, reason: str) -> None:
        self.http.post(f"/api/orders/{order_key}/cancel", json={"reason": reason}, safe=True)

    @writes(Dedupe.LOOKUP)
    def refund(self, order_key: str, refund: Refund) -> str:
        body = {"reference": refund.key, **to_json(refund)}
        return pick(self.http.post(f"/api/orders/{order_key}/refunds", json=body), "id", str)

    def find_refund(self, order_key: str, key: str) -> str | None:
        rows = pick(self.http.get(f"/api/orders/{order_key}/refunds"), "refunds", list)
        return next((row["id"] for row in rows if row["reference"] == key), None)

    def products(self, since: datetime) -> Iterator[Page]:
        def fetch(since: datetime, page: int) -> list[Any]:
            query = {"modified_since": since.isoformat(), "limit": PAGE, "page": page}
            return pick(self.http.get("/api/products", params=query), "products", list)

        for page in by_modified(fetch, since, modified_at, PAGE):
            yield mapped(page, to_product)

    @writes(Dedupe.LOOKUP)
    def create_product(self, product: Product) -> str:
        return pick(self.http.post("/api/products", json=from_product(product)), "id", str)

    def find_product(self, sku: str) -> str | None:
        rows = pick(self.http.get("/api/products", params={"sku": sku}), "products", list)
        return next((row["id"] for row in rows if row["sku"] == sku), None)

    def purchase_orders(self, since: datetime) -> Iterator[Page]:
        def fetch(since: datetime, page: int) -> list[Any]:
            query = {"modified_since": since.isoformat(), "limit": PAGE, "page": page}
            return pick(self.http.get("/api/purchase-orders", params=query), "purchase_orders", list)

        for page in by_modified(fetch, since, modified_at, PAGE):
            yield mapped(page, to_purchase)

    @writes(Dedupe.NATURAL)
    def tell_received(self, key: str, receipt: Receipt) -> None:
        path = f"/api/purchase-orders/{quote(key, safe='')}/received"
        self.http.put(path, json=from_receipt(receipt), safe=True)

    @writes(Dedupe.NATURAL)
    def place_tests(self, orders: Sequence[Order]) -> list[Any]:
        return [self.http.post("/api/orders", json=from_order(order), safe=True).json() for order in orders]

    @classmethod
    def webhook(cls, values: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Hook:
        signed_at = headers.get("x-shop-signed-at", "")
        verify_hmac(values.get(SECRET, ""), f"{signed_at}.".encode() + body, headers.get("x-shop-signature"))
        try:
            verify_time(datetime.fromisoformat(signed_at))
        except (ValueError, TypeError) as error:
            raise BadSignature("The time that it signs is none.") from error
        topic = headers.get("x-shop-topic", "")
        return Hook(topic, headers.get("x-shop-delivery", ""), topic == "ping", order_of(body))

    @writes(Dedupe.NATURAL)
    def subscribe(self, url: str, secret: str) -> list[str]:
        answer = self.http.put("/api/webhooks", json={"url": url, "secret": secret}, safe=True)
        return [pick(answer, "id", str)]

    @writes(Dedupe.NATURAL)
    def unsubscribe(self, handle: str) -> None:
        self.http.delete(f"/api/webhooks/{quote(handle, safe='')}", safe=True)


def from_the_shop(values: Mapping[str, Any], query: Mapping[str, str]) -> None:
    """The shop signs its callback, and names itself in it."""
    verify_hmac_of_query(plain(values, CLIENT_SECRET), query)
    if query.get("shop") != plain(values, "url").rstrip("/"):
        raise BadCallback("It comes from another shop.")


class SandboxShopByConsent(SandboxShop, without=["api_key"]):
    """The same shop, connected on its own page by OAuth. Its tokens end after an hour."""

    key, label = "sandbox_oauth", "Sandbox shop (OAuth)"
    guide = "Type the shop’s address and press Grant API Access: the shop asks you there, and leads you back."
    oauth = OAuth(
        authorize=lambda values: f"{plain(values, 'url').rstrip('/')}/oauth/authorize",
        token=lambda values: f"{plain(values, 'url').rstrip('/')}/oauth/token",
        scopes=("orders", "shipments", "stock"),
        verify=from_the_shop,
    )

    def connect(self, http: "Http") -> None:
        http.base_url = self.url
        assert self.oauth is not None
        http.auth = bearer(http, self.oauth, self.values)


def order_of(body: bytes) -> str | None:
    """The order that a webhook is about, if it says so."""
    try:
        return Reader(json.loads(body)).text("order")
    except (ValueError, Unmappable):
        return None


def tracking(shipment: Shipment) -> dict[str, Any]:
    """How a parcel travels, as the shop wants to know it."""
    return {
        "carrier": shipment.carrier,
        "method": shipment.method,
        "tracking_number": shipment.tracking_no,
        "tracking_url": shipment.tracking_url,
    }


def modified_at(raw: Any) -> datetime:
    """When the shop last changed an order."""
    return datetime.fromisoformat(raw["modified_at"])


def key_of(raw: Any) -> str:
    """The shop's own key of an order."""
    return Reader(raw).need("id")


def to_order(raw: Any, options: Mapping[str, Any]) -> Order:
    """The shop's order as ours."""
    r = Reader(raw)
    state = STATES.get(r.need("status"))
    if state is None:
        raise Unmappable("status", f"{r.need('status')[:40]!r} is not known")
    return Order(
        cart_key=r.need("id"),
        cust_ref=r.need("id"),
        cust_po_no=r.need("number"),
        order_date=r.need_day("created_at"),
        ordered_at=r.when("created_at"),
        source_state=state,
        lines=tuple(to_line(line) for line in r.parts("lines")),
        ship=to_address(r.part("ship_to")),
        bill=to_address(r.part("bill_to")),
        modified_at=r.when("modified_at"),
        ship_code=r.text("shipping_method"),
        shipping_instructions=r.text("note") or None,
        gift_message=r.text("gift_message"),
        currency_code=r.text("currency"),
        location=r.text("warehouse"),
        sub_total=r.number("subtotal"),
        order_discount=r.number("discount"),
        sales_tax=r.number("tax"),
        shipping_handling=r.number("shipping"),
        grand_total=r.number("total"),
        tags=r.texts("tags"),
    )


def to_product(raw: Any) -> Product:
    """A product of the shop's as ours."""
    r = Reader(raw)
    return Product(
        key=r.need("id"),
        sku=r.text("sku") or "",
        name=r.text("title"),
        retail_price=r.number("price"),
        currency_code=r.text("currency"),
        weight_lbs=r.number("weight_lb"),
        barcode=r.text("barcode") or None,
        modified_at=r.when("modified_at"),
    )


def from_product(product: Product) -> dict[str, Any]:
    """What the shop gets of a new product: no price, so that it is not on sale before its owner says for how much."""
    known = {"sku": product.sku, "title": product.name, "barcode": product.barcode}
    return {name: value for name, value in known.items() if value is not None}


def to_purchase(raw: Any) -> PurchaseOrder:
    """A purchase order of the shop's as ours."""
    r = Reader(raw)
    status = PURCHASE_STATES.get(r.need("status"))
    if status is None:
        raise Unmappable("status", f"{r.need('status')[:40]!r} is not known")
    return PurchaseOrder(
        key=r.need("id"),
        number=r.need("number"),
        status=status,
        supplier=r.text("supplier"),
        ordered_on=r.day("created_at"),
        expected_on=r.day("expected_on"),
        location=r.text("warehouse"),
        currency_code=r.text("currency"),
        note=r.text("note") or None,
        modified_at=r.when("modified_at"),
        lines=tuple(
            PurchaseLine(
                line_id=ln.need("id"),
                item=ln.text("sku") or "",
                quantity=ln.need_number("quantity"),
                description=ln.text("title"),
                cost=ln.number("cost"),
            )
            for ln in r.parts("lines")
        ),
    )


def from_receipt(receipt: Receipt) -> dict[str, Any]:
    """What the shop is told has come so far."""
    lines = [{"id": line.line_id, "sku": line.item, "received": to_json(line.quantity)} for line in receipt.lines]
    return {"lines": lines, "received_at": to_json(receipt.received_at), "closed": receipt.closed}


def from_order(order: Order) -> dict[str, Any]:
    """An order as the shop takes it, to try a set-up."""
    there = {field.name: getattr(order.ship, field.name) for field in structs.fields(Address) if field.name != "e_mail"}
    lines = [
        {
            "id": ln.line_id,
            "sku": ln.item,
            "title": ln.description,
            "price": str(ln.price),
            "quantity": str(ln.quantity),
        }
        for ln in order.lines
    ]
    total = str(sum((line.extended_amount for line in order.lines), ZERO))
    return {
        "id": order.cust_po_no, "number": order.cust_po_no, "shipping_method": order.ship_code, "tags": ["test"],
        "currency": order.currency_code, "ship_to": {**there, "email": order.ship.e_mail}, "bill_to": {},
        "lines": lines,
        "subtotal": total, "discount": "0.00", "tax": "0.00", "shipping": "0.00", "total": total,
    }  # fmt: skip


def to_line(r: Reader) -> Line:
    """One line of the shop's order."""
    return Line(
        line_id=r.need("id"),
        item=r.text("sku") or "",
        quantity=r.need_number("quantity"),
        description=r.text("title"),
        price=r.number("price"),
        discount=r.number("discount"),
        tax=r.number("tax"),
    )


def to_address(r: Reader) -> Address:
    """An address of the shop's, which calls most parts as we do."""
    same = [field.name for field in structs.fields(Address) if field.name != "e_mail"]
    return Address(**{name: r.text(name) for name in same}, e_mail=r.text("email"))


def to_shipment(r: Reader) -> Shipment:
    """A parcel as the shop knows it; `ref` is what we called it."""
    return Shipment(
        key=r.need("id"),
        ref=r.text("reference"),
        carrier=r.text("carrier"),
        method=r.text("method"),
        tracking_no=r.text("tracking_number"),
        tracking_url=r.text("tracking_url"),
        lines=tuple(
            ShipmentLine(ln.text("item") or "", ln.number("quantity") or ZERO, ln.text("line_id"))
            for ln in r.parts("lines")
        ),
    )
