"""The canonical model as JSON and back: any struct of texts, numbers, times, and others of its kind."""

import functools
import types
import typing
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from msgspec import Struct, structs

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A canonical value as JSON types: decimals and times as strings, unknown fields left out."""
    return _writer(value.__class__)(value)


def from_json(kind: type[T], raw: dict[str, Any]) -> T:
    """The inverse of `to_json` for one of the structs. Raises KeyError, ValueError."""
    known: Any = kind
    values = {}
    for name, read, absent in _fields(known):
        if name in raw:
            values[name] = raw[name] if read is None else read(raw[name])
        elif absent is not None:  # `to_json` leaves out what is unknown or empty
            values[name] = absent(name)
    return kind(**values)


# Both are called for every order, several times. So what a class or a type hint asks for is found out
# once, and kept as a function.


@functools.cache
def _writer(kind: Any) -> Callable[[Any], Any]:
    """How a value of this class becomes JSON."""
    if issubclass(kind, Struct):
        return functools.partial(_write_fields, kind.__struct_fields__)
    if issubclass(kind, Decimal):
        return lambda value: format(value, "f")
    if issubclass(kind, StrEnum):
        return lambda value: value.value
    if issubclass(kind, date):
        return lambda value: value.isoformat()
    if issubclass(kind, list | tuple):
        return lambda value: [_writer(item.__class__)(item) for item in value]
    return lambda value: value


def _write_fields(names: tuple[str, ...], value: Struct) -> dict[str, Any]:
    found = {}
    for name, part in zip(names, structs.astuple(value), strict=True):
        if part is None:
            continue
        kind = part.__class__
        if kind is str:
            found[name] = part
        elif part or not isinstance(part, dict | tuple):
            found[name] = _writer(kind)(part)
    return found


_Reader = Callable[[Any], Any] | None  # None: the value stays as it is
_Absent = Callable[[str], Any] | None  # None: the field has a default


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, _Reader, _Absent], ...]:
    """The fields of a class: name, how it is read, and what it is when it was left out."""
    hints = typing.get_type_hints(kind)
    return tuple(
        (
            f.name,
            _reader(hints[f.name]),
            _absent(hints[f.name]) if f.required else None,
        )
        for f in structs.fields(kind)
    )


def _absent(hint: Any) -> Callable[[str], Any]:
    """What a field without a default is when it was left out."""
    if type(None) in typing.get_args(hint):
        return lambda name: None
    if typing.get_origin(hint) is tuple:
        return lambda name: ()
    return _demand


def _demand(name: str) -> Any:
    raise KeyError(name)


def _reader(hint: Any) -> _Reader:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        hint = next(arg for arg in typing.get_args(hint) if arg is not types.NoneType)
        origin = typing.get_origin(hint)
    read: _Reader = None
    if origin is tuple:
        read = _tuple_reader(typing.get_args(hint))
    elif origin is dict:
        read = dict
    elif hint is Decimal:
        read = Decimal
    elif hint in (datetime, date):
        read = hint.fromisoformat
    elif isinstance(hint, type) and issubclass(hint, Struct):
        read = functools.partial(from_json, typing.cast(type, hint))
    elif isinstance(hint, type) and issubclass(hint, StrEnum):
        read = hint
    return None if read is None else functools.partial(_unless_none, read)


def _unless_none(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


def _tuple_reader(inner: tuple[Any, ...]) -> Callable[[Any], Any]:
    readers = [_reader(kind) or _as_it_is for kind in inner if kind is not Ellipsis]
    if inner[-1] is Ellipsis:
        return lambda value: tuple(map(readers[0], value))
    return lambda value: tuple(read(item) for read, item in zip(readers, value, strict=True))


def _as_it_is(value: Any) -> Any:
    return value
