"""Shopify, by its GraphQL Admin interface of 2026-10.

What is left to ship stands in an order's fulfillment orders, one for each location, and a parcel is told to them.
Stock is set by item and location, from the level that was read, so that a sale in between is not overwritten.
The questions themselves stand beside this file, in shopify.graphql, and the way in for people in shopify.guide.txt.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from integration_manager.kit import canonical, shopify
from integration_manager.kit import shopify_canceling as canceling
from integration_manager.kit import shopify_catalog as catalog
from integration_manager.kit.amounts import drawn, each, sums
from integration_manager.kit.canonical import ZERO, Shipment, SourceState, StockResult
from integration_manager.kit.connector import CartConnector, Dedupe, Field, Page, Pending, Rate, writes
from integration_manager.kit.currencies import rounded
from integration_manager.kit.errors import Permanent, Unmappable
from integration_manager.kit.oauth import CLIENT_SECRET
from integration_manager.kit.page import mapped
from integration_manager.kit.reading import Reader, listed, pick
from integration_manager.kit.shopify import available, gid, is_open, lines_of, place_of, quoted, same, tail
from integration_manager.kit.webhooks import SHOP, BadSignature, Hook, verify_hmac
from integration_manager.kit.weights import pounds

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer, Http

HERE = Path(__file__)
SIZES = {"size": 8, "lines": 5, "parts": 2}  # of a page of orders; what is longer is fetched by itself
LARGE = {"lines": 40, "parts": 4}  # of one order
ROUNDS = 4  # times that levels are set again, without those that were refused
TOPICS = ("ORDERS_CREATE", "ORDERS_UPDATED", "ORDERS_CANCELLED", "APP_UNINSTALLED")
BUSY = "It was sold or counted in Shopify in the same moments. It is told again at the next run."
GIFT = ("gift_message", "gift message", "gift_note", "gift note")
ADDRESS = {"company": "company", "first_name": "firstName", "last_name": "lastName", "address_1": "address1",
           "address_2": "address2", "city": "city", "zip": "zip", "country": "countryCodeV2"}  # fmt: skip


class Shopify(CartConnector):
    """A shop on Shopify, connected by consent, by an app of its owner's, or by a token of an older app."""

    key, label = "shopify", "Shopify"
    rate = Rate(per_second=20, burst=40)  # manners; how much it allows is in each of its answers
    personal_days, signs_with, oauth = 60, CLIENT_SECRET, shopify.CONSENT
    guide = HERE.with_suffix(".guide.txt").read_text("utf-8")

    url = Field("Shop address", kind="url", example="https://oak-linen.myshopify.com")
    way = Field("How to get in", kind="choice", default="grant", choices=(
        ("grant", "Grant API Access"), ("app", "An app of your own, by ID and secret"),
        ("token", "A custom app’s access token")))  # fmt: skip
    client_id = Field("Client ID", when=("way", ("app",)))
    client_secret = Field("Client secret, or API secret key", secret=True, when=("way", ("app", "token")),
        help="Shopify’s webhooks are signed with it too.")  # fmt: skip
    access_token = Field("Admin API access token", secret=True, when=("way", ("token",)), help="Begins with shpat_.")
    order_status = Field("Order Status", kind="choice", option=True, default="open", choices=(
        ("open", "Open"), ("closed", "Closed (archived)"), ("any", "Any Status")),
        help="What is canceled there is canceled here, whichever is chosen.")  # fmt: skip
    financial_status = Field("Financial Status", kind="choice", option=True, default="paid_or_refunded", choices=(
        ("paid_or_refunded", "Paid or Partially Refunded"), ("authorized", "Authorized"), ("pending", "Pending"),
        ("paid", "Paid"), ("partially_paid", "Partially Paid"), ("refunded", "Refunded"), ("voided", "Voided"),
        ("partially_refunded", "Partially Refunded"), ("any", "Any Status")))  # fmt: skip
    fulfillment_status = Field("Fulfillment Status", kind="choice", option=True, default="unfulfilled", choices=(
        ("unfulfilled", "Unfulfilled or Partially Fulfilled"), ("unshipped", "Unfulfilled"),
        ("partial", "Partially Fulfilled"), ("any", "Any Status")),
        help="What has been fulfilled already is never shipped again.")  # fmt: skip
    by_order_tags = Field("Filter Orders By Order Tags", kind="choice", option=True, default="no", choices=(
        ("no", "No"), ("has", "Only load it if it contains one of the tags"),
        ("without", "Only load it if it contains none of them")))  # fmt: skip
    order_tags = Field("Filter Order Tags", option=True, when=("by_order_tags", ("has", "without")),
        example="wholesale, HOLD", help="With commas. An order whose tags change is looked at again.")  # fmt: skip
    by_customer_tags = Field("Filter Orders By Customer Tags", kind="choice", option=True, default="no", choices=(
        ("no", "No"), ("has", "Only load it if the customer has one of the tags"),
        ("without", "Only load it if the customer has none of them")))  # fmt: skip
    customer_tags = Field("Filter Customer Tags", option=True, when=("by_customer_tags", ("has", "without")))
    pos = Field("Load orders of the point of sale (POS)", kind="bool", option=True, default=False)
    pickup = Field("Load orders that are picked up in the shop", kind="bool", option=True, default=False)
    location = Field("Location", option=True, required=False, help="Its name in Shopify: only what is assigned to it "
        "is loaded, and its stock is set. Empty: every location; stock where the shop has one only.")  # fmt: skip
    notify = Field("Shopify mails the customer about each parcel", kind="bool", option=True, default=True)
    restock = Field("What is canceled or refunded here is available again", kind="bool", option=True, default=True)

    def connect(self, http: "Http") -> None:
        self.admin = shopify.Admin(http, self.values, self.way, HERE.with_suffix(".graphql"))

    def classify(self, answer: "Answer") -> Exception | None:
        return self.admin.error_of(answer)

    def check(self) -> None:
        self.admin.check()

    def identity(self) -> str | None:
        return pick(self.admin.ask("Shop"), "data.shop.myshopifyDomain", str).removesuffix(".myshopify.com")

    # ── orders ──

    def orders(self, since: datetime) -> Iterator[Page]:
        for page in self.admin.changed("Orders", "data.orders", since, **SIZES):
            yield Page([self.admin.whole(row) for row in page.rows], page.cursor)

    def order(self, number: str) -> Any:
        for name in dict.fromkeys((number, f"#{number}")):
            answer = self.admin.ask("Orders", query=f"name:{quoted(name)}", after=None, **SIZES)
            for row in pick(answer, "data.orders.nodes", list):
                if Reader(row).text("name") == name:
                    return self.admin.whole(row)
        if number.isascii() and number.isdecimal() and len(number) < 19:
            row = pick(self.admin.ask("Order", id=gid("Order", number), **LARGE), "data", dict).get("order")
            return self.admin.whole(row) if row else None
        return None

    # ── parcels ──

    @writes(Dedupe.LOOKUP)
    def ship(self, order_key: str, shipment: Shipment) -> str:
        calls = allotted(self.admin.parts(gid("Order", order_key)), shipment, self.options())
        if not calls:
            raise Permanent("Shopify has nothing left to fulfill of what is in this parcel.", code="nothing_left")
        said = {"trackingInfo": tracking(shipment), "notifyCustomer": bool(self.notify)}
        # A fulfillment is of one location.
        bodies = [{"fulfillment": {"lineItemsByFulfillmentOrder": parts, **said}} for parts in calls.values()]
        return ",".join(map(tail, self.admin.change_each("Fulfill", "fulfillmentCreate", "fulfillment.id", bodies)))

    def find_shipments(self, order_key: str) -> list[Shipment]:
        return [to_shipment(Reader(row)) for row in self.admin.fulfillments(gid("Order", order_key))]

    @writes(Dedupe.NATURAL)
    def correct(self, order_key: str, remote_id: str, shipment: Shipment) -> None:
        how: dict[str, Any] = {"tracking": tracking(shipment), "notify": bool(self.notify)}
        for one in filter(str.isdecimal, remote_id.split(",")):
            name, key = "fulfillmentTrackingInfoUpdate", gid("Fulfillment", one)
            self.admin.change("Track", name, "fulfillment.id", safe=True, id=key, **how)

    # ── products and stock ──

    def products(self, since: datetime) -> Iterator[Page]:
        for page in catalog.changed(self.admin, since):
            yield mapped(page, to_product)

    @writes(Dedupe.NATURAL)
    def stock(self, levels: Sequence[canonical.Stock]) -> list[StockResult]:
        place, problem = self.admin.location(self.location or "") if levels else ("", "")
        if problem:
            return [StockResult(level.sku, problem) for level in levels]
        wanted = {level.sku: max(int(level.available.to_integral_value(ROUND_FLOOR)), 0) for level in levels}
        items, results = self.admin.items([*wanted], place), dict[str, StockResult]()
        for _ in range(ROUNDS):
            ready = []
            for sku in (sku for sku in wanted if sku not in results):
                found = items[sku]  # read anew where it was sold meanwhile, and then it may be gone
                why = stock_problem(found)
                if why or not found:
                    results[sku] = StockResult(sku, why, skipped=not found)
                elif available(found[0]) is None:  # not kept there until now
                    call = {"item": found[0]["id"], "location": place, "available": wanted[sku]}
                    errors = self.admin.count("StockItem", "inventoryActivate", **call)
                    results[sku] = StockResult(sku, errors[0][2] if errors else "")
                else:
                    ready.append(sku)
            if ready:
                results |= self.admin.set_levels(ready, items, wanted, place)
        return [results.get(level.sku) or StockResult(level.sku, BUSY) for level in levels]

    # ── cancellations and refunds ──

    @writes(Dedupe.NATURAL)
    def cancel(self, order_key: str, reason: str) -> Pending | None:
        how = {"restock": bool(self.restock), "notify": bool(self.notify), "note": reason[:255]}
        return canceling.begin(self.admin, gid("Order", order_key), how)

    def resume(self, handle: str) -> Pending | None:
        return canceling.look(self.admin, handle)

    @writes(Dedupe.LOOKUP)
    def refund(self, order_key: str, refund: canonical.Refund) -> str:
        key = gid("Order", order_key)
        rows = map(Reader, self.admin.nodes("Refundable", "data.order.lineItems", id=key))
        there = {tail(row.need("id")): row.need_number("refundableQuantity") for row in rows}
        parts = map(Reader, self.admin.parts(key))
        places = {line: place_of(part) for part in parts for line, _, left in lines_of(part) if left}
        lines = []
        for line in refund.lines:
            if there.get(line.line_id, ZERO) >= line.quantity:  # else it went with the order's cancellation
                place = places.get(line.line_id) if self.restock else None
                how = {"restockType": "CANCEL", "locationId": place} if place else {"restockType": "NO_RESTOCK"}
                lines.append({"lineItemId": gid("LineItem", line.line_id), "quantity": int(line.quantity), **how})
        payments = Reader(pick(self.admin.ask("Payments", id=key), "data.order", dict))
        body = {"orderId": key, "note": f"{refund.note} [{refund.key}]".strip(), "notify": bool(self.notify)}
        body |= {"refundLineItems": lines, "transactions": paid_back(payments, refund.amount, key)}
        body |= {"shipping": {"amount": str(refund.shipping)}} if refund.shipping else {}
        once = str(uuid5(NAMESPACE_URL, f"{key}/{refund.key}"))
        return tail(self.admin.change("Refund", "refundCreate", "refund.id", input=body, key=once))

    def find_refund(self, order_key: str, key: str) -> str | None:
        rows = pick(self.admin.ask("Refunds", id=gid("Order", order_key)), "data.order.refunds", list)
        mine = (row for row in map(Reader, rows) if f"[{key}]" in (row.text("note") or ""))
        return next((row.need("legacyResourceId") for row in mine), None)

    # ── webhooks ──

    @classmethod
    def webhook(cls, values: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Hook:
        verify_hmac(values.get(CLIENT_SECRET, ""), body, headers.get("x-shopify-hmac-sha256"))
        shop = values.get(SHOP)
        if shop and headers.get("x-shopify-shop-domain") != f"{shop}.myshopify.com":
            raise BadSignature("It comes from another shop.")  # an app's secret is the same for all of its shops
        topic, delivery = headers.get("x-shopify-topic", ""), headers.get("x-shopify-webhook-id", "")
        try:
            key = Reader(json.loads(body)).text("id") if topic.startswith("orders/") else None
        except (ValueError, Unmappable):
            key = None
        return Hook(topic, delivery, order_key=key, once=bool(delivery))

    @writes(Dedupe.NATURAL)
    def subscribe(self, url: str, secret: str) -> list[str]:
        rows = self.admin.nodes("Hooks", "data.webhookSubscriptions", uri=url)
        known = {row["topic"]: row["id"] for row in rows}
        # Of an order nothing but its number comes: the rest is asked for, and stays off the wire.
        hook: Any = {"uri": url, "format": "JSON", "includeFields": ["id", "updated_at"]}
        for topic in TOPICS:
            if topic not in known:
                name, made = "webhookSubscriptionCreate", "webhookSubscription.id"
                known[topic] = self.admin.change("AddHook", name, made, safe=True, topic=topic, hook=hook)
        return [tail(known[topic]) for topic in TOPICS]

    @writes(Dedupe.NATURAL)
    def unsubscribe(self, handle: str) -> None:
        key = gid("WebhookSubscription", handle)  # one that is gone is refused, which is right too
        self.admin.tried("RemoveHook", "webhookSubscriptionDelete", safe=True, id=key)


# ── what is pure ──


def tracking(shipment: Shipment) -> dict[str, Any]:
    """How a parcel travels. With a carrier that Shopify knows, the link may be left to it."""
    known = {"company": shipment.carrier or shipment.method, "number": shipment.tracking_no}
    return {name: value for name, value in (known | {"url": shipment.tracking_url}).items() if value}


def stock_problem(found: Sequence[Any]) -> str:
    """Why the level of these items, all of one SKU, cannot be set; "" if it can."""
    if len(found) > 1:
        return f"{len(found)} products have this SKU in Shopify: give each its own."
    if found and not found[0].get("tracked"):
        return "Shopify does not track its inventory: switch on Inventory tracked for this product."
    return ""


def is_ours(part: Reader, options: Mapping[str, Any]) -> bool:
    """Whether a fulfillment order is one that is shipped from here."""
    there = part.part("assignedLocation").text("name")
    picked_up = part.part("deliveryMethod").text("methodType") == "PICK_UP"
    return bool((options["pickup"] or not picked_up) and (not options["location"] or same(there, options["location"])))


def allotted(parts: Sequence[Any], shipment: Shipment, options: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a parcel fulfills, by location. Without lines it holds all that is left."""
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for line in shipment.lines:
        wanted[line.line_id or line.item] += line.quantity
    calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for part in map(Reader, parts):
        rows = []
        for key, row, left in lines_of(part) if is_ours(part, options) and is_open(part) else ():
            name = key if key in wanted else row.part("lineItem").text("sku") or ""
            pieces = min(left, wanted[name]) if shipment.lines else left
            if pieces > 0:
                wanted[name] -= pieces
                rows.append({"id": row.need("id"), "quantity": int(pieces)})
        if rows:
            calls[place_of(part)].append({"fulfillmentOrderId": part.need("id"), "fulfillmentOrderLineItems": rows})
    return calls


def to_shipment(row: Reader) -> Shipment:
    """A fulfillment with all of its lines."""
    way, rows = next(iter(row.parts("trackingInfo")), Reader({})), row.part("fulfillmentLineItems").parts("nodes")
    lines = [canonical.ShipmentLine(one.part("lineItem").text("sku") or "", one.need_number("quantity"),
                                    tail(one.part("lineItem").need("id"))) for one in rows]  # fmt: skip
    return Shipment(row.need("legacyResourceId"), carrier=way.text("company"), tracking_no=way.text("number") or None,
                    tracking_url=way.text("url"), lines=tuple(lines))  # fmt: skip


def paid_back(order: Reader, amount: Decimal, order_id: str) -> list[dict[str, Any]]:
    """The payments that an amount goes back to. Raises Permanent where they do not suffice."""
    if order.text("currencyCode") != order.text("presentmentCurrencyCode"):
        raise Permanent("It was paid in another currency than the shop’s. Refund it in Shopify.", code="other_currency")
    paid = [one for one in order.parts("transactions")
            if one.text("kind") in ("SALE", "CAPTURE") and one.text("status") == "SUCCESS"]  # fmt: skip
    parts = drawn(amount, [one.part("maximumRefundableV2").number("amount") or ZERO for one in paid])
    if sum(parts, ZERO) < amount:
        raise Permanent(f"Shopify can pay back {sum(parts, ZERO)} of it only.", code="not_refundable")
    return [{"orderId": order_id, "parentId": one.need("id"), "amount": str(part), "kind": "REFUND",
             "gateway": one.text("gateway") or ""} for one, part in zip(paid, parts, strict=True) if part]  # fmt: skip


def key_of(raw: Any) -> str:
    """The order's number in Shopify's own addresses."""
    return Reader(raw).need("legacyResourceId")


def to_order(raw: Any, options: Mapping[str, Any]) -> canonical.Order:
    """Shopify's order as ours: what is left to ship of it. Its amounts are without tax."""
    r, key = Reader(raw), key_of(raw)
    left, rows = Left(r, options), r.part("lineItems").parts("nodes")
    lines = tuple(to_line(row, n, r) for row in rows if (n := left.pieces.get(tail(row.need("id")), ZERO)) > 0)
    said = attributes(r) | ({"po_number": r.need("poNumber")} if r.text("poNumber") else {})
    return canonical.Order(
        cart_key=key, cust_ref=key, cust_po_no=r.need("name"), source_state=state_of(r, left, options), lines=lines,
        order_date=r.need_day("processedAt"), ordered_at=r.when("processedAt"), modified_at=r.when("updatedAt"),
        ship=to_address(r.part("shippingAddress"), r), bill=to_address(r.part("billingAddress"), r),
        customer_id=r.part("customer").text("legacyResourceId"),
        ship_code=next((one.text("title") for one in r.part("shippingLines").parts("nodes")), None),
        shipping_instructions=r.text("note") or None,
        gift_message=next((text for name, text in said.items() if name.lower() in GIFT), None),
        currency_code=r.text("currencyCode"), pay_type=", ".join(r.texts("paymentGatewayNames")) or None,
        promo_code=", ".join(r.texts("discountCodes")) or None, tags=r.texts("tags"),
        location=next(iter(left.places)) if len(left.places) == 1 else None,
        refunded=refunded(r.parts("refunds")), shipped=left.shipped, extra_fields=said, **money(r, rows, left),
    )  # fmt: skip


class Left:
    """What is left of an order's lines by its fulfillment orders, and what was shipped."""

    def __init__(self, r: Reader, options: Mapping[str, Any]) -> None:
        now, later, shipped = (defaultdict[str, Decimal](Decimal) for _ in range(3))
        self.places: set[str] = set()
        for part in r.part("fulfillmentOrders").parts("nodes"):
            for line, row, rest in lines_of(part) if is_ours(part, options) else ():
                if part.text("status") != "CANCELLED":
                    shipped[line] += row.need_number("totalQuantity") - rest
                if row.flag("requiresShipping") is False or rest <= 0:
                    continue
                if is_open(part):
                    now[line] += rest
                    self.places |= {part.part("assignedLocation").text("name") or ""} - {""}
                elif part.text("status") in ("ON_HOLD", "SCHEDULED"):
                    later[line] += rest
        self.pieces, self.waits = now or later, not now
        self.shipped = {line: str(n) for line, n in shipped.items() if n > 0}


def state_of(r: Reader, left: Left, options: Mapping[str, Any]) -> SourceState:
    """What the order's statuses, tags and origin mean for shipping."""
    paid, wanted = r.text("displayFinancialStatus") or "", options["financial_status"].upper()
    fulfillment, status, closed = options["fulfillment_status"], options["order_status"], bool(r.flag("closed"))
    if r.text("cancelledAt"):
        return SourceState.CANCELED
    if not left.pieces:
        return SourceState.CANCELED if r.parts("refunds") and not left.shipped else SourceState.CLOSED
    if wanted not in ("ANY", paid) and not (wanted == "PAID_OR_REFUNDED" and paid in ("PAID", "PARTIALLY_REFUNDED")):
        return SourceState.CANCELED if paid in ("REFUNDED", "VOIDED") else SourceState.NOT_YET
    at_the_counter = r.text("sourceName") == "pos" and not options["pos"]
    if at_the_counter or (closed and status == "open") or (fulfillment == "unshipped" and left.shipped):
        return SourceState.CLOSED
    ready = not left.waits and (closed or status != "closed") and (fulfillment != "partial" or left.shipped)
    fits = tags_fit(r, "order", options) and tags_fit(r.part("customer"), "customer", options)
    return SourceState.ELIGIBLE if ready and fits else SourceState.NOT_YET


def tags_fit(r: Reader, whose: str, options: Mapping[str, Any]) -> bool:
    """Whether the tags are such as the filter wants."""
    how, wanted = options[f"by_{whose}_tags"], {tag.casefold() for tag in listed(options[f"{whose}_tags"])}
    hit = bool(wanted & {tag.casefold() for tag in r.texts("tags")})
    return bool(how == "no" or hit == (how == "has"))


def amount_of(r: Reader, name: str) -> Decimal:
    """An amount in the shop's currency."""
    return r.part(name).part("shopMoney").number("amount") or ZERO


def money(r: Reader, rows: Sequence[Reader], left: Left) -> dict[str, Any]:
    """The sums of what is left to ship; {} where there are none."""
    if not r.part("currentTotalPriceSet").raw:
        return {}
    total, taxes, currency = (
        amount_of(r, "currentTotalPriceSet"),
        amount_of(r, "currentTotalTaxSet"),
        r.text("currencyCode"),
    )
    mine, rest = [], []  # the rest was shipped already, is digital, or another's to ship
    for row in rows:
        pieces = left.pieces.get(tail(row.need("id")), ZERO)
        mine += [to_line(row, pieces, r)] if pieces > 0 else []
        rest.append(to_line(row, max((row.number("currentQuantity") or ZERO) - pieces, ZERO), r))
    tax = [sum((rounded(line.tax or ZERO, currency or "") for line in lines), ZERO) for lines in (mine, rest)]
    goods = sum((rounded(line.extended_amount, currency or "") for line in rest), ZERO)
    shipping = amount_of(r, "currentShippingPriceSet")
    if r.flag("taxesIncluded"):
        shipping -= max(taxes - sum(tax), ZERO)
    return sums(mine, taxes - tax[1], shipping, total - goods - tax[1])


def to_line(r: Reader, pieces: Decimal, order: Reader) -> canonical.Line:
    """So many pieces of one line."""
    ordered = r.need_number("quantity")
    if ordered <= 0:
        raise Unmappable(f"{r.at}.quantity", "it is no quantity")
    price, after = amount_of(r, "originalUnitPriceSet"), amount_of(r, "discountedUnitPriceAfterAllDiscountsSet")
    tax = sum((amount_of(one, "priceSet") for one in r.parts("taxLines")), ZERO)
    net = price - (each(tax, ordered) or ZERO) if order.flag("taxesIncluded") else price
    bundle = r.part("lineItemGroup")
    named = {"bundle": bundle.text("variantSku") or bundle.text("title") or ""} if bundle.raw else {}
    return canonical.Line(
        line_id=tail(r.need("id")), item=r.text("sku") or "", quantity=pieces, description=r.text("name"), price=net,
        discount=price - after or None, tax=tax if pieces == ordered else each(tax * pieces, ordered),
        extra_fields=attributes(r) | named,
    )  # fmt: skip


def to_product(raw: Any) -> canonical.Product:
    """A variant with its product, as ours."""
    r, product = Reader(raw), Reader(raw).part("product")
    names = (product.text("title"), None if product.flag("hasOnlyDefaultVariant") else r.text("title"))
    weight = r.part("inventoryItem").part("measurement").part("weight")
    return canonical.Product(
        key=r.need("legacyResourceId"), sku=r.text("sku") or "", name=" - ".join(filter(None, names)) or None,
        retail_price=r.number("price"), currency_code=r.text("currency"), barcode=r.text("barcode") or None,
        weight_lbs=pounds(weight.number("value"), weight.text("unit")), modified_at=product.when("updatedAt"),
    )  # fmt: skip


def attributes(r: Reader) -> dict[str, str]:
    """What a buyer or an app has noted; names that begin with _ are apps' own."""
    said = {one.text("key") or "": one.text("value") or "" for one in r.parts("customAttributes")}
    return {name: text for name, text in said.items() if text and name and not name.startswith("_")}


def refunded(rows: Sequence[Reader]) -> tuple[str, ...]:
    """The IDs of refunds, and our keys of those that we made."""
    keys = [re.findall(r"\[([A-Za-z0-9-]{1,40})\]$", row.text("note") or "") for row in rows]
    return tuple(name for row, mine in zip(rows, keys, strict=True) for name in (row.need("legacyResourceId"), *mine))


def to_address(r: Reader, order: Reader) -> canonical.Address:
    """An address, with the order's e-mail address and telephone number."""
    parts = {ours: r.text(theirs) or None for ours, theirs in ADDRESS.items()}
    if not any(parts.values()):
        return canonical.Address()
    phone, state = r.text("phone") or order.text("phone"), r.text("provinceCode") or r.text("province")
    return canonical.Address(**parts, state=state or None, phone=phone or None, e_mail=order.text("email") or None)
