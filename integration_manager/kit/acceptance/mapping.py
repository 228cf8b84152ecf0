"""The pure mapping: golden files, purity, mutated input, names and currencies of the whole world."""

import contextlib
import copy
import functools
import itertools
import json
import operator
import os
import random
import sys
import typing
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from integration_manager.kit.acceptance import files
from integration_manager.kit.acceptance.bench import Bench, Check
from integration_manager.kit.canonical import Order, Prepared, SourceState, from_json, to_json
from integration_manager.kit.errors import NeedsHuman, Unmappable

NAMES = (
    "Zoë Łukasiewicz-Ångström",
    "王小明",
    "👩‍👩‍👧 Family",
    "محمد عبد الله",
    "O'Brien; DROP TABLE <b>&amp;",
    "Long " * 39 + "name.",
    "\u202eright to left\u202c",
)
# What a mapping may not touch: (the module's or the class's name, the function's name).
IMPURE = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("time", "time"), ("time", "monotonic"), ("time", "time_ns"), ("io", "open"),
    ("posix", "urandom"), ("_random", "random"), ("socket", "connect"), ("_socket", "getaddrinfo"),
}  # fmt: skip
RUNS = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
JUNK: tuple[Any, ...] = (
    None, "", " ", "x", "12,5", "-1", "1e999999", "NaN", 0, -1, 3, 10**40, 2.5, True, [], [None],
    [1], {}, {"": 0}, "\x00", "\ud800", "9999-99-99", "0001-01-01T00:00:00+14:00", "Ω" * 500,
)  # fmt: skip
OTHER_TYPES: tuple[Any, ...] = (7, {})


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    folder = bench.system.uses == "folder"  # whose examples are files: see `files`
    if bench.is_cart and bench.has("orders"):
        gold = ("mapping: golden", lambda: golden(bench, "raw", "order", _order_of(bench)))
        return [
            *([] if folder else [gold]),
            ("mapping: cancellations", lambda: cancellations(bench)),
            ("mapping: money adds up", lambda: money(bench)),
            ("mapping: pure", lambda: pure(bench, "raw", _order_of(bench))),
            ("mapping: mutated input", lambda: mutated(bench)),
            ("mapping: names and currencies", lambda: worldly(bench)),
        ]
    if not bench.is_cart and (bench.has("send") or "orders" in bench.system.renders):
        return [
            ("payload: golden", lambda: golden(bench, "prepared", "payload", _payload_of(bench))),
            ("payload: pure", lambda: pure(bench, "prepared", _payload_of(bench))),
            ("payload: holes and names", lambda: payload_of_anything(bench)),
        ]
    return []


def _raws(bench: Bench) -> list[tuple[Path, Any]]:
    """Example orders as their source has them."""
    return files.raws(bench) if bench.system.uses == "folder" else bench.fixtures("raw")


def _options(bench: Bench) -> dict[str, Any]:
    """What the mapping gets, as a person leaves the form."""
    if bench.system.uses == "folder":
        return bench.system(files.values_of(bench)).options()
    return bench.options()


def _order_of(bench: Bench) -> Callable[[Any], Any]:
    to_order, key_of, options = bench.mapper("to_order"), bench.mapper("key_of"), _options(bench)

    def order(raw: Any) -> Any:
        mapped = to_order(raw, options)
        assert isinstance(mapped, Order), f"to_order() gives {type(mapped).__name__}, no Order"
        assert mapped.cart_key == key_of(raw), "cart_key is not what key_of() gives"
        return to_json(mapped)

    return order


def _payload_of(bench: Bench) -> Callable[[Any], Any]:
    payload = bench.mapper("payload")
    return lambda raw: json.loads(json.dumps(payload(from_json(Prepared, raw))))


def golden(bench: Bench, source: str, target: str, mapped: Callable[[Any], Any]) -> None:
    """Every `*.<source>.json` gives its sibling `*.<target>.json`.

    With IM_GOLDEN=write in the environment missing siblings are written, to be read and committed."""
    found = bench.fixtures(source)
    assert found, f"no golden file: put an example as x.{source}.json into {bench.folder.name}/"
    for path, raw in found:
        sibling = path.with_name(path.name.replace(f".{source}.", f".{target}."))
        try:
            got = mapped(raw)
        except Unmappable as error:
            got = {"unmappable": error.field}
        text = json.dumps(got, ensure_ascii=False, indent=2) + "\n"
        if not sibling.exists():
            if os.environ.get("IM_GOLDEN") == "write":
                sibling.write_text(text, "utf-8")
            raise AssertionError(f"{sibling.name} is missing. If this is right, it is:\n{text}")
        wanted = json.loads(sibling.read_text("utf-8"))
        for name in sorted({*wanted, *got}):
            assert got.get(name) == wanted.get(name), (
                f"{path.name}: {name} is {got.get(name)!r}, and {sibling.name} says {wanted.get(name)!r}"
            )


