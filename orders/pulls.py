"""Long downloads: a cart's first one, and a re-pull from a date. How far it is, and what it brought in the end."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from merchants.models import Schedule
from orders import cursors
from orders.intake import Stored
from orders.run import Run

PULL = "pull"  # in the state of the download's schedule
FARTHEST = timedelta(days=730)  # how far a person may go back
SHOWN = timedelta(days=1)  # how long its result is shown
_COUNTED = ("new", "changed", "skipped")


@dataclass(frozen=True, slots=True)
class Pull:
    """One long download as its page shows it. `by`: who asked for it; "": it is the cart's first."""

    since: datetime
    began_at: datetime
    ended_at: datetime | None
    by: str
    found: int
    new: int
    changed: int
    skipped: int

    @property
    def known(self) -> int:
        """Orders that we had already."""
        return max(0, self.found - self.new - self.changed - self.skipped)


class Counter:
    """Counts what a pull brings, over all the runs that it takes."""

    def __init__(self, said: dict[str, Any]) -> None:
        self._before = said

    @classmethod
    def of(cls, run: Run, since: datetime) -> "Counter | None":
        """The pull that is under way; a first download begins one."""
        said = run.state.get(PULL)
        if said is None and run.schedule.cursor is None:
            said = run.state[PULL] = _said(since, run.now, "")
        return None if said is None or said.get("ended") else cls(said)

    def note(self, run: Run, found: int, stored: Stored) -> None:
        """Adds a page of `found` rows; `stored` is what became of all pages of this run."""
        now = {"found": run.counts["found"] + found, **{name: getattr(stored, name) for name in _COUNTED}}
        run.state[PULL] = {**self._before, **{name: self._before[name] + number for name, number in now.items()}}

    def end(self, run: Run) -> None:
        """All there is has been read."""
        run.state[PULL] = {**run.state[PULL], "ended": run.now.isoformat()}


def _said(since: datetime, now: datetime, by: str) -> dict[str, Any]:
    return {"since": since.isoformat(), "began": now.isoformat(), "by": by, "found": 0, **dict.fromkeys(_COUNTED, 0)}


def pull_of(schedule: Schedule | None, now: datetime) -> Pull | None:
    """The long download that is under way, or that ended a short time ago and brought something."""
    said = schedule.state.get(PULL) if schedule else None
    if said is None:
        return None
    ended = datetime.fromisoformat(said["ended"]) if said.get("ended") else None
    if ended is not None and (now - ended > SHOWN or not (said["by"] or said["found"])):
        return None
    return Pull(
        datetime.fromisoformat(said["since"]),
        datetime.fromisoformat(said["began"]),
        ended,
        said["by"],
        said["found"],
        *(said[name] for name in _COUNTED),
    )


def refusal(schedule: Schedule, day: date, earliest: date, today: date) -> str:
    """Why orders, or purchase orders, cannot be pulled from `day`, in plain words; "": they can."""
    if not schedule.every:
        return f"{schedule.get_service_display()} is off. Switch it on first."
    if day > today:
        return "This day is still to come."
    if day < earliest:
        return f"Orders from before the Earliest Order Date, {earliest:%d %b %Y}, are not loaded. Change it first."
    if today - day > FARTHEST:
        return f"That is too far back: at most {FARTHEST.days // 365} years."
    return ""


def repull(schedule: Schedule, since: datetime, by: str, now: datetime) -> None:
    """Sets the cursor back, so that all that changed since then is read again. What we have is recognised.

    A run that is under way loses its lease: it would set the cursor forward again.
    """
    with transaction.atomic():
        kept = Schedule.objects.select_for_update().get(pk=schedule.pk)
        state = {name: value for name, value in kept.state.items() if name != cursors.PASSED}
        state |= {cursors.SEEN: "", PULL: _said(since, now, by)}
        Schedule.objects.filter(pk=kept.pk).update(
            cursor=since,
            state=state,
            reached_back_at=now,
            token=F("token") + 1,
            lease_until=None,
            paused="" if kept.paused == Schedule.Paused.PERSON else kept.paused,
            next_run=now,
            woken_at=now,
        )
