"""What a GraphQL question costs at Shopify, and which parts of an answer it asks for: by a small reader of its own.

The project has no GraphQL library of its own, and the simulator runs where the tests' libraries are not. So this
reads what questions are made of: operations, fragments, fields with arguments, variables and directives.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(
    r'#[^\n]*|"""(?:.|\n)*?"""|"(?:\\.|[^"\\])*"|\.\.\.|-?\d+(?:\.\d+)?|[A-Za-z_]\w*|[{}()\[\]:!$@=|]|,|\s+'
)
BASE = {"query": 0, "mutation": 10}
FREE = ("nodes", "edges", "pageInfo")  # of a connection: they cost what is in them


class Unreadable(ValueError):
    """It is no GraphQL, or more of it than is understood here."""


@dataclass
class Field:
    """A field that is asked for. `directives`: by name, with their arguments."""

    name: str
    alias: str = ""
    args: dict[str, Any] = field(default_factory=dict)
    directives: dict[str, dict[str, Any]] = field(default_factory=dict)
    fields: "list[Field]" = field(default_factory=list)

    @property
    def key(self) -> str:
        """Under which name the answer has it."""
        return self.alias or self.name


@dataclass
class Variable:
    """`$name` among arguments, until it is known what it stands for."""

    name: str


@dataclass
class Operation:
    """One question, with variables and fragments put in their places."""

    kind: str
    name: str
    fields: list[Field]


class Parser:
    """Reads one document."""

    def __init__(self, text: str) -> None:
        found, at = [], 0
        for match in TOKEN.finditer(text):
            if match.start() != at:
                break
            at = match.end()
            if not match[0][0].isspace() and match[0][0] not in "#,":
                found.append(match[0])
        if at != len(text):
            raise Unreadable(f'Parse error on "{text[at : at + 10]}"')
        self.tokens, self.at = found, 0
        self.fragments: dict[str, list[Any]] = {}
        self.operations: list[tuple[str, str, dict[str, Any], list[Any]]] = []
        while self.at < len(self.tokens):
            self._definition()

    def _next(self, wanted: str = "") -> str:
        if self.at >= len(self.tokens):
            raise Unreadable("Parse error: it ends too early")
        token = self.tokens[self.at]
        if wanted and token != wanted:
            raise Unreadable(f'Parse error on "{token}", expected "{wanted}"')
        self.at += 1
        return token

    def _sees(self, token: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at] == token

    def _definition(self) -> None:
        if self._sees("{"):
            self.operations.append(("query", "", {}, self._selection()))
            return
        kind = self._next()
        if kind == "fragment":
            name = self._next()
            self._next("on")
            self._next()
            self.fragments[name] = self._selection()
            return
        if kind not in BASE:
            raise Unreadable(f'Parse error on "{kind}"')
        name = "" if self.tokens[self.at] in "({@" else self._next()
        self.operations.append((kind, name, self._variables(), self._selection()))

    def _variables(self) -> dict[str, Any]:
        """{name: default} of the variables that are declared."""
        found: dict[str, Any] = {}
        if not self._sees("("):
            return found
        self._next("(")
        while not self._sees(")"):
            self._next("$")
            name = self._next()
            self._next(":")
            depth = 0
            while self._sees("[") or depth:
                depth += {"[": 1, "]": -1}.get(self._next(), 0)
            if not self._sees("!") and not self._sees(")") and not self._sees("$") and not self._sees("="):
                self._next()
            if self._sees("!"):
                self._next()
            found[name] = None
            if self._sees("="):
                self._next()
                found[name] = self._value()
        self._next(")")
        return found

    def _selection(self) -> list[Any]:
        found: list[Any] = []
        self._next("{")
        while not self._sees("}"):
            if self._sees("..."):
                self._next()
                if self._sees("on"):
                    self._next()
                    self._next()
                    found += self._selection()
                else:
                    found.append(self._next())
                continue
            found.append(self._field())
        self._next("}")
        return found

    def _field(self) -> Field:
        name, alias = self._next(), ""
        if self._sees(":"):
            self._next()
            name, alias = self._next(), name
        one = Field(name, alias, self._arguments())
        while self._sees("@"):
            self._next()
            directive = self._next()
            one.directives[directive] = self._arguments()
        if self._sees("{"):
            one.fields = self._selection()
        return one

    def _arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._sees("("):
            self._next()
            while not self._sees(")"):
                name = self._next()
                self._next(":")
                found[name] = self._value()
            self._next(")")
        return found

    def _value(self) -> Any:
        token = self._next()
        if token == "$":
            return Variable(self._next())
        if token == "[":
            rows = []
            while not self._sees("]"):
                rows.append(self._value())
            self._next("]")
            return rows
        if token == "{":
            found = {}
            while not self._sees("}"):
                name = self._next()
                self._next(":")
                found[name] = self._value()
            self._next("}")
            return found
        if token.startswith('"'):
            return token[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        if re.fullmatch(r"-?\d+", token):
            return int(token)
        return {"true": True, "false": False, "null": None}.get(token, token)


@functools.lru_cache(maxsize=100)  # a client has a few documents, and sends them thousands of times
def _parsed(text: str) -> Parser:
    return Parser(text)


def read(text: str, name: str | None, variables: dict[str, Any]) -> Operation:
    """The operation of a document that is meant. Raises Unreadable."""
    parser = _parsed(text)
    meant = [one for one in parser.operations if not name or one[1] == name]
    if len(meant) != 1:
        raise Unreadable("An operation name is required" if meant else f'No operation named "{name}"')
    kind, called, declared, fields = meant[0]
    if unknown := {*variables} - {*declared}:
        raise Unreadable(f"Variables {sorted(unknown)} are not declared")
    given = {**declared, **variables}
    return Operation(kind, called, list(_put(fields, given, parser.fragments)))


def _put(fields: list[Any], given: dict[str, Any], fragments: dict[str, list[Any]]) -> Iterator[Field]:
    for one in fields:
        if isinstance(one, str):
            if one not in fragments:
                raise Unreadable(f"Fragment {one} was used, but not defined")
            yield from _put(fragments[one], given, fragments)
            continue
        args = {name: _filled(value, given) for name, value in one.args.items()}
        directives = {
            name: {key: _filled(value, given) for key, value in said.items()} for name, said in one.directives.items()
        }
        yield Field(one.name, one.alias, args, directives, list(_put(one.fields, given, fragments)))


def _filled(value: Any, given: dict[str, Any]) -> Any:
    if isinstance(value, Variable):
        if value.name not in given:
            raise Unreadable(f"Variable ${value.name} is not declared")
        return given[value.name]
    if isinstance(value, list):
        return [_filled(one, given) for one in value]
    if isinstance(value, dict):
        return {name: _filled(one, given) for name, one in value.items()}
    return value


def requested(operation: Operation) -> int:
    """What it costs at most: each object a point, each list as if it were full."""
    return BASE[operation.kind] + sum(_cost(one) for one in operation.fields)


def _cost(one: Field) -> int:
    if not one.fields:
        return 0
    inner = sum(_cost(part) for part in one.fields)
    if "ids" in one.args:
        return len(one.args["ids"]) * (1 + inner)
    if one.name in FREE:
        return inner
    size = one.args.get("first", one.args.get("last"))
    if any(part.name in FREE for part in one.fields):  # a connection
        if not isinstance(size, int):
            raise Unreadable(f"you must provide one of first or last on {one.name}")
        return 2 + size * (1 + inner)
    return (size if isinstance(size, int) else 1) * (1 + inner)


def actual(asked: list[Field], answer: Any) -> int:
    """What an answer costs: each object that is in it a point."""
    if isinstance(answer, list):
        return sum(actual(asked, row) for row in answer)
    if not isinstance(answer, dict):
        return 0
    points = 0
    for one in asked:
        value = answer.get(one.key)
        if one.fields and value is not None:
            rows = value if isinstance(value, list) else [value]
            points += (0 if one.name in FREE[2:] else sum(1 for row in rows if row)) + actual(one.fields, value)
    return points


def shaped(asked: list[Field], whole: Any) -> Any:
    """The part of an answer that was asked for; raises KeyError for what nobody here knows of."""
    if isinstance(whole, list):
        return [shaped(asked, row) for row in whole]
    if not isinstance(whole, dict):
        return whole
    found = {}
    for one in asked:
        value = whole[one.name]
        value = value(one.args) if callable(value) else value
        found[one.key] = shaped(one.fields, value) if one.fields else value
    return found
