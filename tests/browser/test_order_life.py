"""In a browser: log in, and watch an order go from New to Confirmed by itself."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts import addresses
from accounts.models import Membership, User
from merchants.models import Service
from tests.world import World, ago

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"


def test_an_order_reaches_confirmed_under_the_eyes_of_its_owner(world: World, page: Page, live_server: Any) -> None:
    user = User.objects.create_user("owner@world.example", PASSWORD, name="Olive Owner")
    addresses.confirm(user)
    Membership.objects.create(user=user, role="primary")
    number = world.shop.place(1, ago(minutes=5))

    page.goto(live_server.url)
    page.get_by_label("E-mail").fill("owner@world.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/a/**")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Orders").click()
    expect(page.get_by_text("No order yet")).to_be_visible()

    world.run(Service.DOWNLOAD)
    page.reload()
    page.locator("[data-row] a.rowlink").first.click()
    title = page.locator("h1")
    expect(title).to_contain_text("New")

    # From here on nobody touches the page: its part asks by itself every ten seconds.
    world.run(Service.DELIVER)
    expect(title).to_contain_text("At WMS", timeout=15_000)
    order = world.only()
    world.warehouse.pack(order.wms_key)
    world.run(Service.SHIP_CONFIRM)
    world.run(Service.UPLOAD_SHIPMENTS)
    expect(title).to_contain_text("Confirmed", timeout=15_000)
    expect(page.get_by_text("In the cart since")).to_be_visible()
    assert number in (order.cart_key, order.cust_po_no)
