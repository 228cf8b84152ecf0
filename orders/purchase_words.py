"""A purchase order in words: its state, what happens next and when, and its timeline."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, Func, QuerySet

from integration_manager.kit.canonical import ZERO, PurchaseOrder, PurchaseStatus, Receipt, from_json
from orders import purchase_rows
from orders.connections import cart_class
from orders.purchase_rows import Row, State

# state → icon, tone
FACES = {
    State.WAITING: ("s-sending", "progress"),
    State.EXPECTED: ("s-wms", "progress"),
    State.RECEIVED: ("s-confirmed", "good"),
    State.REFUSED: ("s-error", "bad"),
    State.HELD: ("s-off", "neutral"),
    State.CANCELED: ("s-canceled", "neutral"),
}
# kind of an event → title, icon, tone
EVENTS = {
    "loaded": ("Loaded", "s-new", ""),
    "changed": ("Changed", "edit", ""),
    "sent": ("At the WMS", "s-wms", "st-progress"),
    "found": ("At the WMS", "s-wms", "st-progress"),
    "canceled": ("Canceled", "s-canceled", ""),
    "ended": ("Ended", "s-canceled", ""),
    "received": ("Received", "s-confirmed", "st-good"),
    "told": ("Told", "s-confirmed", "st-good"),
    "not_told": ("Not told", "s-error", "st-bad"),
    "refused": ("Stopped", "s-error", "st-bad"),
    "unknown": ("Not known", "s-error", "st-bad"),
    "held": ("Kept here", "s-off", ""),
    "keep_here": ("Kept here", "s-off", ""),
    "send_again": ("Sent again", "user", ""),
    "it_arrived": ("It arrived", "user", ""),
    "it_did_not": ("It did not arrive", "user", ""),
    "settle": ("Settled", "user", ""),
    "tell_again": ("Told again", "user", ""),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line as its page shows it. `sent_as`: the WMS's code, where that is another one; `wrong`: over or short."""

    item: str
    sent_as: str
    description: str
    cost: Decimal | None
    ordered: Decimal | None
    received: Decimal
    wrong: bool


def lines(row: Row) -> list[Line]:
    """What was ordered and what has come of it; then what came and was not ordered."""
    order, sent = from_json(PurchaseOrder, row.data), purchase_rows.ordered(row)
    receipt = from_json(Receipt, row.receipt) if row.receipt else Receipt()
    come, strange = purchase_rows.allotted(sent, receipt.lines)
    codes = {line.line_id: line.item for line in sent}
    found = []
    for line in order.lines:
        many = come.get(line.line_id, ZERO)
        code = codes.get(line.line_id, line.item)
        wrong = many > line.quantity or (receipt.closed and many < line.quantity)
        about = (line.description or "", line.cost, line.quantity, many, wrong)
        found.append(Line(line.item or "—", code if code != line.item else "", *about))
    return found + [Line(one.item, "", "Not ordered", None, None, one.quantity, True) for one in strange]


class Pieces(Func):
    """How many pieces the lines of a stored form have, without reading it: `Pieces("data")`."""

    template = (
        "(SELECT coalesce(sum((line ->> 'quantity')::numeric), 0) "
        "FROM jsonb_array_elements(coalesce(%(expressions)s -> 'lines', '[]'::jsonb)) AS line)"
    )
    output_field: Any = DecimalField()


def listed(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Purchase orders as their list shows them: with the pieces that were ordered and have come, not line by line."""
    return rows.annotate(ordered_pieces=Pieces("data"), come=Pieces("receipt")).defer("data", "sent", "receipt")


def next_words(row: Row) -> str:
    """What happens next, and when or by whom, in one sentence."""
    if row.state == State.REFUSED:
        return row.error_message
    if row.state == State.HELD:
        status = PurchaseStatus(row.data["status"])
        if status is not PurchaseStatus.OPEN:
            return f"It is {status.value} in the cart: there is nothing to send any more."
        return row.error_message or "It is not sent unless somebody sends it after all."
    if row.state == State.CANCELED:
        return "Nothing is to come any more."
    if row.state == State.RECEIVED:
        return _telling(row) or (
            f"Whatever was to come has come. {_off(row)}" if _off(row) else "Nothing: whatever was to come has come."
        )
    if row.state == State.WAITING:
        if row.out_file_id is not None:
            return row.error_message or "It leaves in a file."
        if row.error_message:
            return f"{row.error_message} It is tried again."
        return "The WMS is told what is new with the next run of Receiving."
    if not _told(row) or _off(row):
        return f"The WMS receives the goods. {_off(row) or 'The cart takes no word of what has come.'}"
    return _telling(row) or "The WMS receives the goods, and the cart is told what has come."


def _telling(row: Row) -> str:
    """What stands between the cart and what has come; "" where it knows."""
    if _off(row):
        return ""
    if row.tell_error and row.tell_at is None:
        return f"The cart does not take what has come: {row.tell_error}"
    if row.tell_at is None or not _told(row):
        return ""
    again = f" Last: {row.tell_error}" if row.tell_error else ""
    return f"The cart is told what has come with the next run of Purchase Orders.{again}"


def _off(row: Row) -> str:
    """That its cart is told nothing any more; "" where it is."""
    if row.cart.sync_purchases:
        return ""
    return f"Purchase orders of {row.cart.name} are switched off, so it hears nothing of what comes."


def _told(row: Row) -> bool:
    """Whether its cart takes what has come."""
    system = cart_class(row.cart)
    return system.overrides("tell_received") or "receipts" in system.renders
