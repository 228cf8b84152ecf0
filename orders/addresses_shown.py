"""What the rules did to an order's addresses, for its page: read off what its timeline tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merchants.rules.address import SIDES, SUGGESTED
from merchants.rules.address_check import LABELS

Story = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Written:
    """One part of an address that is sent otherwise than the shop has it."""

    label: str
    before: str
    after: str
    why: str


def sent_as(story: Story) -> dict[str, list[Written]]:
    """By side, ship or bill: what is sent otherwise."""
    fields = {f"{word} {label}": (side, label) for side, word in SIDES.items() for label in LABELS.values()}
    found: dict[str, list[Written]] = {side: [] for side in SIDES}
    for one in story:
        side, label = fields.get(one["field"], ("", ""))
        if side and "after" in one:
            found[side].append(Written(label.capitalize(), one.get("before", ""), one["after"], one["why"]))
    return found


def suggested(story: Story) -> list[str]:
    """The addresses that may have been meant, each in a line."""
    return [one["why"] for one in story if one["field"].startswith(f"{SUGGESTED} ")]
