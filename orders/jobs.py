"""The tasks: `tick` hands out what is due, `run_job` is one run of one service.

Messages are hints: what is due stands in the schedules, and losing all of Redis loses nothing.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import close_old_connections
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now
from psycopg2.errors import DeadlockDetected

from alerts.raising import raise_alert, resolve
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from integration_manager.kit.errors import AuthFailed, ConnectionFailed, ConnectorError, RateLimited
from integration_manager.kit.transport import Http
from integration_manager.log import context as log_context
from merchants import at_wms, schedules
from merchants.models import Schedule, Service
from merchants.services import services_of
from orders import abandoned, bulk, expiry, forgetting
from orders.connections import open_cart, open_wms, wms_class
from orders.journal import Journal
from orders.models import CartProduct, Effect
from orders.models import Run as RunRow
from orders.out_file import Lost
from orders.retention import sweep
from orders.run import LostLease, Run
from orders.services.deliver import deliver
from orders.services.download import download
from orders.services.inventory import inventory
from orders.services.products import IMPORT, is_asked, products
from orders.services.purchase_orders import purchase_orders
from orders.services.receiving import receiving
from orders.services.ship_confirm import ship_confirm
from orders.services.upload_inventory import upload_inventory
from orders.services.upload_shipments import upload_shipments
from wms.models import Wms

log = logging.getLogger(__name__)

SERVICES: dict[Service, Callable[[Run], None]] = {
    Service.DOWNLOAD: download,
    Service.DELIVER: deliver,
    Service.SHIP_CONFIRM: ship_confirm,
    Service.UPLOAD_SHIPMENTS: upload_shipments,
    Service.INVENTORY: inventory,
    Service.UPLOAD_INVENTORY: upload_inventory,
    Service.PRODUCTS: products,
    Service.PURCHASES: purchase_orders,
    Service.RECEIVING: receiving,
}
PART = 1200.0  # seconds that each part of the nightly work takes at most
TICK = 1.8  # seconds that one tick stays at most
TOP_UP = 0.05  # seconds between two looks at the queue
PROBE = timedelta(minutes=1)
AUTH_PROBE = timedelta(hours=1)
WMS = "wms"  # the key of alerts about the account's WMS as a whole
ASKED_AGAIN = timedelta(minutes=15)  # what a person asked for once, of a service that has no next slot


@shared_task(ignore_result=True)
def tick() -> None:
    """Claims what is due and sends a message for each, as fast as the workers take them.

    Beat sends one every 2 seconds; one that finds something stays and tops the queue up, to twice what the
    workers have taken since it looked last: short runs need a longer queue. Several may run at once.
    """
    close_old_connections()
    until, before = time.monotonic() + TICK, 0
    while True:
        waiting = _waiting()
        places = 2 * max(settings.RUN_SLOTS, before - waiting)
        due: list[schedules.Due] = []
        if places > waiting:
            with tenancy.everyone("tick"):
                due = schedules.claim_due(clock.now(), places - waiting, places)
            for one in due:
                hint(one.schedule_id, one.account_id, one.token)
            if not due:
                return
        if time.monotonic() > until:
            return
        before = waiting + len(due)
        time.sleep(TOP_UP)


@shared_task(ignore_result=True)
@tenancy.without_tenant
def nightly() -> None:
    """Forgets what is past its time; what one night does not suffice for, the next one does.

    Each part is done although another failed, and has its own time. Raises what failed first.
    """
    now = clock.now()
    parts: dict[str, Callable[[datetime, float], object]] = {
        "orders that nobody sends": abandoned.cancel,
        "personal data": forgetting.forget,
        "sweep": sweep,
        "orders past their time": expiry.expire,
    }
    failed = []
    for name, part in parts.items():
        close_old_connections()
        try:
            log.info("%s removed: %s", name, part(now, time.monotonic() + PART))
        except Exception as error:  # a mistake of ours too: the other parts are done, and it is raised after them
            log.exception("%s failed; it is tried again in the next night", name)
            failed.append(error)
    if failed:
        raise failed[0]


def hint(schedule_id: int, account_id: int, token: int) -> None:
    """Sends a run's message. With Redis away it is lost, and the lease's end brings it back."""
    try:
        run_job.apply_async((schedule_id, account_id, token), retry=False)
    except run_job.OperationalError:
        log.warning("Redis is away: the run of schedule %s waits for its lease to end", schedule_id)


def _waiting() -> int:
    """Messages in the queue of runs. 0 when Redis is away: then none gets through anyway."""
    import redis

    try:
        with run_job.app.connection_for_read() as broker:
            return int(broker.default_channel.client.llen("runs"))
    except (redis.RedisError, OSError, run_job.OperationalError):
        return 0


@shared_task(ignore_result=True)
@tenancy.without_tenant
def run_job(schedule_id: int, account_id: int, token: int) -> None:
    """One run, if its token is still the schedule's."""
    close_old_connections()
    with tenancy.activate(account_id), log_context(account=account_id, schedule=schedule_id):
        run_schedule(schedule_id, token)


