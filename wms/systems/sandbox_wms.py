"""The sandbox warehouse: a made-up WMS for the demo and the tests; one serves several merchants.

Three ways to send to the same server, so that the engine is tried with each way to dedupe:
`SandboxWms` looks orders up by our reference, the hidden `SandboxWmsKey` sends an idempotency key,
and the hidden `SandboxWmsBlind` can do neither.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from integration_manager.kit.canonical import (
    Alias,
    Canceled,
    Found,
    Prepared,
    Product,
    PurchaseOrder,
    Receipt,
    ReceiptLine,
    Shipment,
    ShipmentLine,
    ShipMethod,
    Stock,
    to_json,
)
from integration_manager.kit.connector import Dedupe, Field, Page, Rate, WmsConnector, writes
from integration_manager.kit.errors import AlreadyDone, NeedsHuman, Permanent
from integration_manager.kit.page import mapped
from integration_manager.kit.paging import by_modified
from integration_manager.kit.reading import Reader, pick

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer, Http

PAGE = 100
# code of the WMS → (field of our order, what to do about it)
FIXES = {
    "ship_method_unknown": ("ship_code", "Map this method to one of the warehouse, or change it."),
    "bad_address": ("ship", "Correct the address here or in the shop."),
    "item_unknown": ("lines", "Add the item at the warehouse, then send this again; or map it to one it knows."),
}


class SandboxWmsBlind(WmsConnector):
    """Everything but a way to find an order again: an unknown outcome is a person's to decide."""

    key, label, hidden = "sandbox_wms_blind", "Sandbox warehouse, without look-up", True
    rate = Rate(per_second=500, burst=500)
    timeout = 3.0
    settle = timedelta(seconds=5)
    overlap = timedelta(seconds=10)
    min_every = timedelta(seconds=5)
    guide = "The address, the key and the customers that “manage.py im simulate” prints."

    url = Field("Warehouse address", kind="url", example="http://127.0.0.1:8100/wms")
    api_key = Field("Key", secret=True)
    customer = Field("Customer ID", level="merchant", help="What the warehouse calls the merchant.")

    def connect(self, http: "Http") -> None:
        http.base_url = self.url
        http.headers["Authorization"] = f"Bearer {self.api_key}"
        http.headers["X-Customer"] = self.customer or ""

    def classify(self, answer: "Answer") -> Exception | None:
        if answer.status == 409:
            return AlreadyDone(pick(answer, "key", str), said=answer.said)
        if answer.status != 422:
            return None
        code, words = pick(answer, "code", str), pick(answer, "message", str)
        if code in FIXES:
            field, fix = FIXES[code]
            return NeedsHuman(words, code=code, field=field, fix=fix)
        return Permanent(words, code=code)

    def check(self) -> None:
        self.http.get("/v1/ping")

    @writes(Dedupe.NONE)
    def send(self, prepared: Prepared, ref: str) -> str:
        return self._send(prepared, ref)

    def _send(self, prepared: Prepared, ref: str, **headers: str) -> str:
        body = {**payload(prepared), "reference": ref}
        return pick(self.http.post("/v1/orders", json=body, headers=headers), "key", str)

    def shipments(self, since: datetime) -> Iterator[Page]:
        return self._pages("shipments", "modified_since", "modified_at", since, to_shipment)

    def shipments_of(self, wms_keys: Sequence[str]) -> list[Shipment]:
        query = {"orders": ",".join(wms_keys)}
        rows = pick(self.http.get("/v1/shipments", params=query), "shipments", list)
        return [to_shipment(row) for row in rows]

    def stock(self, since: datetime | None) -> Iterator[Page]:
        return self._pages("stock", "changed_since", "at", since, to_stock)

    def _pages(
        self, what: str, asked: str, at: str, since: datetime | None, read: Callable[[Any], Any]
    ) -> Iterator[Page]:
        def fetch(since: datetime, page: int) -> list[Any]:
            query = {asked: since.isoformat(), "limit": PAGE, "page": page}
            return pick(self.http.get(f"/v1/{what}", params=query), what, list)

        beginning = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
        for page in by_modified(fetch, since or beginning, lambda row: datetime.fromisoformat(row[at]), PAGE):
            yield mapped(page, read)

    def canceled(self, since: datetime) -> Iterator[Page]:
        return self._pages("cancellations", "since", "at", since, to_canceled)

    @writes(Dedupe.NATURAL)
    def cancel(self, wms_key: str) -> bool:
        answer = self.http.post(f"/v1/orders/{wms_key}/cancel", json={}, safe=True)
        return pick(answer, "canceled", bool)

    def ship_methods(self) -> list[ShipMethod]:
        rows = pick(self.http.get("/v1/ship-methods"), "ship_methods", list)
        return [ShipMethod(row["code"], row["name"], row["carrier"]) for row in rows]

    def receipts(self, since: datetime) -> Iterator[Page]:
        return self._pages("receipts", "modified_since", "modified_at", since, to_receipt)

    @writes(Dedupe.NONE)
    def send_purchase_order(self, purchase: PurchaseOrder, ref: str) -> str:
        return self._expect(purchase, ref)

    def _expect(self, purchase: PurchaseOrder, ref: str, **headers: str) -> str:
        body = {**from_purchase(purchase), "reference": ref}
        return pick(self.http.post("/v1/purchase-orders", json=body, headers=headers), "key", str)

    @writes(Dedupe.NATURAL)
    def change_purchase_order(self, wms_key: str, purchase: PurchaseOrder) -> None:
        self.http.put(f"/v1/purchase-orders/{quote(wms_key, safe='')}", json=from_purchase(purchase), safe=True)

    @writes(Dedupe.NATURAL)
    def cancel_purchase_order(self, wms_key: str) -> bool:
        answer = self.http.post(f"/v1/purchase-orders/{quote(wms_key, safe='')}/cancel", json={}, safe=True)
        return pick(answer, "canceled", bool)


