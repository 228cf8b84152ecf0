"""What is forgotten, and when: a nightly sweep in small batches.

Orders stay: their keys are what keeps a re-added shop from shipping everything again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from integration_manager import tenancy

BATCH = 5_000  # rows of one statement, so that no lock is held for long


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of `table` whose `column` is older than `age` go, if `condition` holds.

    `blank`: the row stays, without this column. `grows`: rows are only ever added, so that the oldest have the
    smallest ids. Large tables are like this: an index by time would have to be written with each row, to be
    read once a night.
    """

    table: str
    column: str
    age: timedelta
    condition: str = "TRUE"
    grows: bool = False
    blank: str = ""


# A file that waits to be loaded, or has never been fetched, stays longer than one that is done with.
_DONE_WITH = "(loaded_at IS NOT NULL OR fetched_at IS NOT NULL OR NOT whole)"
_PIECES = f"file_id IN (SELECT f.id FROM merchants_storedfile f WHERE {_DONE_WITH})"  # noqa: S608 (names of ours)
# Where a person says what became of a file, also after having dismissed the alert: nobody else can.
_ONLY_TOLD = "(dismissed_at IS NOT NULL AND kind <> 'file_unknown')"

RULES = (
    Rule("orders_exchange", "at", timedelta(days=30), grows=True),
    Rule("orders_run", "started_at", timedelta(days=90), grows=True),
    Rule("carts_webhookdelivery", "received_at", timedelta(days=7), grows=True),
    # What a person marked as handled stays so for ever; only what the shop gave of it goes.
    Rule("orders_skippedorder", "seen_at", timedelta(days=60), "reason <> 'handled'"),
    Rule("orders_skippedorder", "seen_at", timedelta(days=60), "reason = 'handled' AND raw IS NOT NULL", blank="raw"),
    Rule("carts_dryorder", "seen_at", timedelta(days=7), grows=True),
    Rule("carts_dryrun", "started_at", timedelta(days=8), "id NOT IN (SELECT dry_run_id FROM carts_dryorder)"),
    Rule("orders_bulkrow", "created_at", timedelta(days=90), grows=True),
    Rule("orders_bulkaction", "created_at", timedelta(days=91), "id NOT IN (SELECT bulk_id FROM orders_bulkrow)"),
    Rule("carts_attempt", "created_at", timedelta(days=1)),
    Rule("carts_access", "created_at", timedelta(days=2), "cart_id IS NULL"),  # of a setup that nobody finished
    Rule("carts_setuplink", "expires_at", timedelta(days=30)),
    Rule("orders_addressanswer", "created_at", timedelta(days=30), grows=True),
    Rule("orders_outfile", "created_at", timedelta(days=30), "phase IN ('done', 'dropped')"),
    Rule("merchants_formatdraft", "changed_at", timedelta(days=1)),
    Rule("merchants_storedpiece", "modified_at", timedelta(days=30), _PIECES),
    Rule("merchants_storedpiece", "modified_at", timedelta(days=90)),
    Rule("merchants_storedfile", "modified_at", timedelta(days=30), _DONE_WITH),
    Rule("merchants_storedfile", "modified_at", timedelta(days=90)),
    Rule("merchants_readfile", "read_at", timedelta(days=90), grows=True),
    Rule("alerts_alertmail", "slot", timedelta(days=30), grows=True),
    Rule("alerts_post", "created_at", timedelta(days=30), grows=True),
    Rule("alerts_alert", "last_seen", timedelta(days=90), f"(resolved_at IS NOT NULL OR {_ONLY_TOLD})"),
)


def sweep(now: datetime) -> dict[str, int]:
    """Deletes what is past its age, for all accounts. Returns the rows deleted per table."""
    deleted: dict[str, int] = {}
    with tenancy.everyone("retention"):
        for rule in RULES:
            oldest = now - rule.age
            gone = _delete_first(rule, oldest) if rule.grows else _delete(rule, oldest)
            deleted[rule.table] = deleted.get(rule.table, 0) + gone
    return deleted


def _delete_first(rule: Rule, before: datetime) -> int:
    """Goes through the ids from the smallest on, up to a whole batch that is young enough to stay."""
    sql = f"""
        WITH batch AS MATERIALIZED (
            SELECT id, {rule.column} AS at FROM {rule.table} WHERE id > %s ORDER BY id LIMIT {BATCH}),
        gone AS (DELETE FROM {rule.table} t USING batch WHERE t.id = batch.id AND batch.at < %s RETURNING t.id)
        SELECT (SELECT max(id) FROM batch), (SELECT count(*) FROM gone)"""  # noqa: S608 (names of ours)
    total, last = 0, 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql, [last, before])
            last, gone = cursor.fetchone()
        total += int(gone)
        if not gone:
            return total


def _delete(rule: Rule, before: datetime) -> int:
    act = f"UPDATE {rule.table} SET {rule.blank} = NULL" if rule.blank else f"DELETE FROM {rule.table}"  # noqa: S608
    sql = (
        f"{act} WHERE id IN (SELECT id FROM {rule.table} "  # noqa: S608 (names of ours)
        f"WHERE {rule.column} < %s AND {rule.condition} LIMIT {BATCH})"
    )
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql, [before])
            total += int(cursor.rowcount)
            if cursor.rowcount < BATCH:
                return total
