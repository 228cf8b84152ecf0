"""Orders that the WMS refuses for lack of stock: on hold, and sent again every night at about 1:00 Pacific.

A connector says so by the code OUT_OF_STOCK (integration_manager/kit/errors.py). The alert stays open from
night to night, until the last of its orders has gone out.
"""

import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit.errors import OUT_OF_STOCK
from merchants.models import Service
from merchants.schedules import daily, wake
from orders import causes
from orders.models import Order, Status
from orders.run import Run
from orders.states import move

HOUR, ZONE = 1, "America/Los_Angeles"
SPREAD = 15 * 60  # seconds
HELD_BY = "stock"


def again_at(merchant_id: int, now: datetime) -> datetime:
    """The next night's time of this merchant."""
    return daily(HOUR, zlib.crc32(f"stock:{merchant_id}".encode()) % SPREAD, now, ZONE)


def hold(run: Run, ids: Sequence[int]) -> None:
    """Puts orders that were just refused on hold until the night. Their cause stays with them.

    Call it in the transaction that stopped them: nobody looks for those that stand in error.
    """
    again = again_at(run.merchant.pk, run.now)
    message = "Held for lack of stock: it is sent again every night until the WMS takes it."
    move(ids, Status.ERROR, Status.HELD, "held", now=run.now, message=message, held_by=HELD_BY, retry_at=again)


def settle(run: Run) -> None:
    """Ends the alerts whose last order has gone out."""
    waiting = Alert.objects.filter(kind=OUT_OF_STOCK, merchant=run.merchant.pk, resolved_at__isnull=True)
    causes.settle(list(waiting.values_list("key", flat=True)), run.now)


def release_due(now: datetime) -> int:
    """Puts back in the line what waited for this night. Found by its alerts, which are few.

    By those that have ended, too: who archives a merchant ends them, and its orders wait until it is back.
    """
    due: dict[tuple[int, int], list[int]] = defaultdict(list)
    with tenancy.everyone("orders that wait for stock"), connection.cursor() as cursor:
        cursor.execute(
            """SELECT o.account_id, o.merchant_id, o.id FROM alerts_alert a
               JOIN orders_order o ON o.account_id = a.account_id AND o.cause = a.key AND o.cause <> ''
               JOIN merchants_merchant m ON m.id = o.merchant_id AND m.archived_at IS NULL
               WHERE a.kind = %s
                 AND o.status = 'held' AND o.held_by = %s AND o.retry_at <= %s""",
            [OUT_OF_STOCK, HELD_BY, now],
        )
        for account, merchant, order in cursor.fetchall():
            due[account, merchant].append(order)
    released = 0
    for (account, merchant), ids in sorted(due.items()):
        with tenancy.activate(account), transaction.atomic():
            # Once more, and kept so: a person or the shop may hold it for something else meanwhile.
            still = Order.objects.filter(pk__in=ids, status=Status.HELD, held_by=HELD_BY, retry_at__lte=now)
            mine = list(still.order_by("id").select_for_update(no_key=True).values_list("id", flat=True))
            message = "Sent again, as every night, in case there is stock now."
            released += len(
                move(mine, Status.HELD, Status.READY, "released", now=now, message=message, held_by="", retry_at=now)
            )
            wake(Service.DELIVER, now, merchant_id=merchant)
    return released
