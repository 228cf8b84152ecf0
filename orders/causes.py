"""Why orders stand still: one cause, one alert, one fix for all of its orders."""

import hashlib
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Case, Count, Exists, Min, OuterRef, Q, When

from alerts import kinds
from alerts.kinds import Anew
from alerts.models import Alert
from alerts.raising import raise_alert
from integration_manager import tenancy
from integration_manager.kit.errors import ConnectorError, NeedsHuman
from merchants.models import Merchant
from merchants.rules import Hold, Problem
from orders.models import Event, Order, Shipment, Status
from orders.states import Each, move, note


@dataclass(frozen=True, slots=True)
class Cause:
    """What an alert is about: its kind, its key (also on the orders), and its words."""

    kind: str
    key: str
    merchant_id: int
    message: str
    fix: str
    said: str = ""
    cart_id: int | None = None  # where its fix is the cart's
    of_many: str = ""  # its words about several orders, where `message` names the one


def of_problem(merchant_id: int, problem: Problem, cart_id: int | None = None) -> Cause:
    """The cause that a rule's problem stands for. `cart_id`: the order's cart, for rules that are the cart's."""
    key = problem.cause or key_of(merchant_id, problem.code, problem.message)
    of_cart = cart_id if problem.of_cart else None
    return Cause(problem.code, key, merchant_id, problem.message, problem.fix, cart_id=of_cart)


def of_error(merchant_id: int, error: ConnectorError, *, own: Sequence[str] = (), words: str = "") -> Cause:
    """The cause that the other system's refusal stands for.

    `own`: the order's number and references, which make no other cause of it; `words`: what is said of all of its
    orders, where `error` tells what is so of one alone.
    """
    message = words or str(error)
    fix = error.fix if isinstance(error, NeedsHuman) else "Correct the order and send it again by hand."
    of_many = general(message, own)
    return Cause(
        error.code, key_of(merchant_id, error.code, of_many), merchant_id, message, fix, error.said, of_many=of_many
    )


def report_of(error: BaseException) -> str:
    """The number of a mistake of ours that leads to its report: the same mistake has the same one."""
    where = traceback.extract_tb(getattr(error, "__traceback__", None))  # a connector may give what is no error at all
    return hashlib.sha256(f"{type(error)}{where}".encode()).hexdigest()[:8]


def general(message: str, own: Sequence[str]) -> str:
    """What is said without the names of the one that it is said of. A part of another word, or of a SKU, is none."""
    names = "|".join(re.escape(name) for name in sorted(filter(None, own), key=len, reverse=True))
    return re.sub(rf"(?<![\w-])(?:{names})(?![\w-])", "…", message) if names else message


def key_of(whose: int, code: str, message: str) -> str:
    """The key of a cause: the same for the same words."""
    return f"{whose}:{code}:{hashlib.sha256(message.encode()).hexdigest()[:16]}"


def to_error(
    ids: Sequence[int],
    frm: Status,
    problem: Problem | ConnectorError,
    cause: Cause,
    now: datetime,
    *,
    tokens: Sequence[int] | None = None,
    to: Status = Status.ERROR,
) -> list[int]:
    """Stops orders until somebody acts, with the cause on them, and opens its alert."""
    message = problem.message if isinstance(problem, Problem) else str(problem)
    with transaction.atomic():  # what is not told with it is never told
        moved = move(
            ids,
            frm,
            to,
            "error" if to is Status.ERROR else "gave_up",
            now=now,
            message=message,
            tokens=tokens,
            error_code=problem.code,
            error_message=message,
            cause=cause.key,
        )
        if moved:
            open_alert(cause, now, order_id=moved[0] if len(moved) == 1 else None, count=len(moved))
    return moved


def instead(order: Order, problem: Problem, cause: Cause, now: datetime) -> None:
    """Another problem stands against an order in error than before, since it was changed.

    Call it in a transaction.
    """
    lock([order.cause, cause.key])
    Order.objects.filter(pk=order.pk, status=Status.ERROR).update(
        error_code=problem.code, error_message=cause.message, cause=cause.key, updated_at=now
    )
    note([order.pk], "error", cause.message, now=now)
    open_alert(cause, now, order_id=order.pk)
    settle([order.cause], now)


def open_alert(cause: Cause, now: datetime, *, order_id: int | None = None, count: int = 1) -> None:
    """Opens the alert of a cause, or counts it again: by all orders that it holds, where more of them are news."""
    more = kinds.of(cause.kind).anew is Anew.MORE
    held = Order.objects.filter(cause=cause.key).exclude(cause="")
    named = cause.of_many in ("", cause.message) or not held[1:2].exists()
    raise_alert(
        cause.kind,
        cause.key,
        cause.message if named else cause.of_many,
        now=now,
        fix=cause.fix,
        said=cause.said,
        merchant_id=cause.merchant_id,
        cart_id=cause.cart_id,
        order_id=order_id,
        count=count,
        total=held.count() if more else None,
    )


