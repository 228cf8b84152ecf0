"""What the dashboard shows, asked in a handful of bounded queries."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import Account
from alerts.kinds import BY_ITSELF
from alerts.models import Alert
from alerts.presenting import present
from integration_manager.checklist import steps
from integration_manager.kit import clock
from merchants.models import Merchant, Schedule, Service
from orders.alerted import with_orders
from orders.models import Order
from orders.search import loaded_since
from orders.state_words import AT_WMS, CANCEL_SENDING, CONFIRMED, ERROR, NEW, ON_HOLD, SENDING, SHIPPED, Face, face_of

DAYS = 14
SHOWN = (NEW, SENDING, AT_WMS, SHIPPED, CONFIRMED, ON_HOLD, CANCEL_SENDING, ERROR)
ALWAYS = (NEW, AT_WMS, SHIPPED, CONFIRMED, ERROR)
MOST_CAUSES = 10
MOST_CONNECTIONS = 10
CHART_WIDTH, CHART_HEIGHT = 140, 120


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart, in the chart's own units."""

    day: date
    number: int
    errors: int
    x: float
    y: float
    height: float
    error_y: float
    error_height: float


@dataclass(frozen=True, slots=True)
class Part:
    """One state's share of today's orders."""

    face: Face
    number: int
    x: float
    width: float


@dataclass(slots=True)
class ServiceLine:
    """One service over all carts or merchants."""

    label: str
    on: int
    of: int
    last: datetime | None
    next: datetime | None
    automatic: bool
    moved: str


def overview(account: Account, merchant: Merchant | None, permissions: Collection[str]) -> dict[str, Any]:
    """Everything on the dashboard, for all merchants or one."""
    now = timezone.localtime(clock.now())
    schedules = list(_scoped(_schedules(), merchant).order_by("id")[:5000])
    active = Alert.objects.filter(resolved_at__isnull=True, dismissed_at__isnull=True).exclude(kind__in=BY_ITSELF)
    waiting = with_orders(_scoped(active.select_related("merchant", "cart"), merchant))
    causes = list(waiting.order_by("-last_seen")[: MOST_CAUSES + 1])
    days = _days(now, merchant)
    parts = _parts(days[now.date()])
    shipping = any(states.get(SHIPPED) or states.get(CONFIRMED) for states in days.values())
    ill = [schedule for schedule in schedules if schedule.every and (schedule.paused or schedule.failures)]
    return {
        "now": now,
        "steps": [] if shipping else steps(account, {schedule.service for schedule in schedules if schedule.every}),
        "parts": parts,
        "total": sum(part.number for part in parts),
        "bars": _bars(now.date(), days),
        "causes": present(account, causes[:MOST_CAUSES], permissions),
        "more_causes": len(causes) > MOST_CAUSES,
        "connections": [(schedule, Service(schedule.service).label) for schedule in ill[:MOST_CONNECTIONS]],
        "connections_on": sum(1 for schedule in schedules if schedule.every),
        "services": [_service(service, schedules) for service in Service if _is_shown(service, schedules)],
        "nothing_yet": not any(schedule.every for schedule in schedules),
    }


def _schedules() -> QuerySet[Any, Any]:
    """What is shown of schedules, with the names: as whole models all of them would take half of the page's time."""
    return Schedule.objects.values_list(
        "service", "every", "automatic", "next_run", "paused", "finished_at", "failures", "result", "problem",
        "merchant__name", "merchant__public_id", "cart__name", "cart__public_id", named=True,
    )  # fmt: skip


def _scoped(rows: QuerySet[Any], merchant: Merchant | None) -> QuerySet[Any]:
    return rows if merchant is None else rows.filter(merchant=merchant)


def _days(now: datetime, merchant: Merchant | None) -> dict[date, dict[Face, int]]:
    """For each of the last days, how many of the orders loaded then are in which state now."""
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    rows = (
        _scoped(Order.objects.filter(loaded_since(start)), merchant)
        .order_by()
        .values("status", person=Q(held_by="person"), day=TruncDate("created_at", tzinfo=now.tzinfo))
        .annotate(number=Count("pk"))
    )
    days: dict[date, dict[Face, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        face = face_of(row["status"], "person" if row["person"] else "")
        days[row["day"]][face] += row["number"]
    return days


def _parts(states: dict[Face, int]) -> list[Part]:
    """The parts of the bar of today's orders, a gap between them."""
    parts, x = [], 0.0
    total = sum(states.get(face, 0) for face in SHOWN)
    for face in SHOWN:
        number = states.get(face, 0)
        if not number and face not in ALWAYS:
            continue
        width = 1000 * number / total if total else 0
        parts.append(Part(face, number, round(x, 1), round(max(width - 2, 1 if number else 0), 1)))
        x += width
    return parts


def _bars(today: date, days: dict[date, dict[Face, int]]) -> dict[str, Any]:
    """The chart of orders a day, drawn on a field of 140 by 120."""
    dates = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    numbers = {day: sum(days[day].values()) if day in days else 0 for day in dates}
    errors = {day: days[day].get(ERROR, 0) if day in days else 0 for day in dates}
    top = _round_up(max(numbers.values(), default=0))
    bars = []
    for index, day in enumerate(dates):
        height = CHART_HEIGHT * numbers[day] / top
        error_height = max(CHART_HEIGHT * errors[day] / top, 1.5) if errors[day] else 0
        bars.append(
            Bar(
                day,
                numbers[day],
                errors[day],
                index * CHART_WIDTH / DAYS + 1.5,
                round(CHART_HEIGHT - height, 1),
                round(max(height - error_height, 0), 1),
                round(CHART_HEIGHT - error_height, 1),
                round(error_height, 1),
            )
        )
    return {"days": bars, "top": top, "half": top // 2, "total": sum(numbers.values()), "errors": sum(errors.values())}


def _round_up(number: int) -> int:
    """The chart's top: the next of 10, 20, 50, 100, 200, 500 …"""
    scale = 10
    while True:
        for step in (1, 2, 5):
            if number <= step * scale:
                return step * scale
        scale *= 10


def _is_shown(service: Service, schedules: list[Any]) -> bool:
    """Product Sync and what goes with purchase orders are services of those alone who want them."""
    wished = (Service.PRODUCTS, Service.PURCHASES, Service.RECEIVING)
    return service not in wished or any(s.every for s in schedules if s.service == service)


def _service(service: Service, schedules: list[Any]) -> ServiceLine:
    mine = [schedule for schedule in schedules if schedule.service == service]
    on = [schedule for schedule in mine if schedule.every and not schedule.paused]
    ran = [schedule for schedule in mine if schedule.finished_at]
    last = max(ran, key=lambda s: s.finished_at or clock.now(), default=None)
    upcoming = [s.next_run for s in on if s.next_run]
    return ServiceLine(
        service.label,
        len(on),
        len(mine),
        last.finished_at if last else None,
        min(upcoming, default=None),
        bool(on) and all(s.automatic for s in on),
        moved(last.result) if last else "",
    )


def moved(result: dict[str, Any]) -> str:
    """What a run did, in words: "12 stored, 1 failed"."""
    numbers = [(name, value) for name, value in result.items() if isinstance(value, int) and value]
    numbers.sort(key=lambda pair: pair[0] != "found")  # first what it saw, then what it did
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in numbers) or "nothing new"
