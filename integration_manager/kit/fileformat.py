"""The format of a file as data: which columns there are, what each one means, and how they are written down.

A format is the same type whether it is one of ours (`filepresets`) or one that a person made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from integration_manager.kit import filefields, phpdates
from integration_manager.kit.filefields import Direction, Kind, extra_name, is_required, label_of, of_item

DELIMITERS = {"": "found by looking", ",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
QUOTES = {'"': "double quotes", "'": "single quotes", "": "none"}
ENCODINGS = {
    "": "found by looking",
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte order mark",
    "cp1252": "Windows-1252",
}
SAMPLE = datetime(2026, 12, 30, 23, 59, 58, tzinfo=UTC)  # a date that shows what a date format makes of any
MAX_COLUMNS = 500
MAX_FEEDS = 20  # fields that one column feeds
LONGEST_TEXT = 200  # characters of a label, a header
LONGEST_CONSTANT = 1_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `fields`: what it means, perhaps several things; none: it is passed over (out: empty).

    `constant`: what it holds in every row of a file that goes out, instead of a field. `date_format`:
    PHP's letters, "" for the format's own. `required`: no file without it, whatever its fields say.
    """

    header: str = ""
    fields: tuple[str, ...] = ()
    constant: str = ""
    date_format: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """A field that the file has no column for, with the value it always has."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    `delimiter`, `encoding`: "" is found by looking in files that come in; comma and UTF-8 in those that go out.
    `quote`: "" for none. `group`: the first and the last of the columns that a horizontal file repeats
    to the right for each item. `date_format`: PHP's letters; "" reads as the connection says, and
    writes `phpdates.DEFAULT`. `key`: of a preset, whose columns are found by any name they usually go by.
    """

    kind: Kind
    direction: Direction
    label: str
    columns: tuple[Column, ...]
    delimiter: str = ""
    quote: str = '"'
    encoding: str = ""
    header: bool = True
    layout: Literal["vertical", "horizontal"] = "vertical"
    group: tuple[int, int] | None = None
    constants: tuple[Constant, ...] = ()
    date_format: str = ""
    key: str = ""

    @classmethod
    def from_dict(cls, data: Any) -> "Format":
        """A format from JSON types. Raises ValueError, in plain words, for what is no format at all.

        What is a format but of no use yet (a required field has no column) is told by `problems`.
        """
        return _Reading(data).format()

    def to_dict(self) -> dict[str, Any]:
        """JSON types, from which `from_dict` makes the same."""
        return {
            "kind": self.kind,
            "direction": self.direction,
            "label": self.label,
            "delimiter": self.delimiter,
            "quote": self.quote,
            "encoding": self.encoding,
            "header": self.header,
            "layout": self.layout,
            "group": list(self.group) if self.group else None,
            "columns": [
                {
                    "header": column.header,
                    "fields": list(column.fields),
                    "constant": column.constant,
                    "date_format": column.date_format,
                    **({"required": True} if column.required else {}),
                }
                for column in self.columns
            ],
            "constants": [{"field": constant.field, "value": constant.value} for constant in self.constants],
            "date_format": self.date_format,
            **({"key": self.key} if self.key else {}),
        }

    @property
    def fields(self) -> set[str]:
        """Every field that it knows, of a column or constant."""
        return {name for column in self.columns for name in column.fields} | {c.field for c in self.constants}

    @property
    def head(self) -> tuple[Column, ...]:
        """The columns that stand once in a row."""
        return self.columns[: self.group[0]] if self.group else self.columns

    @property
    def repeated(self) -> tuple[Column, ...]:
        """The columns that repeat to the right; none in a vertical format."""
        return self.columns[self.group[0] : self.group[1] + 1] if self.group else ()

    def needs(self, column: Column) -> bool:
        """Whether no file is read without this column."""
        return column.required or any(
            name in filefields.FIELDS[self.kind] and is_required(self.kind, self.direction, name)
            for name in column.fields
        )

    def called(self, index: int) -> str:
        """A column's name in sentences."""
        header = self.columns[index].header
        return f"column {index + 1} ({header})" if header else f"column {index + 1}"


def problems(form: Format) -> list[str]:
    """Why a format cannot be used yet, in plain words; nothing if it can."""
    return list(_problems(form))


