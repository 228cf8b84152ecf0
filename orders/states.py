"""What an order may become, and the only code that writes `status`.

`claim()` takes orders for sending, `release()` gives unstarted ones back, `move()` does everything
else, in one statement with the timeline's entry. Leases are PostgreSQL's clock; `now` is business time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection

from integration_manager import tenancy
from orders.models import Status

S = Status
# from → {to: who may do it}. "engine" acts by itself, "person" by a button or the API, "evidence"
# is the WMS showing that it has the order.
TRANSITIONS: Mapping[Status, Mapping[Status, frozenset[str]]] = {
    frm: {to: frozenset(who.split()) for to, who in targets.items()}
    for frm, targets in {
        S.RECEIVED: {
            S.READY: "engine person",
            S.ERROR: "engine",
            S.HELD: "engine person",
            S.CANCELED: "engine person",
            S.AT_WMS: "evidence",
        },
        S.READY: {
            S.SENDING: "engine",
            S.HELD: "engine person",
            S.ERROR: "engine",
            S.CANCELED: "engine person",
            S.AT_WMS: "evidence",
        },
        S.SENDING: {
            S.AT_WMS: "engine evidence",
            S.READY: "engine",
            S.ERROR: "engine",
            S.GAVE_UP: "engine",
            S.CANCELED: "engine",
        },
        S.HELD: {
            S.READY: "engine person",
            S.ERROR: "engine",
            S.CANCELED: "engine person",
            S.AT_WMS: "evidence",
        },
        S.ERROR: {
            S.READY: "engine person",
            S.HELD: "engine person",
            S.CANCELED: "engine person",
            S.AT_WMS: "person evidence",
        },
        S.GAVE_UP: {
            S.READY: "engine person",
            S.ERROR: "engine",
            S.HELD: "engine person",
            S.CANCELED: "engine person",
            S.AT_WMS: "person evidence",
        },
        S.AT_WMS: {S.SHIPPED: "engine person", S.ERROR: "engine", S.CANCELED: "engine person"},
        S.SHIPPED: {S.CONFIRMED: "engine", S.AT_WMS: "engine"},
        S.CONFIRMED: {},
        S.CANCELED: {S.AT_WMS: "evidence", S.SHIPPED: "evidence"},
    }.items()
}

# The words of the public API.
OUTWARD: Mapping[Status, str] = {
    S.RECEIVED: "new",
    S.READY: "new",
    S.SENDING: "new",
    S.HELD: "new",
    S.ERROR: "error",
    S.GAVE_UP: "error",
    S.AT_WMS: "at_wms",
    S.SHIPPED: "shipped",
    S.CONFIRMED: "confirmed",
    S.CANCELED: "canceled",
}

UNSENT = (S.RECEIVED, S.READY, S.HELD, S.ERROR, S.GAVE_UP)  # certainly not being sent right now


class Each(list[Any]):
    """A field's values for `move`, one per order, where they differ."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One order taken for sending. `starts` counts this one's: from 2 on, look up before sending."""

    id: int
    token: int
    starts: int
    failures: int
    unknown_rounds: int
    cust_po_no: str
    wms_ref: str
    sent_hash: str
    source_changed: bool
    cancel_requested: bool
    first_failed_at: datetime | None
    cart_id: int
    handle: str  # of an earlier call that the WMS is working on
    wms_id: int | None  # the WMS that its first undecided send was begun to
    anyway: bool  # a person wants it sent, whatever refuses or holds it


_CLAIMED = (
    "o.id, o.token, o.starts, o.failures, o.unknown_rounds, o.cust_po_no, o.wms_ref, o.sent_hash, "
    "o.source_changed, o.cancel_requested_at IS NOT NULL, o.first_failed_at, o.cart_id, o.handle, o.wms_id, o.anyway"
)

_FOR_WMS = "wms_id = CASE WHEN o.starts = 0 THEN %s ELSE coalesce(o.wms_id, %s) END"


def claim(
    merchant_id: int, limit: int, lease: float, now: datetime, wms_id: int | None = None, *, begins: bool = True
) -> list[Claimed]:
    """Takes up to `limit` orders of a merchant for sending to this WMS, expired claims first.

    `lease`: seconds, by PostgreSQL's clock, that cover handing out, one call and its settling. An order
    whose sending was begun to another WMS keeps that one's id: nobody knows whether it has arrived there.
    `begins`: whether its send may begin from now on. Into a file it goes later, and that counts as the start.
    """
    taken: list[Claimed] = []
    with connection.cursor() as cursor:
        # Two statements, each with an index of its own: an OR over both is fifteen times slower.
        cursor.execute(
            f"""
            WITH picked AS MATERIALIZED (
                SELECT id FROM orders_order
                WHERE merchant_id = %s AND status = 'sending' AND lease_until < now() AND out_file_id IS NULL
                ORDER BY lease_until LIMIT %s FOR UPDATE SKIP LOCKED)
            UPDATE orders_order o SET token = token + 1, starts = starts + %s,
                   lease_until = now() + make_interval(secs => %s), {_FOR_WMS}
            FROM picked WHERE o.id = picked.id RETURNING {_CLAIMED}""",  # noqa: S608 (a constant list of columns)
            [merchant_id, limit, int(begins), lease, wms_id, wms_id],
        )
        taken += [Claimed(*row) for row in cursor.fetchall()]
        if len(taken) < limit:
            cursor.execute(
                f"""
                WITH picked AS MATERIALIZED (
                    SELECT id FROM orders_order
                    WHERE merchant_id = %s AND status = 'ready' AND retry_at <= %s
                    ORDER BY retry_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
                UPDATE orders_order o SET status = 'sending', token = token + 1, starts = starts + %s,
                       out_file_id = NULL, lease_until = now() + make_interval(secs => %s), {_FOR_WMS}
                FROM picked WHERE o.id = picked.id RETURNING {_CLAIMED}""",  # noqa: S608
                [merchant_id, now, limit - len(taken), int(begins), lease, wms_id, wms_id],
            )
            taken += [Claimed(*row) for row in cursor.fetchall()]
    return taken if begins else [replace(one, starts=one.starts + 1) for one in taken]


def release(claimed: Sequence[Claimed], retry_at: datetime | None = None) -> None:
    """Gives back orders for which certainly no call went out: uncharged, in their old place.

    One that had an earlier, undecided call stays `sending`, to be looked up again. `retry_at` moves
    the place in the line, where the other side asked for a pause.
    """
    give_back([(c.id, c.token, c.starts - 1) for c in claimed], retry_at)


def give_back(claims: Sequence[tuple[int, int, int]], retry_at: datetime | None = None) -> None:
    """The same, for (id, token, sends begun before)."""
    if not claims:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_order o SET
                status = CASE WHEN o.unknown_rounds > 0 OR o.handle <> '' THEN 'sending' ELSE 'ready' END,
                lease_until = CASE WHEN o.unknown_rounds > 0 OR o.handle <> '' THEN now() + interval '1 minute' END,
                starts = g.starts, retry_at = coalesce(%s, o.retry_at)
            FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS g(id, token, starts)
            WHERE o.id = g.id AND o.token = g.token AND o.status = 'sending'""",
            [retry_at, *(list(column) for column in zip(*claims, strict=True))],
        )


