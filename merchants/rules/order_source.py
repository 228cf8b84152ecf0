"""Order Source: the WMS is told the name that the cart's Client section gives it."""

from merchants.rules.draft import Applied, Draft
from merchants.rules.known import Rules


def apply(draft: Draft, rules: Rules) -> None:
    """Replaces what the order says itself."""
    name, said = rules.order_source, draft.order.order_source
    if name and name != said:
        why = f"“{name}”, as set in this cart's Client section."
        draft.change(Applied("Order Source", why, said, name, quiet=True), order_source=name)
