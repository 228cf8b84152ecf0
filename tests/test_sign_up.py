"""Sign-up: from the form over the mailbox to the dashboard; and what others learn from it (nothing)."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.test import Client

from accounts.models import Account, AuditEntry, Mail, Membership, User
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant
from tests import desk as desks
from tests.smtp_server import Post, html_of, post, text_of

pytestmark = pytest.mark.django_db
__all__ = ["post"]
NEW = {
    "kind": "fulfillment",
    "company": "Alder Logistics",
    "name": "Priya Raman",
    "email": "Priya@Alder.example",
    "password1": "several words together",
    "timezone": "Europe/Berlin",
    "terms": "on",
}
ADDRESS = "priya@alder.example"


def sign_up(client: Client, **changed: str) -> Any:
    return client.post("/signup/", NEW | changed)


def test_from_the_form_to_the_dashboard(post: Post) -> None:
    client = Client()
    assert sign_up(client).headers["Location"] == "/verify/"
    assert "Check your inbox" in client.get("/verify/").content.decode()
    user = User.objects.get(email=ADDRESS)
    assert (user.name, user.timezone) == ("Priya Raman", "Europe/Berlin")
    assert user.terms_accepted_at is not None
    account = Account.objects.get(name="Alder Logistics")
    assert (account.kind, account.timezone) == ("fulfillment", "Europe/Berlin")
    with tenancy.activate(account.pk):
        membership = Membership.objects.get(user=user)
        assert (membership.role, membership.billing) == ("primary", True)
        assert not Merchant.objects.exists()
        assert AuditEntry.objects.get().verb == "account.created"
    assert "/login/" in client.get(f"/a/{account.public_id}/").headers["Location"], "nothing works before"

    link = post.deliver().link(ADDRESS)
    assert post.last(ADDRESS)["Subject"] == "Verify your address"
    for answer in (client.get(link), client.head(link), Client().get(link)):
        assert answer.status_code == 200
    assert not EmailAddress.objects.get(email=ADDRESS).verified, "mail scanners open links"
    assert "Priya Raman" in client.get(link).content.decode()
    assert client.post(link).headers["Location"] == "/"
    assert client.get("/").headers["Location"] == f"/a/{account.public_id}/"
    asked = client.get(f"/a/{account.public_id}/profile/security/")
    assert asked.status_code == 200, "who has just chosen the password is not asked for it again"
    page = client.get(f"/a/{account.public_id}/").content.decode()
    assert "Connect the WMS" in page
    assert "This link does not work" in client.get(link).content.decode()


def test_a_merchant_gets_its_one_merchant() -> None:
    sign_up(Client(), kind="merchant", company="Öl & Söhne")
    with tenancy.activate(Account.objects.get().pk):
        merchant = Merchant.objects.get()
    assert (merchant.name, merchant.code) == ("Öl & Söhne", "LSHNE")


def test_the_link_in_another_browser_verifies_but_signs_nobody_in(post: Post) -> None:
    sign_up(Client())
    link, other = post.deliver().link(ADDRESS), Client()
    assert other.post(link).status_code == 302
    assert EmailAddress.objects.get(email=ADDRESS).verified
    assert "/login/" in other.get("/").headers["Location"]
    asked = other.post("/login/", {"login": ADDRESS, "password": NEW["password1"]})
    assert asked.headers["Location"] == "/"


def test_after_48_hours_the_link_is_dead_and_signing_in_sends_a_new_one(post: Post) -> None:
    with time_machine.travel(clock.now(), tick=False) as now:
        sign_up(Client())
        old = post.deliver().link(ADDRESS)
        now.shift(timedelta(hours=48, minutes=1))
        assert "This link does not work" in Client().get(old).content.decode()
        Client().post(old)
        assert not EmailAddress.objects.get(email=ADDRESS).verified
        answer = Client().post("/login/", {"login": ADDRESS, "password": NEW["password1"]})
        assert answer.headers["Location"] == "/verify/"
        Client().post(post.deliver().link(ADDRESS))
    assert EmailAddress.objects.get(email=ADDRESS).verified


def test_a_known_address_gets_the_same_answer_and_a_mail_that_says_so(post: Post) -> None:
    desk = desks.build(orders=0)
    known = desk.users["owner"].email
    fresh, again = sign_up(Client()), sign_up(Client(), email=known)
    assert (fresh.status_code, fresh.headers["Location"]) == (again.status_code, again.headers["Location"])
    assert Account.objects.count() == 2, "none was made"
    post.deliver()
    assert post.last(known)["Subject"] == "You have an account already"
    assert User.objects.get(email=known).check_password(desks.PASSWORD)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"password1": "short"}, "too short"),
        ({"password1": "1234567890"}, "too common"),
        ({"password1": "priya@alder"}, "too similar"),
        ({"password1": "Alder Logistics"}, "too similar"),
        ({"terms": ""}, "Without that"),
        ({"email": "nobody"}, "valid email"),
        ({"timezone": "Mars/Olympus"}, "valid choice"),
        ({"kind": "bank"}, "valid choice"),
        ({"company": "x" * 10_000}, "at most 100"),
        ({"password1": "long words " * 1000}, "at most 254"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_made(changed: dict[str, str], says: str) -> None:
    answer = sign_up(Client(), **changed)
    assert says in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not (User.objects.exists() or Account.objects.exists() or Mail.objects.exists())


def test_all_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts import mail

    def away(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(mail, "queue", away)
    with pytest.raises(RuntimeError, match="the disk is full"):
        sign_up(Client())
    assert not (User.objects.exists() or Account.objects.exists() or EmailAddress.objects.exists())


def test_an_operator_can_close_it(settings: Any) -> None:
    settings.IM_SIGNUP = False
    assert "Sign-up is closed" in Client().get("/signup/").content.decode()
    assert "Sign-up is closed" in sign_up(Client()).content.decode()
    assert not User.objects.exists()
    assert "Create an account" not in Client().get("/login/").content.decode()


def test_the_mail_is_in_our_look_and_asks_nobody_for_pictures(post: Post) -> None:
    sign_up(Client(), name="<b>Priya</b> & Co")
    post.deliver()
    made = post.last(ADDRESS)
    html = html_of(made)
    for word in ("max-width:600px", "prefers-color-scheme: dark", "&lt;b&gt;Priya&lt;/b&gt; &amp; Co"):
        assert word in html
    assert "<img" not in html
    assert "url(" not in html
    assert "<b>Priya</b> & Co" in text_of(made)
