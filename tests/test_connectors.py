"""The acceptance suite for every connector that is found. A new one needs no line here."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from carts.systems import registry as carts
from integration_manager.kit import acceptance, transport
from integration_manager.kit.connector import Connector
from wms.systems import registry as wms

FIXTURES = Path(__file__).parent / "connectors"


def fixtures_of(system: type[Connector]) -> Path:
    """The folder named after the connector's module; variants in one module share it."""
    return FIXTURES / Path(sys.modules[system.__module__].__file__ or "").stem


ALL = {system for found in (carts(), wms()) for system in found.systems.values()}


def cases_of(system: type[Connector]) -> list[acceptance.Case]:
    """All checks; of a hidden variant those of what it does differently from its sibling: sending."""
    every = acceptance.cases(system, fixtures_of(system))
    above = [one for one in system.__mro__[1:] if one in ALL and "create_product" in vars(one)]
    if above and "create_product" not in vars(system):  # how it gets in is all that differs
        every = [case for case in every if not case.name.startswith("create_product: fault")]
    if system.hidden:
        return [case for case in every if case.name.startswith(("send", "spec", "declares"))]
    return every


CASES = [case for found in (carts(), wms()) for system in found.systems.values() for case in cases_of(system)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_connector(case: acceptance.Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "random", SimpleNamespace(uniform=lambda *_: 0.05))  # repeats follow soon
    case()
