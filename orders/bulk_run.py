"""Carries out an action on many orders: which ones is fixed when it is confirmed, each is decided once.

A batch is one transaction: its orders are locked, what each allows is asked again, the action moves them, and
their rows get the outcome. So whatever dies, nothing is done twice, and the next task goes on where it ended.
Skipped orders are loaded one by one, since the shop of each is asked for it before its transaction.
"""

import contextlib
import functools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import shared_task
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Now

from accounts import audit
from accounts.models import Membership, User
from accounts.roles import permissions_of
from integration_manager import tenancy
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.kit.errors import RateLimited
from integration_manager.log import context as log_context
from orders import actions, loading
from orders.many import KINDS, LOAD, Kind, Words
from orders.models import BulkAction, BulkRow, Order, SkippedOrder
from orders.shops import Shops

BATCH = 500
LEASE = 60.0  # seconds of PostgreSQL's clock, renewed with each batch
ASKING = 300.0  # the same while a shop is asked for an order, which may take several calls
BUDGET = 20.0  # seconds of one task
SHORTEST, LONGEST = 5.0, 300.0  # seconds for which it waits where a shop asks for that
AT_ONCE = 50  # up to so many are done before the page answers
MOST = 100_000  # orders of one action
PERMISSION = "orders.act"
AWAY = (OperationalError, InterfaceError)  # the database, not what one order says to it
GONE = "It is not among your orders any more."
OTHERS = "A rule holds it, not a person: use Release."
BY_PERSON = "A person has canceled its sending: use Send after all."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an action could do to the orders as they are now. `capped`: there are more than one action takes.

    `later`: so many more have come, or changed, since they were shown.
    """

    total: int
    able: int
    reasons: list[tuple[str, int]]  # why the others cannot, the most frequent first
    capped: bool
    later: int = 0


def forecast(orders: QuerySet[Order], kind: Kind, shown_at: datetime | None = None) -> Forecast:
    """Counts the orders by what decides, and asks once for each kind of them. `shown_at`: those as they were then."""
    canceled = Q(cancel_requested_at__isnull=False)
    late = Q(updated_at__gt=shown_at) if shown_at else Value(False)
    alike = orders.order_by().values(*actions.DECIDED_BY, some=Q(qty_shipped__gt=0), canceled=canceled, late=late)
    sql, params = alike[: MOST + 1].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT m.*, count(*) FROM ({sql}) m GROUP BY 1, 2, 3, 4, 5, 6", params)  # noqa: S608 (the ORM's)
        found = cursor.fetchall()
    rows = [(*decided, number) for *decided, late, number in found if not late]
    able, reasons = 0, Counter[str]()
    now = clock.now()
    for *decided, some, asked, number in rows:
        order = Order(qty_shipped=int(some), **dict(zip(actions.DECIDED_BY, decided, strict=True)))
        order.cancel_requested_at = now if asked else None
        reason = why_not(order, kind)
        if reason:
            reasons[reason] += number
        else:
            able += number
    total = sum(row[-1] for row in rows)
    later = sum(number for *_, late, number in found if late)
    return Forecast(min(total, MOST), able, reasons.most_common(), total > MOST, later)


def why_not(order: Order, kind: Kind) -> str:
    """Why an order does not allow this action; "" where it does."""
    reason = actions.why_not(order, kind.action)
    if not reason and kind.held_by_person is not None and kind.held_by_person != (order.held_by == "person"):
        return OTHERS if kind.held_by_person else BY_PERSON
    return reason


def begin(orders: QuerySet[Any], kind: Words, user: User, key: str, about: str, now: datetime) -> BulkAction:
    """Fixes which orders these are, newest first where there are too many. Confirmed twice, it is begun once.

    For LOAD they are skipped ones, and why each of them is skipped is kept with it: that is what was agreed to.
    """
    try:
        with transaction.atomic():
            bulk: BulkAction = BulkAction.objects.create(
                key=key, action=kind.key, user=user, actor=user.email, about=about[:500], created_at=now
            )
            marks = (-F("pk"), F("reason")) if kind is LOAD else (F("pk"), Value(""))
            sql, params = orders.order_by("-pk").values_list(*marks)[:MOST].query.sql_with_params()
            with connection.cursor() as cursor:
                cursor.execute(
                    f"""INSERT INTO orders_bulkrow (account_id, bulk_id, order_id, outcome, reason, created_at)
                        SELECT %s, %s, m.id, '', m.reason, %s FROM ({sql}) AS m(id, reason)""",  # noqa: S608 (the ORM's)
                    [tenancy.account_id(), bulk.pk, now, *params],
                )
                bulk.total = cursor.rowcount
            BulkAction.objects.filter(pk=bulk.pk).update(total=bulk.total)
    except IntegrityError:
        known: BulkAction = BulkAction.objects.get(key=key)
        return known
    if bulk.total <= AT_ONCE and kind is not LOAD:
        carry_on(bulk.pk)
        bulk.refresh_from_db()
    else:
        hint(bulk.pk, bulk.account_id)
    return bulk


def hint(bulk_id: int, account_id: int) -> None:
    """Sends an action's message. With Redis away it is lost; `rescue` or who looks at its page sends another."""
    try:
        bulk_job.apply_async((bulk_id, account_id), retry=False)
    except bulk_job.OperationalError:
        log.warning("Redis is away: bulk action %s waits", bulk_id)


