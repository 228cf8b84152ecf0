"""Stores a page of what an order source gave: new orders are inserted, known ones follow it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from integration_manager import tenancy
from merchants import schedules
from merchants.models import Merchant, Service
from orders import causes, item_codes, managed
from orders.following import update_known
from orders.inserting import Plan, insert_orders, skip_order
from orders.intake import Incoming, Intake, Stored
from orders.models import Order, SkippedOrder, Status
from orders.reading import DONE_WITH, left_out


def store_page(
    intake: Intake, page: Sequence[Incoming], now: datetime, stored: Stored, plan: Plan | None = None
) -> bool:
    """Stores a page. Call inside a transaction that also saves the cursor. False: all of it was known.

    `plan`: made ahead of what of it is to be written, where all that seems new is.
    """
    by_key = {incoming.key: incoming for incoming in page}  # the same order twice: the later version
    if not by_key:
        return False
    known, over = known_of(intake, list(by_key))
    fresh = [incoming for key, incoming in by_key.items() if key not in known]
    changed = [(*row, by_key[key]) for key, row in known.items() if by_key[key].hash != row[2] or row[4]]
    changed.sort(key=lambda row: row[0])  # in the order of their ids, as everybody locks orders
    if fresh or changed:
        intake.keep_rules()
    _insert_new(intake, fresh, over, now, stored, plan)
    # What is done with stays so.
    news = bool(changed) or any(over.get(incoming.key) not in DONE_WITH for incoming in fresh)
    if len(changed) > 1:  # all of them, then all that holds them, since each is followed by itself
        rows = Order.objects.filter(pk__in=[row[0] for row in changed]).order_by("pk")
        causes.lock(rows.select_for_update(no_key=True).values_list("cause", flat=True))
    for row_id, status, _, canceled, _, incoming in changed:
        update_known(intake, row_id, Status(status), canceled, incoming, now, stored)
    return news


def announce(merchant: Merchant, stored: Stored, now: datetime, *, news: bool) -> None:
    """Opens the alerts of what was stored, takes its stock, and wakes who waits for it.

    Call it in the same transaction, since nobody could later tell that its orders were never announced.
    """
    first = {cause.key: cause for cause in reversed(stored.causes)}
    for key, count in sorted(Counter(cause.key for cause in stored.causes).items()):  # as everybody locks alerts
        causes.open_alert(first[key], now, count=count)
    stored.causes.clear()
    if news:
        managed.settle(merchant, now)
        schedules.wake(Service.DELIVER, now, merchant_id=merchant.pk)
        schedules.wake(Service.UPLOAD_INVENTORY, now, merchant_id=merchant.pk)


Known = tuple[int, str, str, bool, bool]  # id, status, hash, cancel requested, newer waits


def known_of(intake: Intake, keys: list[str]) -> tuple[dict[str, Known], dict[str, str]]:
    """The latest revision of each order that we have; and why those that were skipped were, first of all as DONE_WITH.

    The marks follow the shop, as the orders do, whichever of the merchant's connections reads it.
    """
    account, merchant, cart = tenancy.account_id(), intake.merchant.pk, intake.cart
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT cart_key, revision, id, status, source_hash, cancel_requested_at IS NOT NULL, source_changed
               FROM orders_order
               WHERE account_id = %s AND merchant_id = %s AND source = %s AND cart_key = ANY(%s)
               UNION ALL
               SELECT s.key, -1, s.id, s.reason, '', false, false
               FROM orders_skippedorder s JOIN carts_cart c ON c.account_id = s.account_id AND c.id = s.cart_id
               WHERE s.account_id = %s AND c.merchant_id = %s AND c.system = %s AND c.shop = %s
                 AND s.key = ANY(%s)
               ORDER BY 2, 4""",
            [account, merchant, cart.source, keys, account, merchant, cart.system, cart.shop, keys],
        )
        rows = cursor.fetchall()
    # Gone with one connection and marked as handled with another: marked, which comes later.
    skipped = [(row[0], row[3]) for row in rows if row[1] < 0]
    over = dict(skipped) | {key: reason for key, reason in skipped if reason in DONE_WITH}
    return {row[0]: row[2:] for row in rows if row[1] >= 0}, over


def _insert_new(
    intake: Intake, fresh: list[Incoming], over: dict[str, str], now: datetime, stored: Stored, plan: Plan | None
) -> None:
    wanted: list[Incoming] = []
    if fresh:
        item_codes.know(intake.rules, item_codes.codes_of(incoming.order for incoming in fresh))
    if plan is not None:
        now = plan.now  # they were judged as loaded then; whom it wakes is woken now
    for incoming in fresh:
        why = left_out(intake, incoming, now, over=over.get(incoming.key, ""))
        if why is None:
            wanted.append(incoming)
        elif why.listed and incoming.order is not None:
            skip_order(intake.cart, incoming, incoming.order, why, now)
            stored.skipped += 1
    _skipped_no_more(intake, [incoming.key for incoming in wanted if incoming.key in over])
    insert_orders(intake, wanted, now, stored, plan=plan)


def _skipped_no_more(intake: Intake, keys: list[str]) -> None:
    """What is loaded after all is not listed any more. Call it before that, as loading by hand locks them first."""
    if keys:
        shop = {"cart__system": intake.cart.system, "cart__shop": intake.cart.shop}
        rows = SkippedOrder.objects.filter(merchant=intake.merchant, key__in=keys, **shop)
        locked = rows.order_by("pk").select_for_update(of=["self"]).values_list("pk", flat=True)
        SkippedOrder.objects.filter(pk__in=list(locked)).delete()
