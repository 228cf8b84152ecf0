"""Turns claimed orders into what the WMS is to get."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit.canonical import Order, Prepared, from_json
from integration_manager.kit.connector import WmsConnector
from merchants.models import Merchant
from merchants.rules import Hold, Outcome, Problem, judge
from orders import following, item_codes, managed, ruling
from orders.content import payload_hash, source_hash
from orders.intake import Incoming, Intake, Stored
from orders.models import OrderDetail, Status
from orders.run import Run
from orders.states import Claimed


@dataclass(frozen=True, slots=True)
class Item:
    """One order on its way out, as the rules with this mark made it.

    `problem`, `hold`: why it must not be sent; it is only looked up then. With a `hold`, and no look-up, only the
    same call again can tell whether an earlier one has arrived.
    `retold`: what the rules make of it now, to be kept (`keep`) once it is sent like that.
    """

    claimed: Claimed
    prepared: Prepared
    hash: str
    mark: str
    problem: Problem | None = None
    hold: Hold | None = None
    retold: Outcome | None = None  # other than told so far, and what was told may be what the WMS has

    @property
    def id(self) -> int:
        """The order's id."""
        return self.claimed.id


@dataclass(slots=True)
class _Contents:
    """What is stored of claimed orders, by id."""

    datas: dict[int, Any] = field(default_factory=dict)
    told: dict[int, Any] = field(default_factory=dict)  # what their timelines say that the rules did
    right: set[int] = field(default_factory=set)  # a person says so of their addresses
    withdrawn: dict[int, Hold] = field(default_factory=dict)  # by the source, since a send began


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed orders, made ready. An order that we cannot handle must not stop the others."""

    items: list[Item]
    stopped: list[tuple[Item, Problem]]  # by a rule
    waiting: list[tuple[Item, Hold]]  # by a rule that came after they were loaded, or since the source withdrew them
    broken: list[tuple[Claimed, Exception]]  # by a mistake of ours


def prepare(run: Run, connector: WmsConnector, claimed: Sequence[Claimed]) -> Batch:
    """What to send, and what not. The hash of each first call's content is stored here.

    Of stock that is kept here, they take what they are sent with, whatever has changed since they were loaded.
    """
    batch = Batch([], [], [], [])
    if not claimed:
        return batch
    carts = {cart.pk: cart for cart in Cart.objects.filter(pk__in={c.cart_id for c in claimed})}
    ruling.refresh(run.rules, run.merchant, carts.values())
    found = _load(run, claimed, carts)
    for cart_id, rules in run.rules.items():
        lines = (line for c in claimed if c.cart_id == cart_id for line in found.datas[c.id].get("lines", ()))
        item_codes.know(rules, [line["item"] for line in lines if line.get("item")])
    payload = connector.mapper("payload")
    in_files = "orders" in connector.renders
    retold: dict[int, Outcome] = {}
    for c in claimed:
        try:
            rules = run.rules[c.cart_id]
            order = from_json(Order, found.datas[c.id])
            outcome = judge(order, rules, anyway=c.anyway, address_right=c.id in found.right)
            prepared, problem, hold = outcome.prepared(c.wms_ref), outcome.problem, outcome.waits
            if c.id in found.withdrawn:
                problem, hold = None, found.withdrawn[c.id]
            elif hold is not None and hold.until is not None:
                hold = None  # claimed, so its time has come
            first = c.starts == 1 or not c.sent_hash  # or answered: nothing that was sent before may be there
            other = outcome.story != found.told[c.id]
            kept = outcome if other and not first else None
            if problem is not None:
                batch.stopped.append((Item(c, prepared, c.sent_hash, rules.mark, problem, retold=kept), problem))
            elif hold is not None and (first or in_files):  # what is in no file has not left
                batch.waiting.append((Item(c, prepared, c.sent_hash, rules.mark), hold))
            else:
                digest = payload_hash(payload(prepared))
                batch.items.append(Item(c, prepared, digest, rules.mark, hold=hold, retold=kept))
            if other and first:
                retold[c.id] = outcome
        except Exception as error:
            batch.broken.append((c, error))
    _keep(retold, run.now)
    managed.settle(run.merchant, run.now, [c.id for c in claimed])
    fresh = [item for item in batch.items if item.claimed.starts == 1 or not item.claimed.sent_hash]
    _store_hashes([item for item in fresh if item.hash != item.claimed.sent_hash])
    return batch


def keep(merchant: Merchant, items: Iterable[Item], now: datetime) -> None:
    """What the rules make of orders now, once it is known that what they had made of them is not at the WMS."""
    if retold := {item.id: item.retold for item in items if item.retold is not None}:
        _keep(retold, now)
        managed.settle(merchant, now, list(retold))


def _keep(retold: Mapping[int, Outcome], now: datetime) -> None:
    """The rules have changed since they saw these last."""
    if retold:
        ruling.tell(retold, now, store=True)
        ruling.store_lines(retold)


def _load(run: Run, claimed: Sequence[Claimed], carts: dict[int, Cart]) -> "_Contents":
    """What is stored of them.

    A source version that arrived during an earlier send takes effect now. One that withdraws the order does once it
    is known that the WMS does not have it: until then its content is what may be there.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT order_id, data::text, newer::text, applied::text, address_right FROM orders_orderdetail "
            "WHERE account_id = %s AND order_id = ANY(%s)",
            [tenancy.account_id(), [c.id for c in claimed]],
        )
        rows = cursor.fetchall()
    found, by_id = _Contents(), {c.id: c for c in claimed}
    for order_id, data, newer, applied, word in rows:
        found.told[order_id] = [] if applied == "[]" else orjson.loads(applied)
        if by_id[order_id].cancel_requested:
            newer = None  # the cancellation is decided first
        found.datas[order_id] = orjson.loads(data)
        if newer:
            version = orjson.loads(newer)
            incoming = Incoming(
                version["cart_key"], None, from_json(Order, version), data=version, hash=source_hash(version)
            )
            if hold := following.withdrawn(incoming.order):
                found.withdrawn[order_id] = hold
            else:
                intake = Intake(run.merchant, carts[by_id[order_id].cart_id], "")
                with transaction.atomic():
                    intake.keep_rules()
                    following.apply_source(intake, order_id, Status.SENDING, incoming, run.now, Stored())
                # As stored: what a person edited wins over the source.
                stored = OrderDetail.objects.values_list("data", "applied", "address_right").get(order_id=order_id)
                found.datas[order_id], found.told[order_id], word = stored
        if word:
            found.right.add(order_id)
    return found


def _store_hashes(items: Sequence[Item]) -> None:
    """What the first call is to carry, stored before it goes out."""
    if not items:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_order o SET sent_hash = g.hash
               FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS g(id, token, hash)
               WHERE o.id = g.id AND o.token = g.token""",
            [[i.id for i in items], [i.claimed.token for i in items], [i.hash for i in items]],
        )
