"""Inserts what is new: orders with their details, lines and first events, and what was skipped."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from carts.models import Cart, CartShipMethod
from integration_manager.ids import public_ids
from integration_manager.kit.canonical import Order
from merchants.rules import Outcome
from merchants.rules.methods import MOST_CODES, code_key
from orders import bulk, kit_lines, ruling
from orders import causes as because
from orders.content import fold
from orders.intake import Incoming, Intake, Stored
from orders.models import Event, OrderDetail, OrderLine, SkippedOrder, Status
from orders.models import Order as OrderRow
from orders.reading import LeftOut
from orders.references import wms_ref

each = bulk.PerRow


class Plan:
    """What is to be written of new orders: all that can be said of them before they have their ids.

    It asks the database nothing once its orders are judged, so that another thread can make it.
    """

    def __init__(
        self,
        intake: Intake,
        wanted: Sequence[Incoming],
        now: datetime,
        revision: int = 0,
        status: Status | None = None,
        *,
        hashed: bool = False,
        anyway: bool = False,
    ) -> None:
        """`wanted`: judged, if they could be read. The rest as for `insert_orders`."""
        self.wanted, self.now, self.rules = wanted, now, intake.known_rules
        # One that is kept here whatever the rules say waits for no fix: they see it again once it is released.
        problems = [None if status is not None and i.order is not None else i.problem for i in wanted]
        self.causes = [because.of_problem(intake.merchant.pk, p, intake.cart.pk) if p else None for p in problems]
        orders = [incoming.order for incoming in wanted]
        placed = [placing(incoming, now, status) for incoming in wanted]
        refs = [reference(intake, i, revision, hashed=hashed) for i in wanted]
        self.orders = bulk.Insert(
            OrderRow,
            {
                "public_id": each(public_ids(len(wanted))),
                "merchant_id": intake.merchant.pk,
                "cart_id": intake.cart.pk,
                "source": intake.cart.source,
                "cart_key": each(i.key for i in wanted),
                "revision": revision,
                "cust_ref": each(i.data["cust_ref"][:100] for i in wanted),
                "cust_po_no": each(i.data["cust_po_no"][:100] for i in wanted),
                "wms_ref": each(refs),
                "status": each(p.status for p in placed),
                "held_by": each(p.held_by for p in placed),
                "anyway": anyway,
                "error_code": each(p.code if p else "" for p in problems),
                "error_message": each(p.message if p else "" for p in problems),
                "cause": each(c.key if c else "" for c in self.causes),
                "retry_at": each(p.retry_at for p in placed),
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
            returning=("id", "cart_key", "status"),
        )
        self.belongings = Belongings(wanted, placed, now)

    def fits(self, intake: Intake, wanted: Sequence[Incoming]) -> bool:
        """Whether it is of these orders, and by the present rules."""
        same = len(wanted) == len(self.wanted) and all(map(operator.is_, wanted, self.wanted))
        return same and self.rules is intake.known_rules


class Belongings:
    """What is written of new orders beside themselves: details, lines, first events."""

    def __init__(self, wanted: Sequence[Incoming], placed: Sequence["Placing"], now: datetime) -> None:
        """`placed`: where each of `wanted` stands."""
        self._outcomes = [incoming.outcome for incoming in wanted]
        self._details = bulk.Insert(
            OrderDetail,
            {
                "data": each(i.data for i in wanted),
                "raw": each(i.raw for i in wanted),
                "applied": each(o.story if o else [] for o in self._outcomes),
                **search_keys([i.data for i in wanted]),
            },
            late=("order_id",),
        )
        self._lines = Lines(self._outcomes)
        self._events = bulk.Insert(
            Event,
            {
                "at": now,
                "kind": "loaded",
                "to": each(p.status for p in placed),
                "message": each(p.why for p in placed),
            },
            late=("order_id",),
        )
        self._now = now

    def write(self, ids: Sequence[int]) -> None:
        """`ids`: of each of the orders."""
        self._details.write(order_id=ids)
        self._lines.write(ids)
        judged = {pk: outcome for pk, outcome in zip(ids, self._outcomes, strict=True) if outcome}
        kit_lines.store_parts(judged, known=False)
        self._events.write(order_id=ids)
        ruling.tell(judged, self._now)


class Lines:
    """The lines of orders: the source's, and what is sent for each."""

    def __init__(self, outcomes: Sequence[Outcome | None]) -> None:
        """`outcomes`: of each of the orders what the rules made of it; None: it has no lines that could be read."""
        self._counts = [len(outcome.order.lines) if outcome else 0 for outcome in outcomes]
        rows = [(at, line, o) for o in outcomes if o for at, line in enumerate(o.order.lines, 1)]
        self._lines = bulk.Insert(
            OrderLine,
            {
                "position": each(at for at, _, _ in rows),
                "line_id": each(line.line_id[:100] for _, line, _ in rows),
                "item": each(line.item[:100] for _, line, _ in rows),
                "item_key": each(fold(line.item) for _, line, _ in rows),
                "sent_item": each(outcome.sent_item(at)[:100] for at, _, outcome in rows),
                "filtered": each(at in outcome.left_out for at, _, outcome in rows),
                "quantity": each(line.quantity for _, line, _ in rows),
            },
            late=("order_id",),
        )

    def write(self, ids: Sequence[int]) -> None:
        """Inserts them, in one statement. `ids`: of each of the orders."""
        order_ids = [pk for pk, count in zip(ids, self._counts, strict=True) for _ in range(count)]
        if order_ids:
            self._lines.write(order_id=order_ids)


