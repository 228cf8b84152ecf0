"""Purchase orders by files: one of the shop's becomes one of the WMS's, and its receipts one of the shop's."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock, crash
from integration_manager.kit.csvpurchases import purchase_rows
from merchants.models import ReadFile, Service
from orders import purchase_acts, purchase_files
from orders.models import OutFile, PurchaseOrder
from tests.dying import dying
from tests.test_files_again import Disk

PURCHASES, RECEIVING = Service.PURCHASES, Service.RECEIVING
GOODS = "number,supplier,item,quantity,line_item_id\nPO-1,Hartwell,MUG,48,a\nPO-1,,POT,12,b\nPO-2,Nilgiri,TEA,20,\n"


@pytest.fixture
def disk(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[Disk]:
    settings.IM_FOLDER_ROOT = str(tmp_path)
    made = Disk(tmp_path, Account.objects.create(name="Disk", timezone="UTC"))
    for place in made.at.values():
        for kind in ("purchase-orders", "receipts"):
            (place / kind).mkdir()
    with tenancy.activate(made.account.pk):
        Cart.objects.update(sync_purchases=True)
        made.cart.refresh_from_db()
        yield made
    crash.set_hook(None)


def sync(disk: Disk) -> None:
    for service in (PURCHASES, RECEIVING, PURCHASES):
        disk.run(service)


def rows(disk: Disk, path: str, *columns: str) -> list[list[tuple[str, ...]]]:
    """Some columns of the rows of each file there."""
    files = [csv.DictReader((disk.path(path) / name).open()) for name in disk.names(path)]
    return [[tuple(row[column] for column in columns) for row in one] for one in files]


def sent(disk: Disk) -> list[list[tuple[str, ...]]]:
    return rows(disk, "hall/purchase-orders", "full_number", "status", "item", "quantity")


ALL = [("PO-1", "open", "MUG", "48"), ("PO-1", "open", "POT", "12"), ("PO-2", "open", "TEA", "20")]


def test_a_file_of_purchase_orders_becomes_one_of_the_wms_and_receipts_come_back(disk: Disk) -> None:
    disk.put("shop/purchase-orders/monday.csv", GOODS)
    for _ in range(2):
        sync(disk)
    assert sent(disk) == [ALL], "one file, once"
    assert disk.names("shop/purchase-orders") == [] and len(disk.names("shop/archive")) == 1
    ref = PurchaseOrder.objects.get(number="PO-1").ref
    disk.put("hall/receipts/one.csv", f"number,item,received\n{ref},MUG,30\nPO-9,X,1\n", hours=0.9)
    sync(disk)
    disk.put("hall/receipts/two.csv", f"number,item,received,closed\n{ref},MUG,48,yes\n{ref},POT,12,\n", hours=0.8)
    for _ in range(2):
        sync(disk)
    columns = ("number", "line_item_id", "item", "received", "closed")
    assert sorted(rows(disk, "shop/receipts", *columns)) == [
        [("PO-1", "a", "MUG", "30", "no"), ("PO-1", "b", "POT", "0", "no")],
        [("PO-1", "a", "MUG", "48", "yes"), ("PO-1", "b", "POT", "12", "yes")],
    ]
    states = dict(PurchaseOrder.objects.values_list("number", "state"))
    assert states == {"PO-1": "received", "PO-2": "expected"}


def test_a_later_file_says_what_has_changed_and_an_older_one_nothing(disk: Disk) -> None:
    disk.put("shop/purchase-orders/monday.csv", GOODS, hours=3)
    sync(disk)
    disk.put("shop/purchase-orders/tuesday.csv", "number,item,quantity,status\nPO-2,TEA,20,canceled\n", hours=2)
    sync(disk)
    disk.put("shop/purchase-orders/late.csv", "number,item,quantity\nPO-1,MUG,1\n", hours=4)
    sync(disk)
    assert sorted(sent(disk), key=len) == [[("PO-2", "canceled", "TEA", "20")], ALL]
    assert PurchaseOrder.objects.get(number="PO-2").state == "canceled"


@pytest.mark.parametrize("backup", ["waiting", "planned", "gone"])
def test_after_a_restore_a_person_says_whether_what_was_in_a_file_arrived(disk: Disk, backup: str) -> None:
    """`backup`: how they stood in it. The file that they have left in since is not known any more."""
    disk.put("shop/purchase-orders/monday.csv", GOODS)
    sync(disk)
    if backup == "planned":
        OutFile.objects.update(phase=OutFile.Phase.PLANNED, lease_until=None)
        file = OutFile.objects.get()
        PurchaseOrder.objects.update(state="waiting", starts=1, wms_id=None, sent_at=None, out_file_id=file.pk)
    else:
        OutFile.objects.all().delete()
        PurchaseOrder.objects.update(state="waiting", sent={}, sent_hash="", wms_id=None, sent_at=None)
    if backup == "gone":
        PurchaseOrder.objects.all().delete()
        ReadFile.objects.all().delete()
        disk.put("shop/purchase-orders/monday.csv", GOODS)
    call_command("im", "after-restore")
    sync(disk)
    assert len(sent(disk)) == 1, "not a second time without a question"
    assert set(PurchaseOrder.objects.values_list("state", "error_code")) == {("refused", "outcome_unknown")}
    assert Alert.objects.get(resolved_at=None).kind == "purchase_refused"
    first, second = PurchaseOrder.objects.order_by("number")
    purchase_acts.it_arrived(first, "dana@example.com", clock.now())
    purchase_acts.it_did_not(second, "dana@example.com", clock.now())
    sync(disk)
    assert sorted(sent(disk), key=len) == [[("PO-2", "open", "TEA", "20")], ALL]
    assert set(PurchaseOrder.objects.values_list("state", flat=True)) == {"expected"}
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_what_was_taken_for_a_file_that_was_never_planned_goes_in_the_next_without_a_question(disk: Disk) -> None:
    disk.put("shop/purchase-orders/monday.csv", GOODS)
    disk.run(PURCHASES)
    PurchaseOrder.objects.update(starts=1, token=1)
    disk.run(RECEIVING)
    assert sent(disk) == [ALL]


@pytest.mark.parametrize("point", ["after_put", "after_uploaded", "after_rename"])
def test_a_worker_that_dies_in_the_middle_of_a_file_sends_it_once(disk: Disk, point: str) -> None:
    disk.put("shop/purchase-orders/monday.csv", GOODS)
    disk.run(PURCHASES)
    with dying(point=point):
        disk.run(RECEIVING)
    assert set(PurchaseOrder.objects.values_list("state", flat=True)) == {"waiting"}, "it never came to an end"
    disk.expire()
    disk.run(RECEIVING)
    assert sent(disk) == [ALL]
    assert set(PurchaseOrder.objects.values_list("state", flat=True)) == {"expected"}


def test_a_folder_that_takes_nothing_keeps_them_waiting_and_rows_that_are_none_are_said(disk: Disk) -> None:
    disk.put("shop/purchase-orders/monday.csv", f"{GOODS}PO-3,Hartwell,TIN,many,\n")
    disk.run(PURCHASES)
    assert "Line 5: quantity" in Alert.objects.get(kind="bad_rows").message
    hall = disk.path("hall/purchase-orders")
    hall.rmdir()
    hall.write_text("")
    disk.run(RECEIVING)
    assert set(PurchaseOrder.objects.values_list("state", "starts")) == {("waiting", 0)}
    assert OutFile.objects.get().phase == OutFile.Phase.DROPPED
    hall.unlink()
    hall.mkdir()
    PurchaseOrder.objects.update(retry_at="2020-01-01T00:00Z")
    disk.run(RECEIVING)
    assert sent(disk) == [ALL]


def test_what_goes_into_no_file_for_fifteen_days_is_a_persons(disk: Disk) -> None:
    disk.put("shop/purchase-orders/monday.csv", GOODS)
    disk.run(PURCHASES)
    file = OutFile.objects.create(
        merchant=disk.merchant, kind="purchases", name="one.csv", content=b"", created_at=clock.now()
    )
    PurchaseOrder.objects.filter(number="PO-1").update(out_file_id=file.pk, failures=359)
    with transaction.atomic():
        purchase_files.not_sent(file, clock.now(), "refused", "The folder is full.", charged=True)
    row = PurchaseOrder.objects.get(number="PO-1")
    assert (row.state, row.error_code) == ("refused", "gave_up") and row.events.filter(kind="refused").exists()
    assert Alert.objects.get(kind="purchase_refused").message.endswith("Last: The folder is full.")


def test_one_that_cannot_be_written_stops_no_other(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(order: Any, ref: str) -> Any:
        if order.number == "PO-1":
            raise ValueError("a bug")
        return purchase_rows(order, ref)

    monkeypatch.setattr("wms.systems.csv_wms.purchase_rows", written)
    disk.put("shop/purchase-orders/monday.csv", GOODS)
    sync(disk)
    assert sent(disk) == [[("PO-2", "open", "TEA", "20")]]
    assert PurchaseOrder.objects.get(number="PO-1").failures == 1
