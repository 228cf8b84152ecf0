"""Where the cells of a row go: which position feeds which fields, by a format and the file's own header."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from functools import lru_cache

from integration_manager.kit import filefields, phpdates
from integration_manager.kit.csvagain import Again, columns_again, first_names, item_at_the_end, takes_items, twice
from integration_manager.kit.csvfaults import fault, suspicious
from integration_manager.kit.csvlines import Broken
from integration_manager.kit.filefields import FIELDS, folded, of_item
from integration_manager.kit.fileformat import Column, Format

MAX_COLUMNS = 500
MAX_CELLS = 5_000  # of one row of a horizontal file


@dataclass(frozen=True, slots=True)
class Feed:
    """What one position of a row means. `at`: from the row's or the group's beginning. `dates`: PHP's letters."""

    at: int
    field: str
    dates: str = ""


class Plan:
    """How the rows of one file become cells by field."""

    def __init__(self, form: Format, names: Sequence[str] | None) -> None:
        """`names`: the file's first row, which names its columns; None: they stand as in the format.

        Raises Broken for a header that cannot be used.
        """
        self.form = form
        self.headers = _headers(form, names)
        places = _by_any_name(form, self.headers) if form.key else _by_name(form, self.headers)
        again = columns_again(form, self.headers, places) if form.key else Again([], {}, [])
        group = form.group or _group_at_the_end(form, self.headers, places)
        repeated = form.columns[group[0] : group[1] + 1] if group else ()
        self.start = places[group[0]] if group else None  # where the repeated group begins
        head = form.columns[: group[0]] if group else form.columns
        self.head = _feeds(form, zip(head, [places[index] for index in range(len(head))], strict=True))
        self.head += [Feed(at, name) for name, at in again.fields.items()]
        self.group = _feeds(form, zip(repeated, range(len(repeated)), strict=True))
        self.width = len(repeated)
        self.items: list[list[Feed]] = []  # of a row that names several: where each one stands
        if again.items:
            self.items = [[feed for feed in self.head if of_item(form.kind, feed.field)]]
            self.items += [[Feed(at, name) for name, at in item.items()] for item in again.items]
            self.head = [feed for feed in self.head if not of_item(form.kind, feed.field)]
        self._refused = again.refused
        self._places = {feed.field: feed.at for feed in self.head}
        self._constants = constants = {constant.field: constant.value for constant in form.constants}
        self.of_items = {name: value for name, value in constants.items() if of_item(form.kind, name)}
        self.of_rows = {name: value for name, value in constants.items() if name not in self.of_items}
        known = FIELDS[form.kind]
        self.codes = {name for name in form.fields if name in known and known[name].code}
        # For every row of a file: where its fields stand, and which of them are dates.
        self._places_of_head, self._dates_of_head = _prepared(self.head)
        self._places_of_group, self._dates_of_group = _prepared(self.group)
        self._places_of_items = [_prepared(item)[0] for item in self.items]
        special = form.group or constants or self._dates_of_head or self.items or self._refused
        # Up to how many cells a row is no more than text by field, and where it stands then.
        self._plain = -1 if special else len(self.headers) if group else MAX_CELLS
        beside = [((self.start or 0) + at, name) for at, name in self._places_of_group]
        self._places_of_row = self._places_of_head + beside

    def parts(self, row: Sequence[str]) -> tuple[list[dict[str, str]], str]:
        """The cells of a row by field, trimmed, without empty ones: one for each of its items; and what is wrong.

        What belongs to the whole order stands in the first of them only.
        """
        size = len(row)
        problem = self._faults(row) if suspicious("".join(row)) else ""
        if size <= self._plain:
            return [self._texts(row, self._places_of_row, 0, size)], problem
        head, wrong = self._cells(row, self._places_of_head, self._dates_of_head, 0, size)
        problem = problem or wrong or self._unplaced(row)
        named = [self._texts(row, places, 0, size) for places in self._places_of_items]
        items = [self.of_items | cells for cells in named if cells]
        if self.start is not None:
            for at in range(self.start, size, self.width):
                end = min(at + self.width, size)
                cells, wrong = self._cells(row, self._places_of_group, self._dates_of_group, at, end)
                problem = problem or wrong
                if cells:
                    items.append(self.of_items | cells)
        if self.start is None and not self.items:
            return [self._constants | head], problem
        return [self.of_rows | head | (items[0] if items else {}), *items[1:]], problem

    def head_of(self, row: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
        """Some fields of the whole order, as `parts` would give them, without the work for all others."""
        found = {}
        for name in fields:
            at = self._places.get(name, -1)
            text = row[at].strip() if 0 <= at < len(row) else ""
            found[name] = text or self._constants.get(name, "")
        return found

    def _cells(
        self, row: Sequence[str], places: Sequence[tuple[int, str]], dates: Sequence[Feed], start: int, end: int
    ) -> tuple[dict[str, str], str]:
        cells = self._texts(row, places, start, end)
        problem = ""
        for feed in dates:
            at = start + feed.at
            if at < end and (text := row[at].strip()):
                try:
                    cells[feed.field] = _iso(text, feed.dates)
                except ValueError as error:
                    problem = problem or f"{self.header_at(at)}: {error}"
        return cells, problem

    def _unplaced(self, row: Sequence[str]) -> str:
        for at in self._refused:
            if at < len(row) and row[at].strip():
                return f"{self.header_at(at)} is no column of {self.form.label}, and looks like one that stands twice"
        return ""

    @staticmethod
    def _texts(row: Sequence[str], places: Sequence[tuple[int, str]], start: int, end: int) -> dict[str, str]:
        return {name: text for at, name in places if start + at < end and (text := row[start + at].strip())}

    def too_many(self, row: Sequence[str]) -> bool:
        """Whether a row has cells beyond the last column."""
        count = len(self.headers)
        if len(row) <= count:
            return False
        if self.start is None:
            return any(cell.strip() for cell in row[count:])
        if len(row) > MAX_CELLS:
            return True
        # Of ours, a row without its first item but with a further one has cells where they do not belong.
        first = row[self.start : self.start + self.width] if self.form.key else ()
        return not all(cell.strip() for cell in first) and any(cell.strip() for cell in row[count:])

    def header_at(self, at: int) -> str:
        """What the file calls the column at a position."""
        if self.start is not None and at >= self.start + self.width:
            nth, within = divmod(at - self.start, self.width)
            return f"{self._header(self.start + within)} ({nth + 1})"
        return self._header(at)

    def _header(self, at: int) -> str:
        name = self.headers[at].rstrip("*") if at < len(self.headers) else ""
        return name or f"Column {at + 1}"

    def header_of(self, field: str) -> str:
        """What the file calls the column of a field; the field's own name where it has none."""
        for feeds, start in ((self.head, 0), (self.group, self.start or 0), *((item, 0) for item in self.items)):
            for feed in feeds:
                if feed.field == field:
                    return self._header(start + feed.at)
        return filefields.label_of(self.form.kind, field) if field in FIELDS[self.form.kind] else field

    def _faults(self, row: Sequence[str]) -> str:
        for at, cell in enumerate(row):
            fields = self._fields_at(at)
            problem = fault(self.header_at(at), cell.strip(), used=bool(fields), code=bool(fields & self.codes))
            if problem:
                return problem
        return ""

    def _fields_at(self, at: int) -> set[str]:
        if self.start is not None and at >= self.start:
            return {feed.field for feed in self.group if feed.at == (at - self.start) % self.width}
        return {feed.field for feeds in (self.head, *self.items) for feed in feeds if feed.at == at}


def _prepared(feeds: Sequence[Feed]) -> tuple[list[tuple[int, str]], list[Feed]]:
    return [(feed.at, feed.field) for feed in feeds], [feed for feed in feeds if feed.dates]


def _headers(form: Format, names: Sequence[str] | None) -> list[str]:
    if names is None:
        return [column.header for column in form.columns]
    if len(names) > (MAX_CELLS if form.group else MAX_COLUMNS):
        raise Broken(f"It has {len(names)} columns; {MAX_CELLS if form.group else MAX_COLUMNS} are the limit.")
    return [" ".join(name.split()) for name in names]


def _by_any_name(form: Format, headers: Sequence[str]) -> dict[int, int]:
    """The position of each column of one of our formats: by its own name, else by one that it usually goes by."""
    places: dict[int, int] = {}
    for names_of in (_own_names, _usual_names, first_names):
        by_name: dict[str, int] = {}
        for index, column in enumerate(form.columns):
            if index not in places:
                for name in names_of(form, column):
                    by_name.setdefault(name, index)
        for at, header in enumerate(headers):
            index = by_name.get(folded(header), -1)
            if index in places and not _may_repeat(form, index, headers[places[index]], header):
                raise twice(headers[places[index]], header)
            if index in places:
                continue  # of a further item
            if index >= 0 and at not in places.values():
                places[index] = at
    return _complete(form, headers, places)


def _may_repeat(form: Format, index: int, one: str, other: str) -> bool:
    """Whether two columns of one name are of two items: Item, Quantity, Item, Quantity."""
    return folded(one) == folded(other) and all(takes_items(form, name) for name in form.columns[index].fields)


def _group_at_the_end(form: Format, headers: Sequence[str], places: Mapping[int, int]) -> tuple[int, int] | None:
    """The columns that repeat to the right in a file of ours, whose columns stand as in the format."""
    count, width = len(form.columns), item_at_the_end(form) if form.key else 0
    as_they_are = len(headers) == count and all(places[index] == index for index in range(count))
    return (count - width, count - 1) if width and as_they_are else None


def _own_names(form: Format, column: Column) -> set[str]:
    return {folded(name) for name in (column.header, *column.fields)}


def _usual_names(form: Format, column: Column) -> set[str]:
    return {name for field in column.fields for name in FIELDS[form.kind][field].names}


def _by_name(form: Format, headers: Sequence[str]) -> dict[int, int]:
    """The position of each column of a format: by its header, or where it stands if it has none.

    Of columns with the same header the first is the first, and so on.
    """
    places: dict[int, int] = {}
    there: dict[str, list[int]] = {}
    for at, header in enumerate(headers):
        there.setdefault(folded(header), []).append(at)
    nth: Counter[str] = Counter()
    for index, column in enumerate(form.columns):
        name = folded(column.header)
        if not name:
            places[index] = index
            continue
        found = there.get(name, [])
        if nth[name] < len(found):
            places[index] = found[nth[name]]
        nth[name] += 1
    if form.group:
        _in_place(form, places)
    return _complete(form, headers, places)


def _in_place(form: Format, places: dict[int, int]) -> None:
    """The columns of the repeated group stand side by side behind all others. Raises Broken."""
    assert form.group is not None
    first, last = form.group
    start = places.get(first)
    if start is None:
        return  # lacking; said by `_complete`
    if any(places.get(index) != start + index - first for index in range(first, last + 1)):
        raise Broken("The columns that repeat for each item do not stand side by side as in the format.")
    if any(places.get(index, 0) >= start for index in range(first)):
        raise Broken("A column of the whole order stands behind those that repeat for each item.")


def _complete(form: Format, headers: Sequence[str], places: dict[int, int]) -> dict[int, int]:
    lacking = [
        column.header or f"column {index + 1}"
        for index, column in enumerate(form.columns)
        if index not in places and (form.needs(column) or (form.group and index == form.group[0]))
    ]
    if lacking:
        shown = ", ".join(header[:40] for header in headers[:40])
        raise Broken(f"Its first row has to name the columns and lacks {', '.join(lacking)}. It has: {shown}.")
    return {index: places.get(index, -1) for index in range(len(form.columns))}


def _feeds(form: Format, placed: "zip[tuple[Column, int]]") -> list[Feed]:
    found = []
    for column, at in placed:
        for name in column.fields if at >= 0 else ():
            known = FIELDS[form.kind].get(name)
            # Ours are read as the connection says, since people write dates in their own way there.
            dates = (column.date_format or form.date_format) if known and known.dated and not form.key else ""
            found.append(Feed(at, name, dates))
    return found


@lru_cache(10_000)  # the rows of a file are mostly of a few days
def _iso(text: str, letters: str) -> str:
    """A date of the file as ISO, which all mappings read."""
    at = phpdates.parsed(text, letters)
    return at.date().isoformat() if at.time() == time() else at.isoformat()
