"""Sync Products To Cart as people set and see it."""

from typing import Any

import pytest

from accounts.models import AuditEntry
from carts.models import Cart
from merchants.models import Merchant, Schedule, Service
from orders.models import CartListing
from tests.counter import Counter, text
from tests.test_listings import created, shelve, sync
from tests.test_web_products import see, setup
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def owner(world: World) -> Counter:
    return Counter(world)


def merchant_setup(owner: Counter, **said: str) -> Any:
    """Saves the merchant's setup."""
    path = f"merchants/{owner.world.merchant.public_id}/edit/"
    mark = owner.get(path).content.decode().split('name="mark" value="')[1].split('"')[0]
    return owner.post(path, {"name": owner.world.merchant.name, "c-customer": "C1", "mark": mark, **said})


def test_both_switches_are_off_until_somebody_says_yes(world: World, owner: Counter) -> None:
    assert not (Merchant.objects.get().list_products or Cart.objects.get().list_products)
    assert "there it is off" in text(owner.get("cart/edit/"))
    setup(owner, list_products="True")
    assert Cart.objects.get().list_products
    merchant_setup(owner, list_products="True")
    assert Merchant.objects.get().list_products
    assert AuditEntry.objects.get(verb="merchant.changed").changes == {"Sync Products To Carts": ["off", "on"]}
    assert "there it is off" not in text(owner.get("cart/edit/"))
    setup(owner)
    merchant_setup(owner)
    assert Cart.objects.get().list_products and Merchant.objects.get().list_products, "a form without it leaves it"
    merchant_setup(owner, list_products="")
    assert not Merchant.objects.get().list_products


def test_view_product_sync_says_what_was_created_and_what_was_refused(world: World, owner: Counter) -> None:
    page = see(owner, "cart/product-sync/")
    assert "Sync Products To Cart is off" in page
    Cart.objects.update(list_products=True)
    assert "has to say so too" in see(owner, "cart/product-sync/")
    Merchant.objects.update(list_products=True)
    shelve(world, "MUG", "Mug")
    shelve(world, "L" * 41, "Long")
    sync(world)
    page = see(owner, "cart/product-sync/")
    for words in (
        "<dt>Created there</dt><dd>1 product</dd>", "<dt>Refused by the cart</dt><dd>1 product</dd>",
        "A SKU has at most 40 characters.", "Created in the cart <time", "Not created:",
    ):  # fmt: skip
        assert words in page, words
    assert b"A SKU has at most 40 characters." in b"".join(owner.get("cart/product-sync-csv/"))
    Schedule.objects.filter(service=Service.UPLOAD_INVENTORY).update(next_run=None)
    assert "sent to the cart once more" in text(owner.post("cart/product-sync/again/", follow=True))
    assert CartListing.objects.get(sku="L" * 41).state == "waiting"
    assert AuditEntry.objects.filter(verb="listings.tried_again").count() == 1


def test_what_was_deleted_in_the_shop_by_mistake_is_created_again_on_a_persons_word(
    world: World, owner: Counter
) -> None:
    Cart.objects.update(list_products=True)
    Merchant.objects.update(list_products=True)
    for sku in ("MUG", "POT"):
        shelve(world, sku, sku.title())
    sync(world)
    shop: Any = world.shop
    shop.products.remove(next(row["id"] for row in shop.table("products") if row["sku"] == "MUG"))
    assert "sent to the cart once more" in text(owner.post("cart/product-sync/again/", {"all": "1"}, follow=True))
    sync(world)
    assert created(world) == ["MUG", "MUG", "POT"]
    assert not CartListing.objects.filter(found=True).exists(), "what was created here once stays ours"


def test_off_again_or_deleted_nothing_waits_any_more(world: World, owner: Counter) -> None:
    Merchant.objects.update(list_products=True)
    Cart.objects.update(list_products=True)
    shelve(world, "L" * 41, "Long")
    sync(world)
    assert CartListing.objects.count() == 1
    merchant_setup(owner, list_products="")
    assert not CartListing.objects.exists()
    owner.post("cart/delete/", {"confirm": "1"})
    assert not Cart.objects.get().list_products
