"""Stock by files: what there is was counted when its file was made, not when somebody looked for another one."""

from integration_manager.kit import clock
from merchants import warehouses
from merchants.models import Service, Warehouse
from orders.models import Order, Status
from orders.stock import offered, stock_rules
from tests.test_files_again import Disk
from tests.test_files_again import disk as disk  # the fixture
from tests.test_files_life import HEADER, row
from tests.world import at


def sellable(disk: Disk) -> dict[str, int]:
    found = offered(disk.merchant, stock_rules(disk.cart), clock.now())
    return {offer.code: int(offer.quantity) for offer in found if offer.told}


def deliver(disk: Disk, number: str, quantity: int) -> None:
    """An order for mugs comes in and leaves for the warehouse."""
    disk.put(f"shop/orders/{number}.csv", f"{HEADER}\n{row(number, quantity=str(quantity))}\n")
    disk.run(Service.DOWNLOAD)
    disk.run(Service.DELIVER)
    assert Order.objects.get(cust_ref=number).status == Status.AT_WMS


def test_looking_for_a_file_that_did_not_come_counts_nothing(disk: Disk) -> None:
    with at(0):
        disk.put("hall/inventory/monday.csv", "sku,available\nMUG,10\n")
        disk.run(Service.INVENTORY)
    with at(1):
        deliver(disk, "A-1", 3)
        assert sellable(disk) == {"MUG": 7}
    for hours in (2, 25, 26, 50):  # once a day all are asked for, otherwise what has changed
        with at(hours):
            disk.run(Service.INVENTORY)
            assert sellable(disk) == {"MUG": 7}
    with at(51):
        disk.put("hall/inventory/wednesday.csv", "sku,available\nMUG,8\n")
        disk.run(Service.INVENTORY)
        assert sellable(disk) == {"MUG": 8}, "what was delivered before it was counted is in the count"


def test_what_the_last_file_counted_is_as_old_as_it_is_once_warehouses_are_mapped(disk: Disk) -> None:
    with at(0):
        disk.put("hall/inventory/monday.csv", "sku,warehouse,available\nMUG,MAIN,10\n")
        disk.run(Service.INVENTORY)
    with at(1):
        deliver(disk, "A-1", 3)
        main = Warehouse.objects.get(wms_name="MAIN")
        assert warehouses.remap(disk.merchant, {}, main.pk, clock.now()) == []
    for hours in (2, 3):  # all are asked for, then what has changed
        with at(hours):
            disk.run(Service.INVENTORY)
            assert sellable(disk) == {"MUG": 7}