class SandboxWms(SandboxWmsBlind):
    """The warehouse as it is offered: an order can be found by our reference."""

    key, label, hidden = "sandbox_wms", "Sandbox warehouse", False

    @writes(Dedupe.LOOKUP)
    def send(self, prepared: Prepared, ref: str) -> str:
        return self._send(prepared, ref)

    def find(self, ref: str) -> Found | None:
        rows = pick(self.http.get("/v1/orders", params={"reference": ref}), "orders", list)
        if not rows:
            return None
        lines = tuple((ln["item"], Decimal(ln["quantity"])) for ln in rows[0]["lines"])
        return Found(rows[0]["key"], rows[0]["order_number"], lines, rows[0]["status"] == "canceled")

    tells_aliases = True

    def products(self, since: datetime | None) -> Iterator[Page]:
        return self._pages("products", "modified_since", "modified_at", since, to_product)

    @writes(Dedupe.LOOKUP)
    def create_product(self, product: Product) -> str:
        return self._create(product)

    def _create(self, product: Product, **headers: str) -> str:
        answer = self.http.post("/v1/products", json=from_product(product), headers=headers)
        return pick(answer, "key", str)

    @writes(Dedupe.NATURAL)
    def update_product(self, wms_key: str, product: Product) -> None:
        self.http.put(f"/v1/products/{quote(wms_key, safe='')}", json=from_product(product), safe=True)

    def find_product(self, sku: str) -> str | None:
        rows = pick(self.http.get("/v1/products", params={"sku": sku}), "products", list)
        return next((row["key"] for row in rows if row["sku"] == sku), None)

    @writes(Dedupe.LOOKUP)
    def send_purchase_order(self, purchase: PurchaseOrder, ref: str) -> str:
        return self._expect(purchase, ref)

    def find_purchase_order(self, ref: str) -> Found | None:
        rows = pick(self.http.get("/v1/purchase-orders", params={"reference": ref}), "purchase_orders", list)
        if not rows:
            return None
        lines = tuple((ln["item"], Decimal(ln["quantity"])) for ln in rows[0]["lines"])
        return Found(rows[0]["key"], rows[0]["number"], lines, rows[0]["status"] == "canceled")


class SandboxWmsKey(SandboxWms):
    """The same warehouse keeping our reference unique: a repeated call is refused as a duplicate."""

    key, label, hidden = "sandbox_wms_key", "Sandbox warehouse, with idempotency key", True
    settle = timedelta(0)

    @writes(Dedupe.KEY)
    def send(self, prepared: Prepared, ref: str) -> str:
        return self._send(prepared, ref, **{"Idempotency-Key": ref})

    @writes(Dedupe.KEY)
    def create_product(self, product: Product) -> str:
        return self._create(product, **{"Idempotency-Key": product.sku})

    @writes(Dedupe.KEY)
    def send_purchase_order(self, purchase: PurchaseOrder, ref: str) -> str:
        return self._expect(purchase, ref, **{"Idempotency-Key": ref})


