"""Extensiv 3PL Warehouse Manager (secure-wms.com): a 3PL's warehouse, in which each merchant is a customer.

Its interface speaks HAL: lists are embedded under names that end in what they hold. Lists are filtered by RQL,
in whose values special characters are escaped once more than the address does it. What is changed has to be
read first, for its ETag. Times come without a zone. The way in, for people, stands in extensiv.guide.txt.
"""

import base64
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import structs

from integration_manager.kit import clock, errors
from integration_manager.kit.canonical import (
    ZERO,
    Address,
    Canceled,
    Found,
    Prepared,
    PreparedLine,
    Shipment,
    ShipmentLine,
    ShipMethod,
    Stock,
)
from integration_manager.kit.connector import Dedupe, Field, Page, Rate, WmsConnector, writes
from integration_manager.kit.hal import embedded, inside, literal
from integration_manager.kit.outgoing import known, plain
from integration_manager.kit.paging import Counted, by_modified, by_offset
from integration_manager.kit.parcel_contents import shared
from integration_manager.kit.reading import Reader, listed, pick
from integration_manager.kit.tokens import Bearer, Token
from integration_manager.kit.zones import ZONES

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer, Http

PAGE = 100  # orders, each with all that belongs to it; and items of a customer, of which it gives no more
LEVELS = 500  # of stock at most
TOKEN = "/AuthServer/api/Token"  # noqa: S105 (an address)
BY = " / "  # between the carrier and its service in a ship code
CANCELED = "2"  # of an order's status: 0 open, 1 confirmed
REASON = "Canceled by the merchant."
RIGHTS = "OrderView, OrderWrite, OrderEdit, ItemView, InventoryRead, CustomerView and ReadPropertiesThirdParty"
# What it may say of an operation, as a sentence.
OPERATIONS = {
    "OrderConfirmed": "The order has been confirmed, so it has shipped.",
    "AlreadyCompleted": "The order has been finished already.",
    "OrderCanceled": "The order is canceled there already.",
    "InUse": "The order is in a batch or being picked at the moment.",
}
# Part of a property's name → (our code, our field, what it is, what to do about it).
PROPERTIES = (
    ("savedelement", "field_refused", "custom", "the custom field", "Add it to the customer there as a saved element."),
    ("routing", "ship_method_unknown", "ship_code", "the carrier or its service", "Map the method to one it knows."),
    ("shipto", "bad_address", "ship", "the shipping address", "Correct the address here or in the shop."),
    ("billto", "bad_address", "bill", "the billing address", "Correct the address in the shop."),
    ("qty", "refused", "lines", "the quantity of an item", "Correct the quantity."),
)
CODES = {
    "Required": "asks for",
    "DoesNotExist": "does not know",
    "ValueNotSupported": "does not accept",
    "Incompatible": "does not accept, together with the rest,",
    "Duplicate": "already has",
}


