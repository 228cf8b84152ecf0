"""Passkeys and authenticator apps in a real browser, with a virtual authenticator."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests import desk as desks
from tests.desk import PASSWORD, Desk, code
from tests.test_sign_in import OWNER

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


@pytest.fixture
def base(live_server: Any) -> str:
    return str(live_server.url).replace("127.0.0.1", "localhost")  # passkeys belong to a name


@pytest.fixture
def telephone(page: Page) -> Any:
    """A telephone that says yes to everything."""
    browser = page.context.new_cdp_session(page)
    browser.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = browser.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    yield browser, made
    browser.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": made})


def password(page: Page, base: str) -> None:
    page.goto(f"{base}/login/")
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page, base: str) -> None:
    page.goto(f"{base}/logout/")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{base}/login/")


def test_a_passkey_signs_in_and_is_the_second_step_too(page: Page, base: str, desk: Desk, telephone: Any) -> None:
    password(page, base)
    page.goto(f"{base}/security/")
    page.get_by_role("link", name=re.compile("Add")).click()
    page.get_by_label("Name").fill("Telephone")
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "recovery-codes.txt"
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Passkey “Telephone”")).to_be_visible()

    sign_out(page, base)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(f"{base}{desk.url()}")

    sign_out(page, base)
    password(page, base)
    expect(page.get_by_role("heading", name="The second step")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(f"{base}{desk.url()}")

    sign_out(page, base)
    browser, made = telephone
    browser.send("WebAuthn.clearCredentials", {"authenticatorId": made})
    browser.send("WebAuthn.setUserVerified", {"authenticatorId": made, "isUserVerified": False})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("That did not work")).to_be_visible()


def test_an_app_by_its_key_and_then_its_code(page: Page, base: str, desk: Desk) -> None:
    password(page, base)
    page.goto(f"{base}/security/app/add/")
    expect(page.get_by_alt_text("QR code")).to_be_visible()
    assert page.evaluate("document.querySelector('.qr img').naturalWidth") > 0, "the policy lets it through"
    key = page.locator("code").inner_text()
    page.get_by_label("Code that the app shows").fill(code(key))
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    recovery = page.locator(".codes code").first.inner_text()
    sign_out(page, base)
    password(page, base)
    page.get_by_label("Code").fill(recovery)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{base}{desk.url()}")


def test_sign_up_knows_the_browsers_time_zone(page: Page, base: str, desk: Desk) -> None:
    browser = page.context.browser
    assert browser is not None
    there = browser.new_context(timezone_id="Asia/Tokyo").new_page()
    there.goto(f"{base}/signup/")
    expect(there.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    there.context.close()
