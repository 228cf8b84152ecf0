"""Inserts what is new: orders with their details, lines and first events, and what was skipped."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from carts.models import Cart
from integration_manager import tenancy
from integration_manager.ids import public_id
from integration_manager.kit.canonical import Order
from merchants.rules import Problem, problems_of
from orders import bulk
from orders import causes as because
from orders.content import fold
from orders.intake import Incoming, Intake, Stored
from orders.models import Order as OrderRow
from orders.models import OrderDetail, OrderLine, SkippedOrder, Status
from orders.reading import LeftOut
from orders.references import wms_ref

each = bulk.PerRow


def insert_orders(
    intake: Intake,
    wanted: list[Incoming],
    now: datetime,
    stored: Stored,
    revision: int = 0,
    status: Status | None = None,
    hashed: bool = False,
) -> list[int]:
    """Inserts orders with their details, lines and first events, in four statements."""
    if not wanted:
        return []
    problems = [problem_of(intake, incoming) for incoming in wanted]
    found = [because.of_problem(intake.merchant.pk, p) if p else None for p in problems]
    orders = [incoming.order for incoming in wanted]
    statuses = [str(status or (Status.ERROR if p else Status.READY)) for p in problems]
    refs = [reference(intake, i, revision, hashed=hashed) for i in wanted]
    rows = bulk.insert(
        OrderRow,
        {
            "public_id": each(public_id() for _ in wanted),
            "merchant_id": intake.merchant.pk,
            "cart_id": intake.cart.pk,
            "source": intake.cart.source,
            "cart_key": each(i.key for i in wanted),
            "revision": revision,
            "cust_ref": each(i.data["cust_ref"][:100] for i in wanted),
            "cust_po_no": each(i.data["cust_po_no"][:100] for i in wanted),
            "wms_ref": each(refs),
            "status": each(statuses),
            "error_code": each(p.code if p else "" for p in problems),
            "error_message": each(p.message if p else "" for p in problems),
            "cause": each(c.key if c else "" for c in found),
            "retry_at": now,
            "starts": each(int(intake.forgot(o)) for o in orders),
            "source_hash": each(i.hash for i in wanted),
            "source_modified_at": each(o.modified_at if o else None for o in orders),
            "order_date": each(o.order_date if o else now.date() for o in orders),
            "ship_code": each((o.ship_code or "")[:100] if o else "" for o in orders),
            "ship_country": each((o.ship.country or "")[:3] if o else "" for o in orders),
            "location": each((o.location or "")[:100] if o else "" for o in orders),
            "grand_total": each(o.grand_total if o else None for o in orders),
            "currency": each((o.currency_code or "")[:3] if o else "" for o in orders),
            "lines": each(len(o.lines) if o else 0 for o in orders),
            "qty_total": each(sum(line.quantity for line in o.lines) if o else 0 for o in orders),
            "created_at": now,
            "updated_at": now,
        },
        conflict="ON CONFLICT DO NOTHING",
        returning=("id", "cart_key", "status"),
    )
    ids = {key: (row_id, state) for row_id, key, state in rows}
    written = [i for i in wanted if i.key in ids]
    if len(written) < len(wanted) and not hashed:
        # Stored meanwhile by somebody else, or another order has the reference: then by a hash.
        others = [i for i in wanted if i.key not in ids]
        more = insert_orders(intake, others, now, stored, revision, status, hashed=True)
    else:
        more = []
    if not written:
        return more
    bulk.insert(
        OrderDetail,
        {
            "order_id": each(ids[i.key][0] for i in written),
            "data": each(i.data for i in written),
            "raw": each(i.raw for i in written),
            **search_keys([i.data for i in written]),
        },
    )
    insert_lines([(ids[i.key][0], i.order) for i in written if i.order])
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO orders_event (account_id, order_id, at, kind, frm, "to", actor, message)
               SELECT %s, t.id, %s, 'loaded', '', t.status, '', t.message
               FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS t(id, status, message)""",
            [
                tenancy.account_id(),
                now,
                [ids[i.key][0] for i in written],
                [ids[i.key][1] for i in written],
                [p.message if p else "" for i, p in zip(wanted, problems, strict=True) if i.key in ids],
            ],
        )
    stored.new += len(written)
    stored.in_error += sum(1 for i in written if ids[i.key][1] == Status.ERROR)
    stored.causes += [c for c in found if c]
    return [ids[i.key][0] for i in written] + more