@shared_task(ignore_result=True)
@tenancy.without_tenant
def bulk_job(bulk_id: int, account_id: int) -> None:
    """Goes on with an action for who asked for it: with that person's merchants, if the person still may."""
    close_old_connections()
    with log_context(account=account_id):
        with tenancy.activate(account_id):
            scope = _scope(bulk_id)
        if scope is not None:
            with tenancy.activate(account_id, scope.merchants):
                carry_on(bulk_id)


@shared_task(ignore_result=True)
@tenancy.without_tenant
def rescue() -> None:
    """Sends the messages again of actions that nobody is at."""
    close_old_connections()
    with tenancy.everyone("bulk actions"):
        idle = BulkAction.objects.filter(_idle(), state=BulkAction.State.RUNNING)
        found = list(idle.values_list("pk", "account_id")[:100])
    for bulk_id, account_id in found:
        hint(bulk_id, account_id)


def _idle() -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lt=Now())


@dataclass(frozen=True, slots=True)
class _Scope:
    merchants: tuple[int, ...] | None


def _scope(bulk_id: int) -> _Scope | None:
    """The merchants of who asked, as of now. None: there is nothing to do, or the person may not any more."""
    bulk = BulkAction.objects.filter(pk=bulk_id, state=BulkAction.State.RUNNING).first()
    if bulk is None:
        return None
    membership = Membership.objects.filter(user=bulk.user, deactivated_at=None, user__is_active=True).first()
    if bulk.user is None or membership is None or PERMISSION not in permissions_of(membership):
        _end(bulk, BulkAction.State.STOPPED, f"{bulk.actor} may not do this any more.")
        return None
    merchants = membership.merchant_ids
    return _Scope(None if merchants is None else tuple(merchants))


def carry_on(bulk_id: int) -> None:
    """Goes on with an action until all of its orders are decided, its budget is over, or another task is at it."""
    began = time.monotonic()
    claimed = BulkAction.objects.filter(_idle(), pk=bulk_id, state=BulkAction.State.RUNNING)
    if not claimed.update(token=F("token") + 1, lease_until=_lease()):
        return
    bulk = BulkAction.objects.select_related("account").get(pk=bulk_id)
    mine = BulkAction.objects.filter(pk=bulk.pk, token=bulk.token)
    try:
        with _steps(bulk) as step:
            while step(clock.now()):
                if time.monotonic() - began > BUDGET:  # to the back of the line
                    mine.update(lease_until=None)
                    hint(bulk.pk, bulk.account_id)
                    return
    except RateLimited as error:
        wait = (error.retry_at - clock.now()).total_seconds() if error.retry_at else 0.0
        mine.update(lease_until=Now() + timedelta(seconds=min(max(wait, SHORTEST), LONGEST)))
    except DatabaseError:
        log.warning("bulk action %s was cut off, and goes on once its lease is over", bulk_id, exc_info=True)
    except Exception:
        _end(bulk, BulkAction.State.STOPPED, _mistake(f"bulk action {bulk_id}"))


def _mistake(what: str) -> str:
    """Reports the exception that is being handled, and says so."""
    number = public_id()
    log.exception("report %s: %s failed", number, what)
    return f"We made a mistake. Report {number}."


@contextlib.contextmanager
def _steps(bulk: BulkAction) -> Iterator[Callable[[datetime], bool]]:
    """What is done until it says that nothing is left."""
    if bulk.action == LOAD.key:
        with Shops(bulk.account) as shops:
            yield functools.partial(_load, bulk, shops)
    else:
        yield functools.partial(_batch, bulk)


def _lease() -> Any:
    return Now() + timedelta(seconds=LEASE)


