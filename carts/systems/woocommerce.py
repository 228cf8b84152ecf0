"""WooCommerce, by its REST interface v3.

Its core knows orders by status and no parcels. So a parcel is told in three steps, each of which looks
before it writes: the tracking number in a shipment-tracking plug-in where the shop has one, an order note,
and last the order itself: the parcel in its meta data, by which it is found again, and the status.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from html import unescape
from typing import TYPE_CHECKING, Any

from integration_manager.kit import canonical
from integration_manager.kit.amounts import each, sums
from integration_manager.kit.canonical import ZERO, Shipment, SourceState, StockResult
from integration_manager.kit.connector import CartConnector, Dedupe, Field, Page, Rate, writes
from integration_manager.kit.errors import Permanent, Unmappable
from integration_manager.kit.page import mapped
from integration_manager.kit.paging import by_modified
from integration_manager.kit.parcel_book import Told, complete, read, written
from integration_manager.kit.reading import Reader, listed
from integration_manager.kit.refund_lines import refund_shipping, refund_tax
from integration_manager.kit.webhooks import SECRET, Hook, verify_hmac
from integration_manager.kit.weights import pounds
from integration_manager.kit.woo_catalog import PRODUCTS, Catalog, modified_at, stock_problem
from integration_manager.kit.woo_tracking import Tracking
from integration_manager.kit.wordpress import KEYS, PAGE, WordPress, error_of, note_words

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer, Http

ORDERS, WEBHOOKS = "/wc/v3/orders", "/wc/v3/webhooks"
TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")
PARCEL = "_im_parcel_"  # the parcels that we told, in the order's meta data
CANCELED = frozenset(("cancelled", "refunded", "failed", "trash"))
CLOSED = frozenset(("completed", "shipped", "partial-shipped", "delivered"))
PICKUP, GIFT = ("local_pickup", "pickup_location"), ("gift_message", "_gift_message", "order_gift_message")


class WooCommerce(CartConnector):
    """A shop on WordPress, connected by a REST API key of its own."""

    key, label = "woocommerce", "WooCommerce"
    rate, keys, counts_parcels = Rate(per_second=5, burst=10), KEYS, True
    guide = (
        "In WordPress: WooCommerce, Settings, Advanced, REST API, Add key. Choose a user who is an administrator or "
        "a shop manager, and the permissions Read/Write. Generate the key, and copy the consumer key (ck_…) and the "
        "consumer secret (cs_…) here before you leave that page: they are shown only once. Under Settings, Permalinks "
        "choose anything but Plain. A security plug-in or a firewall has to let requests to /wp-json/wc/ through. "
        "Product Sync takes what is published, private or scheduled, each variation by itself; drafts, grouped and "
        "external products are left out."
    )

    url = Field("Store URL", kind="url", example="https://shop.example.com", help="As in the shop's own links.")
    consumer_key = Field("Consumer key", secret=True, help="Begins with ck_.")
    consumer_secret = Field("Consumer secret", secret=True, help="Begins with cs_.")
    statuses = Field("Statuses to load", option=True, default="processing", example="processing, on-hold",
        help="With commas: processing, on-hold, pending, or a status of a plug-in by its name.")  # fmt: skip
    pickup = Field("Load orders that are picked up in the shop", kind="bool", option=True, default=True)
    order_number = Field("Order number", kind="choice", option=True, default="number",
        choices=(("number", "As the shop shows it"), ("id", "WordPress' own ID, whatever plug-ins show")))  # fmt: skip
    extra = Field("Extra fields", option=True, required=False, help="Names of meta data that come along, with commas.")
    shipped_status = Field("Status after shipping", option=True, default="completed", help="Or none: it stays.")
    when = Field("When to set it", kind="choice", option=True, default="all",
        choices=(("all", "When all parcels are there"), ("first", "At the first parcel")))  # fmt: skip
    notes = Field("Order note about a parcel", kind="choice", option=True, default="customer",
        choices=(("customer", "To the customer, by e-mail"), ("private", "For us only"), ("none", "None")))  # fmt: skip
    note_text = Field("Text of the note", kind="textarea", option=True,
        help="Filled in for each parcel: {carrier}, {method}, {tracking}, {url}.",
        default="Your order is on its way with {carrier}. Tracking number: {tracking} {url}")  # fmt: skip
    plugins = Field("Use a shipment-tracking plug-in where there is one", kind="bool", option=True, default=True)
    switch_on = Field("Switch stock management on where it is off", kind="bool", option=True, default=False)
    gateway = Field("Refund through the payment gateway", kind="bool", option=True, default=True)

    def connect(self, http: "Http") -> None:
        self.wp = WordPress(http, self.url, self.consumer_key, self.consumer_secret)
        self.catalog, self.tracking = Catalog(self.wp), Tracking(self.wp)

    def classify(self, answer: "Answer") -> Exception | None:
        return error_of(answer, "WooCommerce", "/wc/v3")

    def check(self) -> None:
        self.wp.check(ORDERS)
        self.wp.check_statuses([*map(status_name, (*listed(self.statuses), self.shipped_status))])

    def identity(self) -> str | None:
        return self.wp.place

    # ── orders ──

    def orders(self, since: datetime) -> Iterator[Page]:
        """All but the trash first, then the trash, then the cursor: an order is never seen older than it is."""
        looked: datetime | None = None
        for page in by_modified(self._changed("any"), since, modified_at, PAGE):
            if looked and page.cursor and page.cursor <= looked:
                yield page
                continue
            yield Page(page.rows)
            start, looked = looked or since, self.http.remote_time
            yield from self._trash(start)
            yield Page((), cursor=page.cursor)
        if looked is None:
            yield from self._trash(since)

    def _trash(self, since: datetime) -> Iterator[Page]:
        return (Page(page.rows) for page in by_modified(self._changed("trash"), since, modified_at, PAGE))

    def _changed(self, status: str) -> Callable[[datetime, int], list[Any]]:
        def fetch(since: datetime, page: int) -> list[Any]:
            return [self._whole(row) for row in self.wp.changed(ORDERS, since, page, status=status)]

        return fetch

    def _whole(self, row: Any) -> Any:
        """The order with what its refunds took back; a list of orders has only their sums."""
        if isinstance(row, dict) and row.get("refunds") and row.get("status") not in CANCELED:
            refunds = self.wp.found(lambda: self.wp.rows(f"{ORDERS}/{row['id']}/refunds", per_page=PAGE))
            return {**row, **({"status": "trash"} if refunds is None else {"refunds": refunds})}
        return row

    def order(self, number: str) -> Any:
        for row in self.wp.rows(ORDERS, search=number, status="any", per_page=PAGE):
            if Reader(row).text("number") == number:
                return self._whole(row)
        known = number.isascii() and number.isdecimal() and len(number) < 19
        return self._whole(self.wp.found(lambda: self.wp.one(f"{ORDERS}/{number}"))) if known else None

    # ── parcels ──

    @writes(Dedupe.LOOKUP)
    def ship(self, order_key: str, shipment: Shipment) -> str:
        self.correct(order_key, shipment.key, shipment)
        return shipment.key

    def find_shipments(self, order_key: str) -> list[Shipment]:
        raw = self.wp.one(f"{ORDERS}/{order_key}")
        if self._due(raw):
            return []  # begun, and not brought to its end
        found = parcels(raw).items()
        return [Shipment(key, ref=key, carrier=one.carrier, tracking_no=one.tracking_no) for key, one in found]

    @writes(Dedupe.NATURAL)
    def correct(self, order_key: str, remote_id: str, shipment: Shipment) -> None:
        """Tells of a parcel, new or known, in steps that look before they write."""
        path = f"{ORDERS}/{order_key}"
        if self.plugins:
            old = parcels(self.wp.one(path)).get(remote_id)
            self.tracking.tell(order_key, shipment, old.tracking_no if old else None)
        text = note_of(self.note_text, shipment)
        if text and self.notes != "none" and text not in [note_words(row) for row in self.wp.rows(f"{path}/notes")]:
            self.wp.send("POST", f"{path}/notes", {"note": text, "customer_note": self.notes == "customer"})
        meta = {"key": PARCEL + remote_id, "value": written(shipment)}
        raw = self.wp.send("PUT", path, {"meta_data": [meta]}, "meta_data", safe=True)
        if self._due(raw):
            self.wp.send("PUT", path, {"status": status_name(self.shipped_status)}, safe=True)

    def _due(self, raw: dict[str, Any]) -> bool:
        """Whether the order is to get the status of what is shipped, and has it not."""
        target, sent = status_name(self.shipped_status), parcels(raw).values()
        open_ = state_of(raw.get("status"), self.options()) in (SourceState.ELIGIBLE, SourceState.NOT_YET)
        if not sent or not open_ or target in ("none", status_name(raw.get("status"))):
            return False
        lines = to_order(self._whole(raw), self.options()).lines
        return self.when == "first" or complete(lines, sent)

    # ── products and stock ──

    def products(self, since: datetime) -> Iterator[Page]:
        for page in self.catalog.changed(since):
            yield mapped(page, to_product)

    @writes(Dedupe.NATURAL)
    def stock(self, levels: Sequence[canonical.Stock]) -> list[StockResult]:
        known, results = self.catalog.by_sku([level.sku for level in levels]), list[StockResult]()
        wanted: dict[str, dict[str, Any]] = defaultdict(dict)
        for level in levels:
            found = known[level.sku]
            problem = stock_problem(found, self.switch_on) if found else ""
            if not found or problem:
                results.append(StockResult(level.sku, problem, skipped=not found))
                continue
            pieces = int(level.available.to_integral_value(ROUND_FLOOR))
            parent = f"/{found[0].get('parent_id')}/variations" if found[0].get("type") == "variation" else ""
            wanted[parent][level.sku] = {"id": found[0]["id"], "manage_stock": True, "stock_quantity": pieces}
        for parent, changes in wanted.items():
            results += map(StockResult, changes, self.wp.update(PRODUCTS + parent, [*changes.values()]))
        return results

    # ── cancellations and refunds ──

    @writes(Dedupe.NATURAL)
    def cancel(self, order_key: str, reason: str) -> None:
        path = f"{ORDERS}/{order_key}"
        state = state_of(self.wp.one(path).get("status"), self.options())
        if state is SourceState.CLOSED:
            raise Permanent("The order has been shipped in WooCommerce already.", code="already_shipped")
        if state is not SourceState.CANCELED:
            body = {"status": "cancelled", "meta_data": [{"key": "cancel_reason", "value": reason}]}
            self.wp.send("PUT", path, body, safe=True)

    @writes(Dedupe.LOOKUP)
    def refund(self, order_key: str, refund: canonical.Refund) -> str:
        raw = Reader(self.wp.one(f"{ORDERS}/{order_key}"))
        taxes = {line.need("id"): line.parts("taxes") for line in raw.parts("line_items")}
        rows = [
            {"id": int(line.line_id), "quantity": int(line.quantity), "refund_total": str(line.amount),
             "refund_tax": refund_tax(line.tax, taxes.get(line.line_id, []))}
            for line in refund.lines
        ]  # fmt: skip
        if refund.shipping and (shipping := raw.parts("shipping_lines")):
            rows.append(refund_shipping(refund.shipping, shipping[0]))
        how = {"api_refund": self.gateway, "api_restock": False}  # the warehouse says what is back in stock
        body = {"amount": str(refund.amount), "reason": f"{refund.note} [{refund.key}]".strip(), "line_items": rows}
        return str(self.wp.send("POST", f"{ORDERS}/{order_key}/refunds", {**how, **body})["id"])

    def find_refund(self, order_key: str, key: str) -> str | None:
        rows = [Reader(row) for row in self.wp.rows(f"{ORDERS}/{order_key}/refunds", per_page=PAGE)]
        return next((row.need("id") for row in rows if f"[{key}]" in (row.text("reason") or "")), None)

    # ── webhooks ──

    @classmethod
    def webhook(cls, values: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Hook:
        delivery, topic = headers.get("x-wc-webhook-delivery-id", ""), headers.get("x-wc-webhook-topic", "")
        if re.fullmatch(rb"webhook_id=[0-9]+", body):
            return Hook("ping", delivery, ping=True)  # which it does not sign
        verify_hmac(values.get(SECRET, ""), body, headers.get("x-wc-webhook-signature"))
        try:
            return Hook(topic, delivery, order_key=key_of(json.loads(body)) if topic.startswith("order.") else None)
        except (ValueError, Unmappable):
            return Hook(topic, delivery)

    @writes(Dedupe.NATURAL)
    def subscribe(self, url: str, secret: str) -> list[str]:
        known: dict[str, list[str]] = defaultdict(list)
        for row in map(Reader, self.wp.every(WEBHOOKS)):
            if row.text("delivery_url") == url:
                known[row.need("topic")].append(row.need("id"))
        handles = []
        for topic in TOPICS:
            first, *others = known[topic] or [""]
            hook = {"name": f"Integration Manager, {topic}", "topic": topic, "delivery_url": url, "secret": secret}
            method, path = ("PUT", f"{WEBHOOKS}/{first}") if first else ("POST", WEBHOOKS)
            handles.append(str(self.wp.send(method, path, {**hook, "status": "active"})["id"]))
            for other in others:  # of a call whose answer was lost
                self.unsubscribe(other)
        return handles

    @writes(Dedupe.NATURAL)
    def unsubscribe(self, handle: str) -> None:
        self.wp.remove(f"{WEBHOOKS}/{handle}", force="true")


# ── what is pure ──


def status_name(text: Any) -> str:
    """A status as the interface names it: "On hold" and "wc-on-hold" are "on-hold"."""
    return "-".join(str(text or "").lower().split()).removeprefix("wc-")


def state_of(status: Any, options: Mapping[str, Any]) -> SourceState:
    """What a status means for shipping."""
    name = status_name(status)
    if name in map(status_name, listed(options["statuses"])):
        return SourceState.ELIGIBLE
    if name in CANCELED:
        return SourceState.CANCELED
    return SourceState.CLOSED if name in {*CLOSED, status_name(options["shipped_status"])} else SourceState.NOT_YET


def note_of(text: str, shipment: Shipment) -> str:
    """The note that goes with a parcel."""
    known = {"carrier": shipment.carrier, "method": shipment.method}
    known |= {"tracking": shipment.tracking_no, "url": shipment.tracking_url}
    return " ".join(re.sub(r"\{(\w+)\}", lambda found: known.get(found[1]) or "", text).split())


def parcels(raw: Any) -> dict[str, Told]:
    """The parcels that we told of an order, by their keys."""
    kept = Reader(raw).pairs("meta_data").items()
    found = {name.removeprefix(PARCEL): read(text) for name, text in kept if name.startswith(PARCEL)}
    return {key: parcel for key, parcel in found.items() if parcel}


def key_of(raw: Any) -> str:
    """The order's ID."""
    return Reader(raw).need("id")


