"""Shopify that is not there: orders with fulfillment orders, stock, refunds, webhooks, as strict as it."""

import base64
import copy
import hashlib
import hmac
import itertools
import json
import random
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from integration_manager.kit.fake_hooks import Hooks
from tests.connectors.shopify.admin import Refused, connection, nonce, number_of, numbered
from tests.connectors.shopify.catalog import GOODS, Catalog
from tests.connectors.shopify.views import (
    OPEN,
    address,
    job_view,
    made_view,
    order_view,
    part_view,
    second,
    unit,
)

METHODS = ("GROUND", "GROUND", "EXPRESS", "ECONOMY")
HOME = ("501", "Mill Street")
REASONS = {
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_created",
    "other",
    "received",
    "restock",
    "shrinkage",
}


class FakeShopify(Catalog):
    """One shop."""

    system = "shopify"
    page_size = 8
    lively = False
    slow_jobs = False  # cancellations go on until `work`
    job_fails: str | None = None  # why they come to nothing; "": nobody says

    def setup(self) -> None:
        self.setup_admin()
        self.orders, self.items = self.table("orders", sort="updated"), self.table("items")
        self.places, self.hooks = self.table("locations"), self.table("webhooks")
        self.jobs = self.table("jobs")  # cancellations
        self.setup_catalog()
        self.post, self.dice = Hooks(), random.Random(f"{self.name}{len(self.orders)}")
        self.numbers = itertools.count(90_000 + sum(1 for _ in self.orders) * 1000 + len(self.hooks))
        self.next_order = self.clock() + timedelta(seconds=2)
        if not len(self.places):
            self.place_at(*HOME)
        for number, (sku, _, _) in enumerate(GOODS, 1):
            if str(number) not in self.items:
                self.item(number, sku)

    # ── what may be asked ──

    def ask_shop(self) -> Any:
        return {"id": numbered("Shop", 77), "name": self.name.title(), "currencyCode": "USD",
                "myshopifyDomain": f"{self.name}.myshopify.com"}  # fmt: skip

    def ask_currentAppInstallation(self) -> Any:
        from integration_manager.kit.shopify import SCOPES

        granted = self.scopes if self.scopes is not None else SCOPES
        return {"accessScopes": [{"handle": name} for name in sorted(granted)]}

    def ask_orders(self, first: int, query: str = "", sortKey: str = "ID", after: str | None = None) -> Any:
        if found := re.fullmatch(r"updated_at:>='([0-9T:-]+Z)'", query):
            rows = self.orders.since(found[1])[:]
        elif found := re.fullmatch(r'name:"((?:\\.|[^"\\])*)"', query):
            name = re.sub(r"\\(.)", r"\1", found[1])
            rows = [row for row in self.orders.since() if row["name"].lstrip("#").startswith(name.lstrip("#"))]
        else:
            raise Refused(f"This search is not understood: {query}", "BAD_REQUEST")
        if sortKey != "UPDATED_AT":
            rows.sort(key=lambda row: row["key"])
        view = connection(rows, lambda row: order_view(self, row), lambda row: f"{row['updated']} {row['key']}")
        return view({"first": first, "after": after})

    def ask_order(self, id: str) -> Any:
        row = self.orders.get(number_of(id, "Order"))
        return order_view(self, row) if row else None

    def ask_fulfillmentOrder(self, id: str) -> Any:
        return next((part_view(self, part) for row in self.orders for part in row["parts"] if part["id"] == id), None)

    def ask_fulfillment(self, id: str) -> Any:
        number = int(number_of(id, "Fulfillment"))
        return next(
            (made_view(row, one) for row in self.orders for one in row["fulfillments"] if one["id"] == number), None
        )

    def ask_nodes(self, ids: list[str]) -> Any:
        if len(ids) > 250:
            raise Refused("The input array size is greater than the maximum allowed of 250.", "MAX_INPUT_SIZE_EXCEEDED")
        return [self.ask_node(one) for one in ids]

    def ask_node(self, id: str) -> Any:
        if id.startswith("gid://shopify/Fulfillment/"):
            return self.ask_fulfillment(id)
        job = self.jobs.get(number_of(id, "OrderCancelJobResult"))
        return job_view(job) if job else None

    def ask_locations(self, first: int, after: str | None = None) -> Any:
        return connection([self._place(row) for row in self.places])({"first": first, "after": after})

    def ask_inventoryItems(self, first: int, query: str, after: str | None = None) -> Any:
        if not re.fullmatch(r'sku:"(?:\\.|[^"\\])*"(?: OR sku:"(?:\\.|[^"\\])*")*', query):
            raise Refused(f"This search is not understood: {query}", "BAD_REQUEST")
        wanted = {re.sub(r"\\(.)", r"\1", sku).casefold() for sku in re.findall(r'sku:"((?:\\.|[^"\\])*)"', query)}
        rows = [row for row in self.items if row["sku"].casefold() in wanted]
        return connection(rows, self._item)({"first": first, "after": after})

    def ask_webhookSubscriptions(self, first: int, uri: str, after: str | None = None) -> Any:
        return connection([row for row in self.hooks if row["uri"] == uri])({"first": first, "after": after})

    def _place(self, row: Any) -> Any:
        return {**row, "isActive": True, "shipsInventory": True}

    def _item(self, row: Any) -> Any:
        def level(args: dict[str, Any]) -> Any:
            quantity = row["levels"].get(number_of(args["locationId"], "Location"))
            return None if quantity is None else {"quantities": lambda _: [{"name": "available", "quantity": quantity}]}

        return {"id": numbered("InventoryItem", row["key"]), "sku": row["sku"], "tracked": row["tracked"],
                "inventoryLevel": level}  # fmt: skip

    # ── fulfillments ──

    def do_fulfillmentCreate(self, fulfillment: Any) -> Any:
        wanted = fulfillment["lineItemsByFulfillmentOrder"]
        ids = {one["fulfillmentOrderId"] for one in wanted}
        rows = [row for row in self.orders if ids & {part["id"] for part in row["parts"]}]
        if len(rows) != 1 or len(ids) != len([p for p in rows[0]["parts"] if p["id"] in ids]):
            return _wrong("Fulfillment order does not exist.", fulfillment=None)
        row = copy.deepcopy(rows[0])  # nothing of it counts unless all of it is right
        parts = {part["id"]: part for part in row["parts"]}
        if len({parts[one]["location"] for one in ids}) > 1:
            return _wrong("All fulfillment orders must be assigned to the same location.", fulfillment=None)
        told: dict[str, int] = {}
        for one in wanted:
            part = parts[one["fulfillmentOrderId"]]
            if part["status"] not in OPEN or part.get("service"):
                said = f"Fulfillment order {part['id']} has an unfulfillable status= {part['status'].lower()}."
                return _wrong(said, fulfillment=None)
            lines = {line["id"]: line for line in part["lines"]}
            if len(one.get("fulfillmentOrderLineItems") or ()) > 512:
                return _wrong("A maximum of 512 line items is accepted.", fulfillment=None)
            chosen = one.get("fulfillmentOrderLineItems") or [
                {"id": key, "quantity": line["remaining"]} for key, line in lines.items()
            ]
            for said in chosen:
                line = lines[said["id"]]
                if not 0 < said["quantity"] <= line["remaining"]:
                    return _wrong("Invalid fulfillment order line item quantity requested.", fulfillment=None)
                told[line["line"]] = told.get(line["line"], 0) + said["quantity"]
                line["remaining"] -= said["quantity"]
            left = sum(line["remaining"] for line in part["lines"])
            part["status"] = "IN_PROGRESS" if left else "CLOSED"
        number, way = next(self.numbers), fulfillment.get("trackingInfo") or {}
        made = {"id": number, "status": "SUCCESS", "lines": told, "company": way.get("company"),
                "number": way.get("number"), "url": way.get("url"),
                "mailed": bool(fulfillment.get("notifyCustomer"))}  # fmt: skip
        self.effect("shipment", row["key"], no=way.get("number"), lines=told, mailed=made["mailed"])
        done = not any(part["status"] in (*OPEN, "ON_HOLD", "SCHEDULED") for part in row["parts"])
        self._change(row["key"], parts=row["parts"], fulfillments=[*row["fulfillments"], made], closed=done)
        return {
            "fulfillment": {"id": numbered("Fulfillment", number), "legacyResourceId": str(number)},
            "userErrors": [],
        }

    def do_fulfillmentTrackingInfoUpdate(self, fulfillmentId: str, trackingInfoInput: Any, notifyCustomer: bool) -> Any:
        number = int(number_of(fulfillmentId, "Fulfillment"))
        for row in self.orders:
            for made in row["fulfillments"]:
                if made["id"] == number:
                    way = {name: trackingInfoInput.get(name) for name in ("company", "number", "url")}
                    made |= way
                    self._change(row["key"], fulfillments=row["fulfillments"])
                    return {"fulfillment": {"id": fulfillmentId, "legacyResourceId": str(number)}, "userErrors": []}
        return _wrong("Fulfillment does not exist.", fulfillment=None)

    # ── stock ──

    def do_inventorySetQuantities(self, input: Any) -> Any:
        errors, changes = [], []
        if input["name"] not in ("available", "on_hand"):
            errors.append(_error(["input", "name"], "INVALID_NAME", "The quantity name is invalid."))
        if input["reason"] not in REASONS:
            errors.append(_error(["input", "reason"], "INVALID_REASON", "The specified reason is invalid."))
        if len(input["quantities"]) > 250:
            raise Refused("The input array size is greater than the maximum allowed of 250.", "MAX_INPUT_SIZE_EXCEEDED")
        for at, one in enumerate(input["quantities"]):
            row = self.items.get(number_of(one["inventoryItemId"], "InventoryItem"))
            place = number_of(one["locationId"], "Location")
            path = ["input", "quantities", str(at)]
            if "changeFromQuantity" not in one:
                errors.append(_error(path, "COMPARE_QUANTITY_REQUIRED", "changeFromQuantity is required."))
            elif row is None:
                errors.append(_error(path, "INVALID_INVENTORY_ITEM", "The inventory item could not be found."))
            elif place not in row["levels"]:
                errors.append(_error(path, "INVALID_LOCATION", "The item is not stocked at the location."))
            elif one["quantity"] < 0:
                errors.append(_error(path, "INVALID_QUANTITY_NEGATIVE", "The quantity can't be negative."))
            elif one["changeFromQuantity"] not in (None, row["levels"][place]):
                said = "The changeFromQuantity argument no longer matches the persisted quantity."
                errors.append(_error([*path, "changeFromQuantity"], "CHANGE_FROM_QUANTITY_STALE", said))
            else:
                changes.append((row, place, one["quantity"]))
        for row, place, quantity in changes if not errors else ():
            self.items.change(row["key"], levels={**row["levels"], place: quantity})
            self.effect("stock", row["sku"], quantity=quantity, place=place)
        return {"userErrors": errors}

    def do_inventoryActivate(self, inventoryItemId: str, locationId: str, available: int) -> Any:
        row, place = self.items.rows[number_of(inventoryItemId, "InventoryItem")], number_of(locationId, "Location")
        if place in row["levels"]:
            return _wrong("Not allowed to set available quantity when the item is already active.", inventoryLevel=None)
        self.items.change(row["key"], levels={**row["levels"], place: available})
        self.effect("stock", row["sku"], quantity=available, place=place)
        return {"inventoryLevel": {"id": numbered("InventoryLevel", f"{place}?inventory_item_id={row['key']}")},
                "userErrors": []}  # fmt: skip

    # ── cancellations, refunds ──

    def do_orderCancel(self, orderId: str, restock: bool, reason: str, notifyCustomer: bool, staffNote: str,
                       refundMethod: Any) -> Any:  # fmt: skip
        row = self.orders.rows[number_of(orderId, "Order")]
        why = "Cannot cancel a fulfilled order" if row["fulfillments"] else "This order is already canceled"
        if row["cancelled"] or row["fulfillments"] or row.get("canceling"):
            error = {"code": "INVALID", "field": ["orderId"], "message": why}
            return {"job": None, "jobResult": None, "orderCancelUserErrors": [error]}
        job = {"id": numbered("OrderCancelJobResult", nonce()), "order": row["key"], "status": "STARTED", "errors": []}
        self.jobs.put(number_of(job["id"], "OrderCancelJobResult"), job)
        self.orders.change(row["key"], canceling=True, restocking=restock)
        answer = {"job": {"id": numbered("Job", nonce()), "done": False}, "jobResult": job_view(job)}
        if not self.slow_jobs:
            self.work()
        return {**answer, "orderCancelUserErrors": []}

    def work(self) -> None:
        """What is canceled in the background is done now."""
        with self.lock:
            for job in [job for job in self.jobs if job["status"] == "STARTED"]:
                key, fails = job["order"], self.job_fails
                row = self.orders.change(key, canceling=False)
                errors = [fails] if fails else []
                self.jobs.change(number_of(job["id"], "OrderCancelJobResult"), errors=errors,
                                 status="SUCCEEDED" if fails is None else "FAILED")  # fmt: skip
                if fails is None:
                    self.effect("cancel", key)
                    self.cancel(key, restock=row["restocking"])

    def do_refundCreate(self, input: Any) -> Any:
        row = copy.deepcopy(self.orders.rows[number_of(input["orderId"], "Order")])
        lines = {numbered("LineItem", line["id"]): line for line in row["lines"]}
        for one in input.get("refundLineItems") or ():
            if not 0 < one["quantity"] <= lines[one["lineItemId"]]["current"]:
                return _wrong("Quantity cannot refund more items than were purchased", refund=None)
            if (one["restockType"] == "CANCEL") != bool(one.get("locationId")):
                return _wrong("Location must be set to restock", refund=None)
        paid = {numbered("OrderTransaction", one["id"]): one for one in row["payments"]}
        back = Decimal(0)
        for one in input.get("transactions") or ():
            parent = paid[one["parentId"]]
            if (
                one["kind"] != "REFUND"
                or one["gateway"] != parent["gateway"]
                or Decimal(one["amount"]) > Decimal(parent["left"])
            ):
                return _wrong("Refund amount cannot be more than the amount that was paid", refund=None)
            parent["left"] = str(Decimal(parent["left"]) - Decimal(one["amount"]))
            back += Decimal(one["amount"])
        number = next(self.numbers)
        for one in input.get("refundLineItems") or ():
            self._take_off(row, lines[one["lineItemId"]]["id"], one["quantity"], one.get("locationId"))
        freight = Decimal((input.get("shipping") or {}).get("amount", 0))
        refunds = [*row["refunds"], {"id": number, "note": input.get("note") or "", "amount": str(back)}]
        self.effect("refund", row["key"], amount=str(back))
        gone = all(Decimal(one["left"]) == 0 for one in row["payments"])
        self._change(row["key"], refunds=refunds, payments=row["payments"], lines=row["lines"], parts=row["parts"],
                     freight_back=str(Decimal(row["freight_back"]) + freight),
                     financial="REFUNDED" if gone else "PARTIALLY_REFUNDED")  # fmt: skip
        return {"refund": {"id": numbered("Refund", number), "legacyResourceId": str(number)}, "userErrors": []}

    def _take_off(self, row: Any, line_id: str, pieces: int, place: str | None) -> None:
        line = next(line for line in row["lines"] if line["id"] == line_id)
        line["current"] -= pieces
        back = pieces
        for part in row["parts"]:
            for one in part["lines"]:
                if one["line"] == line_id and part["status"] in (*OPEN, "ON_HOLD", "SCHEDULED"):
                    less = min(pieces, one["remaining"])
                    one["remaining"], one["total"], pieces = one["remaining"] - less, one["total"] - less, pieces - less
            if part["status"] in OPEN and not sum(one["remaining"] for one in part["lines"]):
                part["status"] = "CLOSED"
        item = next((item for item in self.items if item["sku"] == line["sku"]), None)
        if item and place:
            key = number_of(place, "Location")
            self.items.change(item["key"], levels={**item["levels"], key: item["levels"].get(key, 0) + back})

    # ── webhooks ──

    def do_webhookSubscriptionCreate(self, topic: str, webhookSubscription: Any) -> Any:
        uri = webhookSubscription["uri"]
        if any((row["topic"], row["uri"]) == (topic, uri) for row in self.hooks):
            return _wrong("Address for this topic has already been taken", webhookSubscription=None)
        number = next(self.numbers)
        row = {"id": numbered("WebhookSubscription", number), "topic": topic, "uri": uri}
        self.hooks.put(str(number), {**row, "fields": webhookSubscription.get("includeFields") or []})
        return {"webhookSubscription": row, "userErrors": []}

    def do_webhookSubscriptionDelete(self, id: str) -> Any:
        if number_of(id, "WebhookSubscription") not in self.hooks:
            return _wrong("Webhook subscription does not exist", deletedWebhookSubscriptionId=None)
        self.hooks.remove(number_of(id, "WebhookSubscription"))
        return {"deletedWebhookSubscriptionId": id, "userErrors": []}

    def _tell(self, topic: str, payload: Any) -> None:
        for hook in self.hooks:
            if hook["topic"] == topic.upper().replace("/", "_"):
                said = {name: value for name, value in payload.items() if name in hook["fields"] or not hook["fields"]}
                body = json.dumps(said).encode()
                digest = hmac.new(self.client[1].encode(), body, hashlib.sha256).digest()
                headers = {
                    "Content-Type": "application/json", "X-Shopify-Topic": topic, "X-Shopify-Webhook-Id": nonce(),
                    "X-Shopify-Hmac-SHA256": base64.b64encode(digest).decode(), "X-Shopify-Event-Id": nonce(),
                    "X-Shopify-Shop-Domain": f"{self.name}.myshopify.com", "X-Shopify-API-Version": "2026-10",
                }  # fmt: skip
                self.post.send(hook["uri"], headers, body)

    # ── what buyers and the merchant do ──

    def place(self, number: int, modified: datetime, created: datetime | None = None) -> str:
        key = str(5_000_000_000 + number)
        if key in self.orders:
            return self._stamped(key, modified, note=f"changed by the buyer at {second(modified)}")
        dice = random.Random(number)
        picked = dice.sample(GOODS, dice.randint(1, 3))
        goods = [(sku, name, price, 12 if number == 1 else dice.choice((2, 2, 3))) for sku, name, price in picked]
        return self._new(key, number, goods, dice.choice(METHODS), modified, created or modified)

    def order_of(self, number: int, *goods: tuple[str, int], **fields: Any) -> str:
        """A buyer orders these (SKU, quantity) now."""
        with self.lock:
            key, now = str(5_000_000_000 + number), self.clock()
            self._new(key, number, [(sku, sku, "10.00", n) for sku, n in goods], "GROUND", now, now)
            return self._stamped(key, now, **fields) if fields else key

    def edit(self, key: str, **fields: Any) -> None:
        """The merchant changes an order now."""
        with self.lock:
            self._change(key, **fields)

    def cancel(self, key: str, *, restock: bool = True) -> None:
        """The merchant cancels an order, without paying back."""
        with self.lock:
            row = self.orders.rows[key]
            for line in row["lines"]:
                if line["current"]:
                    self._take_off(row, line["id"], line["current"], numbered("Location", HOME[0]) if restock else None)
            parts = [{**part, "status": "CANCELLED"} for part in row["parts"]]
            self._change(key, parts=parts, lines=row["lines"], cancelled=second(self.clock()), canceling=False)
            self._tell("orders/cancelled", {"id": int(key), "updated_at": second(self.clock())})

    def give_back(self, key: str, sku: str, pieces: int) -> None:
        """The merchant refunds pieces of a line that has not been shipped."""
        with self.lock:
            row = self.orders.rows[key]
            line = next(line for line in row["lines"] if line["sku"] == sku)
            back = str(unit(row, line) * pieces)
            self.do_refundCreate(input={
                "orderId": numbered("Order", key), "note": "broken",
                "refundLineItems": [{"lineItemId": numbered("LineItem", line["id"]), "quantity": pieces,
                                     "restockType": "NO_RESTOCK"}],
                "transactions": [{"parentId": numbered("OrderTransaction", row["payments"][0]["id"]), "kind": "REFUND",
                                  "gateway": row["payments"][0]["gateway"], "amount": back}],
            })  # fmt: skip

    def split(self, key: str, sku: str, place: str, **fields: Any) -> None:
        """The merchant moves a line to another location."""
        with self.lock:
            row = self.orders.rows[key]
            part = row["parts"][0]
            moved = [line for line in part["lines"] if line["sku"] == sku]
            part["lines"] = [line for line in part["lines"] if line["sku"] != sku]
            new = {**part, "id": f"{part['id']}{len(row['parts'])}", "location": place, "lines": moved, **fields}
            self._change(key, parts=[*row["parts"], new])

    def change_part(self, key: str, **fields: Any) -> None:
        """The merchant puts an order on hold, or changes its way of delivery."""
        with self.lock:
            self._change(key, parts=[{**part, **fields} for part in self.orders.rows[key]["parts"]])

    def place_at(self, number: str, name: str) -> None:
        """The shop has another location."""
        self.places.put(number, {"id": numbered("Location", number), "name": name})

    def item(self, number: int, sku: str, tracked: bool = True, levels: dict[str, int] | None = None) -> None:
        """The shop has another product."""
        row = {"key": str(number), "sku": sku, "tracked": tracked, "levels": {HOME[0]: 0} if levels is None else levels}
        self.items.put(str(number), row)

    def uninstall(self) -> None:
        """The merchant removes the app: its tokens end, and it hears of it."""
        with self.lock:
            self.expire()
            self.installed = False
            for row in list(self.issued):
                self.issued.remove(row["key"])
            self._tell("app/uninstalled", {"id": 77, "updated_at": second(self.clock())})
            for row in list(self.hooks):
                self.hooks.remove(number_of(row["id"], "WebhookSubscription"))

    def _new(self, key: str, number: int, goods: Any, method: str, modified: datetime, created: datetime) -> str:
        lines = [
            {"id": f"{key}{n}", "sku": sku, "name": name, "price": price, "quantity": quantity, "current": quantity,
             "tax": str((Decimal(price) * quantity / 10).quantize(Decimal("0.01"))), "off": "0.00"}
            for n, (sku, name, price, quantity) in enumerate(goods, 1)
        ]  # fmt: skip
        rows = [{"id": numbered("FulfillmentOrderLineItem", line["id"]), "line": line["id"], "sku": line["sku"],
                 "total": line["quantity"], "remaining": line["quantity"]} for line in lines]  # fmt: skip
        total = sum((Decimal(one["price"]) * one["quantity"] + Decimal(one["tax"]) for one in lines), Decimal("4.95"))
        self.orders.put(key, {
            "key": key, "name": f"#{self.name[:3].upper()}{number}", "created": second(created), "financial": "PAID",
            "updated": second(modified), "cancelled": None, "closed": False, "source": "web", "tags": [], "note": None,
            "customer_tags": [], "attributes": {}, "included": False, "currency": "USD", "codes": [], "po": None,
            "gateway": "shopify_payments", "method": method, "freight": "4.95", "freight_back": "0",
            "lines": lines, "address": address(number), "email": f"buyer{number}@example.com", "phone": None,
            "parts": [{"id": numbered("FulfillmentOrder", key), "status": "OPEN", "location": HOME[0],
                       "method": "SHIPPING", "lines": rows}],
            "fulfillments": [], "refunds": [],
            "payments": [{"id": key, "gateway": "shopify_payments", "amount": str(total), "left": str(total)}],
        })  # fmt: skip
        self._tell("orders/create", {"id": int(key), "updated_at": second(modified)})
        return key

    def _change(self, key: str, **fields: Any) -> None:
        self._stamped(key, self.clock(), **fields)

    def _stamped(self, key: str, at: datetime, **fields: Any) -> str:
        self.orders.change(key, **fields, updated=max(second(at), fields.get("updated", "")))
        self._tell("orders/updated", {"id": int(key), "updated_at": second(at)})
        return key

    # ── life ──

    def live(self, *pace: float) -> None:
        self.lively = True
        self.restore_rate, self.maximum = 100.0, 2000.0  # as a shop has it on the usual plan
        self.left = self.maximum

    def tick(self) -> None:
        if self.lively and self.clock() >= self.next_order:
            self.next_order = self.clock() + timedelta(seconds=self.dice.uniform(15, 45))
            self.place(1 + len(self.orders), self.clock())


def _error(path: list[str], code: str, message: str) -> dict[str, Any]:
    return {"field": path, "code": code, "message": message}


def _wrong(message: str, **nothing: Any) -> dict[str, Any]:
    return {**nothing, "userErrors": [{"field": None, "message": message}]}
