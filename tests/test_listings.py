"""Product Sync, WMS to cart: what the WMS has and a cart has not is created there, once, where both sides say so."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from carts.models import Cart, CartStock
from carts.systems.sandbox_shop import SandboxShop, to_product
from integration_manager.kit.errors import AuthFailed, Permanent
from integration_manager.kit.faults import Fault
from merchants.models import Merchant, Product, ProductAlias, Schedule, Service
from merchants.schedules import next_slot
from orders import listings, product_rows
from orders.models import CartListing, CartProduct
from orders.services import product_details
from tests.dying import dying, mortal
from tests.statements import counted
from tests.world import START, World, alerts, answers, asked, at, run

INVENTORY, UPLOAD = Service.INVENTORY, Service.UPLOAD_INVENTORY
State = CartListing.State


@pytest.fixture
def world(calm: World) -> World:
    """Both switches are on."""
    Merchant.objects.update(list_products=True)
    Cart.objects.update(list_products=True)
    return calm


def shelve(world: World, sku: str, name: str = "", free: int = 5, **codes: str) -> None:
    """The warehouse has a product, counted; without a name it has told nothing else of it."""
    warehouse: Any = world.warehouse
    quantity = Decimal(free)
    warehouse._count("C1", sku, "MAIN", quantity, quantity, warehouse.clock())
    if name:
        warehouse.shelve(sku, sku, name, codes)


def sync(world: World) -> None:
    run(world, INVENTORY, UPLOAD)


def created(world: World) -> list[str]:
    """The SKUs of what was created in the shop, in order."""
    return sorted(effect["key"] for effect in world.shop.effects("product"))


def states() -> dict[str, str]:
    return dict(CartListing.objects.values_list("code", "state"))


def settled() -> None:
    """PostgreSQL's clock, and business time, go on until nothing waits for an undecided call any more."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_cartlisting SET lease_until = NULL, retry_at = retry_at - interval '1 hour'")


# ── what the WMS says of its products ──


def test_names_and_other_codes_come_with_the_inventory(calm: World) -> None:
    shelve(calm, "MUG", "Mug", UPC="0810012345017", ASIN="B00MUG")
    shelve(calm, "POT")
    run(calm, INVENTORY)
    found = Product.objects.order_by("sku").values_list("sku", "name", "origin")
    assert list(found) == [("MUG", "Mug", "wms"), ("POT", "", "wms")]
    codes = ProductAlias.objects.order_by("value").values_list("product__sku", "kind", "value")
    assert list(codes) == [("MUG", "UPC", "0810012345017"), ("MUG", "ASIN", "B00MUG")]
    assert not created(calm), "nobody has switched that on"


def test_a_change_is_read_and_the_rest_only_once_a_day(calm: World) -> None:
    warehouse: Any = calm.warehouse
    shelve(calm, "MUG", "Mug")
    with at(0):
        run(calm, INVENTORY)
    with at(1):
        warehouse.shelve("MUG", "MUG", "Mug, blue", at=START)
        shelve(calm, "POT", "Pot")
        warehouse.products.change("POT", modified_at=(START - timedelta(days=9)).isoformat())  # past its interface
        run(calm, INVENTORY)
    assert dict(Product.objects.values_list("sku", "name")) == {"MUG": "Mug, blue", "POT": ""}
    with at(26):
        run(calm, INVENTORY)
    assert Product.objects.get(sku="POT").name == "Pot"


def test_a_code_of_two_products_stays_with_the_first_and_is_told(calm: World) -> None:
    shelve(calm, "MUG", "Mug", UPC="0810012345017")
    run(calm, INVENTORY)
    shelve(calm, "POT", "Pot", UPC="0810012345017", MPN="P-1")
    for _ in range(2):
        run(calm, INVENTORY)
    assert dict(ProductAlias.objects.values_list("value", "product__sku")) == {"0810012345017": "MUG", "P-1": "POT"}
    assert alerts() == ["bad_rows"]
    calm.warehouse.shelve("POT", "POT", "Pot", {"MPN": "P-1"})
    with at(26):
        run(calm, INVENTORY)
    assert alerts() == [], "all of them were read, and nothing stood against any"


# ── the way to the cart ──


def test_what_the_cart_has_not_is_created_once_and_told_its_stock(world: World) -> None:
    shop: Any = world.shop
    shop.offer("1", "POT", "Their pot", "34.00")
    shelve(world, "MUG", "Mug", UPC="0810012345017")
    shelve(world, "POT", "Pot")
    shelve(world, "NAMELESS")
    for _ in range(3):
        sync(world)
    assert created(world) == ["MUG"]
    (made,) = world.shop.effects("product")
    assert made["said"] == {"sku": "MUG", "title": "Mug", "barcode": "0810012345017"}, "and no price"
    assert states() == {"MUG": State.THERE, "POT": State.THERE}
    assert dict(CartListing.objects.values_list("code", "found")) == {"MUG": False, "POT": True}
    assert {"MUG", "POT"} <= {effect["key"] for effect in world.shop.effects("stock")}
    assert asked(world.shop, "GET", "/api/products") == 3, "each was looked up once by each of its codes"


