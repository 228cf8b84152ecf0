"""The fake shops and warehouses as a process of their own, so that their work is not counted as ours.

`python -m benchmarks.simulator` prints its address. They are the sandbox systems of the tests, without
faults and without latency unless `far_away` says otherwise; `Simulator` is the other end of the line.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from integration_manager.kit.fake_server import Server
from integration_manager.kit.simulator import Fake, load_fake
from integration_manager.processes import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
CONNECTORS = ROOT / "tests" / "connectors"
ROUNDS = ("1", "2", "3")
SIDES = ("ours", "bare")
# What shops send along and nobody reads: it brings an order to the usual 2 kB.
ATTRIBUTES = [{"name": f"attribute_{n}", "value": f"a value of a usual length, number {n}"} for n in range(14)]


class Distance:
    """A fake whose answers to writes take a while to travel."""

    latency = 0.0

    def far_away(self, seconds: float) -> float:
        """From now on a write is answered after this time."""
        self.latency = seconds
        return seconds


class Shop(Distance, load_fake(CONNECTORS / "sandbox_shop")):  # type: ignore[misc]
    """A shop with many orders."""

    def sell(self, count: int, seconds_apart: float) -> int:
        """Places orders of the past, none of them within the last minute."""
        first = datetime.now(UTC) - timedelta(minutes=1, seconds=count * seconds_apart)
        for number in range(1, count + 1):
            key = self.place(number, first + timedelta(seconds=number * seconds_apart))
            self.orders.change(key, attributes=ATTRIBUTES)
        return len(self.orders)


class Warehouse(Distance, load_fake(CONNECTORS / "sandbox_wms")):  # type: ignore[misc]
    """A warehouse that packs when it is told to."""

    def pack_all(self) -> int:
        """Packs every order as one parcel, a while ago and one after the other."""
        first = datetime.now(UTC) - timedelta(minutes=1, seconds=len(self.orders) * 0.05)
        for number, order in enumerate(self.orders):
            self.pack(order["key"], at=first + timedelta(seconds=number * 0.05))
        return len(self.orders)


class _Distant(Server):
    def handle(self, connection: Any, request: Any) -> None:
        fake: Any = next((f for prefix, f in self.fakes.items() if request.path.startswith(prefix + "/")), None)
        if fake is None or not fake.latency or request.method == "GET" or self._loop is None:
            super().handle(connection, request)
        else:
            self._loop.call_later(fake.latency, super().handle, connection, request)


def fakes() -> dict[str, Fake]:
    """A shop and a warehouse for each side of each round, by path."""
    names = [f"{side}{number}" for side in SIDES for number in (*ROUNDS, "0")]  # 0: what has only one side
    shops = {f"/shop-{name}": Shop(name) for name in names}
    return {**shops, **{f"/wms-{name}": Warehouse(name) for name in names}}


class Simulator:
    """The process, as the benchmarks see it."""

    def __init__(self) -> None:
        """Starts it."""
        command = [sys.executable, "-m", "benchmarks.simulator"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def call(self, system: str, method: str, *args: Any) -> Any:
        """Calls a method of one fake."""
        body = {"method": method, "args": args}
        return requests.post(f"{self.url}/{system}/_sim/call", json=body, timeout=120).json()

    def requests_of(self, system: str) -> int:
        """How many requests one fake has answered."""
        calls = requests.get(f"{self.url}/{system}/_sim/requests", timeout=10).json()["calls"]
        return sum(n for name, n in calls.items())

    def effects(self, system: str, kind: str) -> int:
        """How many things happened there."""
        return len(requests.get(f"{self.url}/{system}/_sim/effects?kind={kind}", timeout=30).json())

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait(10)


if __name__ == "__main__":
    die_with_parent()
    server = _Distant(fakes())
    server.run(lambda: print(server.url, flush=True))
