"""What FTP servers list: the machine's form (MLSD), and the two that were made for people (LIST).

LIST tells times in the server's own zone, to the minute, and of older files only the day. Such a time is
taken for the end of what it may mean: a file must never look older than it is.
"""

import calendar
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from integration_manager.kit.folder import Entry, listable

MINUTE_END, DAY_END = timedelta(seconds=59), timedelta(hours=23, minutes=59, seconds=59)
MONTHS = dict(zip(re.findall("...", "janfebmaraprmayjunjulaugsepoctnovdec"), range(1, 13), strict=True))

_UNIX = re.compile(
    r"(?P<kind>[-bcdlps])[-rwxsStTlL]{9}[.+@]?\s++\d++\s++(?:\S++\s++)*?(?P<size>\d++)\s++"
    r"(?P<month>[A-Za-z]{3})\s+(?P<day>\d{1,2})\s+(?:(?P<hour>\d{1,2}):(?P<minute>\d\d)|(?P<year>\d{4}))\s(?P<name>.+)"
)
_ISO = re.compile(
    r"(?P<kind>[-bcdlps])[-rwxsStTlL]{9}[.+@]?\s++\d++\s++(?:\S++\s++)*?(?P<size>\d++)\s++"
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)\s+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::\d\d\S*)?\s(?P<name>.+)"
)
_DOS = re.compile(
    r"(?P<month>\d\d)-(?P<day>\d\d)-(?P<year>\d{2,4})\s+(?P<hour>\d\d):(?P<minute>\d\d)(?P<half>[AP]M)?\s+"
    r"(?:(?P<dir><\w+>)|(?P<size>[\d,]+))\s+(?P<name>.+)"
)


def machine_entry(line: str) -> Entry | None:
    """A file from a line of MLSD or MLST; None for what is no file, or cannot be one."""
    facts_text, space, name = line.lstrip(" ").partition(" ")
    if not space:
        return None
    facts = {key.lower(): value for key, eq, value in (fact.partition("=") for fact in facts_text.split(";")) if eq}
    name = name.rpartition("/")[2]
    at = machine_time(facts.get("modify", ""))
    size = facts.get("size", "")
    if facts.get("type", "").lower() != "file" or at is None or not size.isdecimal() or not listable(name):
        return None
    return Entry(name, int(size), at)


def machine_time(text: str) -> datetime | None:
    """A time as MLSD and MDTM write it, in UTC: 20260301120000.123."""
    digits, _, fraction = text.strip().partition(".")
    if not re.fullmatch(r"\d{14}", digits):
        return None
    try:
        at = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return at + timedelta(seconds=float(f"0.{fraction}")) if fraction.isdecimal() else at


def listed(lines: Iterable[str], now: datetime, offset: timedelta = timedelta(0)) -> Iterator[Entry]:
    """The files in lines of LIST. `offset`: the server's zone, ahead of UTC; `now` completes a year."""
    local = now + offset
    for line in lines:
        found = _UNIX.fullmatch(line) or _ISO.fullmatch(line) or _DOS.fullmatch(line)
        if found is None:
            continue
        told = found.groupdict()
        if told.get("kind", "-") != "-" or told.get("dir") or not listable(told["name"]):
            continue
        try:
            at = _moment(told, local)
        except ValueError:
            continue
        yield Entry(told["name"], int(told["size"].replace(",", "")), at - offset)


def _moment(told: dict[str, str | None], local: datetime) -> datetime:
    """The last moment that a listed time may mean, as if the server's zone were UTC."""
    month_text = str(told["month"])
    month = int(month_text) if month_text.isdecimal() else MONTHS.get(month_text.lower(), 0)
    day = int(told["day"] or 0)
    if told["hour"] is None:
        return datetime(int(told["year"] or 0), month, day, tzinfo=UTC) + DAY_END
    hour, minute = int(told["hour"]), int(told["minute"] or 0)
    if told.get("half"):
        hour = hour % 12 + (12 if told["half"] == "PM" else 0)
    if told["year"] is None:
        # Without a year it is the last time that there was this day; a day ahead may be the clock's.
        leap = 8 if (month, day) == (2, 29) else 1
        years = range(local.year + 1, local.year - 1 - leap, -1)
        days = (datetime(y, month, day, hour, minute, tzinfo=UTC) for y in years if leap == 1 or calendar.isleap(y))
        at = next(at for at in days if at <= local + timedelta(days=1))
    else:
        year = int(told["year"])
        at = datetime(year + (2000 if year < 70 else 1900 if year < 100 else 0), month, day, hour, minute, tzinfo=UTC)
    return at + MINUTE_END