def _batch(bulk: BulkAction, now: datetime) -> bool:
    """Decides the next orders. False: there are none, or another task has taken it over."""
    kind = KINDS[bulk.action]
    with transaction.atomic():
        mine = BulkAction.objects.filter(pk=bulk.pk, token=bulk.token, state=BulkAction.State.RUNNING)
        if not mine.update(lease_until=_lease()):
            return False
        waiting = BulkRow.objects.filter(bulk=bulk, outcome="").order_by("order_id")
        ids = list(waiting.values_list("order_id", flat=True)[:BATCH])
        if not ids:
            _end(bulk, BulkAction.State.DONE)
            return False
        found = {
            order.pk: order for order in Order.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
        }
        reasons = {pk: why_not(found[pk], kind) if pk in found else GONE for pk in ids}
        able = [found[pk] for pk in ids if not reasons[pk]]
        done = set(kind.act(able, bulk.actor, now)) if able else set()
        for order in able:
            if order.pk not in done:
                reasons[order.pk] = "It has just changed."
        _decide(bulk, reasons)
        mine.update(done=F("done") + len(done), refused=F("refused") + len(ids) - len(done))
    return True


def _load(bulk: BulkAction, shops: Shops, now: datetime) -> bool:
    """Loads the next skipped order. False: there is none, or another task has taken it over.

    What is loaded stands in its row from then on as the order that it became. A mistake of ours with one order
    is why that one is not loaded, and stops no other.
    """
    mine = BulkAction.objects.filter(pk=bulk.pk, token=bulk.token, state=BulkAction.State.RUNNING)
    if not mine.update(lease_until=Now() + timedelta(seconds=ASKING)):
        return False
    row = BulkRow.objects.filter(bulk=bulk, outcome="").order_by("order_id").first()
    if row is None:
        _end(bulk, BulkAction.State.DONE)
        return False
    skipped = SkippedOrder.objects.select_related("merchant", "cart__merchant").filter(pk=-row.order_id).first()
    raw, reason = None, ""
    try:
        reason = loading.why_not(skipped, bulk.account, row.reason)
        if skipped is not None and not reason:
            raw, reason = shops.order(skipped)
    except (RateLimited, *AWAY):
        raise
    except Exception:
        reason = _mistake(f"asking for skipped order {-row.order_id}")
    with transaction.atomic():
        if not mine.update(lease_until=_lease()):
            return False
        if skipped is not None and not reason:
            try:
                with transaction.atomic():  # what a mistake cut off is not kept in part
                    order = loading.load_anyway(skipped, raw, bulk.account, bulk.actor, now)
            except actions.NotNow as refusal:
                reason = str(refusal)
            except AWAY:
                raise
            except Exception:
                reason = _mistake(f"loading skipped order {skipped.pk}")
            else:
                _becomes(row, order.pk)
        _decide(bulk, {row.order_id: reason})
        mine.update(**{"refused": F("refused") + 1} if reason else {"done": F("done") + 1})
    return True


def _becomes(row: BulkRow, order_id: int) -> None:
    """A skipped order is loaded. Where two of them are one order, the first stands for it."""
    if not BulkRow.objects.filter(bulk=row.bulk_id, order_id=order_id).exists():
        BulkRow.objects.filter(pk=row.pk).update(order_id=order_id)
        row.order_id = order_id


def _decide(bulk: BulkAction, reasons: dict[int, str]) -> None:
    """Notes what became of orders: "" is done, anything else is why not."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_bulkrow r SET outcome = CASE WHEN g.reason = '' THEN 'done' ELSE 'refused' END,
                      reason = g.reason
               FROM unnest(%s::bigint[], %s::text[]) AS g(id, reason)
               WHERE r.account_id = %s AND r.bulk_id = %s AND r.order_id = g.id""",
            [list(reasons), list(reasons.values()), tenancy.account_id(), bulk.pk],
        )


def _end(bulk: BulkAction, state: BulkAction.State, problem: str = "") -> None:
    """Ends an action and puts on record what it did."""
    now = clock.now()
    with transaction.atomic():
        mine = BulkAction.objects.filter(pk=bulk.pk, token=bulk.token, state=BulkAction.State.RUNNING)
        if mine.update(state=state, problem=problem, finished_at=now, lease_until=None):
            bulk.refresh_from_db()
            changes = {"orders": (None, bulk.total), "done": (None, bulk.done), "not done": (None, bulk.refused)}
            audit.record(bulk.user or bulk.actor, f"orders.{bulk.action}", bulk.about, changes)
