"""Orders follow their source: edits and cancellations until they are sent, a word about them after that."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alerts.raising import raise_alert, resolve
from integration_manager.kit.canonical import Order, SourceState, from_json
from merchants.models import Merchant
from merchants.rules import Hold
from orders import causes as because
from orders.changes import changed_after_sending, here_and_there, request_cancel
from orders.content import same_but_shipped, same_but_state, source_hash
from orders.differences import word
from orders.inserting import insert_orders
from orders.intake import Incoming, Intake, Stored
from orders.models import Effect, OrderDetail, Status
from orders.models import Order as OrderRow
from orders.reading import source_of
from orders.references import wms_ref
from orders.rewriting import SOURCE, place, rewrite
from orders.states import UNSENT, note

_SENT = (Status.AT_WMS, Status.SHIPPED, Status.CONFIRMED)
_BY_PEOPLE = ("person", "reopened")  # who hold an order whatever its source says
_NOT_YET = Hold(SOURCE, "In its present state the shop's order cannot be shipped.")
_CLOSED = Hold(SOURCE, "The shop has closed the order before it was sent.")


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
        _withdraw(row_id, incoming, _NOT_YET, now)
        return
    if status is Status.CANCELED:
        if order.source_state is SourceState.ELIGIBLE:
            reopen(intake, row_id, incoming, now, stored)
        return
    if order.source_state is SourceState.ELIGIBLE and canceled and _cancellation_waits(row_id, status):
        _keep_newer(row_id, incoming)  # canceled and opened again: the cancellation is decided first
        return
    if order.source_state is SourceState.CLOSED:
        _withdraw(row_id, incoming, _CLOSED, now)
        return
    stored.changed += 1
    if status in (Status.RECEIVED, Status.READY, Status.HELD, Status.ERROR, Status.GAVE_UP):
        apply_source(intake, row_id, status, incoming, now, stored)
    elif status is Status.SENDING:
        _keep_newer(row_id, incoming)
    elif _set_hash(row_id, incoming, now):
        changed_after_sending(row_id, incoming.data, now)


def withdrawn(order: Order | None) -> Hold | None:
    """What an order waits for that its source does not want shipped, as it stands there; None if it does.

    `order`: None if it cannot be read.
    """
    if order is None or order.source_state is SourceState.NOT_YET:  # for one thing, a payment was taken back
        return _NOT_YET
    return _CLOSED if order.source_state is SourceState.CLOSED else None


def _withdraw(row_id: int, incoming: Incoming, hold: Hold, now: datetime) -> None:
    """Keeps an order here that its source has withdrawn, until the source or a person wants it sent.

    While it is being sent, or nobody knows whether it was, this waits as `newer`: no call is begun before it is seen.
    """
    row = OrderRow.objects.select_for_update(no_key=True).get(pk=row_id)
    if row.status == Status.SENDING:
        _keep_newer(row_id, incoming)
        return
    edited = _set_hash(row_id, incoming, now)
    undecided = row.status == Status.ERROR and row.error_code == "outcome_unknown"
    if undecided:  # the question stays, and so does what is to follow from its answer
        OrderDetail.objects.filter(order_id=row_id).update(newer=_version(row_id, incoming))
    if row.status not in UNSENT or undecided or row.cancel_requested_at or row.held_by in _BY_PEOPLE:
        # To close what has our tracking is our own doing.
        if row.status in UNSENT or hold is not _CLOSED:
            note([row_id], "changed", hold.why, now=now)
    elif row.status == Status.HELD:
        because.hold_instead({row_id: hold}, now)
    else:
        because.hold([row_id], Status(row.status), hold.by, hold.why, now)
    # What was edited before, or since, is a change like any other; that it can be shipped again is no news later.
    if edited and incoming.order is not None and row.status in _SENT:
        changed_after_sending(row_id, incoming.data, now)


def _cancellation_waits(row_id: int, status: Status) -> bool:
    """Whether a cancellation that was asked for is not decided yet."""
    if status is Status.AT_WMS:
        waits: bool = Effect.objects.filter(order_id=row_id, state=Effect.State.WAITING).exists()
        return waits
    return status in (*UNSENT, Status.SENDING)


def _set_hash(row_id: int, incoming: Incoming, now: datetime) -> bool:
    """Takes note of a source version without changing what we send. False: only its state is new, if anything.

    Of an order whose personal data was removed nothing new is kept; once it has shipped nobody is told, either: shops
    remove theirs too.
    """
    rows = OrderRow.objects.filter(pk=row_id)
    known, forgotten, status = rows.values_list("source_hash", "forgotten_at", "status").get()
    changed = known != incoming.hash and not same_but_state(known, incoming.data)
    if changed and incoming.data.get("shipped"):
        before = source_of(OrderDetail.objects.select_related("order__cart__merchant").get(order_id=row_id))
        changed = before is None or not same_but_shipped(before, incoming.data)
    rows.update(source_hash=incoming.hash, source_changed=False, updated_at=now)
    if forgotten:  # a parcel of ours that the shop shows is no news, and nothing is left to tell it from more
        return changed and status == Status.AT_WMS and not incoming.data.get("shipped")
    raw = {"raw": incoming.raw} if incoming.raw is not None else {}
    OrderDetail.objects.filter(order_id=row_id).update(newer=None, **raw)
    return changed


def _keep_newer(row_id: int, incoming: Incoming) -> None:
    """The order is being sent right now: should it come back unsent, this version takes effect.

    The hash stays the old one, so that the next look at the source decides what to say if it was sent.
    """
    OrderRow.objects.filter(pk=row_id).update(source_changed=True)
    OrderDetail.objects.filter(order_id=row_id).update(newer=_version(row_id, incoming), raw=incoming.raw)


def _version(row_id: int, incoming: Incoming) -> dict[str, Any]:
    """A source version as it is kept for later; one that cannot be read is the order as it was, withdrawn."""
    if incoming.order is not None:
        return incoming.data
    data: dict[str, Any] = OrderDetail.objects.values_list("data", flat=True).get(order_id=row_id)
    return {**data, "source_state": SourceState.NOT_YET.value}


def apply_source(
    intake: Intake, row_id: int, status: Status, incoming: Incoming, now: datetime, stored: Stored
) -> None:
    """The order follows its source: a new version replaces the old one, before it is sent."""
    order = incoming.order
    assert order is not None
    row = OrderRow.objects.select_for_update(no_key=True).get(pk=row_id)
    if row.status != status:  # it moved on in this very moment, for one thing it may be being sent
        canceled = row.cancel_requested_at is not None
        update_known(intake, row_id, Status(row.status), canceled, incoming, now, stored)
        return
    detail = OrderDetail.objects.get(order_id=row_id)
    data = merged(row, detail, incoming.data)
    if row.edited_fields:
        _tell_of_both(row, detail, incoming, now)
    judged = rewrite(
        intake, row, detail, data, now, kind="changed", actor="", message="Changed in the shop.", raw=incoming.raw,
        **_names(intake, row, data), source_hash=incoming.hash, source_modified_at=order.modified_at,
        source_changed=False,
    )  # fmt: skip
    place(intake, row, judged, status, now, message="Corrected in the shop; it is sent again.")


def _tell_of_both(row: OrderRow, detail: OrderDetail, incoming: Incoming, now: datetime) -> None:
    """An alert for each part that was edited here and is another one in the shop now, until a person decides it."""
    before = None  # where nobody knows what the shop said, all of it may be new
    if incoming.raw is not None:
        before = source_of(OrderDetail.objects.select_related("order__cart__merchant").get(pk=detail.pk))
    for part in row.edited_fields:
        theirs, key = incoming.data.get(part), here_and_there(row.pk, part)
        if theirs == detail.data.get(part):
            resolve("changed_here_and_there", [key], now)
        elif before is None or before.get(part) != theirs:
            raise_alert(
                "changed_here_and_there",
                key,
                f"Order {row.cust_po_no}: “{word(part)}” was edited here and has now changed in the shop too; "
                "the edit made here stays.",
                fix="Compare both on the order's page and correct what should be different.",
                merchant_id=row.merchant_id,
                order_id=row.pk,
                now=now,
            )


def merged(row: OrderRow, detail: OrderDetail, version: Mapping[str, Any]) -> dict[str, Any]:
    """A source's version with what was edited here, which wins; what a person emptied stays empty."""
    kept = {name: detail.data[name] for name in row.edited_fields if name in detail.data}
    return {name: value for name, value in version.items() if name not in row.edited_fields} | kept


def _names(intake: Intake, row: OrderRow, data: dict[str, Any]) -> dict[str, str]:
    """What an order goes by. Its reference follows as long as nobody outside can have seen it."""
    names = {"cust_ref": data["cust_ref"][:100], "cust_po_no": data["cust_po_no"][:100]}
    unseen = row.starts == 0 and row.status != Status.SENDING
    if unseen and names["cust_ref"] != row.cust_ref:
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
    row = OrderRow.objects.select_for_update(no_key=True).get(pk=row_id)
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
    intake.judge(incoming, now)  # by the present rules, should they have changed since it was read
    ids = insert_orders(intake, [incoming], now, stored, revision=revision, status=Status.HELD)
    OrderRow.objects.filter(pk__in=ids).update(held_by="reopened")
    note(
        ids, "held", "The shop opened this order again after it was canceled. Release it if it is to be sent.", now=now
    )