def _problems(form: Format) -> Iterator[str]:
    if not form.columns:
        yield "There are no columns."
        return
    fed: dict[str, str] = {}
    for index, column in enumerate(form.columns):
        called = form.called(index)
        for name in column.fields:
            if name in fed:
                yield f"{_big(label_of(form.kind, name))} is fed by {fed[name]} and by {called}. Choose one."
            fed.setdefault(name, called)
            yield from _misplaced(form, name, index)
        yield from _column_problems(form, column, called)
    for constant in form.constants:
        label = _big(label_of(form.kind, constant.field))
        if constant.field in fed:
            yield f"{label} has a constant value and also comes from {fed[constant.field]}. Choose one."
        fed.setdefault(constant.field, "a constant")
        if not constant.value:
            yield f"{label} has an empty constant value."
        if form.direction == "out":
            yield f"{label} has a constant value, which is for files that come in. Give a column a fixed text."
    for name in filefields.FIELDS[form.kind]:
        if name not in fed and is_required(form.kind, form.direction, name):
            yield f"No column holds {label_of(form.kind, name)}, which is needed."
    named = fed.keys() & {"ship_company", "ship_first_name", "ship_last_name"}
    if form.kind == "orders" and form.direction == "in" and not named:
        yield "No column holds a name to ship to: a company, a first or a last name."
    wrong = _date_problem(form, form.date_format)
    if wrong:
        yield f"The date format: {wrong}."
    if form.direction == "out" and form.quote and form.quote == form.delimiter:
        yield "The delimiter and the quotation mark are the same."
    yield from _layout_problems(form)


def _misplaced(form: Format, name: str, index: int) -> Iterator[str]:
    label = label_of(form.kind, name)
    known = filefields.FIELDS[form.kind].get(name)
    if known and known.only not in ("", form.direction) and not form.key:
        yield f"{_big(label)} is only for files that go {known.only}."
    if not form.group:
        return
    inside = form.group[0] <= index <= form.group[1]
    if of_item(form.kind, name) and not inside:
        yield f"{_big(label)} belongs to an item, but {form.called(index)} is outside of the repeated group."
    if not of_item(form.kind, name) and inside:
        yield f"{_big(label)} belongs to the whole order, but {form.called(index)} is in the repeated group."


def _column_problems(form: Format, column: Column, called: str) -> Iterator[str]:
    if column.constant and form.direction == "in" and not form.key:
        yield f"{_big(called)}: a fixed text is for files that go out. Use a constant value of a field instead."
    if column.constant and column.fields:
        yield f"{_big(called)} has a fixed text and a field. Choose one."
    wrong = _date_problem(form, column.date_format)
    if wrong:
        yield f"{_big(called)}, date format: {wrong}."
    dated = [name for name in column.fields if (f := filefields.FIELDS[form.kind].get(name)) and f.dated]
    if column.date_format and not dated:
        yield f"{_big(called)} has a date format and holds no date."


def _date_problem(form: Format, letters: str) -> str:
    wrong = phpdates.problem(letters)
    if not wrong and letters and form.direction == "in" and not form.key:
        wrong = phpdates.unreadable(letters)
    bare = form.direction == "out" and not form.quote
    if not wrong and bare and (form.delimiter or ",") in phpdates.formatted(SAMPLE, letters):
        wrong = "it has the delimiter in it, and no quotation marks keep the two apart"
    return wrong


def _layout_problems(form: Format) -> Iterator[str]:
    if form.layout == "vertical":
        if form.group:
            yield "A vertical file has one item in a row; it has no repeated group."
        return
    if form.kind in ("inventory", "products"):
        what = "An inventory" if form.kind == "inventory" else "A product"
        yield f"{what} file has one SKU in a row. Choose the vertical layout."
    if not form.group:
        yield "Say which columns are repeated for each item."
    elif any(column.fields or column.constant for column in form.columns[form.group[1] + 1 :]):
        yield "The repeated group has to be the last columns: it goes on to the right."


def _big(text: str) -> str:
    return text[:1].upper() + text[1:]


# ── from JSON; everything is checked, since a browser sends it ──


