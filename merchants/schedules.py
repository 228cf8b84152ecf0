"""When services run: intervals, phases, who claims what is due, who wakes whom."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F, QuerySet

from integration_manager import tenancy
from merchants.models import Schedule, Service

MINUTE, HOUR, DAY = 60, 3600, 86400

# The product's shortest interval of each service, in seconds. A connector may allow a shorter one.
MINIMUM = {
    Service.DOWNLOAD: 5 * MINUTE,
    Service.DELIVER: 5 * MINUTE,
    Service.UPLOAD_SHIPMENTS: 15 * MINUTE,
    Service.SHIP_CONFIRM: 15 * MINUTE,
    Service.INVENTORY: HOUR,
    Service.UPLOAD_INVENTORY: HOUR,
    Service.PRODUCTS: HOUR,
    Service.PURCHASES: 15 * MINUTE,
    Service.RECEIVING: 15 * MINUTE,
}
# Services that new data can start, and how long after their last start at the earliest, in seconds.
GAP = {
    Service.DELIVER: 2,
    Service.DOWNLOAD: 30,
    Service.UPLOAD_SHIPMENTS: 30,
    Service.UPLOAD_INVENTORY: 5 * MINUTE,
    Service.SHIP_CONFIRM: 30,
    Service.INVENTORY: 5 * MINUTE,
    Service.PRODUCTS: 5 * MINUTE,
    Service.PURCHASES: 30,
    Service.RECEIVING: 5,
}
AUTOMATIC = frozenset(
    {Service.DELIVER, Service.UPLOAD_SHIPMENTS, Service.UPLOAD_INVENTORY, Service.PURCHASES, Service.RECEIVING}
)
SWEEP = 5 * MINUTE  # behind Automatic, should a wake ever be lost; inventory: its minimum
STEPS = tuple(m * MINUTE for m in (5, 10, 15, 30)) + tuple(h * HOUR for h in (1, 2, 4, 6, 12)) + (DAY,)
CART_SERVICES = (Service.DOWNLOAD, Service.UPLOAD_SHIPMENTS, Service.UPLOAD_INVENTORY)
MERCHANT_SERVICES = (Service.DELIVER, Service.SHIP_CONFIRM, Service.INVENTORY)
AT_WMS = (*MERCHANT_SERVICES, Service.RECEIVING)  # all that a merchant has with the WMS
DOING = "doing"  # in a schedule's result while it runs: how far it is, in words
AFTER_FAILURE = timedelta(minutes=1)  # how long a failed service is not hurried by new data
LEASE = 180  # seconds of PostgreSQL's clock: the wait in the queue and the first batch; a run renews it


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule that was claimed: what a run's message says."""

    schedule_id: int
    account_id: int
    token: int


def choices(service: Service, min_every: timedelta | None = None) -> list[int]:
    """The intervals on offer, in seconds, with a connector's own shortest one where it has one."""
    least = min(MINIMUM[service], int(min_every.total_seconds())) if min_every else MINIMUM[service]
    return sorted({least, *(step for step in STEPS if step >= least)})


def sweep(service: Service, min_every: timedelta | None = None) -> int:
    """How often an automatic service looks for work that nobody woke it for, in seconds."""
    return max(SWEEP, MINIMUM[service]) if min_every is None else max(MINUTE, int(min_every.total_seconds()))


def next_slot(schedule: Schedule, now: datetime, timezone: str) -> datetime | None:
    """The next regular run after `now`; None when the service is off or paused by a person.

    Slots are spread by a phase that never changes, so late ones run once and all do not run at once.
    """
    if not schedule.every or schedule.paused == Schedule.Paused.PERSON:
        return None
    mark = zlib.crc32(f"{schedule.pk}:{schedule.service}".encode())
    if schedule.every == DAY and schedule.at_hour is not None:
        return daily(schedule.at_hour, mark % (15 * MINUTE), now, timezone)
    phase = mark % schedule.every
    passed = (now.timestamp() - phase) // schedule.every
    return datetime.fromtimestamp((passed + 1) * schedule.every + phase, UTC)


