"""Pictures of every page, for people to look at (make screenshots): screenshots/<page>-<width>-<theme>.png."""

import pytest
from playwright.sync_api import Page

from integration_manager.embedded import CLONE
from tests.browser.showing import look, shown, widths
from tests.every_view import View

pytestmark = [pytest.mark.django_db, pytest.mark.screenshots]
PICTURES = CLONE / "screenshots"
# A window that has just grown shows what it showed before until it is painted once more.
PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_pictures_of_every_page(page: Page, views: list[View]) -> None:
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    names: set[str] = set()
    with shown(views) as base:
        for number, view in enumerate(views):
            page.goto(f"{base}{number}")
            name = "".join(letter if letter.isalnum() else "-" for letter in view.name)
            if name in names:
                name = f"{name}-{number}"  # names that differ in signs alone
            names.add(name)
            for width in widths(view):
                for theme in ("light", "dark"):
                    look(page, width, theme)
                    tall = max(800, page.evaluate("document.documentElement.scrollHeight"))
                    page.set_viewport_size({"width": width, "height": tall})  # what sticks to an edge stands there
                    page.evaluate(PAINTED)
                    page.screenshot(path=PICTURES / f"{name}-{width}-{theme}.png")
    found = {path.name for path in PICTURES.glob("*.png")}
    assert len(names) == len(views), "two pages have one name"
    assert len(found) == 4 * len(views), f"pictures are missing, or are of no page: {sorted(found)}"
