"""What an order's content is: its hashes, its search keys, its form in the tables."""

import hashlib
from decimal import Decimal
from typing import Any

import orjson

from integration_manager.folding import fold as fold
from integration_manager.kit.canonical import Found, Order, Prepared, SourceState, to_json
from integration_manager.kit.errors import storable

_VOLATILE = ("modified_at",)  # differs although nothing has changed


def source_json(order: Order) -> dict[str, Any]:
    """The canonical order as JSON, without what PostgreSQL cannot keep."""
    found: dict[str, Any] = to_json(order)
    text = orjson.dumps(found)
    if b"\\u0000" in text:
        found = orjson.loads(text.replace(b"\\u0000", b"\\ufffd"))
    return found


def plain(raw: Any) -> Any:
    """A source's own form as JSON that PostgreSQL keeps: nothing in it can stop an order from being stored."""
    odd: list[Any] = []

    def told(value: Any) -> str:
        odd.append(value)
        return str(value)

    try:
        text = orjson.dumps(raw, default=told)
    except TypeError:  # half letters, numbers beyond 64 bits, nesting without end
        return _tamed(raw, 0)
    return orjson.loads(text.replace(b"\\u0000", b"\\ufffd")) if odd or b"\\u0000" in text else raw


def _tamed(value: Any, depth: int) -> Any:
    if depth > 100:
        return "(nested too deeply to be kept)"
    if isinstance(value, dict):
        return {_tamed(str(name), depth): _tamed(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tamed(item, depth + 1) for item in value]
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    return storable(str(value))


def source_hash(data: dict[str, Any]) -> str:
    """A hash of a source version: equal when nothing that matters has changed."""
    kept = {name: value for name, value in data.items() if name not in _VOLATILE}
    if "ordered_at" in kept:
        kept.pop("order_date", None)  # its day, which follows the account's time zone
    return hashlib.sha256(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)).hexdigest()


def same_but_state(known: str, data: dict[str, Any]) -> bool:
    """Whether a source version differs from the one with the hash `known` in its state at most."""
    return any(source_hash({**data, "source_state": state.value}) == known for state in SourceState)


def same_but_shipped(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether all that is new is that a part of it is on its way, which our own parcels bring about."""
    items = [{line["line_id"]: line.get("item") for line in data.get("lines", [])} for data in (before, after)]
    same_items = all(items[0][line_id] == items[1][line_id] for line_id in items[0].keys() & items[1].keys())
    return same_items and _as_ordered(before) == _as_ordered(after)


def _as_ordered(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Decimal]]:
    """An order as if nothing had been shipped of it: without sums and numbers, and the pieces of each line."""
    pieces = {line_id: Decimal(quantity) for line_id, quantity in data.get("shipped", {}).items()}
    for line in data.get("lines", []):
        pieces[line["line_id"]] = pieces.get(line["line_id"], Decimal(0)) + Decimal(line["quantity"])
    return {name: value for name, value in data.items() if name not in _OF_WHAT_IS_LEFT}, pieces


# What a source gives of the part alone that is left to ship; `location` is where that lies.
_OF_WHAT_IS_LEFT = (
    *_VOLATILE, "order_date", "source_state", "lines", "shipped", "refunded", "location",
    "sub_total", "order_discount", "sales_tax", "shipping_handling", "grand_total",
)  # fmt: skip


def payload_hash(payload: Any) -> str:
    """A hash of what would be sent to the WMS."""
    if isinstance(payload, bytes):
        return hashlib.sha256(payload).hexdigest()
    return hashlib.sha256(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()


def same_lines(found: Found, prepared: Prepared) -> bool:
    """Whether the WMS has the same items in the same quantities."""
    mine: dict[str, Decimal] = {}
    for line in prepared.lines:
        mine[line.item] = mine.get(line.item, Decimal(0)) + line.quantity
    theirs: dict[str, Decimal] = {}
    for item, quantity in found.lines:
        theirs[item] = theirs.get(item, Decimal(0)) + quantity
    return mine == theirs


def changed_fields(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """{field: [before, after]} for what differs."""
    names = sorted(set(before) | set(after))
    return {
        name: [before.get(name), after.get(name)]
        for name in names
        if name not in _VOLATILE and before.get(name) != after.get(name)
    }
