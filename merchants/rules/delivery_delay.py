"""Delivery Delay: an order waits a while before it goes to the WMS, so that its shop can still change or cancel it."""

from merchants.rules.draft import DELAYED, Draft, Hold
from merchants.rules.known import Rules


def apply(draft: Draft, rules: Rules) -> None:
    """Lets an order wait. Of one of which nobody asks when it goes, the moment of its loading is not given."""
    delay = rules.delay
    if delay is None or draft.loaded_at is None:
        return
    until = delay.until(draft.order.ordered_at, draft.loaded_at)
    if until > draft.loaded_at:
        draft.wait(Hold(DELAYED, delay.words, until))
