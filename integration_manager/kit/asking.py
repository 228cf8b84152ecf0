"""What is asked of another system: the terms of one call, and the form of its body."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Params = Mapping[str, Any] | Iterable[tuple[str, Any]]

DEFAULT_HEADERS = {
    "User-Agent": "IntegrationManager",
    "Accept": "application/json, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
}


@dataclass(slots=True)
class Ask:
    """What is asked for, and on which terms."""

    method: str
    url: str
    params: Params | None
    body: Any
    headers: dict[str, str]
    ours: bool  # it goes to the system itself, so with its credentials
    harmless: bool
    wrote: bool
    limit: float  # seconds
    deadline: float  # by time.monotonic()


def merged(always: Mapping[str, Any], extra: Params | None) -> Params:
    """The parameters that go with every request and those of this one, which win."""
    if not extra:
        return always
    if isinstance(extra, Mapping):
        return {**always, **extra}
    return [*always.items(), *extra]


def encoded(content: Any, data: Any) -> tuple[Any, dict[str, str]]:
    """The body, and the header that names its kind where that is not left to `requests`."""
    if content is not None:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, default=_number)
        # Half a pair of surrogates is in nobody's UTF-8; a shop's JSON may still have one.
        return text.encode("utf-8", "replace"), {"Content-Type": "application/json"}
    return data.encode() if isinstance(data, str) else data, {}


def _number(value: Any) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no form in JSON")
    return int(value) if value == value.to_integral_value() else float(value)


def asks_only(content: Any) -> bool:
    """Whether a harmless POST is a GraphQL query: a question, not a write that may be repeated."""
    query = content.get("query") if isinstance(content, Mapping) else None
    return isinstance(query, str) and "mutation" not in query
