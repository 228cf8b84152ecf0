"""Pictures of every page, for people to look at (make screenshots): screenshots/<page>-<width>-<theme>.png; and of
each menu and dialog, open, on the first page that has it: screenshots/<page>, open <what>-<width>-<theme>.png."""

import pytest
from playwright.sync_api import Page

from integration_manager.embedded import CLONE
from tests.browser.showing import look, opened, shown, widths
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
    seen: set[str] = set()
    with shown(views) as base:
        for number, view in enumerate(views):
            page.goto(f"{base}{number}")
            name = _fresh(view.name, names)
            _pictures(page, view, name, whole=True)
            for part in opened(page, seen):
                _pictures(page, view, _fresh(f"{view.name}, open {part}", names), whole=False)
    found = {path.name for path in PICTURES.glob("*.png")}
    assert len(names) == len(views) + len(seen), "two pages have one name"
    assert len(seen) > 10, f"pages have more menus and dialogs than {seen}"
    assert len(found) == 4 * len(names), f"pictures are missing, or are of no page: {sorted(found)}"


def _pictures(page: Page, view: View, name: str, *, whole: bool) -> None:
    """Of what is shown now, at each width and in each theme. `whole`: the page down to its end, not a window of it."""
    for width in widths(view):
        for theme in ("light", "dark"):
            look(page, width, theme)
            if whole:  # what sticks to an edge stands there
                tall = max(800, page.evaluate("document.documentElement.scrollHeight"))
                page.set_viewport_size({"width": width, "height": tall})
            page.evaluate(PAINTED)
            page.screenshot(path=PICTURES / f"{name}-{width}-{theme}.png")


def _fresh(called: str, names: set[str]) -> str:
    """What its files are called; names that differ in signs alone are told apart."""
    name = "".join(letter if letter.isalnum() else "-" for letter in called)
    if name in names:
        name = f"{name}-{len(names)}"
    names.add(name)
    return name