def money(bench: Bench) -> None:
    """grand_total = sub_total + tax + shipping − discount, and sub_total = Σ extended_amount."""
    for path, raw in _raws(bench):
        try:
            order = bench.mapper("to_order")(raw, _options(bench))
        except Unmappable:
            continue
        parts = (order.sub_total, order.sales_tax, order.shipping_handling, order.order_discount)
        if order.grand_total is not None and None not in parts:
            total = parts[0] + parts[1] + parts[2] - parts[3]
            assert order.grand_total == total, f"{path.name}: {order.grand_total} is not {total}"
        if order.sub_total is not None and all(ln.price is not None for ln in order.lines):
            goods = sum(line.extended_amount for line in order.lines)
            near = abs(goods - order.sub_total) <= Decimal("0.01") * len(order.lines)
            assert near, f"{path.name}: sub_total {order.sub_total}, the lines make {goods}"


def cancellations(bench: Bench) -> None:
    """Among the examples is an order that was canceled, where the class says that it tells of those."""
    states = set()
    for _, raw in _raws(bench):
        with contextlib.suppress(Unmappable):
            states.add(bench.mapper("to_order")(raw, _options(bench)).source_state)
    told, found = getattr(bench.system, "tells_canceled", False), SourceState.CANCELED in states
    assert found == told, f"tells_canceled is {told}, and {'an' if found else 'no'} example is a canceled order"


def pure(bench: Bench, kind: str, mapped: Callable[[Any], Any]) -> None:
    """The mapping asks neither clock, dice, disk nor network, and leaves its input alone."""
    for path, raw in _raws(bench) if kind == "raw" else bench.fixtures(kind):
        before = copy.deepcopy(raw)
        touched: list[str] = []

        def watch(frame: Any, event: str, what: Any, touched: list[str] = touched) -> None:
            if event == "c_call":
                owner = getattr(what, "__self__", None)
                owner_name = getattr(owner, "__name__", type(owner).__name__)
                name = what.__name__
                if (owner_name, name) in IMPURE or isinstance(owner, random.Random):
                    touched.append(f"{owner_name}.{name}")
            elif event == "call" and frame.f_code.co_filename.endswith("kit/clock.py"):
                touched.append("the clock")

        sys.setprofile(watch)
        try:
            first = mapped(raw)
        except Unmappable:
            continue
        finally:
            sys.setprofile(None)
        assert not touched, f"{path.name}: the mapping calls {touched[0]}"
        assert raw == before, f"{path.name}: the mapping changed its input"
        assert mapped(raw) == first, f"{path.name}: mapped twice, it differs"


def mutated(bench: Bench) -> None:
    """Whatever is deleted or retyped in an order, to_order() gives an Order or raises Unmappable."""
    fixtures = [raw for _, raw in _raws(bench)]
    to_order, key_of, options = bench.mapper("to_order"), bench.mapper("key_of"), _options(bench)

    def attempt(raw: Any) -> None:
        try:
            assert isinstance(key_of(raw), str)
            order = to_order(raw, options)
        except Unmappable:
            return
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise AssertionError(f"the mapping raises {why}, not Unmappable") from error
        well_formed(order)

    endured(fixtures, attempt)


def endured(fixtures: Sequence[Any], attempt: Callable[[Any], None], examples: int = 200) -> None:
    """Puts so many examples before `attempt` of what another system may make of these, and each place retyped."""

    @settings(RUNS, max_examples=examples)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        raw = copy.deepcopy(data.draw(st.sampled_from(fixtures)))
        for _ in range(data.draw(st.integers(1, 3))):
            raw = _mutate(raw, data)
        attempt(raw)

    run()
    for raw in itertools.chain(JUNK, _retyped(fixtures)):
        attempt(raw)


def well_formed(order: Any) -> None:
    """An order whose values have the types that the canonical model says."""
    assert isinstance(order, Order), f"to_order() gives {type(order).__name__}, no Order"
    assert order.cart_key, "an order without a key has to be Unmappable"
    ids = [line.line_id for line in order.lines]
    assert all(isinstance(one, str) for one in ids)
    typed(order)


def typed(found: Any) -> None:
    """All that is in it has the types that the canonical model says, and can be stored."""
    for name, hint, value in _leaves(found):
        kinds = tuple(k for k in typing.get_args(hint) or (hint,) if isinstance(k, type))
        plain = typing.get_origin(hint) in (tuple, dict) or value is None or isinstance(value, kinds)
        assert plain, f"{name} is a {type(value).__name__}"
        if isinstance(value, Decimal):
            assert value.is_finite() and abs(value.adjusted()) < 30, f"{name} is {value}"
        if isinstance(value, datetime):
            assert value.tzinfo is not None, f"{name} has no time zone"
        elif isinstance(value, str):
            assert "\x00" not in value, f"{name} has a NUL in it, which no database stores"
            value.encode()  # half of a surrogate pair: neither
    assert from_json(type(found), to_json(found)) == found, "it does not survive as JSON"


