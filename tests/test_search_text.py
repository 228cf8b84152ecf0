"""What is searched for in a list is read in one place."""

from pathlib import Path

import pytest
from django.test import RequestFactory

from integration_manager.searched import search_text

ROOT = Path(__file__).parent.parent
APPS = ("accounts", "alerts", "billing", "carts", "integration_manager", "merchants", "orders", "wms")
ITSELF = {"integration_manager/searched.py"}


@pytest.mark.parametrize(
    ("typed", "found"),
    [(" Mug ", "Mug"), ("\x00Mu\x00g", "Mug"), ("\x00 \x00", ""), ("m" * 101, "m" * 100), ("ä" * 200, "ä" * 100)],
)
def test_it_is_what_a_database_can_look_for(typed: str, found: str) -> None:
    assert search_text(RequestFactory().get("/", {"q": typed})) == found


def test_without_one_it_is_empty_and_a_shorter_box_takes_less() -> None:
    assert search_text(RequestFactory().get("/")) == ""
    assert search_text(RequestFactory().get("/", {"q": "m" * 61}), 60) == "m" * 60


def test_no_view_reads_it_by_itself() -> None:
    sources = {str(path.relative_to(ROOT)): path for app in APPS for path in (ROOT / app).rglob("*.py")}
    readers = {name for name, path in sources.items() if 'request.GET.get("q"' in path.read_text("utf-8")}
    assert readers == ITSELF
