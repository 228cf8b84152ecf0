"""Files by hand, by real requests: an upload loads like a file in a folder; what goes out is fetched here."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEntry
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.files import limits
from integration_manager.kit import clock
from merchants import warehouses
from merchants.models import Merchant, Product, Schedule, Service, StockLevel, StoredFile
from orders import actions, jobs, managed
from orders.models import Order, SkippedOrder, Status
from tests import desk as desks
from wms.models import Wms

pytestmark = pytest.mark.django_db

HEADER = "Cust-ref,Ship code,Company,first-name,last-name,address-1,city,state,zip,country,Item,Quantity\n"


def row(number: str, item: str = "MUG", quantity: str = "2") -> str:
    return f"{number},GROUND,,Ada,Okafor,12 Mill Lane,Portland,OR,97201,US,{item},{quantity}\n"


class Hand:
    """A desk whose first merchant has a CSV cart, and whose WMS are CSV files, both by hand."""

    def __init__(self) -> None:
        self.desk = desks.build(orders=0)
        self.owner = self.desk.client("owner")
        self.merchant = self.desk.merchants[0]
        with tenancy.activate(self.desk.account.pk):
            Wms.objects.update(system="csv_wms")
            wms = Wms.current()
            assert wms is not None
            wms.credentials = {"place": "browser"}
            wms.save()
            self.merchant.wms_values = {"client_dir": "."}
            self.merchant.save()
            self.cart = Cart.objects.create(
                merchant=self.merchant,
                system="csv_cart",
                name="By hand",
                number=2,
                shop="hand",
                credentials={"place": "browser"},
                earliest_order_date=date(2020, 1, 1),
            )
            for service in (Service.DOWNLOAD, Service.UPLOAD_SHIPMENTS):
                Schedule.objects.create(merchant=self.merchant, cart=self.cart, service=service, every=3600)

    @property
    def files(self) -> str:
        return self.desk.url(f"carts/{self.cart.public_id}/files/")

    @property
    def wms_files(self) -> str:
        return self.desk.url(f"wms/of/{self.merchant.public_id}/files/")

    def upload(
        self, text: str | bytes, name: str = "monday.csv", kind: str = "orders", at: str = "", **more: Any
    ) -> Any:
        data = text.encode() if isinstance(text, str) else text
        form = {"kind": kind, "file": SimpleUploadedFile(name, data, "text/csv"), **more}
        return self.owner.post(f"{at or self.files}upload/", form, follow=True)

    def run(self, service: Service) -> None:
        of_cart = service in (Service.DOWNLOAD, Service.UPLOAD_SHIPMENTS)
        with tenancy.activate(self.desk.account.pk):
            schedule = Schedule.objects.get(
                merchant=self.merchant, cart=self.cart if of_cart else None, service=service
            )
            schedule.token += 1
            Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=None, next_run=clock.now())
            jobs.run_schedule(schedule.pk, schedule.token)
            schedule.refresh_from_db()
            assert schedule.problem == ""

    def rows(self, model: Any, **which: Any) -> list[Any]:
        with tenancy.activate(self.desk.account.pk):
            return list(model.objects.filter(**which).order_by("pk"))

    def page(self, at: str = "") -> str:
        return self.owner.get(at or self.files).content.decode()


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_an_uploaded_file_loads_like_one_in_a_folder(hand: Hand) -> None:
    answer = hand.upload(HEADER + row("A-1") + row("A-2") + row("A-3", quantity="none"))
    assert "is being loaded" in answer.content.decode()
    (schedule,) = hand.rows(Schedule, cart=hand.cart, service="download")
    assert schedule.next_run <= clock.now()
    assert "Waits" in hand.page()
    hand.run(Service.DOWNLOAD)
    assert [order.cust_po_no for order in hand.rows(Order)] == ["A-1", "A-2"]
    page = hand.page()
    assert "2 orders" in page and "1 row refused" in page and "Line 4" in page
    assert len(hand.rows(SkippedOrder)) == 1
    (mistakes,) = hand.rows(StoredFile, name__contains=".errors.")
    errors = hand.owner.get(f"{hand.files}{mistakes.public_id}/")
    text = b"".join(errors.streaming_content).decode()  # type: ignore[attr-defined]
    assert "A-3" in text and "A-1" not in text
    assert f"{hand.files}{mistakes.public_id}/" in page


def test_the_same_file_again_is_recognised_and_loaded_if_a_person_wants_it(hand: Hand) -> None:
    hand.upload(HEADER + row("A-1"))
    hand.run(Service.DOWNLOAD)
    answer = hand.upload(HEADER + row("A-1"), name="other-name.csv").content.decode()
    assert "uploaded before" in answer and "Not loaded" in answer
    held = hand.rows(StoredFile, directory__startswith="uploads/held")
    assert len(held) == 1
    answer = hand.owner.post(f"{hand.files}{held[0].public_id}/again/", follow=True).content.decode()
    assert "is being loaded" in answer
    hand.run(Service.DOWNLOAD)
    assert len(hand.rows(Order)) == 1, "an order is loaded once, however often its file is"
    assert "Not loaded" not in hand.page()


def test_a_service_that_is_off_is_said(hand: Hand) -> None:
    with tenancy.activate(hand.desk.account.pk):
        Schedule.objects.filter(cart=hand.cart).update(every=0)
    answer = hand.upload(HEADER + row("A-1")).content.decode()
    assert "Order Download is off" in answer


def test_where_stock_is_kept_here_inventory_files_are_not_taken_but_product_lists_are(hand: Hand) -> None:
    assert '<option value="inventory">' in hand.page(hand.wms_files)
    with tenancy.activate(hand.desk.account.pk):
        Merchant.objects.filter(pk=hand.merchant.pk).update(managed_inventory=True)
        Schedule.objects.update_or_create(
            merchant=hand.merchant, cart=None, service=Service.INVENTORY, defaults={"every": 3600, "paused": ""}
        )
    page = hand.page(hand.wms_files)
    assert '<option value="inventory">' not in page and "Inventory files are not read" in page
    answer = hand.upload("SKU,Quantity\nMUG,4\n", kind="inventory", at=hand.wms_files)
    assert answer.status_code == 422 and not hand.rows(StoredFile)
    hand.upload("SKU,Name\nMUG,Mug with a bear\n", kind="catalog", at=hand.wms_files)
    hand.run(Service.INVENTORY)
    (mug,) = hand.rows(Product, merchant=hand.merchant, sku="MUG")
    assert mug.name == "Mug with a bear"


def test_orders_go_out_to_be_downloaded_and_confirmations_come_in_and_go_back(hand: Hand) -> None:
    hand.upload(HEADER + row("A-1"))
    hand.run(Service.DOWNLOAD)
    hand.run(Service.DELIVER)
    (order,) = hand.rows(Order)
    assert order.status == Status.AT_WMS
    assert "Not yet" in hand.page(hand.wms_files)
    (out,) = hand.rows(StoredFile, directory="orders")
    answer = hand.owner.get(f"{hand.wms_files}{out.public_id}/")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert order.wms_ref in text and "12 Mill Lane" in text
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "owner@northquay.example" in hand.page(hand.wms_files)
    confirmed = f"cust_ref,carrier,tracking,item,qty\n{order.wms_ref},UPS,1Z1,MUG,2\n"
    hand.upload(confirmed, "parcels.csv", "confirmations", hand.wms_files)
    hand.run(Service.SHIP_CONFIRM)
    assert "1 record" in hand.page(hand.wms_files)
    hand.run(Service.UPLOAD_SHIPMENTS)
    assert hand.rows(Order)[0].status == Status.CONFIRMED
    (back,) = hand.rows(StoredFile, directory="confirmations", cart=hand.cart)
    text = b"".join(hand.owner.get(f"{hand.files}{back.public_id}/").streaming_content)  # type: ignore[attr-defined]
    assert b"A-1" in text and b"1Z1" in text
    verbs = {entry.verb for entry in hand.rows(AuditEntry)}
    assert {"file.uploaded", "file.downloaded"} <= verbs


def test_what_leaves_in_a_file_is_taken_from_stock_that_is_kept_here(hand: Hand) -> None:
    with tenancy.activate(hand.desk.account.pk):
        Merchant.objects.filter(pk=hand.merchant.pk).update(managed_inventory=True)
        hand.merchant.refresh_from_db()
        home = warehouses.default_of(hand.merchant)
        managed.adjust(hand.merchant, [(home, "MUG", Decimal(10), "counted")], "dana@x.example", clock.now())
        Schedule.objects.update_or_create(
            merchant=hand.merchant, cart=None, service=Service.DELIVER, defaults={"every": 3600, "paused": ""}
        )
    hand.upload(HEADER + row("A-1"))
    hand.run(Service.DOWNLOAD)
    (order,) = hand.rows(Order)
    with tenancy.activate(hand.desk.account.pk):
        actions.cancel_sending(order, "dana@x.example")
        managed.settle(hand.merchant, clock.now())
        assert StockLevel.objects.get(sku="MUG").available == 10
        order.refresh_from_db()
        actions.undo_cancel(order, "dana@x.example")
    hand.run(Service.DELIVER)
    assert [order.status for order in hand.rows(Order)] == [Status.AT_WMS]
    assert [level.available for level in hand.rows(StockLevel, sku="MUG")] == [8]


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        (b"", {}, "not empty"),
        (b"PK\x03\x04" + b"\0" * 99, {}, "Excel"),
        (b"MZ" + b"\0\x01\x02" * 999, {}, "no text"),
        (b"a,b\n1,2\n", {"kind": "confirmations"}, "Choose what the file holds"),
        (b"a,b\n1,2\n", {"kind": "../../etc"}, "Choose what the file holds"),
    ],
    ids=["empty", "excel", "program", "another kind", "no kind"],
)
def test_what_cannot_be_loaded_is_refused_at_once(hand: Hand, data: bytes, more: dict[str, str], said: str) -> None:
    answer = hand.upload(data, **more)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert hand.rows(StoredFile) == []


def test_a_file_that_is_too_large_is_refused_and_not_kept(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FILE", 1000)
    answer = hand.upload(HEADER + row("A-1") * 200)
    assert (answer.status_code, "larger than" in answer.content.decode()) == (422, True)
    assert hand.rows(StoredFile) == []


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..csv",
        ".hidden.tmp",
        "C:\\temp\\x.csv",
        "n" * 5000 + ".csv",
        "a\nb.csv",
        "~lock.csv#",
        "x.part",
    ],
    ids=["path", "up", "hidden", "windows", "long", "lines", "lock", "part"],
)
def test_strange_names_are_names_at_most(hand: Hand, name: str) -> None:
    answer = hand.upload(HEADER + row("A-1"), name=name)
    assert answer.status_code == 200
    hand.run(Service.DOWNLOAD)
    assert len(hand.rows(Order)) == 1


def test_two_files_of_one_name_both_load(hand: Hand) -> None:
    hand.upload(HEADER + row("A-1"))
    hand.upload(HEADER + row("A-2"))
    hand.run(Service.DOWNLOAD)
    assert len(hand.rows(Order)) == 2
    assert hand.page().count("1 order<") == 2


def test_a_large_file_is_kept_in_pieces_and_given_back_whole(hand: Hand) -> None:
    data = (HEADER + "".join(row(f"A-{n}") for n in range(40_000))).encode()
    assert len(data) > 2 * 1024 * 1024
    hand.upload(data)
    (kept,) = hand.rows(StoredFile)
    with tenancy.activate(hand.desk.account.pk):
        assert kept.pieces.count() == -(-len(data) // (1024 * 1024))
    answer = hand.owner.get(f"{hand.files}{kept.public_id}/")
    assert b"".join(answer.streaming_content) == data  # type: ignore[attr-defined]
    assert int(answer.headers["Content-Length"]) == len(data)


def test_nobody_reaches_anothers_files(hand: Hand) -> None:
    hand.upload(HEADER + row("A-1"))
    (kept,) = hand.rows(StoredFile)
    path = f"{hand.files}{kept.public_id}/"
    theirs = desks.build("Southgate", orders=1)
    colleague = hand.desk.client("colleague")  # of merchant Two
    for client in (theirs.client("owner"), colleague):
        assert client.get(hand.files).status_code == 404
        assert client.get(path).status_code == 404
        assert client.post(f"{path}delete/").status_code == 404
    assert colleague.get(hand.wms_files).status_code == 403
    assert hand.owner.get(f"{hand.wms_files}{kept.public_id}/").status_code == 404, "of a cart, not of the WMS"
    assert Client().get(path).status_code == 302
    sandbox = hand.desk.url(f"carts/{hand.desk.carts[0].public_id}/files/")
    assert hand.owner.get(sandbox).status_code == 404, "a cart without files"
    assert hand.owner.post(f"{path}nonsense/").status_code == 404
    assert len(hand.rows(StoredFile)) == 1
