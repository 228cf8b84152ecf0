"""What an order of a source is for us, before anything is stored: the same for the engine, previews and dry runs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from msgspec import structs

from carts.models import Cart
from integration_manager.kit.canonical import Order, SourceState
from integration_manager.kit.connector import Connector
from integration_manager.kit.errors import Unmappable
from merchants.rules import Problem
from orders.connections import cart_class
from orders.content import plain
from orders.formats import with_formats
from orders.intake import Incoming, Intake, check, read
from orders.models import OrderDetail

HANDLED = "handled"  # the reason of skipped orders that a person marked as handled elsewhere
GONE = "gone"  # of those that were here, and are not any more: orders/expiry.py
DONE_WITH = (HANDLED, GONE)
TOO_OLD = "too_old"
_NOT_OURS = {
    SourceState.NOT_YET: "It is not ready to be shipped yet, for example not paid. It is loaded once it is.",
    SourceState.CANCELED: "It is canceled there.",
    SourceState.CLOSED: "It is shipped or closed there already.",
}
_SHOWN_AGAIN = (
    "It was here, was done, and was removed after its time. Its shop shows it again, to be shipped. "
    "It is not sent again, unless it is loaded anyway."
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something without a key: it can only be noted as skipped, by a hash of its content."""

    key: str
    raw: Any
    why: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why an order that we do not have is not loaded: a stable code, and the reason in plain words.

    `listed`: among the skipped orders, where a person can load it anyway.
    """

    reason: str
    message: str
    listed: bool = False


def reader_of(cart: Cart) -> Connector:
    """A cart's connector that can call nobody: for its mapping and its options."""
    system = cart_class(cart)
    return system(with_formats(system, {**cart.options, **cart.credentials}, cart.merchant))


def read_raw(
    raw: Any, connector: Connector, zone: str, options: Mapping[str, Any] | None = None
) -> Incoming | Unreadable:
    """One order as its source has it. `zone`: the account's, in which an order's moment has its day.

    `options`: the connector's, where many orders are read with them.
    """
    kept = plain(raw)
    try:
        key = str(connector.mapper("key_of")(raw))
    except Unmappable as error:
        content = hashlib.sha256(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return Unreadable(f"content:{content[:40]}", kept, str(error))
    order: Order | None = None
    problem: Problem | None = None
    try:
        order = _dated(connector.mapper("to_order")(raw, connector.options() if options is None else options), zone)
        check(order)
    except Unmappable as error:
        order = None
        problem = Problem(
            code="unmappable",
            field=error.field,
            message=f"The shop's order could not be read: {error}.",
            fix="Correct it in the shop. It is read again as soon as it changes there.",
        )
    return read(kept, key[:100], order, problem)


def left_out(intake: Intake, incoming: Incoming, now: datetime, *, over: str = "") -> LeftOut | None:
    """Why an order that we do not have is not to be loaded; None: it is. `over`: it is done with, HANDLED or GONE.

    Lets the rules see it as loaded now, which may refuse it.
    """
    order = incoming.order
    if order is not None and order.source_state is not SourceState.ELIGIBLE:
        # Canceled, closed or not ready before we ever knew it: nothing to ship.
        return LeftOut(order.source_state.value, _NOT_OURS[order.source_state])
    if over == HANDLED:
        return LeftOut(HANDLED, "It was handled already, so it is not sent.")
    if over == GONE:
        return LeftOut(GONE, _SHOWN_AGAIN, listed=True)
    earliest = intake.cart.earliest_order_date
    if order is not None and order.order_date < earliest:
        message = f"Ordered on {order.order_date}, before this cart's Earliest Order Date {earliest}."
        return LeftOut(TOO_OLD, message, listed=True)
    intake.judge(incoming, now)
    refused = incoming.outcome.refused if incoming.outcome else None
    return LeftOut(refused.reason, refused.message, listed=True) if refused else None


def _dated(order: Order, zone: str) -> Order:
    """The day of an order is that of its moment where the account is, not in Greenwich."""
    if order.ordered_at is None:
        return order
    return structs.replace(order, order_date=order.ordered_at.astimezone(ZoneInfo(zone)).date())


def source_of(detail: OrderDetail, zone: str = "UTC") -> dict[str, Any] | None:
    """The stored form of what an order's source said last, as its connector reads it now; None where nobody knows."""
    if detail.raw is None:
        return None
    try:
        incoming = read_raw(detail.raw, reader_of(detail.order.cart), zone)
    except KeyError:  # its connector is not installed any more
        return None
    if isinstance(incoming, Unreadable) or incoming.order is None:
        return None
    return incoming.data
