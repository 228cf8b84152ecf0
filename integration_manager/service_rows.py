"""The table of services on a cart's and a merchant's page: how often, last and next run, and its buttons."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from accounts.audit import record
from accounts.models import User
from accounts.requests import AccountRequest
from integration_manager import stale
from integration_manager.kit import clock
from integration_manager.today import moved
from integration_manager.trying import SUSPENDED
from merchants import frequencies, schedules
from merchants.models import Schedule, Service
from orders.services import upload_inventory

DIRECTIONS = {
    Service.DOWNLOAD: "cart → here",
    Service.UPLOAD_SHIPMENTS: "tracking → cart",
    Service.UPLOAD_INVENTORY: "stock → cart",
    Service.DELIVER: "orders → WMS",
    Service.SHIP_CONFIRM: "tracking → here",
    Service.INVENTORY: "stock → here",
    Service.PRODUCTS: "products → WMS",
    Service.PURCHASES: "purchase orders ↔ cart",
    Service.RECEIVING: "purchase orders ↔ WMS",
}


@dataclass(slots=True)
class ServiceRow:
    """One service as its page shows it."""

    schedule: Schedule
    options: list[frequencies.Choice]
    value: str
    words: str
    direction: str
    did: str
    doing: str  # how far the file is that is being read right now


def rows(found: Iterable[Schedule], min_every: timedelta | None) -> list[ServiceRow]:
    """The rows of some schedules of one system."""
    return [
        ServiceRow(
            schedule,
            frequencies.options(Service(schedule.service), min_every),
            frequencies.value_of(schedule),
            frequencies.words_of(schedule),
            DIRECTIONS[Service(schedule.service)],
            moved(schedule.result) if schedule.finished_at else "",
            schedule.result.get(schedules.DOING, ""),
        )
        for schedule in found
    ]


def mark_of(shown: Iterable[ServiceRow]) -> str:
    """A mark of how often each runs, for a form that asks for it; before `fill`."""
    return stale.mark([(row.schedule.service, row.value, bool(row.schedule.every)) for row in shown])


def fill(shown: Iterable[ServiceRow], posted: Mapping[str, Any]) -> None:
    """What was chosen stands in the selects, where a form comes back."""
    for row in shown:
        row.value = posted.get(f"every_{row.schedule.service}", row.value)


def save(
    found: Iterable[Schedule], posted: Mapping[str, Any], min_every: timedelta | None, user: User, target: str
) -> list[str]:
    """Sets what was chosen, one "every_<service>" each; returns what changed, in words."""
    changed = []
    for schedule in found:
        wanted = posted.get(f"every_{schedule.service}")
        if wanted is None or wanted == frequencies.value_of(schedule):
            continue
        try:
            settings = frequencies.settings_of(str(wanted), Service(schedule.service), min_every)
        except ValueError:
            continue  # not one of the choices: nothing a page could have sent
        before = frequencies.words_of(schedule)
        if schedule.pk is None:
            schedule.save()
        schedules.set_frequency(schedule, clock.now(), **settings)  # type: ignore[arg-type]
        name, after = schedule.get_service_display(), frequencies.words_of(schedule)
        record(user, "service.changed", target, {name: (before, after)})
        changed.append(f"{name}: {after.lower() if after in ('Off', 'Automatic') else after}")
    return changed


def act(schedule: Schedule, what: str, request: AccountRequest, target: str) -> str:
    """Runs, pauses or resumes one service; says what that did. Raises KeyError for anything else."""
    now, name = clock.now(), schedule.get_service_display()
    if schedule.pk is None or not schedule.every:
        return f"{name} is off. Choose how often it runs first."
    if what == "run" and request.account.suspended_at:
        return f"{name} does not run: {SUSPENDED.title.lower()}. {SUSPENDED.text}"
    words = {
        "run": f"{name} runs now.",
        "pause": f"{name} is paused until you resume it.",
        "resume": f"{name} goes on.",
    }[what]
    if what == "run":
        schedules.run_now(schedule, now)
        if schedule.service == Service.UPLOAD_INVENTORY and (again := upload_inventory.once_more(schedule, now)):
            products = f"{again:,} products that were" if again > 1 else "A product that was"
            words += f" {products} given up {'are' if again > 1 else 'is'} sent once more."
    elif what == "pause":
        schedules.pause([schedule])
    else:
        schedules.resume([schedule], now)
    record(request.user, f"service.{what}", f"{target}: {name}")
    return words