class _Reading:
    """A format being read from JSON types."""

    def __init__(self, data: Any) -> None:
        self.data = _object(data, "The format")
        kind, direction = self._one("kind", filefields.FIELDS), self._one("direction", ("in", "out"))
        self.kind, self.direction = cast(Kind, kind), cast(Direction, direction)

    def format(self) -> Format:
        """All of it."""
        layout = self._one("layout", ("vertical", "horizontal"), "vertical")
        columns = tuple(self._column(index, one) for index, one in enumerate(self._list("columns", MAX_COLUMNS)))
        header = self.data.get("header", True)
        if not isinstance(header, bool):
            raise ValueError("header has to be true or false.")
        return Format(
            kind=self.kind,
            direction=self.direction,
            label=_text(self.data, "label", "The format", LONGEST_TEXT),
            columns=columns,
            delimiter=self._one("delimiter", DELIMITERS, ""),
            quote=self._one("quote", QUOTES, '"'),
            encoding=self._one("encoding", ENCODINGS, ""),
            header=header,
            layout=cast(Literal["vertical", "horizontal"], layout),
            group=self._group(len(columns)),
            constants=tuple(self._constant(one) for one in self._list("constants", MAX_COLUMNS)),
            date_format=_text(self.data, "date_format", "The format", LONGEST_TEXT, trim=False),
            key=_text(self.data, "key", "The format", LONGEST_TEXT),
        )

    def _column(self, index: int, data: Any) -> Column:
        called = f"Column {index + 1}"
        data = _object(data, called)
        header = _text(data, "header", called, LONGEST_TEXT)
        called = f"{called} ({header})" if header else called
        names = data.get("fields") or []
        if not isinstance(names, list) or len(names) > MAX_FEEDS:
            raise ValueError(f"{called}: fields has to be a list of at most {MAX_FEEDS} names.")
        return Column(
            header=header,
            fields=tuple(self._field(name, called) for name in names),
            constant=_text(data, "constant", called, LONGEST_CONSTANT, trim=False),
            date_format=_text(data, "date_format", called, LONGEST_TEXT, trim=False),
            required=data.get("required") is True,
        )

    def _constant(self, data: Any) -> Constant:
        data = _object(data, "A constant value")
        field = self._field(data.get("field"), "A constant value")
        return Constant(field, _text(data, "value", f"The constant value of {field}", LONGEST_CONSTANT))

    def _field(self, name: Any, called: str) -> str:
        """A name that exists, or the name of an extra field, which is anybody's."""
        if not isinstance(name, str):
            raise ValueError(f"{called}: a field is named by text.")
        extra = extra_name(name)
        if name in filefields.FIELDS[self.kind] or (
            self.kind == "orders" and extra.strip() and len(extra) <= filefields.LONGEST_EXTRA and extra.isprintable()
        ):
            return name.strip()
        if name.startswith((filefields.ORDER_EXTRA, filefields.ITEM_EXTRA)):
            why = "only orders have extra fields" if self.kind != "orders" else "an extra field needs a name of up to"
            more = "" if self.kind != "orders" else f" {filefields.LONGEST_EXTRA} characters on one line"
            raise ValueError(f"{called}: {why}{more}.")
        raise ValueError(f"{called}: {name[:60]!r} is no field of {self.kind}.")

    def _group(self, count: int) -> tuple[int, int] | None:
        data = self.data.get("group")
        if data is None:
            return None
        good = isinstance(data, list | tuple) and len(data) == 2 and all(type(one) is int for one in data)
        if not good or not 0 <= data[0] <= data[1] < count:
            raise ValueError("The repeated group has to be the first and the last of its columns, counted from 0.")
        return data[0], data[1]

    def _list(self, name: str, most: int) -> list[Any]:
        found = self.data.get(name) or []
        if not isinstance(found, list):
            raise ValueError(f"{name} has to be a list.")
        if len(found) > most:
            raise ValueError(f"There are {len(found)} {name}; {most} are the limit.")
        return found

    def _one(self, name: str, known: Any, default: str | None = None) -> str:
        value = self.data.get(name, default)
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{name} cannot be {str(value)[:40]!r}. It is one of: {', '.join(map(repr, known))}.")
        return value


def _object(data: Any, called: str) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{called} has to be an object.")
    return data


def _text(data: Mapping[str, Any], name: str, called: str, most: int, *, trim: bool = True) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{called}: {name} has to be text.")
    if len(value) > most:
        raise ValueError(f"{called}: {name} has {len(value):,} characters; {most:,} are the limit.")
    value = " ".join(value.split()) if trim else value  # headers of several lines are one line here
    if not value.isprintable():
        raise ValueError(f"{called}: {name} holds characters that cannot be written in a file.")
    return value
