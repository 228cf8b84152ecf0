"""Kits: what a shop sells as one item is sent as its components. The source's line stays as it is."""

from merchants.rules.draft import Applied, Draft, Problem
from merchants.rules.kits import exploded
from merchants.rules.known import Rules

CODE = "kit_not_whole"
FIELD = "Items"


def apply(draft: Draft, rules: Rules) -> None:
    """Sends the components for each line of a kit, by the SKU that its item has after the translation."""
    if rules.kits is None:
        return
    for position, line, parts in draft.sent:
        kit = rules.kits(parts[0].item) if len(parts) == 1 and parts[0].item else ()
        if not kit:
            continue
        sku = parts[0].item
        if line.quantity != line.quantity.to_integral_value():
            why = f"{sku} is a kit, which can only be sent whole, and the order has a part of one."
            draft.stop(Problem(CODE, "items", why, "Correct its quantity, here or in the shop."))
            continue
        sent = exploded(line, parts[0], kit, draft.order.currency_code, _name(line.line_id, draft))
        each = " and ".join(f"{part.quantity} × {part.sku}" for part in kit)
        before, after = (
            f"{line.quantity.normalize():f} × {sku}",
            ", ".join(f"{part.quantity * line.quantity.normalize():f} × {part.sku}" for part in kit),
        )
        draft.send_for(position, sent, Applied(FIELD, f"{sku} is a kit: {each} are sent for each.", before, after))


def _name(line_id: str, draft: Draft) -> str:
    """What the ids of a line's components begin with, so that none is another line's."""
    name = f"{line_id}-"
    while any(line.line_id.startswith(name) for line in draft.order.lines):
        name += "-"
    return name
