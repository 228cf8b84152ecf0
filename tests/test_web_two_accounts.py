"""Two tabs of one browser on two accounts: whatever is sent lands in the account of the tab that sent it."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import Account, AuditEntry, Invitation, Membership
from carts.models import Cart
from integration_manager import tenancy
from merchants.models import Merchant
from tests import desk as desks
from tests.desk import PASSWORD, Desk

pytestmark = pytest.mark.django_db
OWNER = "owner@northquay.example"


@pytest.fixture
def a() -> Desk:
    return desks.build(orders=0)


@pytest.fixture
def b(a: Desk) -> Desk:
    """Another account, of which the owner of the first is an admin."""
    other = desks.build("Elsewhere", orders=0)
    with tenancy.activate(other.account.pk):
        Membership.objects.create(user=a.users["owner"], role="admin")
    return other


def codes(desk: Desk) -> set[str]:
    with tenancy.activate(desk.account.pk):
        return set(Merchant.objects.values_list("code", flat=True))


def invited(desk: Desk) -> list[str]:
    with tenancy.activate(desk.account.pk):
        return list(Invitation.objects.values_list("email", flat=True))


def last_entry(desk: Desk) -> str:
    with tenancy.activate(desk.account.pk):
        return str(AuditEntry.objects.latest("pk").target)


def mark_in(answer: Any) -> str:
    found = re.search(r'name="mark" value="(\w+)"', answer.content.decode())
    assert found
    return found[1]


def test_pages_and_forms_that_take_turns_stay_apart(a: Desk, b: Desk) -> None:
    client = a.client("owner")
    for desk, other, code in ((a, b, "NEWA"), (b, a, "NEWB")):
        assert desk.account.name in client.get(desk.url("merchants/new/")).content.decode()
        page = client.get(other.url("merchants/new/")).content.decode()
        assert f"{other.account.name} One" not in page and f"{desk.account.name} One" not in page
        sent = client.post(desk.url("merchants/new/"), {"name": f"Of {desk.account.name}", "code": code, "later": "1"})
        assert sent.headers["Location"].startswith(desk.url("merchants/"))
        assert "is added" not in client.get(other.url("merchants/")).content.decode(), "told in the other tab"
        assert f"Of {desk.account.name} is added" in client.get(sent.headers["Location"]).content.decode()
        assert last_entry(desk) == f"Of {desk.account.name}"
    assert codes(a) == {"ONE", "TWO", "NEWA"}
    assert codes(b) == {"ONE", "TWO", "NEWB"}


def test_a_change_of_the_same_kind_of_row_in_both(a: Desk, b: Desk) -> None:
    client = a.client("owner")
    pages = [desk.url(f"carts/{desk.carts[0].public_id}/edit/") for desk in (a, b)]
    marks = [mark_in(client.get(page)) for page in pages]
    for desk, page, mark in zip((a, b), pages, marks, strict=True):
        form = {"name": f"Shop of {desk.account.name}", "earliest_order_date": "2020-01-01", "mark": mark}
        sent = client.post(page, form | {"c-url": "http://127.0.0.1:9/shop"})
        assert sent.status_code == 302, sent.content.decode()
    for desk in (a, b):
        with tenancy.activate(desk.account.pk):
            names = list(Cart.objects.order_by("pk").values_list("name", flat=True))
        assert names == [f"Shop of {desk.account.name}", f"{desk.account.name} Two shop"]


def test_which_merchant_one_tab_looks_at_says_nothing_to_the_other(a: Desk, b: Desk) -> None:
    client = a.client("owner")
    assert client.get(a.url(f"orders/?merchant={a.merchants[1].public_id}")).status_code == 200
    page = client.get(b.url("orders/")).content.decode()
    assert a.merchants[1].public_id not in page
    assert client.get(b.url(f"orders/?merchant={a.merchants[1].public_id}")).status_code in (200, 404)
    assert "Northquay" not in re.sub(r"(?s)<nav.*?</nav>|<header.*?</header>", "", page)


def test_forms_that_met_an_ended_session_come_back_each_in_its_own(a: Desk, b: Desk) -> None:
    client = Client()
    client.post("/login/", {"login": OWNER, "password": PASSWORD})
    for desk in (a, b):
        client.get(desk.url())
    Session.objects.all().delete()
    back = []
    for desk, code in ((a, "NEWA"), (b, "NEWB")):
        answer = client.post(
            desk.url("merchants/new/"), {"name": f"Typed in {desk.account.name}", "code": code, "later": "1"}
        )
        back.append(unquote(answer.headers["Location"].partition("next=")[2]))
    assert [one.startswith(desk.url("merchants/new/?kept=")) for one, desk in zip(back, (a, b), strict=True)] == [
        True
    ] * 2
    client.post("/login/", {"login": OWNER, "password": PASSWORD, "next": back[1]})
    for desk, other, then in ((b, a, back[0]), (a, b, back[1])):
        crossed = f"{desk.url('merchants/new/')}?{then.partition('?')[2]}"
        assert "Typed in" not in client.get(crossed).content.decode(), "the other's does not open here"
        assert f"Typed in {other.account.name}" in client.get(then).content.decode()
    for desk, code in ((a, "NEWA"), (b, "NEWB")):
        client.post(desk.url("merchants/new/"), {"name": f"Typed in {desk.account.name}", "code": code, "later": "1"})
    assert (codes(a), codes(b)) == ({"ONE", "TWO", "NEWA"}, {"ONE", "TWO", "NEWB"})


def test_forms_that_wait_for_the_password_go_on_each_in_its_own(a: Desk, b: Desk) -> None:
    client = Client()
    client.force_login(a.users["owner"])  # as by a mailed link: no proof of who is there
    asked = []
    for desk in (a, b):
        email = f"new@{desk.account.name.lower()}.example"
        form = {"name": "New Comer", "email": email, "role": "admin", "how": "link", "password": ""}
        asked.append(client.post(desk.url("users/new/"), form).headers["Location"])
    assert all(one.startswith("/security/again/?next=") for one in asked)
    assert invited(a) == invited(b) == []
    where = [unquote(one.partition("next=")[2]) for one in asked]
    assert client.post(asked[1], {"password": PASSWORD}).headers["Location"] == where[1]
    crossed = f"{b.url('users/new/')}?{where[0].partition('?')[2]}"
    assert client.get(crossed).status_code == 200, "a page with an empty form"
    assert invited(a) == invited(b) == []
    for one in reversed(where):
        client.get(one)
    assert (invited(a), invited(b)) == (["new@northquay.example"], ["new@elsewhere.example"])


def test_an_account_that_one_tab_may_no_longer_open_closes_for_it_alone(a: Desk, b: Desk) -> None:
    client = a.client("owner")
    assert client.get(b.url("merchants/new/")).status_code == 200
    with tenancy.activate(b.account.pk):
        Membership.objects.filter(user=a.users["owner"]).delete()
    client.get(a.url())
    sent = client.post(b.url("merchants/new/"), {"name": "Too late", "code": "LATE", "later": "1"})
    assert sent.status_code == 404
    assert "LATE" not in codes(a) | codes(b)
    assert Account.objects.get(pk=a.account.pk) and client.get(a.url()).status_code == 200
