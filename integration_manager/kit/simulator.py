"""A scripted shop or warehouse over loopback HTTP: base class of every connector's fake system.

A fake declares routes, says how its system answers errors, and keeps rows in tables; the kit
supplies server (`fake_server`), storage (`fake_store`), journal and faults (`faults`):

    class FakeAcorn(Fake):
        system = "acorn"

        def setup(self):
            self.orders = self.table("orders", sort="updated")

        @route("GET", "/orders")
        def list_orders(self, request):
            return {"orders": self.orders.since(request.query["since"])[:100]}

In a test: `with fake.serve() as url`. As a process: `manage.py im simulate acorn`.
"""

import contextlib
import importlib.util
import re
import ssl
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import orjson

from integration_manager.kit.fake_store import Row, Selection, Store, Table
from integration_manager.kit.faults import Fault, Faults

__all__ = ["Fake", "Fault", "Reply", "Request", "load_fake", "moment", "route", "stamp"]

H = TypeVar("H", bound=Callable[..., Any])
JOURNAL = 5000  # requests kept; effects are all kept


@dataclass(slots=True)
class Request:
    """One request as a fake sees it. `args` are the {parts} of its route's path."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    args: dict[str, str] = field(default_factory=dict)
    prefix: str = ""  # where on its server the system stands: "/name"
    secure: bool = False  # it came over TLS

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return orjson.loads(self.body)


@dataclass(slots=True)
class Reply:
    """An answer: JSON, or bytes as they are."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else orjson.dumps(self.body)


@dataclass(frozen=True, slots=True)
class Seen:
    """A line of the journal: one request and what became of it. Times as of `time.time()`."""

    request: Request
    status: int  # 0: no answer was given
    fault: Fault | None
    began: float
    ended: float


def route(method: str, path: str) -> Callable[[H], H]:
    """Declares the method of a fake that answers this path; "{name}" stands for one part of it."""

    def mark(handler: H) -> H:
        handler.routes = [*getattr(handler, "routes", ()), (method, path)]  # type: ignore[attr-defined]
        return handler

    return mark


