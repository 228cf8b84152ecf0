"""The same file again: recognised by its content, said once, and loaded if a person wants it."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock, crash, file_pages
from merchants.models import Merchant, ReadFile, Schedule, Service, StoredFile
from orders import rejects
from orders.models import Order, Shipment, SkippedOrder, Status
from tests import desk as desks
from tests.dying import dying
from tests.test_files_life import HEADER, Files, confirm, row
from wms.models import Wms

MONDAY = f"{HEADER}\n{row('A-1')}\n{row('A-2')}\n"


class Disk(Files):
    """An account whose cart and WMS are directories of this machine's disk."""

    def __init__(self, root: Path, account: Account, **options: Any) -> None:
        self.account = account
        with tenancy.activate(account.pk):
            self.merchant = Merchant.objects.create(name="Paper & Co", code="PAPER", wms_values={"client_dir": "."})
            self.cart = Cart.objects.create(
                merchant=self.merchant,
                system="csv_cart",
                name="Files",
                number=9,
                shop="disk",
                credentials={"place": "disk"},
                options={"quiet": 0, **options},
                earliest_order_date=date(2020, 1, 1),
            )
            wms = Wms.current() or Wms()
            wms.system, wms.credentials, wms.options = "csv_wms", {"place": "disk"}, {"quiet": 0}
            wms.save()
        hall = root / account.public_id
        self.at = {"shop": hall / self.merchant.public_id, "hall": hall}
        for place in self.at.values():
            for kind in ("orders", "confirmations", "inventory", "archive", "errors"):
                (place / kind).mkdir(parents=True, exist_ok=True)

    def path(self, path: str) -> Path:
        place, _, rest = path.partition("/")
        return self.at[place] / rest

    def put(self, path: str, text: str, hours: float = 1) -> None:
        """Somebody puts a file there, whose time is some hours ago."""
        self.path(path).write_text(text)
        at = (clock.now() - timedelta(hours=hours)).timestamp()
        os.utime(self.path(path), (at, at))

    def names(self, path: str) -> list[str]:
        return sorted(entry.name for entry in self.path(path).iterdir())

    def text(self, path: str) -> str:
        return "".join((self.path(path) / name).read_text() for name in self.names(path))


