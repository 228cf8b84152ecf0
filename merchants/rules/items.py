"""What every order needs to have in it: at least one item to ship, and a SKU for each."""

from integration_manager.kit.canonical import ZERO
from merchants.rules.draft import Applied, Draft, Problem, is_sent
from merchants.rules.known import Rules


def leave_out_nothing(draft: Draft, rules: Rules) -> None:
    """Leaves out lines of no quantity."""
    for position, line, _ in draft.sent:
        if line.quantity <= ZERO:
            why = f"{line.item or 'An item without SKU'} is left out: its quantity is {line.quantity:f}."
            draft.leave_out(position, Applied("Items", why))


def check(draft: Draft, rules: Rules) -> None:
    """Stops what the WMS cannot pack."""
    sent = [part for _, _, parts in draft.sent for part in parts if is_sent(parts)]
    if any(not part.item for part in sent):
        draft.stop(
            Problem(
                code="sku_missing",
                field="items",
                message="An item of the order has no product code (SKU).",
                fix="Give the product a SKU in the shop and correct the order there.",
            )
        )
    if not sent:
        draft.stop(
            Problem(
                code="nothing_to_ship",
                field="items",
                message="The order has no item to ship.",
                fix="Cancel it, or correct its items in the shop.",
            )
        )
