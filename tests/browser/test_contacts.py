"""The two lists of Error Contacts, by mouse, by keyboard alone, and on a phone without scripts."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from alerts import contacts
from integration_manager import tenancy
from tests import desk as desks
from tests.browser.test_pages import sign_in
from tests.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
OWNER = "owner@northquay.example"


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    return desks.build(orders=0)


def alerted(desk: Desk) -> bool:
    """Whether the owner is told of all merchants' alerts."""
    with tenancy.activate(desk.account.pk):
        return any(c.alerted for c in contacts.contacts(None) if c.user.email == OWNER)


def test_users_move_by_mouse_and_by_keyboard_alone(page: Page, live_server: Any, desk: Desk) -> None:
    sign_in(page, live_server.url)
    page.goto(live_server.url + desk.url("wms/"))
    quiet, told = page.get_by_label("Users Not Alerted"), page.get_by_label("Users to Alert")
    told.select_option(index=0)
    page.get_by_role("button", name="No longer alert the chosen users").click()
    expect(quiet).to_contain_text(OWNER)
    assert not alerted(desk)
    # By keyboard: into the list, choose, Enter.
    quiet.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(told).to_contain_text(OWNER)
    assert alerted(desk)
    # And by the arrow itself.
    told.focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="No longer alert the chosen users").focus()
    page.keyboard.press("Enter")
    expect(quiet).to_contain_text(OWNER)


def test_they_move_on_a_phone_without_scripts(browser: Browser, live_server: Any, desk: Desk) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 780}, has_touch=True)
    page = context.new_page()
    sign_in(page, live_server.url)
    page.goto(live_server.url + desk.url("wms/"))
    page.get_by_label("Users to Alert").select_option(index=0)
    page.get_by_role("button", name="No longer alert the chosen users").tap()
    expect(page.get_by_label("Users Not Alerted")).to_contain_text(OWNER)
    assert not alerted(desk)
    context.close()
