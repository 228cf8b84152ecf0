"""Stores what an order source gave: new orders, changed ones, cancellations. One page, one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from alerts.raising import raise_alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.ids import public_id
from integration_manager.kit.canonical import ZERO, Address, Order, SourceState, from_json
from integration_manager.kit.errors import Unmappable
from merchants.models import Merchant
from merchants.rules import Problem, Rules, prepare
from orders import bulk
from orders import causes as because
from orders.connections import wms_class
from orders.content import fold, source_hash, source_json
from orders.models import Effect, OrderDetail, OrderLine, SkippedOrder, Status
from orders.models import Order as OrderRow
from orders.references import wms_ref
from orders.states import UNSENT, move, note
from wms.models import Wms

each = bulk.PerRow
LARGEST = Decimal(10**15)  # of money and pieces: what the columns hold


@dataclass(slots=True)
class Incoming:
    """One order as read from its source; `problem` where it could not be mapped."""

    key: str
    raw: Any
    order: Order | None
    problem: Problem | None = None
    data: dict[str, Any] = field(default_factory=dict)
    hash: str = ""


@dataclass(slots=True)
class Stored:
    """What became of a page."""

    new: int = 0
    changed: int = 0
    canceled: int = 0
    skipped: int = 0
    in_error: int = 0
    causes: list[because.Cause] = field(default_factory=list)


@dataclass(slots=True)
class Intake:
    """Where orders come in: the cart, its merchant, and how references are made."""

    merchant: Merchant
    cart: Cart
    ref_prefix: str | None = None  # what references begin with; None: looked up when the first is made
    restored_at: datetime | None = None  # a backup was restored then

    def forgot(self, order: Order | None) -> bool:
        """Whether an order may have been sent in the time that the restore of a backup made us forget.

        By the day, since that is how exactly a source dates its orders; one more for the time zones.
        """
        if self.restored_at is None:
            return False
        return order is None or order.order_date <= (self.restored_at + timedelta(days=1)).date()

    @property
    def prefix(self) -> str:
        """The merchant's code, where the WMS wants references unique in the whole account."""
        if self.ref_prefix is None:
            wms = Wms.objects.first()
            scoped = wms is not None and getattr(wms_class(wms), "ref_scope", "merchant") == "account"
            self.ref_prefix = self.merchant.code if scoped else ""
        return self.ref_prefix

    @property
    def rules(self) -> Rules:
        """What the rules know of this cart."""
        return Rules(merchant_code=self.merchant.code, order_source=self.cart.order_source or self.cart.name)


def read(raw: Any, key: str, order: Order | None, problem: Problem | None) -> Incoming:
    """Prepares one order for storing."""
    incoming = Incoming(key, raw, order, problem)
    if order is None:
        # What cannot be mapped still has a place: in error, with its raw form, its key for a number.
        incoming.data = {"cart_key": key, "cust_ref": key, "cust_po_no": key}
        incoming.hash = source_hash({"raw": raw})
    else:
        incoming.data = source_json(order)
        incoming.hash = source_hash(incoming.data)
    return incoming


def check(order: Order) -> None:
    """Raises Unmappable for amounts that no column can hold."""
    amounts = {"grand_total": order.grand_total or ZERO, "quantity": sum((ln.quantity for ln in order.lines), ZERO)}
    for name, amount in amounts.items():
        if abs(amount) >= LARGEST:
            raise Unmappable(name, f"{amount:.6g} is no sensible number")


def store_page(intake: Intake, page: Sequence[Incoming], now: datetime, stored: Stored) -> bool:
    """Stores a page. Call inside a transaction that also saves the cursor. False: all of it was known."""
    by_key = {incoming.key: incoming for incoming in page}  # the same order twice: the later version
    if not by_key:
        return False
    known = _known(intake, list(by_key))
    fresh = [incoming for key, incoming in by_key.items() if key not in known]
    _insert_new(intake, fresh, now, stored)
    # In the order of their ids, as everybody locks orders.
    news = bool(fresh)
    for key, (row_id, status, old_hash, canceled, waits) in sorted(known.items(), key=lambda item: item[1]):
        incoming = by_key[key]
        if incoming.hash != old_hash or waits:
            news = True
            _update_known(intake, row_id, Status(status), canceled, incoming, now, stored)
    return news


