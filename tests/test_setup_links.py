"""Share setup link: its holder gives one cart's credentials, once, and can do nothing else."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts import mail
from accounts.models import AuditEntry, Mail, Membership, User
from carts.models import Access, Cart, SetupLink
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.fake_oauth import CLIENT_ID, CLIENT_SECRET
from orders import connections
from orders.connections import open_cart
from orders.journal import Journal
from tests import desk as desks
from tests.desk import CANARY, Desk
from tests.test_oauth import come_back
from tests.world import fake

pytestmark = pytest.mark.django_db(transaction=True)
MERCHANT = "ops@alder.example"


@pytest.fixture
def shop(settings: Any) -> Iterator[Any]:
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    settings.IM_OAUTH = {"sandbox_oauth": (CLIENT_ID, CLIENT_SECRET)}
    connections.guard.cache_clear()
    made = fake("sandbox_shop", "oak")
    with made.serve() as url:
        made.url = url
        yield made
    connections.guard.cache_clear()


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def share(desk: Desk, path: str, who: str = "owner", **form: str) -> str:
    """Makes a link: its address, below the host."""
    answer = desk.client(who).post(desk.url(path), form)
    assert answer.status_code == 200, answer.content.decode()
    found = re.search(r"https?://[^/<]+(/setup/[\w-]+/)", answer.content.decode())
    assert found
    return found[1]


def for_new(desk: Desk, system: str = "sandbox_shop", **form: str) -> str:
    path = f"carts/share/{system}/?merchant={desk.merchants[0].public_id}"
    return share(desk, path, name="Alder main shop", **form)


def for_cart(desk: Desk, shop: Any, **form: str) -> str:
    with tenancy.activate(desk.account.pk):
        Cart.objects.filter(pk=desk.carts[0].pk).update(shop=shop.name)
    return share(desk, f"carts/{desk.carts[0].public_id}/share/", **form)


def typed(shop: Any, **more: str) -> dict[str, str]:
    return {"c-url": shop.url, "c-api_key": shop.credential, "save": "1", **more}


def link_of(desk: Desk) -> SetupLink:
    with tenancy.activate(desk.account.pk):
        return SetupLink.objects.get()


def carts(desk: Desk) -> int:
    with tenancy.activate(desk.account.pk):
        return Cart.objects.count()


# ── the whole way ──


def test_a_merchant_connects_a_new_shop_without_signing_in(desk: Desk, shop: Any) -> None:
    url = for_new(desk, email=MERCHANT)
    holder = Client()
    page = holder.get(url)
    text = page.content.decode()
    assert desk.account.name in text
    assert desk.merchants[0].name in text
    assert "no-store" in page["Cache-Control"]
    assert page["Referrer-Policy"] == "same-origin"
    wrong = holder.post(url, typed(shop) | {"c-api_key": "wrong"})
    assert wrong.status_code == 422
    tested = holder.post(url, typed(shop, test="1"))
    assert "It works" in tested.content.decode()
    assert link_of(desk).used_at is None
    done = holder.post(url, typed(shop)).content.decode()
    assert "Successful Authorization" in done
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.get(name="Alder main shop")
        assert (cart.shop, cart.merchant_id) == ("oak", desk.merchants[0].pk)
        entry = AuditEntry.objects.get(verb="cart.credentials")
        assert entry.actor == f"holder of the link sent to {MERCHANT}"
        assert not cart.planned
        assert shop.credential not in str(AuditEntry.objects.values())
    mails = {row.kind: row for row in Mail.objects.all()}
    assert (mails["setup_link"].to, mails["setup_done_merchant"].to) == (MERCHANT, MERCHANT)
    assert mails["setup_done"].to == desk.users["owner"].email
    for row in mails.values():
        body = mail.message(row).body
        assert shop.credential not in body
        assert "http" in body
    assert url in mail.message(mails["setup_link"]).body


def test_a_merchant_grants_access_by_consent(desk: Desk, shop: Any) -> None:
    url = for_new(desk, "sandbox_oauth")
    holder = Client()
    assert "Grant API Access" in holder.get(url).content.decode()
    left = holder.post(url, {"c-url": shop.url, "grant": "1"})
    query = shop.consent(left.context["url"])
    assert come_back(Client(), query).status_code == 410  # another browser
    denied = shop.consent(holder.post(url, {"c-url": shop.url, "grant": "1"}).context["url"], "deny")
    assert come_back(holder, denied).status_code == 422
    done = come_back(holder, query)
    assert "Successful Authorization" in done.content.decode()
    assert desk.account.public_id not in done.content.decode()
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.select_related("merchant").get(system="sandbox_oauth")
        assert Access.objects.get().cart_id == cart.pk
        open_cart(cart, desk.account, Journal()).check()
    assert holder.get(url).status_code == 410


def test_credentials_of_a_cart_that_stands_are_given_anew(desk: Desk, shop: Any) -> None:
    url = for_cart(desk, shop)
    holder = Client()
    page = holder.get(url).content.decode()
    assert CANARY not in page
    assert "127.0.0.1:9" not in page  # nothing of what is stored
    assert "Successful Authorization" in holder.post(url, typed(shop)).content.decode()
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.get(pk=desk.carts[0].pk)
        assert cart.credentials["api_key"].reveal() == shop.credential
        assert cart.name == desk.carts[0].name
    assert carts(desk) == 2


# ── what it does not do ──


def test_it_works_once(desk: Desk, shop: Any) -> None:
    url = for_new(desk)
    assert "Successful" in Client().post(url, typed(shop)).content.decode()
    for answer in (Client().get(url), Client().post(url, typed(shop))):
        assert answer.status_code == 410
    assert carts(desk) == 3


def test_of_two_at_once_one_wins(desk: Desk, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from carts.views import by_link

    url = for_cart(desk, shop)
    first = by_link.trying.check

    def meanwhile(*args: Any) -> Any:
        with tenancy.activate(desk.account.pk):
            SetupLink.objects.update(used_at=clock.now())
        return first(*args)

    monkeypatch.setattr(by_link.trying, "check", meanwhile)
    answer = Client().post(url, typed(shop))
    assert "used already" in answer.content.decode()
    with tenancy.activate(desk.account.pk):
        assert Cart.objects.get(pk=desk.carts[0].pk).credentials["api_key"].reveal() == CANARY


def end_of_the_maker(desk: Desk, how: str) -> None:
    """Who made the link, the owner, may not set up this merchant's carts any more."""
    maker = desk.users["owner"]
    mine = Membership.objects.filter(user=maker)
    if how == "maker deactivated":
        mine.update(deactivated_at=clock.now())
    elif how == "maker gone":
        mine.delete()
    elif how == "maker blocked":
        User.objects.filter(pk=maker.pk).update(is_active=False)
    else:
        mine.update(role="merchant", merchant=desk.merchants[1])