def reference(intake: Intake, incoming: Incoming, revision: int = 0, *, hashed: bool = False) -> str:
    """What the WMS is to know an order by. `hashed`: the plain one is another order's already.

    So is one made of a key in a number's place: it might be another order's number.
    """
    number = "" if hashed or incoming.order is None else incoming.data["cust_ref"]
    return wms_ref(intake.cart.public_id, intake.cart.number, incoming.key, number, revision, intake.prefix)


def insert_lines(orders: Sequence[tuple[int, Order]]) -> None:
    """Inserts the lines of orders, in one statement."""
    rows = [(order_id, n, line) for order_id, order in orders for n, line in enumerate(order.lines, 1)]
    if rows:
        bulk.insert(
            OrderLine,
            {
                "order_id": each(order_id for order_id, _, _ in rows),
                "position": each(n for _, n, _ in rows),
                "line_id": each(line.line_id[:100] for _, _, line in rows),
                "item": each(line.item[:100] for _, _, line in rows),
                "item_key": each(fold(line.item) for _, _, line in rows),
                "sent_item": each(line.item[:100] for _, _, line in rows),
                "quantity": each(line.quantity for _, _, line in rows),
            },
        )


def problem_of(intake: Intake, incoming: Incoming) -> Problem | None:
    """What stands against sending it, if anything."""
    if incoming.order is None:
        return incoming.problem
    problems = problems_of(incoming.order)
    return problems[0] if problems else None


def search_keys(datas: list[dict[str, Any]]) -> dict[str, Any]:
    """The search columns of these orders' details."""
    ships = [data.get("ship") or {} for data in datas]
    # The last name first, so that it is found alone; the search tries both orders.
    person = [" ".join(p for p in (s.get("last_name"), s.get("first_name")) if p) for s in ships]
    bills = [data.get("bill") or {} for data in datas]
    return {
        "ref_key": each(fold(data["cust_ref"]) for data in datas),
        "number_key": each(fold(data["cust_po_no"]) for data in datas),
        "name_key": each(fold(p) for p in person),
        "company_key": each(fold(s.get("company")) for s in ships),
        "email_key": each(fold(s.get("e_mail") or b.get("e_mail")) for s, b in zip(ships, bills, strict=True)),
    }


def skip_too_old(cart: Cart, incoming: Incoming, order: Order, why: LeftOut, now: datetime) -> None:
    """Notes an order from before the cart's Earliest Order Date."""
    skip(
        cart,
        incoming.key,
        why.reason,
        why.message,
        now,
        number=order.cust_po_no,
        order_date=order.order_date,
        raw=incoming.raw,
    )


def skip(
    cart: Cart,
    key: str,
    reason: str,
    message: str,
    now: datetime,
    *,
    number: str = "",
    order_date: Any = None,
    raw: Any = None,
) -> None:
    """Notes something that was knowingly not loaded, once."""
    bulk.insert(
        SkippedOrder,
        {
            "merchant_id": cart.merchant_id,
            "cart_id": cart.pk,
            "key": each([key[:100]]),
            "number": number[:100],
            "reason": reason,
            "message": message,
            "order_date": order_date,
            "raw": raw,
            "seen_at": now,
        },
        conflict="ON CONFLICT (account_id, cart_id, key) DO UPDATE SET seen_at = excluded.seen_at, "
        "reason = excluded.reason, message = excluded.message",
    )
