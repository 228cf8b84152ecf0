"""Products on their way to the WMS, each there once: a part of Order Delivery, before the orders that need them.

A product is looked up by its SKU before it is added, where the WMS can be asked; where it keeps SKUs unique it says
so itself. What is still not decided when a call ends is asked again only after it has settled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection
from django.db.models import QuerySet

from alerts.raising import raise_alert, resolve
from carts.models import Cart
from integration_manager.kit.canonical import Product, from_json
from integration_manager.kit.connector import WmsConnector
from integration_manager.kit.errors import storable
from merchants import catalog
from merchants.models import Product as Known
from orders import product_rows
from orders.models import CartProduct
from orders.product_rows import FAILING, TWICE
from orders.run import Run
from orders.services import product_sending
from orders.services.product_sending import Put, Sending

State = CartProduct.State


_TWICE = (
    "Another product of the cart has the SKU {} as well. Give each its own there; if the other one is no longer in "
    "the cart, send this one in its place."
)


@dataclass(frozen=True, slots=True)
class Claimed(product_sending.Claimed):
    """One product taken to be sent. `twin`: another one of the cart has its SKU."""

    sku: str
    data: dict[str, Any]
    content_hash: str
    wms_key: str
    updates: bool
    twin: bool


def load_products(run: Run) -> None:
    """Sends the products of this merchant that wait."""
    connector = run.connector
    assert isinstance(connector, WmsConnector)
    if not run.products_wait:
        return
    if "products" in connector.renders:
        _Loading(run, connector).write()
    elif connector.overrides("create_product"):
        _Loading(run, connector).send()


class _Loading(Sending[Claimed]):
    """The products of one delivery."""

    rows = CartProduct
    kind = "products"

    def claim(self, limit: int, lease: float) -> list[Claimed]:
        return claim(self.run, limit, lease)

    def product(self, one: Claimed) -> Product:
        return from_json(Product, one.data)

    def alone(self, batch: Sequence[Claimed]) -> list[Claimed]:
        """Those whose SKU is theirs alone; the others wait for a person."""
        for one in batch:
            if one.twin:
                self.stopped(one, TWICE, _TWICE.format(one.sku))
        return [one for one in batch if not one.twin]

    def unchanged(self, one: Claimed) -> "QuerySet[Any]":
        return self.mine(one).filter(content_hash=one.content_hash)

    def put(self, one: Claimed) -> Put:
        product, key = self.product(one), one.wms_key
        if not key:
            key, ours = self.added(product)
            if ours:
                return Put(key, "sent")
        if (one.wms_key or one.updates) and self.connector.overrides("update_product"):
            assert isinstance(self.connector, WmsConnector)
            self.connector.update_product(key, product)
            return Put(key, "changed")
        return Put(key, "found" if one.starts == 1 else "sent")

    def done(self, done: Sequence[tuple[Claimed, Put]]) -> None:
        with connection.cursor() as cursor:
            # What was changed in the cart meanwhile goes out once more.
            cursor.execute(
                """
                UPDATE orders_cartproduct p SET
                    state = CASE WHEN p.content_hash = g.hash THEN 'there' ELSE 'waiting' END,
                    wms_key = CASE WHEN p.sku = g.sku THEN g.key ELSE '' END, sent_at = %s, found = g.found,
                    lease_until = NULL, starts = 0, failures = 0, first_failed_at = NULL,
                    failed_at = NULL, error_code = '', error_message = ''
                FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bool[])
                     AS g(id, token, hash, sku, key, found)
                WHERE p.id = g.id AND p.token = g.token RETURNING p.id""",
                [
                    self.run.now,
                    [one.id for one, _ in done],
                    [one.token for one, _ in done],
                    [one.content_hash for one, _ in done],
                    [one.sku for one, _ in done],
                    [storable(put.key, 100) for _, put in done],
                    [put.did == "found" for _, put in done],
                ],
            )
            mine = {row[0] for row in cursor.fetchall()}
        rows = {one.sku: str(one.data.get("name") or "")[:200] for one, _ in done}
        catalog.store(self.run.merchant.pk, sorted(rows.items()), Known.Origin.CART, self.run.now)
        for one, put in done:
            self.run.counts[f"products_{put.did}"] += one.id in mine

    def close(self) -> None:
        run, key = self.run, [f"deliver:{self.run.merchant.pk}"]
        if self.failed is not None:
            raise_alert(
                FAILING,
                key[0],
                f"The WMS does not take products of {run.merchant.name} at the moment: {self.failed}",
                now=run.now,
                fix=getattr(self.failed, "fix", "") or "Nothing to do: they are tried again at every Order Delivery.",
                said=self.failed.said,
                merchant_id=run.merchant.pk,
            )
        elif (
            self.carts
            and not CartProduct.objects.filter(merchant=run.merchant, state=State.WAITING, failures__gt=0).exists()
        ):
            resolve(FAILING, key, run.now)
        for cart in Cart.objects.filter(pk__in=self.carts):
            product_rows.tell(cart, run.now, worse=cart.pk in self.refused)


def claim(run: Run, limit: int, lease: float) -> list[Claimed]:
    """Takes products that wait, for so many seconds. What they are sent with is kept before the first call."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH picked AS MATERIALIZED (
                SELECT id FROM orders_cartproduct
                WHERE merchant_id = %s AND state = 'waiting' AND retry_at <= %s AND out_file_id IS NULL
                  AND (lease_until IS NULL OR lease_until < now())
                ORDER BY retry_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
            UPDATE orders_cartproduct p SET token = p.token + 1, starts = p.starts + 1, sent_hash = p.content_hash,
                   wms_key = CASE WHEN p.wms_id = %s THEN p.wms_key ELSE '' END, wms_id = %s,
                   lease_until = now() + make_interval(secs => %s)
            FROM picked, carts_cart c WHERE p.id = picked.id AND c.id = p.cart_id
            RETURNING p.id, p.cart_id, p.token, p.starts, p.failures, p.first_failed_at, p.failed_at, p.sku,
                      p.data::text, p.content_hash, p.wms_key, c.sync_updates,
                      EXISTS (SELECT 1 FROM orders_cartproduct o WHERE o.account_id = p.account_id
                              AND o.cart_id = p.cart_id AND o.sku = p.sku AND o.id < p.id)""",
            [run.merchant.pk, run.now, limit, run.wms_id, run.wms_id, lease],
        )
        rows = [list(row) for row in cursor.fetchall()]
    for row in rows:
        row[8] = orjson.loads(row[8])
    return [Claimed(*row) for row in rows]
