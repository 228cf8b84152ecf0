"""Turns claimed orders into what the WMS is to get."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from django.db import connection, transaction

from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit.canonical import Order, Prepared, from_json
from integration_manager.kit.connector import WmsConnector
from merchants import rules
from orders import following
from orders.content import payload_hash, source_hash
from orders.intake import Incoming, Intake, Stored, rules_of
from orders.models import OrderDetail, Status
from orders.run import Run
from orders.states import Claimed


@dataclass(frozen=True, slots=True)
class Item:
    """One order on its way out. `problem`: why it must not be sent; it is only looked up then."""

    claimed: Claimed
    prepared: Prepared
    hash: str
    problem: rules.Problem | None = None

    @property
    def id(self) -> int:
        """The order's id."""
        return self.claimed.id


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed orders, made ready. An order that we cannot handle must not stop the others."""

    items: list[Item]
    stopped: list[tuple[Item, rules.Problem]]  # by a rule
    broken: list[tuple[Claimed, Exception]]  # by a mistake of ours


def prepare(run: Run, connector: WmsConnector, claimed: Sequence[Claimed]) -> Batch:
    """What to send, and what not. The hash of each first call's content is stored here."""
    batch = Batch([], [], [])
    if not claimed:
        return batch
    carts = {cart.pk: cart for cart in Cart.objects.filter(pk__in={c.cart_id for c in claimed})}
    datas = _load(run, claimed, carts)
    payload = connector.mapper("payload")
    for c in claimed:
        cart = carts[c.cart_id]
        known = rules_of(run.merchant, cart)
        try:
            prepared, problems = rules.prepare(from_json(Order, datas[c.id]), known, c.wms_ref)
            if problems:
                batch.stopped.append((Item(c, prepared, c.sent_hash, problems[0]), problems[0]))
            else:
                batch.items.append(Item(c, prepared, payload_hash(payload(prepared))))
        except Exception as error:
            batch.broken.append((c, error))
    fresh = [item for item in batch.items if item.claimed.starts == 1 or not item.claimed.sent_hash]
    _store_hashes([item for item in fresh if item.hash != item.claimed.sent_hash])
    return batch


def _load(run: Run, claimed: Sequence[Claimed], carts: dict[int, Cart]) -> dict[int, dict[str, object]]:
    """The orders' contents; a source version that arrived during an earlier send takes effect now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT order_id, data::text, newer::text FROM orders_orderdetail "
            "WHERE account_id = %s AND order_id = ANY(%s)",
            [tenancy.account_id(), [c.id for c in claimed]],
        )
        rows = cursor.fetchall()
    datas, by_id = {}, {c.id: c for c in claimed}
    for order_id, data, newer in rows:
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
                following.apply_source(intake, order_id, Status.SENDING, incoming, run.now, Stored())
            # As stored: what a person edited wins over the source.
            datas[order_id] = OrderDetail.objects.values_list("data", flat=True).get(order_id=order_id)
    return datas


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
