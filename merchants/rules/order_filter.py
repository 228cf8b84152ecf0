"""Order Filters: an order is loaded if it fits every required filter, and no restricted one."""

from merchants.rules.draft import ORDER_FILTERED, Draft
from merchants.rules.known import Rules


def apply(draft: Draft, rules: Rules) -> None:
    """Refuses what a filter keeps out."""
    for known in rules.order_filters:
        if not known.lets_in(draft.order):
            draft.refuse(ORDER_FILTERED, known.why(draft.order))
            return