def _known(intake: Intake, keys: list[str]) -> dict[str, tuple[int, str, str, bool, bool]]:
    """The latest revision of each order that we have: {key: (id, status, hash, cancel requested, newer waits)}."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT cart_key, id, status, source_hash, cancel_requested_at IS NOT NULL, source_changed
               FROM orders_order
               WHERE account_id = %s AND merchant_id = %s AND source = %s AND cart_key = ANY(%s)
               ORDER BY revision""",
            [tenancy.account_id(), intake.merchant.pk, intake.cart.source, keys],
        )
        return {row[0]: row[1:] for row in cursor.fetchall()}


def _insert_new(intake: Intake, fresh: list[Incoming], now: datetime, stored: Stored) -> None:
    wanted = []
    for incoming in fresh:
        order = incoming.order
        if order is not None:
            if order.source_state is not SourceState.ELIGIBLE:
                continue  # canceled, closed or not ready before we ever knew it: nothing to ship
            if order.order_date < intake.cart.earliest_order_date:
                _skip_too_old(intake, incoming, order, now)
                stored.skipped += 1
                continue
        wanted.append(incoming)
    insert_orders(intake, wanted, now, stored)


def insert_orders(
    intake: Intake,
    wanted: list[Incoming],
    now: datetime,
    stored: Stored,
    revision: int = 0,
    status: Status | None = None,
) -> list[int]:
    """Inserts orders with their details, lines and first events, in four statements."""
    if not wanted:
        return []
    problems = [_problem(intake, incoming) for incoming in wanted]
    found = [because.of_problem(intake.merchant.pk, p) if p else None for p in problems]
    orders = [incoming.order for incoming in wanted]
    statuses = [str(status or (Status.ERROR if p else Status.READY)) for p in problems]
    refs = [
        wms_ref(intake.cart.public_id, intake.cart.number, i.key, i.data["cust_ref"], revision, intake.prefix)
        for i in wanted
    ]
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
        conflict="ON CONFLICT (account_id, merchant_id, source, cart_key, revision) DO NOTHING",
        returning=("id", "cart_key", "status"),
    )
    ids = {key: (row_id, state) for row_id, key, state in rows}
    written = [i for i in wanted if i.key in ids]
    if not written:
        return []
    bulk.insert(
        OrderDetail,
        {
            "order_id": each(ids[i.key][0] for i in written),
            "data": each(i.data for i in written),
            "raw": each(i.raw for i in written),
            **_search_keys([i.data for i in written]),
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
    return [ids[i.key][0] for i in written]


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


def _problem(intake: Intake, incoming: Incoming) -> Problem | None:
    if incoming.order is None:
        return incoming.problem
    _, problems = prepare(incoming.order, intake.rules, "")
    return problems[0] if problems else None


def _search_keys(datas: list[dict[str, Any]]) -> dict[str, Any]:
    ships = [from_json(Address, data.get("ship") or {}) for data in datas]
    # The last name first, so that it is found alone; the search tries both orders.
    person = [" ".join(p for p in (s.last_name, s.first_name) if p) for s in ships]
    bills = [data.get("bill") or {} for data in datas]
    return {
        "ref_key": each(fold(data["cust_ref"]) for data in datas),
        "number_key": each(fold(data["cust_po_no"]) for data in datas),
        "name_key": each(fold(p) for p in person),
        "company_key": each(fold(s.company) for s in ships),
        "email_key": each(fold(s.e_mail or b.get("e_mail")) for s, b in zip(ships, bills, strict=True)),
    }


def _skip_too_old(intake: Intake, incoming: Incoming, order: Order, now: datetime) -> None:
    skip(
        intake.cart,
        incoming.key,
        "too_old",
        f"Ordered on {order.order_date}, before this cart's Earliest Order Date {intake.cart.earliest_order_date}.",
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


# ── orders that we have already ──


def _update_known(
    intake: Intake, row_id: int, status: Status, canceled: bool, incoming: Incoming, now: datetime, stored: Stored
) -> None:
    from orders.changes import changed_after_sending, request_cancel

    order = incoming.order
    if order is not None and order.source_state is SourceState.CANCELED:
        _set_hash(row_id, incoming, now)
        if not canceled and status is not Status.CANCELED:
            request_cancel(row_id, now, actor="", why="Canceled in the shop.")
            stored.canceled += 1
        return
    if order is None or order.source_state is SourceState.NOT_YET:
        # Unreadable, or not ready any more (a payment taken back): what is not sent yet stays here.
        _set_hash(row_id, incoming, now)
        if not _hold(row_id, status, "In its present state the shop's order cannot be shipped.", now):
            note([row_id], "changed", "The shop's order cannot be shipped in its present state.", now=now)
        return
    if status is Status.CANCELED:
        if order.source_state is SourceState.ELIGIBLE:
            reopen(intake, row_id, incoming, now, stored)
        return
    if order.source_state is SourceState.ELIGIBLE and canceled and _cancellation_waits(row_id, status):
        _keep_newer(row_id, incoming)  # canceled and opened again: the cancellation is decided first
        return
    if order.source_state is SourceState.CLOSED:
        # Our own doing once it has our tracking; before we sent it, somebody else has shipped it.
        _set_hash(row_id, incoming, now)
        _hold(row_id, status, "The shop has closed the order before it was sent.", now)
        return
    stored.changed += 1
    if status in (Status.RECEIVED, Status.READY, Status.HELD, Status.ERROR, Status.GAVE_UP):
        apply_source(intake, row_id, status, incoming, now, stored)
    elif status is Status.SENDING:
        _keep_newer(row_id, incoming)
    elif _set_hash(row_id, incoming, now):
        changed_after_sending(row_id, incoming.data, now)


def _hold(row_id: int, status: Status, why: str, now: datetime) -> bool:
    """Keeps an order here that its source has withdrawn, until the source or a person wants it sent."""
    if status not in (Status.RECEIVED, Status.READY, Status.ERROR, Status.GAVE_UP):
        return False
    held_up = list(OrderRow.objects.filter(pk=row_id).exclude(cause="").values_list("cause", flat=True))
    moved = move(
        [row_id], status, Status.HELD, "held", now=now, message=why, held_by="source", cause="", error_code="",
        error_message="",
    )  # fmt: skip
    because.settle(held_up, now)
    return bool(moved)


def _cancellation_waits(row_id: int, status: Status) -> bool:
    """Whether a cancellation that was asked for is not decided yet."""
    if status is Status.AT_WMS:
        waits: bool = Effect.objects.filter(order_id=row_id, state=Effect.State.WAITING).exists()
        return waits
    return status in (*UNSENT, Status.SENDING)


def _set_hash(row_id: int, incoming: Incoming, now: datetime) -> bool:
    """Takes note of a source version without changing what we send. False: it is the one we knew."""
    rows = OrderRow.objects.filter(pk=row_id)
    changed: bool = rows.exclude(source_hash=incoming.hash).exists()
    rows.update(source_hash=incoming.hash, source_changed=False, updated_at=now)
    raw = {"raw": incoming.raw} if incoming.raw is not None else {}
    OrderDetail.objects.filter(order_id=row_id).update(newer=None, **raw)
    return changed


def _keep_newer(row_id: int, incoming: Incoming) -> None:
    """The order is being sent right now: should it come back unsent, this version takes effect.

    The hash stays the old one, so that the next look at the source decides what to say if it was sent.
    """
    OrderRow.objects.filter(pk=row_id).update(source_changed=True)
    OrderDetail.objects.filter(order_id=row_id).update(newer=incoming.data, raw=incoming.raw)


def apply_source(
    intake: Intake, row_id: int, status: Status, incoming: Incoming, now: datetime, stored: Stored
) -> None:
    """The order follows its source: a new version replaces the old one, before it is sent."""
    order = incoming.order
    assert order is not None
    row = OrderRow.objects.select_for_update().get(pk=row_id)
    if row.status != status:  # it moved on in this very moment, for one thing it may be being sent
        canceled = row.cancel_requested_at is not None
        _update_known(intake, row_id, Status(row.status), canceled, incoming, now, stored)
        return
    detail = OrderDetail.objects.get(order_id=row_id)
    data = dict(incoming.data)
    if row.edited_fields:
        data |= {name: detail.data[name] for name in row.edited_fields if name in detail.data}
        raise_alert(
            "changed_here_and_there",
            f"order:{row_id}",
            f"Order {row.cust_po_no} was edited here and has now changed in the shop too; the edits made here stay.",
            fix="Compare both on the order's page and correct what should be different.",
            merchant_id=row.merchant_id,
            order_id=row_id,
            now=now,
        )
    order = from_json(Order, data)
    from orders.changes import record_change

    record_change(row_id, detail.data, data, now, actor="", message="Changed in the shop.")
    keys = {name: values[0] for name, values in _search_keys([data]).items()}
    if incoming.raw is not None:
        keys["raw"] = incoming.raw
    OrderDetail.objects.filter(pk=detail.pk).update(data=data, newer=None, **keys)
    OrderLine.objects.filter(order_id=row_id).delete()
    insert_lines([(row_id, order)])
    OrderRow.objects.filter(pk=row_id).update(
        **_names(intake, row, data),
        source_hash=incoming.hash,
        source_modified_at=order.modified_at,
        order_date=order.order_date,
        source_changed=False,
        updated_at=now,
        ship_code=(order.ship_code or "")[:100],
        ship_country=(order.ship.country or "")[:3],
        location=(order.location or "")[:100],
        grand_total=order.grand_total,
        currency=(order.currency_code or "")[:3],
        lines=len(order.lines),
        qty_total=sum(line.quantity for line in order.lines),
    )
    if status is Status.READY:  # failed before, perhaps: what is new is tried at once
        OrderRow.objects.filter(pk=row_id, status=status).update(retry_at=now, failures=0, first_failed_at=None)
    problem = _problem(intake, Incoming(incoming.key, incoming.raw, order))
    if problem and status in (Status.RECEIVED, Status.READY):
        cause = because.of_problem(intake.merchant.pk, problem)
        because.to_error([row_id], status, problem, cause, now)
    elif not problem and (
        status in (Status.RECEIVED, Status.ERROR, Status.GAVE_UP) or (status is Status.HELD and row.held_by == "source")
    ):
        because.free([row_id], status, "Corrected in the shop; it is sent again.", now)


def _names(intake: Intake, row: OrderRow, data: dict[str, Any]) -> dict[str, str]:
    """What an order goes by. Its reference follows as long as nobody outside can have seen it."""
    names = {"cust_ref": data["cust_ref"][:100], "cust_po_no": data["cust_po_no"][:100]}
    if row.starts == 0 and names["cust_ref"] != row.cust_ref:
        cart = intake.cart
        names["wms_ref"] = wms_ref(
            cart.public_id, cart.number, row.cart_key, data["cust_ref"], row.revision, intake.prefix
        )
    return names


def take_newer(merchant: Merchant, row_id: int, now: datetime) -> None:
    """A source version came while the order was being sent; now that this is decided, it takes its effect."""
    row = OrderRow.objects.select_for_update().select_related("cart").get(pk=row_id)
    version = OrderDetail.objects.values_list("newer", flat=True).get(order_id=row_id)
    if not version or row.status in (Status.SENDING, Status.CANCELED):
        return  # being sent again, or to be opened again: the next look at the source does that
    incoming = Incoming(row.cart_key, None, from_json(Order, version), data=version, hash=source_hash(version))
    canceled = row.cancel_requested_at is not None
    _update_known(Intake(merchant, row.cart), row_id, Status(row.status), canceled, incoming, now, Stored())


def reopen(intake: Intake, row_id: int, incoming: Incoming, now: datetime, stored: Stored) -> None:
    """A canceled order that lives again at its source is a new order, held for a person."""
    _set_hash(row_id, incoming, now)
    revision = OrderRow.objects.values_list("revision", flat=True).get(pk=row_id) + 1
    ids = insert_orders(intake, [incoming], now, stored, revision=revision, status=Status.HELD)
    OrderRow.objects.filter(pk__in=ids).update(held_by="reopened")
    note(
        ids, "held", "The shop opened this order again after it was canceled. Release it if it is to be sent.", now=now
    )
