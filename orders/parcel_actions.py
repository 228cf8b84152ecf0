"""What a person can do about one parcel whose tracking the cart has, does not take, or may have."""

from django.db import transaction
from django.db.models import QuerySet

from integration_manager.kit import clock
from merchants.models import Service
from merchants.schedules import wake
from orders import parcel_alerts
from orders.actions import NotNow
from orders.models import Order, Shipment
from orders.services.confirmed import confirm_complete
from orders.states import note

UNKNOWN = "outcome_unknown"


@transaction.atomic
def resend(order: Order, key: str, actor: str) -> None:
    """Tells the cart of one parcel again. Raises NotNow.

    Where nobody knew whether the cart has it, the person's word decides: the next upload is the first.
    """
    parcel, now = _parcel(order, key), clock.now()
    if not parcel.for_cart:
        raise NotNow("It holds parts of a kit alone: the cart is told with the parcel that made the kit whole.")
    if parcel.uploaded_at is None and parcel.parked_at is None:
        raise NotNow("Its tracking is on its way to the cart already.")
    fields = {"starts": 0, "unknown_rounds": 0} if parcel.error_code == UNKNOWN and parcel.parked_at else {}
    _mine(parcel).update(
        uploaded_at=None, parked_at=None, retry_at=now, failures=0, first_failed_at=None, failed_at=None, **fields
    )
    note([order.pk], "resend_tracking", f"Tracking {_named(parcel)} is sent to the cart again.", now=now, actor=actor)
    parcel_alerts.settle(_mine(parcel), now)
    wake(Service.UPLOAD_SHIPMENTS, now, merchant_id=order.merchant_id, cart_ids=[order.cart_id])


@transaction.atomic
def is_there(order: Order, key: str, actor: str) -> None:
    """A person has found a parcel's tracking in the cart, or entered it there. Raises NotNow."""
    parcel, now = _parcel(order, key), clock.now()
    if not _mine(parcel).filter(parked_at__isnull=False, uploaded_at=None).update(uploaded_at=now, parked_at=None):
        raise NotNow("That is decided already.")
    said = f"Tracking {_named(parcel)} is in the cart, a person says."
    note([order.pk], "parcel_there", said, now=now, actor=actor)
    parcel_alerts.settle(_mine(parcel), now)
    confirm_complete({order.pk}, now)


def _parcel(order: Order, key: str) -> Shipment:
    """The order is locked, which is done before alerts are."""
    Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    found: Shipment | None = Shipment.objects.filter(order=order, key=key[:150], voided_at=None).first()
    if found is None:
        raise NotNow("There is no such parcel any more. Look at the order again.")
    return found


def _mine(parcel: Shipment) -> "QuerySet[Shipment]":
    found: QuerySet[Shipment] = Shipment.objects.filter(pk=parcel.pk)
    return found


def _named(parcel: Shipment) -> str:
    return parcel.tracking_no or parcel.key