def run_schedule(schedule_id: int, token: int) -> Run | None:
    """Runs one schedule inside its tenant. None: the token was stale, or there was nothing to run."""
    journal, run, began = Journal(), None, time.monotonic()
    found = Schedule.objects.select_related("merchant", "cart", "account").filter(pk=schedule_id, token=token)
    wanted = Effect.objects.filter(merchant=OuterRef("merchant"), state=Effect.State.WAITING)
    products_wait = CartProduct.objects.filter(merchant=OuterRef("merchant"), state=CartProduct.State.WAITING)
    schedule = found.annotate(
        lease_left=F("lease_until") - Now(), effects_wait=Exists(wanted), products_wait=Exists(products_wait)
    ).first()
    if schedule is None or schedule.account.suspended_at or not (schedule.every or is_asked(schedule)):
        return None
    schedule.started_at = clock.now()
    service = Service(schedule.service)
    problem: BaseException | None = None
    try:
        wms = None if schedule.cart else Wms.current()
        connector = _open(schedule, wms, journal)
        if connector is None:
            _end_without_wms(schedule, token)
            return None
        if not services_of(type(connector), [service]):
            # It may be able to after an update, or with another system in its place: look again in time.
            regular = schedules.next_slot(schedule, clock.now(), schedule.account.timezone)
            schedules.finish(schedule, token, regular, clock.now(), problem="This system cannot do that.")
            return None
        left = schedule.lease_left.total_seconds() if schedule.lease_left else 0.0
        run = Run(schedule, schedule.account, connector, journal, began + left)
        run.wms_id, run.effects_wait = wms.pk if wms else None, schedule.effects_wait
        run.products_wait = schedule.products_wait
        run.hold()
        if schedule.paused == Schedule.Paused.AUTH:
            run.call(connector.check)
        SERVICES[service](run)
    except (LostLease, Lost):
        log.warning("schedule %s was taken over by another run", schedule_id)
        return run
    except ConnectorError as error:
        problem = error
    except Exception as error:
        if isinstance(error.__cause__, DeadlockDetected):  # somebody did as much to the same rows: what is left waits
            log.warning("schedule %s gave way to another transaction", schedule_id)
            problem = RateLimited("Others were at the same rows. It goes on in a moment.", retry_at=clock.now())
        else:
            log.exception("run of schedule %s failed", schedule_id)
            problem = error
    finally:
        if run is not None:
            run.close()
    _finish(schedule, token, run, problem, time.monotonic() - began, journal)
    return run


def _open(schedule: Schedule, wms: Wms | None, journal: Journal) -> Connector | None:
    """The schedule's connector; None where no WMS is chosen. Raises MerchantLacks where values are missing."""
    if schedule.cart is not None:
        return open_cart(schedule.cart, schedule.account, journal)
    if wms is None:
        return None
    missing = at_wms.missing(wms_class(wms), schedule.merchant)
    if missing:
        raise MerchantLacks(f"{wms_class(wms).label} needs more of this merchant: {', '.join(missing)}.")
    return open_wms(wms, schedule.merchant, schedule.account, journal)


