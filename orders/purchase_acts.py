"""What a person does with a purchase order: send it again, keep it, say whether it arrived, tell the cart again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction

from integration_manager.kit.canonical import PurchaseStatus
from merchants import schedules
from merchants.models import Service
from orders import purchase_rows
from orders.actions import NotNow
from orders.purchase_rows import OTHER_WMS, TAKEN, UNKNOWN, Row, State, note
from orders.services import purchase_orders

# What a person mends at the WMS, and then says so.
BY_HAND = ("changed_after_sending", "canceled_at_wms", "cancel_by_hand", "cancel_refused")


def can(row: Row) -> set[str]:
    """What can be done with it now, by the names of the functions below."""
    found = set()
    refused = row.state == State.REFUSED and row.out_file_id is None
    if row.state == State.WAITING and not (row.starts or row.at_wms) and row.out_file_id is None:
        found.add("keep_here")
    if refused and row.error_code in (UNKNOWN, TAKEN):
        found.add("it_arrived")
    if refused and row.error_code == UNKNOWN:
        found.add("it_did_not")
    elif refused or (row.state == State.HELD and row.data["status"] == PurchaseStatus.OPEN):
        found.add("send_again")
    if refused and (row.error_code in BY_HAND or row.at_wms):
        found.add("settle")
    if row.tell_error and row.receipt and row.tell_file_id is None and row.cart.sync_purchases:
        found.add("tell_again")
    return found


def send_again(row: Row, actor: str, now: datetime) -> None:
    """It goes to the WMS once more, now; what a person kept here goes after all. Raises NotNow."""
    with _deciding(row, "send_again", "Sent again.", actor, now) as mine:
        if mine.error_code == OTHER_WMS:  # what was begun there says nothing of this one
            mine.starts, mine.sent, mine.sent_hash = 0, {}, ""
        _waits(mine, now)


def keep_here(row: Row, actor: str, now: datetime) -> None:
    """Cancel Sending: it is not sent before somebody sends it after all. Raises NotNow."""
    with _deciding(row, "keep_here", "Sending was canceled.", actor, now) as mine:
        mine.state, mine.error_code, mine.error_message = State.HELD, "", ""


def it_arrived(row: Row, actor: str, now: datetime) -> None:
    """The WMS has it, as it was sent, under a number that is not known. Raises NotNow."""
    with _deciding(row, "it_arrived", "A person says that it arrived.", actor, now) as mine:
        purchase_rows.arrived(mine, mine.wms_key, mine.wms_id, mine.sent_hash or mine.content_hash, now)


def it_did_not(row: Row, actor: str, now: datetime) -> None:
    """The WMS does not have it: it is sent again. Raises NotNow."""
    with _deciding(row, "it_did_not", "A person says that it did not arrive.", actor, now) as mine:
        mine.starts = 0
        _waits(mine, now)


def settle(row: Row, actor: str, now: datetime) -> None:
    """A person has put right at the WMS what it does not take from here. Raises NotNow."""
    with _deciding(row, "settle", "A person has settled it at the WMS.", actor, now) as mine:
        purchase_rows.arrived(mine, mine.wms_key, mine.wms_id, mine.content_hash, now)


def tell_again(row: Row, actor: str, now: datetime) -> None:
    """The cart is told once more what has come. Raises NotNow."""
    with _deciding(row, "tell_again", "The cart is told again.", actor, now) as mine:
        mine.tell_at, mine.tell_error, mine.tell_failures, mine.tell_failed_at = now, "", 0, None


def _waits(row: Row, now: datetime) -> None:
    row.state, row.retry_at = State.WAITING, now
    row.rounds = row.failures = 0
    row.first_failed_at, row.error_code, row.error_message = None, "", ""


@contextmanager
def _deciding(row: Row, what: str, message: str, actor: str, now: datetime) -> Iterator[Row]:
    """The row, locked, while that can be done and no run is at it; stored afterwards, and who waits for it woken."""
    with transaction.atomic():
        mine = Row.objects.select_for_update().get(pk=row.pk)
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::timestamptz >= now()", [mine.lease_until])
            busy = bool(cursor.fetchone()[0])
        if busy:
            raise NotNow("It is being sent right now. Look again in a minute.")
        if what not in can(mine):
            raise NotNow("That cannot be done with it any more.")
        mine.token, mine.lease_until = mine.token + 1, None
        yield mine
        mine.save()
        note([mine], what, message, now, actor=actor)
        purchase_rows.tell(mine.cart, now, worse=False)
        if mine.tell_at is not None:
            schedules.wake(Service.PURCHASES, now, cart_ids=[mine.cart_id], timed=True)
        if mine.state == State.WAITING:
            if not mine.cart.sync_purchases and not purchase_orders.others(mine.cart).exists():
                purchase_orders.receive(mine.merchant_id, now)  # it was switched off with the last of them
            schedules.wake(Service.RECEIVING, now, merchant_id=mine.merchant_id, timed=True)
