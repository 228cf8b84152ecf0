"""The profile: one for every person, whatever they may do besides; what is set there is obeyed."""

import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from accounts.models import Membership, User
from alerts import contacts, planning
from alerts.models import AlertMail
from alerts.raising import raise_alert
from integration_manager import tenancy
from integration_manager.kit import clock
from tests import desk as desks
from tests.desk import Desk

pytestmark = pytest.mark.django_db
TYPED = {"name": "Pri", "timezone": "Asia/Tokyo", "theme": "dark", "mail-frequency": "daily", "mail-at_hour": "17"}


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=1)


def save(desk: Desk, who: str = "owner", **changed: str) -> Any:
    return desk.client(who).post(desk.url("profile/"), TYPED | changed)


@pytest.mark.parametrize("who", ["owner", "colleague"])
def test_everybody_has_one_and_it_is_kept(desk: Desk, who: str) -> None:
    assert save(desk, who).status_code == 302
    user = User.objects.get(pk=desk.users[who].pk)
    assert (user.name, user.timezone, user.theme) == ("Pri", "Asia/Tokyo", "dark")
    with tenancy.activate(desk.account.pk):
        wanted = contacts.preference(user)
        assert (wanted.frequency, wanted.at_hour) == ("daily", 17)
    page = desk.client(who).get(desk.url("profile/")).content.decode()
    assert '<option value="daily" selected>' in page
    assert '<option value="17" selected>17:00' in page


def test_sent_twice_it_is_kept_once(desk: Desk) -> None:
    assert [save(desk).status_code, save(desk, **{"mail-frequency": "never"}).status_code] == [302, 302]
    with tenancy.activate(desk.account.pk):
        assert contacts.preference(desk.users["owner"]).frequency == "never"


def test_how_often_is_a_matter_of_each_account(desk: Desk) -> None:
    save(desk)
    other = desks.build("Elsewhere", orders=0)
    with tenancy.activate(other.account.pk):
        assert contacts.preference(desk.users["owner"]).frequency == "hourly"


def test_in_another_time_zone_mails_that_wait_come_at_its_hour_in_each_account(desk: Desk) -> None:
    owner, other = desk.users["owner"], desks.build("Elsewhere", orders=0)
    for one in (desk, other):
        with tenancy.activate(one.account.pk):
            if one is other:
                Membership.objects.create(user=owner, role="admin")
            contacts.set_preference(owner, "daily", 8)
            raise_alert("stock_refused", "k", "About k", now=clock.now(), merchant_id=one.merchants[0].pk)
            planning.plan(one.account, clock.now())
    assert save(desk, **{"mail-at_hour": "8"}).status_code == 302
    for one in (desk, other):
        with tenancy.activate(one.account.pk):
            letter = AlertMail.objects.select_related("mail").get(user=owner)
            assert letter.slot.astimezone(ZoneInfo("Asia/Tokyo")).hour == 8
            assert letter.mail is not None and letter.mail.retry_at == letter.slot


@pytest.mark.parametrize(
    "wrong",
    [
        {"timezone": "Moon/Base"},
        {"theme": "pink"},
        {"name": "n" * 10_000},
        {"mail-frequency": "often"},
        {"mail-at_hour": "99"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_kept(desk: Desk, wrong: dict[str, str]) -> None:
    answer = save(desk, **wrong)
    assert answer.status_code == 422
    assert "1 field to correct" in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()
    assert User.objects.get(pk=desk.users["owner"].pk).timezone == "Europe/Berlin"
    with tenancy.activate(desk.account.pk):
        assert contacts.preference(desk.users["owner"]).pk is None


def test_times_follow_the_person_on_every_page_also_outside_an_account(desk: Desk) -> None:
    save(desk)
    client = Client()
    client.post("/login/", {"login": "owner@northquay.example", "password": desks.PASSWORD})
    stamp = re.compile(r'<time datetime="[^"]+([+-]\d\d:\d\d)" title="[^"]+ (\w+)">')
    for page in (desk.url(f"orders/{desk.orders[0].public_id}/"), desk.url("alerts/"), "/security/"):
        shown = stamp.findall(client.get(page).content.decode())
        assert shown, page
        assert set(shown) == {("+09:00", "JST")}, page
    assert "times in Asia/Tokyo" in client.get(desk.url()).content.decode()


def test_the_theme_is_also_that_of_the_page_to_sign_in(desk: Desk) -> None:
    client = desk.client("owner")
    client.post(desk.url("profile/"), TYPED)
    client.logout()
    client.cookies["im_theme"] = "dark"
    assert 'data-bs-theme="dark"' in client.get("/login/").content.decode()


def test_it_leads_to_all_that_protects_the_sign_in(desk: Desk) -> None:
    page = desk.client("owner").get(desk.url("profile/")).content.decode()
    for place in ("/security/email/", "/security/password/", "/security/#steps", "/security/#sessions"):
        assert f'href="{place}"' in page
    assert desk.url("profile/security/") in page
    assert desk.url("profile/security/") not in desk.client("colleague").get(desk.url("profile/")).content.decode()
