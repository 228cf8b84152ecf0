"""`manage.py im after-restore`: to be run once after a backup was restored, before anything else starts.

What happened after the backup was made is forgotten here, and has happened all the same out there.
References are functions of the source, so it can be found again: whatever may have been sent in the
forgotten time is looked up before it is sent. A WMS that cannot be asked leaves that to a person.
"""

from argparse import ArgumentParser
from typing import Any

HELP = "After the restore of a backup: everything undelivered is looked up before it is sent."


def arguments(parser: ArgumentParser) -> None:
    """None."""


def run(options: dict[str, Any]) -> None:
    """Marks orders and parcels as begun, and tells the services that read to mark what they find."""
    from django.db import connection

    from accounts.models import Account, AuditEntry
    from integration_manager import tenancy
    from integration_manager.kit import clock
    from merchants.models import Schedule
    from orders.restored import KEY
    from orders.states import UNSENT

    now = clock.now()
    orders = parcels = 0
    for account in Account.objects.order_by("pk").values_list("pk", flat=True):
        with tenancy.activate(account), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_order SET starts = greatest(starts, 1) WHERE account_id = %s AND status = ANY(%s)",
                [account, [*UNSENT, "sending"]],
            )
            marked = cursor.rowcount
            # A file that was only planned has long been taken, perhaps: its orders are asked about one by one.
            cursor.execute(
                """UPDATE orders_order o SET out_file_id = NULL, lease_until = now() FROM orders_outfile f
                   WHERE o.account_id = %s AND f.account_id = o.account_id AND f.id = o.out_file_id
                   AND f.kind = 'orders' AND f.phase = 'planned' AND o.status = 'sending'""",
                [account],
            )
            cursor.execute(
                "UPDATE orders_outfile SET phase = 'dropped' "
                "WHERE account_id = %s AND kind = 'orders' AND phase = 'planned'",
                [account],
            )
            cursor.execute(
                "UPDATE orders_shipment SET starts = greatest(starts, 1) WHERE account_id = %s AND uploaded_at IS NULL",
                [account],
            )
            told = cursor.rowcount
            for schedule in Schedule.objects.all():
                schedule.state = {**schedule.state, KEY: now.isoformat()}
                schedule.save(update_fields=["state"])
            AuditEntry.objects.create(
                at=now, actor="system", verb="restored", target="the database, from a backup",
                changes={"orders to look up first": [0, marked], "parcels to look up first": [0, told]},
            )  # fmt: skip
        orders, parcels = orders + marked, parcels + told
    print(f"{orders} orders and {parcels} parcels will be looked up before they are sent.")
