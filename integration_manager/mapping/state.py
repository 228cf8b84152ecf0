"""A mapping as it stands on the screen: what was typed and chosen so far, useful already or not."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from integration_manager.kit.filefields import FIELDS, ITEM_EXTRA, ORDER_EXTRA, Direction, Kind, guess
from integration_manager.kit.fileformat import DELIMITERS, ENCODINGS, QUOTES, Format, problems
from integration_manager.mapping import sample as samples

MOST_COLUMNS = 200  # of a mapping screen: more are too many for a person, and for a form
MOST_CONSTANTS = 30
MOST_FEEDS = 20
TEXT = "constant:"  # of a column that goes out: a fixed text instead of a field
NEED_TEXT = (ORDER_EXTRA, ITEM_EXTRA, TEXT)  # choices with a text beside them
LONGEST = 2_000  # characters of a text that is kept while it is being typed; the format's own limits are lower


@dataclass(slots=True)
class Feed:
    """One meaning of a column: a field, or a choice that takes a text (its name, or the fixed text)."""

    choice: str = ""
    text: str = ""

    @property
    def field(self) -> str:
        """The field as a format has it."""
        return f"{self.choice}{self.text}" if self.choice in (ORDER_EXTRA, ITEM_EXTRA) else self.choice


@dataclass(slots=True)
class Column:
    """One column on the screen. `feeds`: at least one, perhaps unset."""

    header: str = ""
    feeds: list[Feed] = field(default_factory=lambda: [Feed()])
    date_format: str = ""


@dataclass(slots=True)
class Mapping:
    """All that the screen holds."""

    kind: Kind
    direction: Direction
    delimiter: str = ""
    quote: str = '"'
    encoding: str = ""
    header: bool = True
    layout: str = "vertical"
    group: tuple[int, int] | None = None
    date_format: str = ""
    columns: list[Column] = field(default_factory=list)
    constants: list[Feed] = field(default_factory=list)

    # ── where one begins ──

    @classmethod
    def of_sample(cls, kind: Kind, direction: Direction, data: bytes) -> "Mapping":
        """A new one: its columns read from a sample, with what they probably mean. Raises Unfit."""
        made = cls(kind, direction)
        made.read(data)
        if not made.columns:
            raise samples.Unfit("No columns were found in it.")
        return made

    @classmethod
    def of_names(cls, kind: Kind, direction: Direction, names: Iterable[str]) -> "Mapping":
        """A new one without a sample."""
        headers = list(names)[:MOST_COLUMNS]
        made = cls(kind, direction, header=any(headers))
        made._name(headers)
        return made

    @classmethod
    def of_format(cls, spec: dict[str, Any], direction: Direction) -> "Mapping":
        """One to go on with from a stored format, or from one of ours."""
        form = Format.from_dict({**spec, "direction": direction})
        # What only goes the other way is left out of a copy of one of ours.
        useless = {name for name, f in FIELDS[form.kind].items() if f.only not in ("", direction)}
        columns = []
        for one in form.columns[:MOST_COLUMNS]:
            feeds = [_feed(name) for name in one.fields if name not in useless]
            if one.constant and direction == "out":
                feeds.append(Feed(TEXT, one.constant))
            columns.append(Column(one.header, feeds or [Feed()], one.date_format))
        return cls(
            form.kind,
            direction,
            form.delimiter,
            form.quote,
            form.encoding,
            form.header,
            form.layout,
            form.group,
            form.date_format,
            columns,
            [Feed(c.field, c.value) for c in form.constants],
        )

    # ── to and from JSON, for the draft ──

    def to_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "kind": self.kind,
            "direction": self.direction,
            "delimiter": self.delimiter,
            "quote": self.quote,
            "encoding": self.encoding,
            "header": self.header,
            "layout": self.layout,
            "group": list(self.group) if self.group else None,
            "date_format": self.date_format,
            "columns": [[c.header, [[f.choice, f.text] for f in c.feeds], c.date_format] for c in self.columns],
            "constants": [[c.choice, c.text] for c in self.constants],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Mapping":
        """The inverse of `to_json`."""
        return cls(
            **{
                **data,
                "group": tuple(data["group"]) if data["group"] else None,
                "columns": [
                    Column(header, [Feed(*one) for one in feeds], date) for header, feeds, date in data["columns"]
                ],
                "constants": [Feed(*one) for one in data["constants"]],
            }
        )

    # ── what a person typed ──

    def update(self, post: QueryDict) -> None:
        """Takes over what a form says; what cannot be meant stays as it was."""
        self.delimiter = _one(post.get("delimiter"), DELIMITERS, self.delimiter)
        self.quote = _one(post.get("quote"), QUOTES, self.quote)
        self.encoding = _one(post.get("encoding"), ENCODINGS, self.encoding)
        self.layout = _one(post.get("layout"), ("vertical", "horizontal"), self.layout)
        self.header = "header" in post
        self.date_format = _text(post.get("date_format"))
        for index, column in enumerate(self.columns):
            if f"choice_{index}" not in post:
                continue  # of another state of the screen
            column.header = _text(post.get(f"header_{index}", column.header))
            column.date_format = _text(post.get(f"date_{index}"))
            column.feeds = _feeds(post.getlist(f"choice_{index}"), post.getlist(f"text_{index}"))
        self.constants = [
            one
            for one in _feeds(post.getlist("constant_field"), post.getlist("constant_value"))[:MOST_CONSTANTS]
            if one.choice or one.text
        ]
        first, last = _number(post.get("group_first")), _number(post.get("group_last"))
        fits = first is not None and last is not None and first <= last < len(self.columns)
        self.group = (first, last) if fits and first is not None and last is not None else None

    def read(self, data: bytes) -> None:
        """Takes the columns from a sample; they keep what they mean where they are the same as before."""
        found = self.rows(data)
        headers = found[0][:MOST_COLUMNS] if found and self.header else []
        if not self.header:
            headers = [""] * min(max((len(row) for row in found), default=0), MOST_COLUMNS)
            for column, cell in zip(self.columns, found[0] if found else [], strict=False):
                if column.header == " ".join(cell.split())[:LONGEST]:
                    column.header = ""  # taken for a name before, and it is the first order's
        if len(found) and max(len(row) for row in found) > MOST_COLUMNS:
            raise samples.Unfit(f"It has more than {MOST_COLUMNS} columns, which is too much for this screen.")
        self._name([" ".join(header.split()) for header in headers])

    def _name(self, headers: list[str]) -> None:
        if len(headers) == len(self.columns):
            for column, header in zip(self.columns, headers, strict=True):
                column.header = header or column.header
            if any(feed.choice for column in self.columns for feed in column.feeds):
                return
        meanings = guess(headers, self.kind, self.direction)
        self.columns = [
            Column(header[:LONGEST], [Feed(name) for name in names] or [Feed()])
            for header, names in zip(headers, meanings, strict=True)
        ]
        self.group = None

    def rows(self, data: bytes) -> list[list[str]]:
        """The sample as it is read at present."""
        return samples.rows(data, delimiter=self.delimiter, quote=self.quote, encoding=self.encoding)

    @property
    def reading(self) -> tuple[str, str, str, bool]:
        """What decides which columns a sample has."""
        return (self.delimiter, self.quote, self.encoding, self.header)

    @property
    def repeats_from(self) -> int | None:
        """The first column of those that only repeat the group to their left; None: none do."""
        return self.group[1] + 1 if self.layout == "horizontal" and self.group else None

    # ── what it amounts to ──

    def spec(self, label: str) -> dict[str, Any]:
        """The format as JSON types; whether it is one is told by `format`."""
        group = self.group if self.layout == "horizontal" else None
        columns = self.columns[: group[1] + 1] if group else self.columns
        return {
            "kind": self.kind,
            "direction": self.direction,
            "label": label,
            "delimiter": self.delimiter,
            "quote": self.quote,
            "encoding": self.encoding,
            "header": self.header,
            "layout": self.layout,
            "group": list(group) if group else None,
            "columns": [_column(column) for column in columns],
            "constants": [{"field": c.field, "value": c.text} for c in self.constants],
            "date_format": self.date_format,
        }

    def format(self, label: str) -> tuple[Format | None, list[str]]:
        """The format and why it cannot be used yet; without a format the first thing that keeps it from being one."""
        try:
            form = Format.from_dict(self.spec(label))
        except ValueError as error:
            return None, [str(error)]
        return form, problems(form)


def beside(count: int, said: Iterable[str]) -> tuple[list[list[str]], list[str]]:
    """Problems by the column that they name, and the others."""
    by_column: list[list[str]] = [[] for _ in range(count)]
    others = []
    for text in said:
        named = {int(number) for number in re.findall(r"\bcolumn (\d+)\b", text, re.I)}
        places = [number - 1 for number in named if 0 < number <= count]
        for place in places:
            by_column[place].append(text)
        if not places:
            others.append(text)
    return by_column, others


def _column(column: Column) -> dict[str, Any]:
    fixed = [feed.text for feed in column.feeds if feed.choice == TEXT]
    return {
        "header": column.header,
        "fields": [feed.field for feed in column.feeds if feed.choice and feed.choice != TEXT],
        "constant": fixed[0] if fixed else "",
        "date_format": column.date_format,
    }


def _feed(name: str) -> Feed:
    for prefix in (ORDER_EXTRA, ITEM_EXTRA):
        if name.startswith(prefix):
            return Feed(prefix, name.removeprefix(prefix))
    return Feed(name)


def _feeds(choices: list[str], texts: list[str]) -> list[Feed]:
    texts = texts + [""] * len(choices)
    found = []
    for choice, text in list(zip(choices, texts, strict=False))[: MOST_FEEDS + MOST_CONSTANTS]:
        found.append(Feed(_text(choice)[:100], _text(text)))
    return found or [Feed()]


def _one(value: str | None, known: Iterable[str], default: str) -> str:
    return value if value is not None and value in known else default


def _text(value: str | None) -> str:
    return (value or "").replace("\0", "").strip()[:LONGEST]


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 4 else None