def payload(prepared: Prepared) -> dict[str, Any]:
    """What the warehouse gets for an order."""
    order = prepared.order
    return {
        "reference": prepared.wms_ref,
        "order_number": order.cust_po_no,
        "ordered_on": order.order_date.isoformat(),
        "ship_method": prepared.ship_code,
        "warehouse": order.location,
        "ship_to": {"name": order.ship.name, **to_json(order.ship)},
        "note": order.shipping_instructions,
        "gift_message": order.gift_message,
        "lines": [
            {
                "line_id": line.line_id,
                "item": line.item,
                "quantity": to_json(line.quantity),
                "description": line.description,
            }
            for line in prepared.lines
        ],
    }


def from_product(product: Product) -> dict[str, Any]:
    """What the warehouse gets of a product: what is not known is left out, so that it stays as it is there."""
    known = {
        "sku": product.sku,
        "name": product.name,
        "price": product.retail_price,
        "currency": product.currency_code,
        "weight_lb": product.weight_lbs,
        "barcode": product.barcode,
    }
    return {name: to_json(value) for name, value in known.items() if value is not None}


def to_product(raw: Any) -> Product:
    """A product of the warehouse's as ours."""
    r = Reader(raw)
    return Product(
        key=r.need("key"),
        sku=r.need("sku"),
        name=r.text("name"),
        weight_lbs=r.number("weight_lb"),
        barcode=r.text("barcode") or None,
        modified_at=r.when("modified_at"),
        aliases=tuple(Alias(code.need("kind"), code.need("code")) for code in r.parts("codes")),
    )


def from_purchase(purchase: PurchaseOrder) -> dict[str, Any]:
    """What the warehouse gets of goods that are to come."""
    return {
        "number": purchase.number,
        "supplier": purchase.supplier,
        "expected_on": to_json(purchase.expected_on),
        "warehouse": purchase.location,
        "note": purchase.note,
        "lines": [
            {
                "line_id": line.line_id,
                "item": line.item,
                "quantity": to_json(line.quantity),
                "description": line.description,
            }
            for line in purchase.lines
        ],
    }


def to_receipt(raw: Any) -> Receipt:
    """What the warehouse has received of a purchase order so far, as ours."""
    r = Reader(raw)
    return Receipt(
        wms_key=r.need("purchase_order"),
        ref=r.text("reference"),
        lines=tuple(
            ReceiptLine(ln.need("item"), ln.need_number("received"), ln.text("line_id")) for ln in r.parts("lines")
        ),
        received_at=r.when("received_at"),
        modified_at=r.when("modified_at"),
        closed=bool(r.flag("closed")),
    )


def to_canceled(raw: Any) -> Canceled:
    """A cancellation of the warehouse's as ours."""
    r = Reader(raw)
    return Canceled(r.need("order"), r.text("reference"), r.text("reason"))


def to_shipment(raw: Any) -> Shipment:
    """A parcel of the warehouse's as ours."""
    r = Reader(raw)
    return Shipment(
        key=r.need("key"),
        wms_key=r.text("order"),
        ref=r.text("reference"),
        carrier=r.text("carrier"),
        method=r.text("method"),
        tracking_no=r.text("tracking_number"),
        tracking_url=r.text("tracking_url"),
        shipped_at=r.when("shipped_at"),
        modified_at=r.when("modified_at"),
        weight_lbs=r.number("weight_lb"),
        total_cost=r.number("cost"),
        lines=tuple(
            ShipmentLine(ln.need("item"), ln.number("quantity") or Decimal(0), ln.text("line_id"))
            for ln in r.parts("lines")
        ),
        closed=bool(r.flag("last")),
        voided=bool(r.flag("voided")),
    )


def to_stock(raw: Any) -> Stock:
    """A level of the warehouse's as ours. Its time is that of the last change, not of a snapshot."""
    r = Reader(raw)
    return Stock(
        sku=r.need("sku"),
        available=r.number("available") or Decimal(0),
        on_hand=r.number("on_hand"),
        warehouse=r.text("warehouse") or "",
    )
