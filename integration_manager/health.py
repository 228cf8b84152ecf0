"""/healthz: the process lives. /readyz: it can serve. /metrics: numbers, from the database."""

import hmac
import logging
import time
from collections.abc import Iterator

from django.conf import settings
from django.core.cache import caches
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integration_manager import tenancy
from integration_manager.loopback import from_this_machine

logger = logging.getLogger(__name__)

# What the customer's shops and monitors know an order's state by (orders/states.py has them all).
_OUTWARD = {"received": "new", "ready": "new", "sending": "new", "held": "new", "gave_up": "error"}
OUTWARD_STATES = ("new", "error", "at_wms", "shipped", "confirmed", "canceled")


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers; asks nobody."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database is there and migrated. Redis away is "degraded": no page needs it."""
    checks = {"database": database_state(), "redis": _redis()}
    if checks["database"] != "ok":
        return JsonResponse({"status": "unavailable", "checks": checks}, status=503)
    status = "ok" if checks["redis"] == "ok" else "degraded"
    return JsonResponse({"status": status, "checks": checks})


_migrated = False  # once true it stays true for this process: its code does not change


def database_state() -> str:
    """ "ok", or what is wrong with the database."""
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "migrations are missing"
            _migrated = True
    except Error:
        logger.warning("readyz: the database cannot be used", exc_info=True)
        return "away"
    return "ok"


def _redis() -> str:
    try:
        caches["redis"].get("readyz")
    except Exception:  # whatever the client raises, the answer is the same
        return "away"
    return "ok"


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text, for the holder of IM_METRICS_TOKEN or for this very machine."""
    if not _may_read_metrics(request):
        return HttpResponse("metrics need a token, or a request from this machine\n", status=403)
    return HttpResponse(_text(), content_type="text/plain; version=0.0.4; charset=utf-8")


FRESH = 15.0  # seconds; all orders are counted, whoever asks how often
_last: tuple[float, str] | None = None  # when it was made, by time.monotonic(), and the text


def _text() -> str:
    global _last
    at = time.monotonic()
    if _last is None or at - _last[0] >= FRESH:
        with tenancy.everyone("metrics"):
            _last = at, "\n".join(_lines()) + "\n"
    return _last[1]


def _may_read_metrics(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.IM_METRICS_TOKEN and scheme == "Bearer":
        return hmac.compare_digest(token.encode(), settings.IM_METRICS_TOKEN.encode())
    return from_this_machine(request)


_GAUGES = {
    "im_oldest_ready_seconds": (
        "Age of the oldest order that could be sent now",
        "SELECT coalesce(extract(epoch FROM now() - min(retry_at)), 0) FROM orders_order"
        " WHERE status = 'ready' AND retry_at <= now()",
    ),
    "im_schedule_lag_seconds": (
        "How late the latest due schedule is, those that run now left out",
        "SELECT coalesce(extract(epoch FROM now() - min(next_run)), 0) FROM merchants_schedule"
        " WHERE next_run <= now() AND (lease_until IS NULL OR lease_until < now())",
    ),
    "im_schedules_due": (
        "Schedules that wait for a worker",
        "SELECT count(*) FROM merchants_schedule"
        " WHERE next_run <= now() AND (lease_until IS NULL OR lease_until < now())",
    ),
    "im_alerts_open": (
        "Alerts that are neither resolved nor dismissed",
        "SELECT count(*) FROM alerts_alert WHERE resolved_at IS NULL AND dismissed_at IS NULL",
    ),
    "im_outcomes_unknown": (
        "Orders and shipments whose last call was sent and not answered, those that a person decides left out",
        "SELECT (SELECT count(*) FROM orders_order WHERE status = 'sending' AND unknown_rounds > 0)"
        " + (SELECT count(*) FROM orders_shipment"
        "    WHERE uploaded_at IS NULL AND parked_at IS NULL AND unknown_rounds > 0)",
    ),
}


def _lines() -> Iterator[str]:
    counts = dict.fromkeys(OUTWARD_STATES, 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT status, count(*) FROM orders_order GROUP BY status")
        for status, count in cursor.fetchall():
            counts[_OUTWARD.get(status, status)] += count
        yield "# HELP im_orders Orders by outward status"
        yield "# TYPE im_orders gauge"
        for status, count in counts.items():
            yield f'im_orders{{status="{status}"}} {count}'
        for name, (text, query) in _GAUGES.items():
            cursor.execute(query)
            yield f"# HELP {name} {text}"
            yield f"# TYPE {name} gauge"
            yield f"{name} {float(cursor.fetchone()[0]):g}"
