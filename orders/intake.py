"""What comes in from an order source: one order as read, where it goes, and what became of a page."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from carts.models import Cart
from integration_manager.kit.canonical import ZERO, Order
from integration_manager.kit.errors import Unmappable
from merchants.models import Merchant
from merchants.rules import Outcome, Problem, Rules, judge
from orders import causes as because
from orders import restored, ruling
from orders.connections import wms_class
from orders.content import source_hash, source_json
from wms.models import Wms

ADDED = "added-"  # begins the id of a line that a person added here: its source does not know it
LARGEST = Decimal(10**15)  # of money and pieces: what the columns hold


@dataclass(slots=True)
class Incoming:
    """One order as read from its source; `unmappable` where it could not be mapped."""

    key: str
    raw: Any
    order: Order | None
    unmappable: Problem | None = None
    data: dict[str, Any] = field(default_factory=dict)
    hash: str = ""
    outcome: Outcome | None = None  # what the rules made of it
    judged_by: tuple[Rules, datetime, bool, bool] | None = None  # rules, loaded when, anyway, address right

    @property
    def problem(self) -> Problem | None:
        """What stands against sending it, once it is judged."""
        return self.outcome.problem if self.outcome is not None else self.unmappable


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
    again: bool = False  # what comes in was here before, and is wanted all the same
    _rules: Rules | None = None
    _listed: set[str] | None = None

    def forgot(self, order: Order | None) -> bool:
        """Whether one may have been sent without our knowing: forgotten by a restored backup, or after its time."""
        return self.again or restored.forgot(order.order_date if order else None, self.restored_at)

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
        """What the rules know of this cart: loaded once, and again where `keep_rules` finds that they changed."""
        if self._rules is None:
            self._rules = ruling.load(self.merchant, [self.cart])[self.cart.pk]
        return self._rules

    def keep_rules(self) -> None:
        """Makes sure that the rules are the present ones, and that they stay so until the transaction ends.

        Who maps a code releases the orders that wait for it: none may be stopped by an older map meanwhile.
        """
        if ruling.lock(self.cart.pk) != self.cart.rules_mark:
            self.cart.refresh_from_db(fields=ruling.FIELDS)
            self._rules = self._listed = None

    @property
    def known_rules(self) -> Rules | None:
        """The rules, where they were loaded already."""
        return self._rules

    def for_a_thread(self) -> "Intake | None":
        """The same as it is now, for a thread without the database; None where it would have to ask it."""
        rules = self._rules  # once: who stores a page may forget them meanwhile
        ready = rules is not None and self.ref_prefix is not None and ruling.asks_nobody(rules)
        return replace(self, _rules=rules) if ready else None

    @property
    def listed(self) -> set[str]:
        """The keys of the ship codes that the cart's list has."""
        if self._listed is None:
            self._listed = set(self.rules.ship_methods.listed)
        return self._listed

    def judge(
        self, incoming: Incoming, loaded_at: datetime, *, anyway: bool = False, address_right: bool = False
    ) -> None:
        """Lets the rules see an order, if it could be read. `anyway`, `address_right`: as for `judge`."""
        by = (self.rules, loaded_at, anyway, address_right)
        known = incoming.judged_by
        if incoming.order is None or (known is not None and known[0] is by[0] and known[1:] == by[1:]):
            return
        incoming.outcome = judge(
            incoming.order, self.rules, anyway=anyway, address_right=address_right, loaded_at=loaded_at
        )
        incoming.judged_by = by


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