MAKER = ["maker deactivated", "maker gone", "maker blocked", "maker of another merchant"]


@pytest.mark.parametrize("how", ["expired", "revoked", "suspended", "archived", *MAKER])
def test_a_link_that_is_over_says_nothing_of_what_it_was(desk: Desk, shop: Any, how: str) -> None:
    url = for_cart(desk, shop)
    if how == "revoked":
        path = f"carts/{desk.carts[0].public_id}/share/{link_of(desk).public_id}/revoke/"
        assert desk.client("owner").post(desk.url(path)).status_code == 302
    elif how == "suspended":
        desk.account.suspended_at = clock.now()
        desk.account.save()
    else:
        with tenancy.activate(desk.account.pk):
            if how in MAKER:
                end_of_the_maker(desk, how)
            elif how == "expired":
                SetupLink.objects.update(expires_at=clock.now() - timedelta(seconds=1))
            else:
                Cart.objects.filter(pk=desk.carts[0].pk).update(archived_at=clock.now())
    gone, unknown = Client().get(url), Client().get(f"/setup/{'x' * 43}/")
    assert gone.status_code == unknown.status_code == 410
    assert desk.account.name not in gone.content.decode()
    assert Client().post(url, typed(shop)).status_code == 410
    assert not shop.calls


def test_a_link_of_a_user_of_this_merchant_works(desk: Desk, shop: Any) -> None:
    url = for_cart(desk, shop)
    with tenancy.activate(desk.account.pk):
        mine = Membership.objects.filter(user=desk.users["owner"])
        mine.update(role="merchant", merchant=desk.merchants[1], further=[desk.merchants[0].pk])
    assert Client().get(url).status_code == 200