def insert_orders(
    intake: Intake,
    wanted: list[Incoming],
    now: datetime,
    stored: Stored,
    revision: int = 0,
    status: Status | None = None,
    hashed: bool = False,
    anyway: bool = False,
    plan: Plan | None = None,
) -> list[int]:
    """Inserts orders with their details, lines and first events, in four statements; five with rules' doings.

    `anyway`: a person wants them, whatever refuses or holds them. `plan`: made ahead, for what will probably be
    wanted.
    """
    if not wanted:
        return []
    for incoming in wanted:
        if incoming.outcome is None:
            intake.judge(incoming, now, anyway=anyway)
    if plan is None or not plan.fits(intake, wanted):
        plan = Plan(intake, wanted, now, revision, status, hashed=hashed, anyway=anyway)
    try:
        with transaction.atomic():
            rows = plan.orders.write()
    except IntegrityError:  # rare; to be ready for it costs a look into every unique index for each order
        rows = plan.orders.write(conflict="ON CONFLICT DO NOTHING")
    ids = {key: (row_id, state) for row_id, key, state in rows}
    written = [i for i in wanted if i.key in ids]
    belongings = plan.belongings
    more = []
    if len(written) < len(wanted):
        belongings = Belongings(written, [placing(i, now, status) for i in written], now)
        if not hashed:  # stored meanwhile by somebody else, or another order has the reference: then by a hash
            others = [i for i in wanted if i.key not in ids]
            more = insert_orders(intake, others, now, stored, revision, status, hashed=True, anyway=anyway)
    if not written:
        return more
    belongings.write([ids[i.key][0] for i in written])
    list_codes(intake, written, now)
    stored.new += len(written)
    stored.in_error += sum(1 for i in written if ids[i.key][1] == Status.ERROR)
    stored.causes += [c for c in plan.causes if c]
    return [ids[i.key][0] for i in written] + more


def reference(intake: Intake, incoming: Incoming, revision: int = 0, *, hashed: bool = False) -> str:
    """What the WMS is to know an order by. `hashed`: the plain one is another order's already.

    So is one made of a key in a number's place: it might be another order's number.
    """
    number = "" if hashed or incoming.order is None else incoming.data["cust_ref"]
    return wms_ref(intake.cart.public_id, intake.cart.number, incoming.key, number, revision, intake.prefix)


def insert_lines(orders: Mapping[int, Outcome], *, known: bool = False) -> None:
    """Inserts the lines of orders (by id): the source's, and what is sent for each; in one statement.

    Another one for components of kits; `known`: the orders may have had such.
    """
    Lines(list(orders.values())).write(list(orders))
    kit_lines.store_parts(orders, known=known)


def list_codes(intake: Intake, incoming: Sequence[Incoming], now: datetime) -> None:
    """Puts the ship codes that these orders bring on their cart's list, where they can be mapped, once each."""
    said = {code_key(i.order.ship_code): i.order.ship_code or "" for i in incoming if i.order}
    new = sorted(said.keys() - intake.listed)[: max(MOST_CODES - len(intake.listed), 0)]
    if new:
        intake.listed.update(new)
        bulk.insert(
            CartShipMethod,
            {
                "cart_id": intake.cart.pk,
                "code": each(" ".join(said[key].split())[:100] for key in new),
                "key": each(new),
                "created_at": now,
            },
            conflict="ON CONFLICT DO NOTHING",
        )


@dataclass(frozen=True, slots=True)
class Placing:
    """Where an order stands once the rules have seen it: its state, who holds it, when it goes, and why."""

    status: str
    retry_at: datetime
    held_by: str = ""
    why: str = ""


def placing(incoming: Incoming, now: datetime, status: Status | None = None) -> Placing:
    """Where an order is to stand. `status`: where one that could be read stands, whatever the rules say."""
    problem = incoming.problem
    hold = incoming.outcome.waits if incoming.outcome else None
    goes = max(hold.until, now) if hold is not None and hold.until is not None else now
    if status is not None and incoming.order is not None:
        return Placing(str(status), now, why=problem.message if problem else "")
    if problem is not None:  # from when on it may go, once it is released
        return Placing(str(Status.ERROR), goes, why=problem.message)
    if hold is None:
        return Placing(str(Status.READY), now)
    if hold.until is None:
        return Placing(str(Status.HELD), now, hold.by, hold.why)
    return Placing(str(Status.READY), goes, why=hold.why)


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


def skip_order(cart: Cart, incoming: Incoming, order: Order, why: LeftOut, now: datetime) -> None:
    """Notes an order that could be read and is not to be loaded, among the skipped ones."""
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
        "reason = excluded.reason, message = excluded.message, raw = excluded.raw, "
        "number = excluded.number, order_date = excluded.order_date",
    )