def daily(hour: int, offset: int, now: datetime, timezone: str) -> datetime:
    """The next `hour` o'clock there, spread over its first 15 minutes by `offset` seconds.

    A night that skips the hour runs at the next valid minute; one that has it twice runs once.
    """
    zone = ZoneInfo(timezone)
    day = now.astimezone(zone).date()
    for ahead in (0, 1, 2):
        local = datetime.combine(day + timedelta(days=ahead), datetime.min.time(), zone)
        wanted = local.replace(hour=hour)
        slot = wanted.replace(fold=1).astimezone(UTC)
        # Where the clocks jump over it, that lies before the jump: on to the first minute that exists.
        while slot.astimezone(zone).replace(tzinfo=None) < wanted.replace(tzinfo=None):
            slot += timedelta(minutes=1)
        slot = min(slot, wanted.astimezone(UTC))  # an hour that comes twice: the first one
        slot += timedelta(seconds=offset)
        if slot > now:
            return slot
    raise AssertionError("one of three days has a later slot")


def _any_due(now: datetime) -> bool:
    """Whether there is anything to claim: most ticks find nothing, and this costs a third of the claim."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM merchants_schedule WHERE next_run <= %s "
            "AND (lease_until IS NULL OR lease_until < now()) LIMIT 1",
            [now],
        )
        return cursor.fetchone() is not None


def claim_due(now: datetime, limit: int, places: int = 0) -> list[Due]:
    """Takes up to `limit` due schedules, in turn over the accounts. Several ticks may run at once.

    While others wait, no account gets more than a quarter of `places` (those there are in all, at least
    `limit`), what runs already included: a lease that is held counts as a turn that was had.
    """
    if limit < 1 or not _any_due(now):
        return []
    values: dict[str, Any] = {
        "now": now,
        "limit": limit,
        "quarter": max(1, max(places, limit) // 4),
        "front": 2 * limit + 100,
        "lease": LEASE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        return [Due(*row) for row in cursor.fetchall()]


# Usually all that is due is in front of the line, and is sorted as it is. Where the line is longer, perhaps
# because of one account, turns go to those accounts in front of it and to some more, others at each claim
# (all of them where they are few): to look at thousands each time would take longer than the runs.
# Each schedule is locked by its key, in the order of turns. Left to itself the planner, who takes those
# that are due to be few, compares all of them with all of them; coalesce() keeps it off the index by time.
_CLAIM = """
    WITH held AS MATERIALIZED (
        SELECT account_id, count(*) AS places FROM merchants_schedule
        WHERE lease_until IS NOT NULL AND lease_until >= now() GROUP BY account_id),
    front AS MATERIALIZED (
        SELECT id, account_id, next_run FROM merchants_schedule
        WHERE next_run <= %(now)s AND (lease_until IS NULL OR lease_until < now())
        ORDER BY next_run LIMIT %(front)s),
    size AS MATERIALIZED (SELECT count(*) < %(front)s AS all_in_front FROM front),
    start AS MATERIALIZED (SELECT (random() * max(id))::bigint AS id FROM accounts_account),
    asked AS MATERIALIZED (
        SELECT account_id AS id FROM front UNION
        (SELECT a.id FROM accounts_account a WHERE a.id >= (SELECT id FROM start) ORDER BY a.id LIMIT %(front)s) UNION
        (SELECT a.id FROM accounts_account a WHERE a.id < (SELECT id FROM start) ORDER BY a.id LIMIT %(front)s)),
    chosen AS MATERIALIZED (
        SELECT a.id FROM asked JOIN accounts_account a ON a.id = asked.id
        CROSS JOIN LATERAL (
            SELECT s.next_run FROM merchants_schedule s
            WHERE s.account_id = a.id AND s.next_run <= %(now)s AND (s.lease_until IS NULL OR s.lease_until < now())
            ORDER BY s.next_run LIMIT 1) oldest
        LEFT JOIN held ON held.account_id = a.id
        WHERE a.suspended_at IS NULL AND NOT (SELECT all_in_front FROM size)
        ORDER BY coalesce(held.places, 0), oldest.next_run LIMIT %(limit)s),
    due AS (
        SELECT front.* FROM front JOIN accounts_account a ON a.id = front.account_id
        WHERE a.suspended_at IS NULL AND (SELECT all_in_front FROM size)
        UNION ALL
        SELECT mine.* FROM chosen CROSS JOIN LATERAL (
            SELECT s.id, s.account_id, s.next_run FROM merchants_schedule s
            WHERE s.account_id = chosen.id AND s.next_run <= %(now)s
              AND (s.lease_until IS NULL OR s.lease_until < now())
            ORDER BY s.next_run LIMIT 2 * %(limit)s / (SELECT greatest(count(*), 1) FROM chosen) + 10) mine),
    turns AS (
        SELECT due.id, due.next_run, coalesce(held.places, 0)
               + row_number() OVER (PARTITION BY due.account_id ORDER BY due.next_run) AS turn
        FROM due LEFT JOIN held ON held.account_id = due.account_id),
    picked AS MATERIALIZED (
        SELECT free.id FROM (
            SELECT id FROM turns ORDER BY turn > %(quarter)s, turn, next_run) line
        CROSS JOIN LATERAL (
            SELECT s.id FROM merchants_schedule s
            WHERE s.id = line.id AND coalesce(s.next_run <= %(now)s, false)
              AND (s.lease_until IS NULL OR s.lease_until < now())
            FOR UPDATE SKIP LOCKED) free
        LIMIT %(limit)s)
    UPDATE merchants_schedule s
    SET token = token + 1, lease_until = now() + make_interval(secs => %(lease)s)
    FROM picked WHERE s.id = picked.id RETURNING s.id, s.account_id, s.token"""


def renew(schedule_id: int, token: int, seconds: float = LEASE) -> bool:
    """Holds on to a run's lease for so long. False: another run has it, this one must stop."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE merchants_schedule SET lease_until = now() + make_interval(secs => %s) "
            "WHERE id = %s AND token = %s",
            [seconds, schedule_id, token],
        )
        return cursor.rowcount == 1