def _end_without_wms(schedule: Schedule, token: int) -> None:
    now = clock.now()
    raise_alert(
        "missing_wms",
        WMS,
        "No WMS is set up, so orders cannot be sent.",
        fix="Go to the WMS Setup tab and choose your WMS.",
        now=now,
    )
    schedules.finish(schedule, token, now + timedelta(minutes=5), now, problem="No WMS is set up.")


def _finish(
    schedule: Schedule, token: int, run: Run | None, problem: BaseException | None, seconds: float, journal: Journal
) -> None:
    """Outcome → schedule, alerts, history. An idle run writes no history."""
    now = clock.now()
    refusal = run.refusal if run and run.refusal else problem if isinstance(problem, AuthFailed) else None
    outage = run.outage if run and run.outage else problem if isinstance(problem, ConnectionFailed) else None
    cause = refusal or outage or problem
    # It was asked to slow down before it had done anything: that is neither a failure nor a success.
    waited = isinstance(cause, RateLimited) or bool(run and run.stopping.is_set() and not cause and not run.counts)
    words = (
        str(cause) if isinstance(cause, ConnectorError) else "We made a mistake; it has been reported." if cause else ""
    )
    regular = schedules.next_slot(schedule, now, schedule.account.timezone)
    next_run = regular
    fields: dict[str, Any] = dict(run.fields) if run else {}
    if refusal is not None:
        if not schedules.held(schedule.pk, token):
            return  # other credentials have been stored meanwhile: it says nothing of those
        next_run = now + AUTH_PROBE
        _pause_connection(schedule, refusal, now)
        fields["paused"] = Schedule.Paused.AUTH
    elif outage is not None:
        next_run = now + PROBE
        _alert_outage(schedule, outage, now)
    elif isinstance(problem, RateLimited) and problem.retry_at:
        next_run = max(problem.retry_at, now + timedelta(seconds=5))
    elif run is not None and run.unfinished:
        next_run = now
    if run is not None and run.next_at is not None and cause is None:
        earliest = max(run.next_at, now + timedelta(seconds=1))
        next_run = min(next_run, earliest) if next_run else earliest
    asked = IMPORT in (run.state if run else schedule.state)
    if asked and next_run is None:  # the service is off, and what a person wants once is not done yet
        next_run = now + ASKED_AGAIN
    failed = cause is not None and not waited
    if not failed and not waited and (schedule.failures or schedule.paused):
        _healed(schedule, now)
        fields["paused"] = Schedule.Paused.NO
    elif failed and refusal is None and outage is None:
        _alert_failing(schedule, words, problem, now)
    counts = {name: n for name, n in run.counts.items() if n} if run else {}
    fields |= {
        "started_at": schedule.started_at,
        "failures": schedule.failures + failed if failed or waited else 0,
        "problem": words,
        "result": counts,
    }
    if run is not None and run.state != schedule.state:
        fields["state"] = run.state
    if not failed and not waited:
        fields["succeeded_at"] = now
    journal.store(schedule.pk)
    if failed or set(counts) - {"found"}:
        http = getattr(run.connector, "http", None) if run else None
        _keep_history(schedule, seconds, counts, http, _class_of(cause) if failed else "", words)
    schedules.finish(schedule, token, next_run, now, asked=asked, **fields)


def _keep_history(
    schedule: Schedule, seconds: float, counts: dict[str, int], http: Http | None, code: str, words: str
) -> None:
    bulk.insert(
        RunRow,
        {
            "merchant_id": bulk.PerRow([schedule.merchant_id]),
            "cart_id": schedule.cart_id,
            "schedule_id": schedule.pk,
            "service": schedule.service,
            "started_at": schedule.started_at,
            "seconds": seconds,
            "outcome": "failed" if code else "partly" if counts.get("failed") else "ok",
            "counts": counts,
            "calls": http.calls if http else 0,
            "waited": http.waited if http else 0.0,
            "code": code,
            "problem": words,
        },
    )


def _class_of(cause: BaseException | None) -> str:
    return cause.code if isinstance(cause, ConnectorError) else "mistake"


# ── alerts of a connection ──