class Extensiv(WmsConnector):
    """A customer of a warehouse that works with 3PL Warehouse Manager (once 3PL Central)."""

    key, label = "extensiv", "Extensiv 3PL Warehouse Manager"
    rate = Rate(per_second=5, burst=15)
    settle = timedelta(minutes=2)  # and a reference that is there already is refused as well
    lists_what_is_there = True  # an item of which nothing is left is no longer in its stock
    overlap = timedelta(minutes=65)  # its clock has no zone: once a year it shows the same hour twice
    guide = Path(__file__).with_suffix(".guide.txt").read_text("utf-8")

    url = Field("API address", kind="url", default="https://secure-wms.com",
        help="For a sandbox https://box.secure-wms.com.")  # fmt: skip
    tpl = Field("3PL key", required=False, example="{0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9}",
        help="Also called TPL or GUID. Empty, if you were given none.")  # fmt: skip
    timezone = Field("System time zone", kind="choice", option=True, default=ZONES[0][0], choices=ZONES,
        help="In which 3PL Warehouse Manager shows its times.")  # fmt: skip
    parcels = Field("Shipping confirmations", kind="choice", option=True, default="confirmed", choices=(
        ("confirmed", "When the order is confirmed"),
        ("labelled", "Each package as soon as it has a tracking number")))  # fmt: skip
    qualifiers = Field("Qualifiers that are sold", option=True, required=False, example="NEW, A-STOCK",
        help="With commas. Empty: all. Stock without a qualifier always counts.")  # fmt: skip
    customer = Field("Customer ID", kind="int", level="merchant", help="The number of the merchant in your warehouse.")
    facility = Field("Facility ID", level="merchant", example="2",
        help="Several with commas: orders go to the first, unless they name another one.")  # fmt: skip
    client_id = Field("API client ID", level="merchant")
    client_secret = Field("API client secret", secret=True, level="merchant")
    user = Field("User ID or login", level="merchant", help="Of the user that orders are to be entered by.")

    # ── getting in ──

    def connect(self, http: "Http") -> None:
        self._customer, self._facilities, self._counted = int(self.customer or 0), listed(self.facility), Counted()
        if not all(one.isdecimal() for one in self._facilities):
            raise errors.AuthFailed("A Facility ID is a number. Correct it in the merchant's WMS settings.")
        http.base_url = self.url
        http.headers["Accept"] = "application/hal+json"
        http.auth = Bearer(http.tokens, self._login)

    def _login(self, old: Token | None) -> Token:
        user = str(self.user or "").strip()
        asked = {"grant_type": "client_credentials", "user_login_id" if user.isdecimal() else "user_login": user}
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}", "Accept": "application/json"}
        body = {**asked, "tpl": self.tpl} if self.tpl else asked
        answer = self.http.post(TOKEN, json=body, headers=headers, safe=True)
        value, life = pick(answer, "access_token", str), pick(answer, "expires_in", int)
        return Token(value, clock.now() + timedelta(seconds=life) / 2)  # it ends earlier than it says, sometimes

    def classify(self, answer: "Answer") -> Exception | None:
        if answer.status in (400, 401, 403) and answer.url.endswith(TOKEN):
            return errors.AuthFailed(f"{self.label} does not accept the client ID and secret, the user or the 3PL key.")
        if answer.status not in (400, 403) or not answer.text.lstrip().startswith("{"):
            return None
        body = answer.json()
        return refusal(body, answer.said) if body.get("ErrorCode") else None

    def check(self) -> None:
        try:
            answer = self.http.get(f"/customers/{self._customer}")
        except errors.Permanent as error:
            if error.code not in ("http_404", "forbidden"):
                raise
            why = "Is its ID right, and has the key the role CustomerView?"
            raise errors.AuthFailed(f"The API key does not see customer {self._customer}. {why}") from None
        if pick(answer, "readOnly", dict).get("deactivated"):
            raise errors.AuthFailed(f"Customer {self._customer} is deactivated in {self.label}.")
        there = {one.text("id") for one in Reader(answer.json()).parts("facilities")}
        for strange in (one for one in self._facilities if there and one not in there):
            raise errors.AuthFailed(f"Customer {self._customer} has no facility {strange} in {self.label}.")

    # ── orders ──

    @writes(Dedupe.LOOKUP)
    def send(self, prepared: Prepared, ref: str) -> str:
        asked, facilities = prepared.order.location, self._facilities
        facility = asked if asked in facilities else facilities[0]
        to = {"customerIdentifier": {"id": self._customer}, "facilityIdentifier": {"id": int(facility)}}
        try:
            answer = self.http.post("/orders", json={**payload(prepared), **to, "referenceNum": ref})
        except errors.AlreadyDone as error:
            found = self.find(ref)
            raise errors.AlreadyDone(found.wms_key if found else "", str(error), said=error.said) from None
        key = pick(answer, "readOnly", dict).get("orderId")
        if not isinstance(key, int):
            raise errors.OutcomeUnknown(f"{self.label} took an order and did not say its number.", said=answer.said)
        return str(key)

    def find(self, ref: str) -> Found | None:
        rows = self._orders(f"referenceNum=={literal(ref)}", 1) if ref else []
        same = [row for row in rows if row.get("referenceNum") == ref]  # it does not mind capitals, we do
        found = [to_found(row) for row in same]
        return min(found, key=lambda one: one.canceled, default=None)

    @writes(Dedupe.NATURAL)
    def cancel(self, wms_key: str) -> bool:
        for _ in range(3):  # somebody may work on the order while we read it
            answer = self.http.get(f"/orders/{wms_key}")
            state = Reader(pick(answer, "readOnly", dict))
            if state.text("status") == CANCELED or state.flag("isClosed"):
                return state.text("status") == CANCELED
            tag = {"If-Match": answer.headers.get("ETag", "")}
            try:
                done = self.http.post(f"/orders/{wms_key}/canceler", json={"reason": REASON}, headers=tag, safe=True)
                if done.status == 204:
                    return True
            except errors.Permanent as error:
                if error.code in ("order_confirmed", "already_completed"):
                    return False
                if error.code not in ("http_412", "order_canceled"):  # look again
                    raise
        raise errors.Transient("The order is being worked on at the warehouse; its cancellation is tried again.")

    def canceled(self, since: datetime) -> Iterator[Page]:
        # Of an order's states RQL knows this one only.
        for page in self._changed(since, "readonly.status==Canceled"):
            rows = map(Reader, page.rows)
            found = [Canceled(one.part("readOnly").need("orderId"), one.text("referenceNum")) for one in rows]
            yield Page(found, page.cursor)

    def shipments(self, since: datetime) -> Iterator[Page]:
        which = "" if self.parcels == "labelled" else "readonly.isclosed==true"
        for page in self._changed(since, which):
            yield Page([one for row in page.rows for one in self._parcels(row)], page.cursor)

    def shipments_of(self, wms_keys: Sequence[str]) -> list[Shipment]:
        keys = [key for key in wms_keys if key.isdecimal()]
        groups = [keys[at : at + PAGE] for at in range(0, len(keys), PAGE)]
        rows = [row for some in groups for row in self._orders(f"readonly.orderId=in=({','.join(some)})", 1)]
        return [one for row in rows for one in self._parcels(row)]

    def _parcels(self, raw: Any) -> list[Shipment]:
        return to_shipments(raw, ZoneInfo(self.timezone), labelled=self.parcels == "labelled")

    def _changed(self, since: datetime, which: str) -> Iterator[Page]:
        zone = ZoneInfo(self.timezone)

        def fetch(since: datetime, page: int) -> list[Any]:
            wall = since.astimezone(zone).replace(tzinfo=None).isoformat()
            return self._orders(";".join(filter(None, (which, f"readonly.lastModifiedDate=ge={wall}"))), page)

        return by_modified(fetch, since, lambda row: Reader(row).part("readOnly").when("lastModifiedDate", zone), PAGE)

    def _orders(self, rql: str, page: int) -> list[Any]:
        query = {
            "rql": f"{rql};readonly.customerIdentifier.id=={self._customer}",
            "sort": "readonly.lastModifiedDate,readonly.orderId",
            "detail": "All",
            "itemdetail": "All",
        }
        return self._list("/orders", "rels/orders/order", page, query)

    def _list(self, path: str, rel: str, page: int, query: dict[str, str]) -> list[Any]:
        return self._page(path, PAGE, page, query, lambda answer: embedded(answer.json(), rel))

    def _page(
        self, path: str, most: int, page: int, query: Mapping[str, str], rows_of: Callable[["Answer"], list[Any]]
    ) -> list[Any]:
        def fetch(size: int, number: int) -> tuple[list[Any], int]:
            answer = self.http.get(path, params={**query, "pgsiz": size, "pgnum": number})
            return rows_of(answer), pick(answer, "totalResults", int)

        return self._counted.page(path, most, page, fetch)

    # ── stock and methods ──

    def stock(self, since: datetime | None) -> Iterator[Page]:
        facilities, sold, ours = self._facilities, listed(self.qualifiers), self._items()
        query = {"rql": f"facilityId=in=({','.join(facilities)})"}

        def fetch(offset: int) -> list[Any]:
            path, page = "/inventory/stocksummaries", offset // LEVELS + 1
            return self._page(path, LEVELS, page, query, lambda answer: pick(answer, "summaries", list))

        levels: dict[tuple[str, str], list[Decimal]] = {}
        for row in (row for page in by_offset(fetch, LEVELS, key_of=which_stock) for row in page.rows):
            r = Reader(row)
            sku, place, kind = r.part("itemIdentifier").need("sku"), r.need("facilityId"), r.text("qualifier")
            if ours is not None and r.part("itemIdentifier").text("id") not in ours:
                continue
            level = levels.setdefault((sku, place if len(facilities) > 1 else ""), [ZERO, ZERO])
            if not kind or not sold or kind in sold:
                level[0] += r.number("available") or ZERO
                level[1] += r.number("onHand") or ZERO
        found = [Stock(sku, free, held, place) for (sku, place), (free, held) in levels.items()]
        for at in range(0, len(found), LEVELS):
            yield Page(found[at : at + LEVELS])

    def _items(self) -> set[str | None] | None:
        """The items of our customer, where the key sees others' too: stock does not tell whose it is."""
        if pick(self.http.get("/customers", params={"pgsiz": 2, "pgnum": 1}), "totalResults", int) < 2:
            return None

        def fetch(offset: int) -> list[Any]:
            path, page = f"/customers/{self._customer}/items", offset // PAGE + 1
            return self._list(path, "rels/customers/item", page, {"sort": "readonly.itemId"})

        pages = by_offset(fetch, PAGE)
        return {Reader(row).part("readOnly").need("itemId") for page in pages for row in page.rows}

    def ship_methods(self) -> list[ShipMethod]:
        answer = self.http.get("/properties/carriers")
        pick(answer, "_embedded", dict)
        found: dict[str, ShipMethod] = {}
        for carrier in map(Reader, embedded(answer.json(), "rels/properties/carrier")):
            name = carrier.need("name")
            services = [one for one in carrier.parts("shipmentServices") if not one.flag("deactivated")]
            codes = [(f"{name}{BY}{one.need('code')}", one.text("description") or "") for one in services]
            if not carrier.flag("deactivated"):
                found |= {code: ShipMethod(code, text, name) for code, text in codes or [(name, "")]}
        return list(found.values())