def stamp(at: datetime) -> str:
    """A time as text that sorts like the time, to the millisecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def moment(text: str) -> datetime:
    """The inverse of `stamp`, for any ISO time."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class Fake:
    """A system that is not there. A subclass is one kind, an instance one shop or warehouse."""

    system: ClassVar[str] = ""  # the connector's key
    page_size: ClassVar[int] = 100  # the rows of a full page, as the connector asks for them
    credential: ClassVar[str] = "sandbox-key"  # what gets in
    login: ClassVar[str] = ""  # where it has to be shown first, for a token, if there is such a path

    def __init__(self, name: str = "", *, path: Path | None = None, seed: int = 0) -> None:
        """`name` tells instances apart. With `path` it remembers everything across restarts."""
        self.name = name or self.system
        self.store = Store(path)
        self.lock = self.store.lock
        self.faults = Faults(seed)
        self.journal: deque[Seen] = deque(maxlen=JOURNAL)
        self.calls: Counter[str] = Counter()
        self.led_away: list[Request] = []  # requests that followed a redirect to another host
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._effects = self.table("effects")
        self._index: dict[tuple[str, str], list[Row]] = {}
        for row in self._effects:
            self._index.setdefault((row["kind"], row["key"]), []).append(row)
        self._exact: dict[tuple[str, str], Callable[[Request], Any]] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Callable[[Request], Any]]] = []
        for attribute in dir(type(self)):
            for method, pattern in getattr(getattr(type(self), attribute), "routes", ()):
                self._add(method, pattern, getattr(self, attribute))
        self.setup()

    # ── what a subclass says of its system ──

    def setup(self) -> None:
        """Makes its tables and first rows. A table may have rows already, from an earlier start."""

    def values(self, url: str) -> dict[str, Any]:
        """What a person types to connect to this system, standing at `url`."""
        return {"url": url, "api_key": self.credential}

    def admits(self, request: Request) -> bool:
        """Whether the request carries the right credentials."""
        return request.headers.get("authorization") == f"Bearer {self.credential}"

    def refuse(self, status: int, code: str, message: str) -> Reply:
        """An error, in the system's own words and form."""
        return Reply({"code": code, "message": message}, status)

    def writes(self, request: Request) -> bool:
        """Whether a request changes something, for faults that are to hit writes only."""
        return request.method not in ("GET", "HEAD")

    def tick(self) -> None:
        """What happens by itself; called some times a second while it is served as a process."""

    def live(self, *pace: float) -> None:
        """From now on things happen by themselves. `pace` is the subclass's own."""

    # ── what acceptance does to it: a cart places and edits, a WMS ships and counts ──

    def place(self, number: int, modified: datetime, created: datetime | None = None) -> str:
        """A buyer places order `number`; placing it again edits it. Gives the key of the order."""
        raise NotImplementedError

    def parcel(self, number: int, modified: datetime, created: datetime | None = None) -> str:
        """The warehouse packs order `number` (unknown to us) as one parcel. Gives the parcel's key.

        Packing it again corrects the parcel."""
        raise NotImplementedError

    def level(self, number: int, modified: datetime) -> str:
        """The warehouse counts item `number`. Gives the item's SKU."""
        raise NotImplementedError

    def cancellation(self, number: int, modified: datetime) -> str:
        """The warehouse cancels order `number` (unknown to us) by itself. Gives its own key of the order."""
        raise NotImplementedError

    def product(self, number: int, modified: datetime) -> str:
        """The shop's owner, or the warehouse, adds product `number`; again changes it. Gives its own key of it."""
        raise NotImplementedError

    def purchase(self, number: int, modified: datetime) -> str:
        """The shop's owner orders goods from a supplier; again changes that. Gives the purchase order's key."""
        raise NotImplementedError

    def receipt(self, number: int, modified: datetime) -> str:
        """Goods of purchase order `number` (unknown to us) come; again: more of them. Gives its key at the WMS."""
        raise NotImplementedError

    # ── tables, journal ──

    def table(self, name: str, sort: str = "") -> Table:
        """A table of this system, sorted by one of its rows' fields if `since` is needed."""
        return self.store.table(name, sort)

    def now(self) -> str:
        """The present time as `stamp` writes it."""
        return stamp(self.clock())

    def effect(self, kind: str, key: str, **detail: Any) -> None:
        """Notes that something happened: "order" under our reference, "shipment" of an order …"""
        with self.lock:
            row = {"kind": kind, "key": key, "at": self.now(), **detail}
            self._effects.put(str(len(self._effects) + 1), row)
            self._index.setdefault((kind, key), []).append(row)

    def effects(self, kind: str, key: str | None = None) -> list[Row]:
        """What happened, in order: of one kind, for one key or for all."""
        with self.lock:
            if key is not None:
                return list(self._index.get((kind, key), ()))
            return [row for row in self._effects if row["kind"] == kind]

    def page(self, request: Request, rows: Selection | list[Row]) -> tuple[list[Row], bool]:
        """The part of `rows` that the query's `page` and `limit` ask for, and if there is more."""
        size = min(int(request.query.get("limit", self.page_size)), self.page_size)
        first = (int(request.query.get("page", 1)) - 1) * size
        return rows[first : first + size], first + size < len(rows)

    # ── serving ──

    @contextlib.contextmanager
    def serve(self, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
        """Answers on loopback, in a thread, for as long as the block lasts. Gives the URL."""
        from integration_manager.kit.fake_server import Server

        server = Server({"": self}, port=port, tls=tls)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()

    def answer(self, request: Request) -> Reply:
        """Does what the request asks for."""
        with self.lock:
            handler = self._find(request)
            if request.path.startswith("/_sim/"):
                return self._control(request)
            if not self.admits(request):
                return self.refuse(401, "unauthorized", "The key is not valid.")
            if handler is None:
                return self.refuse(404, "no_route", f"There is no {request.path}.")
            try:
                reply = handler(request)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                return self.refuse(400, "bad_request", f"{type(error).__name__}: {error}")
            return reply if isinstance(reply, Reply) else Reply(reply)

    def _add(self, method: str, path: str, handler: Callable[[Request], Any]) -> None:
        if "{" not in path:
            self._exact[method, path] = handler
            return
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        self._patterns.append((method, re.compile(pattern), handler))

    def _find(self, request: Request) -> Callable[[Request], Any] | None:
        handler = self._exact.get((request.method, request.path))
        if handler is not None:
            return handler
        for method, pattern, handler in self._patterns:
            if method == request.method and (match := pattern.fullmatch(request.path)):
                request.args = match.groupdict()
                return handler
        return None

    def _control(self, request: Request) -> Reply:
        """How another process looks at the journal and sets faults; no part of the system played.

        GET effects?kind=&key=, GET requests; POST plan {rates, match, seed}, script {match, fault,
        times, skip, seconds}, clear, call {method, args}: place, parcel, level or an own method."""
        name = request.path.removeprefix("/_sim/")
        if request.method == "GET":
            if name == "effects":
                return Reply(self.effects(request.query["kind"], request.query.get("key")))
            return Reply({"calls": dict(self.calls), "led_away": len(self.led_away)})
        said = request.json if request.body else {}
        if name == "plan":
            self.faults.seed(said.pop("seed", 0))
            self.faults.plan(said.pop("rates"), **said)
        elif name == "script":
            self.faults.script(said.pop("match"), said.pop("fault"), **said)
        elif name == "clear":
            self.faults.clear()
        elif name == "call" and not said["method"].startswith("_"):
            args = [moment(a) if _is_time(a) else a for a in said.get("args", [])]
            return Reply(getattr(self, said["method"])(*args))
        return Reply({"ok": True})

    def note(self, request: Request, status: int, fault: Fault | None, began: float) -> None:
        """Writes a line of the journal."""
        self.calls[f"{request.method} {fault or status}"] += 1
        self.journal.append(Seen(request, status, fault, began, time.time()))


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and bool(re.match(r"\d{4}-\d\d-\d\dT", value))


def load_fake(folder: Path) -> type[Fake]:
    """The fake system in the `fake.py` of a fixtures folder."""
    name = f"fake_of_{folder.resolve().name}"
    path = folder.resolve() / "fake.py"
    module = sys.modules.get(name)
    if module is None or module.__file__ != str(path):
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise FileNotFoundError(path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Fake) and value.__module__ == name:
            return value
    raise LookupError(f"{path} has no subclass of Fake")
