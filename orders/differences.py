"""What differs between two versions of an order, in words that stand in a timeline: part by part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

MOST = 60  # rows of one change
ADDRESS = {
    "company": "company",
    "title": "title",
    "first_name": "first name",
    "last_name": "last name",
    "address_1": "street",
    "address_2": "second line",
    "address_3": "third line",
    "city": "city",
    "state": "state",
    "zip": "postcode",
    "country": "country",
    "phone": "phone",
    "e_mail": "e-mail",
    "address_type": "kind of address",
}
WORDS = {
    "ship": "Ship to",
    "bill": "Bill to",
    "lines": "Items",
    "cust_po_no": "Full number",
    "cust_ref": "Cart’s reference",
    "ship_code": "Ship method",
    "ship_code_description": "Ship method’s name",
    "requested_ship_date": "Ship on",
    "latest_ship_date": "Cancel after",
    "expected_delivery_date": "Expected delivery",
    "shipping_instructions": "Instructions",
    "e_mail": "E-mail",
    "source_state": "State in the cart",
    "order_date": "Placed on",
    "ordered_at": "Placed at",
    "sub_total": "Items’ sum",
    "order_discount": "Discount",
    "sales_tax": "Tax",
    "shipping_handling": "Shipping",
    "grand_total": "Total",
    "currency_code": "Currency",
    "location": "Warehouse",
    "there": "At the WMS",
}
OF_A_LINE = {"item": "SKU", "quantity": "quantity", "price": "price", "discount": "discount", "description": "name"}
QUIET = ("modified_at", "refunded", "shipped")  # nobody is told


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same. "" is nothing."""

    name: str
    before: str
    after: str


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What differs between two stored forms."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return of_changes({name: [before.get(name), after.get(name)] for name in names})


def of_changes(changes: Mapping[str, Sequence[Any]]) -> list[Difference]:
    """The rows of {field: [before, after]}, at most MOST of them and one that says how many more there are."""
    found: list[Difference] = []
    for name, pair in changes.items():
        if name not in QUIET and isinstance(pair, Sequence) and len(pair) == 2:
            found += _of_field(name, pair[0], pair[1])
    if len(found) > MOST:
        return [*found[:MOST], Difference("And", "", f"{len(found) - MOST} more")]
    return found


def word(name: str) -> str:
    """A field's name for people."""
    return WORDS.get(name) or name.replace("_", " ").capitalize()


def _of_field(name: str, before: Any, after: Any) -> Iterator[Difference]:
    if name in ("ship", "bill"):
        yield from _of_parts(word(name), before or {}, after or {}, ADDRESS)
    elif name == "lines":
        yield from _of_lines(before or [], after or [])
    elif isinstance(before, dict) or isinstance(after, dict):
        yield from _of_parts(word(name), before or {}, after or {}, {})
    elif _text(before) != _text(after):
        yield Difference(word(name), _text(before), _text(after))


def _of_parts(
    whole: str, before: Mapping[str, Any], after: Mapping[str, Any], words: Mapping[str, str]
) -> Iterator[Difference]:
    known = [*words, *(name for name in {**before, **after} if name not in words)]
    for name in known:
        if before.get(name) != after.get(name):
            yield Difference(f"{whole}, {words.get(name, name)}", _text(before.get(name)), _text(after.get(name)))


def _of_lines(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    old = {line.get("line_id"): line for line in before}
    new = {line.get("line_id"): line for line in after}
    for key, line in old.items():
        if key not in new:
            yield Difference("Item", _line(line), "")
            continue
        for name in sorted({*line, *new[key]}):
            mine, theirs = line.get(name), new[key].get(name)
            if mine != theirs and _text(mine) != _text(theirs):
                what = OF_A_LINE.get(name, name.replace("_", " "))
                yield Difference(f"{line.get('item') or 'Item'}, {what}", _text(mine), _text(theirs))
    for key, line in new.items():
        if key not in old:
            yield Difference("Item", "", _line(line))


def _line(line: Mapping[str, Any]) -> str:
    return f"{_text(line.get('quantity')) or '?'} × {line.get('item') or line.get('description') or 'no SKU'}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(part) for part in value)
    return _number(str(value))


def _number(text: str) -> str:
    """A quantity without needless zeros; everything else as it is."""
    if not (text.replace(".", "", 1).isdigit() and "." in text):
        return text
    try:
        return f"{Decimal(text).normalize():f}"
    except InvalidOperation:
        return text
