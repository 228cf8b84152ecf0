"""From an order as its source has it to what the WMS gets: pure, one place for every rule.

`judge(order, rules)` is the only way: storing, edits, delivery, previews, dry runs and questions all go
through it, so that what is shown and what is sent cannot differ. How a rule is added: docs/rules.md.
"""

from collections.abc import Callable
from datetime import datetime

from integration_manager.kit.canonical import Order
from merchants.rules import (
    address,
    country_rule,
    delivery_delay,
    hold_rule,
    item_code,
    item_filter,
    items,
    kit,
    order_filter,
    order_source,
    ship_method,
)
from merchants.rules.draft import HOLDS, REFUSALS, Applied, Draft, Hold, Outcome, Problem, Refused
from merchants.rules.known import Rules

__all__ = [
    "HOLDS",
    "ORDER",
    "REFUSALS",
    "Applied",
    "Draft",
    "Hold",
    "Outcome",
    "Problem",
    "Refused",
    "Rules",
    "judge",
    "named",
]

# In this order. Of several problems people see the first; those that one fix cures for many orders come
# last, so that what it releases has no other problem.
ORDER: tuple[Callable[[Draft, Rules], None], ...] = (
    order_filter.apply,
    country_rule.apply,
    hold_rule.apply,
    delivery_delay.apply,
    order_source.apply,
    items.leave_out_nothing,
    item_filter.apply,
    address.check,
    items.check,
    item_code.apply,
    kit.apply,
    ship_method.apply,
)


def judge(
    order: Order,
    rules: Rules,
    *,
    anyway: bool = False,
    address_right: bool = False,
    loaded_at: datetime | None = None,
) -> Outcome:
    """What is to become of an order. `anyway`: a person loaded or released it against what the rules say.

    `address_right`: a person says so of its addresses, which `anyway` says nothing about.
    `loaded_at`: when it was loaded, by which delays count; None where nobody asks when it goes.
    """
    draft = Draft.of(order, anyway=anyway, address_right=address_right, loaded_at=loaded_at)
    for rule in ORDER:
        rule(draft, rules)
        if draft.refused is not None:
            break
    return Outcome(
        order=draft.order,
        lines=draft.lines,
        left_out=draft.left_out,
        applied=draft.applied,
        problems=draft.problems,
        hold=draft.hold,
        refused=draft.refused,
        merchant_code=rules.merchant_code,
        suggested=draft.suggested,
        holds=draft.holds,
    )


def named(order: Order, wms_ref: str) -> list[Applied]:
    """Why the WMS knows the order by another number, if it does."""
    if wms_ref == order.cust_ref:
        return []
    why = f"{wms_ref} stands for {order.cust_ref}, so that it is unique."
    return [Applied("Reference", why, order.cust_ref, wms_ref, quiet=True)]
