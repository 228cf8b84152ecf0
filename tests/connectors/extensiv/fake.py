"""3PL Warehouse Manager that is not there: tokens, HAL, RQL, ETags and its exceptions, as strict as it."""

import functools
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from integration_manager.kit.simulator import Reply, Request, moment, route, stamp
from tests.connectors.extensiv.gate import Gate, Refused, invalid, text, thrown
from tests.connectors.extensiv.rql import Property

REL = "http://api.3plCentral.com/rels"
ZONE = ZoneInfo("America/Los_Angeles")  # its clock, which it shows without saying so
OPEN, CLOSED, CANCELED = 0, 1, 2
DETAILS = {
    "none", "orderitems", "billingdetails", "savedelements", "packages", "contacts", "proposedbilling",
    "outboundserialnumbers", "smallparcel", "parceloptions", "inserts", "all",
}  # fmt: skip
ITEM_DETAILS = {"none", "savedelements", "allocations", "all", "allocationswithdetail"}
CONTACT = {
    "companyName", "name", "title", "address1", "address2", "city", "state", "zip", "country", "phoneNumber",
    "emailAddress", "isAddressResidential",
}  # fmt: skip
MEMBERS = {
    "customerIdentifier", "facilityIdentifier", "referenceNum", "poNum", "externalId", "notes", "shippingNotes",
    "billingCode", "earliestShipDate", "shipCancelDate", "expectedDeliveryDate", "routingInfo", "shipTo", "soldTo",
    "billTo", "savedElements", "orderItems",
}  # fmt: skip
ROUTING = {"carrier", "mode", "scacCode", "account"}
ITEM_MEMBERS = {"itemIdentifier", "qualifier", "qty", "externalId", "savedElements"}
CARRIERS = (
    ("UPS", "UPSN", (("Ground", "UPS Ground"), ("2nd Day Air", "UPS 2nd Day Air"))),
    ("FedEx", "FDEG", (("Ground", "FedEx Ground"),)),
    ("USPS", "USPS", (("Priority Mail", "USPS Priority Mail"),)),
    ("Will Call", "", ()),
)


