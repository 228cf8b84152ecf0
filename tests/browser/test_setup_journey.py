"""A stranger gets through: from the sign-up to the first shipped order, by what the pages say alone."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Locator, Page, expect

from accounts.models import Account
from integration_manager import tenancy
from integration_manager.kit.simulator import Fake
from merchants.models import Schedule, Service
from merchants.schedules import LEASE
from orders import connections, jobs
from orders.models import Order
from tests.browser.test_pages import complaints
from tests.smtp_server import Post, serving
from tests.world import ago, fake

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["complaints"]  # a fixture

PASSWORD = "seven quiet harbours"


@pytest.fixture
def post(transactional_db: None, settings: Any) -> Iterator[Post]:
    with serving(settings) as post:
        yield post


@pytest.fixture
def systems(settings: Any) -> Iterator[tuple[Fake, dict[str, Any], Fake, dict[str, Any]]]:
    """A shop and a warehouse, and what their owners say of how to get in."""
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    shop, warehouse = fake("sandbox_shop", "oak"), fake("sandbox_wms", "wms")
    with shop.serve() as shop_url, warehouse.serve() as warehouse_url:
        yield shop, dict(shop.values(shop_url)), warehouse, dict(warehouse.values(warehouse_url))
    connections.guard.cache_clear()


class Hand:
    """How a person uses a page: by mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, place: Locator) -> None:
        place.click()

    def write(self, place: Locator, text: str) -> None:
        place.fill(text)

    def choose(self, place: Locator, value: str) -> None:
        place.select_option(value)


# Whether it has the focus. Once Tab has reached it, more of them do nothing: it need not be asked after each.
REACHED = """element => {
    removeEventListener('keydown', window.stay, true);
    if (document.activeElement === element) return true;
    window.stay = event => {
        if (event.key === 'Tab' && document.activeElement === element) event.preventDefault();
    };
    addEventListener('keydown', window.stay, true);
    return false;
}"""


class Keys(Hand):
    """The same with the keyboard alone: what Tab does not reach cannot be used."""

    def _go(self, place: Locator) -> None:
        place.wait_for(state="visible")
        for _ in range(15):
            if place.evaluate(REACHED):
                return
            for key in ("Tab",) * 10:
                self.page.keyboard.press(key)
        raise AssertionError(f"Tab does not reach {place}")

    def press(self, place: Locator) -> None:
        self._go(place)
        kind = place.get_attribute("type")
        self.page.keyboard.press("Space" if kind in ("checkbox", "radio") else "Enter")

    def write(self, place: Locator, text: str) -> None:
        self._go(place)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def choose(self, place: Locator, value: str) -> None:
        self._go(place)
        label = place.locator(f'option[value="{value}"]').inner_text()
        self.page.keyboard.type(label)


def run(account: Account, *services: Service) -> None:
    """One run of each of these services of the account, through the same door as the worker."""
    with tenancy.activate(account.pk):
        for service in services:
            schedule = Schedule.objects.get(service=service)
            schedule.token += 1
            lease = Now() + timedelta(seconds=LEASE)
            Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=lease)
            jobs.run_schedule(schedule.pk, schedule.token)
            schedule.refresh_from_db()
            assert schedule.problem == "", service


def step(page: Page) -> Locator:
    """The link of the next step on the dashboard."""
    return page.locator(".checklist [aria-current=step] a")


def answer(page: Page) -> Locator:
    """What a test of a connection says."""
    return page.locator("#answer").get_by_role("status")


def dashboard(hand: Hand) -> None:
    page = hand.page
    hand.press(page.get_by_role("navigation", name="Main").get_by_role("link", name="Dashboard"))
    expect(page.get_by_role("heading", name="Today’s orders")).to_be_visible()


