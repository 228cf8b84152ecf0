"""The sandbox warehouse: takes orders of several customers, packs, ships and counts by itself."""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from integration_manager.kit.simulator import Fake, Reply, Request, moment, route, stamp

METHODS = {
    "GROUND": ("Ground, 3 to 5 days", "UPS"),
    "EXPRESS": ("Express, next day", "UPS"),
    "ECONOMY": ("Economy, up to 10 days", "USPS"),
}
WAREHOUSES = ("MAIN", "EAST")
LONGEST_SKU = 40
# What has just come in for one of the customers, and no shop sells yet: SKU, name, UPC.
NEW = (
    ("WHISK-BAMBOO", "Bamboo whisk", "0810012345086"),
    ("TIN-LARGE", "Large tin", "0810012345093"),
    ("CUP-MATCHA", "Matcha bowl", "0810012345109"),
)
LEVEL = 200  # pieces of a new item in each warehouse


@dataclass(frozen=True, slots=True)
class Life:
    """How the warehouse works by itself: seconds until a parcel leaves, and how often in two."""

    packs_after: tuple[float, float] = (20, 40)
    second_after: tuple[float, float] = (5, 10)
    in_two: float = 0.2
    refills_below: int = 150
    receives_after: tuple[float, float] = (25, 50)  # so long until goods that are expected come, in parts


