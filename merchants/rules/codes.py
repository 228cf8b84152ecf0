"""The other codes of products, as the rules ask for them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MASTER = "*"  # Master SKU: any code of a product, as far as one fits


@dataclass(frozen=True, slots=True)
class Hit:
    """A product that a code may mean. `kind`: what the code is to it; "": it is its SKU."""

    sku: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class ItemCodes:
    """How a cart's item codes are translated: by one kind of code, or by any (MASTER).

    `hits` gives the products that a code may mean: by that kind, or by any and by SKU.
    """

    merchant: str  # its public id
    kind: str
    hits: Callable[[str], Sequence[Hit]]


def cause_of(merchant: str, code: str) -> str:
    """What all orders of a merchant have in common that wait for this code: also their alert's key."""
    return f"item_code:{merchant}:{hashlib.sha256(code.encode()).hexdigest()[:20]}"