def to_order(raw: Any, options: Mapping[str, Any]) -> canonical.Order:
    """WooCommerce's order as ours, without what was refunded. Its amounts are without tax."""
    r = Reader(raw)
    back = Refunded(r.parts("refunds"))
    extra = listed(options["extra"])
    lines = tuple(line for row in r.parts("line_items") if (line := to_line(row, back, extra)))
    method = next(iter(r.parts("shipping_lines")), Reader({}))
    picked_up = method.text("method_id") in PICKUP
    state = state_of(r.need("status"), options)
    if state is SourceState.ELIGIBLE and back.lines and not lines:
        state = SourceState.CANCELED
    elif state is SourceState.ELIGIBLE and picked_up and not options["pickup"]:
        state = SourceState.NOT_YET
    meta = r.pairs("meta_data")
    bill, ship = to_address(r.part("billing"), r), to_address(r.part("shipping"), r)
    return canonical.Order(
        cart_key=key_of(raw),
        cust_ref=key_of(raw),
        cust_po_no=r.need("id" if options["order_number"] == "id" else "number"),
        order_date=r.need_day("date_created"),
        ordered_at=r.when("date_created_gmt"),
        source_state=state,
        lines=lines,
        ship=ship if ship.address_1 or ship.city else bill,
        bill=bill,
        modified_at=r.when("date_modified_gmt"),
        customer_id=r.text("customer_id") if r.text("customer_id") != "0" else None,
        ship_code=method.text("method_title"),
        shipping_instructions=r.text("customer_note") or None,
        gift_message=next((meta[name] for name in GIFT if name in meta), None),
        currency_code=r.text("currency"),
        pay_type=r.text("payment_method_title") or None,
        promo_code=", ".join(one.text("code") or "" for one in r.parts("coupon_lines")) or None,
        tags=("local pickup",) if picked_up else (),
        refunded=tuple(back.names),
        extra_fields={name: meta[name] for name in extra if name in meta},
        **money(r, lines, back),
    )


