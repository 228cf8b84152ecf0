"""Product Sync by files: a file of the shop's becomes one of the WMS's, each product in it once."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import crash
from merchants.models import Product, Service
from orders.models import CartProduct, OutFile
from tests.dying import dying
from tests.test_files_again import MONDAY, Disk

PRODUCTS, DELIVER = Service.PRODUCTS, Service.DELIVER
GOODS = "sku,name,price,currency\nMUG,Mug,12.50,USD\nPOT,Pot,34,USD\n"


@pytest.fixture
def disk(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[Disk]:
    settings.IM_FOLDER_ROOT = str(tmp_path)
    made = Disk(tmp_path, Account.objects.create(name="Disk", timezone="UTC"))
    for place in made.at.values():
        (place / "products").mkdir()
    with tenancy.activate(made.account.pk):
        Cart.objects.update(sync_products=True, sync_price=True)
        made.cart.refresh_from_db()
        yield made
    crash.set_hook(None)


def sync(disk: Disk) -> None:
    for service in (PRODUCTS, DELIVER):
        disk.run(service)


def sent(disk: Disk) -> list[list[tuple[str, str, str]]]:
    """SKU, name and price of the rows of each file that the WMS got."""
    files = [csv.DictReader((disk.path("hall/products") / name).open()) for name in disk.names("hall/products")]
    return [[(row["sku"], row["name"], row["retail_price"]) for row in rows] for rows in files]


def test_a_file_of_products_becomes_one_of_the_wms(disk: Disk) -> None:
    disk.put("shop/products/monday.csv", GOODS)
    sync(disk)
    assert sent(disk) == [[("MUG", "Mug", "12.50"), ("POT", "Pot", "34")]]
    assert disk.names("shop/products") == []
    assert len(disk.names("shop/archive")) == 1
    assert set(CartProduct.objects.values_list("state", "wms_key")) == {("there", "MUG"), ("there", "POT")}
    assert Product.objects.filter(origin=Product.Origin.CART).count() == 2
    sync(disk)
    assert len(sent(disk)) == 1, "nothing new, no file"


@pytest.mark.parametrize(("updates", "files"), [(False, 2), (True, 3)])
def test_a_later_file_brings_what_is_new_and_perhaps_what_changed(disk: Disk, updates: bool, files: int) -> None:
    Cart.objects.update(sync_updates=updates)
    disk.put("shop/products/monday.csv", GOODS, hours=3)
    sync(disk)
    disk.put("shop/products/tuesday.csv", f"{GOODS}TIN,Tin,5.60,USD\n", hours=2)
    sync(disk)
    assert [("TIN", "Tin", "5.60")] in sent(disk)
    disk.put("shop/products/wednesday.csv", GOODS.replace("12.50", "13.10"), hours=1)
    sync(disk)
    assert len(sent(disk)) == files
    assert ([("MUG", "Mug", "13.10")] in sent(disk)) is updates


def test_rows_that_cannot_be_read_are_said_and_the_rest_goes_on(disk: Disk) -> None:
    disk.put("shop/products/monday.csv", f"{GOODS}TRAY,Tray,cheap,USD\n")
    sync(disk)
    assert len(sent(disk)[0]) == 2
    assert "Line 4: price" in Alert.objects.get(kind="bad_rows").message


@pytest.mark.parametrize("point", ["after_put", "after_uploaded", "after_rename"])
def test_a_worker_that_dies_in_the_middle_of_a_file_sends_it_once(disk: Disk, point: str) -> None:
    disk.put("shop/products/monday.csv", GOODS)
    disk.run(PRODUCTS)
    with dying(point=point):
        disk.run(DELIVER)
    assert set(CartProduct.objects.values_list("state", flat=True)) == {"waiting"}, "it never came to an end"
    disk.expire()
    disk.run(DELIVER)
    assert sent(disk) == [[("MUG", "Mug", "12.50"), ("POT", "Pot", "34")]]
    assert set(CartProduct.objects.values_list("state", flat=True)) == {"there"}


def test_a_folder_that_takes_nothing_keeps_them_waiting(disk: Disk) -> None:
    disk.put("shop/products/monday.csv", GOODS)
    disk.put("shop/orders/monday.csv", MONDAY)
    for service in (PRODUCTS, Service.DOWNLOAD):
        disk.run(service)
    hall = disk.path("hall/products")
    hall.rmdir()
    hall.write_text("in the way")
    disk.run(DELIVER)
    assert OutFile.objects.get(kind="products").phase == OutFile.Phase.DROPPED
    assert set(CartProduct.objects.values_list("state", "out_file_id")) == {("waiting", None)}
    assert Alert.objects.filter(resolved_at=None).exists()
    assert len(disk.names("hall/orders")) == 1, "the orders go all the same"
    hall.unlink()
    hall.mkdir()
    CartProduct.objects.update(retry_at="2020-01-01T00:00:00Z")
    disk.run(DELIVER)
    assert len(sent(disk)) == 1


def test_with_the_sync_off_no_file_is_touched(disk: Disk) -> None:
    Cart.objects.update(sync_products=False)
    disk.put("shop/products/monday.csv", GOODS)
    sync(disk)
    assert disk.names("shop/products") == ["monday.csv"]
    assert not CartProduct.objects.exists()
