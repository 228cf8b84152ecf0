"""When a person is mailed about alerts: the slots of each frequency."""

import zlib
from datetime import UTC, datetime, timedelta

from alerts.models import Preference
from merchants.schedules import daily

Frequency = Preference.Frequency

HALF_HOUR = timedelta(minutes=30)
SPREAD = 15 * 60  # seconds over which the mails of one hour are spread
SPREAD_HALF = 5 * 60  # of one half hour
EVERY_FOUR = range(0, 24, 4)  # hours of the person's day


def next_slot(frequency: str, at_hour: int, zone: str, now: datetime, whom: str) -> datetime | None:
    """The first slot after `now`; None for Never. `whom`: the same text for the same person, for the spread.

    Immediately is now. Hours are those of the person's zone: a night that skips one has it at the next valid
    minute, one that has it twice has it once.
    """
    mark = zlib.crc32(whom.encode())
    if frequency == Frequency.NEVER:
        return None
    if frequency == Frequency.IMMEDIATELY:
        return now
    if frequency == Frequency.HALF_HOURLY:
        return half_hour(now, whom)
    if frequency == Frequency.HOURLY:
        return _after(now, timedelta(hours=1), mark % SPREAD)
    if frequency == Frequency.FOUR_HOURLY:
        return min(daily(hour, mark % SPREAD, now, zone) for hour in EVERY_FOUR)
    return daily(at_hour, mark % SPREAD, now, zone)


def half_hour(now: datetime, whom: str) -> datetime:
    """The next of the half-hourly slots."""
    return _after(now, HALF_HOUR, zlib.crc32(whom.encode()) % SPREAD_HALF)


def _after(now: datetime, every: timedelta, offset: int) -> datetime:
    seconds = every.total_seconds()
    passed = (now.timestamp() - offset) // seconds
    return datetime.fromtimestamp((passed + 1) * seconds + offset, UTC)