class Refunded:
    """What the refunds of an order took back: pieces by line, and money."""

    def __init__(self, refunds: Sequence[Reader]) -> None:
        self.lines: dict[str, Decimal] = defaultdict(Decimal)
        self.amount = self.tax = self.shipping = ZERO
        self.names: list[str] = []  # their IDs, and our keys of those that we made
        for one in refunds:
            self.names += [one.need("id"), *re.findall(r"\[([A-Za-z0-9-]{1,40})\]$", one.text("reason") or "")]
            self.amount += abs(one.number("amount") or one.number("total") or ZERO)
            self.shipping += abs(sum((row.number("total") or ZERO for row in one.parts("shipping_lines")), ZERO))
            taxed = [row for name in ("line_items", "shipping_lines", "fee_lines") for row in one.parts(name)]
            self.tax += abs(sum((row.number("total_tax") or ZERO for row in taxed), ZERO))
            for row in one.parts("line_items"):
                line_id = row.pairs("meta_data").get("_refunded_item_id", "")
                self.lines[line_id] += abs(row.number("quantity") or ZERO)


def money(r: Reader, lines: Sequence[canonical.Line], back: Refunded) -> dict[str, Any]:
    """The sums of what is left of an order; {} where it has none."""
    total = r.number("total")
    if total is None:
        return {}
    fees = sum((max(ZERO, fee.number("total") or ZERO) for fee in r.parts("fee_lines")), ZERO)
    shipping = (r.number("shipping_total") or ZERO) + fees - back.shipping
    return {**sums(lines, (r.number("total_tax") or ZERO) - back.tax, shipping, total - back.amount)}


