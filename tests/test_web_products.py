"""Product Sync and Product Import as people see and set them."""

import re
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest

from accounts.models import AuditEntry
from carts.models import Cart
from integration_manager.kit import clock
from merchants.models import Schedule, Service
from orders import country_rules
from orders.models import CartProduct
from orders.services import products
from tests.counter import Counter, text
from tests.statements import counted
from tests.world import World, ago, run
from wms.models import Wms

pytestmark = pytest.mark.django_db
PRODUCTS, DELIVER = Service.PRODUCTS, Service.DELIVER
SETUP = {"earliest_order_date": "2020-01-01", "stock_percent": "100", "stock_minimum": "0", "stock_buffer": "0"}


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def owner(world: World) -> Counter:
    return Counter(world)


def offer(world: World, key: str, sku: str, title: str) -> None:
    world.shop.offer(key, sku, title, "5.00", at=ago(minutes=5))


def switch_on(world: World) -> None:
    """The sync is on since yesterday."""
    Cart.objects.update(sync_products=True)
    world.cart.refresh_from_db()
    products.switched(world.cart, on=True, now=ago(days=1))
    Schedule.objects.filter(service=PRODUCTS).update(every=3600, next_run=clock.now())


def synced(world: World) -> None:
    """The sync is on, and has run once: a mug is at the WMS, a gift card has no SKU, another thing is refused."""
    switch_on(world)
    for key, sku, title in (("1", "MUG", "Mug"), ("2", "", "Gift card"), ("3", "X" * 41, "Long <b>")):
        offer(world, key, sku, title)
    run(world, PRODUCTS, DELIVER)


def see(owner: Counter, path: str) -> str:
    """A page as text, within the queries that a page may have."""
    assert owner.get(path).status_code == 200  # the session is known now
    with counted() as statements:
        answer = owner.get(path)
    asked = [one for one in statements if not one.startswith("SELECT set_config")]
    assert len(asked) <= 12, "\n".join(asked)
    return text(answer)


def setup(owner: Counter, path: str = "cart/edit/", **said: str) -> Any:
    """Saves a cart's setup with these options."""
    page = owner.get(path).content.decode()
    mark = page.split('name="mark" value="')[1].split('"')[0]
    url = owner.world.cart.credentials["url"].reveal()
    return owner.post(path, {**SETUP, "name": "Oak shop", "mark": mark, "c-url": url, **said})


# ── the options ──


def test_switched_on_in_the_setup_it_runs_hourly_from_now_on(world: World, owner: Counter) -> None:
    owner.post("cart/on/", {"every_download": "900"})
    for system in ("woocommerce", "shopify", "sandbox_shop"):  # for every shop that gives products
        Cart.objects.update(system=system)
        assert "Additional Product Options" in text(owner.get("cart/edit/"))
        assert "Product Import" in text(owner.get("cart/"))
    page = setup(owner, sync_products="True", sync_updates="on")
    assert "Product Sync: Every" in text(page)
    cart = Cart.objects.get()
    assert (cart.sync_products, cart.sync_updates, cart.sync_price) == (True, True, False)
    schedule = Schedule.objects.get(service=PRODUCTS)
    assert schedule.every > 0
    assert schedule.next_run is not None and schedule.next_run <= clock.now()
    assert products.FROM in schedule.state
    assert "Product Sync" in text(owner.get("cart/")).split("Filters")[0], "it is among the services now"
    owner.post("cart/services/", {"every_products": "7200"})
    assert Schedule.objects.get(service=PRODUCTS).every == 7200
    page = setup(owner, sync_products="")
    schedule = Schedule.objects.get(service=PRODUCTS)
    assert (schedule.every, schedule.next_run) == (0, None)
    assert not Cart.objects.get().sync_products


def test_while_the_cart_is_off_it_waits_for_the_cart(world: World, owner: Counter) -> None:
    setup(owner, sync_products="True")
    assert Schedule.objects.get(service=PRODUCTS).every == 0
    owner.post("cart/on/")
    assert Schedule.objects.get(service=PRODUCTS).every > 0


def test_a_new_cart_can_have_it_from_the_start(world: World, owner: Counter) -> None:
    values = {f"c-{name}": str(value) for name, value in world.shop.values("").items()}
    url = world.cart.credentials["url"].reveal()
    Cart.objects.all().delete()
    said = {**values, "c-url": url, **SETUP, "name": "Oak shop", "sync_products": "True", "on": "1"}
    owner.post(f"carts/new/sandbox_shop/?merchant={world.merchant.public_id}", said)
    cart = Cart.objects.get()
    assert cart.sync_products
    schedule = Schedule.objects.get(cart=cart, service=PRODUCTS)
    assert schedule.every > 0
    assert products.FROM in schedule.state


