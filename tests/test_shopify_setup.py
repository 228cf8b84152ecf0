"""Shopify's setup page: each of its ways in from the form to the stored cart, and only those that can be gone."""

from collections.abc import Iterator
from typing import Any

import pytest

from carts.models import Access, Cart
from integration_manager import tenancy
from integration_manager.kit.fake_oauth import CLIENT_ID, CLIENT_SECRET
from orders import connections
from orders.connections import open_cart
from orders.journal import Journal
from tests import desk as desks
from tests.connectors.shopify.admin import TOKEN
from tests.desk import Desk
from tests.world import fake

pytestmark = pytest.mark.django_db(transaction=True)
TYPED = {"name": "Oak", "order_source": "OAK", "description": "", "earliest_order_date": "2026-01-01"}
GRANT = '<option value="grant"'


@pytest.fixture
def shop(settings: Any) -> Iterator[Any]:
    """A Shopify, at `shop.url`, where the operator has an app."""
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    settings.IM_OAUTH = {"shopify": (CLIENT_ID, CLIENT_SECRET)}
    connections.guard.cache_clear()
    made: Any = fake("shopify", "oak")
    with made.serve() as url:
        made.url = url
        yield made
    connections.guard.cache_clear()
    assert not made.violations


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def new(desk: Desk) -> str:
    return desk.url(f"carts/new/shopify/?merchant={desk.merchants[0].public_id}")


def stored(desk: Desk) -> list[Cart]:
    with tenancy.activate(desk.account.pk):
        return list(Cart.objects.select_related("merchant").filter(system="shopify"))


def works(desk: Desk) -> None:
    (cart,) = stored(desk)
    assert cart.shop == "oak"
    with tenancy.activate(desk.account.pk):
        open_cart(cart, desk.account, Journal()).check()


def test_by_consent_and_the_app_is_the_operators(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    page = client.get(new(desk)).content.decode()
    assert "Where to find these in Shopify" in page and "read_all_orders" in page, "its guide"
    assert GRANT in page and "myshopify.com" in page and "write_merchant_managed_fulfillment_orders" in page
    form = {**TYPED, "c-url": shop.url, "c-way": "grant"}
    assert client.post(new(desk), {**form, "off": "1"}).status_code == 422  # nobody has granted anything yet
    url = client.post(new(desk), {**form, "grant": "1"}, headers={"X-Popup": "1"}).json()["url"]
    assert url.startswith(f"{shop.url}/admin/oauth/authorize?") and "code_challenge" not in url
    back = client.get("/oauth/callback/", shop.consent(url))
    assert "Successful Authorization" in back.content.decode()
    with tenancy.activate(desk.account.pk):
        access = Access.objects.get()
    assert CLIENT_SECRET not in str({name: value.reveal() for name, value in access.address.items()})
    grant = access.public_id
    answer = client.post(back.context["back"], {**form, "grant_id": grant, "off": "1"})
    assert answer.status_code == 302, answer.content.decode()
    works(desk)
    shop.expire()
    works(desk)


def test_who_changes_to_consent_gets_in_by_the_operators_app_from_then_on(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    app = {"c-way": "app", "c-client_id": "app-of-their-own", "c-client_secret": "secret-of-their-own"}
    operators = shop.client
    shop.client = ("app-of-their-own", "secret-of-their-own")
    form = {**TYPED, "c-url": shop.url}
    assert client.post(new(desk), {**form, **app, "off": "1"}).status_code == 302
    (cart,) = stored(desk)
    shop.client = operators
    edit = desk.url(f"carts/{cart.public_id}/edit/")
    grant = {**form, "mark": client.get(edit).context["mark"], "c-way": "grant", "grant": "1"}
    url = client.post(edit, grant, headers={"X-Popup": "1"}).json()["url"]
    assert "Successful Authorization" in client.get("/oauth/callback/", shop.consent(url)).content.decode()
    (cart,) = stored(desk)
    assert set(cart.credentials) == {"url", "way", "access"}
    shop.expire()
    works(desk)  # renewed as the operator's app


def test_by_a_token_or_an_app_of_ones_own_where_the_operator_has_none(desk: Desk, shop: Any, settings: Any) -> None:
    settings.IM_OAUTH = {}
    client = desk.client("owner")
    page = client.get(new(desk)).content.decode()
    assert GRANT not in page and 'name="grant"' not in page
    app = {"c-way": "app", "c-client_id": CLIENT_ID, "c-client_secret": CLIENT_SECRET}
    answer = client.post(new(desk), {**TYPED, "c-url": shop.url, **app, "off": "1"})
    assert answer.status_code == 302, answer.content.decode()
    works(desk)
    (cart,) = stored(desk)
    edit = desk.url(f"carts/{cart.public_id}/edit/")
    mark = client.get(edit).context["mark"]
    token = {"c-way": "token", "c-access_token": TOKEN, "c-client_secret": CLIENT_SECRET}
    answer = client.post(edit, {**TYPED, "mark": mark, "c-url": shop.url, **token, "off": "1"})
    assert answer.status_code == 302, answer.content.decode()
    works(desk)
    (cart,) = stored(desk)
    assert "client_id" not in cart.credentials and TOKEN not in client.get(edit).content.decode()


def test_a_secret_is_never_sent_to_another_address(desk: Desk, shop: Any) -> None:
    form = {**TYPED, "c-url": "https://oak.example.com", "c-way": "grant", "grant": "1"}
    answer = desk.client("owner").post(new(desk), form)
    assert answer.status_code == 422
    assert "ends with .myshopify.com" in answer.content.decode()
    assert not shop.calls