def to_product(raw: Any) -> canonical.Product:
    """A product, or a variation with its product as `parent`. `raw` has the shop's currency and unit of weight too."""
    r = Reader(raw)
    chosen = ", ".join(one.text("option") or "" for one in r.parts("attributes")) if r.raw.get("parent") else ""
    names = (r.part("parent").text("name"), chosen or r.text("name"))
    regular = r.number("regular_price")
    return canonical.Product(
        key=r.need("id"),
        sku=r.text("sku") or "",
        name=unescape(" - ".join(name for name in names if name)) or None,
        retail_price=r.number("price") if regular is None else regular,
        currency_code=r.text("currency") or None,
        weight_lbs=pounds(r.number("weight"), r.text("weight_unit")),
        barcode=r.text("global_unique_id") or None,
        modified_at=r.when("date_modified_gmt"),
    )


def to_line(r: Reader, back: Refunded, extra: Sequence[str]) -> canonical.Line | None:
    """One line, as far as it was not refunded."""
    line_id, ordered = r.need("id"), r.need_number("quantity")
    left = ordered - back.lines[line_id]
    if left <= 0:
        return None
    before, after, tax = r.number("subtotal"), r.number("total"), r.number("total_tax")
    off = before - after if before is not None and after is not None else None
    # The attributes of a variation, the parts of a set, and what a person asked for.
    meta = r.pairs("meta_data").items()
    shown = {name: text for name, text in meta if name in extra or not name.startswith(("_", "pa_"))}
    shown |= {name: r.need(name) for name in ("bundled_by", "composite_parent") if r.text(name)}
    return canonical.Line(
        line_id=line_id,
        item=r.text("sku") or "",
        quantity=left,
        description=r.text("name"),
        price=each(after if before is None else before, ordered),
        discount=each(off, ordered) or None,
        tax=tax if left == ordered or tax is None else each(tax * left, ordered),
        extra_fields=shown,
    )


def to_address(r: Reader, order: Reader) -> canonical.Address:
    """An address; only the bill's has an e-mail address, and often the only telephone number."""
    same = ("company", "first_name", "last_name", "address_1", "address_2", "city", "state", "country")
    parts, bill = {name: r.text(name) or None for name in same}, order.part("billing")
    phone, mail = r.text("phone") or bill.text("phone") or None, bill.text("email") or None
    return canonical.Address(**parts, zip=r.text("postcode") or None, phone=phone, e_mail=mail)