def _leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, hint in typing.get_type_hints(type(value)).items():
        inside = getattr(value, name)
        where = f"{at}{name}"
        if isinstance(inside, Struct):
            yield from _leaves(inside, f"{where}.")
        elif isinstance(inside, tuple) and inside and isinstance(inside[0], Struct):
            for i, one in enumerate(inside):
                yield from _leaves(one, f"{where}[{i}].")
        else:
            yield where, hint, inside


def _mutate(raw: Any, data: st.DataObject) -> Any:
    places = list(_places(raw))
    if not places:
        return data.draw(st.sampled_from(JUNK))
    holder, at = data.draw(st.sampled_from(places))
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[at]
    else:
        holder[at] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
    return raw


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    for path in _paths(value):
        yield functools.reduce(operator.getitem, path[:-1], value), path[-1]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to every place in a JSON value."""
    if isinstance(value, dict | list):
        for at in list(value) if isinstance(value, dict) else range(len(value)):
            yield (*path, at)
            yield from _paths(value[at], (*path, at))


def _retyped(fixtures: Sequence[Any]) -> Iterator[Any]:
    """The examples with a number or an object in one place, for each kind of place that there is."""
    seen: set[tuple[Any, ...]] = set()
    for raw in fixtures:
        for path in _paths(raw):
            kind = tuple(at for at in path if isinstance(at, str))
            if kind in seen:
                continue
            seen.add(kind)
            for value in OTHER_TYPES:
                other = copy.deepcopy(raw)
                functools.reduce(operator.getitem, path[:-1], other)[path[-1]] = value
                yield other


def worldly(bench: Bench) -> None:
    """Names of every script and 200 characters come through whole; yen are not divided by 100."""
    to_order, options = bench.mapper("to_order"), _options(bench)
    for path, raw in _raws(bench):
        try:
            order = to_order(raw, options)
        except Unmappable:
            continue
        parts = ("first_name", "last_name", "company", "city", "address_1")
        for part, name in ((p, n) for p in parts for n in NAMES):
            known = getattr(order.ship, part)
            if not known or known in (order.currency_code, order.ship.country):
                continue
            wanted = " ".join(name.split())
            got = getattr(to_order(_swap(raw, known, name), options).ship, part)
            same = unicodedata.normalize("NFC", " ".join((got or "").split()))
            assert same == unicodedata.normalize("NFC", wanted), (
                f"{path.name}: {part} {name[:40]!r} becomes {(got or '')[:40]!r}"
            )
        if order.currency_code:
            yen = to_order(_swap(raw, order.currency_code, "JPY"), options)
            assert yen.currency_code == "JPY", f"{path.name}: the currency is not read"
            assert yen.grand_total == order.grand_total, f"{path.name}: yen have no cents"


def _swap(value: Any, old: str, new: str) -> Any:
    """A copy of a JSON value with every text `old` replaced by `new`."""
    if isinstance(value, dict):
        return {key: _swap(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [_swap(one, old, new) for one in value]
    return new if value == old else value


def payload_of_anything(bench: Bench) -> None:
    """payload() copes with everything that may be unknown, and with names of the whole world."""
    payload = bench.mapper("payload")
    for path, raw in bench.fixtures("prepared"):
        prepared = from_json(Prepared, raw)
        for other in _variants(prepared):
            try:
                json.dumps(payload(other))
            except (NeedsHuman, Unmappable):
                continue
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                raise AssertionError(f"{path.name}: with a hole it fails by {why}") from error


def _variants(prepared: Prepared) -> Iterator[Prepared]:
    order = prepared.order
    for name in NAMES:
        ship = structs.replace(order.ship, last_name=name, city=name, company=name)
        yield structs.replace(prepared, order=structs.replace(order, ship=ship))
    for holder in (prepared, order, order.ship, prepared.lines[0]):
        for name, hint in typing.get_type_hints(type(holder)).items():
            if type(None) not in typing.get_args(hint):
                continue
            nothing: dict[str, Any] = {name: None}
            hole: Any = structs.replace(holder, **nothing)
            if holder is order:
                hole = structs.replace(prepared, order=hole)
            elif holder is order.ship:
                hole = structs.replace(prepared, order=structs.replace(order, ship=hole))
            elif holder is not prepared:
                hole = structs.replace(prepared, lines=(hole, *prepared.lines[1:]))
            yield hole
