"""Grant API Access in a browser: in a window of its own, and without one."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts import addresses
from accounts.models import Membership, User
from carts.models import Cart
from integration_manager.kit.fake_oauth import CLIENT_ID, CLIENT_SECRET
from merchants.models import Merchant
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"


@pytest.fixture
def setup_page(world: World, live_server: Any, settings: Any) -> Iterator[str]:
    """The page of a new cart by consent, and who may open it."""
    settings.IM_BASE_URL = live_server.url
    settings.IM_OAUTH = {"sandbox_oauth": (CLIENT_ID, CLIENT_SECRET)}
    user = User.objects.create_user("owner@world.example", PASSWORD, name="Olive Owner")
    addresses.confirm(user)
    Membership.objects.create(user=user, role="primary")
    Cart.objects.all().delete()  # its shop is free
    merchant = Merchant.objects.first()
    assert merchant
    yield f"{live_server.url}/a/{world.account.public_id}/carts/new/sandbox_oauth/?merchant={merchant.public_id}"


def sign_in(page: Page, to: str) -> None:
    page.goto(to)
    page.get_by_label("E-mail").fill("owner@world.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(to)


def fill(page: Page, world: World) -> None:
    page.locator("[name=name]").fill("Granted shop")
    page.get_by_label("Shop address").fill(world.cart.credentials["url"].reveal())


def save(page: Page) -> None:
    expect(page.get_by_text("Successful Authorization")).to_be_visible()
    expect(page.locator("[name=name]")).to_have_value("Granted shop")
    page.get_by_role("button", name="Test and save, services off").click()
    expect(page.get_by_text("Granted shop is connected.")).to_be_visible()


def test_in_a_window_of_its_own_which_closes_itself(world: World, page: Page, setup_page: str) -> None:
    sign_in(page, setup_page)
    fill(page, world)
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Grant API Access").click()
    popup = opened.value
    with popup.expect_event("close"):
        popup.get_by_role("button", name="Approve").click()
    save(page)


def test_where_windows_are_blocked_it_goes_on_in_this_one(world: World, page: Page, setup_page: str) -> None:
    page.add_init_script("window.open = () => null")
    sign_in(page, setup_page)
    fill(page, world)
    page.get_by_role("button", name="Grant API Access").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("Access was not granted", exact=True)).to_be_visible()
    page.get_by_role("link", name="Back to the setup").click()
    fill(page, world)
    page.get_by_role("button", name="Grant API Access").click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("link", name="Continue the setup").click()
    save(page)


def test_without_scripts(world: World, browser: Browser, setup_page: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, setup_page)
    fill(page, world)
    page.get_by_role("button", name="Grant API Access").click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("link", name="Continue the setup").click()
    save(page)
    context.close()


def test_a_merchant_grants_access_by_a_link(world: World, browser: Browser, page: Page, setup_page: str) -> None:
    sign_in(page, setup_page)
    page.get_by_role("link", name="Share setup link").click()
    page.locator("[name=name]").fill("By link")
    page.get_by_role("button", name="Make the link").click()
    url = page.locator("code.said").inner_text()
    context = browser.new_context()
    theirs = context.new_page()
    theirs.goto(url)
    theirs.get_by_label("Shop address").fill(world.cart.credentials["url"].reveal())
    theirs.get_by_role("button", name="Grant API Access").click()
    theirs.get_by_role("button", name="Approve").click()
    expect(theirs.get_by_role("heading", name="Successful Authorization")).to_be_visible()
    assert Cart.objects.filter(name="By link", system="sandbox_oauth").exists()
    theirs.goto(url)
    expect(theirs.get_by_text("This link does not work")).to_be_visible()
    context.close()
