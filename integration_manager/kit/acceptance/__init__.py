"""The acceptance suite every connector must pass, as a library.

A connector's own test is three lines:

    @pytest.mark.parametrize("case", acceptance.cases(Acorn, FOLDER), ids=str)
    def test_acorn(case):
        case()

`FOLDER` is the connector's fixtures folder: `fake.py` with a subclass of `kit.simulator.Fake`, and
golden files: `x.raw.json` with its `x.order.json` (a cart), `x.prepared.json` with its
`x.payload.json` (a WMS). A system that exchanges files has no fake, its fixtures are described in
`files.py`. Which checks apply follows from what the class overrides.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration_manager.kit.acceptance import (
    calls,
    feeds,
    files,
    grants,
    hooks,
    mapping,
    products,
    purchases,
    secrets,
    source,
    writes,
)
from integration_manager.kit.acceptance.bench import Bench
from integration_manager.kit.connector import Connector

__all__ = ["Case", "cases"]


@dataclass(frozen=True, slots=True)
class Case:
    """One check of one system. Calling it raises AssertionError, with a sentence, if it fails."""

    name: str
    system: str
    run: Callable[[], None]

    def __call__(self) -> None:
        try:
            self.run()
        except AssertionError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise AssertionError(f"{self.name}: unexpectedly raises {why}") from error

    def __str__(self) -> str:
        return f"{self.system}-{self.name}"


def cases(system: type[Connector], folder: Path) -> list[Case]:
    """Every check that applies to `system`, whose fixtures are in `folder`."""
    bench = Bench(system, folder)
    parts: tuple[Any, ...] = (source, mapping, calls, feeds, writes, products, purchases, hooks, grants, secrets)
    if system.uses == "folder":
        parts = (source, mapping, files)
    found = [pair for part in parts for pair in part.checks(bench)]
    return [Case(name, system.key or system.__name__, run) for name, run in found]
