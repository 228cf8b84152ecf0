"""Stores a page of what an order source gave: new orders are inserted, known ones follow it."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from integration_manager import tenancy
from integration_manager.kit.canonical import SourceState
from orders.following import update_known
from orders.inserting import insert_orders, skip_too_old
from orders.intake import Incoming, Intake, Stored
from orders.models import Status


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
            update_known(intake, row_id, Status(status), canceled, incoming, now, stored)
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
                skip_too_old(intake, incoming, order, now)
                stored.skipped += 1
                continue
        wanted.append(incoming)
    insert_orders(intake, wanted, now, stored)