def move(
    ids: Sequence[int],
    frm: Status | Sequence[Status],
    to: Status,
    kind: str,
    *,
    now: datetime,
    message: str | Each = "",
    actor: str = "",
    tokens: Sequence[int] | None = None,
    **fields: Any,
) -> list[int]:
    """Moves orders from one state to another and enters it in their timelines, in one statement.

    Only orders that are (still) in `frm`, and whose claim is still `tokens`, move: the ids of those
    are returned. `fields` are further columns; an `Each` has one value per order. Raises ValueError
    for a transition that the table does not have.
    """
    sources = [frm] if isinstance(frm, Status) else list(frm)
    for source in sources:
        if to not in TRANSITIONS[source]:
            raise ValueError(f"an order that is {source} cannot become {to}")
    if not ids:
        return []
    names, arrays, values = ["id", "token", "message"], ["bigint", "bigint", "text"], []
    given: list[list[Any]] = [
        list(ids),
        list(tokens) if tokens is not None else [None] * len(ids),
        list(message) if isinstance(message, Each) else [message] * len(ids),
    ]
    updates = []
    for name, value in fields.items():
        if isinstance(value, Each):
            updates.append(f"{name} = g.{name}")
            names.append(name)
            arrays.append(_COLUMN_TYPES[name])
            given.append(list(value))
        else:
            updates.append(f"{name} = %s")
            values.append(value)
    if S.SENDING in sources:
        updates.append("lease_until = NULL")
    fence = "AND o.token = g.token" if tokens is not None else ""
    sql = f"""
        WITH g AS (SELECT * FROM unnest({", ".join(f"%s::{a}[]" for a in arrays)}) AS t({", ".join(names)})),
        old AS (SELECT o.id, o.status, g.message FROM orders_order o JOIN g ON g.id = o.id
                WHERE o.account_id = %s AND o.status = ANY(%s) {fence} ORDER BY o.id FOR NO KEY UPDATE OF o),
        moved AS (UPDATE orders_order o SET {", ".join(["status = %s", "updated_at = %s", *updates])}
                  FROM old JOIN g ON g.id = old.id WHERE o.id = old.id
                  RETURNING o.id, old.status AS frm, old.message)
        INSERT INTO orders_event (account_id, order_id, at, kind, frm, "to", actor, message)
        SELECT %s, id, %s, %s, frm, %s, %s, message FROM moved RETURNING order_id"""  # noqa: S608 (column names of ours)
    account = tenancy.account_id()
    params = [*given, account, [str(s) for s in sources], str(to), now, *values, account, now, kind, str(to), actor]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [row[0] for row in cursor.fetchall()]


_COLUMN_TYPES = {
    "wms_key": "text",
    "error_code": "text",
    "error_message": "text",
    "cause": "text",
    "retry_at": "timestamptz",
    "failures": "int",
    "unknown_rounds": "int",
    "first_failed_at": "timestamptz",
    "qty_shipped": "numeric",
    "shipped_at": "timestamptz",
    "short": "bool",
    "starts": "int",
}


def note(ids: Sequence[int], kind: str, message: str, *, now: datetime, actor: str = "") -> None:
    """Enters something in timelines that changes no state."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO orders_event (account_id, order_id, at, kind, frm, "to", actor, message)
               SELECT %s, id, %s, %s, '', '', %s, %s FROM unnest(%s::bigint[]) AS t(id)""",
            [tenancy.account_id(), now, kind, actor, message, list(ids)],
        )
