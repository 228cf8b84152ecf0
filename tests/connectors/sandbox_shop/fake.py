"""The sandbox shop: a small shop over HTTP whose buyers and owner act by themselves in the demo."""

import base64
import hashlib
import hmac
import itertools
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from integration_manager.kit.fake_hooks import Hooks
from integration_manager.kit.fake_oauth import Grants
from integration_manager.kit.simulator import Reply, Request, moment, route, stamp

GOODS = (
    ("MUG-BLUE", "Mug, blue", "12.50"),
    ("MUG-RED", "Mug, red", "12.50"),
    ("TEA-GREEN", "Green tea, 100 g", "8.90"),
    ("TEA-BLACK", "Black tea, 100 g", "7.40"),
    ("POT-GLASS", "Glass teapot", "34.00"),
    ("TRAY-OAK", "Oak tray", "27.95"),
    ("SPOON-SET", "Four spoons", "15.20"),
    ("TIN-SMALL", "Small tin", "5.60"),
)
BUYERS = (
    ("Ada", "Okafor", "12 Mill Lane", "Portland", "OR", "97201", "US"),
    ("Jonas", "Lindqvist", "Storgatan 5", "Uppsala", "", "753 31", "SE"),
    ("María", "Núñez", "Calle Mayor 8, 2º", "Sevilla", "", "41001", "ES"),
    ("Léa", "Garnier", "3 rue des Écoles", "Lyon", "", "69001", "FR"),
    ("Sam", "Whitfield", "480 Cedar Street", "Austin", "TX", "78701", "US"),
    ("Yuki", "Tanaka", "1-2-3 Kita", "Sapporo", "", "060-0001", "JP"),
)
LONGEST_SKU = 40
SUPPLIERS = ("Hartwell Ceramics", "Nilgiri Tea Estates", "Osby Glassworks")
METHODS = ("GROUND", "GROUND", "GROUND", "EXPRESS", "ECONOMY")
UNKNOWN_METHOD = "DRONE"  # no warehouse knows it
BAD_ZIP = "00000"  # no carrier goes there


@dataclass(frozen=True, slots=True)
class Life:
    """How lively a shop is: seconds between orders, and the shares of what goes differently."""

    every: tuple[float, float] = (6, 12)
    unknown_method: float = 0.07
    bad_address: float = 0.05
    edited: float = 0.05
    canceled: float = 0.04
    repriced: float = 0.1  # with so many orders the owner changes the price of a product
    restocked: float = 0.06  # and with so many the owner orders goods from a supplier
    called_off: float = 0.15  # of those so many are called off soon
    corrected_after: tuple[float, float] = (40, 70)


