"""A cart's hold rules as plain data: which orders are held until a person releases them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from integration_manager.kit.canonical import Order
from merchants.rules.conditions import Condition


@dataclass(frozen=True, slots=True)
class HoldRule:
    """Holds the orders that fit all of its conditions. `name`: what people call it."""

    name: str
    conditions: tuple[Condition, ...]

    def catches(self, order: Order) -> bool:
        """Whether an order is one of those."""
        return all(condition.fits(order) for condition in self.conditions)

    def why(self, order: Order) -> str:
        """Why it is held, beginning with the rule's name."""
        return f"{self.name}: its {', its '.join(f'{one.name} is {one.has(order)}' for one in self.conditions)}."


def rules_of(rows: Iterable[Mapping[str, Any]]) -> tuple[HoldRule, ...]:
    """The rules that a cart keeps as rows: a condition each."""
    return tuple(
        HoldRule(name, tuple(Condition(row["field"], tuple(row["values"]), row["match"]) for row in group))
        for name, group in by_name(rows).items()
    )


def by_name(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each rule."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(row)
    return found
