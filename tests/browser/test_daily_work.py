"""In a browser, the day's most usual trouble: orders of an unmapped ship method are one alert, and one mapping
sends them all."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts import addresses
from accounts.models import Membership, User
from alerts.models import Alert
from merchants.models import Service
from orders.models import Order, Status
from tests.world import World, place
from wms.models import WmsShipMethod

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
HELD = 20


def sign_in(page: Page, address: str) -> None:
    user = User.objects.create_user("owner@world.example", PASSWORD, name="Olive Owner")
    addresses.confirm(user)
    Membership.objects.create(user=user, role="primary")
    page.goto(address)
    page.get_by_label("E-mail").fill("owner@world.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/a/**")


def test_twenty_orders_of_one_unmapped_method_are_one_group_and_one_mapping_sends_them(
    world: World, page: Page, live_server: Any
) -> None:
    world.cart.reject_unmapped = True
    world.cart.save()
    for code in ("GROUND", "EXPRESS"):
        WmsShipMethod.objects.create(wms=world.wms, code=code, description=code.title())
    for number in range(1, HELD + 1):
        place(world, number, shipping_method="Drone")
    world.run(Service.DOWNLOAD)
    assert Order.objects.filter(status=Status.ERROR).count() == HELD

    sign_in(page, live_server.url)
    main = page.get_by_role("navigation", name="Main")
    main.get_by_role("link", name="Alerts").click()
    alert = page.locator("li.cause").filter(has_text="“Drone”")
    expect(alert).to_have_count(1)
    assert Alert.objects.filter(resolved_at=None, kind="ship_method_unmapped").count() == 1
    expect(alert).to_contain_text(f"{HELD} orders")
    # One mail has been sent by now: tests/test_alert_mails.py looks at those.

    # The one fix for all of them is one link away.
    alert.get_by_role("link", name="Map the method").click()
    expect(page.locator("h1")).to_have_text("Ship Methods of Shop")
    expect(page.get_by_text(f"{HELD} orders wait")).to_be_visible()
    page.get_by_label("WMS ship method for Drone").select_option("EXPRESS")
    page.get_by_role("button", name=f"Save and release {HELD} orders").click()
    expect(page.get_by_text(f"1 change saved. {HELD} orders go to the WMS")).to_be_visible()

    assert Alert.objects.filter(resolved_at=None, kind="ship_method_unmapped").count() == 0
    world.run(Service.DELIVER)
    warehouse: Any = world.warehouse
    assert [row["ship_method"] for row in warehouse.orders] == ["EXPRESS"] * HELD
    main.get_by_role("link", name="Alerts").click()
    expect(page.get_by_text("“Drone”")).to_have_count(0)
    main.get_by_role("link", name="Orders").click()
    page.locator("[data-row] a.rowlink").first.click()
    expect(page.locator(".timeline").get_by_text("“Drone” is sent as EXPRESS")).to_be_visible()
