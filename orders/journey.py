"""The progress bar of an order: New, At WMS, Shipped, Confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from accounts.templatetags.face import when
from orders.models import Order, Shipment, Status
from orders.state_words import AT_WMS, CANCELED, CONFIRMED, NEW, SHIPPED, face_of

_DONE = {
    Status.AT_WMS: 2,
    Status.SHIPPED: 3,
    Status.CONFIRMED: 4,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the bar. kind: done, now, held, off or todo. `units`: it fills up as units ship."""

    word: str
    kind: str
    icon: str
    text: str = ""
    units: bool = False


@dataclass(slots=True)
class Journey:
    """The four steps of one order."""

    order: Order
    shipments: Sequence[Shipment]
    steps: list[Step] = field(init=False)

    def __post_init__(self) -> None:
        done = _DONE.get(Status(self.order.status), 1)
        self.steps = [self._step(index, done) for index in range(4)]

    def _step(self, index: int, done: int) -> Step:
        face = (NEW, AT_WMS, SHIPPED, CONFIRMED)[index]
        if index < done:
            return Step(face.word, "done", CONFIRMED.icon, self._when(index))
        if index > done:
            return Step(face.word, "todo", "todo")
        return self._present(index)

    def _present(self, index: int) -> Step:
        """The step that the order is working on."""
        order, face = self.order, face_of(self.order.status, self.order.held_by)
        if order.status in (Status.ERROR, Status.GAVE_UP):
            return Step(AT_WMS.word, "held", face.icon, "Error: not sent")
        if order.status == Status.CANCELED:
            return Step(CANCELED.word, "off", face.icon, when(order.canceled_at) if order.canceled_at else "")
        if order.status == Status.HELD:
            return Step(AT_WMS.word, "off", face.icon, face.word)
        if index == 1:
            return Step(AT_WMS.word, "now", face.icon, "Being sent" if order.status == Status.SENDING else "Waits")
        if index == 2:
            text = f"{order.qty_shipped.normalize():f} of {order.qty_total.normalize():f} units"
            return Step(SHIPPED.word, "now", AT_WMS.icon, text if order.qty_shipped else "", bool(order.qty_shipped))
        told = [s for s in self.shipments if s.for_cart]
        uploaded = sum(1 for s in told if s.uploaded_at)
        return Step(CONFIRMED.word, "now", SHIPPED.icon, f"{uploaded} of {len(told)} parcels")

    def _when(self, index: int) -> str:
        order = self.order
        moment = (order.created_at, order.delivered_at, order.shipped_at, order.confirmed_at)[index]
        verb = ("Loaded", "Accepted", "", "")[index]
        return f"{verb} {when(moment)}".strip() if moment else ""
