"""A cart's delivery delay as plain data: how long orders wait before they go to the WMS."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

MOST = 30 * 24 * 60  # minutes of a delay


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a cart's orders wait, and when they may go then. The defaults let them go at once.

    `placed`: since they were placed; else since they were loaded. `zone`: in which the time and the days are meant.
    """

    minutes: int = 0
    placed: bool = False
    not_before: time | None = None
    working_days: bool = False  # from Monday to Friday alone
    zone: str = "UTC"

    def until(self, placed_at: datetime | None, loaded_at: datetime) -> datetime:
        """From when on an order may go. Nothing is placed after it was loaded, whatever its source says."""
        begin = min(placed_at or loaded_at, loaded_at) if self.placed else loaded_at
        moment = max(begin + timedelta(minutes=self.minutes), loaded_at)
        local = moment.astimezone(ZoneInfo(self.zone))
        if self.working_days and local.isoweekday() > 5:
            monday = local.date() + timedelta(days=8 - local.isoweekday())
            return datetime.combine(monday, self.not_before or time(), local.tzinfo)
        if self.not_before is not None and local.time() < self.not_before:
            return datetime.combine(local.date(), self.not_before, local.tzinfo)
        return moment

    @property
    def words(self) -> str:
        """What it does, in a sentence."""
        since = "placed" if self.placed else "loaded"
        parts = [f"It waits {spelled(self.minutes)} from when it was {since}"] if self.minutes else []
        when = [f"not before {self.not_before:%H:%M}"] if self.not_before is not None else []
        when += ["on working days only"] if self.working_days else []
        if when:
            parts.append(f"{'it goes' if parts else 'It goes'} {', '.join(when)}")
        return f"{'; '.join(parts)}: changes and cancellations in the shop still arrive."


def spelled(minutes: int) -> str:
    """A delay as people say it: "1 day, 2 hours and 5 minutes"."""
    parts = []
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        number, minutes = divmod(minutes, size)
        if number:
            parts.append(f"{number} {unit}{'' if number == 1 else 's'}")
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
