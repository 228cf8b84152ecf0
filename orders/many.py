"""The actions of orders/actions.py on many orders by a few statements. Each gives the ids of those that really moved.

Whole or not at all: an alert that ends, or has to be told, does so with its orders.

Who calls has asked what is allowed, and holds the rows; an order that changed all the same is left as it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from merchants.models import Service
from merchants.rules import HOLDS, Hold, address
from merchants.rules.draft import ADDRESS_LOOKUP
from merchants.schedules import wake
from orders import causes, changes, parcel_alerts
from orders.models import Event, Order, OrderDetail, Shipment, Status
from orders.states import Each, move, note

Act = Callable[[Sequence[Order], str, datetime], list[int]]
STOPPED = (Status.ERROR, Status.GAVE_UP)
NOT_SENT = (Status.RECEIVED, Status.READY, *STOPPED)
BY_PERSON = "person"
NOT_BY_RULES = (BY_PERSON, "source", "reopened")  # what they hold goes on by a person's word, or its shop's, alone


@transaction.atomic
def resend(orders: Sequence[Order], actor: str, now: datetime) -> list[int]:
    """Sends orders (again) as soon as possible."""
    waiting = _ids(orders, Status.READY)
    held = Order.objects.filter(pk__in=waiting, status=Status.READY)
    if waiting and held.update(retry_at=now, failures=0, first_failed_at=None):
        note(waiting, "resend", "Sent by hand.", now=now, actor=actor)
    freed = causes.free(_ids(orders, *STOPPED), STOPPED, "Sent by hand.", now, actor=actor, kind="resend")
    return _delivered([*waiting, *freed], orders, now)


def being_canceled(order: Order) -> bool:
    """Whether it was canceled, and the next delivery looks first whether the WMS has it, to have it canceled there."""
    return order.status == Status.READY and order.cancel_requested_at is not None


@transaction.atomic
def cancel_sending(orders: Sequence[Order], actor: str, now: datetime) -> list[int]:
    """Keeps orders from being sent until that is undone, also those that a rule or lack of stock holds so far.

    Those that are being canceled, or that their shop holds, are left alone.
    """
    rows = Order.objects.filter(pk__in=_ids(orders)).order_by("pk").select_for_update(no_key=True)
    known = list(rows.only("status", "held_by", "cause", "cancel_requested_at"))
    causes.lock(order.cause for order in known)
    why = "Sending canceled."
    sent = [order.pk for order in known if order.status in NOT_SENT and not being_canceled(order)]
    kept = causes.hold(sent, NOT_SENT, BY_PERSON, why, now, actor=actor)
    held = [order.pk for order in known if order.status == Status.HELD and order.held_by not in NOT_BY_RULES]
    causes.hold_instead({pk: Hold(BY_PERSON, why) for pk in held}, now, actor=actor)
    return [*kept, *held]


@transaction.atomic
def undo_cancel(orders: Sequence[Order], actor: str, now: datetime) -> list[int]:
    """Lets held orders be sent after all; the rules that held them do so no more.

    What waits for its look-up goes without one; whatever else is released does not.
    """
    held = Order.objects.filter(pk__in=_ids(orders), status=Status.HELD, held_by__in=HOLDS)
    held.exclude(held_by=ADDRESS_LOOKUP).update(anyway=True)
    _right(held.filter(held_by=ADDRESS_LOOKUP))
    freed = causes.free(_ids(orders), Status.HELD, "It is sent after all.", now, actor=actor)
    return _delivered(freed, orders, now)


@transaction.atomic
def address_is_right(orders: Sequence[Order], actor: str, now: datetime) -> list[int]:
    """Sends orders to their addresses as they are, in their time and unless something else holds them."""
    found = Order.objects.filter(pk__in=_ids(orders), status=Status.ERROR, error_code=address.ERROR)
    goes = {pk: max(now, when or now) for pk, when in found.values_list("pk", "retry_at")}
    _right(found)
    message = "A person says that the address is right."
    freed = causes.free(list(goes), Status.ERROR, message, now, actor=actor, retry_at=Each(goes.values()))
    return _delivered(freed, orders, now)


@transaction.atomic
def at_wms(
    orders: Sequence[Order], actor: str, now: datetime, message: str = "A person found it at the WMS.", key: str = ""
) -> list[int]:
    """A person has found orders of unknown outcome at the WMS, under `key`, else under our references.

    Of those the WMS's own number is not known: our reference may be that of another order there.
    """
    changed = _changed_meanwhile(_ids(orders))
    moved = move(
        _ids(orders),
        Status.ERROR,
        Status.AT_WMS,
        "it_arrived",
        now=now,
        actor=actor,
        message=message,
        wms_key=key,
        delivered_at=now,
        error_code="",
        error_message="",
        cause="",
    )
    causes.settle(_causes(orders, moved), now)
    changes.cancel_found(moved, now)
    for order_id in sorted(changed.intersection(moved)):
        changes.changed_after_sending(order_id, {}, now)
    return moved


def _changed_meanwhile(ids: Sequence[int]) -> set[int]:
    """Those that were changed while nobody knew whether the WMS has them: it has them as they were before."""
    same = Event.objects.filter(order_id=OuterRef("order_id"))
    decided = same.filter(kind__in=("it_did_not", "new_reference", "not_there")).order_by("-id").values("id")[:1]
    why = Order.objects.filter(pk=OuterRef("order_id")).values("error_message")[:1]
    unknown = Q(kind="unknown") | Q(kind="error", message=Subquery(why))
    begun = same.filter(unknown, id__gt=Coalesce(Subquery(decided), 0)).order_by("id").values("id")[:1]
    later = Event.objects.filter(order_id__in=ids, kind__in=("changed", "edited"), id__gt=Subquery(begun))
    return set(later.values_list("order_id", flat=True))


@transaction.atomic
def it_did_not(orders: Sequence[Order], actor: str, now: datetime) -> list[int]:
    """A person has made sure that the WMS does not have them: they are sent again."""
    ids = _ids(orders)
    # What had begun is decided by the person's word: the next send is the first.
    Order.objects.filter(pk__in=ids, status=Status.ERROR).update(starts=0, unknown_rounds=0, handle="")
    message = "A person says that it did not arrive; it is sent again."
    return _delivered(causes.free(ids, Status.ERROR, message, now, actor=actor, kind="it_did_not"), orders, now)


@transaction.atomic
def resend_tracking(orders: Sequence[Order], actor: str, now: datetime) -> list[int]:
    """Tells the carts of all parcels again. Where nobody knew whether a cart has one, the person's word decides."""
    ids = _ids(orders)
    parcels = Shipment.objects.filter(order__in=ids, voided_at__isnull=True)
    unknown = parcels.filter(error_code="outcome_unknown", parked_at__isnull=False)
    unknown.update(starts=0, unknown_rounds=0)  # the next upload is the first
    parcels.update(uploaded_at=None, parked_at=None, retry_at=now, failures=0, first_failed_at=None, failed_at=None)
    parcel_alerts.settle(parcels, now)
    note(ids, "resend_tracking", "Tracking is sent to the cart again.", now=now, actor=actor)
    carts: dict[int, set[int]] = {}
    for order in orders:
        carts.setdefault(order.merchant_id, set()).add(order.cart_id)
    for merchant, cart_ids in sorted(carts.items()):
        wake(Service.UPLOAD_SHIPMENTS, now, merchant_id=merchant, cart_ids=sorted(cart_ids))
    return ids


