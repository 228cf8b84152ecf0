"""A cart's filters as plain data: which items are not sent, and which orders are not loaded."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from integration_manager.kit.canonical import Order
from merchants.rules.methods import code_key

BLACKLIST, WHITELIST = "blacklist", "whitelist"
FULL, STARTS, ENDS, AT_LEAST, BELOW = "full", "starts", "ends", "at_least", "below"
EXTRA = "extra:"  # begins the field of an extra field of the order; its name follows


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


def _own(name: str) -> Callable[[Order], list[str]]:
    return lambda order: [str(value)] if (value := getattr(order, name)) is not None and value != "" else []


def _ship(name: str) -> Callable[[Order], list[str]]:
    return lambda order: [value] if (value := getattr(order.ship, name)) else []


def _e_mails(order: Order) -> list[str]:
    return [value for value in (order.ship.e_mail, order.bill.e_mail) if value]


def _companies(order: Order) -> list[str]:
    return [value for value in (order.ship.company, order.bill.company) if value]


# field → its name in a sentence, and what of an order it looks at
FIELDS: dict[str, tuple[str, Callable[[Order], list[str]]]] = {
    "ship_country": ("shipping country", _ship("country")),
    "ship_state": ("shipping state", _ship("state")),
    "ship_zip": ("shipping postal code", _ship("zip")),
    "ship_city": ("shipping city", _ship("city")),
    "bill_country": ("billing country", lambda order: [order.bill.country] if order.bill.country else []),
    "ship_code": ("ship method", _own("ship_code")),
    "order_source": ("order source", _own("order_source")),
    "e_mail": ("e-mail address", _e_mails),
    "company": ("company", _companies),
    "customer_id": ("customer id", _own("customer_id")),
    "grand_total": ("grand total", lambda o: [] if o.grand_total is None else [format(o.grand_total, "f")]),
    "tag": ("tag", lambda order: [tag for tag in order.tags if tag]),
}
COUNTRIES = ("ship_country", "bill_country")
AMOUNTS = ("grand_total",)


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What one field of an order has to be for it to be loaded, or must not be. Any of the values will do.

    A field that the order does not have is none of them. Countries are alpha-2.
    """

    field: str  # one of FIELDS, or EXTRA and the name of an extra field
    values: tuple[str, ...]
    restricted: bool = False  # what fits is not loaded; else only what fits is
    match: str = FULL

    @property
    def name(self) -> str:
        """The field in a sentence."""
        if self.field.startswith(EXTRA):
            return f"extra field “{self.field.removeprefix(EXTRA)}”"
        return FIELDS[self.field][0] if self.field in FIELDS else self.field

    def said(self, order: Order) -> list[str]:
        """What the order has in this field."""
        if self.field.startswith(EXTRA):
            wanted = code_key(self.field.removeprefix(EXTRA))
            return [value for name, value in order.extra_fields.items() if code_key(name) == wanted and value]
        return FIELDS[self.field][1](order) if self.field in FIELDS else []

    def fits(self, order: Order) -> bool:
        """Whether the order is one of those that the filter means."""
        return any(self._fits(said) for said in self.said(order))

    def lets_in(self, order: Order) -> bool:
        """Whether it may be loaded, as far as this filter goes."""
        return self.fits(order) is not self.restricted

    def why(self, order: Order) -> str:
        """Why it is not loaded."""
        has = ", ".join(self.said(order)) or "empty"
        allowed = " or ".join(self.values)
        rule = {
            STARTS: f"begins with {allowed}",
            ENDS: f"ends with {allowed}",
            AT_LEAST: f"is at least {allowed}",
            BELOW: f"is below {allowed}",
        }.get(self.match, f"is {allowed}")
        which = "does not load orders where it" if self.restricted else "loads only orders where it"
        return f"Its {self.name} is {has}; this cart {which} {rule}."

    def _fits(self, said: str) -> bool:
        if self.match in (AT_LEAST, BELOW):
            amount, limits = _amount(said), [limit for value in self.values if (limit := _amount(value)) is not None]
            if amount is None:
                return False
            return any(amount >= limit if self.match == AT_LEAST else amount < limit for limit in limits)
        key = code_key(said)
        if self.match == STARTS:
            return any(key.startswith(code_key(value)) for value in self.values)
        if self.match == ENDS:
            return any(key.endswith(code_key(value)) for value in self.values)
        if self.field in AMOUNTS:
            return any(_amount(said) == _amount(value) for value in self.values)
        return any(key == code_key(value) for value in self.values)


def _amount(text: str) -> Decimal | None:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
