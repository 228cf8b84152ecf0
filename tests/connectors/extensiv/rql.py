"""The query language of 3PL Warehouse Manager, read strictly: what is not known is refused, as there."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote

COMPARE = re.compile(r"(==|!=|=gt=|=ge=|=lt=|=le=|=in=|=out=|=hv=)", re.I)
RESERVED = re.compile(r"[!()*=,;]")


class NotParsable(Exception):
    """What it says in the Hint of its exception."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property that can be asked for: where a row has it, and of which type it is."""

    of: Callable[[Any], Any]
    kind: type = str


Test = Callable[[Any], bool]


def parse(text: str, known: Mapping[str, Property]) -> Test:
    """A test for rows. `text`: the parameter, unescaped once, as a server gets it. Raises NotParsable."""
    if not text:
        return lambda row: True
    rest, test = _either(text, known)
    if rest:
        raise NotParsable(f"Unexpected: {rest[:20]}")
    return test


def _either(text: str, known: Mapping[str, Property]) -> tuple[str, Test]:
    rest, first = _all(text, known)
    tests = [first]
    while rest.startswith(","):
        rest, test = _all(rest[1:], known)
        tests.append(test)
    return rest, lambda row: any(test(row) for test in tests)


def _all(text: str, known: Mapping[str, Property]) -> tuple[str, Test]:
    rest, first = _one(text, known)
    tests = [first]
    while rest.startswith(";"):
        rest, test = _one(rest[1:], known)
        tests.append(test)
    return rest, lambda row: all(test(row) for test in tests)


def _one(text: str, known: Mapping[str, Property]) -> tuple[str, Test]:
    if text.startswith("("):
        rest, test = _either(text[1:], known)
        if not rest.startswith(")"):
            raise NotParsable("A parenthesis is not closed")
        return rest[1:], test
    found = COMPARE.search(text)
    name = text[: found.start()] if found else text
    if found is None or not re.fullmatch(r"[A-Za-z][A-Za-z.]*", name):
        raise NotParsable(f"No predicate: {text[:40]}")
    what = known.get(name.lower())
    if what is None:
        raise NotParsable(f"Properties not supported: {name}")
    compare, rest = found[0].lower(), text[found.end() :]
    if compare in ("=in=", "=out="):
        if not rest.startswith("(") or ")" not in rest:
            raise NotParsable("A list is in parentheses")
        inside, _, rest = rest[1:].partition(")")
        values = [_value(one, what) for one in inside.split(",")]
        return rest, lambda row: (_folded(what.of(row)) in values) is (compare == "=in=")
    end = re.search(r"[;,)]", rest)
    raw, rest = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    return rest, _compared(compare, raw, what)


def _compared(compare: str, raw: str, what: Property) -> Test:
    if compare == "=hv=":
        wanted = _flag(raw)
        return lambda row: (what.of(row) not in (None, "")) is wanted
    if what.kind is str and "*" in raw:
        if compare not in ("==", "!="):
            raise NotParsable("* goes with == and != only")
        pattern = re.compile(".*".join(re.escape(_plain(part)) for part in raw.split("*")), re.I | re.S)
        return lambda row: bool(pattern.fullmatch(what.of(row) or "")) is (compare == "==")
    value = _value(raw, what)
    tests: dict[str, Callable[[Any], bool]] = {
        "==": lambda there: there == value,
        "!=": lambda there: there != value,
        "=gt=": lambda there: there > value,
        "=ge=": lambda there: there >= value,
        "=lt=": lambda there: there < value,
        "=le=": lambda there: there <= value,
    }
    test = tests[compare]

    def tested(row: Any) -> bool:
        there = _folded(what.of(row))
        return there is not None and test(there)

    return tested


def _folded(there: Any) -> Any:
    return there.lower() if isinstance(there, str) else there


def _plain(raw: str) -> str:
    """The second unescaping: signs of the language that stand for themselves come as %XX."""
    if RESERVED.search(raw) or re.search("%(?![0-9A-Fa-f]{2})", raw):
        raise NotParsable(f"Not escaped: {raw[:40]}")
    return unquote(raw)


def _value(raw: str, what: Property) -> Any:
    text = _plain(raw.strip())
    if not text:
        raise NotParsable("A value is missing")
    try:
        if what.kind is datetime:
            return datetime.fromisoformat(text)
        if what.kind in (int, Decimal):
            return what.kind(text)
    except (ValueError, InvalidOperation):
        raise NotParsable(f"Not a {what.kind.__name__}: {text[:40]}") from None
    return _flag(text) if what.kind is bool else text.lower()


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise NotParsable(f"Neither true nor false: {text[:40]}")
    return text.lower() == "true"
