"""The words, icons and tones of an order's state: the same in lists, pages, mails and documentation.

`face(...)` turns what the database stores into one of these; nothing else may name a state to a person.
"""

from dataclasses import dataclass

from orders.models import Status


@dataclass(frozen=True, slots=True)
class Face:
    """How a state looks and reads. tone: neutral, progress, good, wait or bad."""

    key: str  # in addresses: ?state=at-wms
    word: str
    icon: str
    tone: str
    meaning: str

    @property
    def calls(self) -> bool:
        """Whether the state asks for a person's eye, so that a list tints it."""
        return self.tone in ("wait", "bad")


NEW = Face("new", "New", "s-new", "neutral", "Loaded; will be sent")
SENDING = Face("sending", "Sending", "s-sending", "progress", "On its way to the WMS")
AT_WMS = Face("at-wms", "At WMS", "s-wms", "progress", "The WMS has it")
SHIPPED = Face("shipped", "Shipped", "s-shipped", "good", "Tracking received")
CONFIRMED = Face("confirmed", "Confirmed", "s-confirmed", "good", "Tracking is in the cart")
ERROR = Face("error", "Error", "s-error", "bad", "Held; a person must act")
ON_HOLD = Face("on-hold", "On Hold", "s-hold", "wait", "Held by a rule, a filter or for lack of stock")
CANCEL_SENDING = Face("cancel-sending", "Cancel Sending", "s-off", "neutral", "Will not be sent")
CANCELED = Face("canceled", "Canceled", "s-canceled", "neutral", "Canceled in the cart or the WMS")
SKIPPED = Face("skipped", "Skipped", "s-skipped", "neutral", "Never loaded, with a reason")

FACES = (NEW, SENDING, AT_WMS, SHIPPED, CONFIRMED, ERROR, ON_HOLD, CANCEL_SENDING, CANCELED, SKIPPED)
BY_KEY = {face.key: face for face in FACES}


def face_of(status: str, held_by: str = "") -> Face:
    """How a stored state looks. `held_by` tells On Hold from Cancel Sending, which a person asked for."""
    if status == Status.HELD:
        return CANCEL_SENDING if held_by == "person" else ON_HOLD
    return _FACES[Status(status)]


_FACES = {
    Status.RECEIVED: NEW,
    Status.READY: NEW,
    Status.SENDING: SENDING,
    Status.ERROR: ERROR,
    Status.GAVE_UP: ERROR,
    Status.AT_WMS: AT_WMS,
    Status.SHIPPED: SHIPPED,
    Status.CONFIRMED: CONFIRMED,
    Status.CANCELED: CANCELED,
}
