"""What comes in from an order source: one order as read, where it goes, and what became of a page."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from carts.models import Cart
from integration_manager.kit.canonical import ZERO, Order
from integration_manager.kit.errors import Unmappable
from merchants.models import Merchant
from merchants.rules import Problem, Rules
from orders import causes as because
from orders.connections import wms_class
from orders.content import source_hash, source_json
from wms.models import Wms

LARGEST = Decimal(10**15)  # of money and pieces: what the columns hold


@dataclass(slots=True)
class Incoming:
    """One order as read from its source; `problem` where it could not be mapped."""

    key: str
    raw: Any
    order: Order | None
    problem: Problem | None = None
    data: dict[str, Any] = field(default_factory=dict)
    hash: str = ""


@dataclass(slots=True)
class Stored:
    """What became of a page."""

    new: int = 0
    changed: int = 0
    canceled: int = 0
    skipped: int = 0
    in_error: int = 0
    causes: list[because.Cause] = field(default_factory=list)


@dataclass(slots=True)
class Intake:
    """Where orders come in: the cart, its merchant, and how references are made."""

    merchant: Merchant
    cart: Cart
    ref_prefix: str | None = None  # what references begin with; None: looked up when the first is made
    restored_at: datetime | None = None  # a backup was restored then

    def forgot(self, order: Order | None) -> bool:
        """Whether an order may have been sent in the time that the restore of a backup made us forget.

        By the day, since that is how exactly a source dates its orders; one more for the time zones.
        """
        if self.restored_at is None:
            return False
        return order is None or order.order_date <= (self.restored_at + timedelta(days=1)).date()

    @property
    def prefix(self) -> str:
        """The merchant's code, where the WMS wants references unique in the whole account."""
        if self.ref_prefix is None:
            wms = Wms.current()
            scoped = wms is not None and getattr(wms_class(wms), "ref_scope", "merchant") == "account"
            self.ref_prefix = self.merchant.code if scoped else ""
        return self.ref_prefix

    @property
    def rules(self) -> Rules:
        """What the rules know of this cart."""
        return rules_of(self.merchant, self.cart)


def rules_of(merchant: Merchant, cart: Cart) -> Rules:
    """What the rules know of a merchant's cart."""
    return Rules(merchant_code=merchant.code, order_source=cart.order_source)


def read(raw: Any, key: str, order: Order | None, problem: Problem | None) -> Incoming:
    """Prepares one order for storing."""
    incoming = Incoming(key, raw, order, problem)
    if order is None:
        # What cannot be mapped still has a place: in error, with its raw form, its key for a number.
        incoming.data = {"cart_key": key, "cust_ref": key, "cust_po_no": key}
        incoming.hash = source_hash({"raw": raw})
    else:
        incoming.data = source_json(order)
        incoming.hash = source_hash(incoming.data)
    return incoming


def check(order: Order) -> None:
    """Raises Unmappable for amounts that no column can hold."""
    amounts = {"grand_total": order.grand_total or ZERO, "quantity": sum((ln.quantity for ln in order.lines), ZERO)}
    for name, amount in amounts.items():
        if abs(amount) >= LARGEST:
            raise Unmappable(name, f"{amount:.6g} is no sensible number")