@pytest.fixture
def disk(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[Disk]:
    settings.IM_FOLDER_ROOT = str(tmp_path)
    made = Disk(tmp_path, Account.objects.create(name="Disk", timezone="UTC"))
    with tenancy.activate(made.account.pk):
        yield made
    crash.set_hook(None)


def download(disk: Disk) -> dict[str, int]:
    run = disk.run(Service.DOWNLOAD)
    assert run is not None
    return dict(run.counts)


def again() -> list[Alert]:
    return list(Alert.objects.filter(kind="file_again", resolved_at=None))


def test_the_same_content_is_not_loaded_again_and_said_once(disk: Disk) -> None:
    disk.put("shop/orders/monday.csv", MONDAY)
    assert download(disk)["found"] == 2 and again() == []
    for turn, name in enumerate(("monday.csv", "tuesday.csv")):
        disk.put(f"shop/orders/{name}", MONDAY, hours=0.5 - turn / 4)
        counts = download(disk)
        assert counts["files_again"] == 1 and not counts.get("found")
    (alert,) = again()
    assert "tuesday.csv was not loaded" in alert.message and "monday.csv" in alert.message and alert.count == 2
    assert disk.names("shop/orders") == [] and len(disk.names("shop/archive")) == 3
    assert [(one.name, one.same, one.rows) for one in ReadFile.objects.order_by("pk")] == [
        ("monday.csv", False, 2), ("monday.csv", True, 0), ("tuesday.csv", True, 0),
    ]  # fmt: skip
    assert StoredFile.objects.get().title == "tuesday.csv", "one copy of each content waits for a person's word"


def test_other_content_under_the_same_name_is_loaded(disk: Disk) -> None:
    disk.put("shop/orders/orders.csv", MONDAY)
    download(disk)
    disk.put("shop/orders/orders.csv", MONDAY.replace("A-2", "A-3"))
    assert download(disk)["found"] == 2
    assert Order.objects.count() == 3 and again() == []


@pytest.mark.parametrize("why", ["refused", "too_old", "no_rows", "no_table"])
def test_a_file_that_left_something_to_do_is_read_again(disk: Disk, why: str) -> None:
    if why == "too_old":
        Cart.objects.filter(pk=disk.cart.pk).update(earliest_order_date=date(2030, 1, 1))
    text = {"refused": MONDAY + row("A-3", quantity="many") + "\n", "no_rows": HEADER + "\n", "no_table": "a,b\n1,2\n"}
    for hours in (1.0, 0.5):
        disk.put("shop/orders/monday.csv", text.get(why, MONDAY), hours)
        download(disk)
        Cart.objects.filter(pk=disk.cart.pk).update(earliest_order_date=date(2020, 1, 1))
    assert again() == [] and disk.names("shop/orders") == []
    assert not ReadFile.objects.filter(same=True).exists()
    assert Order.objects.count() == (2 if why in ("refused", "too_old") else 0)
    assert not SkippedOrder.objects.filter(key__startswith="A-").exists() or why == "too_old"


def bad() -> list[str]:
    """Which files are said to have rows that could not be read."""
    keys = Alert.objects.filter(kind="bad_rows", resolved_at=None).values_list("key", flat=True)
    return sorted(key.rpartition(":")[2] for key in keys)


def test_rows_that_are_put_back_corrected_end_what_was_said_of_their_file(disk: Disk) -> None:
    """Another file of the same name does not, since that has other orders."""
    disk.put("shop/orders/orders.csv", MONDAY + row("A-3", quantity="many") + "\n" + row("A-4", quantity="few") + "\n")
    disk.put("shop/orders/orders.old.csv", MONDAY + row("B-3", quantity="many") + "\n")
    download(disk)
    (name,) = (one for one in disk.names("shop/errors") if one.startswith("orders.") and "old" not in one)
    text = disk.path(f"shop/errors/{name}").read_text("utf-8-sig")
    disk.put("shop/orders/orders.csv", MONDAY.replace("A-", "C-"))
    download(disk)
    assert bad() == ["orders.csv", "orders.old.csv"]
    disk.put(f"shop/orders/{name}", text.replace("many", "2"))
    download(disk)
    assert bad() == [name, "orders.old.csv"], "one of its rows is wrong still, and said of it"
    (again,) = (one for one in disk.names("shop/errors") if one.count(".errors") == 2)
    disk.put(f"shop/orders/{again}", disk.path(f"shop/errors/{again}").read_text("utf-8-sig").replace("few", "3"))
    download(disk)
    assert bad() == ["orders.old.csv"]
    assert {"A-3", "A-4"} <= set(Order.objects.values_list("cust_ref", flat=True))


@pytest.mark.parametrize("name", ["orders.csv", "o" * 240 + ".csv"], ids=["short", "long"])
def test_two_faulty_files_of_one_name_are_told_side_by_side_and_each_is_ended_by_its_own_rows(
    disk: Disk, name: str
) -> None:
    for number in ("A-1", "B-1"):
        disk.put(f"shop/orders/{name}", f"{HEADER}\n{row(number, quantity='many')}\n")
        download(disk)
    told = Alert.objects.filter(kind="bad_rows").order_by("pk")
    assert [alert.said.partition(",")[0] for alert in told] == ["A-1", "B-1"]
    for number in ("B-1", "A-1"):
        (errors,) = (one for one in disk.names("shop/errors") if number in disk.path(f"shop/errors/{one}").read_text())
        text = disk.path(f"shop/errors/{errors}").read_text("utf-8-sig")
        disk.put(f"shop/orders/{errors}", text.replace("many", "2"))
        download(disk)
        assert [alert.resolved_at is None for alert in told.all()] == [number == "B-1", False]
    assert Order.objects.count() == 2


def test_a_file_that_was_no_table_put_back_as_one_ends_what_was_said_of_it(disk: Disk) -> None:
    disk.put("shop/orders/orders.xlsx", "a,b\n1,2\n")
    download(disk)
    alert = Alert.objects.get(kind="bad_rows")
    assert alert.message.startswith("orders.xlsx could not be read. ") and "under the name that it has" in alert.fix
    disk.put("shop/orders/orders.xlsx", MONDAY)
    download(disk)
    assert bad() == ["orders.xlsx"], "that brought other orders"
    name = disk.names("shop/errors")[0].replace(".xlsx", ".csv")
    for text, left in (("c,d\n", [name]), (MONDAY.replace("A-", "B-"), [])):
        disk.put(f"shop/orders/{name}", text)
        download(disk)
        assert bad() == left
    assert Order.objects.count() == 4


def test_a_count_without_a_fault_ends_what_was_said_of_the_one_before(disk: Disk) -> None:
    for name in ("stock.csv", "s" * 240 + ".csv"):
        for text, said in (("TIN,,many", 1), ("TIN,,few", 1), ("TIN,,7", 0)):
            disk.put(f"hall/inventory/{name}", f"sku,warehouse,qty\n{text}\nPOT,,3\n")
            disk.run(Service.INVENTORY)
            assert len(bad()) == said
    assert {alert.fix for alert in Alert.objects.filter(kind="bad_rows")} == {rejects.COUNT}
    disk.put("hall/inventory/stock.csv", "sku,warehouse,qty\nTIN,,much\n")
    disk.run(Service.INVENTORY)
    (name,) = (one for one in disk.names("hall/errors") if "much" in disk.path(f"hall/errors/{one}").read_text())
    disk.put(f"hall/inventory/{name}", disk.path(f"hall/errors/{name}").read_text("utf-8-sig").replace("much", "7"))
    assert bad() == ["stock.csv"]
    disk.run(Service.INVENTORY)
    assert bad() == [], "so do its rows that are put back as they should be"


@pytest.mark.parametrize("after", ["archive", "delete"])
def test_its_own_half_read_file_is_no_duplicate(disk: Disk, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_pages, "CHUNK_ROWS", 100)
    Cart.objects.filter(pk=disk.cart.pk).update(options={"quiet": 0, "after": after})
    text = HEADER + "\n" + "".join(f"{row(f'B-{n}')}\n" for n in range(450))
    disk.put("shop/orders/long.csv", text)
    with dying(statement=30):
        download(disk)
    assert 0 < Order.objects.count() < 450 and not ReadFile.objects.exists(), "killed in the middle of the file"
    with dying(point="after_stored"):
        download(disk)
    assert Order.objects.count() == 450 and disk.names("shop/orders") == ["long.csv"]
    assert not download(disk).get("files_again"), "it is only taken away"
    assert disk.names("shop/orders") == [] and len(disk.names("shop/archive")) == (after == "archive")
    assert again() == [] and ReadFile.objects.get().taken_at is not None
    disk.put("shop/orders/long.csv", text)
    assert download(disk)["files_again"] == 1, "and now it is the same again"


@pytest.mark.parametrize("point", ["after_stored", "after_archived"])
def test_a_worker_killed_over_a_duplicate_says_it_once(disk: Disk, point: str) -> None:
    disk.put("shop/orders/monday.csv", MONDAY)
    with dying(point="after_archived"):
        download(disk)
    disk.put("shop/orders/other.csv", MONDAY, hours=0.5)
    with dying(point=point):
        download(disk)
    download(disk)
    (alert,) = again()
    assert alert.count == 1 and StoredFile.objects.count() == 1
    assert disk.names("shop/orders") == [] and len(disk.names("shop/archive")) == 2
    assert Order.objects.count() == 2


def test_confirmations_too_unless_their_orders_were_unknown_and_inventory_never(disk: Disk) -> None:
    disk.put("shop/orders/monday.csv", MONDAY)
    download(disk)
    disk.run(Service.DELIVER)
    Order.objects.filter(cust_ref="A-2").update(status=Status.AT_WMS, wms_ref="LATER")
    confirm(disk)
    text = disk.text("hall/confirmations").replace("LATER", "UNKNOWN")
    for turn in (3, 2):
        disk.put("hall/confirmations/confirmed.csv", text, hours=turn)
        disk.run(Service.SHIP_CONFIRM)
        assert Shipment.objects.count() == 1 and again() == [], "read again, since an order of it may come yet"
    Order.objects.filter(cust_ref="A-2").update(wms_ref="UNKNOWN")
    for turn in (1, 0.5):
        disk.put("hall/confirmations/confirmed.csv", text, hours=turn)
        disk.run(Service.SHIP_CONFIRM)
        assert Shipment.objects.count() == 2
    (alert,) = again()
    assert alert.cart_id is None and alert.merchant_id == disk.merchant.pk
    for turn in (1, 0.5):
        disk.put("hall/inventory/stock.csv", "sku,available\nMUG,5\n", hours=turn)
        disk.run(Service.INVENTORY)
    assert ReadFile.objects.filter(kind="inventory", same=False).count() == 2


@pytest.mark.django_db
def test_a_person_loads_it_again_from_the_alert_or_the_list_of_files(tmp_path: Path, settings: Any) -> None:
    settings.IM_FOLDER_ROOT = str(tmp_path)
    desk = desks.build(orders=0)
    with tenancy.activate(desk.account.pk):
        Schedule.objects.all().delete()
        disk = Disk(tmp_path, desk.account)
        disk.put("shop/orders/monday.csv", MONDAY)
        download(disk)
        disk.put("shop/orders/monday.csv", MONDAY, hours=0.5)
        download(disk)
        (alert,) = again()
        held = StoredFile.objects.get()
    owner, files = desk.client("owner"), desk.url(f"carts/{disk.cart.public_id}/files/")
    act = f"{files}{held.public_id}/again/"
    page = owner.get(files).content.decode()
    assert page.count("monday.csv") >= 2 and "2 rows" in page and "Not loaded" in page and act in page
    assert act in owner.get(desk.url(f"alerts/{alert.public_id}/")).content.decode()
    assert "is being loaded" in owner.post(act, follow=True).content.decode()
    with tenancy.activate(desk.account.pk):
        assert again() == [], "what waited for a person is decided"
        assert download(disk)["found"] == 2
        assert ReadFile.objects.get(by_hand=True).rows == 2
    assert "Not loaded" in (page := owner.get(files).content.decode()) and act in page  # as loaded, to be loaded again


@pytest.mark.django_db
def test_so_of_the_warehouses_files(tmp_path: Path, settings: Any) -> None:
    settings.IM_FOLDER_ROOT = str(tmp_path)
    desk = desks.build(orders=0)
    with tenancy.activate(desk.account.pk):
        Schedule.objects.all().delete()
        disk = Disk(tmp_path, desk.account)
        disk.put("shop/orders/monday.csv", MONDAY)
        download(disk)
        disk.run(Service.DELIVER)
        confirm(disk)
        text = disk.text("hall/confirmations")
        for turn in (2, 1):
            disk.put("hall/confirmations/confirmed.csv", text, hours=turn)
            disk.run(Service.SHIP_CONFIRM)
        assert Shipment.objects.count() == 2
        (alert,) = again()
        held = StoredFile.objects.get(directory__startswith="uploads/held")
    owner, files = desk.client("owner"), desk.url(f"wms/of/{disk.merchant.public_id}/files/")
    act = f"{files}{held.public_id}/again/"
    page = owner.get(files).content.decode()
    assert "confirmed.csv" in page and "Not loaded" in page and act in page
    assert act in owner.get(desk.url(f"alerts/{alert.public_id}/")).content.decode()
    assert "is being loaded" in owner.post(act, follow=True).content.decode()
    with tenancy.activate(desk.account.pk):
        assert again() == [], "what waited for a person is decided"
        disk.run(Service.SHIP_CONFIRM)
        assert ReadFile.objects.get(by_hand=True).rows == 2
        assert Shipment.objects.count() == 2, "the parcels are known"