def free(
    ids: Sequence[int],
    frm: Status | Sequence[Status],
    message: str,
    now: datetime,
    *,
    actor: str = "",
    kind: str = "released",
    retry_at: datetime | Each | None = None,
) -> list[int]:
    """Puts orders back in the line, at its front, with a clean slate, and settles what held them.

    `retry_at`: not before that.
    """
    held_by = list(Order.objects.filter(pk__in=ids).exclude(cause="").values_list("cause", flat=True).distinct())
    moved = move(
        ids,
        frm,
        Status.READY,
        kind,
        now=now,
        actor=actor,
        message=message,
        retry_at=retry_at or now,
        failures=0,
        first_failed_at=None,
        error_code="",
        error_message="",
        cause="",
        held_by="",
    )
    settle(held_by, now)
    return moved


def hold(
    ids: Sequence[int], frm: Status | Sequence[Status], by: str, why: str, now: datetime, *, actor: str = ""
) -> list[int]:
    """Lets orders wait for a rule or a person, and settles what held them before."""
    held_by = list(Order.objects.filter(pk__in=ids).exclude(cause="").values_list("cause", flat=True).distinct())
    moved = move(
        ids,
        frm,
        Status.HELD,
        "held",
        now=now,
        actor=actor,
        message=why,
        held_by=by,
        cause="",
        error_code="",
        error_message="",
    )
    settle(held_by, now)
    return moved


def hold_instead(holds: Mapping[int, Hold], now: datetime, *, actor: str = "") -> None:
    """Orders that are held already (by id) are held for this now: told where that is something else.

    What they lacked stock for, if they did, is settled.
    """
    told = Event.objects.filter(order_id__in=list(holds), to=Status.HELD).order_by("order_id", "-id")
    reasons = dict(told.distinct("order_id").values_list("order_id", "message"))
    rows = Order.objects.filter(pk__in=list(holds), status=Status.HELD).values_list("pk", "held_by", "cause")
    other = {pk: cause for pk, by, cause in rows if (by, reasons.get(pk)) != (holds[pk].by, holds[pk].why)}
    for pk in other:
        Order.objects.filter(pk=pk, status=Status.HELD).update(
            held_by=holds[pk].by, cause="", error_code="", error_message="", updated_at=now
        )
        Event.objects.create(
            order_id=pk, at=now, kind="held", frm=Status.HELD, to=Status.HELD, actor=actor, message=holds[pk].why
        )
    settle(sorted({cause for cause in other.values() if cause}), now)


def bring_back(merchant_id: int, now: datetime) -> None:
    """A merchant, or a cart of it, is back: so are the alerts of what still holds its orders or parcels.

    They ended when it was taken away (orders/watch.py). One that is past its time, and gone, is raised anew.
    """
    if Merchant.objects.filter(pk=merchant_id, archived_at__isnull=False).exists():
        return
    held = Order.objects.filter(merchant=merchant_id).exclude(cause="").exclude(error_code="").order_by()
    causes = held.values_list("error_code", "cause").annotate(Count("pk"), Min("error_message"))
    found = {(kind, key): about for kind, key, *about in causes}
    # By their kind too: what else was said of an order, and is over, has the same key.
    alerts = Alert.objects.filter(key__in=[key for _, key in found]).values_list("pk", "kind", "key")
    known = {(kind, key): pk for pk, kind, key in alerts if (kind, key) in found}
    parcels = Shipment.objects.filter(cause=OuterRef("key")).exclude(cause="")
    theirs = Q(pk__in=list(known.values())) | Q(Exists(parcels), merchant=merchant_id)
    ended = Alert.objects.filter(theirs, resolved_at__isnull=False)
    ended.filter(Q(cart=None) | Q(cart__archived_at=None)).update(
        resolved_at=None, last_seen=now, news_at=Case(When(dismissed_at=None, then=now))
    )
    for kind, key in sorted(found.keys() - known.keys()):
        number, message = found[kind, key]
        raise_alert(kind, key, message, merchant_id=merchant_id, count=number, now=now)


def lock(keys: Iterable[str]) -> None:
    """Waits for whoever opens, counts or settles the alerts of these causes, and keeps them from others.

    Call it in a transaction, once its orders are locked, with the causes of all of them: each of these may be settled
    then, in any order.
    """
    if wanted := {key for key in keys if key}:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT id FROM alerts_alert WHERE account_id = %s AND key = ANY(%s) AND resolved_at IS NULL
                   ORDER BY key COLLATE "C", id FOR NO KEY UPDATE""",
                [tenancy.account_id(), list(wanted)],
            )


def settle(keys: Sequence[str], now: datetime) -> None:
    """Resolves the alerts of causes that hold no order any more. Who settles several times locks them all before."""
    if not keys:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever stops an order for one of them, or frees another, in this very moment is waited for; what that one
        # did is seen by the next statement only.
        lock(keys)
        cursor.execute(
            """UPDATE alerts_alert a SET resolved_at = %s
               WHERE a.account_id = %s AND a.key = ANY(%s) AND a.resolved_at IS NULL
                 AND NOT EXISTS (
                     SELECT 1 FROM orders_order o
                     WHERE o.account_id = a.account_id AND o.cause = a.key AND o.cause <> '')""",
            [now, tenancy.account_id(), list(keys)],
        )
