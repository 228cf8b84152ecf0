"""What the rules know besides the order: plain data, loaded once for a run or a page (orders/ruling.py)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from merchants.rules.codes import ItemCodes
from merchants.rules.countries import Countries
from merchants.rules.delays import Delay
from merchants.rules.filters import ItemFilter, OrderFilter
from merchants.rules.holds import HoldRule
from merchants.rules.kits import Component
from merchants.rules.methods import ShipMethods
from merchants.rules.verify import Verify


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of one cart and its merchant. The defaults change nothing."""

    merchant_code: str
    order_source: str = ""  # what the WMS is to be told; "": what the order says itself
    cart: str = ""  # its public id, for the causes that its orders have in common
    cart_name: str = ""
    mark: str = ""  # of the settings: another one after every change of them
    ship_methods: ShipMethods = field(default_factory=ShipMethods)
    item_codes: ItemCodes | None = None  # None: items are sent by the cart's own codes
    kits: Callable[[str], Sequence[Component]] | None = None  # by SKU: what is in it; nothing where it is no kit
    item_filter: ItemFilter = field(default_factory=ItemFilter)
    order_filters: tuple[OrderFilter, ...] = ()
    countries: tuple[Countries, ...] = ()  # the merchant's, then the cart's
    verify: Verify = field(default_factory=Verify)
    hold_rules: tuple[HoldRule, ...] = ()
    delay: Delay | None = None  # None: orders go at once
