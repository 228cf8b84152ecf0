"""From an order as its source has it to what the WMS gets: pure, one place for every rule.

(canonical order, rules) → (prepared order, problems). A problem stops the order until somebody acts.
"""

from dataclasses import dataclass

from integration_manager.kit.canonical import ZERO, Order, Prepared, PreparedLine


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rules know besides the order."""

    merchant_code: str
    order_source: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an order cannot go to the WMS: a stable code, the field, and what to do, in plain words."""

    code: str
    field: str
    message: str
    fix: str


def prepare(order: Order, rules: Rules, wms_ref: str) -> tuple[Prepared, list[Problem]]:
    """The order as the WMS is to get it, and what stands against sending it."""
    problems = [*_address_problems(order), *_line_problems(order)]
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
