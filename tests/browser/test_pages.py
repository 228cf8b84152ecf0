"""The pages in a real browser: a login, keys, themes, work without scripts. That all of them fit and are accessible:
tests/browser/test_every_page.py."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from tests import desk as desks
from tests.desk import PASSWORD, Desk, make_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    made = desks.build(orders=4)
    with tenancy.activate(made.account.pk):
        make_order(made.carts[0], "ONE-ERR", status="error", error_code="x", error_message="No", cause=made.alert.key)
        make_order(made.carts[0], "ONE-OK", status="confirmed")
    return made


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser complains of: errors of scripts, and what the content security policy blocks."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    yield found
    assert found == []


def sign_in(page: Page, base: str, email: str = "owner@northquay.example", password: str = PASSWORD) -> None:
    page.goto(base)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/a/**")


def test_keys_search_move_and_help(page: Page, live_server: Any, desk: Desk, complaints: list[str]) -> None:
    sign_in(page, live_server.url)
    page.goto(live_server.url + desk.url("orders/"))
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("tr.is-cursor")).to_have_count(1)
    first = page.locator("tbody tr.is-cursor a.rowlink").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(first)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_text("Select the row")).to_be_hidden()  # there is nothing to select here
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()  # while it is open, nothing behind it takes the focus
    page.keyboard.press("/")
    expect(page.locator("input[type=search]:focus")).to_have_count(1)
    page.keyboard.type("one-ok")
    page.keyboard.press("Enter")
    expect(page.locator("[data-row]")).to_have_count(1)


def test_theme_switches_at_once_and_stays(page: Page, live_server: Any, desk: Desk, complaints: list[str]) -> None:
    sign_in(page, live_server.url)
    page.locator(".topbar details.menu-end > summary").click()
    with page.expect_response("**/theme/"):
        page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_the_help_names_x_where_rows_can_be_selected(
    page: Page, live_server: Any, desk: Desk, complaints: list[str]
) -> None:
    sign_in(page, live_server.url)
    page.goto(live_server.url + desk.url("alerts/"))
    page.keyboard.press("?")
    expect(page.get_by_text("Select the row")).to_be_visible()


def test_main_tasks_work_without_scripts(browser: Any, live_server: Any, desk: Desk) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    sign_in(page, live_server.url)
    page.goto(live_server.url + desk.url("orders/"))
    page.get_by_label("Number, reference, name").fill("ONE-100")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="ONE-100", exact=True).click()
    page.get_by_role("button", name="Cancel Sending").click()
    expect(page.get_by_role("status")).to_contain_text("will not be sent")
    page.goto(live_server.url + desk.url("alerts/"))
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Dismiss selected").click()
    expect(page.get_by_role("status")).to_contain_text("1 alert dismissed")
    with tenancy.activate(desk.account.pk):
        Alert.objects.update(dismissed_at=None)
        Alert.objects.create(kind=desk.alert.kind, key="y", message="Y", first_seen=clock.now(), last_seen=clock.now())
    page.goto(live_server.url + desk.url("alerts/"))
    page.get_by_role("button", name="Dismiss all 2 of this kind").click()
    expect(page.get_by_role("status")).to_contain_text("2 alerts dismissed")


def test_first_view_is_light(page: Page, live_server: Any, desk: Desk) -> None:
    sizes: dict[str, int] = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}) if answer.ok else None)
    sign_in(page, live_server.url)
    page.goto(live_server.url + desk.url("orders/"))
    page.wait_for_load_state("networkidle")
    ours = [size for url, size in sizes.items() if "/static/" not in url]
    assert max(ours) < 120_000
    assert sum("/static/" in url for url in sizes) <= 12
