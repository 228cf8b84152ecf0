"""Purchase orders and receipts that leave in files: which ones, and what follows from what becomes of a file."""

from collections.abc import Sequence
from datetime import datetime

from carts.models import Cart
from integration_manager.kit.canonical import PurchaseOrder, Receipt, to_json
from orders import purchase_rows
from orders.models import OutFile
from orders.purchase_rows import AGAIN, DAYS, FILE_UNKNOWN, HOUR, TRIES, Row, State, note


def into(file: OutFile, batch: Sequence[tuple[Row, PurchaseOrder]]) -> bool:
    """Notes which purchase orders leave in a file. False: some of them belong to somebody else meanwhile."""
    for row, order in batch:
        mine = Row.objects.filter(pk=row.pk, token=row.token, state=State.WAITING)
        if not mine.update(out_file_id=file.pk, sent=to_json(order), sent_hash=row.content_hash):
            return False
    return True


def _rows(file: OutFile) -> list[Row]:
    return list(Row.objects.select_for_update().filter(out_file_id=file.pk).order_by("id"))


def sent(file: OutFile, now: datetime) -> int:
    """The file is where it was to go: so are its purchase orders, as they were when it was made. How many."""
    rows = _rows(file)
    for row in rows:  # a file brings no number of the WMS
        purchase_rows.arrived(row, row.wms_key, row.wms_id, row.sent_hash, now)
    note(rows, "sent", f"In the file {file.name}.", now)
    return len(rows)


def not_sent(file: OutFile, now: datetime, code: str, why: str, *, charged: bool) -> None:
    """The file was dropped, and nothing of it can be read: its purchase orders go in another one."""
    given_up = set()
    for row in _rows(file):
        row.failures, row.first_failed_at = row.failures + charged, row.first_failed_at or (now if charged else None)
        row.retry_at = now + (HOUR if charged else AGAIN)
        row.out_file_id, row.lease_until, row.starts = None, None, 0
        row.error_code, row.error_message = code[:40], why
        if not row.at_wms:
            row.sent, row.sent_hash = {}, ""
        if row.failures >= TRIES or (row.first_failed_at and now - row.first_failed_at >= DAYS):
            row.state, row.error_code = State.REFUSED, "gave_up"
            row.error_message = f"It was tried {row.failures} times and is not tried any more. Last: {why}"
            note([row], "refused", row.error_message, now)
            given_up.add(row.cart_id)
        row.save()
    for cart in Cart.objects.filter(pk__in=given_up):
        purchase_rows.tell(cart, now, worse=True)


def unknown(file: OutFile, message: str, now: datetime) -> None:
    """Whether the file arrived a person has to say."""
    rows = _rows(file)
    Row.objects.filter(pk__in=[row.pk for row in rows]).update(error_code=FILE_UNKNOWN, error_message=message)
    note(rows, "unknown", message, now)


def again(file: OutFile, message: str, now: datetime, actor: str) -> None:
    """A person says that the file did not arrive: it is sent again as it was."""
    rows = _rows(file)
    Row.objects.filter(pk__in=[row.pk for row in rows]).update(error_code="", error_message="")
    note(rows, "it_did_not", message, now, actor=actor)


def into_receipts(file: OutFile, batch: Sequence[tuple[Row, Receipt]]) -> bool:
    """Notes whose receipts leave in a file."""
    found = Row.objects.filter(pk__in=[row.pk for row, _ in batch], tell_file_id=None)
    return bool(found.update(tell_file_id=file.pk) == len(batch))


def told(file: OutFile, now: datetime) -> int:
    """The file is where it was to go: the cart was told of its receipts, as they were. How many."""
    rows = [(pk, known) for pk, known in file.records if Row.objects.filter(pk=pk, tell_file_id=file.pk).exists()]
    purchase_rows.told(rows, now, f"In the file {file.name}.")
    return len(rows)


def not_told(file: OutFile, now: datetime, why: str) -> None:
    """The file was dropped: its receipts go in another one."""
    Row.objects.filter(tell_file_id=file.pk).update(tell_file_id=None, tell_at=now + AGAIN, tell_error="")
