"""Of an archived merchant nothing runs, and nothing is called either: not by a test, a preview or a dry run."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from carts.models import Cart, DryRun
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant
from orders import connections
from orders.services import dry_run
from tests import desk as desks
from tests.desk import Desk
from tests.world import ago, fake

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(settings: Any) -> Iterator[Any]:
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    made = fake("sandbox_shop", "oak")
    made.place(1, ago(minutes=1))
    with made.serve() as url:
        made.url = url
        yield made
    connections.guard.cache_clear()


@pytest.fixture
def desk(shop: Any) -> Desk:
    """Its first merchant is archived, and that one's cart reaches the shop."""
    made = desks.build(orders=0)
    with tenancy.activate(made.account.pk):
        cart = Cart.objects.get(pk=made.carts[0].pk)
        cart.shop, cart.credentials = shop.name, {"url": shop.url, "api_key": shop.credential}
        cart.save()
        Merchant.objects.filter(pk=made.merchants[0].pk).update(archived_at=clock.now())
    return made


def ask(client: Client, desk: Desk, path: str, **form: str) -> str:
    address = desk.url(path.format(cart=desk.carts[0].public_id, merchant=desk.merchants[0].public_id))
    return client.post(address, form, follow=True).content.decode()


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("carts/{cart}/test/", {}),
        ("carts/{cart}/preview/", {}),
        ("carts/{cart}/preview/", {"number": "OAK-1"}),
        ("carts/{cart}/dry-run/", {}),
        ("carts/{cart}/edit/", {"test": "1", "c-url": "SHOP"}),
        ("carts/{cart}/edit/", {"grant": "1"}),
        ("carts/{cart}/test-orders/", {"count": "1", "skus": "MUG-BLUE", "methods": ""}),
        ("carts/{cart}/webhooks/on/", {}),
        ("merchants/{merchant}/test/", {}),
    ],
)
def test_nothing_is_called(desk: Desk, shop: Any, path: str, form: dict[str, str]) -> None:
    typed = {name: shop.url if value == "SHOP" else value for name, value in form.items()}
    text = ask(desk.client("owner"), desk, path, **typed)
    assert "is archived" in text
    assert not shop.calls
    with tenancy.activate(desk.account.pk):
        assert not DryRun.objects.exists()


def test_why_not_does_not_ask_its_shop(desk: Desk, shop: Any) -> None:
    text = ask(desk.client("owner"), desk, "carts/why/", cart=desk.carts[0].public_id, number="OAK-1")
    assert "is archived" in text
    assert not shop.calls


@pytest.mark.parametrize("what", ["merchant", "cart"])
def test_a_dry_run_ends_with_its_merchant_and_with_its_cart(desk: Desk, shop: Any, what: str) -> None:
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.select_related("merchant").get(pk=desk.carts[0].pk)
        if what == "cart":
            Merchant.objects.filter(pk=cart.merchant_id).update(archived_at=None)
            Cart.objects.filter(pk=cart.pk).update(archived_at=clock.now())
        begun = dry_run.begin(cart, "owner@northquay.example", clock.now())
        assert not dry_run.carry_on(begun.pk, desk.account)
        begun.refresh_from_db()
        assert (begun.state, begun.lease_until) == ("failed", None)
        assert "nothing of it is read" in begun.problem
    assert not shop.calls
