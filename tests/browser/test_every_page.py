"""Every page in a real browser, for everybody who sees it: it fits, it is accessible, nothing of it is blocked.

One browser walks through all of them. The theme and the width change without a new load; what cannot differ by them
is asked once: the dark theme has other colours and nothing else, a phone shows other parts of the same page.
"""

from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page

from tests.browser.showing import look, shown, widths
from tests.every_view import View

pytestmark = pytest.mark.django_db
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
ALL_WIDTHS = (1600, 1280, 1000, 720, 360)
COLOURS = ["color-contrast"]
OF_A_PHONE = [*COLOURS, "scrollable-region-focusable", "target-size"]
SERIOUS = """rules => axe.run(document, {
    resultTypes: ['violations'], preload: false, ...(rules && {runOnly: rules})
}).then(found => found.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(
    v => `${v.id} (${v.nodes.length}): ${v.nodes[0].html.slice(0, 200)}`))"""


def test_every_page_fits_and_is_accessible_and_nothing_is_blocked(page: Page, views: list[View]) -> None:
    complaints: list[str] = []
    problems: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.add_init_script(AXE.read_text())
    with shown(views) as base:
        for number, view in enumerate(views):
            look(page, 1280, "light")
            page.goto(f"{base}{number}")
            found = list(complaints)
            for width in widths(view) if view.mail else ALL_WIDTHS:
                look(page, width, "light")
                wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                found += [f"{wider} px too wide at {width} px"] if wider > 0 else []
            for width in widths(view):
                for theme in ("light", "dark"):
                    look(page, width, theme)
                    rules = COLOURS if theme == "dark" else OF_A_PHONE if width == 360 else None
                    found += [f"{one} [{width} px, {theme}]" for one in page.evaluate(SERIOUS, rules)]
            problems += [f"{view.name}: {one}" for one in found]
            complaints.clear()
    assert problems == [], "\n".join(problems)