# ── what it says ──


def refusal(body: dict[str, Any], said: str) -> errors.ConnectorError:
    """One of its exceptions, as an error whose sentence a warehouse manager understands."""
    kind, code, hint = (str(body.get(name) or "") for name in ("$type", "ErrorCode", "Hint"))
    told, label = f" It says: {hint.rstrip('.')}." if hint else "", Extensiv.label
    if "AuthorizationException" in kind:
        return errors.Permanent(f"The API key lacks a role for this. It needs {RIGHTS}.", code="forbidden", said=said)
    if "OperationException" in kind:
        sentence = OPERATIONS.get(code, f"{label} does not allow this now ({code}).")
        return errors.Permanent(sentence + told, code=re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code).lower(), said=said)
    if "ModelValidationException" not in kind:
        return errors.Permanent(f"{label} did not understand the question ({code}).{told}", said=said)
    rows = [one for one in body.get("Properties") or () if isinstance(one, dict)]
    pairs = [(str(one.get("Name") or ""), str(one.get("Value") or "")) for one in rows]
    names = " ".join(name for name, _ in pairs).lower()
    what = next((f"{name} {value}".strip() for name, value in pairs), "something in the order")

    def sentence_of(what: str) -> str:
        return f"{label} {CODES.get(code, f'refuses ({code})')} {what}.{told}"

    if "referencenum" in names and code == "Duplicate":
        return errors.AlreadyDone(message=sentence_of("an order under this reference"), said=said)
    if "itemidentifier" in names or "sku" in names or "not assigned to customer" in hint.lower():
        sku = next((value for name, value in pairs if value and re.search("sku|item", name, re.I)), "")
        words = f"{label} does not know {f'the SKU {sku}' if sku else 'an item'} for this customer.{told}"
        fix = "Add the item there under this SKU, assigned to the customer, then send it again; or map it by an alias."
        return errors.NeedsHuman(words, code="item_unknown", field="lines", fix=fix, said=said)
    if "customeridentifier" in names or "facilityidentifier" in names:
        return errors.AuthFailed(f"{sentence_of(what)} Correct it in the merchant's WMS settings.", said=said)
    for part, ours, field, named, fix in PROPERTIES:
        if part in names:
            return errors.NeedsHuman(sentence_of(f"{named} ({what})"), code=ours, field=field, fix=fix, said=said)
    return errors.Permanent(sentence_of(what), said=said)


