"""What the tutorial builds is found, passes the acceptance suite, and is what the tutorial says."""

import re
from pathlib import Path

import pytest

from integration_manager.kit import acceptance
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.registry import capabilities, discover

HERE = Path(__file__).parent
TUTORIAL = HERE.parents[1] / "docs" / "connectors.md"
# The tutorial's paths, and where its files stand here, so that the product does not offer Acorn.
PLACES = {"carts/systems/": "systems/", "tests/connectors/": "connectors/"}

ACORN = discover("tests.connectors_tutorial.systems", CartConnector).get("acorn")


@pytest.mark.parametrize("case", acceptance.cases(ACORN, HERE / "connectors/acorn"), ids=str)
def test_acorn(case: acceptance.Case) -> None:
    case()


def test_capabilities_follow_from_the_methods() -> None:
    assert capabilities(ACORN) == ["Order Download", "Shipment Confirmation", "Order Cancel Download"]


def test_the_tutorial_shows_these_very_files() -> None:
    text = TUTORIAL.read_text("utf-8")
    shown = dict(re.findall(r"^`([\w./]+)`:\n+```\w+\n(.*?)^```$", text, re.M | re.S))
    assert len(shown) == 4
    for path, content in shown.items():
        start = next(start for start in PLACES if path.startswith(start))
        here = HERE / path.replace(start, PLACES[start])
        assert content == here.read_text("utf-8"), f"{path} differs from {here.name}"
