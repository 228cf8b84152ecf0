"""Every page in a real browser, for everybody who sees it: it fits, it is accessible, nothing of it is blocked.

One browser walks through all of them. The theme and the width change without a new load; what cannot differ by them
is asked once: the dark theme has other colours and nothing else, a phone shows other parts of the same page.
Whether a text can be read is a matter of how it and all around it are styled: each combination that any page shows
in any theme at any width is judged once (tests/browser/colours.py).
"""

from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page

from tests.browser.colours import Colours
from tests.browser.showing import look, opened, shown, widths
from tests.browser.violations import Violations
from tests.every_view import View

pytestmark = pytest.mark.django_db
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
ALL_WIDTHS = (1280, 1600, 1000, 720, 360)  # as it is when it has loaded, first
OF_A_PHONE = ["scrollable-region-focusable", "target-size"]


def test_every_page_fits_and_is_accessible_and_nothing_is_blocked(page: Page, views: list[View]) -> None:
    complaints: list[str] = []
    problems: list[str] = []
    colours, violations = Colours(page), Violations(page)
    seen: set[str] = set()  # menus and dialogs, each of which is opened once
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.add_init_script(AXE.read_text())
    with shown(views) as base:
        for number, view in enumerate(views):
            desk, phone = widths(view)
            look(page, desk, "light")
            page.goto(f"{base}{number}")
            found = list(complaints)
            for width in widths(view) if view.mail else ALL_WIDTHS:
                look(page, width, "light")
                wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                found += [f"{wider} px too wide at {width} px"] if wider > 0 else []
                if width in (desk, phone):
                    wrong = violations.found() if width == desk else violations.found(OF_A_PHONE)
                    found += [f"{one} [{width} px]" for one in wrong + colours.unreadable()]
            for width in (phone, desk):
                look(page, width, "dark")
                found += [f"{one} [{width} px, dark]" for one in colours.unreadable()]
            for part in opened(page, seen):
                for theme in ("light", "dark"):
                    look(page, desk, theme)
                    found += [f"{one} [open {part}, {theme}]" for one in colours.unreadable()]
                found += [f"{one} [open {part}]" for one in violations.found(whole=True)]
                look(page, phone, "light")
                wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                found += [f"{wider} px too wide at {phone} px [open {part}]"] if wider > 0 else []
            problems += [f"{view.name}: {one}" for one in found]
            complaints.clear()
    assert problems == [], "\n".join(problems)
    assert len(violations.grave) > 50, "axe has more rules than that"
    assert len(colours.judged) > 100, "the pages show more combinations of colours than that"


def test_what_cannot_be_read_is_found_on_whichever_page_it_stands_first(page: Page) -> None:
    """A colour that fits on white and not on grey; the same text twice; text that only a field shows."""
    style = "<style>p, input { color: #767676; background: #fff } .on-grey p { background: #ddd }</style>"
    page.add_init_script(AXE.read_text())
    colours = Colours(page)
    bodies = (
        "<p>Readable</p><p>as well</p>",
        "<p>Readable</p><div class='on-grey'><p>Hardly</p></div>",
        "<div class='on-grey'><p>Known by now</p></div>",
        "<label><p>Name</p><input value='typed' style='color: #aaa'></label>",
        "<div hidden class='on-grey'><p style='color: #eee'>Not shown</p></div>",
    )
    found = []
    with shown([View("", (style + body).encode(), {}) for body in bodies]) as base:
        for number in range(len(bodies)):
            page.goto(f"{base}{number}")
            found.append(colours.unreadable())
    assert [len(one) for one in found] == [0, 1, 0, 1, 0], found
    assert "Hardly" in found[1][0]
    assert "input" in found[3][0]


def test_what_stands_around_a_page_is_left_out_only_where_it_is_the_same(page: Page) -> None:
    """Something wrong in the content, around it, around it once more, and with the page as a whole."""
    bad, title = "<img src='/static/none.png'>", "<title>Pages</title>"
    views = [
        f"<!doctype html><html lang='en'>{title}<body><nav>{nav}</nav><main><h1>Page</h1>{content}</main></body></html>"
        for nav, content in (("", "one"), ("", bad), (bad, "two"), (bad, "three"), ("", "four"))
    ]
    views[-1] = views[-1].replace(title, "")
    page.add_init_script(AXE.read_text())
    violations, found = Violations(page), []
    with shown([View("", view.encode(), {}) for view in views]) as base:
        for number in range(len(views)):
            page.goto(f"{base}{number}")
            found.append(" ".join(violations.found()).partition(" ")[0])
    assert found == ["", "image-alt", "image-alt", "", "document-title"]
