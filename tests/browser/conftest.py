"""A busy machine: what a page has to show is waited for longer than Playwright does by itself."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

PATIENCE = 30_000  # ms
collect_ignore = [] if os.environ.get("IM_SCREENSHOTS") else ["test_screenshots.py"]  # make screenshots


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=5_000)
