"""Orders follow their source: edits and cancellations until they are sent, a word about them after that."""

from datetime import datetime
from typing import Any

from alerts.raising import raise_alert
from integration_manager.kit.canonical import Order, SourceState, from_json
from merchants.models import Merchant
from merchants.rules import HOLDS
from orders import causes as because
from orders import ruling
from orders.changes import changed_after_sending, record_change, request_cancel
from orders.content import same_but_state, source_hash
from orders.inserting import insert_lines, insert_orders, list_codes, placing, search_keys
from orders.intake import Incoming, Intake, Stored
from orders.models import Effect, OrderDetail, OrderLine, Status
from orders.models import Order as OrderRow
from orders.references import wms_ref
from orders.states import UNSENT, move, note


def update_known(
    intake: Intake, row_id: int, status: Status, canceled: bool, incoming: Incoming, now: datetime, stored: Stored
) -> None:
    """Takes up a new version of an order that we have, by the state that it is in."""
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
        # Our own doing once it has our tracking; before we sent it, somebody else has shipped it. What was
        # edited before it was closed, or since, is a change like any other.
        edited = _set_hash(row_id, incoming, now)
        _hold(row_id, status, "The shop has closed the order before it was sent.", now)
        if edited and status in (Status.AT_WMS, Status.SHIPPED, Status.CONFIRMED):
            changed_after_sending(row_id, incoming.data, now)
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
    """Takes note of a source version without changing what we send. False: only its state is new, if anything."""
    rows = OrderRow.objects.filter(pk=row_id)
    known = rows.values_list("source_hash", flat=True).get()
    changed = known != incoming.hash and not same_but_state(known, incoming.data)
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
        update_known(intake, row_id, Status(row.status), canceled, incoming, now, stored)
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
    judged = Incoming(incoming.key, incoming.raw, order)
    intake.judge(judged, anyway=row.anyway)
    assert judged.outcome is not None
    record_change(row_id, detail.data, data, now, actor="", message="Changed in the shop.")
    keys = {name: values[0] for name, values in search_keys([data]).items()}
    if incoming.raw is not None:
        keys["raw"] = incoming.raw
    OrderDetail.objects.filter(pk=detail.pk).update(data=data, newer=None, **keys)
    OrderLine.objects.filter(order_id=row_id).delete()
    insert_lines({row_id: judged.outcome})
    list_codes(intake, [judged], now)
    if judged.outcome.story != detail.applied:
        ruling.tell({row_id: judged.outcome}, now, store=True)
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
    _place(intake, row, judged, status, now)


def _place(intake: Intake, row: OrderRow, judged: Incoming, status: Status, now: datetime) -> None:
    """Where the order stands now that the rules have seen its new version."""
    place, problem = placing(judged, now), judged.problem
    if status is Status.READY:  # failed before, perhaps: what is new is tried at once, unless a rule says when
        waiting = OrderRow.objects.filter(pk=row.pk, status=status)
        waiting.update(retry_at=place.retry_at, failures=0, first_failed_at=None)
    if problem is not None:
        cause = because.of_problem(intake.merchant.pk, problem, intake.cart.pk)
        if status in (Status.RECEIVED, Status.READY):
            because.to_error([row.pk], status, problem, cause, now)
        elif status is Status.ERROR and row.cause != cause.key:
            because.instead(row, problem, cause, now)
        return
    may_go = status in (Status.RECEIVED, Status.ERROR, Status.GAVE_UP) or (
        status is Status.HELD and row.held_by in ("source", *HOLDS)
    )
    if place.status == Status.HELD:
        if status is not Status.HELD:
            because.hold([row.pk], status, place.held_by, place.why, now)
    elif may_go:
        because.free([row.pk], status, "Corrected in the shop; it is sent again.", now, retry_at=place.retry_at)


def _names(intake: Intake, row: OrderRow, data: dict[str, Any]) -> dict[str, str]:
    """What an order goes by. Its reference follows as long as nobody outside can have seen it."""
    names = {"cust_ref": data["cust_ref"][:100], "cust_po_no": data["cust_po_no"][:100]}
    if row.starts == 0 and names["cust_ref"] != row.cust_ref:
        cart = intake.cart
        ref = wms_ref(cart.public_id, cart.number, row.cart_key, data["cust_ref"], row.revision, intake.prefix)
        if not OrderRow.objects.filter(merchant=row.merchant_id, wms_ref=ref).exclude(pk=row.pk).exists():
            names["wms_ref"] = ref
    return names


def take_newer(merchant: Merchant, row_id: int, now: datetime) -> None:
    """A source version came while the order was being sent; now that this is decided, it takes its effect."""
    cart = OrderRow.objects.select_related("cart").get(pk=row_id).cart
    intake = Intake(merchant, cart)
    intake.keep_rules()
    row = OrderRow.objects.select_for_update().get(pk=row_id)
    version = OrderDetail.objects.values_list("newer", flat=True).get(order_id=row_id)
    if not version or row.status in (Status.SENDING, Status.CANCELED):
        return  # being sent again, or to be opened again: the next look at the source does that
    incoming = Incoming(row.cart_key, None, from_json(Order, version), data=version, hash=source_hash(version))
    canceled = row.cancel_requested_at is not None
    update_known(intake, row_id, Status(row.status), canceled, incoming, now, Stored())


def reopen(intake: Intake, row_id: int, incoming: Incoming, now: datetime, stored: Stored) -> None:
    """A canceled order that lives again at its source is a new order, held for a person."""
    _set_hash(row_id, incoming, now)
    revision = OrderRow.objects.values_list("revision", flat=True).get(pk=row_id) + 1
    ids = insert_orders(intake, [incoming], now, stored, revision=revision, status=Status.HELD)
    OrderRow.objects.filter(pk__in=ids).update(held_by="reopened")
    note(
        ids, "held", "The shop opened this order again after it was canceled. Release it if it is to be sent.", now=now
    )
