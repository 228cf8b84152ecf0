"""What a cart was told of its stock, and what it would not take."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import connection

from integration_manager import tenancy
from integration_manager.kit.canonical import StockResult
from orders.run import Run
from orders.stock import Available


def record(run: Run, levels: Sequence[Available], results: Sequence[StockResult]) -> set[str]:
    """Keeps what the cart was told, and what it would not take, in one statement. Gives the SKUs of the latter."""
    by_sku = {result.sku: result for result in results}
    now = run.now
    rows: list[tuple[str, Decimal | None, str, bool, bool]] = []
    for level in levels:
        result = by_sku.get(level.sku)
        error = result.error if result else "The cart did not say what became of it."
        rows.append(
            (level.sku, level.quantity if not error else None, error, bool(error), bool(result and result.skipped))
        )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO carts_cartstock AS old
                   (account_id, cart_id, sku, quantity, sent_at, skipped, error, failures, failed_at, first_failed_at)
            SELECT %(account)s, %(cart)s, t.sku, t.quantity, %(now)s, t.skipped, t.error, t.failed::int,
                   CASE WHEN t.failed THEN %(now)s END, CASE WHEN t.failed THEN %(now)s END
            FROM unnest(%(skus)s::text[], %(quantities)s::numeric[], %(errors)s::text[], %(failed)s::bool[],
                        %(skipped)s::bool[])
                 AS t(sku, quantity, error, failed, skipped)
            ON CONFLICT (account_id, cart_id, sku) DO UPDATE SET
                quantity = excluded.quantity, sent_at = excluded.sent_at, skipped = excluded.skipped,
                error = excluded.error,
                failures = CASE WHEN excluded.error = '' THEN 0
                                WHEN old.failed_at IS NULL OR %(now)s - old.failed_at >= interval '1 hour'
                                THEN old.failures + 1 ELSE old.failures END,
                failed_at = CASE WHEN excluded.error = '' THEN NULL
                                 WHEN old.failed_at IS NULL OR %(now)s - old.failed_at >= interval '1 hour'
                                 THEN %(now)s ELSE old.failed_at END,
                first_failed_at = CASE WHEN excluded.error <> '' THEN coalesce(old.first_failed_at, %(now)s) END""",
            {
                "account": tenancy.account_id(),
                "cart": run.cart.pk if run.cart else None,
                "now": now,
                "skus": [row[0] for row in rows],
                "quantities": [row[1] for row in rows],
                "errors": [row[2] for row in rows],
                "failed": [row[3] for row in rows],
                "skipped": [row[4] for row in rows],
            },
        )
    failed = {row[0] for row in rows if row[3]}
    run.counts["sent"] += len(rows) - len(failed)
    return failed
