"""`manage.py im simulate`: the fake systems of the connectors' tests as a process of their own.

`im simulate demo` is the world of the demo account: five shops whose buyers order by themselves (one
of them a WooCommerce, one a Shopify), one warehouse that packs, and the office that alerts are told to.
`im simulate woocommerce …` serves the fakes of single systems: they live like those of the demo, and fail at nothing.
"""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration_manager import demo_office
from integration_manager.demo_office import Office
from integration_manager.kit.fake_server import Server
from integration_manager.kit.simulator import Fake, load_fake

HELP = "Runs fake shops and warehouses on loopback: `demo`, or the keys of single systems."
FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "connectors"
PORT = 8100

# What goes wrong in the demo, as shares of all requests: enough to see the machine deal with it.
DEMO_FAULTS = {
    "GET /*": {"error": 0.01, "limited": 0.005, "garbage": 0.003, "drop": 0.005},
    "POST /v1/orders": {"error": 0.02, "drop_after": 0.02, "late": 0.01, "hang": 0.01},
    "POST /api/*": {"error": 0.01, "drop_after": 0.01},
    "POST /wp-json/*": {"error": 0.01, "drop_after": 0.01},
    "POST /admin/api/*": {"error": 0.01, "drop_after": 0.01},
}
# What a person would choose there, where a system offers several ways in.
DEMO_VALUES = {"shopify": {"way": "token"}}


@dataclass(frozen=True, slots=True)
class Place:
    """One system of the demo: where it stands and what a person would type to connect to it."""

    # oak, pine, elm: the shops and their merchants; wms: the warehouse; studio, teahouse: second shops of elm, pine
    name: str
    system: str
    values: Mapping[str, Any]


def demo_world(data: Path | None = None) -> dict[str, Fake]:
    """The demo's fakes by path prefix. `data`: the folder they remember their orders in."""
    kinds = {"wms": "sandbox_wms", "studio": "woocommerce", "teahouse": "shopify"}
    fakes: dict[str, Fake] = {}
    for number, name in enumerate(("oak", "pine", "elm", "wms", "studio", "teahouse")):
        kind = load_fake(FIXTURES / kinds.get(name, "sandbox_shop"))
        path = data / f"{name}.jsonl" if data else None
        fake = fakes["/" + name] = kind(name, path=path, seed=number)
        fake.live()
        for match, rates in DEMO_FAULTS.items():
            fake.faults.plan(rates, match=match)
    return fakes


def demo_places(port: int) -> list[Place]:
    """What to connect the demo account to, once `im simulate demo --port` runs at this port.

    The warehouse's merchant-level value is `customer`: C1 for oak, C2 for pine, C3 for elm, C4 for the farm."""
    return [
        Place(
            prefix[1:],
            fake.system,
            fake.values(f"http://127.0.0.1:{port}{prefix}") | DEMO_VALUES.get(fake.system, {}),
        )
        for prefix, fake in demo_world().items()
    ]


def arguments(parser: ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("systems", nargs="+", help="demo, or keys such as sandbox_shop")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--data", type=Path, help="folder to remember everything in")
    parser.add_argument("--seed", type=int, default=0)


def served(systems: Sequence[str], data: Path | None = None, seed: int = 0) -> dict[str, Fake]:
    """The fakes by path prefix, alive. `data`: the folder they remember everything in."""
    fakes: dict[str, Fake] = {}
    for name in systems:
        if name == "demo":
            office = Office(path=data / "office.jsonl" if data else None)
            fakes |= demo_world(data) | {demo_office.NAME: office}
            continue
        path = data / f"{name}.jsonl" if data else None
        fake = fakes[f"/{name}"] = load_fake(FIXTURES / name)(name, path=path, seed=seed)
        fake.live()
    return fakes


def run(options: Mapping[str, Any]) -> None:
    """Serves until it is told to stop."""
    port, fakes = options["port"], served(options["systems"], options["data"], options["seed"])
    server = Server(fakes, port=port, ticking=True)

    def started() -> None:
        for prefix, fake in fakes.items():
            values = fake.values(f"{server.url}{prefix}")
            said = ", ".join(f"{key} {value}" for key, value in values.items())
            print(f"{fake.system}: {said}", flush=True)

    try:
        server.run(started)
    except OSError as error:
        raise SystemExit(f"Port {port} cannot be used: {error.strerror}.") from error