class FakeExtensiv(Gate):
    """One 3PL with its customers. `customers`: their facilities, by their number."""

    system = "extensiv"
    customers: Mapping[int, tuple[int, ...]] = {77: (2, 5), 88: (2,)}
    visible: tuple[int, ...] = (77,)  # the customers that the key sees
    pace: tuple[float, float] | None = None

    def setup(self) -> None:
        super().setup()
        self.orders = self.table("orders", sort="modified")
        self.items = self.table("items")
        self.levels = self.table("levels", sort="key")
        self.waiting = self.table("waiting", sort="at")
        self.refs = {(row["customer"], row["said"]["referenceNum"].lower()) for row in self.orders}
        self.dice = random.Random(f"{self.name}{len(self.orders)}")

    def values(self, url: str) -> dict[str, Any]:
        return {
            "url": url, "tpl": self.tpl, "customer": next(iter(self.customers)), "facility": "2",
            "client_id": self.client, "client_secret": self.credential, "user": self.user,
        }  # fmt: skip

    # ── orders ──

    @route("GET", "/orders")
    def list_orders(self, request: Request) -> Any:
        self._needs("OrderView")
        self._only(request, "pgsiz", "pgnum", "rql", "sort", "detail", "itemdetail")
        detail = self._details(request, "detail", DETAILS)
        if "orderitems" not in detail and self._details(request, "itemdetail", ITEM_DETAILS):
            raise thrown(400, "QueryParameterException", "Incompatible", Parameters=["itemdetail"])
        rows = [row for row in self.orders.since() if row["customer"] in self.visible]
        found = self._asked(request, rows, ORDER, 1000)
        shown = [self._view(row, detail) for row in found[0]]
        return {"totalResults": found[1], **({"_embedded": {f"{REL}/orders/order": shown}} if shown else {})}

    @route("POST", "/orders")
    def take(self, request: Request) -> Any:
        self._needs("OrderWrite")
        said = request.json
        customer = self._checked(said)
        key = 1000 + len(self.orders) + 1
        items = [{**item, "id": key * 100 + n} for n, item in enumerate(said["orderItems"], 1)]
        row = {
            "key": str(key), "customer": customer, "facility": said["facilityIdentifier"]["id"], "status": OPEN,
            "said": {name: value for name, value in said.items() if name != "orderItems"}, "items": items,
            "packages": [], "version": 1, "made": self.now(), "modified": self.now(), "processed": None,
        }  # fmt: skip
        self.orders.put(row["key"], row)
        self.refs.add((customer, said["referenceNum"].lower()))
        self.effect("order", said["referenceNum"], wms_key=row["key"], customer=customer, said=said)
        for item in items:
            self._move(customer, item["itemIdentifier"]["sku"], row["facility"], available=-Decimal(str(item["qty"])))
        if self.pace:
            self._wait(row["key"])
        return Reply(self._view(row, {"all"}), 201, {"ETag": tag(row)})

    def _checked(self, said: Any) -> int:
        """The customer of an order that is as it has to be."""
        strange = sorted(said.keys() - MEMBERS)
        if strange:
            raise invalid("ValueNotSupported", strange[0])
        customer = said.get("customerIdentifier", {}).get("id")
        if customer not in self.visible:
            raise invalid("DoesNotExist", "CustomerIdentifier.Id", customer)
        if said.get("facilityIdentifier", {}).get("id") not in self.customers[customer]:
            raise invalid("DoesNotExist", "FacilityIdentifier.Id", said.get("facilityIdentifier", {}).get("id"))
        reference = said.get("referenceNum")
        if not reference:
            raise invalid("Required", "ReferenceNum")
        for name in ("shipTo", "billTo", "soldTo"):
            if said.keys() & {name} and said[name].keys() - CONTACT:
                raise invalid("ValueNotSupported", f"{name[0].upper()}{name[1:]}")
        to = said.get("shipTo") or {}
        for name in ("companyName", "address1"):
            if not to.get(name):
                raise invalid("Required", f"ShipTo.{name[0].upper()}{name[1:]}")
        if said.get("routingInfo", {}).keys() - ROUTING:
            raise invalid("ValueNotSupported", "RoutingInfo")
        for named in (said, *said.get("orderItems", [])):
            if any(one.keys() != {"name", "value"} for one in named.get("savedElements", [])):
                raise invalid("ValueNotSupported", "SavedElements")
        if said.get("routingInfo", {}).get("carrier") == "PIGEON":
            raise invalid("ValueNotSupported", "RoutingInfo.Carrier", "PIGEON")
        if not said.get("orderItems"):
            raise invalid("Required", "OrderItems")
        for item in said["orderItems"]:
            sku = item.get("itemIdentifier", {}).get("sku")
            if item.keys() - ITEM_MEMBERS or not isinstance(item.get("qty"), int | float) or item["qty"] <= 0:
                raise invalid("ValueNotSupported", "OrderItem.Qty", item.get("qty"))
            if not sku or not self._holds(customer, sku):
                raise invalid("DoesNotExist", "ItemIdentifier.Sku", sku)
        if (customer, reference.lower()) in self.refs:
            raise invalid("Duplicate", "ReferenceNum", reference)
        assert isinstance(customer, int)
        return customer

    def _holds(self, customer: int, sku: str) -> bool:
        return not sku.startswith("UNKNOWN") or f"{customer}:{sku}" in self.items

    @route("GET", "/orders/{key}")
    def one_order(self, request: Request) -> Any:
        self._needs("OrderView")
        self._only(request, "detail", "itemdetail")
        row = self._order(request)
        return Reply(self._view(row, self._details(request, "detail", DETAILS)), 200, {"ETag": tag(row)})

    @route("POST", "/orders/{key}/canceler")
    def cancel(self, request: Request) -> Any:
        self._needs("OrderWrite")
        row = self._order(request)
        if "if-match" not in request.headers:
            raise Refused(text(428, "If-Match is required."))
        if request.headers["if-match"] != tag(row):
            raise Refused(text(412, "If-Match does not fit."))
        if not request.json.get("reason"):
            raise invalid("Required", "Reason")
        if row["status"] != OPEN:
            code = "OrderConfirmed" if row["status"] == CLOSED else "OrderCanceled"
            raise thrown(403, "OperationException", code, ActionNameType="Order", ActionName="Cancel")
        self._cancel(row)
        self.effect("cancel", row["said"]["referenceNum"])
        return Reply(b"", 204)

    def _order(self, request: Request) -> Any:
        row = self.orders.get(request.args["key"])
        if row is None or row["customer"] not in self.visible:
            raise Refused(text(404, "No such order."))
        return row

    def _view(self, row: Any, detail: set[str]) -> dict[str, Any]:
        said, every = row["said"], "all" in detail
        read = {
            "orderId": int(row["key"]), "isClosed": row["status"] == CLOSED, "status": row["status"],
            "processDate": wall(row["processed"]), "creationDate": wall(row["made"]),
            "lastModifiedDate": wall(row["modified"]), "fullyAllocated": True,
            "customerIdentifier": {"id": row["customer"], "name": f"Customer {row['customer']}"},
            "facilityIdentifier": {"id": row["facility"], "name": f"Facility {row['facility']}"},
        }  # fmt: skip
        if every or "packages" in detail:
            read["packages"] = row["packages"]
        shown = {"readOnly": read, **{name: said[name] for name in said if name[-10:] != "Identifier"}}
        if "tracking" in row:
            shown["routingInfo"] = {**said.get("routingInfo", {}), "trackingNumber": row["tracking"]}
        if "numbers" in row and (every or "smallparcel" in detail):
            shown["parcelResponse"] = {"orderId": int(row["key"]), "trackingNumbers": row["numbers"]}
        if every or "orderitems" in detail:
            shown["_embedded"] = {f"{REL}/orders/item": [item_view(item) for item in row["items"]]}
        return {**shown, "_links": {"self": {"href": f"/orders/{row['key']}"}}}

    # ── customers, stock, carriers ──

    @route("GET", "/customers")
    def list_customers(self, request: Request) -> Any:
        self._needs("CustomerView")
        self._only(request, "pgsiz", "pgnum", "rql", "sort")
        found, total = self._asked(request, [{"id": one} for one in self.visible], {}, 100)
        shown = [self._customer(one["id"]) for one in found]
        return {"totalResults": total, "_embedded": {f"{REL}/customers/customer": shown}}

    @route("GET", "/customers/{key}")
    def one_customer(self, request: Request) -> Any:
        self._needs("CustomerView")
        return Reply(self._customer(self._seen(request)), 200, {"ETag": '"1"'})

    @route("GET", "/customers/{key}/items")
    def list_items(self, request: Request) -> Any:
        self._needs("ItemView")
        self._only(request, "pgsiz", "pgnum", "rql", "sort")
        customer = self._seen(request)
        ids = sorted({level["item"] for level in self.levels if level["customer"] == customer})
        found, total = self._asked(request, [{"id": one} for one in ids], {}, 100)
        shown = [{"readOnly": {"itemId": one["id"]}, "itemId": one["id"]} for one in found]
        return {"totalResults": total, **({"_embedded": {f"{REL}/customers/item": shown}} if shown else {})}

    def _seen(self, request: Request) -> int:
        customer = int(request.args["key"]) if request.args["key"].isdecimal() else 0
        if customer not in self.visible:
            raise Refused(text(404, "No such customer."))
        return customer

    def _customer(self, number: int) -> dict[str, Any]:
        facilities = [{"id": one, "name": f"Facility {one}"} for one in self.customers[number]]
        return {"readOnly": {"customerId": number, "deactivated": False}, "facilities": facilities}

    @route("GET", "/inventory/stocksummaries")
    def list_stock(self, request: Request) -> Any:
        self._needs("InventoryRead")
        self._only(request, "pgsiz", "pgnum", "rql", "orderednotallocated")
        rows = [row for row in self.levels.since() if row["customer"] in self.visible and Decimal(row["held"])]
        found, total = self._asked(request, rows, STOCK, 500)
        summaries = [
            {
                "itemIdentifier": {"sku": row["sku"], "id": row["item"]}, "qualifier": row["qualifier"],
                "totalReceived": float(row["held"]), "allocated": 0.0, "available": float(row["free"]),
                "onHold": 0.0, "onHand": float(row["held"]), "facilityId": row["facility"],
            }
            for row in found
        ]  # fmt: skip
        return {"totalResults": total, "summaries": summaries}

    @route("GET", "/properties/carriers")
    def carriers(self, request: Request) -> Any:
        self._only(request)
        shown = [
            {
                "name": name, "scacCode": scac, "deactivated": False,
                "shipmentServices": [{"code": code, "description": words, "deactivated": False} for code, words in by],
            }
            for name, scac, by in CARRIERS
        ]  # fmt: skip
        return {"defaultBillingCodes": [], "_embedded": {f"{REL}/properties/carrier": shown}}

    # ── what happens in the warehouse ──

    def touch(self, key: str, at: datetime | None = None, **fields: Any) -> Any:
        """Somebody changes an order."""
        row = self.orders.rows[key]
        return self.orders.change(
            key, **fields, modified=stamp(at or self.clock()), version=row["version"] + 1
        )  # fmt: skip

    def _cancel(self, row: Any, at: datetime | None = None) -> None:
        self.touch(row["key"], at, status=CANCELED)
        self.waiting.remove(row["key"])
        for item in row["items"]:
            quantity = Decimal(str(item["qty"]))
            self._move(row["customer"], item["itemIdentifier"]["sku"], row["facility"], available=quantity)

    def call_off(self, key: str) -> None:
        """The warehouse cancels an order by itself."""
        with self.lock:
            self._cancel(self.orders.rows[key])

    def add_item(self, customer: int, sku: str) -> None:
        """An item is added to a customer."""
        self.items.put(f"{customer}:{sku}", {"sku": sku})

    def pack(self, key: str, *, share: str = "1", close: bool | None = None, at: datetime | None = None) -> str | None:
        """Packs what is left of an order, or a `share` of it, as one package with a label. Gives its number.

        `close`: confirms the order; by itself that is done when nothing is left.
        """
        with self.lock:
            row = self.orders.rows[key]
            package = int(key) * 10 + len(row["packages"]) + 1
            contents: list[dict[str, Any]] = []
            missing = Decimal(0)
            for item in row["items"]:
                before = sum(
                    (Decimal(str(c["qty"])) for p in row["packages"] for c in p["packageContents"]
                     if c["orderItemId"] == item["id"]), Decimal(0),
                )  # fmt: skip
                left = Decimal(str(item["qty"])) - before
                some = min(left, (left * Decimal(share)).to_integral_value(ROUND_CEILING))
                missing += left - some
                if some > 0:
                    contents.append(
                        {"packageContentId": len(contents) + 1, "orderItemId": item["id"], "qty": float(some)}
                    )
            if not contents:
                return None
            box = {
                "packageId": package, "trackingNumber": f"1Z{package}", "packageContents": contents, "weight": 1.5,
            }  # fmt: skip
            done = not missing if close is None else close
            fields = {"status": CLOSED, "processed": stamp(at or self.clock())} if done else {}
            self.touch(key, at, packages=[*row["packages"], box], **fields)
            self.effect("parcel", row["said"]["referenceNum"], parcel=str(package))
            if done:
                self.waiting.remove(key)
            return str(package)

    def _arrived(self, number: int, status: int, modified: datetime, created: datetime | None, **fields: Any) -> str:
        """An order that somebody else has entered."""
        key, at = str(500_000 + number), stamp(created or modified)
        item = {"id": number, "itemIdentifier": {"sku": "MUG-BLUE"}, "qty": 1, "externalId": "1"}
        said = {"referenceNum": f"R{number}", "poNum": f"R{number}", "routingInfo": {"carrier": "UPS"}}
        row = {
            "key": key, "customer": next(iter(self.customers)), "facility": 2, "status": status, "said": said,
            "items": [item], "packages": [], "version": 1, "made": at, "modified": at, "processed": None, **fields,
        }  # fmt: skip
        self.orders.put(key, {**row, "modified": stamp(modified)})
        return key

    def parcel(self, number: int, modified: datetime, created: datetime | None = None) -> str:
        known = str(500_000 + number) in self.orders
        box = {
            "packageId": number, "trackingNumber": f"{'CORRECTED' if known else '1Z'}{number}",
            "packageContents": [{"packageContentId": 1, "orderItemId": number, "qty": 1.0}],
        }  # fmt: skip
        self._arrived(number, CLOSED, modified, created, packages=[box], processed=stamp(created or modified))
        return str(number)

    def cancellation(self, number: int, modified: datetime) -> str:
        return self._arrived(number, CANCELED, modified, None)

    def level(self, number: int, modified: datetime) -> str:
        sku = f"SKU-{number:05d}"
        self.count(sku, Decimal(number))
        return sku

    def count(self, sku: str, free: Decimal, *, facility: int = 2, qualifier: str = "", customer: int = 0) -> None:
        """The stock of an item is counted."""
        customer = customer or next(iter(self.customers))
        key = f"{customer}:{sku}:{qualifier}@{facility}"
        item = self.levels.rows.get(key, {}).get("item") or len(self.levels) + 1
        self.levels.put(key, {
            "key": key, "customer": customer, "sku": sku, "item": item, "qualifier": qualifier, "facility": facility,
            "free": str(free), "held": str(free),
        })  # fmt: skip

    def _move(self, customer: int, sku: str, facility: int, available: Decimal) -> None:
        row = self.levels.rows.get(f"{customer}:{sku}:@{facility}")
        if row is None:
            self.count(sku, 200 + available, facility=facility, customer=customer)
        else:
            self.levels.change(row["key"], free=str(Decimal(row["free"]) + available))

    # ── life ──

    def live(self, *pace: float) -> None:
        """From now on new orders are packed by themselves: after how many seconds, at least and most."""
        self.pace = (pace[0], pace[1]) if pace else (20, 40)

    def _wait(self, key: str) -> None:
        at = self.clock() + timedelta(seconds=self.dice.uniform(*(self.pace or (0, 0))))
        self.waiting.put(key, {"key": key, "at": stamp(at)})

    def tick(self) -> None:
        for row in self.waiting.since()[:500] if self.pace else ():
            if row["at"] > self.now():
                return
            self.waiting.remove(row["key"])
            self.pack(row["key"], share="0.5" if self.dice.random() < 0.2 else "1")
            if self.orders.rows[row["key"]]["status"] == OPEN:
                self._wait(row["key"])


