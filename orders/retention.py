"""What is forgotten, and when: a nightly sweep in small batches, as long as there is time.

Orders have their own (orders/expiry.py), since what they leave behind is more than rows.
"""

import math
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from integration_manager import tenancy

BATCH = 5_000  # rows of one statement, so that no lock is held for long


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of `table` whose `column` is older than `age` go, if `condition` holds.

    `age`: in days, or by a name of IM_KEEP_DAYS. `blank`: the row stays, without this column. `grows`: rows are only
    ever added, so that the oldest have the smallest ids. Large tables are like this: an index by time would have to be
    written with each row, to be read once a night.
    """

    table: str
    column: str
    age: int | str
    condition: str = "TRUE"
    grows: bool = False
    blank: str = ""

    @property
    def days(self) -> int:
        """How long its rows stay."""
        return self.age if isinstance(self.age, int) else int(settings.IM_KEEP_DAYS[self.age])


# A file that waits to be loaded, or has never been fetched, stays longer than one that is done with.
_DONE_WITH = "(loaded_at IS NOT NULL OR fetched_at IS NOT NULL OR NOT whole)"
_PIECES = f"file_id IN (SELECT f.id FROM merchants_storedfile f WHERE {_DONE_WITH})"  # noqa: S608 (names of ours)
# Where a person says what became of a file, also after having dismissed the alert: nobody else can.
_ONLY_TOLD = "(dismissed_at IS NOT NULL AND kind <> 'file_unknown')"

# What a person marked as handled, and what was here once, stays so for ever; only what the shop gave of it goes.
_OVER = "reason IN ('handled', 'gone')"
_OF_ONE_DONE = (
    "NOT EXISTS (SELECT 1 FROM orders_order o WHERE o.id = order_id "
    "AND o.status NOT IN ('shipped', 'confirmed', 'canceled'))"
)
_NOT_AT_WORK = "NOT EXISTS (SELECT 1 FROM orders_bulkaction b WHERE b.id = bulk_id AND b.state = 'running')"

RULES = (
    Rule("orders_exchange", "at", "exchanges", grows=True),
    Rule("orders_eventdetail", "(SELECT e.at FROM orders_event e WHERE e.id = event_id)", "timeline",
         _OF_ONE_DONE, grows=True),
    Rule("orders_event", "at", "timeline", _OF_ONE_DONE, grows=True),
    Rule("orders_run", "started_at", "runs", grows=True),
    Rule("carts_webhookdelivery", "received_at", 7, grows=True),
    Rule("orders_skippedorder", "seen_at", "skipped", f"NOT {_OVER}"),
    Rule("orders_skippedorder", "seen_at", "skipped", f"{_OVER} AND raw IS NOT NULL", blank="raw"),
    Rule("carts_dryorder", "seen_at", 7, grows=True),
    Rule("carts_dryrun", "started_at", 8, "id NOT IN (SELECT dry_run_id FROM carts_dryorder)"),
    Rule("orders_bulkrow", "created_at", "bulk", _NOT_AT_WORK, grows=True),
    Rule("orders_bulkaction", "created_at", "bulk",
         "state <> 'running' AND NOT EXISTS (SELECT 1 FROM orders_bulkrow r WHERE r.bulk_id = orders_bulkaction.id)"),
    Rule("carts_attempt", "created_at", 1),
    Rule("carts_access", "created_at", 2, "cart_id IS NULL"),  # of a setup that nobody finished
    Rule("carts_setuplink", "expires_at", 30),
    Rule("orders_addressanswer", "created_at", 30, grows=True),
    Rule("orders_outfile", "created_at", "contents", "phase IN ('done', 'dropped')"),
    Rule("merchants_formatdraft", "changed_at", 1),
    Rule("merchants_storedpiece", "modified_at", "contents", _PIECES),
    Rule("merchants_storedpiece", "modified_at", "files"),
    Rule("merchants_storedfile", "modified_at", "contents", _DONE_WITH),
    Rule("merchants_storedfile", "modified_at", "files"),
    # One that may still stand there is known by this, or it would be read again.
    Rule("merchants_readfile", "read_at", "files", "taken_at IS NOT NULL", grows=True),
    Rule("alerts_alertmail", "slot", "mails", grows=True),
    Rule("alerts_post", "created_at", "mails", grows=True),
    Rule("alerts_alert", "last_seen", "alerts", f"(resolved_at IS NOT NULL OR {_ONLY_TOLD})"),
)  # fmt: skip


def sweep(now: datetime, until: float = math.inf) -> dict[str, int]:
    """Deletes what is past its age, for all accounts. Returns the rows deleted per table.

    What `until` (of time.monotonic()) does not suffice for, the next one does.
    """
    deleted: Counter[str] = Counter()
    with tenancy.everyone("retention"):
        for rule in RULES:
            oldest = now - timedelta(days=rule.days)
            deleted[rule.table] += _delete_first(rule, oldest, until) if rule.grows else _delete(rule, oldest, until)
    return dict(deleted)


def _delete_first(rule: Rule, before: datetime, until: float) -> int:
    """Goes through the ids from the smallest on, up to a whole batch that is young enough to stay."""
    sql = f"""
        WITH batch AS MATERIALIZED (
            SELECT id, {rule.column} AS at FROM {rule.table} WHERE id > %s ORDER BY id LIMIT {BATCH}),
        gone AS (DELETE FROM {rule.table} t USING batch
                 WHERE t.id = batch.id AND batch.at < %s AND t.id IN (
                     SELECT id FROM {rule.table} WHERE id IN (SELECT id FROM batch) AND {rule.condition})
                 RETURNING t.id)
        SELECT (SELECT max(id) FROM batch), (SELECT count(*) FROM batch WHERE at < %s),
               (SELECT count(*) FROM gone)"""  # noqa: S608 (names of ours)
    total, last = 0, 0
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(sql, [last, before, before])
            last, old, gone = cursor.fetchone()
        total += int(gone)
        if not old:
            break
    return total


def _delete(rule: Rule, before: datetime, until: float) -> int:
    act = f"UPDATE {rule.table} SET {rule.blank} = NULL" if rule.blank else f"DELETE FROM {rule.table}"  # noqa: S608
    sql = (
        f"{act} WHERE id IN (SELECT id FROM {rule.table} "  # noqa: S608 (names of ours)
        f"WHERE {rule.column} < %s AND {rule.condition} LIMIT {BATCH})"
    )
    total = 0
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(sql, [before])
            total += int(cursor.rowcount)
            if cursor.rowcount < BATCH:
                break
    return total
