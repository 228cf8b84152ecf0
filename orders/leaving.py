"""An account changes its WMS: what that means for orders on their way, and what is done with them.

Orders remember which WMS they were sent to. What the old one has stays At WMS and is not asked for any
more, unless the account goes back; what may be there waits for a person at the next delivery
(`Outcomes.elsewhere`); what is New goes to the new one, or is kept here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Q

from alerts import kinds
from alerts.models import Alert
from alerts.raising import resolve
from integration_manager import tenancy
from integration_manager.kit.errors import NeedsHuman
from merchants.models import Schedule, StockLevel
from merchants.schedules import AT_WMS, start_over
from orders import causes, out_of_stock, product_rows, purchase_rows
from orders.agreed import more_than_agreed
from orders.models import Effect, Order, OutFile, Status
from orders.services import look_up, posting
from orders.states import move

_WAITING = (Status.RECEIVED, Status.READY)
_NEW = Q(status__in=_WAITING, starts=0)
_AT_WMS = Q(status=Status.AT_WMS)
# Their sending has begun, and nobody knows for certain that they did not arrive.
_MAY_BE_THERE = (
    Q(status=Status.SENDING)
    | Q(status__in=[*_WAITING, Status.HELD, Status.GAVE_UP], starts__gt=0) & ~Q(held_by=out_of_stock.HELD_BY)
    | Q(status=Status.ERROR, error_code="outcome_unknown")
)


@dataclass(frozen=True, slots=True)
class OnTheirWay:
    """How many orders a change of WMS concerns."""

    new: int
    may_be_there: int
    at_wms: int
    cancellations: int  # asked for, and not answered yet

    @property
    def total(self) -> int:
        """What a person was shown and agreed to. New orders come and go by themselves and do not count."""
        return self.may_be_there + self.at_wms + self.cancellations

    def unconfirmed(self, posted: Mapping[str, str]) -> bool:
        """Whether these are more than the person who sent the form was shown."""
        return more_than_agreed(self.total, posted.get("shown", ""))


def on_their_way() -> OnTheirWay:
    """The account's orders that a change of WMS concerns."""
    rows = Order.objects.order_by().filter(_NEW | _AT_WMS | _MAY_BE_THERE)
    found = rows.aggregate(
        new=Count("pk", filter=_NEW), may_be_there=Count("pk", filter=_MAY_BE_THERE), at_wms=Count("pk", filter=_AT_WMS)
    )
    waiting = Effect.objects.filter(kind=Effect.Kind.CANCEL_AT_WMS, state=Effect.State.WAITING)
    return OnTheirWay(**found, cancellations=waiting.count())


def leave(now: datetime, *, hold_new: bool, actor: str) -> None:
    """What follows from another WMS taking the place of the old one, in the transaction that changes it.

    `hold_new`: New orders are kept here (Cancel Sending) until a person sends them after all.
    """
    if hold_new:
        new = list(Order.objects.filter(_NEW).values_list("id", flat=True))
        message = "Kept here when the WMS was changed."
        move(new, _WAITING, Status.HELD, "held", now=now, actor=actor, message=message, held_by="person")
    with connection.cursor() as cursor:
        # What the old one refused is not there: its next send is the new one's first.
        cursor.execute(
            """UPDATE orders_order SET starts = 0, unknown_rounds = 0
               WHERE account_id = %s AND (status = 'error' OR status = 'held' AND held_by = %s)
               AND starts > 0 AND sent_hash = '' AND error_code <> 'outcome_unknown'""",
            [tenancy.account_id(), out_of_stock.HELD_BY],
        )
    asked = _undecided()
    with connection.cursor() as cursor:
        # Files that wait for the old one go nowhere. Whether one had arrived, a person says.
        cursor.execute(
            """UPDATE orders_order SET out_file_id = NULL, lease_until = now()
               WHERE account_id = %s AND status = 'sending' AND out_file_id IS NOT NULL""",
            [tenancy.account_id()],
        )
    # Also not by the answer about one of which nobody knew: its orders are decided one by one from now on.
    # (Purchase orders are kept here, and a person sends them if the new one is to expect them.)
    gone = OutFile.objects.filter(kind__in=("orders", "purchases")).exclude(
        phase__in=[OutFile.Phase.DONE, OutFile.Phase.DROPPED]
    )
    resolve(posting.KIND, [posting.key_of(file) for file in gone.only("name")], now)
    gone.update(phase=OutFile.Phase.DROPPED)
    for merchant_id, name, ids in asked:
        _ask_person(merchant_id, name, ids, now)
    product_rows.leave_wms()
    purchase_rows.leave_wms(now)
    # What the old one has is no longer for sale; what is kept here is as it was.
    StockLevel.objects.filter(merchant__managed_inventory=False).delete()
    schedules = Schedule.objects.filter(cart__isnull=True, service__in=AT_WMS)
    start_over(schedules, now, cursor=None, reached_back_at=None, state={}, failures=0, problem="")
    # What the old one did not answer as it should is over; who waits for stock goes on, and its delivery ends that.
    told = Alert.objects.filter(kind__in=("credentials", *kinds.BY_ITSELF), cart=None, resolved_at=None)
    told.exclude(kind=look_up.KIND).update(resolved_at=now)


def _undecided() -> list[tuple[int, str, list[int]]]:
    """Files of which nobody knows whether the old WMS has them: merchant, name, and the orders that are in them."""
    phases = [OutFile.Phase.UPLOADED, OutFile.Phase.POSTING, OutFile.Phase.PARKED]
    files = OutFile.objects.filter(kind="orders", phase__in=phases).order_by("id")
    sending = Order.objects.filter(status=Status.SENDING)
    return [
        (merchant_id, name, list(sending.filter(out_file_id=pk).values_list("id", flat=True)))
        for pk, merchant_id, name in files.values_list("id", "merchant_id", "name")
    ]


def _ask_person(merchant_id: int, name: str, ids: list[int], now: datetime) -> None:
    """A person decides of each order at once: the next delivery may be far, or again the old WMS's."""
    error = NeedsHuman(
        f"Whether {name} arrived at the WMS of before is not known.",
        code="outcome_unknown",
        fix="Look for its orders there, then say of each whether it arrived.",
    )
    causes.to_error(ids, Status.SENDING, error, causes.of_error(merchant_id, error), now)
