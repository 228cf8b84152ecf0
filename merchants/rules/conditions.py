"""Conditions on orders as plain data: what one field has to be. Order Filters and hold rules are made of them."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from integration_manager.kit.canonical import ZERO, Order
from merchants.rules.methods import code_key, folded

FULL, STARTS, ENDS, CONTAINS, AT_LEAST, BELOW = "full", "starts", "ends", "contains", "at_least", "below"
MOST_SAID = 5  # of an order's items, say, in a sentence
EXTRA = "extra:"  # begins the field of an extra field of the order; its name follows


def _own(name: str) -> Callable[[Order], list[str]]:
    return lambda order: [str(value)] if (value := getattr(order, name)) is not None and value != "" else []


def _ship(name: str) -> Callable[[Order], list[str]]:
    return lambda order: [value] if (value := getattr(order.ship, name)) else []


def _e_mails(order: Order) -> list[str]:
    return [value for value in (order.ship.e_mail, order.bill.e_mail) if value]


def _companies(order: Order) -> list[str]:
    return [value for value in (order.ship.company, order.bill.company) if value]


def _number(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"


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
    "item": ("item", lambda order: [line.item for line in order.lines if line.item]),
    "units": ("number of units", lambda order: [_number(sum((line.quantity for line in order.lines), ZERO))]),
    "line_units": ("units of one item", lambda order: [_number(line.quantity) for line in order.lines]),
}
COUNTRIES = ("ship_country", "bill_country")
AMOUNTS = ("grand_total", "units", "line_units")


@dataclass(frozen=True, slots=True)
class Condition:
    """What one field of an order has to be: any of the values will do.

    A field that the order does not have is none of them. Countries are alpha-2.
    """

    field: str  # one of FIELDS, or EXTRA and the name of an extra field
    values: tuple[str, ...]
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
        """Whether the order is one of those that are meant."""
        return any(self._fits(said) for said in self.said(order))

    def has(self, order: Order) -> str:
        """What the order has in this field, in a sentence."""
        said = self.said(order)
        more = f" and {len(said) - MOST_SAID} more" if len(said) > MOST_SAID else ""
        return (", ".join(said[:MOST_SAID]) or "empty") + more

    @property
    def rule(self) -> str:
        """What it asks for, behind "where it": "begins with 331"."""
        allowed = " or ".join(self.values)
        return {
            STARTS: f"begins with {allowed}",
            ENDS: f"ends with {allowed}",
            CONTAINS: f"contains {allowed}",
            AT_LEAST: f"is at least {allowed}",
            BELOW: f"is below {allowed}",
        }.get(self.match, f"is {allowed}")

    def _fits(self, said: str) -> bool:
        if self.match in (AT_LEAST, BELOW):
            amount, limits = _amount(said), [limit for value in self.values if (limit := _amount(value)) is not None]
            if amount is None:
                return False
            return any(amount >= limit if self.match == AT_LEAST else amount < limit for limit in limits)
        if self.match in (ENDS, CONTAINS):  # which look at the whole of a long text, where a key is its beginning
            text = folded(said)
            return any(text.endswith(k) if self.match == ENDS else k in text for k in map(code_key, self.values))
        if self.field in AMOUNTS:
            return any(_amount(said) == _amount(value) for value in self.values)
        key = code_key(said)
        if self.match == STARTS:
            return any(key.startswith(code_key(value)) for value in self.values)
        return any(key == code_key(value) for value in self.values)


def _amount(text: str) -> Decimal | None:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
