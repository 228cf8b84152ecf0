"""Grant API Access: a cart is connected on the shop's own consent page, and nobody can slip in on the way back."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.test import Client

from accounts.models import AuditEntry, Membership
from carts.models import Access, Attempt, Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.fake_oauth import CLIENT_ID, CLIENT_SECRET
from orders import connections
from orders.connections import open_cart
from orders.journal import Journal
from orders.models import Exchange
from tests import desk as desks
from tests.desk import Desk
from tests.world import fake

pytestmark = pytest.mark.django_db(transaction=True)
TYPED = {"name": "Oak", "order_source": "OAK", "description": "", "earliest_order_date": "2026-01-01"}


@pytest.fixture
def shop(settings: Any) -> Iterator[Any]:
    """A shop that grants access, at `shop.url`."""
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


def new(desk: Desk) -> str:
    return desk.url(f"carts/new/sandbox_oauth/?merchant={desk.merchants[0].public_id}")


def leave(client: Client, page: str, url: str, **typed: str) -> str:
    """Presses Grant API Access: the address of the consent page."""
    answer = client.post(page, {**TYPED, "c-url": url, "grant": "1", **typed}, headers={"X-Popup": "1"})
    assert answer.status_code == 200, answer.content.decode()
    return str(answer.json()["url"])


def come_back(client: Client, query: dict[str, str]) -> Any:
    return client.get("/oauth/callback/", query)


def granted(desk: Desk, shop: Any, client: Client) -> str:
    """The whole way; gives the setup page that it leads back to."""
    answer = come_back(client, shop.consent(leave(client, new(desk), shop.url)))
    assert "Successful Authorization" in answer.content.decode()
    return str(answer.context["back"])


def rows(desk: Desk, model: Any) -> list[Any]:
    with tenancy.activate(desk.account.pk):
        return list(model.objects.all())


def connect(desk: Desk, shop: Any, client: Client) -> Cart:
    back = granted(desk, shop, client)
    page = client.get(back).content.decode()
    grant = re.search(r'name="grant_id" value="(\w+)"', page)
    assert grant
    form = {**TYPED, "c-url": shop.url, "grant_id": grant[1], "off": "1"}
    answer = client.post(back, form)
    assert answer.status_code == 302, answer.content.decode()
    with tenancy.activate(desk.account.pk):
        return Cart.objects.select_related("merchant").get(system="sandbox_oauth")


# ── the whole way ──


def test_a_cart_is_connected_and_what_was_typed_is_still_there(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    page = client.get(new(desk)).content.decode()
    assert "Grant API Access" in page
    assert "has not granted access yet" in page
    left = client.post(new(desk), {**TYPED, "name": "Typed before", "c-url": shop.url, "grant": "1"})
    text = left.content.decode()
    assert left.status_code == 200
    assert 'http-equiv="refresh"' in text
    url = left.context["url"]
    assert url.startswith(f"{shop.url}/oauth/authorize?")
    asked = dict(parse_qsl(url.partition("?")[2]))
    assert asked["code_challenge_method"] == "S256"
    assert CLIENT_SECRET not in text
    answer = come_back(client, shop.consent(url))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
    setup = client.get(answer.context["back"]).content.decode()
    assert "Successful Authorization" in setup
    assert 'value="Typed before"' in setup
    cart = connect(desk, shop, client)
    assert cart.shop == "oak"
    with tenancy.activate(desk.account.pk):
        access = Access.objects.get(cart=cart)
        token = access.token["value"].reveal()
        open_cart(cart, desk.account, Journal()).check()
        assert {"access.granted", "cart.added"} <= set(AuditEntry.objects.values_list("verb", flat=True))
    for path in (f"carts/{cart.public_id}/", f"carts/{cart.public_id}/edit/"):
        assert token not in client.get(desk.url(path)).content.decode()
    assert token not in str([vars(row) for row in rows(desk, Exchange)])
    test = client.post(desk.url(f"carts/{cart.public_id}/test/"), headers={"HX-Request": "true"})
    assert "It works" in test.content.decode()


def test_an_ended_token_is_renewed_once_and_stored_for_everybody(desk: Desk, shop: Any) -> None:
    cart = connect(desk, shop, desk.client("owner"))
    shop.expire()
    with tenancy.activate(desk.account.pk):
        first, second = (open_cart(cart, desk.account, Journal()) for _ in range(2))
        before = Access.objects.get().token["value"].reveal()
        first.check()
        second.check()  # of another process: the refresh token is good for once
        assert Access.objects.get().token["value"].reveal() != before
        assert Access.objects.get().held_until is None
    assert shop.calls["POST 200"] == 2  # the code, and one renewal


def test_a_token_is_sent_to_the_shop_that_gave_it_and_to_no_other(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    cart = connect(desk, shop, client)
    other = fake("sandbox_shop", "elsewhere")
    with other.serve() as url:
        edit = desk.url(f"carts/{cart.public_id}/edit/")
        for extra in ({"test": "1"}, {"off": "1"}):
            answer = client.post(edit, {**TYPED, "c-url": url, **extra})
            assert "Grant API Access" in answer.content.decode()
        with tenancy.activate(desk.account.pk):
            Cart.objects.get(pk=cart.pk)
            cart.credentials = {**cart.credentials, "url": url}
            open_cart(cart, desk.account, Journal()).check()  # at the address it was granted for
        assert not other.calls


def test_without_access_nothing_is_saved(desk: Desk, shop: Any) -> None:
    answer = desk.client("owner").post(new(desk), {**TYPED, "c-url": shop.url, "off": "1"})
    assert answer.status_code == 422
    assert "Press Grant API Access first." in answer.content.decode()


# ── on the way back ──


def test_a_denied_grant_is_said_in_plain_words(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    answer = come_back(client, shop.consent(leave(client, new(desk), shop.url), "deny"))
    assert answer.status_code == 422
    assert "Access was not granted" in answer.content.decode()
    assert not rows(desk, Access)


def test_a_way_back_is_good_once(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    query = shop.consent(leave(client, new(desk), shop.url))
    assert come_back(client, query).status_code == 200
    again = come_back(client, query)
    assert again.status_code == 410
    assert len(rows(desk, Access)) == 1


@pytest.mark.parametrize("who", ["stranger", "owner", "nobody"])
def test_a_way_back_is_good_in_its_own_browser_only(desk: Desk, shop: Any, who: str) -> None:
    client = desk.client("owner")
    query = shop.consent(leave(client, new(desk), shop.url))
    other = Client() if who == "nobody" else desk.client(who)
    answer = come_back(other, query)
    assert answer.status_code == 410
    text = answer.content.decode()
    assert desk.account.public_id not in text
    assert shop.url not in text
    assert not rows(desk, Access)
    assert come_back(client, query).status_code == 200  # it was not used up by the other


def test_it_ends_after_ten_minutes(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    query = shop.consent(leave(client, new(desk), shop.url))
    with tenancy.activate(desk.account.pk):
        Attempt.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert come_back(client, query).status_code == 410
    assert not rows(desk, Access)


def test_two_tabs_do_not_disturb_each_other(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    first, second = (shop.consent(leave(client, new(desk), shop.url)) for _ in range(2))
    assert come_back(client, first).status_code == 200
    assert come_back(client, second).status_code == 200
    mixed = {**shop.consent(leave(client, new(desk), shop.url)), "code": first["code"]}
    assert come_back(client, mixed).status_code == 422


@pytest.mark.parametrize("name", ["code", "shop", "hmac"])
def test_a_forged_answer_is_refused_before_anybody_is_asked(desk: Desk, shop: Any, name: str) -> None:
    client = desk.client("owner")
    query = shop.consent(leave(client, new(desk), shop.url))
    answer = come_back(client, {**query, name: query[name] + "x"})
    assert answer.status_code == 422
    assert "not believed" in answer.content.decode()
    assert not shop.calls
    assert not rows(desk, Access)


@pytest.mark.parametrize("state", ["", "x", "y" * 43, "\x00" * 30, "z" * 5000])
def test_an_unknown_state_tells_nothing(desk: Desk, state: str) -> None:
    answer = come_back(Client(), {"state": state, "code": "c"})
    assert answer.status_code == 410
    assert "not known" in answer.content.decode()


def test_who_lost_the_right_on_the_way_gets_nothing(desk: Desk, shop: Any) -> None:
    client = desk.client("colleague")
    page = desk.url(f"carts/new/sandbox_oauth/?merchant={desk.merchants[1].public_id}")
    query = shop.consent(leave(client, page, shop.url))
    with tenancy.activate(desk.account.pk):
        Membership.objects.filter(user=desk.users["colleague"]).update(merchant=desk.merchants[0])
    assert come_back(client, query).status_code == 403
    assert not rows(desk, Access)


def test_another_shop_is_refused_for_a_cart_that_stands(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    cart = connect(desk, shop, client)
    before = rows(desk, Access)[0].token["value"].reveal()
    edit = desk.url(f"carts/{cart.public_id}/edit/")
    other = fake("sandbox_shop", "pine")
    with other.serve() as url:
        answer = come_back(client, other.consent(leave(client, edit, url)))
        assert answer.status_code == 422
        assert "another shop" in answer.content.decode()
    assert rows(desk, Access)[0].token["value"].reveal() == before
    again = come_back(client, shop.consent(leave(client, edit, shop.url)))
    assert again.status_code == 200
    (access,) = rows(desk, Access)
    assert access.token["value"].reveal() != before
    with tenancy.activate(desk.account.pk):
        open_cart(Cart.objects.select_related("merchant").get(pk=cart.pk), desk.account, Journal()).check()


def test_the_same_shop_is_not_connected_twice(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    connect(desk, shop, client)
    back = granted(desk, shop, client)
    draft = back.rpartition("=")[2]
    answer = client.post(back, {**TYPED, "c-url": shop.url, "grant_id": draft, "off": "1"})
    assert answer.status_code == 422
    assert "connected already" in answer.content.decode()


def test_a_draft_is_its_own_persons(desk: Desk, shop: Any) -> None:
    back = granted(desk, shop, desk.client("owner"))
    with tenancy.activate(desk.account.pk):
        Membership.objects.create(user=desk.users["stranger"], role="admin")
    client = desk.client("stranger")
    assert "has not granted access yet" in client.get(back).content.decode()


@pytest.mark.parametrize("url", ["http://user:word@shop.example/", "javascript:alert(1)", "ftp://shop.example/", ""])
def test_it_leads_to_no_address_that_we_would_not_call(desk: Desk, shop: Any, url: str) -> None:
    answer = desk.client("owner").post(new(desk), {**TYPED, "c-url": url, "grant": "1"})
    assert answer.status_code == 422
    assert "refresh" not in answer.content.decode()
    assert not rows(desk, Attempt)


def test_a_slow_or_broken_token_endpoint_is_said(desk: Desk, shop: Any) -> None:
    from integration_manager.kit.simulator import Fault

    client = desk.client("owner")
    query = shop.consent(leave(client, new(desk), shop.url))
    shop.faults.script("POST /oauth/token", Fault.ERROR, times=9)
    answer = come_back(client, query)
    assert answer.status_code == 422
    assert query["code"] not in answer.content.decode()
    assert not rows(desk, Access)


def test_without_the_operators_app_it_is_not_offered(desk: Desk, settings: Any) -> None:
    settings.IM_OAUTH = {}
    client = desk.client("owner")
    assert client.get(new(desk)).status_code == 404
    gallery = client.get(desk.url(f"carts/new/?merchant={desk.merchants[0].public_id}")).content.decode()
    assert "sandbox_oauth" not in gallery
