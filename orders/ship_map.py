"""A cart's ship-method map as its page shows it: every code, what decides it, and how many orders wait."""

from dataclasses import dataclass
from datetime import datetime

from carts.models import Cart, CartShipMethod
from merchants.rules.methods import Decided, ShipMethods, cause_of
from orders import ruling, ship_methods

Match = CartShipMethod.Match


@dataclass(slots=True)
class CodeRow:
    """One code. `inherited`: what a pattern or the default makes of it, where it is not mapped itself."""

    pk: int
    code: str
    wms_code: str
    by_hand: bool
    created_at: datetime
    waits: int
    decided: Decided | None
    passes: bool  # what nothing maps is sent as it is
    cause: str  # of the orders that wait for it
    # For the page alone.
    listed: bool = True
    typed: str = ""
    error: str = ""

    @property
    def field(self) -> str:
        """Its name in the page's form."""
        return f"m{self.pk}"

    @property
    def stuck(self) -> bool:
        """Whether orders with it are held."""
        return self.decided is None and not self.passes

    @property
    def kept(self) -> str:
        """Its method, where the WMS does not list it any more."""
        return "" if self.listed else self.wms_code

    @property
    def unmapped(self) -> str:
        """What happens where it is not mapped itself, in words."""
        if self.inherited:
            return f"{self.how}: {self.inherited}"
        return "Not mapped: sent as it is" if self.passes else "Not mapped: hold orders"

    @property
    def inherited(self) -> str:
        """What is sent for it although it is not mapped itself."""
        return self.decided.method.code if self.decided and self.decided.by != "code" else ""

    @property
    def how(self) -> str:
        """What decides it, in words."""
        if self.decided is None:
            return "Sent as it is" if self.passes else "Not mapped"
        return {"code": "This code", "default": "The default"}.get(self.decided.by, f"Pattern {self.decided.by}")


class ShipMap:
    """The map of one cart, read by three statements however long it is."""

    def __init__(self, cart: Cart) -> None:
        self.reject = cart.reject_unmapped
        self.methods: ShipMethods = ruling.load(cart.merchant, [cart])[cart.pk].ship_methods
        waiting = ship_methods.waiting([cart.pk]).get(cart.pk, {})
        self.waits = sum(waiting.values())
        rows = list(CartShipMethod.objects.filter(cart=cart).order_by("position", "code"))
        self.patterns = [row for row in rows if row.match in (Match.STARTS, Match.CONTAINS)]
        self.default = next((row.wms_code for row in rows if row.match == Match.DEFAULT), "")
        self.codes = [
            CodeRow(
                row.pk,
                row.code,
                row.wms_code,
                row.by_hand,
                row.created_at,
                waiting.get(cause_of(cart.public_id, row.key), 0),
                self.methods.decide(row.key),
                not self.reject,
                cause_of(cart.public_id, row.key),
            )
            for row in rows
            if row.match == Match.EXACT
        ]
        self.codes.sort(key=lambda row: (-row.waits, row.decided is not None, row.code.casefold()))

    @property
    def rest(self) -> str:
        """What becomes of a code that nothing maps: "default", "hold" or "pass"."""
        return "default" if self.default else "hold" if self.reject else "pass"

    def found(self, text: str = "", view: str = "") -> list[CodeRow]:
        """The codes with this text in them, of one of the page's views."""
        needle = text.casefold()
        return [
            row
            for row in self.codes
            if (not needle or needle in row.code.casefold() or needle in row.wms_code.casefold())
            and (not view or (row.waits if view == "waiting" else row.decided is None))
        ]

    def count(self, view: str) -> int:
        """How many codes a view has."""
        return len(self.found(view=view))
