"""Products on their way to the WMS, each there once: a part of Order Delivery, before the orders that need them.

A product is looked up by its SKU before it is added, where the WMS can be asked; where it keeps SKUs unique it says
so itself. What is still not decided when a call ends is asked again only after it has settled.
"""

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection
from django.db.models import F, QuerySet

from alerts.raising import raise_alert, resolve
from carts.models import Cart
from integration_manager.kit.canonical import Product, from_json
from integration_manager.kit.connector import WmsConnector
from integration_manager.kit.crash import crash_here
from integration_manager.kit.errors import (
    AlreadyDone,
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    NeedsHuman,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
    storable,
)
from merchants import catalog
from merchants.models import Product as Known
from orders import product_rows
from orders.models import CartProduct
from orders.out_file import LEASE
from orders.product_rows import FAILING, TWICE
from orders.run import WINDOW, Run, Unstarted
from orders.services import out_files

log = logging.getLogger(__name__)

BUDGET = 15.0  # seconds of one delivery; the rest of it is the orders'
BATCH = 40
HOUR, AGAIN = timedelta(hours=1), timedelta(minutes=1)
TRIES, DAYS = 100, timedelta(days=30)  # whichever comes first; at most one an hour counts
BUGS = 5
State = CartProduct.State


_TWICE = (
    "Another product of the cart has the SKU {} as well. Give each its own there; if the other one is no longer in "
    "the cart, send this one in its place."
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """One product taken to be sent. `starts` counts this claim; `twin`: another one of the cart has its SKU."""

    id: int
    cart_id: int
    token: int
    starts: int
    failures: int
    first_failed_at: datetime | None
    failed_at: datetime | None
    sku: str
    data: dict[str, Any]
    content_hash: str
    wms_key: str
    updates: bool
    twin: bool


@dataclass(frozen=True, slots=True)
class Put:
    """A product is at the WMS under this key. `found`: it had been there before us, and was left as it was."""

    wms_key: str
    did: str  # sent, changed, found


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


class _Loading:
    """The products of one delivery."""

    def __init__(self, run: Run, connector: WmsConnector) -> None:
        self.run, self.connector = run, connector
        self.start_before = 0.0  # until when the calls of a batch may be begun, by time.monotonic()
        self.over = False  # the WMS is not to be asked again for now
        self.carts: set[int] = set()
        self.refused: set[int] = set()  # carts with a product that has to wait for a person
        self.failed: ConnectorError | None = None

    def send(self) -> None:
        run, until = self.run, time.monotonic() + BUDGET
        while run.keep_alive() and not run.stopping.is_set() and not self.over:
            if time.monotonic() > until:
                run.due_at(run.now)
                break
            run.current()
            self.start_before = time.monotonic() + WINDOW
            batch = claim(run, BATCH, self._lease())
            if not batch:
                break
            self.carts |= {one.cart_id for one in batch}
            for group in run.each(
                self._put, self._alone(batch), subject=lambda one: None, start_before=lambda one: self.start_before
            ):
                self._record(group)
            run.journal.store(run.schedule.pk)
        self._close()

    def write(self) -> None:
        """By files, of which each may have many."""
        run = self.run
        try:
            run.connector.ready("products")
        except NeedsHuman as error:
            self.failed = error
            self._close()
            return
        out_files.recover(run, "products")
        while run.keep_alive() and not run.stopping.is_set():
            run.current()
            batch = claim(run, out_files.RECORDS, LEASE)
            if not batch:
                break
            self.carts |= {one.cart_id for one in batch}
            alone = self._alone(batch)
            if alone:
                out_files.tell_products(run, [(one.id, one.token, from_json(Product, one.data)) for one in alone])
        if run.stopping.is_set() and run.refusal is None and run.outage is None:
            run.stopping.clear()  # a folder that takes no products may take the orders
        self._close()

    def _lease(self) -> float:
        """Seconds that cover handing out, a look-up, a call, and its settling."""
        return WINDOW + 3 * self.connector.timeout + self.connector.settle.total_seconds()

    def _alone(self, batch: Sequence[Claimed]) -> list[Claimed]:
        """Those whose SKU is theirs alone; the others wait for a person."""
        for one in batch:
            if one.twin:
                self._stopped(one, TWICE, _TWICE.format(one.sku))
        return [one for one in batch if not one.twin]

    def _put(self, one: Claimed) -> Put:
        """One product, in a thread of the run."""
        if self.over:
            raise ConnectionFailed
        connector, product, key = self.connector, from_json(Product, one.data), one.wms_key
        if not key and connector.overrides("find_product"):
            key = connector.find_product(one.sku) or ""
        if not key:
            crash_here("before_product")
            try:
                key = connector.create_product(product)
            except AlreadyDone as error:
                if not error.remote_id:
                    raise
                key = error.remote_id
            else:
                crash_here("after_product")
                return Put(key, "sent")
        if (one.wms_key or one.updates) and connector.overrides("update_product"):
            connector.update_product(key, product)
            return Put(key, "changed")
        return Put(key, "found" if one.starts == 1 else "sent")

    # ── what became of them ──

    def _record(self, group: Sequence[tuple[Claimed, Any]]) -> None:
        done = [(one, result) for one, result in group if isinstance(result, Put)]
        if done:
            self._done(done)
        for one, result in group:
            if not isinstance(result, Put):
                self._one(one, result)

    def _done(self, done: Sequence[tuple[Claimed, Put]]) -> None:
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
                    [storable(put.wms_key, 100) for _, put in done],
                    [put.did == "found" for _, put in done],
                ],
            )
            mine = {row[0] for row in cursor.fetchall()}
        rows = {one.sku: str(one.data.get("name") or "")[:200] for one, _ in done}
        catalog.store(self.run.merchant.pk, sorted(rows.items()), Known.Origin.CART, self.run.now)
        for one, put in done:
            self.run.counts[f"products_{put.did}"] += one.id in mine

    def _one(self, one: Claimed, error: Any) -> None:
        run = self.run
        if isinstance(error, Unstarted):
            self._release(one)
        elif isinstance(error, AuthFailed):
            self._release(one)
            run.refused(error)
        elif isinstance(error, RateLimited):
            self.over, again = True, error.retry_at or run.now + AGAIN
            self._release(one, again)
            run.due_at(again)
        elif isinstance(error, ConnectionFailed):
            # The orders behind find out for themselves whether the WMS can be reached.
            self._release(one, run.now + AGAIN)
            run.due_at(run.now + AGAIN)
            if not self.over:
                self.over, self.failed = True, error
        elif isinstance(error, Permanent | NeedsHuman | AlreadyDone):
            fix = getattr(error, "fix", "")
            self._stopped(one, error.code, f"{error} {fix}".strip())
        else:
            self._failed(one, error)

    def _stopped(self, one: Claimed, code: str, why: str) -> None:
        """It waits for a person; what was changed in the cart meanwhile goes out all the same."""
        ended = {"state": State.REFUSED, "lease_until": None, "error_code": code[:40], "error_message": why}
        if self._mine(one).filter(content_hash=one.content_hash).update(starts=0, **ended):
            self.refused.add(one.cart_id)
            self.run.counts["products_refused"] += 1
        elif self._mine(one).update(starts=0, lease_until=None, retry_at=self.run.now):
            self.run.due_at(self.run.now)

    def _failed(self, one: Claimed, error: BaseException) -> None:
        """It is tried again at every delivery, until it has failed 100 times or for 30 days."""
        now, most = self.run.now, TRIES
        if not isinstance(error, ConnectorError):
            number = secrets.token_hex(4)
            log.error("report %s: product %s failed", number, one.id, exc_info=error)
            error, most = Transient(f"We could not send it (report {number}).", code="internal"), BUGS
        counts = one.failed_at is None or now - one.failed_at >= HOUR
        failures = one.failures + counts
        self.run.counts["failed"] += 1
        first = one.first_failed_at or now
        if failures >= most or now - first >= DAYS:
            self._stopped(one, "gave_up", f"It was tried {failures} times and is not tried any more. Last: {error}")
            return
        pause = max(AGAIN, self.connector.settle) if isinstance(error, OutcomeUnknown) else AGAIN
        self._mine(one).update(
            failures=failures,
            first_failed_at=first,
            failed_at=now if counts else one.failed_at,
            retry_at=now + pause,
            lease_until=None,
            error_code=error.code,
            error_message=str(error),
        )
        self.run.due_at(now + pause)
        self.failed = error

    def _release(self, one: Claimed, retry_at: datetime | None = None) -> None:
        """Gives back one of which the WMS has not been told."""
        kept = {} if retry_at is None else {"retry_at": retry_at}
        self._mine(one).update(lease_until=None, starts=F("starts") - 1, **kept)

    def _mine(self, one: Claimed) -> "QuerySet[CartProduct]":
        found: QuerySet[CartProduct] = CartProduct.objects.filter(pk=one.id, token=one.token)
        return found

    def _close(self) -> None:
        run, key = self.run, [f"deliver:{self.run.merchant.pk}"]
        if self.failed is not None:
            raise_alert(
                FAILING,
                key[0],
                f"The WMS does not take products of {run.merchant.name} at the moment: {self.failed}",
                now=run.now,
                fix="Nothing to do: they are tried again at every Order Delivery.",
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
