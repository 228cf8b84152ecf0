"""Purchase orders and receipts in CSV files: what the rows of one mean, and how one is written."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from integration_manager.kit import csvcells
from integration_manager.kit.canonical import PurchaseLine, PurchaseOrder, PurchaseStatus, Receipt, ReceiptLine
from integration_manager.kit.file_pages import BadRow

T = TypeVar("T")
Rows = Sequence[Mapping[str, str]]
LONGEST = 100  # characters of a number or a SKU
STATUSES = {status.value: status for status in PurchaseStatus} | {
    "cancelled": PurchaseStatus.CANCELED,
    "complete": PurchaseStatus.CLOSED,
    "completed": PurchaseStatus.CLOSED,
    "received": PurchaseStatus.CLOSED,
}
YES, NO = ("yes", "y", "true", "1", "closed", "complete", "completed"), ("no", "n", "false", "0", "open", "partial")


def to_purchase(rows: Rows, modified: datetime, options: Mapping[str, Any]) -> PurchaseOrder:
    """The rows of one purchase order. `modified`: the file's time. Raises BadRow.

    A line without an id of its own goes by its place, so a file that changes one repeats all its lines.
    """
    head, dates = _head(rows), str(options.get("dates") or "mdy")
    status = STATUSES.get(head.get("status", "open").casefold())
    if status is None:
        raise BadRow(0, "status", f"{head['status'][:40]!r} is none of open, canceled, closed")
    lines, ids = [], set()
    for index, row in enumerate(rows):
        if not row.get("item") or not row.get("quantity"):
            raise BadRow(index, "quantity" if row.get("item") else "item", "it is missing")
        line = PurchaseLine(
            line_id=row.get("line_item_id") or str(index + 1),
            item=_short(index, row, "item"),
            quantity=_read(index, row, "quantity", csvcells.quantity),
            description=row.get("description"),
            cost=_read(index, row, "cost", csvcells.number) if row.get("cost") else None,
        )
        if line.line_id in ids:
            raise BadRow(index, "line_item_id", f"{line.line_id[:40]} is another line's already")
        ids.add(line.line_id)
        lines.append(line)
    return PurchaseOrder(
        key=_short(0, head, "number"),
        number=head["number"],
        status=status,
        lines=tuple(lines),
        supplier=head.get("supplier"),
        ordered_on=_day(head, "order_date", dates),
        expected_on=_day(head, "expected_date", dates),
        location=head.get("location"),
        currency_code=head.get("currency_code"),
        note=head.get("note"),
        modified_at=modified,
    )


def purchase_rows(order: PurchaseOrder, ref: str) -> list[dict[str, str]]:
    """The rows of one purchase order for the WMS, under our reference."""
    head = {
        "number": ref,
        "full_number": order.number,
        "status": order.status.value,
        "supplier": order.supplier or "",
        "order_date": order.ordered_on.isoformat() if order.ordered_on else "",
        "expected_date": order.expected_on.isoformat() if order.expected_on else "",
        "location": order.location or "",
        "currency_code": order.currency_code or "",
        "note": order.note or "",
    }
    return [
        {
            **head,
            "line_item_id": line.line_id,
            "item": line.item,
            "quantity": csvcells.plain(line.quantity),
            "description": line.description or "",
            "cost": "" if line.cost is None else format(line.cost, "f"),
        }
        for line in order.lines
    ]


def to_receipt(rows: Rows, modified: datetime, options: Mapping[str, Any]) -> Receipt:
    """What has come of one purchase order so far, in all. `modified`: the file's time. Raises BadRow."""
    head, dates = _head(rows), str(options.get("dates") or "mdy")
    lines = []
    for index, row in enumerate(rows):
        if not row.get("item") or not row.get("received"):
            raise BadRow(index, "received" if row.get("item") else "item", "it is missing")
        many = _read(index, row, "received", csvcells.number)
        if many < 0:
            raise BadRow(index, "received", f"{row['received'][:40]!r} is below zero")
        lines.append(ReceiptLine(_short(index, row, "item"), many, row.get("line_item_id")))
    closed = head.get("closed", "no").casefold()
    if closed not in (*YES, *NO):
        raise BadRow(0, "closed", f"{head['closed'][:40]!r} is neither yes nor no")
    at = _read(0, head, "date", lambda text: csvcells.moment(text, dates)) if head.get("date") else None
    return Receipt(ref=head["number"], lines=tuple(lines), received_at=at, modified_at=modified, closed=closed in YES)


def receipt_rows(number: str, receipt: Receipt) -> list[dict[str, str]]:
    """The rows of what has come of one purchase order so far, for the cart."""
    head = {
        "number": number,
        "date": receipt.received_at.astimezone(UTC).isoformat() if receipt.received_at else "",
        "closed": "yes" if receipt.closed else "no",
    }
    return [
        {**head, "line_item_id": line.line_id or "", "item": line.item, "received": csvcells.plain(line.quantity)}
        for line in receipt.lines
    ]


def _head(rows: Rows) -> dict[str, str]:
    """What the rows say of the whole: the first that says something holds, and another one is refused."""
    head = {name: text for row in reversed(rows) for name, text in row.items()}
    for index, row in enumerate(rows):
        for name in ("status", "closed"):
            if row.get(name, head.get(name)) != head.get(name):
                raise BadRow(index, name, f"it is {row[name][:40]!r} here, and {head[name][:40]!r} in a row before")
    return head


def _day(head: Mapping[str, str], name: str, dates: str) -> Any:
    return _read(0, head, name, lambda text: csvcells.day(text, dates)) if head.get(name) else None


def _short(index: int, row: Mapping[str, str], name: str) -> str:
    if len(row[name]) > LONGEST:
        raise BadRow(index, name, f"it has at most {LONGEST} characters")
    return row[name]


def _read(index: int, row: Mapping[str, str], name: str, read: Callable[[str], T]) -> T:
    try:
        return read(row[name])
    except ValueError as error:
        raise BadRow(index, name, str(error)) from None
