"""In a browser, the day's most usual trouble: orders of an unmapped ship method are one alert and one mail, and one
mapping sends them all."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts import addresses, mail
from accounts.models import Membership, User
from alerts import planning
from alerts.models import Alert
from integration_manager.kit import clock
from merchants.models import Service
from orders.models import Order, Status
from tests.smtp_server import Post, post
from tests.world import World, place
from wms.models import WmsShipMethod

__all__ = ["post"]
pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
HELD = 20


OWNER = "owner@world.example"


@pytest.fixture
def owner(world: World) -> User:
    user = User.objects.create_user(OWNER, PASSWORD, name="Olive Owner")
    addresses.confirm(user)
    Membership.objects.create(user=user, role="primary")
    return user


def mails_go(**later: int) -> None:
    """What the two tasks of mails do, now or so much later."""
    at = clock.now() + timedelta(**later)
    planning.plan_all(at)
    mail.send_due(at)


def test_twenty_orders_of_one_unmapped_method_are_one_group_and_one_mapping_sends_them(
    world: World, owner: User, post: Post, page: Page, live_server: Any
) -> None:
    world.cart.reject_unmapped = True
    world.cart.save()
    for code in ("GROUND", "EXPRESS"):
        WmsShipMethod.objects.create(wms=world.wms, code=code, description=code.title())
    for number in range(1, HELD + 1):
        place(world, number, shipping_method="Drone")
    world.run(Service.DOWNLOAD)
    assert Order.objects.filter(status=Status.ERROR).count() == HELD

    mails_go()
    (mailed,) = post.mails
    assert mailed["To"] == OWNER and "Drone" in mailed["Subject"]

    # The mail's link leads through the login to the fix.
    page.goto(live_server.url + post.link(OWNER))
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("h1")).to_have_text("Ship Methods of Shop")

    main = page.get_by_role("navigation", name="Main")
    main.get_by_role("link", name="Alerts").click()
    alert = page.locator("li.cause").filter(has_text="“Drone”")
    expect(alert).to_have_count(1)
    assert Alert.objects.filter(resolved_at=None, kind="ship_method_unmapped").count() == 1
    expect(alert).to_contain_text(f"{HELD} orders")

    # The one fix for all of them is one link away there too.
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
    mails_go(hours=3)
    assert len(post.mails) == 1, "of twenty orders and three hours"
