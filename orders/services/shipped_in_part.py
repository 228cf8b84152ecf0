"""Orders of which a part has shipped when nothing more is to come: that part is all there is."""

from datetime import datetime

from orders.models import Shipment, Status
from orders.services import begun_kits
from orders.services.confirmed import confirm_complete, tell_end
from orders.states import move

CANCELED = "The WMS has canceled what had not shipped of it yet."  # in its timeline
TOLD = "has been shipped in part, and the WMS has canceled the rest."  # of an alert, after the order's number
FIX = "Refund the rest in the cart, or send it anew."


def has_shipped(order_id: int) -> bool:
    """Whether a parcel of it has left. Ask where the order is locked: parcels are stored only there."""
    found: bool = Shipment.objects.filter(order_id=order_id, voided_at=None).exists()
    return found


def end(order_id: int, said: str, now: datetime, *, actor: str = "") -> list[int]:
    """It becomes Shipped, and short. Its cart is told which parcel was the last, and not that it is canceled."""
    moved = move(
        [order_id], Status.AT_WMS, Status.SHIPPED, "shipped", now=now, actor=actor, message=said, shipped_at=now,
        short=True,
    )  # fmt: skip
    begun_kits.tell(moved, now)
    tell_end(moved, now)
    confirm_complete(set(moved), now)
    return moved