class FakeShop(Grants):
    """One shop, which lets in who has its key, or was granted access.

    `life` makes orders come in by themselves; without it nothing happens.
    """

    system = "sandbox_shop"
    life: Life | None = None

    def setup(self) -> None:
        self.setup_oauth()
        self.orders = self.table("orders", sort="modified_at")
        self.levels = self.table("levels")
        self.products = self.table("products", sort="modified_at")
        self.purchases = self.table("purchases", sort="modified_at")
        self.plans = self.table("plans", sort="at")  # what the owner and the buyers will do
        self.hooks = self.table("webhooks")
        self.post, self.numbers = Hooks(), itertools.count(1)
        self.dice = random.Random(f"{self.name}{len(self.orders)}")

    def admits(self, request: Request) -> bool:
        return super().admits(request) or self.knows(request)

    # ── the interface ──

    @route("GET", "/api/shop")
    def shop(self, request: Request) -> Any:
        return {"id": self.name, "name": self.name.title()}

    @route("GET", "/api/orders")
    def list_orders(self, request: Request) -> Any:
        since = stamp(moment(request.query["modified_since"]))
        rows, more = self.page(request, self.orders.since(since))
        return {"orders": rows, "more": more}

    @route("POST", "/api/orders")
    def take_order(self, request: Request) -> Any:
        """One that somebody makes to try a set-up; the same number twice is the same order."""
        key = str(request.json["id"])
        if key not in self.orders:
            now = self.now()
            row = {"status": "paid", "created_at": now, "note": "", "gift_message": None, "warehouse": None}
            self.orders.put(key, {**row, **request.json, "modified_at": now})
            self._tell_all(key)
        return Reply(self.orders.get(key), 201)

    @route("GET", "/api/orders/{number}")
    def one_order(self, request: Request) -> Any:
        found = self._order(request.args["number"])
        return found or self.refuse(404, "no_such_order", "There is no such order.")

    @route("GET", "/api/orders/{key}/shipments")
    def list_shipments(self, request: Request) -> Any:
        return {"shipments": self.effects("shipment", request.args["key"])}

    @route("POST", "/api/orders/{key}/shipments")
    def ship(self, request: Request) -> Any:
        order = self.orders.rows.get(request.args["key"])
        if order is None:
            return self.refuse(404, "no_such_order", "There is no such order.")
        if order["status"] == "canceled":
            return self.refuse(422, "order_canceled", "The order is canceled.")
        said = request.json
        number = f"{order['id']}-{len(self.effects('shipment', order['id'])) + 1}"
        self.effect("shipment", order["id"], id=number, **said)
        shipped = sum(
            Decimal(line["quantity"]) for parcel in self.effects("shipment", order["id"]) for line in parcel["lines"]
        )
        wanted = sum(Decimal(line["quantity"]) for line in order["lines"])
        status = "shipped" if not said["lines"] or shipped >= wanted else order["status"]
        self._change(order["id"], status=status)
        return Reply({"id": number}, 201)

    @route("PUT", "/api/orders/{key}/shipments/{number}")
    def correct(self, request: Request) -> Any:
        known = {parcel["id"] for parcel in self.effects("shipment", request.args["key"])}
        if request.args["number"] not in known:
            return self.refuse(404, "no_such_shipment", "There is no such shipment.")
        self.effect("correction", request.args["number"], **request.json)
        return {}

    @route("POST", "/api/stock")
    def set_stock(self, request: Request) -> Any:
        results = []
        for level in request.json["levels"]:
            known = not level["sku"].startswith("UNKNOWN")
            problem = "" if Decimal(level["quantity"]) >= 0 else "A level cannot be negative."
            if known and not problem:
                self.levels.put(f"{level['sku']}@{level['warehouse']}", level)
                self.effect("stock", level["sku"], quantity=level["quantity"])
            results.append({"sku": level["sku"], "known": known, "problem": problem})
        return {"results": results}

    @route("POST", "/api/orders/{key}/cancel")
    def cancel(self, request: Request) -> Any:
        key = request.args["key"]
        if self.orders.rows[key]["status"] == "shipped":
            return self.refuse(422, "already_shipped", "The order has been shipped.")
        if self.orders.rows[key]["status"] != "canceled":
            self.effect("cancel", key, **request.json)
            self._change(key, status="canceled")
        return {}

    @route("POST", "/api/orders/{key}/refunds")
    def refund(self, request: Request) -> Any:
        said, key = request.json, request.args["key"]
        done = self.effects("refund", key)
        left = Decimal(self.orders.rows[key]["total"]) - sum(Decimal(one["amount"]) for one in done)
        if not 0 < Decimal(said["amount"]) <= left:
            return self.refuse(422, "too_much", f"There is {left} left to refund.")
        number = f"{key}-R{len(done) + 1}"
        # Our key is in the way of the journal's own.
        self.effect("refund", key, id=number, **{name: value for name, value in said.items() if name != "key"})
        return Reply({"id": number}, 201)

    @route("GET", "/api/orders/{key}/refunds")
    def list_refunds(self, request: Request) -> Any:
        return {"refunds": self.effects("refund", request.args["key"])}

    @route("GET", "/api/products")
    def list_products(self, request: Request) -> Any:
        """One by its SKU, or those that have changed."""
        sku = request.query.get("sku")
        if sku is not None:
            return {"products": [row for row in self.products if row["sku"] == sku]}
        rows, more = self.page(request, self.products.since(stamp(moment(request.query["modified_since"]))))
        return {"products": rows, "more": more}

    @route("POST", "/api/products")
    def add_product(self, request: Request) -> Any:
        """Nothing is unique here: twice is twice, as in many a shop."""
        said = request.json
        if not said.get("title"):
            return self.refuse(422, "no_title", "A product needs a title.")
        if len(said["sku"]) > LONGEST_SKU:
            return self.refuse(422, "sku_too_long", f"A SKU has at most {LONGEST_SKU} characters.")
        ours = [row["id"] for row in self.products if row["id"].startswith("N")]
        key = f"N{int(max(ours, default='N0')[1:]) + 1:05d}"
        self.offer(key, said["sku"], said["title"], None, barcode=said.get("barcode", ""))
        self.effect("product", said["sku"], id=key, said=said)
        return Reply({"id": key}, 201)

    @route("GET", "/api/purchase-orders")
    def list_purchases(self, request: Request) -> Any:
        rows, more = self.page(request, self.purchases.since(stamp(moment(request.query["modified_since"]))))
        return {"purchase_orders": rows, "more": more}

    @route("PUT", "/api/purchase-orders/{key}/received")
    def note_received(self, request: Request) -> Any:
        """Totals: the same once more changes nothing."""
        key, said = request.args["key"], request.json
        known = self.purchases.get(key)
        if known is None:
            return self.refuse(404, "no_such_purchase_order", "There is no such purchase order.")
        strange = {line["id"] for line in said["lines"]} - {line["id"] for line in known["lines"]}
        if strange:
            return self.refuse(422, "no_such_line", f"The purchase order has no line {sorted(strange)[0]}.")
        if known.get("received") != said:
            closed = known["status"] == "open" and said["closed"]
            self.purchases.change(key, received=said, status="closed" if closed else known["status"])
            self.effect("received", key, **said)
        return {}

    @route("PUT", "/api/webhooks")
    def subscribe(self, request: Request) -> Any:
        said = request.json
        number = "H" + hashlib.sha256(said["url"].encode()).hexdigest()[:8]
        self.hooks.put(number, {"id": number, **said})
        self._tell(self.hooks.rows[number], "ping", {})
        return {"id": number}

    @route("DELETE", "/api/webhooks/{number}")
    def unsubscribe(self, request: Request) -> Any:
        self.hooks.remove(request.args["number"])
        return {}

    def _tell(self, hook: Any, topic: str, said: Any) -> None:
        """Sends one webhook, signed with the time."""
        body, now = json.dumps(said).encode(), datetime.now(UTC).isoformat()
        digest = hmac.new(hook["secret"].encode(), f"{now}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json", "X-Shop-Topic": topic,
            "X-Shop-Delivery": f"D{next(self.numbers)}", "X-Shop-Signed-At": now,
            "X-Shop-Signature": base64.b64encode(digest).decode(),
        }  # fmt: skip
        self.post.send(hook["url"], headers, body)

    def _tell_all(self, key: str) -> None:
        for hook in self.hooks:
            self._tell(hook, "order.changed", {"order": key})

    # ── what buyers and the owner do ──

    def place(self, number: int, modified: datetime, created: datetime | None = None) -> str:
        key = str(number)
        if key in self.orders:
            self.orders.change(key, modified_at=stamp(modified), note="changed by the buyer")
            self._tell_all(key)
            return key
        dice = random.Random(number)
        first, last, street, city, state, zip_code, country = BUYERS[number % len(BUYERS)]
        lines: list[dict[str, Any]] = []
        for i, (sku, title, price) in enumerate(dice.sample(GOODS, dice.randint(1, 3))):
            quantity = dice.choice((1, 1, 1, 2, 3))
            line = {"id": f"{key}-{i + 1}", "sku": sku, "title": title, "price": price}
            lines.append({**line, "quantity": quantity, "discount": "0.00", "tax": "0.00"})
        goods = sum(Decimal(line["price"]) * line["quantity"] for line in lines)
        address = {
            "first_name": first, "last_name": last, "address_1": street, "city": city,
            "state": state, "zip": zip_code, "country": country,
            "phone": "", "email": f"{first}@example.com".lower(),
        }  # fmt: skip
        row = {
            "id": key, "number": f"{self.name[:3].upper()}-{number}", "status": "paid",
            "created_at": stamp(created or modified), "modified_at": stamp(modified),
            "currency": "USD", "shipping_method": dice.choice(METHODS), "note": "",
            "gift_message": None, "warehouse": None, "tags": [],
            "ship_to": address, "bill_to": address, "lines": lines,
            "subtotal": str(goods), "discount": "0.00", "tax": "0.00",
            "shipping": "4.95", "total": str(goods + Decimal("4.95")),
        }  # fmt: skip
        self.orders.put(key, row)
        self._tell_all(key)
        return key

    def product(self, number: int, modified: datetime) -> str:
        key = f"G{number}"
        if key in self.products:
            self.products.change(key, title=f"Thing {number}, new", modified_at=stamp(modified))
        else:
            self.offer(key, f"SKU-{number:05d}", f"Thing {number}", "9.90", at=modified)
        return key

    def offer(
        self, key: str, sku: str, title: str, price: str | None, *, at: datetime | None = None, **more: Any
    ) -> None:
        """The owner offers a product, or changes one."""
        row = {"id": key, "sku": sku, "title": title, "price": price, "currency": "USD", "weight_lb": "0.80",
               "barcode": "", **more}  # fmt: skip
        self.products.put(key, {**row, "modified_at": stamp(at or self.clock())})

    def purchase(self, number: int, modified: datetime) -> str:
        key = f"PO{number}"
        if key in self.purchases:
            self.purchases.change(key, note=f"changed {stamp(modified)}", modified_at=stamp(modified))
        else:
            self.restock(key, ("MUG-BLUE", 48), ("TEA-GREEN", 20), at=modified)
        return key

    def restock(self, key: str, *goods: tuple[str, int], at: datetime | None = None, **more: Any) -> None:
        """The owner orders goods, (SKU, quantity) each, from a supplier; or changes what is ordered."""
        when = at or self.clock()
        lines = [
            {"id": f"{key}-{n}", "sku": sku, "title": sku.title(), "quantity": quantity, "cost": "3.20"}
            for n, (sku, quantity) in enumerate(goods, 1)
        ]
        row = {
            "id": key, "number": f"{self.name[:3].upper()}-{key}", "status": "open", "supplier": SUPPLIERS[0],
            "created_at": stamp(when), "expected_on": f"{when + timedelta(days=9):%Y-%m-%d}", "warehouse": None,
            "currency": "USD", "note": "", "lines": lines, **more,
        }  # fmt: skip
        self.purchases.put(key, {**row, "modified_at": stamp(when)})

    def change(self, key: str, **fields: Any) -> None:
        """The owner changes an order now."""
        with self.lock:
            self._change(key, **fields)

    def _change(self, key: str, **fields: Any) -> None:
        self.orders.change(key, **fields, modified_at=self.now())
        self._tell_all(key)

    def _order(self, number: str) -> Any:
        if number in self.orders:
            return self.orders.get(number)
        short = number.rpartition("-")[2]
        found = self.orders.get(short)
        return found if found and found["number"] == number else None

    # ── life ──

    def live(self, *pace: float) -> None:
        """From now on orders come in by themselves: seconds between them, at least and at most."""
        self.life = Life(every=(pace[0], pace[1])) if pace else Life()
        if not len(self.products):
            for number, (sku, title, price) in enumerate(GOODS, 1):
                self.offer(f"G{number}", sku, title, price)
            self.offer("G99", "", "Gift card", "25.00")  # nobody has thought of a SKU
        if not len(self.purchases):
            self.restock("PO500", ("MUG-BLUE", 48), ("POT-GLASS", 12))

    def tick(self) -> None:
        if self.life is None:
            return
        now = self.clock()
        if not len(self.plans):
            self._plan("buy", "", self.dice.uniform(1, self.life.every[0]))
        for plan in self.plans.since()[:10]:
            if plan["at"] > stamp(now):
                return
            self.plans.remove(plan["key"])
            if plan["what"] == "call off":
                if self.purchases.rows[plan["order"]]["status"] == "open":
                    self.purchases.change(plan["order"], status="canceled", modified_at=self.now())
            elif plan["what"] == "buy":
                self._buy(self.life)
                self._plan("buy", "", self.dice.uniform(*self.life.every))
            elif self.orders.rows[plan["order"]]["status"] == "paid":
                self._carry_out(plan["what"], plan["order"])

    def _plan(self, what: str, order: str, seconds: float) -> None:
        key = f"{what}:{order}"
        at = stamp(self.clock() + timedelta(seconds=seconds))
        self.plans.put(key, {"key": key, "what": what, "order": order, "at": at})

    def _buy(self, life: Life) -> None:
        key = self.place(1001 + len(self.orders), self.clock())
        order, roll = self.orders.rows[key], self.dice.random()
        later = self.dice.uniform(*life.corrected_after)
        shares = {
            "correct_method": life.unknown_method,
            "correct_zip": life.bad_address,
            "edit": life.edited,
            "cancel": life.canceled,
        }
        what = ""
        for name, share in shares.items():
            if not what and roll < share:
                what = name
            roll -= share
        if self.dice.random() < life.repriced:
            number = self.dice.randrange(len(GOODS))
            sku, title, _ = GOODS[number]
            self.offer(f"G{number + 1}", sku, title, f"{self.dice.randint(5, 40)}.90")
        if self.dice.random() < life.restocked:
            self._restock(life)
        if not what:
            return
        if what == "correct_method":
            self.orders.change(key, shipping_method=UNKNOWN_METHOD)
        elif what == "correct_zip":
            self.orders.change(key, ship_to={**order["ship_to"], "zip": BAD_ZIP})
        else:  # soon: most of these come before the order is at the warehouse
            later = self.dice.uniform(1, 8)
        self._plan(what, key, later)

    def _restock(self, life: Life) -> None:
        """The owner orders what sells well from one of the suppliers."""
        key = f"PO{501 + len(self.purchases)}"
        goods = [(sku, 12 * self.dice.randint(1, 6)) for sku, _, _ in self.dice.sample(GOODS, self.dice.randint(1, 4))]
        self.restock(key, *goods, supplier=self.dice.choice(SUPPLIERS))
        if self.dice.random() < life.called_off:
            self._plan("call off", key, self.dice.uniform(30, 60))

    def _carry_out(self, what: str, key: str) -> None:
        order = self.orders.rows[key]
        if what == "correct_method":
            self._change(key, shipping_method="EXPRESS")
        elif what == "correct_zip":
            self._change(key, ship_to={**order["ship_to"], "zip": order["bill_to"]["zip"]})
        elif what == "edit":
            self._change(key, note="Please ring twice.")
        elif what == "cancel":
            self._change(key, status="canceled")