def test_it_sets_get_in_fields_and_no_others(desk: Desk, shop: Any) -> None:
    url = for_cart(desk, shop)
    more = {"name": "Mine", "c-options": "x", "merchant": desk.merchants[1].public_id, "on": "1"}
    assert "Successful" in Client().post(url, typed(shop, **more)).content.decode()
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.get(pk=desk.carts[0].pk)
    assert (cart.name, cart.merchant_id, cart.shop) == (desk.carts[0].name, desk.merchants[0].pk, "oak")
    assert set(cart.credentials) == {"url", "api_key"}


def test_another_shops_credentials_are_refused(desk: Desk, shop: Any) -> None:
    url = for_cart(desk, shop)
    other = fake("sandbox_shop", "pine")
    with other.serve() as there:
        answer = Client().post(url, typed(shop) | {"c-url": there})
    assert "another shop" in answer.content.decode()
    assert link_of(desk).used_at is None


def test_a_shop_that_another_merchant_has_is_refused_without_a_name(desk: Desk, shop: Any) -> None:
    with tenancy.activate(desk.account.pk):
        Cart.objects.filter(pk=desk.carts[1].pk).update(shop="oak")
    url = for_new(desk)
    text = Client().post(url, typed(shop)).content.decode()
    assert "connected already" in text
    assert desk.merchants[1].name not in text
    assert link_of(desk).used_at is None
    assert carts(desk) == 2


def test_the_token_is_kept_nowhere(desk: Desk, shop: Any) -> None:
    token = for_new(desk, email=MERCHANT).split("/")[2]
    with tenancy.activate(desk.account.pk):
        assert token not in str([vars(row) for row in SetupLink.objects.all()])
        assert token not in str(list(AuditEntry.objects.values()))
    page = desk.client("owner").get(desk.url(f"carts/share/sandbox_shop/?merchant={desk.merchants[0].public_id}"))
    assert token not in page.content.decode()
    assert f"Sent to {MERCHANT}" in page.content.decode()


def test_who_guesses_is_stopped(desk: Desk, shop: Any) -> None:
    url = for_new(desk)
    guesser = Client(REMOTE_ADDR="203.0.113.7")
    for number in range(60):
        assert guesser.get(f"/setup/{number:043d}/").status_code == 410
    assert guesser.get(url).status_code == 410  # also the right one, for a while
    assert Client(REMOTE_ADDR="203.0.113.8").get(url).status_code == 200


def test_a_merchant_user_revokes_no_link_of_another_merchant(desk: Desk, shop: Any) -> None:
    for_cart(desk, shop)
    path = f"carts/{desk.carts[0].public_id}/share/{link_of(desk).public_id}/revoke/"
    assert desk.client("colleague").post(desk.url(path)).status_code == 404
    assert link_of(desk).revoked_at is None


@pytest.mark.parametrize("path", ["carts/share/csv_cart/?merchant=", "carts/share/sandbox_shop/?merchant=x"])
def test_where_files_lie_is_not_shared(desk: Desk, path: str) -> None:
    where = desk.url(path) + ("" if path.endswith("x") else desk.merchants[0].public_id)
    assert desk.client("owner").get(where).status_code == 404
