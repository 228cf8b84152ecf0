"""What a cart leaves behind when it is deleted, in numbers."""

from dataclasses import dataclass

from django.db.models import Count, Q

from carts.models import Cart
from orders.models import Order, Shipment, Status
from orders.states import UNSENT


@dataclass(frozen=True, slots=True)
class Leftover:
    """Orders of a cart by what is still to happen to them, and parcels that it has not been told of."""

    unsent: int  # on their way to the WMS, also those that wait for a person
    at_wms: int
    tracking: int

    @property
    def nothing(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.unsent or self.at_wms or self.tracking)


def of_cart(cart: Cart) -> Leftover:
    """What is left to do of a cart's orders."""
    open_ones = [*UNSENT, Status.SENDING, Status.AT_WMS]
    found = Order.objects.filter(cart=cart, status__in=open_ones).aggregate(
        unsent=Count("pk", filter=~Q(status=Status.AT_WMS)), at_wms=Count("pk", filter=Q(status=Status.AT_WMS))
    )
    tracking = Shipment.objects.filter(
        cart=cart, uploaded_at__isnull=True, voided_at__isnull=True, for_cart=True
    ).count()
    return Leftover(found["unsent"], found["at_wms"], tracking)