def which_stock(row: Any) -> tuple[str, ...]:
    """What a row of stock is about, whatever its numbers are."""
    r = Reader(row)
    item = r.part("itemIdentifier")  # the same SKU is another item of another customer
    return item.need("sku"), item.text("id") or "", r.text("qualifier") or "", r.need("facilityId")


# ── what it gets ──


def payload(prepared: Prepared) -> dict[str, Any]:
    """What the warehouse gets for an order, but for the customer and the facility."""
    order = prepared.order
    carrier, found, service = (prepared.ship_code or "").partition(BY)
    if not found:
        carrier, service = prepared.carrier or "", prepared.ship_code or ""
    return known(
        referenceNum=prepared.wms_ref, poNum=order.cust_po_no, externalId=order.cust_ref,
        notes=f"Gift message: {order.gift_message}" if order.gift_message else "",
        shippingNotes=order.shipping_instructions,
        earliestShipDate=order.requested_ship_date, shipCancelDate=order.latest_ship_date,
        expectedDeliveryDate=order.expected_delivery_date,
        routingInfo=known(carrier=carrier, mode=service, account=order.ship_account_no),
        shipTo=contact(order.ship), billTo=contact(order.bill),
        savedElements=saved(order.extra_fields), orderItems=[item(line) for line in prepared.lines],
    )  # fmt: skip


