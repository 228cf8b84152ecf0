"""WooCommerce that is not there: orders, notes, refunds, webhooks and a tracking plug-in, as strict as it."""

import base64
import hashlib
import hmac
import itertools
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from integration_manager.kit.fake_hooks import Hooks
from integration_manager.kit.simulator import Reply, Request, route
from tests.connectors.woocommerce.catalog import GOODS, LOCAL, ORDER_BY, Catalog, dated, gmt, is_among
from tests.connectors.woocommerce.wordpress import Refused

CORE = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")
TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored", "product.updated")
BUYERS = (
    ("Ada", "Okafor", "12 Mill Lane", "Portland", "OR", "97201", "US"),
    ("Jonas", "Lindqvist", "Storgatan 5", "Uppsala", "", "753 31", "SE"),
    ("Léa", "Garnier", "3 rue des Écoles", "Lyon", "", "69001", "FR"),
)
METHODS = ("GROUND", "GROUND", "EXPRESS", "ECONOMY")


class FakeWooCommerce(Catalog):
    """One shop. `plugin`: the namespace of its shipment-tracking plug-in, if it has one."""

    system = "woocommerce"
    plugin = ""
    statuses: tuple[str, ...] = ()  # of other plug-ins
    gateway = True  # the payment gateway can pay back
    lively = False
    reports = True  # the key's user may see them

    def setup(self) -> None:
        self.orders = self.table("orders", sort="date_modified_gmt")
        self.notes, self.refunds = self.table("notes"), self.table("refunds")
        self.trackings, self.hooks = self.table("trackings"), self.table("webhooks")
        self.setup_catalog()
        self.post, self.dice = Hooks(), random.Random(f"{self.name}{len(self.orders)}")
        known = [int(row["id"]) for table in (self.notes, self.refunds, self.hooks) for row in table]
        self.numbers = itertools.count(max(known, default=50_000) + 1)
        self.next_order = self.clock() + timedelta(seconds=2)

    def answers_to(self, name: str) -> bool:
        known = "shipment-trackings" not in name or (bool(self.plugin) and name.startswith(f"/{self.plugin}/"))
        return known and super().answers_to(name)

    # ── orders ──

    @route("GET", "/wc/v3/orders")
    def list_orders(self, request: Request) -> Any:
        names = {"any", "trash", *CORE, *self.statuses}
        asked = self.asked(
            request, status=names, modified_after=datetime, orderby=ORDER_BY, dates_are_gmt={"true", "1"}
        )
        after = asked.get("modified_after", "")[:19]
        if after and "dates_are_gmt" not in asked:
            after = (datetime.fromisoformat(after) - LOCAL).isoformat()
        wanted = set(asked.get("status", "any").split(","))
        rows = [row for row in self.orders.since(after and after + "~") if is_among(row, wanted)]
        if word := request.query.get("search"):
            rows = [row for row in rows if word in (row["number"], row["billing"]["last_name"])]
        if asked.get("orderby") != "modified":
            rows.sort(key=lambda row: row["date_created_gmt"])
        if asked.get("order", "desc") == "desc":
            rows.reverse()
        return self.paged(request, asked, rows)

    @route("GET", "/wc/v3/reports/orders/totals")
    def totals(self, request: Request) -> Any:
        if not self.reports:
            raise Refused(self.refuse(403, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources."))
        counts = Counter(row["status"] for row in self.orders)
        return [
            {"slug": slug, "name": slug.replace("-", " ").capitalize(), "total": counts[slug]}
            for slug in (*CORE, *self.statuses)
        ]

    @route("GET", "/wc/v3/orders/{key}")
    def one_order(self, request: Request) -> Any:
        return self._order(request)

    @route("PUT", "/wc/v3/orders/{key}")
    def put_order(self, request: Request) -> Any:
        return self._save(self._order(request), request.json)

    @route("POST", "/wc/v3/orders/batch")
    def batch_orders(self, request: Request) -> Any:
        rows = self._batch(request, lambda row: self._save(self.orders.rows[str(row["id"])], row))
        return {"update": rows} if rows else {}

    @route("GET", "/wc/v3/orders/{key}/notes")
    def list_notes(self, request: Request) -> Any:
        key = self._order(request)["id"]
        return [row for row in self.notes if row["order_id"] == key]

    @route("POST", "/wc/v3/orders/{key}/notes")
    def add_note(self, request: Request) -> Any:
        order, said = self._order(request), request.json
        if not said.get("note"):
            return self.refuse(400, "rest_missing_callback_param", "Missing parameter(s): note", params=["note"])
        number = next(self.numbers)
        row = {"id": number, "order_id": order["id"], "author": "WooCommerce", "date_created_gmt": self.second()}
        row |= {"note": said["note"], "customer_note": bool(said.get("customer_note"))}
        self.effect("note", str(order["id"]), text=said["note"], mail=row["customer_note"])
        return Reply(self.notes.put(str(number), row), 201)

    @route("GET", "/wc/v3/orders/{key}/refunds")
    def list_refunds(self, request: Request) -> Any:
        key = self._order(request)["id"]
        asked = self.asked(request)
        return self.paged(request, asked, [row for row in self.refunds if row["parent_id"] == key])

    @route("POST", "/wc/v3/orders/{key}/refunds")
    def add_refund(self, request: Request) -> Any:
        order, said = self._order(request), request.json
        wanted = [(str(line["id"]), line) for line in said.get("line_items", [])]
        if said.get("api_refund", True) and not self.gateway:
            message = "The payment gateway for this order does not support automatic refunds."
            return self.refuse(500, "woocommerce_rest_cannot_create_order_refund", message)
        row = self._refund(order, Decimal(said["amount"]), said.get("reason", ""), dict(wanted))
        self.effect("refund", str(order["id"]), amount=row["amount"], paid=said.get("api_refund", True))
        return Reply(row, 201)

    def _refund(self, order: Any, amount: Decimal, reason: str, wanted: dict[str, Any]) -> Any:
        left = Decimal(order["total"]) + sum(Decimal(one["total"]) for one in order["refunds"])
        if not 0 < amount <= left:
            reply = self.refuse(500, "woocommerce_rest_cannot_create_order_refund", "Invalid refund amount.")
            raise Refused(reply)
        lines: dict[str, list[Any]] = {"line_items": [], "shipping_lines": []}
        for name in lines:
            for line in order[name]:
                if said := wanted.pop(str(line["id"]), None):
                    lines[name].append(_taken_back(line, said))
        # What the order does not have (any more) is passed over without a word.
        number = next(self.numbers)
        row = {"id": number, "parent_id": order["id"], "amount": f"{amount:.2f}", "reason": reason, **lines}
        self.refunds.put(str(number), row)
        summary = [*order["refunds"], {"id": number, "reason": reason, "total": f"-{amount:.2f}"}]
        self._change(str(order["id"]), refunds=summary, **({"status": "refunded"} if amount == left else {}))
        return row

    def _order(self, request: Request) -> Any:
        row = self.orders.get(request.args["key"])
        if row is None or not request.args["key"].isdecimal():
            raise Refused(self.refuse(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID."))
        return row

    def _save(self, row: Any, said: Any) -> Any:
        key, meta = str(row["id"]), list(row["meta_data"])
        status = said.get("status", row["status"])
        if status not in (*CORE, *self.statuses):
            raise Refused(self.refuse(400, "rest_invalid_param", "Invalid parameter(s): status"))
        for one in said.get("meta_data", []):
            known = [old for old in meta if old["key"] == one["key"]]
            if not known and one["key"].startswith("_im_parcel_"):
                self.effect("shipment", key, **json.loads(one["value"]))
            meta = [old for old in meta if old not in known]
            meta.append({"id": known[0]["id"] if known else next(self.numbers), **one})
        if status == "cancelled" != row["status"]:
            self.effect("cancel", key)
        return self._change(key, status=status, meta_data=meta)

    # ── the tracking plug-ins: Shipment Tracking, and AST, which answers to both namespaces ──

    @route("GET", "/wc-shipment-tracking/v3/orders/{key}/shipment-trackings")
    @route("GET", "/wc-ast/v3/orders/{key}/shipment-trackings")
    def list_trackings(self, request: Request) -> Any:
        key = self._order(request)["id"]
        return [row for row in self.trackings if row["order_id"] == key]

    @route("POST", "/wc-shipment-tracking/v3/orders/{key}/shipment-trackings")
    @route("POST", "/wc-ast/v3/orders/{key}/shipment-trackings")
    def add_tracking(self, request: Request) -> Any:
        key, said = self._order(request)["id"], request.json
        if not said.get("tracking_number"):
            return self.refuse(400, "rest_missing_callback_param", "Missing parameter(s): tracking_number")
        if self.plugin.startswith("wc-ast") and not said["tracking_number"].replace("-", "").isalnum():
            return self.refuse(404, "woocommerce_rest_order_invalid_id", "Special character not allowd")
        number = hashlib.md5(f"{next(self.numbers)}".encode(), usedforsecurity=False).hexdigest()
        row = {
            "tracking_id": number, "order_id": key, "tracking_number": said["tracking_number"],
            "tracking_provider": said.get("custom_tracking_provider") or said.get("tracking_provider", ""),
            "tracking_link": said.get("custom_tracking_link", ""), "date_shipped": said.get("date_shipped", ""),
        }  # fmt: skip
        return Reply(self.trackings.put(number, row), 201)

    @route("DELETE", "/wc-shipment-tracking/v3/orders/{key}/shipment-trackings/{id}")
    @route("DELETE", "/wc-ast/v3/orders/{key}/shipment-trackings/{id}")
    def drop_tracking(self, request: Request) -> Any:
        row = self.trackings.get(request.args["id"])
        if row is None:
            return self.refuse(404, "woocommerce_rest_order_shipment_tracking_invalid_id", "Invalid ID.")
        self.trackings.remove(request.args["id"])
        return row

    # ── webhooks ──

    @route("GET", "/wc/v3/webhooks")
    def list_webhooks(self, request: Request) -> Any:
        rows = [{name: value for name, value in row.items() if name != "secret"} for row in self.hooks]
        return self.paged(request, self.asked(request), rows)

    @route("POST", "/wc/v3/webhooks")
    def add_webhook(self, request: Request) -> Any:
        said = request.json
        if said.get("topic") not in TOPICS:
            return self.refuse(400, "woocommerce_rest_invalid_webhook_topic", "Webhook topic is required and valid.")
        if not str(said.get("delivery_url", "")).startswith(("http://", "https://")):
            return self.refuse(400, "woocommerce_rest_invalid_webhook_delivery_url", "Delivery URL must be valid.")
        number = next(self.numbers)
        row = self.hooks.put(str(number), {"id": number, "status": "active", **said})
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.post.send(row["delivery_url"], form, f"webhook_id={number}".encode())
        return Reply(row, 201)

    @route("PUT", "/wc/v3/webhooks/{key}")
    def put_webhook(self, request: Request) -> Any:
        if request.args["key"] not in self.hooks:
            return self.refuse(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        return self.hooks.change(request.args["key"], **request.json)

    @route("DELETE", "/wc/v3/webhooks/{key}")
    def drop_webhook(self, request: Request) -> Any:
        row = self.hooks.get(request.args["key"])
        if row is None:
            return self.refuse(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        if request.query.get("force") != "true":
            return self.refuse(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        self.hooks.remove(request.args["key"])
        return row

    def _tell(self, topic: str, row: Any) -> None:
        body = json.dumps({"id": row["id"]} if topic == "order.deleted" else row).encode()
        for hook in self.hooks:
            if hook["topic"] != topic or hook["status"] != "active":
                continue
            digest = hmac.new(hook["secret"].encode(), body, hashlib.sha256).digest()
            resource, event = topic.split(".")
            # Two deliveries of one run of its cron have the same ID.
            run = hashlib.md5(f"{hook['id']}{self.second()[:15]}".encode(), usedforsecurity=False).hexdigest()
            headers = {
                "Content-Type": "application/json", "X-WC-Webhook-Topic": topic, "X-WC-Webhook-Resource": resource,
                "X-WC-Webhook-Event": event, "X-WC-Webhook-ID": str(hook["id"]), "X-WC-Webhook-Delivery-ID": run,
                "X-WC-Webhook-Signature": base64.b64encode(digest).decode(),
            }  # fmt: skip
            self.post.send(hook["delivery_url"], headers, body)

    # ── what buyers and the merchant do ──

    def place(self, number: int, modified: datetime, created: datetime | None = None) -> str:
        key = str(1000 + number)
        if key in self.orders:
            return self._stamped(key, modified, customer_note="changed by the buyer")
        dice = random.Random(number)
        picked = dice.sample(GOODS, dice.randint(1, 3))
        # The first buyer takes a dozen of each: enough to be refunded one by one.
        goods = [(*good, 12 if number == 1 else dice.choice((1, 1, 2, 3))) for good in picked]
        return self._new(key, number, goods, dice.choice(METHODS), modified, created or modified)

    def order_of(self, number: int, *goods: tuple[str, int], **fields: Any) -> str:
        """A buyer orders these (SKU, quantity) now."""
        with self.lock:
            key, now = str(1000 + number), self.clock()
            wanted = [(sku, sku, "10.00", quantity) for sku, quantity in goods]
            self._new(key, number, wanted, "GROUND", now, now)
            return self._stamped(key, now, **fields) if fields else key

    def edit(self, key: str, **fields: Any) -> None:
        """The merchant changes an order now."""
        with self.lock:
            self._change(key, **fields)

    def give_back(self, key: str, amount: str, reason: str = "", **pieces: int) -> None:
        """The merchant refunds: an amount, with `l<line id>=quantity`."""
        with self.lock:
            wanted = {name[1:]: {"quantity": quantity} for name, quantity in pieces.items()}
            self._refund(self.orders.rows[key], Decimal(amount), reason, wanted)

    def trash(self, key: str) -> None:
        """The merchant moves an order to the trash."""
        with self.lock:
            self._change(key, status="trash")

    def _new(self, key: str, number: int, goods: Any, method: str, modified: datetime, created: datetime) -> str:
        first, last, street, city, state, postcode, country = BUYERS[number % len(BUYERS)]
        lines = []
        for i, (sku, name, price, quantity) in enumerate(goods, 1):
            total, tax = Decimal(price) * quantity, Decimal(price) * quantity / 10
            lines.append({
                "id": int(key) * 10 + i, "name": name, "product_id": i, "variation_id": 0, "quantity": quantity,
                "subtotal": f"{total:.2f}", "subtotal_tax": f"{tax:.2f}", "total": f"{total:.2f}",
                "total_tax": f"{tax:.2f}", "taxes": [{"id": 7, "total": f"{tax:.2f}", "subtotal": f"{tax:.2f}"}],
                "meta_data": [], "sku": sku, "price": float(price),
            })  # fmt: skip
        tax = sum(Decimal(line["total_tax"]) for line in lines)
        total = sum(Decimal(line["total"]) for line in lines) + tax + Decimal("4.95")
        who = {
            "first_name": first, "last_name": last, "company": "", "address_1": street, "address_2": "",
            "city": city, "state": state, "postcode": postcode, "country": country, "phone": "",
        }  # fmt: skip
        row = {
            "id": int(key), "parent_id": 0, "number": f"{self.name[:3].upper()}{number}", "status": "processing",
            "currency": "USD", "date_created": (created.astimezone(UTC) + LOCAL).strftime("%Y-%m-%dT%H:%M:%S"),
            "date_created_gmt": gmt(created), "discount_total": "0.00", "shipping_total": "4.95",
            "total": f"{total:.2f}", "total_tax": f"{tax:.2f}", "customer_id": 0, "customer_note": "",
            "billing": {**who, "email": f"buyer{number}@example.com", "phone": "555-0100"}, "shipping": who,
            "payment_method_title": "Card", "line_items": lines, "coupon_lines": [], "fee_lines": [], "refunds": [],
            "shipping_lines": [{"id": int(key) * 10, "method_title": method, "method_id": "flat_rate", "total": "4.95",
                                "total_tax": "0.00", "taxes": []}],
            "meta_data": [], "needs_processing": True,
        }  # fmt: skip
        self.orders.put(key, {**row, **dated(modified)})
        self._tell("order.created", self.orders.rows[key])
        return key

    def _change(self, key: str, **fields: Any) -> Any:
        self._stamped(key, self.clock(), **fields)
        return self.orders.rows[key]

    def _stamped(self, key: str, at: datetime, **fields: Any) -> str:
        was = self.orders.rows[key]["status"]
        row = self.orders.change(key, **fields, **dated(at))
        gone, back = row["status"] == "trash" != was, was == "trash" != row["status"]
        self._tell("order.deleted" if gone else "order.restored" if back else "order.updated", row)
        return key

    def second(self) -> str:
        """Now, as its database has it."""
        return gmt(self.clock())

    # ── life ──

    def live(self, *pace: float) -> None:
        self.lively = True

    def tick(self) -> None:
        if self.lively and self.clock() >= self.next_order:
            self.next_order = self.clock() + timedelta(seconds=self.dice.uniform(15, 45))
            self.place(1 + len(self.orders), self.clock())


def _taken_back(line: Any, said: Any) -> Any:
    """A line of a refund: negative, and with the line it belongs to."""
    quantity = int(said.get("quantity", 0))
    share = Decimal(quantity) / line["quantity"] if line.get("quantity") else Decimal(0)
    total = Decimal(str(said.get("refund_total") or Decimal(line["total"]) * share))
    tax = sum((Decimal(str(one["refund_total"])) for one in said.get("refund_tax", [])), Decimal(0))
    if "refund_total" not in said:
        tax = Decimal(line["total_tax"]) * share
    return {
        "id": line["id"] + 100_000, "quantity": -quantity, "total": f"-{total:.2f}", "total_tax": f"-{tax:.2f}",
        "sku": line.get("sku", ""), "meta_data": [{"id": 1, "key": "_refunded_item_id", "value": str(line["id"])}],
    }  # fmt: skip
