"""Turns claimed orders into what the WMS is to get."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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

    `problem`: why it must not be sent; it is only looked up then.
    `retold`: what the rules make of it now, to be kept (`keep`) once it is sent like that.
    """

    claimed: Claimed
    prepared: Prepared
    hash: str
    mark: str
    problem: Problem | None = None
    retold: Outcome | None = None  # other than told so far, and what was told may be what the WMS has

    @property
    def id(self) -> int:
        """The order's id."""
        return self.claimed.id


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed orders, made ready. An order that we cannot handle must not stop the others."""

    items: list[Item]
    stopped: list[tuple[Item, Problem]]  # by a rule
    waiting: list[tuple[Item, Hold]]  # by a rule that came after they were loaded
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
    datas, told, right = _load(run, claimed, carts)
    for cart_id, rules in run.rules.items():
        lines = (line for c in claimed if c.cart_id == cart_id for line in datas[c.id].get("lines", ()))
        item_codes.know(rules, [line["item"] for line in lines if line.get("item")])
    payload = connector.mapper("payload")
    retold: dict[int, Outcome] = {}
    for c in claimed:
        try:
            rules = run.rules[c.cart_id]
            outcome = judge(from_json(Order, datas[c.id]), rules, anyway=c.anyway, address_right=c.id in right)
            prepared, problem, hold = outcome.prepared(c.wms_ref), outcome.problem, outcome.waits
            first = c.starts == 1 or not c.sent_hash  # or answered: nothing that was sent before may be there
            other = outcome.story != told[c.id]
            kept = outcome if other and not first else None
            if problem is not None:
                batch.stopped.append((Item(c, prepared, c.sent_hash, rules.mark, problem, kept), problem))
            elif hold is not None and hold.until is None and first:
                batch.waiting.append((Item(c, prepared, c.sent_hash, rules.mark), hold))
            else:
                batch.items.append(Item(c, prepared, payload_hash(payload(prepared)), rules.mark, retold=kept))
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


def _load(
    run: Run, claimed: Sequence[Claimed], carts: dict[int, Cart]
) -> tuple[dict[int, Any], dict[int, Any], set[int]]:
    """The orders' contents, what their timelines say that the rules did, and whose addresses a person says are right.

    A source version that arrived during an earlier send takes effect now.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT order_id, data::text, newer::text, applied::text, address_right FROM orders_orderdetail "
            "WHERE account_id = %s AND order_id = ANY(%s)",
            [tenancy.account_id(), [c.id for c in claimed]],
        )
        rows = cursor.fetchall()
    datas, told, by_id = {}, {}, {c.id: c for c in claimed}
    right = {order_id for order_id, *_, word in rows if word}
    for order_id, data, newer, applied, _ in rows:
        told[order_id] = [] if applied == "[]" else orjson.loads(applied)
        if by_id[order_id].cancel_requested:
            newer = None  # the cancellation is decided first
        datas[order_id] = orjson.loads(newer or data)
        if newer:
            cart = carts[by_id[order_id].cart_id]
            intake = Intake(run.merchant, cart, "")
            version = datas[order_id]
            incoming = Incoming(
                version["cart_key"], None, from_json(Order, version), data=version, hash=source_hash(version)
            )
            with transaction.atomic():
                intake.keep_rules()
                following.apply_source(intake, order_id, Status.SENDING, incoming, run.now, Stored())
            # As stored: what a person edited wins over the source.
            stored = OrderDetail.objects.values_list("data", "applied", "address_right").get(order_id=order_id)
            datas[order_id], told[order_id], word = stored
            if not word:
                right.discard(order_id)
    return datas, told, right


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