class FakeWms(Fake):
    """One warehouse. `life` makes it pack and ship; without it `pack` is called by the test."""

    system = "sandbox_wms"
    life: Life | None = None
    customers: tuple[str, ...] = ("C1", "C2", "C3", "C4")

    def setup(self) -> None:
        self.orders = self.table("orders")
        self.waiting = self.table("waiting", sort="at")  # orders to be packed, by time
        self.products = self.table("products", sort="modified_at")
        self.purchases = self.table("purchases")
        self.coming = self.table("coming", sort="at")  # purchase orders of which something is to come, by time
        self.refs: dict[tuple[str, str], list[str]] = {}
        for order in self.orders:
            self.refs.setdefault((order["customer"], order["reference"]), []).append(order["key"])
        self.dice = random.Random(f"{self.name}{len(self.orders)}")

    def values(self, url: str) -> dict[str, Any]:
        return {"url": url, "api_key": self.credential, "customer": self.customers[0]}

    def _shipments(self, customer: str) -> Any:
        return self.table(f"shipments of {customer}", sort="modified_at")

    def _receipts(self, customer: str) -> Any:
        return self.table(f"receipts of {customer}", sort="modified_at")

    def _cancellations(self, customer: str) -> Any:
        return self.table(f"cancellations of {customer}", sort="at")

    def _stock(self, customer: str) -> Any:
        return self.table(f"stock of {customer}", sort="at")

    def answer(self, request: Request) -> Reply:
        """A customer that is not known gets no further than the door."""
        customer = request.headers.get("x-customer", "")
        stranger = customer not in self.customers and not request.path.startswith("/_sim/")
        if stranger and self.admits(request):
            return self.refuse(403, "unknown_customer", f"{customer!r} is no customer of ours.")
        return super().answer(request)

    # ── the interface ──

    @route("GET", "/v1/ping")
    def ping(self, request: Request) -> Any:
        return {"warehouse": self.name, "customer": request.headers["x-customer"]}

    @route("POST", "/v1/orders")
    def take(self, request: Request) -> Any:
        said, customer = request.json, request.headers["x-customer"]
        known = self.refs.get((customer, said["reference"]), [])
        if known and request.headers.get("idempotency-key"):
            reply = self.refuse(409, "duplicate", "There is an order with this reference.")
            return Reply({**reply.body, "key": known[0]}, 409)
        method = said.get("ship_method") or "GROUND"
        if method not in METHODS:
            return self.refuse(422, "ship_method_unknown", f"We do not ship by {method!r}.")
        address = said["ship_to"]
        if not address.get("address_1") or address.get("zip") == "00000":
            return self.refuse(422, "bad_address", "No carrier delivers to this address.")
        for line in said["lines"]:
            if line["item"].startswith("UNKNOWN"):
                return self.refuse(422, "item_unknown", f"We hold no item {line['item']!r}.")
        key = f"W{len(self.orders) + 1:06d}"
        order = {**said, "key": key, "customer": customer, "status": "open", "packed": {}}
        self.orders.put(key, order)
        self.refs.setdefault((customer, said["reference"]), []).append(key)
        self.effect("order", said["reference"], wms_key=key, customer=customer, said=said)
        for line in said["lines"]:
            self._take(customer, line["item"], Decimal(line["quantity"]), "available")
        if self.life:
            self._wait(key, self.life.packs_after)
        return Reply({"key": key}, 201)

    @route("GET", "/v1/orders")
    def find(self, request: Request) -> Any:
        customer = request.headers["x-customer"]
        keys = self.refs.get((customer, request.query["reference"]), [])
        return {"orders": [self.orders.rows[key] for key in keys]}

    @route("POST", "/v1/orders/{key}/cancel")
    def cancel(self, request: Request) -> Any:
        order = self.orders.get(request.args["key"])
        if order is None or order["customer"] != request.headers["x-customer"]:
            return self.refuse(404, "no_such_order", "There is no such order.")
        if order["status"] == "open" and not order["packed"]:
            self._cancel(order, "")
            self.effect("cancel", order["reference"])
        return {"canceled": self.orders.rows[order["key"]]["status"] == "canceled"}

    @route("GET", "/v1/cancellations")
    def list_cancellations(self, request: Request) -> Any:
        every = self._cancellations(request.headers["x-customer"])
        rows, more = self.page(request, every.since(stamp(moment(request.query["since"]))))
        return {"cancellations": rows, "more": more}

    @route("GET", "/v1/shipments")
    def list_shipments(self, request: Request) -> Any:
        every = self._shipments(request.headers["x-customer"])
        if "orders" in request.query:
            keys = set(request.query["orders"].split(","))
            return {"shipments": [row for row in every if row["order"] in keys], "more": False}
        since = stamp(moment(request.query["modified_since"]))
        rows, more = self.page(request, every.since(since))
        return {"shipments": rows, "more": more}

    @route("GET", "/v1/stock")
    def list_stock(self, request: Request) -> Any:
        since = request.query.get("changed_since")
        every = self._stock(request.headers["x-customer"])
        rows, more = self.page(request, every.since(stamp(moment(since)) if since else ""))
        return {"stock": rows, "more": more}

    @route("GET", "/v1/ship-methods")
    def ship_methods(self, request: Request) -> Any:
        rows = [{"code": c, "name": name, "carrier": by} for c, (name, by) in METHODS.items()]
        return {"ship_methods": rows}

    @route("GET", "/v1/products")
    def find_products(self, request: Request) -> Any:
        """One by its SKU, or those that have changed."""
        customer, sku = request.headers["x-customer"], request.query.get("sku")
        if sku is not None:
            return {"products": [row for row in self.products if row["customer"] == customer and row["sku"] == sku]}
        since = stamp(moment(request.query["modified_since"]))
        rows, more = self.page(request, [row for row in self.products.since(since) if row["customer"] == customer])
        return {"products": rows, "more": more}

    @route("POST", "/v1/products")
    def add_product(self, request: Request) -> Any:
        """With an idempotency key a SKU is there once; without it twice is twice, as with many a system."""
        said, customer = request.json, request.headers["x-customer"]
        known = [row for row in self.products if row["customer"] == customer and row["sku"] == said["sku"]]
        if known and request.headers.get("idempotency-key"):
            reply = self.refuse(409, "duplicate", "There is a product with this SKU.")
            return Reply({**reply.body, "key": known[0]["key"]}, 409)
        if len(said["sku"]) > LONGEST_SKU:
            return self.refuse(422, "sku_too_long", f"A SKU has at most {LONGEST_SKU} characters.")
        key = f"G{len(self.products) + 1:05d}"
        self.products.put(key, {**said, "key": key, "customer": customer, "modified_at": self.now()})
        self.effect("product", said["sku"], wms_key=key, customer=customer, said=said)
        return Reply({"key": key}, 201)

    @route("PUT", "/v1/products/{key}")
    def change_product(self, request: Request) -> Any:
        known = self.products.get(request.args["key"])
        if known is None or known["customer"] != request.headers["x-customer"]:
            return self.refuse(404, "no_such_product", "There is no such product.")
        self.products.change(known["key"], **request.json, modified_at=self.now())
        self.effect("product change", known["sku"], said=request.json)
        return {}

    @route("GET", "/v1/purchase-orders")
    def find_purchases(self, request: Request) -> Any:
        return {"purchase_orders": self._purchases_of(request, request.query["reference"])}

    def _purchases_of(self, request: Request, reference: str) -> list[Any]:
        customer = request.headers["x-customer"]
        return [row for row in self.purchases if row["customer"] == customer and row["reference"] == reference]

    @route("POST", "/v1/purchase-orders")
    def expect(self, request: Request) -> Any:
        """With an idempotency key a reference is there once; without it twice is twice."""
        said, customer = request.json, request.headers["x-customer"]
        known = self._purchases_of(request, said["reference"])
        if known and request.headers.get("idempotency-key"):
            reply = self.refuse(409, "duplicate", "There is a purchase order with this reference.")
            return Reply({**reply.body, "key": known[0]["key"]}, 409)
        refused = self._unknown_item(said)
        if refused:
            return refused
        key = f"E{len(self.purchases) + 1:05d}"
        self.purchases.put(key, {**said, "key": key, "customer": customer, "status": "open", "received": {}})
        self.effect("purchase order", said["reference"], wms_key=key, customer=customer, said=said)
        if self.life:
            self._expect_soon(key, self.life.receives_after)
        return Reply({"key": key}, 201)

    def _unknown_item(self, said: Any) -> Reply | None:
        strange = [line["item"] for line in said["lines"] if line["item"].startswith("UNKNOWN")]
        return self.refuse(422, "item_unknown", f"We hold no item {strange[0]!r}.") if strange else None

    @route("PUT", "/v1/purchase-orders/{key}")
    def change_purchase(self, request: Request) -> Any:
        known = self.purchases.get(request.args["key"])
        if known is None or known["customer"] != request.headers["x-customer"]:
            return self.refuse(404, "no_such_purchase_order", "There is no such purchase order.")
        if known["status"] != "open":
            return self.refuse(422, "not_open", f"The purchase order is {known['status']}.")
        refused = self._unknown_item(request.json)
        if refused:
            return refused
        self.purchases.change(known["key"], **request.json)
        self.effect("purchase order change", known["reference"], said=request.json)
        return {}

    @route("POST", "/v1/purchase-orders/{key}/cancel")
    def cancel_purchase(self, request: Request) -> Any:
        known = self.purchases.get(request.args["key"])
        if known is None or known["customer"] != request.headers["x-customer"]:
            return self.refuse(404, "no_such_purchase_order", "There is no such purchase order.")
        if known["status"] == "open" and not known["received"]:
            self.purchases.change(known["key"], status="canceled")
            self.effect("purchase order cancel", known["reference"])
        return {"canceled": self.purchases.rows[known["key"]]["status"] == "canceled"}

    @route("GET", "/v1/receipts")
    def list_receipts(self, request: Request) -> Any:
        every = self._receipts(request.headers["x-customer"])
        rows, more = self.page(request, every.since(stamp(moment(request.query["modified_since"]))))
        return {"receipts": rows, "more": more}

    # ── what happens in the hall ──

    def product(self, number: int, at: datetime) -> str:
        """The warehouse takes up a product, or renames it."""
        key, rows = f"P{number}", self.products
        if key in rows:
            rows.change(key, name=f"Thing {number}, new", modified_at=stamp(at))
        else:
            self.shelve(key, f"SKU-{number:05d}", f"Thing {number}", {"UPC": f"{number:012d}"}, at=at)
        return key

    def shelve(
        self, key: str, sku: str, name: str, codes: dict[str, str] | None = None, *, customer: str = "C1",
        at: datetime | None = None,
    ) -> None:  # fmt: skip
        """The warehouse has a product of a customer's, with these other codes by their kind."""
        other = [{"kind": kind, "code": code} for kind, code in (codes or {}).items()]
        row = {"key": key, "customer": customer, "sku": sku, "name": name, "codes": other, "weight_lb": "0.80"}
        self.products.put(key, {**row, "modified_at": stamp(at or self.clock())})

    def call_off(self, key: str, reason: str = "Damaged in the hall.") -> None:
        """The warehouse cancels an order by itself, or what it has not packed of it yet."""
        with self.lock:
            self._cancel(self.orders.rows[key], reason)

    def _cancel(self, order: Any, reason: str) -> None:
        key = order["key"]
        self.orders.change(key, status="canceled")
        self.waiting.remove(key)
        row = {"order": key, "reference": order["reference"], "reason": reason or None, "at": self.now()}
        self._cancellations(order["customer"]).put(key, row)
        for line in order["lines"]:
            left = Decimal(line["quantity"]) - Decimal(order["packed"].get(line["line_id"], "0"))
            self._take(order["customer"], line["item"], -left, "available")

    def pack(self, key: str, *, at: datetime | None = None, share: str = "1", close: bool | None = None) -> str | None:
        """Ships what is left of an order, or a `share` of it. Gives the parcel's key.

        `close`: says that it is the last parcel; by itself it is when nothing is left."""
        with self.lock:
            order = self.orders.rows[key]
            lines, packed, missing = [], dict(order["packed"]), Decimal(0)
            for line in order["lines"]:
                before = Decimal(packed.get(line["line_id"], "0"))
                left = Decimal(line["quantity"]) - before
                some = min(left, (left * Decimal(share)).to_integral_value(ROUND_CEILING))
                missing += left - some
                if some > 0:
                    packed[line["line_id"]] = str(before + some)
                    lines.append({**line, "quantity": str(some)})
                    self._take(order["customer"], line["item"], some, "on_hand")
            if not lines:
                return None
            last = not missing if close is None else close
            order = self.orders.change(
                key,
                packed=packed,
                status="shipped" if last else "open",
                parcels=order.get("parcels", 0) + 1,
            )
            return self._send(order, lines, at or self.clock(), last)

    def void(self, customer: str, parcel: str, at: datetime | None = None) -> None:
        """A parcel that was announced does not leave after all."""
        self._shipments(customer).change(parcel, voided=True, modified_at=stamp(at or self.clock()))

    def _send(self, order: Any, lines: list[Any], at: datetime, last: bool) -> str:
        key = f"{order['key']}-{order['parcels']}"
        carrier = METHODS[order.get("ship_method") or "GROUND"][1]
        tracking = f"1Z{order['key'][1:]}{order['parcels']:04d}"
        row = {
            "key": key, "order": order["key"], "reference": order["reference"],
            "carrier": carrier, "method": order.get("ship_method") or "GROUND",
            "tracking_number": tracking, "tracking_url": f"https://track.example/{tracking}",
            "shipped_at": stamp(at), "modified_at": stamp(at), "weight_lb": "1.50",
            "cost": "6.20", "last": last, "voided": False,
            "lines": [
                {"line_id": ln["line_id"], "item": ln["item"], "quantity": ln["quantity"]}
                for ln in lines
            ],
        }  # fmt: skip
        self._shipments(order["customer"]).put(key, row)
        self.effect("parcel", order["reference"], parcel=key)
        return key

    def unload(
        self, key: str, *goods: tuple[str, int], at: datetime | None = None, share: str = "1", close: bool | None = None
    ) -> None:
        """Goods of a purchase order come: these, or a `share` of what is left of each line.

        `close`: says whether more is expected; by itself it is where something is left."""
        with self.lock:
            order = self.purchases.rows[key]
            before = {sku: Decimal(many) for sku, many in order["received"].items()}
            left: dict[str, Decimal] = defaultdict(Decimal)
            for line in order["lines"]:
                left[line["item"]] += Decimal(line["quantity"])
            for sku in left:
                left[sku] -= before.get(sku, Decimal(0))
            come = {sku: Decimal(many) for sku, many in goods}
            if not goods:
                shares = {sku: (many * Decimal(share)).to_integral_value(ROUND_CEILING) for sku, many in left.items()}
                come = {sku: many for sku, many in shares.items() if many > 0}
            for sku, many in come.items():
                self._take(order["customer"], sku, -many, "available")
                self._take(order["customer"], sku, -many, "on_hand")
            skus = dict.fromkeys([*left, *before, *come])
            received = {sku: str(before.get(sku, Decimal(0)) + come.get(sku, Decimal(0))) for sku in skus}
            missing = any(many > come.get(sku, Decimal(0)) for sku, many in left.items())
            last = not missing if close is None else close
            self.purchases.change(key, received=received, status="closed" if last else "open")
            self._receive(order["customer"], key, order["reference"], received, at or self.clock(), last)

    def _receive(
        self, customer: str, key: str, reference: str, received: dict[str, str], at: datetime, closed: bool
    ) -> None:
        row = {
            "purchase_order": key, "reference": reference, "received_at": stamp(at), "modified_at": stamp(at),
            "closed": closed, "lines": [{"item": sku, "received": many} for sku, many in received.items()],
        }  # fmt: skip
        self._receipts(customer).put(key, row)

    def receipt(self, number: int, modified: datetime) -> str:
        key, customer = f"X{number}", self.customers[0]
        before = self._receipts(customer).get(key)
        many = int(before["lines"][0]["received"]) if before else 0
        self._receive(customer, key, f"R{number}", {"MUG-BLUE": str(many + 5)}, modified, False)
        return key

    def parcel(self, number: int, modified: datetime, created: datetime | None = None) -> str:
        customer, key = self.customers[0], f"P{number}"
        if key in self._shipments(customer):
            self._shipments(customer).change(key, tracking_number=f"CORRECTED{number}", modified_at=stamp(modified))
            return key
        row = {
            "key": key, "order": f"X{number}", "reference": f"R{number}", "carrier": "UPS",
            "method": "GROUND", "tracking_number": f"1Z{number}", "tracking_url": None,
            "shipped_at": stamp(created or modified), "modified_at": stamp(modified),
            "weight_lb": None, "cost": None, "last": True, "voided": False,
            "lines": [{"line_id": "1", "item": "MUG-BLUE", "quantity": "1"}],
        }  # fmt: skip
        self._shipments(customer).put(key, row)
        return key

    def cancellation(self, number: int, modified: datetime) -> str:
        key = f"X{number}"
        row = {"order": key, "reference": f"R{number}", "reason": None, "at": stamp(modified)}
        self._cancellations(self.customers[0]).put(key, row)
        return key

    def level(self, number: int, modified: datetime) -> str:
        sku = f"SKU-{number:05d}"
        self._count(self.customers[0], sku, "MAIN", Decimal(number), Decimal(number), modified)
        return sku

    def _count(self, customer: str, sku: str, hall: str, free: Decimal, held: Decimal, at: datetime) -> None:
        row = {
            "sku": sku, "warehouse": hall, "available": str(free), "on_hand": str(held),
            "at": stamp(at),
        }  # fmt: skip
        self._stock(customer).put(f"{sku}@{hall}", row)

    def _take(self, customer: str, sku: str, quantity: Decimal, what: str) -> None:
        """Pieces leave the first hall; one that runs low is filled up again."""
        rows = self._stock(customer).rows
        for hall in WAREHOUSES:
            if f"{sku}@{hall}" not in rows:
                self._count(customer, sku, hall, Decimal(LEVEL), Decimal(LEVEL), self.clock())
        row = rows[f"{sku}@{WAREHOUSES[0]}"]
        level = {"available": Decimal(row["available"]), "on_hand": Decimal(row["on_hand"])}
        level[what] -= quantity
        if self.life and level["available"] < self.life.refills_below:
            level = {name: value + LEVEL for name, value in level.items()}
        self._count(customer, sku, WAREHOUSES[0], level["available"], level["on_hand"], self.clock())

    # ── life ──

    def live(self, *pace: float) -> None:
        """From now on new orders are packed by themselves: after how many seconds, at least and most."""
        self.life = Life(packs_after=(pace[0], pace[1])) if pace else Life()
        if not len(self.products):
            for customer in self.customers[1:2]:
                self._take_in(customer)

    def _take_in(self, customer: str) -> None:
        for number, (sku, name, upc) in enumerate(NEW, 1):
            self.shelve(f"N{number}", sku, name, {"UPC": upc}, customer=customer)
            self._count(customer, sku, WAREHOUSES[0], Decimal(LEVEL), Decimal(LEVEL), self.clock())

    def _wait(self, key: str, seconds: tuple[float, float]) -> None:
        at = self.clock() + timedelta(seconds=self.dice.uniform(*seconds))
        self.waiting.put(key, {"key": key, "at": stamp(at)})

    def _expect_soon(self, key: str, seconds: tuple[float, float]) -> None:
        at = self.clock() + timedelta(seconds=self.dice.uniform(*seconds))
        self.coming.put(key, {"key": key, "at": stamp(at)})

    def tick(self) -> None:
        if self.life is None:
            return
        for row in self.coming.since()[:100]:
            if row["at"] > self.now():
                break
            self.coming.remove(row["key"])
            if self.purchases.rows[row["key"]]["status"] == "open":
                first = not self.purchases.rows[row["key"]]["received"]
                self.unload(row["key"], share="0.5" if first else "1")
                if self.purchases.rows[row["key"]]["status"] == "open":
                    self._expect_soon(row["key"], self.life.receives_after)
        for row in self.waiting.since()[:500]:
            if row["at"] > self.now():
                return
            self.waiting.remove(row["key"])
            order = self.orders.rows[row["key"]]
            pieces = sum(Decimal(line["quantity"]) for line in order["lines"])
            if pieces > 1 and not order["packed"] and self.dice.random() < self.life.in_two:
                self.pack(row["key"], share="0.5")
                if self.orders.rows[row["key"]]["status"] == "open":
                    self._wait(row["key"], self.life.second_after)
            elif order["status"] == "open":
                self.pack(row["key"])
