"""The pages in a real browser: a login, an order's way to Confirmed, keys, themes, accessibility."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from orders.models import Order
from tests import desk as desks
from tests.desk import PASSWORD, Desk, make_order

pytestmark = pytest.mark.django_db(transaction=True)
SERIOUS = ("serious", "critical")


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


def addresses(desk: Desk) -> dict[str, str]:
    order, error = desk.orders[0].public_id, desk.alert.public_id
    merchant, cart = desk.merchants[0].public_id, desk.carts[0].public_id
    with tenancy.activate(desk.account.pk):
        held = Order.objects.get(cust_po_no="ONE-ERR").public_id
    return {
        "dashboard": "",
        "orders": "orders/",
        "skipped": "orders/skipped/",
        "filter": "orders/filter/",
        "no order": "orders/?q=zzz",
        "order": f"orders/{order}/",
        "order in error": f"orders/{held}/",
        "exchanges": f"orders/{order}/exchanges/",
        "merchants": "merchants/",
        "merchant": f"merchants/{merchant}/",
        "merchant settings": f"merchants/{merchant}/edit/",
        "new merchant": "merchants/new/",
        "carts": "carts/",
        "gallery": f"carts/new/?merchant={merchant}",
        "new cart": f"carts/new/sandbox_shop/?merchant={merchant}",
        "cart": f"carts/{cart}/",
        "wms": "wms/",
        "choose wms": "wms/choose/",
        "wms settings": "wms/setup/sandbox_wms/",
        "alerts": "alerts/",
        "alert": f"alerts/{error}/",
        "profile": "profile/",
    }


@pytest.mark.parametrize("width", [1600, 1280, 1000, 720, 360])
def test_every_page_fits_and_nothing_is_blocked(
    page: Page, live_server: Any, desk: Desk, complaints: list[str], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, live_server.url)
    for name, path in addresses(desk).items():
        page.goto(live_server.url + desk.url(path))
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{name} is {wider} px too wide"


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])
def test_every_page_is_accessible(page: Page, live_server: Any, desk: Desk, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=theme)
    axe, problems = Axe(), []
    page.goto(live_server.url + "/login/")
    problems += serious(axe, page, "login")
    sign_in(page, live_server.url)
    for name, path in addresses(desk).items():
        page.goto(live_server.url + desk.url(path))
        problems += serious(axe, page, name)
    assert problems == []


def serious(axe: Axe, page: Page, name: str) -> list[str]:
    violations = axe.run(page).response["violations"]
    return [
        f"{name}: {v['id']}: {v['nodes'][0]['html'][:160]} ({len(v['nodes'])})"
        for v in violations
        if v["impact"] in SERIOUS
    ]


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
