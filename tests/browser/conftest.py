"""A busy machine: what a page has to show is waited for longer than Playwright does by itself."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests import every_view

PATIENCE = 30_000  # ms
collect_ignore = [] if os.environ.get("IM_SCREENSHOTS") else ["test_screenshots.py"]  # make screenshots


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def views(settings: Any, db: None) -> Iterator[list[every_view.View]]:
    """What everybody sees, on every page."""
    from orders import connections
    from tests.world import fake

    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]  # the shop that some pages read from
    connections.guard.cache_clear()
    shop = fake("sandbox_shop", "oak")
    with shop.serve() as url:
        yield every_view.views(shop, url)
    connections.guard.cache_clear()
