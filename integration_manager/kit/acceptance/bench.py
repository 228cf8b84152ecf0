"""The bench a connector is put on: its fake system, a real transport, and what was said."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from integration_manager.kit.connector import CartConnector, Connector
from integration_manager.kit.egress import Guard
from integration_manager.kit.fake_oauth import Grants
from integration_manager.kit.simulator import Fake, Fault, load_fake
from integration_manager.kit.tokens import MemoryStore, TokenStore
from integration_manager.kit.transport import Exchange, Http

Check = tuple[str, Callable[[], None]]
START = datetime(2026, 3, 1, 8, tzinfo=UTC)  # when the first order of a check was modified
PATIENCE = 5.0  # seconds for a call
HURRY = 0.4  # seconds for a call to a server that hangs, so that it does not hold the tests up
LATE = HURRY * 1.5  # seconds; as late as the other side comes up with a result
HANGS = (Fault.HANG, Fault.LATE_HANG, Fault.SLOW)


@dataclass(slots=True)
class Running:
    """A fake system that is served, and a connector connected to it."""

    fake: Fake
    connector: Any
    values: dict[str, Any]
    exchanges: list[Exchange] = field(default_factory=list)

    def fail(self, match: str, fault: Fault, *, times: int = 1, skip: int = 0) -> None:
        """From now on requests fail; who would hang gives up soon."""
        self.fake.faults.script(match, fault, times=times, skip=skip, seconds=LATE)
        self.connector.http.timeout = HURRY if fault in HANGS else PATIENCE

    def heal(self) -> None:
        """From now on everything works."""
        self.fake.faults.clear()
        self.connector.http.timeout = PATIENCE


@dataclass(frozen=True, slots=True)
class Bench:
    """One system and its fixtures folder."""

    system: type[Connector]
    folder: Path

    @property
    def is_cart(self) -> bool:
        """Whether it is an order source."""
        return issubclass(self.system, CartConnector)

    def has(self, *methods: str) -> bool:
        """Whether the class implements all of these."""
        known = all(hasattr(self.system, name) for name in methods)  # a WMS has no orders()
        return known and all(self.system.overrides(name) for name in methods)

    def fake(self) -> Fake:
        """A new fake system, without a past."""
        return load_fake(self.folder)()

    @contextlib.contextmanager
    def running(self, **values: Any) -> Iterator[Running]:
        """Serves a fake system and connects to it, with the right credentials unless told others."""
        fake = self.fake()
        with fake.serve() as url:
            app: dict[str, str] = {}
            tokens = None
            if self.system.oauth is not None:
                assert isinstance(fake, Grants), "the fake of a system with oauth is a kit.fake_oauth.Grants too"
                app, tokens = fake.app(), MemoryStore(fake.token())
            right = {**fake.values(url), **app, **values}
            running = Running(fake, None, right)
            with self.connect(right, running.exchanges, tokens) as connector:
                running.connector = connector
                yield running

    @contextlib.contextmanager
    def connect(
        self, values: dict[str, Any], exchanges: list[Exchange], tokens: TokenStore | None = None
    ) -> Iterator[Connector]:
        """A connector with its transport, which may go to the fake system's port and nowhere else."""
        url = next((v for v in values.values() if str(v).startswith("http://127.")), "")
        http = Http(
            guard=Guard([urlsplit(str(url)).netloc] if url else []),
            limiter=None,
            journal=exchanges.append,
            timeout=PATIENCE,
            connect_timeout=PATIENCE,
            secrets=self.secrets(values),
            tokens=tokens,
        )
        with http:
            yield self.system(values, http=http)

    def secrets(self, values: dict[str, Any]) -> list[str]:
        """The values of the fields that are secret."""
        return [str(values[name]) for name, field in self.system.fields.items() if field.secret and values.get(name)]

    def options(self) -> dict[str, Any]:
        """What the mapping gets, as a person leaves the form."""
        return self.system(self.fake().values("http://127.0.0.1:1")).options()

    def fixtures(self, kind: str) -> list[tuple[Path, Any]]:
        """The golden files `*.<kind>.json`, read like an answer: numbers with a point are exact."""
        paths = sorted(self.folder.glob(f"*.{kind}.json"))
        return [(p, json.loads(p.read_text("utf-8"), parse_float=Decimal)) for p in paths]

    def mapper(self, name: str) -> Callable[..., Any]:
        """The pure function `name` of the connector's module."""
        return self.system.mapper(name)