def other_cart(world: World, **fields: Any) -> Cart:
    """A second cart of the merchant."""
    values = {"url": "http://127.0.0.1:9/elm", "api_key": "k"}
    made: Cart = Cart.objects.create(
        merchant=world.merchant, system="sandbox_shop", name="Elm shop", number=2, shop="elm", credentials=values,
        earliest_order_date=world.cart.earliest_order_date, **fields,
    )  # fmt: skip
    return made


def test_only_one_cart_of_a_merchant_may_have_it(world: World, owner: Counter) -> None:
    other_cart(world, sync_products=True)
    page = setup(owner, sync_products="True")
    assert page.status_code == 422
    assert "Elm shop has it already, and only one cart of a merchant may" in text(page)
    assert not Cart.objects.get(pk=world.cart.pk).sync_products


def test_another_page_that_was_quicker_is_said_in_the_same_words(
    world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from carts.forms import CartForm

    other = other_cart(world)

    def meanwhile(form: CartForm) -> bool:
        Cart.objects.filter(pk=other.pk).update(sync_products=True)
        return True

    monkeypatch.setattr(CartForm, "clean_sync_products", meanwhile)
    page = setup(owner, sync_products="True")
    assert page.status_code == 422
    assert "Elm shop has it already" in text(page)


def test_options_that_nothing_can_carry_out_are_not_shown(world: World, owner: Counter) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    page = text(owner.get("cart/edit/"))
    assert "Sync Products From Cart" not in page and "Sync Products To Cart" in page
    world.cart.system = "acorn"
    assert "takes no products from here" in text(owner.get("cart/product-import/"))


def test_deleted_a_cart_gives_it_up(world: World, owner: Counter) -> None:
    synced(world)
    owner.post("cart/delete/")
    assert not Cart.objects.get().sync_products
    assert Schedule.objects.get(service=PRODUCTS).next_run is None
    owner.post("cart/restore/")
    assert not Cart.objects.get().sync_products


# ── what became of them ──


def test_view_product_sync_says_what_goes_both_ways(world: World, owner: Counter) -> None:
    synced(world)
    page = see(owner, "cart/product-sync/")
    assert "Cart to WMS" in page
    assert "<dt>At the WMS</dt><dd><a href=" in page
    assert "2 products</a>" in page
    assert "WMS to cart: stock" in page


def test_each_product_is_listed_with_the_reason_it_is_not_there(world: World, owner: Counter) -> None:
    synced(world)
    page = see(owner, "cart/products/")
    assert "It has no SKU in the cart" in page
    assert "A SKU has at most 40 characters." in page
    assert "Long &lt;b&gt;" in page
    assert page.count("Try again</button>") == 1, "what has no SKU is mended in the shop alone"
    there = see(owner, "cart/products/?state=there")
    assert "Mug" in there
    assert "G00001" in there
    assert "Mug" in see(owner, "cart/products/?state=there&q=MU")
    assert "No such product" in see(owner, "cart/products/?state=there&q=NO")
    assert "None" in see(owner, "cart/products/?state=left")
    assert "Nothing waits" not in see(owner, "cart/products/?state=nonsense")


def test_sent_once_more_by_hand(world: World, owner: Counter) -> None:
    synced(world)
    one = CartProduct.objects.get(key="3")
    page = text(owner.post("cart/products/again/", {"product": one.public_id}))
    assert "One product is sent once more." in page
    assert dict(CartProduct.objects.values_list("key", "state")) == {"1": "there", "2": "refused", "3": "waiting"}
    assert AuditEntry.objects.filter(verb="products.tried_again").count() == 1
    gift = CartProduct.objects.get(key="2")
    assert "There is none" in text(owner.post("cart/products/again/", {"product": gift.public_id}))
    run(world, DELIVER)
    assert "One product is" in text(owner.post("cart/products/again/"))


def test_a_twin_is_sent_in_the_place_of_the_other_by_one_click(world: World, owner: Counter) -> None:
    switch_on(world)
    offer(world, "1", "MUG", "Blue")
    run(world, PRODUCTS, DELIVER)
    offer(world, "2", "MUG", "Red")
    run(world, PRODUCTS, DELIVER)
    page = see(owner, "cart/products/")
    assert "send this one in its place" in page and "Send this one</button>" in page and "Try all again" not in page
    one = CartProduct.objects.get(key="2")
    assert "One product is sent once more." in text(owner.post("cart/products/again/", {"product": one.public_id}))
    assert list(CartProduct.objects.values_list("key", flat=True)) == ["2"]


def test_its_pages_stay_long_lists(world: World, owner: Counter) -> None:
    switch_on(world)
    for number in range(55):
        offer(world, f"{number:02}", "", f"Thing {number}")
    run(world, PRODUCTS)
    page = see(owner, "cart/products/")
    assert "50 products on this page" in page
    after = page.split("?after=")[1].split('"')[0]
    assert "5 products on this page" in see(owner, f"cart/products/?after={after}")


# ── import ──


def test_an_import_says_how_many_before_it_begins(world: World, owner: Counter) -> None:
    for number in range(120):
        offer(world, str(number), f"SKU-{number}" if number else "", f"Thing {number}")
    page = text(owner.get("cart/product-import/"))
    assert "Count the products" in page
    assert "Order Delivery of Merchant OAK is off or paused" in page
    page = text(owner.post("cart/product-import/"))
    assert "Shop has 120 products." in page
    assert "1 of them has no SKU" in page
    assert not Schedule.objects.filter(service=PRODUCTS).exists(), "counting imports nothing"
    page = text(owner.post("cart/product-import/", {"confirm": "1"}))
    assert "All products of Shop are being read" in page
    assert "An import is under way" in page
    assert "An import is under way already" in text(owner.post("cart/product-import/", {"confirm": "1"}))
    assert AuditEntry.objects.filter(verb="products.imported").count() == 1
    run(world, PRODUCTS)
    assert CartProduct.objects.count() == 120
    assert "The last import read 120 products." in text(owner.get("cart/product-sync/"))
    assert "120 products are known here already" in text(owner.post("cart/product-import/"))


def test_a_shop_that_does_not_answer_says_so(world: World, owner: Counter) -> None:
    world.cart.credentials = {**world.cart.credentials, "api_key": "wrong"}
    world.cart.save()
    page = owner.post("cart/product-import/")
    assert page.status_code == 422
    assert "refused the credentials" in text(page)


def test_disabled_an_import_ends(world: World, owner: Counter) -> None:
    owner.post("cart/product-import/", {"confirm": "1"})
    assert Schedule.objects.get(service=PRODUCTS).next_run is not None
    owner.post("cart/off/")
    schedule = Schedule.objects.get(service=PRODUCTS)
    assert schedule.next_run is None
    assert products.IMPORT not in schedule.state


def test_an_import_of_an_archived_merchant_is_refused(world: World, owner: Counter) -> None:
    world.merchant.archived_at = clock.now() - timedelta(days=1)
    world.merchant.save()
    assert "is archived" in text(owner.post("cart/product-import/", {"confirm": "1"}))
    assert not Schedule.objects.filter(service=PRODUCTS, next_run__isnull=False).exists()


def test_a_merchant_user_sees_and_imports_what_is_theirs(world: World) -> None:
    synced(world)
    theirs = Counter(world, "merchant", world.merchant)
    assert theirs.get("cart/products/").status_code == 200
    assert theirs.get("cart/product-import/").status_code == 200


def locks(sent: list[str]) -> list[str]:
    """The tables of carts and merchants in the order in which their rows are locked, by a question or a change."""
    found = []
    for sql in sent:
        table = re.search(r'^UPDATE "?(\w+)|FROM "?(\w+)"?.* FOR (?:NO KEY )?UPDATE', sql, re.DOTALL)
        name = next(filter(None, table.groups()), "") if table else ""
        if name in ("carts_cart", "merchants_merchant"):
            assert not sql.endswith("FOR UPDATE"), "whoever stores what points to both would be waited for in any order"
            found.append(name)
    return found


def test_a_cart_is_locked_before_its_merchant_everywhere(world: World, owner: Counter) -> None:
    with counted() as sent:
        setup(owner, sync_products="True")
    assert locks(sent)[:2] == ["carts_cart", "merchants_merchant"]
    with counted() as sent:
        country_rules.change(world.merchant, clock.now(), "dana@mail.example", kind="deny", add=["FR"])
    assert locks(sent)[:2] == ["carts_cart", "merchants_merchant"]
    with counted() as sent:
        assert owner.post("cart/delete/").status_code in (200, 302)
    assert Cart.objects.get().archived_at is not None
    assert [name for name, _ in groupby(locks(sent))][:2] == ["carts_cart", "merchants_merchant"]