def tag(row: Any) -> str:
    """An order's ETag."""
    return f'"{row["key"]}-{row["version"]}"'


@functools.cache
def by_its_clock(at: str | None) -> datetime | None:
    """A time as its clock shows it: without a zone."""
    return moment(at).astimezone(ZONE).replace(tzinfo=None) if at else None


def wall(at: str | None) -> str | None:
    """The same as text."""
    shown = by_its_clock(at)
    return shown.isoformat() if shown else None


def item_view(item: Any) -> dict[str, Any]:
    """A line of an order as it is shown."""
    shown = {name: value for name, value in item.items() if name != "id"}
    return {"readOnly": {"orderItemId": item["id"], "fullyAllocated": True}, **shown, "qty": float(item["qty"])}


def canceled(row: Any) -> str:
    """Of an order's states RQL knows this one only."""
    return "Canceled" if row["status"] == CANCELED else ""


ORDER = {
    "referencenum": Property(lambda row: row["said"]["referenceNum"]),
    "ponum": Property(lambda row: row["said"].get("poNum")),
    "readonly.orderid": Property(lambda row: int(row["key"]), int),
    "readonly.status": Property(canceled),
    "readonly.isclosed": Property(lambda row: row["status"] == CLOSED, bool),
    "readonly.lastmodifieddate": Property(lambda row: by_its_clock(row["modified"]), datetime),
    "readonly.processdate": Property(lambda row: by_its_clock(row["processed"]), datetime),
    "readonly.customeridentifier.id": Property(lambda row: row["customer"], int),
    "readonly.facilityidentifier.id": Property(lambda row: row["facility"], int),
}
STOCK = {
    "facilityid": Property(lambda row: row["facility"], int),
    "itemid": Property(lambda row: row["item"], int),
    "sku": Property(lambda row: row["sku"]),
}
