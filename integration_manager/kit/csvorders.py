"""Orders in CSV files: what the rows of one mean."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TypeVar

from msgspec import structs

from integration_manager.kit import csvcells
from integration_manager.kit.canonical import Address, Line, Order, SourceState
from integration_manager.kit.csvfile import Record
from integration_manager.kit.errors import Unmappable
from integration_manager.kit.file_pages import BadRow
from integration_manager.kit.filefields import ADDRESS, FIELDS, ITEM_EXTRA, ORDER_EXTRA
from integration_manager.kit.reading import Reader

T = TypeVar("T")
LONGEST_NUMBER = 45  # characters of an order number, as the public API has it
SHORT = 16  # characters of the short reference
ZIP_AS_GIVEN = "ZIP in the file"
# Countries where an address without state and ZIP cannot be delivered to.
NEED_STATE = ("US", "CA", "AU")
SIDES = {side: [(name, f"{side}_{name}") for name in ADDRESS] for side in ("ship", "cust")}
# What our fields are called in an order, in its addresses and in its lines; and how what is no text is read.
ADDRESSES = {field: (side, name) for side, fields in SIDES.items() for name, field in fields}
ADDRESSES["ship_address_type"] = ("ship", "address_type")
DAYS = ("order_date", "requested_ship_date", "expected_delivery_date", "latest_ship_date")
SUMS = ("weight", "sub_total", "order_discount", "sales_tax", "shipping_handling", "grand_total")
TEXTS = frozenset(
    name
    for name, field in FIELDS["orders"].items()
    if field.of == "order" and field.only != "out" and name not in (*ADDRESSES, *DAYS, *SUMS, "cust_ref", "cust_po_no")
)
OF_LINE = {name: name for name, field in FIELDS["orders"].items() if field.of == "item"}
OF_LINE |= {"line_item_id": "line_id", "line_location": "location"}
NUMBERS = {"quantity": csvcells.quantity} | dict.fromkeys(
    ("price", "discount", "addl_discount", "tax", "shipping_surcharge"), csvcells.number
)
# Whether what a column says is one of the item, or of the whole order.
OF_THE_ITEM = {name: name in OF_LINE for name in FIELDS["orders"]}


class Mapped(dict[str, Any]):
    """A raw order, and what it means with which options: a file has many, and is read for that already."""

    def __init__(
        self, file: str, modified: datetime, rows: list[tuple[Record, dict[str, str]]], options: Mapping[str, Any]
    ) -> None:
        """`rows`: text by field, with the row it stands in. Raises Unmappable (BadRow: with the row it is about)."""
        super().__init__(
            file=file,
            modified=_iso(modified),
            lines=[record.line for record, _ in rows],
            rows=[cells for _, cells in rows],
        )
        self.options, self.order = options, _order(self["rows"], self, options)


def key_of(raw: Any) -> str:
    """The order number. Raises Unmappable without one."""
    if isinstance(raw, Mapped):
        return raw.order.cart_key
    return Reader(_checked(raw)[0]).need("cust_ref")


def to_order(raw: Any, options: Mapping[str, Any]) -> Order:
    """The rows of one order as an order. Raises Unmappable (BadRow: with the row it is about)."""
    if isinstance(raw, Mapped) and raw.options == options:
        return raw.order
    return _order(_checked(raw), raw, options)


def _order(rows: list[dict[str, str]], raw: Any, options: Mapping[str, Any]) -> Order:
    """The same of rows that are known to be text, trimmed, without empty cells."""
    order = _Rows(rows, str(options.get("dates") or "mdy"))
    number = order.need("cust_ref")
    if len(number) > LONGEST_NUMBER:
        raise BadRow(0, "cust_ref", f"an order number has at most {LONGEST_NUMBER} characters")
    ship, note = _ship_to(order)
    lines = tuple(order.lines())
    known: dict[str, Any] = {name: text for name, text in order.head.items() if name in TEXTS}
    known |= order.values(DAYS, order.day) | order.values(SUMS, csvcells.number)
    if "order_date" not in known:
        known["order_date"] = _file_day(raw)
    return Order(
        cart_key=number,
        cust_ref=short(number),
        cust_po_no=order.head.get("cust_po_no") or number,
        source_state=SourceState.ELIGIBLE,
        lines=lines,
        ship=ship,
        bill=_address(order, "cust"),
        modified_at=_modified(raw),
        extra_fields=order.extra_fields | note,
        **known,
    )


def short(number: str) -> str:
    """The short reference of an order number: itself where it fits, else its beginning and a hash."""
    if len(number) <= SHORT:
        return number
    return f"{number[:7]}-{hashlib.sha256(number.encode()).hexdigest()[:8]}"


def _checked(raw: Any) -> list[dict[str, str]]:
    """The rows of a raw order that may be anything, as text, trimmed, without empty cells."""
    rows = raw.get("rows") if isinstance(raw, dict) else None
    if not isinstance(rows, list) or not rows:
        raise Unmappable("rows", "there are none")
    found = [Reader(row) for row in rows]
    return [{name: text for name in row.raw if (text := _text(row, index, name))} for index, row in enumerate(found)]


_iso = lru_cache(100)(datetime.isoformat)  # all orders of a file have the same


@lru_cache(100)
def _moment(text: str) -> datetime | None:
    return Reader({"modified": text}).when("modified")


def _modified(raw: Any) -> datetime | None:
    """When the file was written."""
    value = raw.get("modified")
    return _moment(value) if isinstance(value, str) else Reader(raw).when("modified")


def _file_day(raw: Any) -> date:
    """The day of the file, for an order without a date of its own."""
    at = _modified(raw)
    if at is None:
        raise BadRow(0, "order_date", "it is missing")
    return at.date()


class _Rows:
    """The rows of one order: what belongs to the order stands in the first, and may be repeated."""

    def __init__(self, rows: list[dict[str, str]], dates: str) -> None:
        """Raises BadRow where two rows say different things: nobody knows which one is meant."""
        self.dates = dates
        self.head: dict[str, str] = {}
        self.sides: dict[str, dict[str, str]] = {"ship": {}, "cust": {}}
        self.rows: list[dict[str, str]] = []  # what each says of its item
        self.extra_fields: dict[str, str] = {}
        self.of_items: list[dict[str, str]] = []  # the extra fields of each row
        said: dict[str, str] = {}  # of the whole order, by the rows so far
        for index, row in enumerate(rows):
            # Nearly all is plain text, and most rows repeat what the first says: a file has millions of cells.
            cells = row if "".join(row.values()).isprintable() else _clean(row, index)
            items: dict[str, str] = {}
            more: dict[str, str] = {}
            self.rows.append(items)
            self.of_items.append(more)
            for name, text in cells.items():
                if said.get(name) == text:
                    continue
                of_item = OF_THE_ITEM.get(name)
                if of_item:
                    items[name] = text
                elif of_item is None and name.startswith(ITEM_EXTRA):
                    more[name[len(ITEM_EXTRA) :]] = text
                elif name in said:
                    self._agreed(index, name, said[name], text)
                else:
                    said[name] = text
                    if name in ADDRESSES:
                        side, part = ADDRESSES[name]
                        self.sides[side][part] = text
                    elif of_item is not None:
                        self.head[name] = text
                    elif name.startswith(ORDER_EXTRA):
                        self.extra_fields[name[len(ORDER_EXTRA) :]] = text

    def _agreed(self, index: int, name: str, known: str, text: str) -> None:
        if known.casefold() != text.casefold():
            raise BadRow(index, name, f"it is {text[:60]!r} here, and {known[:60]!r} in a row before")

    def need(self, field: str) -> str:
        """A field of the order that must be there."""
        side, name = ADDRESSES.get(field, ("", field))
        text = (self.sides[side] if side else self.head).get(name)
        if text is None:
            raise BadRow(0, field, "it is missing")
        return text

    def values(self, fields: Sequence[str], read: Callable[[str], T]) -> dict[str, T]:
        """Those of some fields of the order that are there, where they are no text."""
        head = self.head
        return {field: _read(0, field, head[field], read) for field in fields if field in head}

    def day(self, text: str) -> date:
        """A date in the file's way."""
        return csvcells.day(text, self.dates)

    def lines(self) -> Iterator[Line]:
        """The lines: one for each row."""
        seen: set[str] = set()
        for index, cells in enumerate(self.rows):
            for name in ("item", "quantity"):
                if name not in cells:
                    raise BadRow(index, name, "it is missing")
            known: dict[str, Any] = {OF_LINE[name]: text for name, text in cells.items()}
            line_id = known.setdefault("line_id", str(index + 1))
            if line_id in seen:
                raise BadRow(index, "line_item_id", f"{line_id[:40]!r} stands in two rows of the order")
            seen.add(line_id)
            for name in cells.keys() & NUMBERS:
                known[name] = _read(index, name, cells[name], NUMBERS[name])
            yield Line(extra_fields=self.of_items[index], **known)


