"""The last runs of a cart's or a merchant's services, and their health bar."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from integration_manager.today import moved
from merchants.models import Schedule, Service
from orders.models import Run

SHOWN = 50
_CLASSES = {"ok": "ok", "partly": "p", "failed": "f"}
_HEIGHTS = {"ok": 15, "partly": 12.5, "failed": 10}


@dataclass(frozen=True, slots=True)
class Tick:
    """One run in the bar: where it is drawn, and how it went."""

    css: str
    path: str


def last_runs(schedules: Iterable[Schedule]) -> list[Run]:
    """The last runs that found or failed something, newest first."""
    ids = [schedule.pk for schedule in schedules if schedule.pk]
    runs = list(Run.objects.filter(schedule_id__in=ids).order_by("-id")[:SHOWN]) if ids else []
    for run in runs:
        run.label = Service(run.service).label
        run.did = moved(run.counts)
    return runs


def health(runs: list[Run]) -> dict[str, Any]:
    """The bar of these runs, newest right, and its words."""
    ticks = [
        Tick(_CLASSES.get(run.outcome, "f"), f"M{(SHOWN - len(runs) + index) * 3} {_HEIGHTS.get(run.outcome, 10)}h2")
        for index, run in enumerate(reversed(runs))
    ]
    failed = sum(1 for run in runs if run.outcome == "failed")
    partly = sum(1 for run in runs if run.outcome == "partly")
    words = f"Last {len(runs)} runs: {len(runs) - failed - partly} fine, {partly} with some failures, {failed} failed"
    return {"ticks": ticks, "words": words}
