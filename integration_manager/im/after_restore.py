"""`manage.py im after-restore`: to be run once after a backup was restored, before anything else starts.

What happened after the backup was made is forgotten here, and has happened all the same out there.
References are functions of the source, so it can be found again: orders, purchase orders, parcels and refunds
that may have left in the forgotten time are looked up before they do. Where nobody can be asked, a person decides.

The rest does no harm when it happens again, and is not marked: products are looked up, or kept unique by their SKU;
stock and what has come of purchase orders are told as totals; changes and cancellations leave what they find done as
it is; and a mail or a message that comes twice says the same.
"""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

HELP = "After the restore of a backup: what may have left since is looked up before it does."
FILES = ["orders", "confirmations", "purchases"]  # kinds of files of which a second one may do harm


def arguments(parser: ArgumentParser) -> None:
    """None."""


def run(options: dict[str, Any]) -> None:
    """Marks what waits as begun, and tells the services that read to mark what they find."""
    from django.db import connection

    from accounts.models import Account, AuditEntry
    from integration_manager import tenancy
    from integration_manager.kit import clock
    from merchants.models import Schedule
    from orders.restored import KEY, MARK

    now = clock.now()
    total: Counter[str] = Counter()
    for account in Account.objects.order_by("pk").values_list("pk", flat=True):
        with tenancy.activate(account), connection.cursor() as cursor:
            marked: Counter[str] = Counter()
            for what, update, *values in MARK:
                cursor.execute(f"UPDATE {update}", [account, *values])
                marked[what] += cursor.rowcount
            # A file that was only planned has long been taken, perhaps: what is in it is asked about one by one.
            cursor.execute(
                """UPDATE orders_order o SET out_file_id = NULL, lease_until = now() FROM orders_outfile f
                   WHERE o.account_id = %s AND f.account_id = o.account_id AND f.id = o.out_file_id
                   AND f.kind = 'orders' AND f.phase = 'planned' AND o.status = 'sending'""",
                [account],
            )
            for kind, table in (("confirmations", "orders_shipment"), ("purchases", "orders_purchaseorder")):
                cursor.execute(
                    f"""UPDATE {table} o SET out_file_id = NULL, lease_until = NULL FROM orders_outfile f
                        WHERE o.account_id = %s AND f.account_id = o.account_id AND f.id = o.out_file_id
                        AND f.kind = %s AND f.phase = 'planned'""",  # noqa: S608 (tables of ours)
                    [account, kind],
                )
            cursor.execute(
                "UPDATE orders_outfile SET phase = 'dropped' "
                "WHERE account_id = %s AND kind = ANY(%s) AND phase = 'planned'",
                [account, FILES],
            )
            for schedule in Schedule.objects.all():
                schedule.state = {**schedule.state, KEY: now.isoformat()}
                schedule.save(update_fields=["state"])
            AuditEntry.objects.create(
                at=now, actor="system", verb="restored", target="the database, from a backup",
                changes={f"{what} to look up first": [0, marked[what]] for what in marked},
            )  # fmt: skip
        total += marked
    print("Looked up before they leave: " + ", ".join(f"{total[what]} {what}" for what, *_ in MARK) + ".")