def journey(hand: Hand, base: str, post: Post, systems: Any, kind: str, person: str) -> None:
    page = hand.page
    shop, shop_says, warehouse, warehouse_says = systems

    page.goto(base)
    hand.press(page.get_by_role("link", name="Create an account"))
    hand.press(page.get_by_role("radio", name=re.compile(kind))) if kind != "Fulfillment Center" else None
    hand.write(page.get_by_label("Company"), "Quayside")
    hand.write(page.get_by_label("Your name"), "Nadia Brandt")
    hand.write(page.get_by_label("E-mail"), person)
    hand.write(page.get_by_label("Password"), PASSWORD)
    hand.press(page.get_by_role("checkbox", name=re.compile("I agree")))
    hand.press(page.get_by_role("button", name="Create the account"))
    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    page.goto(base + post.deliver().link(person))
    hand.press(page.get_by_role("button", name="Verify the address"))
    page.wait_for_url("**/a/**")
    account = Account.objects.get(name="Quayside")

    # Where all orders go.
    expect(step(page)).to_have_text("Connect the WMS")
    hand.press(step(page))
    hand.press(page.get_by_role("link", name="Sandbox warehouse", exact=True))
    hand.write(page.get_by_label("Warehouse address"), warehouse_says["url"])
    hand.write(page.get_by_label("Key", exact=True), warehouse_says["api_key"])
    hand.press(page.get_by_role("button", name="Test WMS Connection"))
    expect(answer(page)).to_contain_text("tested together with a merchant’s values")
    hand.press(page.get_by_role("button", name="Test and save"))
    expect(page.get_by_role("heading", name="WMS Setup", exact=True)).to_be_visible()

    # Whose orders.
    dashboard(hand)
    if kind == "Merchant":
        expect(step(page)).to_have_text("Fill in the WMS settings")
    else:
        expect(step(page)).to_have_text("Add the first merchant")
    hand.press(step(page))
    if kind != "Merchant":
        hand.write(page.get_by_label("Merchant Name"), "Alder & Finch")
        hand.write(page.get_by_label("Code", exact=True), "AF")
    hand.write(page.get_by_label("Customer ID"), "nobody")
    hand.press(page.get_by_role("button", name="Test WMS Connection"))
    expect(answer(page)).to_contain_text("is no customer of ours")
    hand.write(page.get_by_label("Customer ID"), warehouse_says["customer"])
    hand.press(page.get_by_role("button", name="Test WMS Connection"))
    expect(answer(page)).to_contain_text("Test WMS Connection successful")
    hand.press(page.get_by_role("button", name=re.compile("^(Add and switch on services|Save)$")))
    expect(
        page.get_by_role("heading", name="Quayside" if kind == "Merchant" else "Alder & Finch", exact=True)
    ).to_be_visible()

    # Where they come from.
    dashboard(hand)
    expect(step(page)).to_have_text("Connect the first cart")
    hand.press(step(page))
    hand.press(page.get_by_role("link", name="Sandbox shop", exact=True))
    hand.write(page.get_by_label("Name", exact=True), "Oak shop")
    _shop(hand, shop_says)
    hand.press(page.get_by_role("button", name="Test connection"))
    expect(answer(page)).to_contain_text("It works")
    hand.press(page.get_by_role("button", name="Test and save, services off"))
    expect(page.get_by_text("This cart is off.")).to_be_visible()

    # What will become of them.
    number = shop.place(1, ago())  # type: ignore[attr-defined]
    shop.table("orders").change(number, shipping_method="GROUND")
    hand.press(page.get_by_role("link", name="Preview"))
    hand.press(page.get_by_role("button", name=re.compile("Read")).first)
    expect(page.get_by_role("heading", name="Sandbox warehouse gets")).to_be_visible()
    with tenancy.activate(account.pk):
        assert not Order.objects.exists(), "a preview loads nothing"

    # On.
    dashboard(hand)
    expect(step(page)).to_have_text("Switch services on")
    hand.press(step(page))
    hand.press(page.get_by_role("button", name=re.compile("^Switch on")))
    expect(page.get_by_text("Oak shop is on.")).to_be_visible()
    dashboard(hand)
    expect(step(page)).to_have_text("First order delivered")

    # The first order goes its way.
    run(account, Service.DOWNLOAD, Service.DELIVER)
    hand.press(page.get_by_role("navigation", name="Main").get_by_role("link", name="Orders"))
    hand.press(page.locator("[data-row] a.rowlink").first)
    expect(page.locator("h1")).to_contain_text("At WMS")
    with tenancy.activate(account.pk):
        order = Order.objects.get()
    assert order.cart_key == number
    warehouse.pack(order.wms_key)  # type: ignore[attr-defined]
    dashboard(hand)
    expect(step(page)).to_have_text("First tracking back")
    run(account, Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS)
    hand.press(page.get_by_role("navigation", name="Main").get_by_role("link", name="Orders"))
    hand.press(page.locator("[data-row] a.rowlink").first)
    expect(page.locator("h1")).to_contain_text("Confirmed")
    assert [parcel["tracking_number"] for parcel in shop.effects("shipment", number)]
    dashboard(hand)
    expect(page.get_by_role("heading", name="Setup")).to_be_hidden()


def _shop(hand: Hand, says: dict[str, Any]) -> None:
    from carts.systems.sandbox_shop import SandboxShop

    for name, value in says.items():
        hand.write(hand.page.get_by_label(SandboxShop.fields[name].label, exact=True), str(value))


MAKE: dict[str, Callable[[Page], Hand]] = {"mouse": Hand, "keyboard": Keys}


@pytest.mark.parametrize(
    ("kind", "by"), [("Fulfillment Center", "mouse"), ("Merchant", "mouse"), ("Fulfillment Center", "keyboard")]
)
def test_from_the_sign_up_to_the_first_shipped_order(
    page: Page, live_server: Any, post: Post, systems: Any, complaints: list[str], kind: str, by: str
) -> None:
    base = str(live_server.url).replace("127.0.0.1", "localhost")
    person = f"nadia-{by}@{kind.split()[0].lower()}.example"  # one address gets one such mail in three minutes
    journey(MAKE[by](page), base, post, systems, kind, person)
