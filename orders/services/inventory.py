"""Inventory: what the WMS says it has, absolute, the latest wins."""

from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from integration_manager import tenancy
from integration_manager.kit.connector import WmsConnector
from merchants import schedules
from merchants.models import Service, Warehouse
from orders import rejects
from orders.run import Run

FULL = timedelta(hours=24)  # once a day all levels, otherwise what has changed


def inventory(run: Run) -> None:
    """Stores the merchant's levels; a level that changed wakes the uploads to the carts."""
    connector = run.connector
    assert isinstance(connector, WmsConnector)
    began = run.now
    last = run.schedule.reached_back_at
    cursor = run.schedule.cursor
    full = cursor is None or last is None or began - last >= FULL
    since = cursor - connector.overlap if cursor is not None and not full else None
    changed = 0
    timed = not full and run.state.get("timed", False)  # whether the WMS's levels carry their snapshot's time
    for page in run.pages(connector.stock(since)):
        timed = timed or any(level.at is not None for level in page.rows)
        with transaction.atomic():
            changed += _store(run, page.rows, began)
        rejects.alert(run, page.rejects)
        if page.done is not None:
            run.call(page.done)
        run.counts["found"] += len(page.rows)
    if not run.unfinished:
        # Ours is asked of the other side by its own clock, where it tells it.
        http = getattr(connector, "http", None)
        run.fields["cursor"] = (http.remote_time if http else None) or began
        if full:
            run.fields["reached_back_at"] = began
        # Else every level is what the WMS had when it was asked, also one that it did not list as changed.
        run.state |= {"timed": timed, "as_of": None if timed else began.isoformat()}
    if changed:
        run.counts["changed"] = changed
        schedules.wake(Service.UPLOAD_INVENTORY, run.now, merchant_id=run.merchant.pk)


def _store(run: Run, levels: Any, began: Any) -> int:
    rows = {(level.warehouse, level.sku): level for level in levels}  # the same twice: the later one
    if not rows:
        return 0
    places = _warehouses(run, {warehouse for warehouse, _ in rows})
    account, now = tenancy.account_id(), run.now
    ordered = sorted(rows.items())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO merchants_stocklevel AS old
                   (account_id, merchant_id, warehouse_id, sku, available, on_hand, at, changed_at, version)
            SELECT %s, %s, t.warehouse, t.sku, t.available, t.on_hand, t.at, %s, 1
            FROM unnest(%s::bigint[], %s::text[], %s::numeric[], %s::numeric[], %s::timestamptz[])
                 AS t(warehouse, sku, available, on_hand, at)
            ON CONFLICT (account_id, warehouse_id, sku) DO UPDATE SET
                version = old.version + (old.available <> excluded.available)::int,
                changed_at = CASE WHEN old.available <> excluded.available THEN excluded.changed_at
                                  ELSE old.changed_at END,
                available = excluded.available, on_hand = excluded.on_hand, at = excluded.at
            WHERE old.at <= excluded.at
            RETURNING changed_at = %s""",
            [
                account,
                run.merchant.pk,
                now,
                [places[warehouse] for (warehouse, _), _ in ordered],
                [sku[:100] for (_, sku), _ in ordered],
                [level.available for _, level in ordered],
                [level.on_hand for _, level in ordered],
                [level.at or began for _, level in ordered],
                now,
            ],
        )
        return sum(1 for row in cursor.fetchall() if row[0])


def _warehouses(run: Run, names: set[str]) -> dict[str, int]:
    """The merchant's warehouses by name; one that the WMS names for the first time is created."""
    Warehouse.objects.bulk_create(
        [Warehouse(merchant=run.merchant, name=name[:100]) for name in sorted(names)], ignore_conflicts=True
    )
    return dict(Warehouse.objects.filter(merchant=run.merchant, name__in=names).values_list("name", "id"))
