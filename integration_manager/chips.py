"""Filters that are on, as chips: each with the address of the same list without it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest

PAGING = ("after", "before")


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is on."""

    label: str
    value: str
    without: str


def chips(request: HttpRequest, given: Iterable[tuple[str, str, str]]) -> list[Chip]:
    """The chips of `given`: (parameter, label, value in words). Empty values make none."""
    return [Chip(label, value, address(request, name)) for name, label, value in given if value]


def address(request: HttpRequest, *without: str, **changes: str) -> str:
    """This list's address with some filters changed or left out, from its first page."""
    query = request.GET.copy()
    for name in (*PAGING, *without):
        query.pop(name, None)
    for name, value in changes.items():
        query[name] = value
    return f"?{query.urlencode()}"