def item(line: PreparedLine) -> dict[str, Any]:
    """A line as it has it."""
    sku, more = {"sku": line.item}, saved(line.extra_fields)
    return known(itemIdentifier=sku, qty=plain(line.quantity), externalId=line.line_id, savedElements=more)


def contact(address: Address) -> dict[str, Any]:
    """An address as it has it."""
    return known(
        companyName=address.company or address.name, name=address.name, title=address.title,
        address1=address.address_1, address2=", ".join(filter(None, (address.address_2, address.address_3))),
        city=address.city, state=address.state, zip=address.zip, country=address.country,
        phoneNumber=address.phone, emailAddress=address.e_mail,
        isAddressResidential=True if address.address_type == "R" else None,
    )  # fmt: skip


def saved(fields: dict[str, str]) -> list[dict[str, str]]:
    """Fields of the shop's own as its saved elements."""
    return [{"name": name, "value": value} for name, value in sorted(fields.items()) if value]


# ── what it gives ──


def to_found(raw: Any) -> Found:
    """One of its orders, as the look-up needs it."""
    r = Reader(raw)
    state, lines = r.part("readOnly"), tuple((line.item, line.quantity) for line in map(ordered, items_of(r)))
    return Found(state.need("orderId"), r.text("poNum") or "", lines, state.text("status") == CANCELED)


