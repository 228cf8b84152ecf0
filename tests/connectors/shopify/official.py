"""Shopify's own schema, where this machine has it: every question, and every answer of the fake, is held against it.

It is no part of the project. `IM_SPECS` names the folder where it lies (shopify/admin_2026-10.json.gz in it), or it
lies in a folder `shared/specs` beside the project's own. Elsewhere the tests that need it are skipped.
"""

import functools
import gzip
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path("shopify") / "admin_2026-10.json.gz"
BESIDE = Path(__file__).resolve().parents[4] / "shared" / "specs"


def path() -> Path | None:
    """The file, if it is there, and the library that reads it too."""
    found = Path(os.environ.get("IM_SPECS") or BESIDE) / FILE
    try:
        import graphql  # noqa: F401 - whether it is there
    except ImportError:  # pragma: no cover - the simulator without the tests' libraries
        return None
    return found if found.exists() else None


@functools.cache
def schema() -> Any:
    """Shopify's schema; None where it is not there."""
    from graphql import build_client_schema

    found = path()
    if found is None:
        return None
    with gzip.open(found) as file:
        # Its interfaces and their types differ in what is deprecated, which the library would complain about.
        return build_client_schema(json.load(file)["data"], assume_valid=True)


@functools.cache
def _document(text: str) -> tuple[Any, list[str]]:
    from graphql import GraphQLError, parse, validate

    try:
        document = parse(text)
    except GraphQLError as error:
        return None, [error.message]
    return document, [error.message for error in validate(schema(), document)]


def wrong_question(text: str) -> list[str]:
    """What Shopify would say about a document."""
    return _document(text)[1]


_right: dict[Any, set[Any]] = {}  # by what was asked: what has stood where in answers with nothing wrong


def _parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """All that a schema goes by: for each place in a value its names, its type, its word of an enumeration.

    Each is right or wrong by itself, so a value of parts that were right elsewhere is right.
    """
    if isinstance(value, Mapping):
        path = (*path, value.get("__typename"))
        yield path, frozenset(value)
        for name, one in value.items():
            yield from _parts(one, (*path, name))
    elif isinstance(value, list | tuple):
        yield path, list
        for one in value:
            yield from _parts(one, (*path, list))
    elif isinstance(value, str):
        yield path, value if value.isupper() and value.isidentifier() else str  # an enumeration's are in capitals
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, (int, -(2**31) <= value < 2**31)
    else:
        yield path, (type(value), value if isinstance(value, bool) else isinstance(value, float) and value.is_integer())


def wrong_answer(text: str, name: str | None, variables: Mapping[str, Any], data: Any) -> list[str]:
    """What is wrong with variables or with the data of an answer: types, names, what may not be null."""
    right = _right.setdefault((text, name, frozenset(_parts(variables))), set())
    parts = {*_parts(data)}
    if right and parts <= right:
        return []
    found = _wrong_answer(text, name, variables, data)
    if not found:
        right |= parts
    return found


def _wrong_answer(text: str, name: str | None, variables: Mapping[str, Any], data: Any) -> list[str]:
    from graphql import execute

    def member(source: Any, info: Any, **args: Any) -> Any:
        return source[info.path.key]  # a KeyError becomes one of its errors

    result: Any = execute(schema(), _document(text)[0], data, variable_values=dict(variables), operation_name=name,
                          field_resolver=member)  # fmt: skip
    return [f"{error.message} at {error.path}" for error in result.errors or ()]