def held(schedule_id: int, token: int) -> bool:
    """Whether a run still has its schedule. Asked at every claim."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM merchants_schedule WHERE id = %s AND token = %s", [schedule_id, token])
        return cursor.fetchone() is not None


def tell(schedule_id: int, token: int, words: str) -> None:
    """Notes what a run is doing, for its page. What the run did takes its place when it ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE merchants_schedule SET result = result || jsonb_build_object(%s::text, %s::text) "
            "WHERE id = %s AND token = %s",
            [DOING, words, schedule_id, token],
        )


def start_over(found: QuerySet[Schedule], now: datetime, **fields: Any) -> None:
    """Takes schedules away from their runs, since what these work with has changed, and runs what is on anew.

    A run that is under way ends at its next look; what it learns of the old credentials pauses nothing.
    """
    found.update(token=F("token") + 1, lease_until=None, **fields)
    found.filter(every__gt=0).exclude(paused=Schedule.Paused.PERSON).update(paused="", next_run=now, woken_at=now)


def finish(
    schedule: Schedule, token: int, next_run: datetime | None, now: datetime, *, asked: bool = False, **fields: Any
) -> bool:
    """Ends a run: gives up the lease, keeps `fields`, and plans the next one.

    Woken while it ran, it runs again as soon as its gap allows, and not before a minute if it failed.
    A person's pause stays, also one that began meanwhile. `asked`: a person wants it to go on, also where the
    service is off. False: the run had lost its lease.
    """
    import json

    started = schedule.started_at or now
    again = max(now, started + timedelta(seconds=GAP[Service(schedule.service)]))
    if fields.get("failures"):
        again = max(again, now + AFTER_FAILURE)
    sets, values = [], []
    for name, value in fields.items():
        sets.append(
            f"{name} = CASE WHEN paused = 'person' THEN paused ELSE %s END" if name == "paused" else f"{name} = %s"
        )
        values.append(json.dumps(value) if isinstance(value, dict) else value)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE merchants_schedule SET lease_until = NULL, finished_at = %s,
                next_run = CASE WHEN (every = 0 AND NOT %s) OR paused = 'person' THEN NULL
                                WHEN woken_at >= %s AND NOT %s THEN least(%s::timestamptz, %s::timestamptz)
                                ELSE %s END,
                {", ".join(sets)}
            WHERE id = %s AND token = %s""",  # noqa: S608 (column names of ours)
            [
                *(now, asked, started, fields.get("paused") == Schedule.Paused.AUTH, next_run, again, next_run),
                *values,
                schedule.pk,
                token,
            ],
        )
        return cursor.rowcount == 1


def wake(
    service: Service,
    now: datetime,
    *,
    merchant_id: int | None = None,
    cart_ids: Sequence[int] | None = None,
    timed: bool = False,
) -> None:
    """New data has come: the automatic service that waits for it runs as soon as its gap allows.

    `timed`: also one that otherwise runs by the clock alone, where what has come is meant for it and nobody
    else. None that is off or paused is started; one that failed runs a minute after that at the earliest.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE merchants_schedule
            SET woken_at = %(now)s,
                next_run = least(next_run, greatest(%(now)s, started_at + make_interval(secs => %(gap)s),
                    CASE WHEN failures > 0 THEN finished_at + make_interval(secs => %(pause)s) END))
            WHERE account_id = %(account)s AND service = %(service)s
              AND (%(merchant)s::bigint IS NULL OR merchant_id = %(merchant)s)
              AND (automatic OR %(timed)s) AND every > 0 AND paused = '' AND next_run IS NOT NULL
              AND (%(carts)s::bigint[] IS NULL OR cart_id = ANY(%(carts)s))""",
            {
                "now": now,
                "gap": GAP[service],
                "pause": AFTER_FAILURE.total_seconds(),
                "account": tenancy.account_id(),
                "merchant": merchant_id,
                "service": service.value,
                "carts": list(cart_ids) if cart_ids is not None else None,
                "timed": timed,
            },
        )


def run_now(schedule: Schedule, now: datetime) -> None:
    """Runs a service at once, because a person wants it, which ends a person's pause.

    Where the credentials were refused the run begins with a probe: only its success ends that pause.
    """
    on = Schedule.objects.filter(pk=schedule.pk, every__gt=0)
    on.filter(paused=Schedule.Paused.PERSON).update(paused=Schedule.Paused.NO)
    on.update(woken_at=now, next_run=now)


def set_frequency(
    schedule: Schedule, now: datetime, *, every: int, automatic: bool = False, at_hour: int | None = None
) -> None:
    """Sets how often a service runs; switching it on runs it at once, 0 switches it off."""
    schedule.every, schedule.automatic, schedule.at_hour = every, automatic, at_hour
    schedule.paused = Schedule.Paused.NO
    schedule.next_run, schedule.woken_at = now if every else None, now
    schedule.save(update_fields=["every", "automatic", "at_hour", "paused", "next_run", "woken_at"])


def pause(schedules: Sequence[Schedule]) -> None:
    """A person stops these services until they resume them; their settings stay."""
    Schedule.objects.filter(pk__in=[s.pk for s in schedules]).update(paused="person", next_run=None)


def resume(schedules: Sequence[Schedule], now: datetime) -> None:
    """Ends a pause, a person's or that of refused credentials, and runs at once what is on."""
    Schedule.objects.filter(pk__in=[s.pk for s in schedules], every__gt=0).update(paused="", next_run=now, woken_at=now)
