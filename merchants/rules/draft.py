"""An order on its way through the rules, what rules may do to it, and what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec import structs

from integration_manager.kit.canonical import ZERO, Address, Line, Order, Prepared, PreparedLine

FILTERED = "filter"  # holds an order that a filter would not load any more
HOLD_RULE = "hold_rule"  # holds an order that a rule of its cart wants a person to see
DELAYED = "delay"  # lets an order wait until a moment
COUNTRY = "country"  # holds an order to a country that is not shipped to
ADDRESS_LOOKUP = "address_lookup"  # holds an order until its address is looked up
ITEMS_FILTERED, ORDER_FILTERED, COUNTRY_REFUSED = "items_filtered", "order_filtered", "country_refused"
# Every `Refused.reason` there is; a person can load such an order anyway.
REFUSALS = (ITEMS_FILTERED, ORDER_FILTERED, COUNTRY_REFUSED)
# Every `Hold.by` there is; what they hold goes on by itself once its rule lets it.
HOLDS = (FILTERED, HOLD_RULE, DELAYED, COUNTRY, ADDRESS_LOOKUP)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a rule did to an order, in plain words: which field, why, and its value before and after.

    `quiet`: the same for every order of the cart, so that previews say it and timelines do not.
    """

    field: str
    why: str
    before: str | None = None
    after: str | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an order cannot go to the WMS: a stable code, the field, and what to do, in plain words.

    `cause`: what it has in common with the other orders that the same fix releases; "": its message. `of_cart`: these
    are of one cart, and so is the fix.
    """

    code: str
    field: str
    message: str
    fix: str
    cause: str = ""
    of_cart: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """The order is to wait: until a moment, or with `until` None until the rule or a person lets it go.

    `by`: the rule, at most 20 letters, as `Order.held_by`.
    """

    by: str
    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The order is not loaded but listed as skipped: a stable reason, and the same in plain words."""

    reason: str
    message: str


@dataclass(slots=True)
class Draft:
    """An order between two rules. Rules change it by these methods alone."""

    order: Order  # as it is to be sent, after the rules so far
    lines: dict[int, tuple[PreparedLine, ...]]  # by the line's position, from 1: what is sent for it
    left_out: dict[int, str] = field(default_factory=dict)  # by position: why nothing is sent for it
    applied: list[Applied] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    hold: Hold | None = None
    holds: list[Hold] = field(default_factory=list)  # all that let it wait; `hold` is the longest
    refused: Refused | None = None
    anyway: bool = False  # a person wants it sent: nothing refuses it or lets it wait any more, but for its address
    address_right: bool = False  # a person says so: it waits for no look-up, and no address error stops it
    suggested: dict[str, Address] = field(default_factory=dict)  # by "ship" or "bill": what may have been meant
    loaded_at: datetime | None = None  # None: nobody asks when it goes

    @classmethod
    def of(
        cls, order: Order, *, anyway: bool = False, address_right: bool = False, loaded_at: datetime | None = None
    ) -> "Draft":
        """An order that no rule has seen."""
        lines: dict[int, tuple[PreparedLine, ...]] = {}
        for position, line in enumerate(order.lines, 1):
            lines[position] = (prepared_line(line),)
        return cls(order, lines, anyway=anyway, address_right=address_right, loaded_at=loaded_at)

    @property
    def sent(self) -> list[tuple[int, Line, tuple[PreparedLine, ...]]]:
        """The lines that are still to be sent: position, the source's line, what is sent for it."""
        return [(at, self.order.lines[at - 1], parts) for at, parts in self.lines.items() if at not in self.left_out]

    def change(self, applied: Applied, **fields: Any) -> None:
        """Changes fields of the order, and says why. Lines are changed by `send_for` and `leave_out`."""
        if "lines" in fields:
            raise ValueError("the source's lines stay as they are")
        self.order = structs.replace(self.order, **fields)
        self.applied.append(applied)

    def send_for(self, position: int, parts: Iterable[PreparedLine], applied: Applied) -> None:
        """Sends something else for a line: another item, or the components of a kit."""
        self.lines[position] = tuple(parts)
        self.applied.append(applied)

    def leave_out(self, position: int, applied: Applied) -> None:
        """Sends nothing for a line."""
        self.left_out[position] = applied.why
        self.applied.append(applied)

    def suggest(self, side: str, address: Address, applied: Applied) -> None:
        """Says what may have been meant by an address, for a person to take or to leave."""
        self.suggested[side] = address
        self.applied.append(applied)

    def stop(self, problem: Problem) -> None:
        """The order cannot be sent until somebody acts. The first problem is the one that people see."""
        self.problems.append(problem)

    def wait(self, hold: Hold) -> None:
        """The order is to wait. The longest wait wins; one without an end is the longest."""
        known = self.hold
        if self.address_right if hold.by == ADDRESS_LOOKUP else self.anyway:
            return
        self.holds.append(hold)
        if known is None or (known.until is not None and (hold.until is None or hold.until > known.until)):
            self.hold = hold

    def refuse(self, reason: str, message: str) -> None:
        """The order is not to be loaded. Once it is loaded, it is held instead of sent."""
        if self.refused is None and not self.anyway:
            self.refused = Refused(reason, message)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rules made of an order."""

    order: Order
    lines: Mapping[int, tuple[PreparedLine, ...]]
    left_out: Mapping[int, str]
    applied: Sequence[Applied]
    problems: Sequence[Problem]
    hold: Hold | None
    refused: Refused | None
    merchant_code: str
    suggested: Mapping[str, Address] = field(default_factory=dict)
    holds: Sequence[Hold] = ()

    @property
    def problem(self) -> Problem | None:
        """What stands against sending it, first of all."""
        return self.problems[0] if self.problems else None

    @property
    def waits(self) -> Hold | None:
        """What lets it wait: a hold, or a filter that would not load it any more."""
        return Hold(FILTERED, self.refused.message) if self.refused is not None else self.hold

    @property
    def story(self) -> list[dict[str, str]]:
        """What the rules did to this very order, as it is stored and told in its timeline."""
        return [
            {name: value for name in ("field", "why", "before", "after") if (value := getattr(one, name)) is not None}
            for one in self.applied
            if not one.quiet
        ]

    def prepared(self, wms_ref: str) -> Prepared:
        """The order as the WMS is to get it, under this reference."""
        return Prepared(
            wms_ref=wms_ref,
            order=self.order,
            lines=tuple(part for at, parts in self.lines.items() if at not in self.left_out for part in parts),
            carrier=self.order.carrier,
            ship_code=self.order.ship_code,
            merchant_code=self.merchant_code,
        )

    def sent_item(self, position: int) -> str:
        """What is sent for a line, where that is one item; "" where it is nothing or a kit's components."""
        parts = () if position in self.left_out else self.lines.get(position, ())
        return parts[0].item if len(parts) == 1 and not parts[0].of else ""

    def components(self, position: int) -> Sequence[PreparedLine]:
        """What is sent for a line of a kit; nothing for any other."""
        parts = () if position in self.left_out else self.lines.get(position, ())
        return parts if parts and parts[0].of else ()


def prepared_line(line: Line) -> PreparedLine:
    """A line as it is sent unless a rule says otherwise."""
    return PreparedLine(
        line_id=line.line_id,
        item=line.item,
        quantity=line.quantity,
        description=line.description,
        price=line.price,
        extra_fields=line.extra_fields,
    )


def is_sent(parts: Sequence[PreparedLine]) -> bool:
    """Whether anything is sent by these."""
    return any(part.quantity > ZERO for part in parts)
