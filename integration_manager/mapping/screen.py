"""What the mapping screen shows: its columns with their choices, what is wrong with them, and the preview."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integration_manager.kit import clock, phpdates
from integration_manager.kit.filefields import FIELDS, ITEM_EXTRA, ORDER_EXTRA, fields_of
from integration_manager.mapping import preview
from integration_manager.mapping import sample as samples
from integration_manager.mapping.owner import NAMES, Owner
from integration_manager.mapping.state import TEXT, Feed, Mapping, beside
from merchants.models import FormatDraft

# The letters of dates that files mostly need.
LEGEND = (
    ("d", "day, 2 digits"), ("j", "day"), ("m", "month, 2 digits"), ("n", "month"), ("M", "Jan"), ("Y", "2026"),
    ("y", "26"), ("H", "hour, 00–23"), ("h", "hour, 01–12"), ("i", "minutes"), ("s", "seconds"), ("A", "AM or PM"),
)  # fmt: skip


@dataclass(slots=True)
class ShownColumn:
    """One column as the screen has it."""

    index: int
    header: str
    values: list[str]
    feeds: list[tuple[SafeString, str]]  # the options, the text beside them
    date_format: str
    dated: bool
    problems: list[str]
    repeats: bool  # it only repeats the group to its left

    @property
    def called(self) -> str:
        """For labels."""
        return f"column {self.index + 1}{f', {self.header}' if self.header else ''}"


def context(owner: Owner, draft: FormatDraft, mapping: Mapping, data: bytes, error: str = "") -> dict[str, Any]:
    """All that the screen's templates need."""
    form, said = mapping.format(draft.name or "New format")
    rows = mapping.rows(data) if data else []
    body = rows[1:] if mapping.header else rows
    beside_columns, others = beside(len(mapping.columns), said)
    repeats_from = mapping.repeats_from
    columns = [
        ShownColumn(
            index,
            column.header,
            samples.values_of(body, index),
            [(_options(mapping.kind, mapping.direction, feed.choice), feed.text) for feed in column.feeds],
            column.date_format,
            any(_dated(mapping.kind, feed) for feed in column.feeds),
            beside_columns[index],
            repeats_from is not None and index >= repeats_from,
        )
        for index, column in enumerate(mapping.columns)
    ]
    uses = owner.uses().get(draft.format.value, []) if draft.format else []
    return {
        "owner": owner,
        "draft": draft,
        "mapping": mapping,
        "name_of_kind": NAMES[mapping.kind],
        "columns": columns,
        "constants": [
            (_constant_options(mapping.kind, c.choice), c.text) for c in [*mapping.constants, Feed(), Feed()]
        ],
        "problems": others,
        "count": len(said),
        "preview": preview.made(owner, mapping, form, said, data),
        "has_sample": bool(data),
        "used_by": uses,
        "name_error": error,
        "list_url": owner.url("formats"),
        "self_url": owner.url("format_draft", draft.public_id),
        "date_example": _example(mapping.date_format, mapping.direction),
        "legend": LEGEND,
    }


def _example(letters: str, direction: str) -> str:
    """Today as the format writes it, or what is wrong with the format."""
    wrong = phpdates.problem(letters)
    if wrong:
        return f"{wrong[:1].upper()}{wrong[1:]}."
    if not letters and direction == "in":
        return "Empty: year-month-day, and what the connection says."
    return f"Now is {phpdates.formatted(clock.now(), letters)}"


def _dated(kind: str, feed: Feed) -> bool:
    known = FIELDS[kind].get(feed.choice)  # type: ignore[index]
    return known is not None and known.dated


WHOLES = {"orders": "The order", "purchases": "The purchase order", "receipts": "The receipt"}


@lru_cache(maxsize=512)
def _options(kind: str, direction: str, chosen: str) -> SafeString:
    """The options of a column's select. Made once: a screen has hundreds of them."""
    fields = fields_of(kind, direction)  # type: ignore[arg-type]
    groups = [
        (WHOLES.get(kind, "The parcel"), [f for f in fields if f.of == "order"]),
        ("Each item", [f for f in fields if f.of == "item"]),
    ]
    parts = [_option("", "Not used" if direction == "in" else "Empty", chosen)]
    for label, members in groups:
        if members:
            inside = format_html_join("", "{}", ((_option(f.name, f.label, chosen, f.dated),) for f in members))
            parts.append(format_html('<optgroup label="{}">{}</optgroup>', label, inside))
    others = []
    if kind == "orders":
        others = [(ORDER_EXTRA, "Extra order field, called…"), (ITEM_EXTRA, "Extra item field, called…")]
    if direction == "out":
        others.append((TEXT, "A fixed text…"))
    parts += [_option(value, label, chosen) for value, label in others]
    known = {f.name for f in fields} | {value for value, _ in others} | {""}
    if chosen not in known:
        parts.append(_option(chosen, chosen, chosen))
    return format_html_join("", "{}", ((part,) for part in parts))


@lru_cache(maxsize=512)
def _constant_options(kind: str, chosen: str) -> SafeString:
    fields = fields_of(kind, "in")  # type: ignore[arg-type]
    parts = [_option("", "None", chosen), *(_option(f.name, f.label, chosen) for f in fields)]
    if chosen not in {f.name for f in fields} | {""}:
        parts.append(_option(chosen, chosen, chosen))
    return format_html_join("", "{}", ((part,) for part in parts))


def _option(value: str, label: str, chosen: str, dated: bool = False) -> SafeString:
    attributes = [("class", "dated")] * dated + [("selected", "selected")] * (value == chosen)
    more = format_html_join("", ' {}="{}"', attributes)
    return format_html('<option value="{}"{}>{}</option>', value, more, label)
