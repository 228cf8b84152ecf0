"""Which orders are at the WMS, or may be: where we look for them must not change without a thought."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Q

from merchants.models import Merchant
from orders.agreed import more_than_agreed
from orders.models import Order, Status
from orders.state_words import AT_WMS, SENDING

_UNSENT = (Status.RECEIVED, Status.READY, Status.HELD, Status.ERROR, Status.GAVE_UP)
_SENDING = Q(status=Status.SENDING)
_AT_WMS = Q(status=Status.AT_WMS)
# Sending them has begun, and did not end as it should: the WMS may have them all the same.
_UNCLEAR = Q(status__in=_UNSENT) & (Q(starts__gt=0) | Q(error_code="outcome_unknown"))


@dataclass(frozen=True, slots=True)
class AtWms:
    """How many orders the WMS has or may have."""

    at_wms: int
    sending: int
    unclear: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.at_wms + self.sending + self.unclear

    def __str__(self) -> str:
        """In words: "8 At WMS, 3 Sending, 1 that was tried and may have arrived"."""
        unclear = "that was tried and may have arrived" if self.unclear == 1 else "that were tried and may have arrived"
        numbers = ((self.at_wms, AT_WMS.word), (self.sending, SENDING.word), (self.unclear, unclear))
        return ", ".join(f"{number} {words}" for number, words in numbers if number)

    def unconfirmed(self, posted: Mapping[str, str]) -> bool:
        """Whether these are more than the person who sent the form was shown and agreed to."""
        return more_than_agreed(self.total, posted.get("confirmed", ""))


def at_wms(merchant: Merchant | None = None) -> AtWms:
    """The orders of the account, or of one merchant, that are at the WMS or may be."""
    rows = Order.objects.order_by().filter(_SENDING | _AT_WMS | _UNCLEAR)
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    found = rows.aggregate(
        at_wms=Count("pk", filter=_AT_WMS), sending=Count("pk", filter=_SENDING), unclear=Count("pk", filter=_UNCLEAR)
    )
    return AtWms(**found)
