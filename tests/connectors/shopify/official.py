"""Shopify's own schema, where this machine has it: every question, and every answer of the fake, is held against it.

It is no part of the project. `IM_SPECS` names the folder where it lies (shopify/admin_2026-10.json.gz in it), or it
lies in a folder `shared/specs` beside the project's own. Elsewhere the tests that need it are skipped.
"""

import functools
import gzip
import json
import os
from collections.abc import Mapping
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


def wrong_answer(text: str, name: str | None, variables: Mapping[str, Any], data: Any) -> list[str]:
    """What is wrong with variables or with the data of an answer: types, names, what may not be null."""
    from graphql import execute

    def member(source: Any, info: Any, **args: Any) -> Any:
        return source[info.path.key]  # a KeyError becomes one of its errors

    result: Any = execute(schema(), _document(text)[0], data, variable_values=dict(variables), operation_name=name,
                          field_resolver=member)  # fmt: skip
    return [f"{error.message} at {error.path}" for error in result.errors or ()]