def test_what_the_cart_did_not_know_is_told_its_stock_in_the_same_run(world: World) -> None:
    shelve(world, "MUG", "Mug")
    run(world, INVENTORY)
    CartStock.objects.create(cart=world.cart, sku="MUG", quantity=5, sent_at=START, skipped=True)
    Schedule.objects.filter(service=UPLOAD).update(reached_back_at=START)
    run(world, UPLOAD)
    assert [effect["key"] for effect in world.shop.effects("stock")] == ["MUG"]


@pytest.mark.parametrize("off", [Merchant, Cart])
def test_with_one_of_the_two_switches_off_nothing_is_created(world: World, off: Any) -> None:
    off.objects.update(list_products=False)
    shelve(world, "MUG", "Mug")
    sync(world)
    assert (created(world), states()) == ([], {})
    assert not asked(world.shop, "GET", "/api/products"), "nobody is even asked"


def test_it_does_not_come_back_to_the_wms_as_another_product(world: World) -> None:
    Cart.objects.update(stock_alias="ASIN", sync_products=True)
    shelve(world, "MUG", "Mug", ASIN="B00MUG")
    sync(world)
    shop: Any = world.shop
    (raw,) = shop.table("products")
    assert raw["sku"] == "B00MUG"
    assert not product_rows.store(world.cart, [to_product(raw)], START, again=True)
    assert not CartProduct.objects.exists()


def test_what_was_created_does_not_come_back_under_its_own_sku_either(world: World) -> None:
    shelve(world, "MUG", "Mug")
    sync(world)
    shop: Any = world.shop
    (raw,) = shop.table("products")
    assert not product_rows.store(world.cart, [to_product(raw)], START, again=True)


def test_a_code_that_was_taken_from_its_product_is_another_one(world: World) -> None:
    Cart.objects.update(stock_alias="ASIN", sync_products=True)
    shelve(world, "MUG", "Mug", ASIN="B00MUG")
    sync(world)
    ProductAlias.objects.all().delete()
    shop: Any = world.shop
    (raw,) = shop.table("products")
    assert product_rows.store(world.cart, [to_product(raw)], START, again=True) == {"new": 1}


def test_a_product_is_one_however_many_codes_it_has_and_whichever_the_cart_goes_by(world: World) -> None:
    Cart.objects.update(stock_alias="UPC")
    shelve(world, "MUG", "Mug", UPC="0810012345017")
    run(world, INVENTORY)
    ProductAlias.objects.create(
        merchant=world.merchant, product=Product.objects.get(sku="MUG"), kind="UPC", value="0910012345016"
    )
    run(world, UPLOAD)
    assert created(world) == ["0810012345017"]
    Cart.objects.update(stock_alias="")
    sync(world)
    assert created(world) == ["0810012345017"]


def test_one_that_the_cart_has_under_another_of_its_codes_is_there(world: World) -> None:
    shop: Any = world.shop
    shop.offer("1", "B00MUG", "A mug of theirs", "34.00")
    CartProduct.objects.create(merchant=world.merchant, cart=world.cart, key="2", sku="AF-POT", data={})
    shelve(world, "MUG", "Mug", UPC="0810012345017", ASIN="B00MUG")
    shelve(world, "POT", "Pot", MPN="AF-POT")
    sync(world)
    assert created(world) == []
    assert dict(CartListing.objects.values_list("code", "found")) == {"MUG": True}


def test_what_is_deleted_in_the_shop_stays_deleted(world: World) -> None:
    shelve(world, "MUG", "Mug")
    sync(world)
    world.shop.table("products").remove("N00001")
    sync(world)
    assert created(world) == ["MUG"]


def test_what_came_from_the_cart_is_there(world: World) -> None:
    CartProduct.objects.create(merchant=world.merchant, cart=world.cart, key="1", sku="MUG", data={})
    shelve(world, "MUG", "Mug")
    sync(world)
    assert (created(world), states()) == ([], {})


def test_the_code_that_the_cart_goes_by_is_what_it_gets(world: World) -> None:
    Cart.objects.update(stock_alias="ASIN")
    shelve(world, "MUG", "Mug", ASIN="B00MUG")
    shelve(world, "POT", "Pot")
    sync(world)
    assert created(world) == ["B00MUG"], "what has no such code is told no stock either"


# ── what goes wrong ──


def test_one_that_is_refused_waits_for_a_person_and_stops_no_other(world: World) -> None:
    shelve(world, "L" * 41, "Long")
    shelve(world, "MUG", "Mug")
    sync(world)
    assert created(world) == ["MUG"]
    assert alerts() == ["listing_refused"]
    assert CartListing.objects.get(state=State.REFUSED).error_message == "A SKU has at most 40 characters."
    calls = asked(world.shop, "POST", "/api/products")
    sync(world)
    assert asked(world.shop, "POST", "/api/products") == calls, "not again by itself"
    answers(world.shop, "POST", "/api/products", lambda request, before: _taken(world, request))
    assert listings.try_again(world.cart, START - timedelta(days=1)) == 1
    sync(world)
    assert alerts() == []