@dataclass(frozen=True, slots=True)
class Words:
    """How an action on many is told of."""

    key: str
    label: str  # its button
    what: str  # what happens, for the page that asks
    done: str  # of those that it was done to: "3 orders …"
    icon: str


@dataclass(frozen=True, slots=True)
class Kind(Words):
    """An action that can be done to many at once. `action`: the one of orders/actions.py that has to be allowed.

    `held_by_person`: whether it is for the orders that a person held, or for those that a rule holds.
    """

    action: str
    act: Act
    held_by_person: bool | None = None
    careful: bool = False  # what it does cannot be taken back


KINDS = {
    kind.key: kind
    for kind in (
        Kind(
            "resend", "Resend to WMS", "They go to the WMS within a minute or two, one try after the other.",
            "go to the WMS again", "resend", "resend", resend,
        ),
        Kind(
            "cancel_sending", "Cancel Sending", "They are not sent. They stay on record, and can be sent after all.",
            "will not be sent", "s-off", "cancel_sending", cancel_sending,
        ),
        Kind(
            "undo_cancel", "Send after all", "Their Cancel Sending is undone: they are sent.",
            "are sent after all", "resend", "undo_cancel", undo_cancel, held_by_person=True,
        ),
        Kind(
            "release", "Release", "They are sent now, whatever holds them. Their addresses are checked all the same.",
            "are released", "resend", "undo_cancel", undo_cancel, held_by_person=False,
        ),
        Kind(
            "resend_tracking", "Resend tracking", "The carts are told of all their parcels again.",
            "have their tracking sent again", "resend", "resend_tracking", resend_tracking,
        ),
        Kind(
            "it_arrived", "They arrived", "They are noted as being at the WMS, under our own reference of each.",
            "are noted as being at the WMS", "s-wms", "it_arrived", at_wms, careful=True,
        ),
        Kind(
            "it_did_not", "They did not arrive",
            "They are sent again. Whatever did arrive the customer gets twice: look into the WMS first.",
            "are sent again", "resend", "it_did_not", it_did_not, careful=True,
        ),
    )
}  # fmt: skip
# Of skipped orders, which are none yet: each is asked for at its shop, and then loaded.
LOAD = Words(
    "load_anyway", "Load anyway", "They are loaded whatever kept them out, and go their way like the others.",
    "are loaded", "download",
)  # fmt: skip


def words_of(action: str) -> Words | None:
    """An action in words; None for one that there is no more."""
    return LOAD if action == LOAD.key else KINDS.get(action)


def _ids(orders: Iterable[Order], *statuses: Status) -> list[int]:
    return [order.pk for order in orders if not statuses or order.status in statuses]


def _right(orders: QuerySet[Order]) -> None:
    """A person vouches for the addresses of these."""
    OrderDetail.objects.filter(order__in=orders).update(address_right=True)


def _causes(orders: Iterable[Order], moved: Iterable[int]) -> list[str]:
    ids = set(moved)
    return sorted({order.cause for order in orders if order.cause and order.pk in ids})


def _delivered(ids: list[int], orders: Iterable[Order], now: datetime) -> list[int]:
    """Wakes the merchants' Order Delivery for those that are to be sent."""
    moved = set(ids)
    for merchant in sorted({order.merchant_id for order in orders if order.pk in moved}):
        wake(Service.DELIVER, now, merchant_id=merchant)
    return ids
