"""From an order as its source has it to what the WMS gets: pure, one place for every rule.

(canonical order, rules) → (prepared order, problems). A problem stops the order until somebody acts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from integration_manager.kit.canonical import ZERO, Order, Prepared, PreparedLine


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rules know besides the order."""

    merchant_code: str
    order_source: str = ""  # what the WMS is to be told; "": what the order says itself


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an order cannot go to the WMS: a stable code, the field, and what to do, in plain words."""

    code: str
    field: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What a rule did to an order, in plain words: which field, and why it is as it is."""

    field: str
    why: str


def applied(order: Order, prepared: Prepared) -> Sequence[Applied]:
    """Every rule that made a difference, read off its result, so that it cannot tell another story."""
    found = []
    if prepared.wms_ref != order.cust_ref:
        found.append(Applied("Reference", f"{prepared.wms_ref} stands for {order.cust_ref}, so that it is unique."))
    if prepared.order.order_source != order.order_source:
        found.append(Applied("Order Source", f"“{prepared.order.order_source}”, as set in this cart's Client section."))
    sent = {line.line_id for line in prepared.lines}
    found += [
        Applied("Items", f"{line.item or 'An item without SKU'} is left out: its quantity is {line.quantity:f}.")
        for line in order.lines
        if line.line_id not in sent
    ]
    return found


def prepare(order: Order, rules: Rules, wms_ref: str) -> tuple[Prepared, list[Problem]]:
    """The order as the WMS is to get it, and what stands against sending it."""
    problems = problems_of(order)
    if rules.order_source:
        order = replace(order, order_source=rules.order_source)
    lines = tuple(
        PreparedLine(
            line_id=line.line_id,
            item=line.item,
            quantity=line.quantity,
            description=line.description,
            price=line.price,
            extra_fields=line.extra_fields,
        )
        for line in order.lines
        if line.quantity > ZERO
    )
    prepared = Prepared(
        wms_ref=wms_ref,
        order=order,
        lines=lines,
        carrier=order.carrier,
        ship_code=order.ship_code,
        merchant_code=rules.merchant_code,
    )
    return prepared, problems


def problems_of(order: Order) -> list[Problem]:
    """What stands against sending it."""
    return [*_address_problems(order), *_line_problems(order)]


def _address_problems(order: Order) -> list[Problem]:
    where = order.ship
    missing = [
        label
        for label, value in (
            ("a name or company", where.name),
            ("a street", where.address_1),
            ("a city", where.city),
            ("a country", where.country),
        )
        if not value
    ]
    if not missing:
        return []
    return [
        Problem(
            code="address_incomplete",
            field="ship",
            message=f"The shipping address has no {', no '.join(m.split(' ', 1)[1] for m in missing)}.",
            fix="Correct the address in the shop; the order is sent as soon as the correction arrives.",
        )
    ]


def _line_problems(order: Order) -> list[Problem]:
    problems = []
    if any(not line.item for line in order.lines if line.quantity > ZERO):
        problems.append(
            Problem(
                code="sku_missing",
                field="items",
                message="An item of the order has no product code (SKU).",
                fix="Give the product a SKU in the shop and correct the order there.",
            )
        )
    if not any(line.quantity > ZERO for line in order.lines):
        problems.append(
            Problem(
                code="nothing_to_ship",
                field="items",
                message="The order has no item to ship.",
                fix="Cancel it, or correct its items in the shop.",
            )
        )
    return problems
