"""A cart's filters as plain data: which items are not sent, and which orders are not loaded."""

from collections.abc import Iterable
from dataclasses import dataclass

from integration_manager.kit.canonical import Order
from merchants.rules.conditions import Condition
from merchants.rules.methods import code_key

BLACKLIST, WHITELIST = "blacklist", "whitelist"


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items are caught: those listed (a blacklist), or all others (a whitelist).

    `keys`: the listed codes as `code_key` makes them; "" stands for an item without a code. `whole_order`:
    an order with a caught item is refused; else that item alone is left out.
    """

    kind: str = ""  # "": none is caught
    whole_order: bool = False
    keys: frozenset[str] = frozenset()

    def catches(self, codes: Iterable[str]) -> bool:
        """Whether an item is caught that goes by these codes: the cart's, and the WMS's where that differs."""
        listed = any(code_key(code) in self.keys for code in codes)
        return listed if self.kind == BLACKLIST else bool(self.kind) and not listed

    def why(self, code: str) -> str:
        """Why this item is caught."""
        name = code or "An item without SKU"
        if self.kind == BLACKLIST:
            return f"{name} is on this cart's blacklist."
        return f"{name} is not on this cart's whitelist."


@dataclass(frozen=True, slots=True)
class OrderFilter(Condition):
    """What one field of an order has to be for it to be loaded, or must not be."""

    restricted: bool = False  # what fits is not loaded; else only what fits is

    def lets_in(self, order: Order) -> bool:
        """Whether it may be loaded, as far as this filter goes."""
        return self.fits(order) is not self.restricted

    def why(self, order: Order) -> str:
        """Why it is not loaded."""
        which = "does not load orders where it" if self.restricted else "loads only orders where it"
        return f"Its {self.name} is {self.has(order)}; this cart {which} {self.rule}."
