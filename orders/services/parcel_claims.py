"""Parcels that wait for their cart to be told, taken by one worker at a time."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from django.db import connection
from msgspec import structs

from integration_manager import tenancy
from integration_manager.kit.canonical import Shipment, from_json
from merchants import scac
from orders.intake import ADDED
from orders.run import Run
from orders.services.told import UNNAMED, ids


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parcel taken for upload. `starts` counts this claim."""

    id: int
    token: int
    starts: int
    failures: int
    unknown_rounds: int
    order_id: int
    cart_key: str
    cust_ref: str
    number: str
    remote_id: str  # the cart's own id of it, where it was told before
    handle: str  # of an earlier call that the cart is working on
    shipment: Shipment
    taken: frozenset[str]  # the cart's ids of the order's other parcels
    start_before: float = 0.0  # until when its call may be begun, by time.monotonic()


def claim(run: Run, limit: int, lease: float, window: float = math.inf, *, begins: bool = True) -> list[Parcel]:
    """Takes parcels that wait; those with an expired claim too. Their calls begin within `window` seconds.

    `begins`: whether an upload may begin from now on. For a file it does not: the file is known, until that is decided.
    """
    assert run.cart is not None
    start_before = time.monotonic() + window
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH picked AS MATERIALIZED (
                SELECT id FROM orders_shipment
                WHERE cart_id = %s AND uploaded_at IS NULL AND parked_at IS NULL AND retry_at <= %s AND for_cart
                  AND (lease_until IS NULL OR lease_until < now()) AND out_file_id IS NULL
                ORDER BY retry_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
            UPDATE orders_shipment s SET token = s.token + 1, starts = s.starts + %s,
                   lease_until = now() + make_interval(secs => %s)
            FROM picked, orders_order o WHERE s.id = picked.id AND o.id = s.order_id
            RETURNING s.id, s.token, s.starts, s.failures, s.unknown_rounds, o.id, o.cart_key, o.cust_ref,
                      o.cust_po_no, s.remote_id, s.handle, s.data::text,
                      (SELECT json_agg(json_build_object('item', coalesce(ol.item, l.item),
                                                         'line_id', coalesce(ol.line_id, ''),
                                                         'quantity', trim_scale(l.quantity)::text))
                       FROM orders_shipmentline l LEFT JOIN orders_orderline ol
                         ON ol.account_id = s.account_id AND ol.order_id = o.id AND ol.line_id = l.line_id
                       WHERE l.account_id = s.account_id AND l.shipment_id = s.id)::text,
                      o.status IN ('shipped', 'confirmed') AND NOT EXISTS (
                          SELECT 1 FROM orders_shipment n WHERE n.account_id = s.account_id AND n.order_id = o.id
                          AND n.id > s.id AND n.voided_at IS NULL AND n.for_cart),
                      (SELECT array_agg(n.remote_id) FROM orders_shipment n WHERE n.account_id = s.account_id
                       AND n.order_id = o.id AND n.id <> s.id AND n.remote_id <> ''),
                      (SELECT string_agg(n.tracking_no, ', ' ORDER BY n.id) FROM orders_shipment n
                       WHERE n.account_id = s.account_id AND n.order_id = o.id AND n.remote_id = s.remote_id
                       AND s.remote_id <> ALL(%s) AND n.voided_at IS NULL AND n.tracking_no <> '')""",
            [run.cart.pk, run.now, limit, int(begins), lease, ["", *UNNAMED]],
        )
        return _as_carts_say([_parcel(row, start_before) for row in cursor.fetchall()], run.merchant.pk, run.now)


def _as_carts_say(parcels: list[Parcel], merchant_id: int, now: datetime) -> list[Parcel]:
    """The parcels with the carriers of the merchant's SCAC Mapping.

    That is noted on those that it changes, and once in the timelines of their orders.
    """
    known = scac.translation(merchant_id) if parcels else {}
    said = {p.id: code for p in parcels if (code := known.get(scac.carrier_key(p.shipment.carrier)))}
    if not said:
        return parcels
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH said AS (UPDATE orders_shipment s SET sent_carrier = g.code
                             FROM unnest(%s::bigint[], %s::text[]) AS g(id, code)
                             WHERE s.id = g.id AND s.sent_carrier <> g.code
                             RETURNING s.id, s.order_id, s.tracking_no, s.carrier, g.code)
               INSERT INTO orders_event (account_id, order_id, at, kind, frm, "to", actor, message)
               SELECT %s, order_id, %s, 'rules', '', '', '',
                      format('SCAC Mapping: the cart is told %%s as the carrier of %%s, in place of %%s.',
                             code, coalesce(nullif(tracking_no, ''), 'a parcel'), carrier)
               FROM said ORDER BY id""",
            [list(said), list(said.values()), tenancy.account_id(), now],
        )
    named = [structs.replace(p.shipment, carrier=said.get(p.id, p.shipment.carrier)) for p in parcels]
    return [replace(p, shipment=shipment) for p, shipment in zip(parcels, named, strict=True)]


def _parcel(row: tuple[Any, ...], start_before: float) -> Parcel:
    data = orjson.loads(row[11])
    if row[12]:
        # In the source's own terms: its line and its SKU, which may differ from what the WMS got.
        lines = orjson.loads(row[12])
        known = [line for line in lines if line["line_id"] and not line["line_id"].startswith(ADDED)]
        # What was added here, or put in by the warehouse, has no line there; a parcel of nothing else says what is in
        # it all the same: without lines it would be the whole order.
        data["lines"] = known or [{name: line[name] for name in ("item", "quantity")} for line in lines]
    if row[13]:
        data["closed"] = True  # the order's last: a cart may count lines that were never to be shipped
    if row[15]:
        data["tracking_no"] = row[15]  # of all that are one to the cart (see replaced.py)
    values = [*row[:11], from_json(Shipment, data), frozenset(ids(row[14] or ())), start_before]
    return Parcel(*values)


def release(parcels: Sequence[Parcel], retry_at: datetime | None = None) -> None:
    """Gives back parcels for which no call went out."""
    if not parcels:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_shipment s SET lease_until = NULL, starts = s.starts - 1,
                      retry_at = coalesce(%s, s.retry_at)
               FROM unnest(%s::bigint[], %s::bigint[]) AS g(id, token) WHERE s.id = g.id AND s.token = g.token""",
            [retry_at, [p.id for p in parcels], [p.token for p in parcels]],
        )