def to_shipments(raw: Any, zone: ZoneInfo, *, labelled: bool = False) -> list[Shipment]:
    """The parcels of an order: its packages with a tracking number, and what has left without one.

    `labelled`: also of an order that is not confirmed yet.
    """
    r = Reader(raw)
    state, routing = r.part("readOnly"), r.part("routingInfo")
    order_id, closed = state.need("orderId"), bool(state.flag("isClosed"))
    if state.text("status") == CANCELED or not (closed or labelled):
        return []
    items = {one.part("readOnly").need("orderItemId"): one for one in items_of(r)}
    boxes = [(box, contents(box, items)) for box in inside(state, "packages", "rels/orders/package")]
    found = [
        Shipment(box.need("packageId"), tracking_no=number, lines=lines)
        for box, lines in boxes
        if (number := box.text("trackingNumber")) and (lines or closed)
    ]
    loose = [lines for box, lines in boxes if not box.text("trackingNumber")]
    if closed and (loose or not found):
        told = {one.tracking_no for one in found}
        others: list[str | None] = [one for one in tracking_numbers(r) if one not in told] or [None]
        rest = tuple(itertools.chain(*loose))
        keys = [f"order-{order_id}", *(f"order-{order_id}-{number}" for number in others[1:])]
        left = [Shipment(key, tracking_no=number) for key, number in zip(keys, others, strict=True)]
        found += [structs.replace(left[0], lines=rest), *left[1:]]
    parcels = shared(found, [ordered(one) for one in items.values()])
    # What has no number any more; and what was told of the order as a whole, where its packages have got theirs since.
    void = [box.need("packageId") for box, _ in boxes if not box.text("trackingNumber")]
    if found:
        numbers = dict.fromkeys([*(one.tracking_no for one in found), *tracking_numbers(r)])
        whole = [f"order-{order_id}", *(f"order-{order_id}-{number}" for number in numbers if number)]
        void += [key for key in whole if key not in {one.key for one in parcels}]
    every = [*(Shipment(key, voided=True) for key in void), *parcels]
    of_all: dict[str, Any] = {
        "wms_key": order_id, "ref": r.text("referenceNum"),
        "carrier": routing.text("carrier"), "method": routing.text("mode"),
        "shipped_at": state.when("processDate", zone), "modified_at": state.when("lastModifiedDate", zone),
    }  # fmt: skip
    return [structs.replace(one, **of_all, closed=closed and one is parcels[-1]) for one in every]


def ordered(item: Reader) -> ShipmentLine:
    """A line of an order, whole."""
    return ShipmentLine(item.part("itemIdentifier").need("sku"), item.need_number("qty"), item.text("externalId"))


def contents(box: Reader, items: dict[str, Reader]) -> tuple[ShipmentLine, ...]:
    """What is in a package."""
    found = []
    for part in inside(box, "packageContents", "rels/orders/packagecontent"):
        item = items.get(part.text("orderItemId") or "")
        if item is None:
            continue  # a line that was taken out of the order since
        lot, serial = part.text("lotNumber"), part.text("serialNumber")
        line = structs.replace(ordered(item), quantity=part.need_number("qty"), lot_number=lot, serial_no=serial)
        found.append(line)
    return tuple(found)


def items_of(r: Reader) -> list[Reader]:
    """The lines of an order."""
    return inside(r, "orderItems", "rels/orders/item")


def tracking_numbers(r: Reader) -> list[str]:
    """The tracking numbers of an order as a whole, each once."""
    told = r.part("parcelResponse").texts("trackingNumbers") or (r.part("routingInfo").text("trackingNumber") or "",)
    return list(dict.fromkeys(number for text in told for number in re.findall(r"[^\s,;]+", text)))