def _address(order: _Rows, side: str) -> Address:
    known = order.sides[side]
    if "country" in known:
        known = {**known, "country": _read(0, f"{side}_country", known["country"], csvcells.country)}
    return Address(**known)


def _ship_to(order: _Rows) -> tuple[Address, dict[str, str]]:
    """The address to ship to, and a note of what was repaired in it."""
    for name in ("ship_address_1", "ship_city", "ship_country"):
        order.need(name)
    address = _address(order, "ship")
    if not address.name:
        raise BadRow(0, "name", "a company or a person's name is needed")
    if address.country in NEED_STATE:
        order.need("ship_state")
        order.need("ship_zip")
    given = address.zip or ""
    whole = _with_zero(given) if address.country == "US" else given
    if whole == given:
        return address, {}
    # Spreadsheets take a ZIP for a number; five digits less their leading zeros can mean only one.
    return structs.replace(address, zip=whole), {ZIP_AS_GIVEN: given}


def _with_zero(given: str) -> str:
    """A US ZIP code with the leading zeros that it lost."""
    first, dash, rest = given.partition("-")
    if first.isascii() and first.isdigit() and len(first) in (3, 4) and (not dash or len(rest) == 4):
        return first.zfill(5) + dash + rest
    return given


def _clean(row: dict[str, str], index: int) -> dict[str, str]:
    """A row without what no database can store."""
    reader = Reader(row)
    return {name: text for name in row if (text := _text(reader, index, name))}


def _text(row: Reader, index: int, field: str) -> str:
    try:
        return row.text(field) or ""
    except Unmappable as error:
        raise BadRow(index, error.field, error.why) from None


def _read(index: int, field: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise BadRow(index, field, str(error)) from None
