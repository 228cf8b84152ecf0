"""Translate Item Code: the code by which a cart calls a product becomes the SKU by which the WMS knows it."""

from msgspec import structs

from merchants.rules.codes import MASTER, ItemCodes, cause_of
from merchants.rules.draft import Applied, Draft, Problem
from merchants.rules.known import Rules

CODE = "item_code_unknown"
FIELD = "Item code"


def apply(draft: Draft, rules: Rules) -> None:
    """Translates the code of each line; stops at what is no code of any product, or one of several."""
    codes = rules.item_codes
    if codes is None:
        return
    for position, line, parts in draft.sent:
        if len(parts) != 1 or not line.item or (rules.kits is not None and rules.kits(line.item)):
            continue  # a kit's own SKU needs no translation
        hits = codes.hits(line.item)
        skus = sorted({hit.sku for hit in hits})
        if len(skus) == 1:
            if skus[0] != line.item:
                named = next((hit.kind for hit in hits if hit.kind), codes.kind)
                why = f"{line.item} is sent as {skus[0]}: it is its {named}."
                sent = structs.replace(parts[0], item=skus[0])
                draft.send_for(position, [sent], Applied(FIELD, why, line.item, skus[0]))
        elif skus:
            said = ", ".join(f"{hit.sku} (its {hit.kind or 'SKU'})" for hit in hits)
            fix = "Remove the wrong alias or product: all orders with it are sent."
            _stop(draft, codes, line.item, f"{line.item} may be several products: {said}.", fix)
        elif codes.kind != MASTER:
            why = f"{line.item} is no {codes.kind} of any product."
            _stop(draft, codes, line.item, why, f"Add it as {codes.kind} of its product: all orders with it are sent.")


def _stop(draft: Draft, codes: ItemCodes, code: str, message: str, fix: str) -> None:
    draft.stop(Problem(CODE, "items", message, fix, cause_of(codes.merchant, code)))
