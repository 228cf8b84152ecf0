"""A form that meets an ended session: kept for half an hour, for its person only, and nothing done before."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from integration_manager import kept, tenancy
from merchants.models import Merchant, Schedule
from tests import desk as desks
from tests.desk import PASSWORD, Desk

pytestmark = pytest.mark.django_db
TYPED = {"name": "Priya Typed This", "timezone": "Asia/Tokyo", "theme": "dark", "mail-frequency": "daily"}
OWNER, COLLEAGUE = "owner@northquay.example", "colleague@northquay.example"


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=1)


def sign_in(client: Client, email: str = OWNER, then: str = "/") -> Any:
    return client.post("/login/", {"login": email, "password": PASSWORD, "next": then})


@pytest.fixture
def browser(desk: Desk) -> Client:
    """A browser whose session has ended: its person was signed in a moment ago."""
    client = Client()
    sign_in(client)
    client.get(desk.url("profile/"))
    Session.objects.all().delete()
    return client


def back(answer: Any) -> str:
    """Where the sign-in leads to."""
    assert answer.status_code == 302 and answer.headers["Location"].startswith("/login/?next=")
    return str(answer.wsgi_request.GET.get("next") or re.sub(r".*next=", "", answer.headers["Location"]))


def sent(client: Client, url: str, data: dict[str, Any]) -> str:
    """Sends a form from an ended session; the address that the sign-in leads back to."""
    return unquote(back(client.post(url, data)))


def test_it_is_shown_again_in_its_form_and_nothing_was_saved(desk: Desk, browser: Client) -> None:
    then = sent(browser, desk.url("profile/"), TYPED)
    assert "kept: sign in to go on" in browser.get("/login/").content.decode()
    assert sign_in(browser, then=then).headers["Location"] == then
    page = browser.get(then).content.decode()
    assert "Your session had ended; nothing was saved yet:</b> look it over and save" in page
    assert 'value="Priya Typed This"' in page
    assert '<option value="Asia/Tokyo" selected>' in page
    assert User.objects.get(email=OWNER).name == "Owner"
    assert browser.post(then.partition("?")[0], TYPED).status_code == 302
    assert User.objects.get(email=OWNER).name == "Priya Typed This"
    assert "Your session had ended" not in browser.get(then).content.decode(), "it was sent: it waits no longer"


def test_reloading_the_page_loses_nothing(desk: Desk, browser: Client) -> None:
    then = sent(browser, desk.url("profile/"), TYPED)
    sign_in(browser)
    assert "Priya Typed This" in browser.get(then).content.decode()
    assert "Priya Typed This" in browser.get(then).content.decode()


def test_secrets_and_files_are_never_stored(desk: Desk, browser: Client) -> None:
    cart, secret = desk.carts[0].public_id, "n3w-s3cret"
    typed = {"name": "Typed name", "c-url": "https://typed.example", "c-api_key": secret, "password": secret}
    then = sent(browser, desk.url(f"carts/{cart}/edit/"), typed | {"file": SimpleUploadedFile("a.csv", b"in the file")})
    (session,) = Session.objects.all()
    waiting = session.get_decoded()["kept_forms"]
    assert "Typed" not in str(waiting), "what waits is encrypted"
    sign_in(browser, then=then)
    page = browser.get(then).content.decode()
    assert "Typed name" in page and "https://typed.example" in page
    assert secret not in page and "in the file" not in page
    assert "were not kept: fill them in again" in page
    ((path, _, _, sealed),) = waiting.values()
    user = User.objects.get(email=OWNER)
    plain = kept.crypto.decrypt(sealed, kept._bound_to(kept._mark_of(user), path))
    assert "Typed+name" in plain
    assert secret not in plain and "in+the+file" not in plain


@pytest.mark.parametrize("name", ["password", "user-password1", "c-api_key", "consumer_secret", "c-access_token"])
def test_what_counts_as_a_secret(name: str) -> None:
    assert kept.is_secret(name)


@pytest.mark.parametrize("name", ["name", "code", "c-url", "mail-frequency", "every_download"])
def test_what_does_not(name: str) -> None:
    assert not kept.is_secret(name)


def test_every_secret_field_of_every_connector_is_left_out() -> None:
    systems = [*kept.cart_systems().systems.values(), *kept.wms_systems().systems.values()]
    found = [name for system in systems for name, field in system.fields.items() if field.secret]
    assert found
    assert all(kept.is_secret(f"c-{name}") for name in found)


def test_somebody_else_who_signs_in_there_does_not_get_it(desk: Desk, browser: Client) -> None:
    then = sent(browser, desk.url("profile/"), TYPED)
    sign_in(browser, COLLEAGUE)
    page = browser.get(then)
    assert page.status_code == 200
    assert "Priya Typed This" not in page.content.decode()


def test_another_browser_does_not_get_it_by_its_address(desk: Desk, browser: Client) -> None:
    then = sent(browser, desk.url("profile/"), TYPED)
    assert "Priya Typed This" not in desk.client("owner").get(then).content.decode()


def test_it_is_shown_at_its_own_address_only(desk: Desk, browser: Client) -> None:
    other = desks.build("Elsewhere", orders=0)
    then = sent(browser, desk.url("profile/"), TYPED)
    sign_in(browser)
    query = then.partition("?")[2]
    assert "Priya Typed This" not in browser.get(f"{desk.url('merchants/new/')}?{query}").content.decode()
    assert browser.get(f"{other.url('profile/')}?{query}").status_code == 404


def test_after_half_an_hour_it_is_gone(desk: Desk, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    then = sent(browser, desk.url("profile/"), TYPED)
    sign_in(browser)
    now = kept.time.time()
    monkeypatch.setattr(kept.time, "time", lambda: now + kept.KEPT_SECONDS + 1)
    page = browser.get(then)
    assert page.status_code == 200
    assert "Priya Typed This" not in page.content.decode()


def test_a_browser_in_which_nobody_was_signed_in_keeps_nothing(desk: Desk) -> None:
    client = Client()
    then = sent(client, desk.url("profile/"), TYPED)
    assert then == desk.url()
    assert all("kept_forms" not in session.get_decoded() for session in Session.objects.all())


def test_a_mark_that_somebody_made_up_keeps_nothing(desk: Desk) -> None:
    client = Client()
    client.cookies[kept.COOKIE] = "f" * 64 + ":made-up"
    assert sent(client, desk.url("profile/"), TYPED) == desk.url()


def test_a_form_from_another_site_is_not_kept(desk: Desk, browser: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert sent(strict, desk.url("profile/"), TYPED) == desk.url()


def test_what_is_too_long_is_not_kept_and_that_is_said(desk: Desk, browser: Client) -> None:
    assert sent(browser, desk.url("profile/"), TYPED | {"name": "n" * 200_000}) == desk.url()
    assert "What you sent was not done" in browser.get("/login/").content.decode()
    assert "n" * 10_000 in _shown(desk, browser, TYPED | {"name": "n" * 10_000})


def _shown(desk: Desk, browser: Client, data: dict[str, str]) -> str:
    then = sent(browser, desk.url("profile/"), data)
    sign_in(browser, then=then)
    return browser.get(then).content.decode()


def test_no_more_than_three_wait(desk: Desk, browser: Client) -> None:
    for number in range(5):
        sent(browser, desk.url("profile/"), TYPED | {"name": f"n{number}"})
    (session,) = Session.objects.all()
    assert len(session.get_decoded()["kept_forms"]) == kept.MOST


def test_a_form_without_a_page_of_its_own_is_shown_as_a_list_with_a_button(desk: Desk, browser: Client) -> None:
    merchant = desk.merchants[0].public_id
    page, url = desk.url(f"merchants/{merchant}/"), desk.url(f"merchants/{merchant}/services/")
    answer = browser.post(url, {"every_deliver": "off"}, headers={"Referer": f"http://testserver{page}"})
    then = unquote(back(answer))
    sign_in(browser, then=then)
    shown = browser.get(then).content.decode()
    assert "Not sent yet" in shown and f'action="{url}"' in shown
    assert '<input type="hidden" name="every_deliver" value="off">' in shown
    assert f'href="{page}"' in shown
    with tenancy.activate(desk.account.pk):
        assert Schedule.objects.get(merchant=desk.merchants[0], cart=None, service="deliver").every == 3600
    assert browser.post(url, {"every_deliver": "off"}).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert not Schedule.objects.get(merchant=desk.merchants[0], cart=None, service="deliver").every


def test_a_button_alone_leads_back_to_its_page(desk: Desk, browser: Client) -> None:
    cart = desk.carts[0].public_id
    page = desk.url(f"carts/{cart}/")
    answer = browser.post(f"{page}run/download/", {}, headers={"Referer": f"http://testserver{page}"})
    assert answer.headers["Location"] == f"/login/?next={page}"
    away = browser.post(f"{page}run/download/", {}, headers={"Referer": f"https://evil.example{page}"})
    assert away.headers["Location"] == f"/login/?next={desk.url()}"


def test_nothing_that_waits_is_ever_done_by_opening_it(desk: Desk, browser: Client) -> None:
    """Also by a page that acts on a word in what it is sent."""
    url = desk.url(f"merchants/{desk.merchants[1].public_id}/archive/")
    then = sent(browser, url, {"confirm": "1", "name": desk.merchants[1].name})
    sign_in(browser, then=then)
    assert browser.get(then).status_code == 200
    with tenancy.activate(desk.account.pk):
        assert Merchant.objects.get(pk=desk.merchants[1].pk).archived_at is None


def test_an_overtaken_form_is_told_so_also_after_the_sign_in(desk: Desk, browser: Client) -> None:
    url = desk.url(f"carts/{desk.carts[0].public_id}/edit/")
    page = desk.client("owner").get(url).content.decode()
    found = re.search(r'name="mark" value="(\w+)"', page)
    assert found is not None
    then = sent(browser, url, {"name": "Mine", "mark": found[1]})
    with tenancy.activate(desk.account.pk):
        desk.carts[0].name = "Theirs"
        desk.carts[0].save()
    sign_in(browser, then=then)
    again = browser.get(then).content.decode()
    assert f'name="mark" value="{found[1]}"' in again, "so that sending it says what has changed meanwhile"


def test_a_form_of_an_earlier_sign_in_is_shown_again_too(desk: Desk) -> None:
    """Signed in anew in another tab: the token in this one is of before."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(desk.users["owner"])
    typed = TYPED | {"csrfmiddlewaretoken": "x" * 64}
    answer: Any = client.post(desk.url("profile/"), typed, headers={"Origin": "http://testserver"})
    assert answer.status_code == 302
    page = client.get(answer.headers["Location"]).content.decode()
    assert "Priya Typed This" in page and "nothing was saved yet" in page
    assert User.objects.get(email=OWNER).name == "Owner"
    for origin in ({}, {"Origin": "https://evil.example"}):
        refused = client.post(desk.url("profile/"), typed, headers=origin)
        assert refused.status_code == 403
