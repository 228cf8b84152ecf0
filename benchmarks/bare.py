"""The bare loop: what anybody would write with requests and psycopg2, and no promise beyond it.

Download: one process, 100 a page, one transaction a page. Everything that writes elsewhere: one by one
over one kept connection, with a claim and a record of each, committed. No tenants, rules, events, leases,
journal or limits. It is the yardstick: what it costs on this machine to move the same rows at all.
"""

import json
from typing import Any

import requests
from psycopg2.extras import execute_values

TABLES = """
CREATE SCHEMA bare;
CREATE TABLE bare.orders (
    id bigserial PRIMARY KEY, shop text NOT NULL, cart_key text NOT NULL, number text NOT NULL,
    status text NOT NULL, ordered_on date NOT NULL, total numeric(14, 4), raw jsonb NOT NULL,
    wms_key text NOT NULL DEFAULT '', created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (shop, cart_key));
CREATE INDEX ON bare.orders (id) WHERE status = 'ready';
CREATE INDEX ON bare.orders (wms_key) WHERE wms_key <> '';
CREATE TABLE bare.lines (
    id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES bare.orders, line_id text NOT NULL,
    sku text NOT NULL, quantity numeric(14, 4) NOT NULL);
CREATE INDEX ON bare.lines (order_id);
CREATE TABLE bare.shipments (
    id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES bare.orders, key text NOT NULL UNIQUE,
    carrier text, tracking text, data jsonb NOT NULL, status text NOT NULL DEFAULT 'ready');
CREATE INDEX ON bare.shipments (id) WHERE status = 'ready';
"""
PAGE = 100


class Bare:
    """One shop and one warehouse, by a plain loop."""

    def __init__(self, connection: Any, shop: str, wms: str) -> None:
        """`shop`, `wms`: their addresses."""
        self.db, self.shop, self.wms = connection, shop, wms
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Authorization"] = "Bearer sandbox-key"
        self.http.headers["X-Customer"] = "C1"

    def download(self) -> int:
        """Every order of the shop, a page and a transaction at a time."""
        since, count = "2000-01-01T00:00:00+00:00", 0
        while True:
            query: dict[str, Any] = {"modified_since": since, "limit": PAGE}
            rows = self.http.get(f"{self.shop}/api/orders", params=query).json()["orders"]
            with self.db, self.db.cursor() as cursor:
                made = execute_values(
                    cursor,
                    "INSERT INTO bare.orders (shop, cart_key, number, status, ordered_on, total, raw) VALUES %s "
                    "ON CONFLICT DO NOTHING RETURNING id, cart_key",
                    [
                        (self.shop, r["id"], r["number"], "ready", r["created_at"], r["total"], json.dumps(r))
                        for r in rows
                    ],
                    page_size=PAGE,
                    fetch=True,
                )
                ids = {key: pk for pk, key in made}
                lines = [
                    (ids[r["id"]], line["id"], line["sku"], line["quantity"])
                    for r in rows
                    if r["id"] in ids
                    for line in r["lines"]
                ]
                if lines:
                    insert = "INSERT INTO bare.lines (order_id, line_id, sku, quantity) VALUES %s"
                    execute_values(cursor, insert, lines, page_size=10 * PAGE)
            count += len(made)
            if len(rows) < PAGE:
                return count
            since = rows[-1]["modified_at"]

    def deliver(self) -> int:
        """Every order to the warehouse, one by one."""
        count = 0
        while True:
            with self.db, self.db.cursor() as cursor:
                cursor.execute(
                    """UPDATE bare.orders SET status = 'sending' WHERE id = (
                           SELECT id FROM bare.orders WHERE status = 'ready' ORDER BY id LIMIT 1
                           FOR UPDATE SKIP LOCKED) RETURNING id, raw"""
                )
                row = cursor.fetchone()
            if row is None:
                return count
            order_id, raw = row
            body = {
                "reference": raw["id"],
                "order_number": raw["number"],
                "ordered_on": raw["created_at"],
                "ship_method": raw["shipping_method"],
                "ship_to": {**raw["ship_to"], "name": raw["ship_to"]["last_name"]},
                "note": raw["note"],
                "lines": [
                    {"line_id": n["id"], "item": n["sku"], "quantity": n["quantity"], "description": n["title"]}
                    for n in raw["lines"]
                ],
            }
            answer = self.http.post(f"{self.wms}/v1/orders", json=body)
            answer.raise_for_status()
            with self.db, self.db.cursor() as cursor:
                update = "UPDATE bare.orders SET status = 'at_wms', wms_key = %s WHERE id = %s"
                cursor.execute(update, [answer.json()["key"], order_id])
            count += 1

    def confirm(self) -> int:
        """Every parcel of the warehouse, a page and a transaction at a time."""
        since, count = "2000-01-01T00:00:00+00:00", 0
        while True:
            query: dict[str, Any] = {"modified_since": since, "limit": PAGE}
            rows = self.http.get(f"{self.wms}/v1/shipments", params=query).json()["shipments"]
            with self.db, self.db.cursor() as cursor:
                cursor.execute(
                    "SELECT wms_key, o.id FROM bare.orders o WHERE shop = %s AND wms_key = ANY(%s)",
                    [self.shop, [r["order"] for r in rows]],
                )
                orders = dict(cursor.fetchall())
                made = execute_values(
                    cursor,
                    "INSERT INTO bare.shipments (order_id, key, carrier, tracking, data) VALUES %s "
                    "ON CONFLICT DO NOTHING RETURNING order_id",
                    [
                        (
                            orders[r["order"]],
                            f"{self.wms}/{r['key']}",
                            r["carrier"],
                            r["tracking_number"],
                            json.dumps(r),
                        )
                        for r in rows
                        if r["order"] in orders
                    ],
                    page_size=PAGE,
                    fetch=True,
                )
                update = "UPDATE bare.orders SET status = 'shipped' WHERE id = ANY(%s)"
                cursor.execute(update, [[pk for (pk,) in made]])
            count += len(made)
            if len(rows) < PAGE:
                return count
            since = rows[-1]["modified_at"]

    def upload(self) -> int:
        """Every parcel to the shop, one by one."""
        count = 0
        while True:
            with self.db, self.db.cursor() as cursor:
                cursor.execute(
                    """UPDATE bare.shipments s SET status = 'sending' FROM bare.orders o WHERE s.id = (
                           SELECT id FROM bare.shipments WHERE status = 'ready' ORDER BY id LIMIT 1
                           FOR UPDATE SKIP LOCKED) AND o.id = s.order_id
                       RETURNING s.id, s.order_id, o.cart_key, s.data"""
                )
                row = cursor.fetchone()
            if row is None:
                return count
            parcel_id, order_id, cart_key, data = row
            body = {
                "reference": data["key"],
                "carrier": data["carrier"],
                "method": data["method"],
                "tracking_number": data["tracking_number"],
                "tracking_url": data["tracking_url"],
                "lines": data["lines"],
            }
            self.http.post(f"{self.shop}/api/orders/{cart_key}/shipments", json=body).raise_for_status()
            with self.db, self.db.cursor() as cursor:
                cursor.execute("UPDATE bare.shipments SET status = 'uploaded' WHERE id = %s", [parcel_id])
                cursor.execute("UPDATE bare.orders SET status = 'confirmed' WHERE id = %s", [order_id])
            count += 1
