"""By keyboard alone: where the focus is can always be seen, dialogs hold it and give it back; and nothing moves for
who wants no motion. On the style guide, which has every part there is."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Page, expect

from integration_manager.styleguide import samples
from tests.browser.showing import shown
from tests.every_view import View

pytestmark = pytest.mark.django_db
# What the focus is on, and how it is drawn: on the part itself, or on the card or label around it.
FOCUSED = """() => {
    const at = document.activeElement;
    if (!at || at === document.body) return null;
    const drawn = part => part && getComputedStyle(part).outlineStyle !== 'none'
        && parseFloat(getComputedStyle(part).outlineWidth) >= 2;
    const box = at.getBoundingClientRect();
    return {what: at.outerHTML.slice(0, 120), end: at.hasAttribute('data-seen'),
            drawn: drawn(at) || drawn(at.closest('.card-c')),
            inside: box.bottom > 0 && box.top < innerHeight, mark: at.setAttribute('data-seen', '')};
}"""
MOVING = """() => [...document.querySelectorAll('*')].filter(part => {
    const style = getComputedStyle(part);
    const lasts = text => text.split(',').some(one => parseFloat(one) > 0.02);
    return (style.animationName !== 'none' && lasts(style.animationDuration)) || lasts(style.transitionDuration);
}).map(part => part.outerHTML.slice(0, 120))"""


@pytest.fixture
def guide(page: Page) -> Iterator[Page]:
    html = render_to_string("styleguide.html", samples(), RequestFactory().get("/styleguide/"))
    page.emulate_media(reduced_motion="reduce")
    with shown([View("style guide", html.encode(), {})]) as base:
        page.goto(f"{base}0")
        yield page


def focused(page: Page) -> dict[str, Any] | None:
    page.keyboard.press("Tab")
    found: dict[str, Any] | None = page.evaluate(FOCUSED)
    return found


def test_the_focus_is_seen_at_every_stop(guide: Page) -> None:
    first = focused(guide)
    assert first is not None and "Skip to content" in first["what"] and first["inside"]
    guide.keyboard.press("Enter")
    expect(guide.locator("#main")).to_be_focused()
    stops, hidden = 0, []
    while (at := focused(guide)) is not None and not at["end"]:
        stops += 1
        if not at["drawn"] or not at["inside"]:
            hidden.append(at["what"])
    assert stops > 60, "the walk ended early"
    assert hidden == []


def test_a_dialog_holds_the_focus_and_gives_it_back(guide: Page) -> None:
    opener = guide.get_by_role("link", name="Priya Raman")
    opener.focus()
    guide.keyboard.press("?")
    dialog = guide.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_visible()
    for _ in range(6):
        guide.keyboard.press("Tab")
        assert guide.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    guide.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_nothing_moves_for_who_wants_no_motion(guide: Page) -> None:
    assert guide.evaluate(MOVING) == []
    guide.emulate_media(reduced_motion="no-preference")
    assert guide.evaluate(MOVING) != [], "the question finds what moves"
