"""Grant API Access for WooCommerce: the shop makes the keys and sends them; nobody can slip others in."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client

from accounts.models import AuditEntry
from carts.models import Access, Attempt, Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.connector import Field
from integration_manager.kit.fake_oauth import CLIENT_ID, CLIENT_SECRET
from orders import connections
from orders.models import Exchange
from tests import desk as desks
from tests.connectors.woocommerce.wordpress import KEY, SECRET
from tests.desk import Desk
from tests.world import fake

pytestmark = pytest.mark.django_db(transaction=True)
TYPED = {"name": "Studio", "order_source": "", "description": "", "earliest_order_date": "2026-01-01"}
HOW = {
    "c-statuses": "processing", "c-order_number": "id", "c-shipped_status": "completed", "c-when": "all",
    "c-notes": "none", "c-note_text": "x",
}  # fmt: skip


@pytest.fixture
def shop(settings: Any) -> Iterator[Any]:
    """A WooCommerce at `shop.url`, and an installation that it can send keys to."""
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    settings.IM_BASE_URL = "https://im.example"
    connections.guard.cache_clear()
    made = fake("woocommerce", "studio")
    with made.serve() as url:
        made.url = url
        yield made
    connections.guard.cache_clear()


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def new(desk: Desk) -> str:
    return desk.url(f"carts/new/woocommerce/?merchant={desk.merchants[0].public_id}")


def leave(client: Client, page: str, url: str) -> str:
    """Presses Grant API Access with the address alone: the address of the consent page."""
    answer = client.post(page, {**TYPED, **HOW, "c-url": url, "grant": "1"}, headers={"X-Popup": "1"})
    assert answer.status_code == 200, answer.content.decode()
    return str(answer.json()["url"])


def send(to: str, keys: Any) -> Any:
    """What the shop's server does."""
    assert to.startswith("https://im.example/oauth/keys/")
    return Client(enforce_csrf_checks=True).post(urlsplit(to).path, keys, content_type="application/json;charset=UTF-8")


def back(client: Client, url: str) -> Any:
    return client.get(urlsplit(url).path, dict(parse_qsl(urlsplit(url).query)))


def rows(desk: Desk, model: Any, **which: Any) -> list[Any]:
    with tenancy.activate(desk.account.pk):
        return list(model.objects.filter(**which))


def granted(desk: Desk, shop: Any, client: Client, page: str = "") -> Any:
    to, keys, home = shop.consent(leave(client, page or new(desk), shop.url))
    assert send(to, keys).status_code == 200
    return back(client, home)