def _taken(world: World, request: Any) -> Any:
    world.shop.effect("product", request.json["sku"])
    return {"id": "N9"}


def test_what_is_not_told_any_more_need_not_be_mended(world: World) -> None:
    shelve(world, "L" * 41, "Long")
    sync(world)
    assert alerts() == ["listing_refused"]
    listings.switched_off(world.cart, START)
    assert (alerts(), states()) == ([], {})


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.ERROR_AFTER, Fault.BAD_GATEWAY])
def test_a_lost_answer_leaves_one_product(world: World, fault: Fault) -> None:
    shelve(world, "MUG", "Mug")
    run(world, INVENTORY)
    world.shop.faults.script("POST /api/products", fault)
    run(world, UPLOAD)
    assert states() == {"MUG": State.WAITING}
    settled()
    run(world, UPLOAD)
    assert (created(world), states()) == (["MUG"], {"MUG": State.THERE})
    assert not CartListing.objects.get().found
    assert alerts() == []


def test_one_that_fails_is_tried_with_the_next_upload_and_brings_none_of_its_own(world: World) -> None:
    shelve(world, "MUG", "Mug")
    run(world, INVENTORY)
    world.shop.faults.script("POST /api/products", Fault.ERROR)
    with at(0):
        Schedule.objects.filter(service=UPLOAD).delete()
        world.schedule(UPLOAD)
        run(world, UPLOAD)
        planned = world.schedule(UPLOAD)
        assert states() == {"MUG": State.WAITING}
        assert planned.next_run == next_slot(planned, START, world.account.timezone)


@pytest.mark.parametrize("lost", [True, False])
def test_a_403_is_about_the_rights_where_these_are_lost_and_else_about_the_product(
    world: World, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> str:
        raise Permanent("This is not allowed.", code="forbidden")

    def check(*_: Any) -> None:
        if lost:
            raise AuthFailed("The app lacks rights.")

    shelve(world, "MUG", "Mug")
    run(world, INVENTORY)
    refused.__dict__.update(vars(SandboxShop.create_product))  # how it dedupes
    monkeypatch.setattr(SandboxShop, "create_product", refused)
    monkeypatch.setattr(SandboxShop, "check", check)
    run(world, UPLOAD)
    if lost:
        assert (states(), alerts()) == ({"MUG": State.WAITING}, ["credentials"])
    else:
        assert (states(), alerts()) == ({"MUG": State.REFUSED}, ["listing_refused"])


def test_what_was_begun_and_is_not_wanted_any_more_is_not_created(world: World) -> None:
    shelve(world, "MUG", "Mug")
    run(world, INVENTORY)
    world.shop.faults.script("POST /api/products", Fault.ERROR)
    run(world, UPLOAD)
    Cart.objects.update(stock_alias="ASIN")
    run(world, UPLOAD)
    assert states() == {"MUG": State.WAITING}, "nobody knows yet whether it is there"
    settled()
    run(world, UPLOAD)
    assert (created(world), states(), alerts()) == ([], {}, [])


def test_a_switch_that_is_turned_in_the_middle_of_a_run_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shelve(world, "MUG", "Mug")
    run(world, INVENTORY)
    real = listings.reconcile

    def meanwhile(*args: Any) -> bool:
        answer = real(*args)
        Cart.objects.update(list_products=False)
        return answer

    monkeypatch.setattr(listings, "reconcile", meanwhile)
    run(world, UPLOAD)
    assert created(world) == []


def test_with_nothing_new_it_costs_two_statements(world: World) -> None:
    shelve(world, "MUG", "Mug")
    for _ in range(3):
        sync(world)
    costs = []
    for on in (True, False):
        Cart.objects.update(list_products=on)
        run(world, UPLOAD)
        with counted() as sent:
            run(world, UPLOAD)
        costs.append(len(sent))
    assert costs[0] - costs[1] == 2


@pytest.mark.parametrize("point", ["before_product", "after_product"])
def test_a_worker_that_dies_around_the_call_leaves_one_product(
    world: World, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mortal(monkeypatch)
    shelve(world, "MUG", "Mug")
    run(world, INVENTORY)
    with dying(point=point):
        run(world, UPLOAD)
    assert states() == {"MUG": State.WAITING}
    settled()
    run(world, UPLOAD)
    assert (created(world), states()) == (["MUG"], {"MUG": State.THERE})


def test_two_workers_never_have_the_same_product(world: World) -> None:
    shelve(world, "MUG", "Mug")
    run(world, INVENTORY)
    for _ in range(2):
        assert listings.reconcile(world.cart, {"MUG": "MUG"}, START)
    assert states() == {"MUG": State.WAITING}
    assert product_details.STATE in Schedule.objects.get(service=INVENTORY).state
