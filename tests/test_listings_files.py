"""Product Sync, WMS to cart, by files: the WMS's product list becomes a file of what the shop has not."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock, crash
from merchants.models import Merchant, Product, ProductAlias, Schedule, Service
from orders import listings
from orders.models import CartListing, CartProduct
from orders.services.list_products import OPEN
from tests.dying import dying
from tests.test_files_again import Disk

INVENTORY, UPLOAD = Service.INVENTORY, Service.UPLOAD_INVENTORY
LIST = """sku,name,upc,alias_name,alias_value
MUG,Mug,0810012345017,ASIN,B00MUG
MUG,Mug,0810012345017,Seller SKU,AF-MUG
POT,Pot,,,
TIN,,,,
"""
COUNTS = "sku,qty\nMUG,12\nPOT,3\nTIN,1\n"
NEW = [("MUG", "Mug", "0810012345017"), ("POT", "Pot", "")]


@pytest.fixture
def disk(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[Disk]:
    settings.IM_FOLDER_ROOT = str(tmp_path)
    made = Disk(tmp_path, Account.objects.create(name="Disk", timezone="UTC"))
    with tenancy.activate(made.account.pk):
        Merchant.objects.update(list_products=True)
        Cart.objects.update(list_products=True)
        made.path("hall/product-list").mkdir()
        made.path("shop/new-products").mkdir()
        yield made
    crash.set_hook(None)


def told(disk: Disk) -> None:
    """The warehouse leaves its product list and its counts, and both are read."""
    disk.put("hall/product-list/list.csv", LIST)
    disk.put("hall/inventory/counts.csv", COUNTS)
    disk.run(INVENTORY)


def sent(disk: Disk) -> list[list[tuple[str, str, str]]]:
    """SKU, name and barcode of the rows of each file that the shop got."""
    files = [csv.DictReader((disk.path("shop/new-products") / name).open()) for name in disk.names("shop/new-products")]
    return [[(row["sku"], row["name"], row["barcode"]) for row in rows] for rows in files]


def test_a_product_list_is_read_and_what_is_new_leaves_in_one_file(disk: Disk) -> None:
    told(disk)
    assert disk.names("hall/product-list") == []
    assert dict(Product.objects.values_list("sku", "name")) == {"MUG": "Mug", "POT": "Pot", "TIN": ""}
    codes = ProductAlias.objects.order_by("kind").values_list("product__sku", "kind", "value")
    assert list(codes) == [
        ("MUG", "ASIN", "B00MUG"), ("MUG", "Barcode", "0810012345017"), ("MUG", "Seller SKU", "AF-MUG"),
    ]  # fmt: skip
    for _ in range(2):
        disk.run(UPLOAD)
    assert sent(disk) == [NEW]
    assert set(CartListing.objects.values_list("code", "state")) == {("MUG", "there"), ("POT", "there")}


def test_a_warehouse_without_a_product_list_tells_its_counts_all_the_same(disk: Disk) -> None:
    disk.path("hall/product-list").rmdir()
    disk.put("hall/inventory/counts.csv", COUNTS)
    disk.run(INVENTORY)
    assert not Alert.objects.exists()
    disk.run(UPLOAD)
    assert sent(disk) == [], "nobody knows what they are called"


def test_what_the_shops_own_files_have_brought_is_there(disk: Disk) -> None:
    CartProduct.objects.create(merchant=disk.merchant, cart=disk.cart, key="MUG", sku="MUG", data={})
    told(disk)
    disk.run(UPLOAD)
    assert sent(disk) == [NEW[1:]]


@pytest.mark.parametrize("point", ["after_put", "after_uploaded", "after_rename"])
def test_a_worker_that_dies_in_the_middle_of_a_file_sends_it_once(disk: Disk, point: str) -> None:
    told(disk)
    with dying(point=point):
        disk.run(UPLOAD)
    assert set(CartListing.objects.values_list("state", flat=True)) == {"waiting"}, "it never came to an end"
    disk.expire()
    disk.run(UPLOAD)
    assert sent(disk) == [NEW]
    assert set(CartListing.objects.values_list("state", flat=True)) == {"there"}


def test_switched_off_in_the_middle_of_a_file_it_comes_to_its_end_and_no_other_follows(disk: Disk) -> None:
    told(disk)
    with dying(point="after_uploaded"):
        disk.run(UPLOAD)
    Cart.objects.update(list_products=False)
    disk.cart.refresh_from_db()
    listings.switched(disk.cart, clock.now())
    disk.expire()
    for _ in range(2):
        disk.run(UPLOAD)
    assert sent(disk) == [NEW]
    assert set(CartListing.objects.values_list("state", flat=True)) == {"there"}
    schedule = Schedule.objects.get(service=UPLOAD)
    assert OPEN not in schedule.state and not Alert.objects.filter(resolved_at=None).exists()


def test_what_a_list_said_of_a_code_that_another_has_stays_told_until_a_list_comes_without_it(disk: Disk) -> None:
    disk.put("hall/product-list/list.csv", LIST + "TIN,,,ASIN,B00MUG\n", hours=2)
    disk.put("hall/inventory/counts.csv", COUNTS)
    for _ in range(2):
        disk.run(INVENTORY)
        assert Alert.objects.filter(kind="bad_rows", resolved_at=None).exists()
    disk.put("hall/product-list/list.csv", LIST)
    disk.run(INVENTORY)
    assert not Alert.objects.filter(resolved_at=None).exists()