class MerchantLacks(AuthFailed):
    """The merchant has no value of its own that the WMS needs of each: that is wrong with this merchant alone."""


def _connection_key(schedule: Schedule, shared: bool = False) -> str:
    if shared:
        return WMS
    return f"cart:{schedule.cart_id}" if schedule.cart_id else f"wms:{schedule.merchant_id}"


def _is_shared(schedule: Schedule) -> bool:
    """Whether it is the WMS's, and all of its secrets are in the WMS Setup: what is wrong is so for all merchants."""
    wms = None if schedule.cart_id else Wms.current()
    return wms is not None and not at_wms.has_secrets(wms_class(wms))


def _name(schedule: Schedule, shared: bool = False) -> str:
    if shared:
        return "the WMS"
    return schedule.cart.name if schedule.cart else f"the WMS for {schedule.merchant.name}"


def _pause_connection(schedule: Schedule, error: AuthFailed, now: datetime) -> None:
    """Wrong credentials stop all services that use them; one probe an hour looks whether they work again."""
    same = Schedule.objects.filter(merchant=schedule.merchant, cart=schedule.cart, every__gt=0, paused="")
    same.exclude(pk=schedule.pk).update(paused=Schedule.Paused.AUTH, next_run=now + AUTH_PROBE)
    shared = not isinstance(error, MerchantLacks) and _is_shared(schedule)
    fix = "Correct them on the setup page and test the connection. Its services are paused until then."
    if shared:
        fix = (
            "Correct them under WMS Setup and test the connection. The services of each merchant for whom they are"
            f" refused are paused until then, of {schedule.merchant.name} last."
        )
    raise_alert(
        "credentials",
        _connection_key(schedule, shared),
        f"The credentials of {_name(schedule, shared)} do not work: {error}",
        fix=fix,
        said=error.said,
        merchant_id=None if shared else schedule.merchant_id,
        cart_id=schedule.cart_id,
        now=now,
    )


def _alert_outage(schedule: Schedule, error: ConnectionFailed, now: datetime) -> None:
    shared = _is_shared(schedule)
    name = _name(schedule, shared)
    raise_alert(
        "unreachable",
        _connection_key(schedule, shared),
        f"{name[0].upper()}{name[1:]} cannot be reached: {error}",
        fix="Nothing to do: it is tried once a minute. If it lasts, check the address and the other system.",
        said=error.said,
        total=schedule.failures + 1,
        merchant_id=None if shared else schedule.merchant_id,
        cart_id=schedule.cart_id,
        now=now,
    )


def _alert_failing(schedule: Schedule, words: str, problem: BaseException | None, now: datetime) -> None:
    raise_alert(
        "service_failing",
        f"schedule:{schedule.pk}",
        f"{schedule.get_service_display()} of {_name(schedule)} failed: {words}",
        fix=getattr(problem, "fix", "") or "It is tried again at its next run.",
        said=problem.said if isinstance(problem, ConnectorError) else "",
        total=schedule.failures + 1,
        merchant_id=schedule.merchant_id,
        cart_id=schedule.cart_id,
        now=now,
    )


def _healed(schedule: Schedule, now: datetime) -> None:
    """It works again: resolves the connection's alerts, and wakes the services that waited with it."""
    keys = [_connection_key(schedule)] if schedule.cart_id else [_connection_key(schedule), WMS]
    resolve("unreachable", keys, now)
    resolve("service_failing", [f"schedule:{schedule.pk}"], now)
    refused = Schedule.objects.filter(cart=None, paused=Schedule.Paused.AUTH, every__gt=0).exclude(pk=schedule.pk)
    if schedule.paused != Schedule.Paused.AUTH and WMS in keys and refused.exists():
        keys.remove(WMS)  # what has worked now may be another part of the same WMS than what refuses them
    resolve("credentials", keys, now)
    if schedule.paused == Schedule.Paused.AUTH:
        others = Schedule.objects.filter(cart=schedule.cart, paused=Schedule.Paused.AUTH, every__gt=0)
        if not _is_shared(schedule):
            others = others.filter(merchant=schedule.merchant)
        others.exclude(pk=schedule.pk).update(paused="", next_run=now)
