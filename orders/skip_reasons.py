"""Why orders were not loaded, in words, and which of these reasons a person can overrule."""

from django.db.models import Q

from merchants.rules.draft import COUNTRY_REFUSED, ITEMS_FILTERED, ORDER_FILTERED
from orders.reading import GONE, HANDLED, TOO_OLD

OTHER = "other"
REASONS = {
    TOO_OLD: "Too old",
    ITEMS_FILTERED: "All items filtered out",
    ORDER_FILTERED: "Left out by a filter",
    COUNTRY_REFUSED: "Country not shipped to",
    HANDLED: "Already handled elsewhere",
    GONE: "Done, and removed after its time",
    OTHER: "Could not be read",
}


def label_of(reason: str) -> str:
    """A reason in words."""
    return REASONS.get(reason, REASONS[OTHER])


def of(reason: str) -> Q:
    """The rows with this reason; `OTHER`: with any that has no word of its own."""
    named = [key for key in REASONS if key != OTHER]
    return ~Q(reason__in=named) if reason == OTHER else Q(reason=reason)
