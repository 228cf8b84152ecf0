"""The last runs of a cart's or a merchant's services, and their health bar."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.db.models import QuerySet

from integration_manager import spreadsheet
from integration_manager.today import moved
from merchants.models import Schedule, Service
from orders.models import Run

SHOWN = 50
HEAD = ["Service", "Outcome", "Did", "What went wrong", "Calls", "Seconds of an answer", "Seconds", "Started (UTC)"]
_CLASSES = {"ok": "ok", "partly": "p", "failed": "f"}
_HEIGHTS = {"ok": 15, "partly": 12.5, "failed": 10}
_OUTCOMES = {"ok": "Fine", "partly": "Some failed"}


# The class of a failure → what it is called. Others are the system's own refusals.
CLASSES = {
    "auth_failed": "Credentials refused",
    "address_refused": "Address not allowed",
    "unreachable": "Not reached",
    "remote_unavailable": "Trouble of the other system",
    "bad_answer": "Answer not understood",
    "rate_limited": "Asked to slow down",
    "outcome_unknown": "No answer to what was sent",
    "mistake": "A mistake of ours",
}


@dataclass(frozen=True, slots=True)
class Failures:
    """Runs that failed in one way, and when the last of them began."""

    label: str
    number: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Runs:
    """One page of runs, and the mark of the next one."""

    items: list[Run]
    older: str


@dataclass(frozen=True, slots=True)
class Tick:
    """One run in the bar: where it is drawn, and how it went."""

    css: str
    path: str


def last_runs(schedules: Iterable[Schedule]) -> list[Run]:
    """The last runs that found or failed something, newest first."""
    return page(schedules).items


def page(schedules: Iterable[Schedule], until: str = "") -> Runs:
    """The runs of some schedules, newest first, from the one on that `until` names."""
    rows = _of(schedules)
    with contextlib.suppress(signing.BadSignature):  # runs have no public id; signed, so that nobody tries numbers
        rows = rows.filter(pk__lt=signing.loads(until, salt="runs"))
    found = list(rows.order_by("-id")[: SHOWN + 1])
    items = found[:SHOWN]
    for run in items:
        _describe(run)
    return Runs(items, signing.dumps(items[-1].pk, salt="runs") if len(found) > SHOWN else "")


def cells(schedules: Iterable[Schedule]) -> Iterator[list[object]]:
    """All runs of some schedules, newest first, for a file."""
    for run in spreadsheet.newest_first(_of(schedules)):
        _describe(run)
        outcome = _OUTCOMES.get(run.outcome) or run.failed_by or "Failed"
        an_answer = "" if run.an_answer is None else f"{run.an_answer:.2f}"
        about = [run.label, outcome, run.did, run.problem, run.calls, an_answer]
        yield [*about, f"{run.seconds:.1f}", spreadsheet.moment(run.started_at)]


def _of(schedules: Iterable[Schedule]) -> "QuerySet[Run]":
    rows: QuerySet[Run] = Run.objects.filter(schedule_id__in=[schedule.pk for schedule in schedules if schedule.pk])
    return rows


def _describe(run: Any) -> None:
    """Puts what people are shown of a run on it."""
    run.label = Service(run.service).label
    run.did = moved(run.counts)
    run.an_answer = run.waited / run.calls if run.calls else None  # seconds, on average
    run.failed_by = CLASSES.get(run.code, "Refused") if run.code else ""


def failures(found: list[Run]) -> list[Failures]:
    """How some of these runs failed, the most frequent way first."""
    failed: list[Any] = [run for run in found if run.outcome == "failed"]  # newest first
    numbers = Counter(run.failed_by or "Failed" for run in failed)
    lasts = {run.failed_by or "Failed": run.started_at for run in reversed(failed)}
    return [Failures(label, number, lasts[label]) for label, number in numbers.most_common()]


def health(runs: list[Run]) -> dict[str, Any]:
    """The bar of these runs, newest right, and its words."""
    ticks = [
        Tick(_CLASSES.get(run.outcome, "f"), f"M{index * 3} {_HEIGHTS.get(run.outcome, 10)}h2")
        for index, run in enumerate(reversed(runs))
    ]
    failed = sum(1 for run in runs if run.outcome == "failed")
    partly = sum(1 for run in runs if run.outcome == "partly")
    counts = ((len(runs) - failed - partly, "fine"), (partly, "with some failures"), (failed, "failed"))
    told = [(number, what) for number, what in counts if number]
    words = f"Last {len(runs)} runs: " + ", ".join(f"{number} {what}" for number, what in told)
    if len(runs) == 1:
        words = f"Last run: {told[0][1]}"
    calls, waited = sum(run.calls for run in runs), sum(run.waited for run in runs)
    return {"ticks": ticks, "words": words, "width": len(ticks) * 3, "an_answer": waited / calls if calls else None}
