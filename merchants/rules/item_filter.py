"""Item Filters: items that are not sent, or that keep their whole order out."""

from integration_manager.kit.canonical import Line
from merchants.rules.draft import ITEMS_FILTERED, Applied, Draft
from merchants.rules.known import Rules

FIELD = "Items"


def apply(draft: Draft, rules: Rules) -> None:
    """Leaves out the items that the filter catches, or refuses the order; one with nothing left is refused too."""
    known = rules.item_filter
    if not known.kind:
        return
    sent = draft.sent
    caught = {at: known.why(line.item) for at, line, _ in sent if known.catches(_codes(line, rules))}
    if not caught:
        return
    first = next(iter(caught.values()))
    more = f" So are {len(caught) - 1} more of its items." if len(caught) > 1 else ""
    if known.whole_order:
        draft.refuse(ITEMS_FILTERED, f"{first}{more} The item filter refuses the whole order.")
    elif len(caught) == len(sent):
        draft.refuse(ITEMS_FILTERED, f"{first}{more} No item is left to be sent.")
    else:
        for position, why in caught.items():
            draft.leave_out(position, Applied(FIELD, why))


def _codes(line: Line, rules: Rules) -> set[str]:
    """What the item goes by: the cart's code, and the WMS's where codes are translated."""
    codes = {line.item}
    if rules.item_codes is not None and line.item:
        codes |= {hit.sku for hit in rules.item_codes.hits(line.item)}
    return codes