def test_a_cart_is_connected_by_its_address_alone(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    answer = granted(desk, shop, client)
    assert "Successful Authorization" in answer.content.decode()
    page = str(answer.context["back"])
    text = client.get(page).content.decode()
    assert "has made keys for us" in text
    assert 'value="Studio"' in text, "what was typed is still there"
    assert KEY not in text
    assert SECRET not in text
    grant = re.search(r'name="grant_id" value="(\w+)"', text)
    assert grant
    form = {**TYPED, **HOW, "c-url": shop.url, "c-consumer_key": "", "c-consumer_secret": "", "grant_id": grant[1]}
    assert client.post(page, form).status_code == 302
    (cart,) = rows(desk, Cart, system="woocommerce")
    assert (cart.credentials["consumer_key"].reveal(), cart.credentials["consumer_secret"].reveal()) == (KEY, SECRET)
    assert cart.options["order_number"] == "id"
    assert rows(desk, Access) == [], "the draft is done with"
    kept = str([(row.url, str(row.__dict__)) for row in rows(desk, Exchange)])
    assert SECRET not in kept
    assert SECRET not in str([entry.changes for entry in rows(desk, AuditEntry)])


def test_keys_are_made_anew_for_a_cart_that_stands(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.create(
            merchant=desk.merchants[0], system="woocommerce", name="Studio", number=2, shop=_place(shop),
            credentials={"url": shop.url, "consumer_key": "ck_old", "consumer_secret": "cs_old"},
            options={"order_number": "number"}, earliest_order_date="2026-01-01",
        )  # fmt: skip
    answer = granted(desk, shop, client, desk.url(f"carts/{cart.public_id}/edit/"))
    assert "Successful Authorization" in answer.content.decode(), answer.content.decode()
    (cart,) = rows(desk, Cart, system="woocommerce")
    assert cart.credentials["consumer_secret"].reveal() == SECRET
    assert cart.options == {"order_number": "number"}, "and nothing else of the form"


def _place(shop: Any) -> str:
    from carts.systems.woocommerce import WooCommerce
    from integration_manager.kit.egress import Guard
    from integration_manager.kit.transport import Http

    with Http(guard=Guard(["127.0.0.1"]), limiter=None, journal=None) as http:
        return str(WooCommerce(shop.values(shop.url), http=http).identity())


def test_a_merchant_has_the_keys_made_by_a_link(desk: Desk, shop: Any) -> None:
    path = f"carts/share/woocommerce/?merchant={desk.merchants[0].public_id}"
    text = desk.client("owner").post(desk.url(path), {"name": "Studio", "email": ""}).content.decode()
    found = re.search(r"https://im.example(/setup/[\w-]+/)", text)
    assert found
    merchant = Client()
    assert "Grant API Access" in merchant.get(found[1]).content.decode()
    url = merchant.post(found[1], {"c-url": shop.url, "grant": "1"}, headers={"X-Popup": "1"}).json()["url"]
    to, keys, home = shop.consent(url)
    assert send(to, keys).status_code == 200
    assert back(merchant, home).status_code == 200
    (cart,) = rows(desk, Cart, system="woocommerce")
    assert cart.credentials["consumer_key"].reveal() == KEY
    assert rows(desk, Access) == []


def test_who_says_no_and_keys_that_never_come_change_nothing(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    _, _, home = shop.consent(leave(client, new(desk), shop.url), "deny")
    assert "chose to deny" in back(client, home).content.decode()
    _, _, home = shop.consent(leave(client, new(desk), shop.url))
    assert "have not come" in back(client, home).content.decode()
    assert rows(desk, Access) == []


@pytest.mark.parametrize(
    "keys",
    [
        {"consumer_key": "ck_x", "consumer_secret": "cs_x", "key_permissions": "read"},
        {"consumer_key": "ck_x", "key_permissions": "read_write"},
        {"consumer_key": ["ck_x"], "consumer_secret": "cs_x", "key_permissions": "read_write"},
        {"consumer_key": "c" * 10_000, "consumer_secret": "cs_x", "key_permissions": "read_write"},
        [],
        "keys",
        b"\xff{",
    ],
)
def test_what_is_no_key_is_not_kept(desk: Desk, shop: Any, keys: Any) -> None:
    to, good, _ = shop.consent(leave(desk.client("owner"), new(desk), shop.url))
    assert send(to, keys).status_code == 400
    assert send(to, good).status_code == 200, "and the right ones may still come"


def test_keys_come_once_and_in_time_and_are_tried_where_they_belong(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    to, keys, home = shop.consent(leave(client, new(desk), shop.url))
    strange = keys | {"consumer_key": "ck_of_somebody", "consumer_secret": "cs_of_somebody"}
    assert send(to, strange).status_code == 200
    assert send(to, keys).status_code == 410, "the first count"
    assert "refused the credentials" in back(client, home).content.decode()
    assert rows(desk, Access) == []
    assert send(to.replace("/keys/", "/keys/x"), keys).status_code == 404
    to, keys, _ = shop.consent(leave(client, new(desk), shop.url))
    with clock.frozen(clock.now() + timedelta(minutes=11)):
        assert send(to, keys).status_code == 410
    assert Client().get(urlsplit(to).path).status_code == 405


def test_the_way_back_is_its_own_browsers(desk: Desk, shop: Any) -> None:
    client = desk.client("owner")
    to, keys, home = shop.consent(leave(client, new(desk), shop.url))
    send(to, keys)
    assert back(desk.client("owner"), home).status_code == 410
    assert back(client, home).status_code == 200
    assert back(client, home).status_code == 410, "once"
    assert send(to, keys).status_code == 410


def test_without_https_the_keys_are_typed(desk: Desk, shop: Any, settings: Any) -> None:
    assert "Grant API Access" in desk.client("owner").get(new(desk)).content.decode()
    settings.IM_BASE_URL = "http://localhost:8000"
    assert "Grant API Access" not in desk.client("owner").get(new(desk)).content.decode()


def test_what_is_granted_is_the_way_in_and_no_options(
    desk: Desk, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept with tokens goes before the cart's own values: an option in it could never be changed again."""
    from carts.systems.sandbox_shop import SandboxShopByConsent

    fields = {**SandboxShopByConsent.fields, "status": Field("Status", option=True, required=False)}
    monkeypatch.setattr(SandboxShopByConsent, "fields", fields)
    settings.IM_EGRESS_ALLOW, settings.IM_OAUTH = ["127.0.0.1"], {"sandbox_oauth": (CLIENT_ID, CLIENT_SECRET)}
    connections.guard.cache_clear()
    page = desk.url(f"carts/new/sandbox_oauth/?merchant={desk.merchants[0].public_id}")
    form = {**TYPED, "c-url": "http://127.0.0.1:9/oak", "c-status": "paid", "grant": "1"}
    assert desk.client("owner").post(page, form, headers={"X-Popup": "1"}).status_code == 200
    (attempt,) = rows(desk, Attempt)
    assert set(attempt.secrets) == {"verifier", "value:url"}
    connections.guard.cache_clear()
