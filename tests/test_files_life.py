"""An order's life by files over a real SFTP server, with the worker killed in every phase of a file."""

import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock, crash, file_pages, inbox
from integration_manager.kit.sftp import SftpFolder
from merchants import schedules
from merchants.models import Merchant, ReadFile, Schedule, Service
from merchants.schedules import CART_SERVICES
from orders import actions, changes, connections, jobs, parcel_actions, restored, states
from orders import run as run_module
from orders.models import Order, OutFile, Shipment, SkippedOrder, Status
from orders.run import LostLease, Run
from orders.services import parcel_claims
from tests.dying import dying
from tests.sftp_server import SftpServer
from wms.models import Wms

HEADER = "Cust-ref,Ship code,Company,first-name,last-name,address-1,address-2,city,state,zip,country,phone,E-mail,"
HEADER += "Order-date,Item,Quantity"


def row(number: str, item: str = "MUG", quantity: str = "2") -> str:
    """One line of a Simple CSV file."""
    return f"{number},GROUND,,Ada,Okafor,12 Mill Lane,,Portland,OR,97201,US,,ada@example.com,11/20/26,{item},{quantity}"


class Files:
    """An account whose cart and WMS are directories on one SFTP server."""

    def __init__(self, server: SftpServer) -> None:
        self.server = server
        for system in ("shop", "hall"):
            for kind in ("orders", "confirmations", "inventory", "archive", "errors"):
                server.make(system, kind)
        self.account = Account.objects.create(name="Files", timezone="UTC")
        with tenancy.activate(self.account.pk):
            self.merchant = Merchant.objects.create(name="Paper & Co", code="PAPER", wms_values={"client_dir": "."})
            Wms.objects.create(system="csv_wms", credentials=server.values(directory="hall"), options={"quiet": 0})
            self.cart = Cart.objects.create(
                merchant=self.merchant,
                system="csv_cart",
                name="Files",
                number=1,
                shop="files",
                credentials=server.values(directory="shop"),
                options={"quiet": 0},
                earliest_order_date=date(2020, 1, 1),
            )

    def run(self, service: Service) -> Run | None:
        """One run of a service."""
        schedule = self.schedule(service)
        run = jobs.run_schedule(schedule.pk, schedule.token)
        schedule.refresh_from_db()
        assert "mistake" not in schedule.problem
        return run

    def schedule(self, service: Service) -> Schedule:
        """A service's schedule, which the next worker holds."""
        of_cart = (*CART_SERVICES, Service.PRODUCTS, Service.PURCHASES)
        cart = self.cart if service in of_cart else None
        schedule, _ = Schedule.objects.get_or_create(
            merchant=self.merchant, cart=cart, service=service, defaults={"every": 3600, "next_run": clock.now()}
        )
        schedule.token += 1
        Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=None)
        return schedule

    def put(self, path: str, text: str) -> None:
        """Somebody puts a file on the server."""
        file = self.server.files / path
        file.write_text(text)
        import os

        os.chown(file, self.server.uid, self.server.gid)

    def names(self, path: str) -> list[str]:
        """The files in a directory of the server."""
        return sorted(entry.name for entry in (self.server.files / path).iterdir())

    def refused(self) -> list[str]:
        """What lies in the shop's directory for errors."""
        return self.names("shop/errors")

    def text(self, path: str) -> str:
        """All files of a directory, one after the other."""
        return "".join(Path(self.server.files / path / name).read_text() for name in self.names(path))

    def expire(self) -> None:
        """Time passes, by PostgreSQL's clock: what a dead worker held is free."""
        past = "2020-01-01T00:00:00Z"
        OutFile.objects.update(lease_until=past)
        Order.objects.filter(lease_until__isnull=False).update(lease_until=past)


@pytest.fixture
def files(transactional_db: None, sshd: str, settings: Any) -> Iterator[Files]:
    """The account, its tenant active."""
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    server = SftpServer()
    try:
        server.start()
        made = Files(server)
        with tenancy.activate(made.account.pk):
            yield made
    finally:
        server.close()
        crash.set_hook(None)
        connections.guard.cache_clear()


def confirm(files: Files) -> None:
    """The warehouse answers every order that it was given with a confirmation file."""
    lines = ["cust_ref,carrier,ship_code,tracking,ship_date,item,qty"]
    for order in Order.objects.filter(status=Status.AT_WMS).order_by("id"):
        lines.append(f"{order.wms_ref},UPS,GROUND,1Z{order.wms_ref},2026-11-21,MUG,2")
    files.put("hall/confirmations/confirmed.csv", "\n".join(lines) + "\n")


def test_from_file_to_file_and_back(files: Files) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('A-1')}\n{row('A-2')}\n")
    files.run(Service.DOWNLOAD)
    assert Order.objects.filter(status=Status.READY).count() == 2
    assert files.names("shop/orders") == []
    files.run(Service.DELIVER)
    assert Order.objects.filter(status=Status.AT_WMS).count() == 2
    assert [name[0] for name in files.names("hall/orders")] != ["."]
    assert files.text("hall/orders").count("A-1") and files.text("hall/orders").count("A-2")
    confirm(files)
    files.run(Service.SHIP_CONFIRM)
    assert Order.objects.filter(status=Status.SHIPPED).count() == 2
    files.run(Service.UPLOAD_SHIPMENTS)
    assert Order.objects.filter(status=Status.CONFIRMED).count() == 2
    sent = files.text("shop/confirmations")
    assert sent.count("1ZPAPER-A-1") == 1
    assert sent.count("1ZPAPER-A-2") == 1


def test_merchants_that_share_a_folder_get_their_own_parcels(files: Files) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('S-1')}\n")
    files.run(Service.DOWNLOAD)
    files.run(Service.DELIVER)
    confirm(files)
    another = Merchant.objects.create(name="Another", code="OTHER", wms_values={"client_dir": "."})
    ours, files.merchant = files.merchant, another
    files.run(Service.SHIP_CONFIRM)
    order = Order.objects.get()
    assert (order.status, order.merchant_id) == (Status.SHIPPED, ours.pk)
    files.merchant = ours
    files.run(Service.UPLOAD_SHIPMENTS)
    assert Order.objects.get().status == Status.CONFIRMED


def test_bad_rows_are_told_with_line_and_reason_and_the_others_load(files: Files) -> None:
    files.put("shop/orders/mixed.csv", f"{HEADER}\n{row('B-1')}\n{row('B-2', quantity='many')}\n{row('B-3')}\n")
    files.run(Service.DOWNLOAD)
    assert sorted(Order.objects.values_list("cust_ref", flat=True)) == ["B-1", "B-3"]
    skipped = SkippedOrder.objects.get()
    assert "line 3" in skipped.message
    assert skipped.reason == "bad_row"
    assert "3" in files.text("shop/errors")


def test_what_is_refused_on_several_pages_of_a_file_is_told_in_all(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_pages, "CHUNK_ROWS", 2)
    rows = [row("B-1"), row("B-2", quantity="many"), row("B-2", item="POT"), row("B-3"), row("B-4")]
    rows += [row(f"B-{number}", quantity=f"{number}x") for number in range(5, 9)]
    files.put("shop/orders/mixed.csv", "\n".join([HEADER, *rows, ""]))
    files.put("shop/orders/second.csv", "\n".join([HEADER, row("B-9"), row("C-1", quantity="x"), ""]))
    files.run(Service.DOWNLOAD)
    first, second = Alert.objects.filter(kind="bad_rows").order_by("pk")
    assert first.message.startswith("6 rows of mixed.csv could not be read. Line 3: Quantity: ")
    whys = first.message.split("; ")
    assert [why.partition(":")[0] for why in whys[1:]] == ["line 7", "line 8", "and 3 more"]
    assert (first.count, second.count) == (6, 1)
    assert [line.partition(",")[0] for line in first.said.split("\n")] == ["B-2", "B-5", "B-6"]
    assert second.message.startswith("One row of second.csv could not be read. Line 3: Quantity: ")


@pytest.mark.parametrize("point", ["after_put", "after_uploaded", "after_rename"])
@pytest.mark.parametrize("side", ["orders", "confirmations"])
def test_a_worker_killed_in_any_phase_loses_nothing_and_sends_nothing_twice(
    files: Files, side: str, point: str
) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('C-1')}\n{row('C-2')}\n")
    files.run(Service.DOWNLOAD)
    services, folder, last = (Service.DELIVER,), "hall/orders", Status.AT_WMS
    if side == "confirmations":
        files.run(Service.DELIVER)
        confirm(files)
        files.run(Service.SHIP_CONFIRM)
        services, folder, last = (Service.UPLOAD_SHIPMENTS,), "shop/confirmations", Status.CONFIRMED
    with dying(point=point):
        files.run(services[0])
    assert Order.objects.filter(status=last).count() == 0
    # Before the lease has run out nobody touches the file: its worker might be alive.
    files.run(services[0])
    assert Order.objects.filter(status=last).count() == 0
    files.expire()
    files.run(services[0])
    assert Order.objects.filter(status=last).count() == 2
    assert len(files.names(folder)) == 1, "one file, no half of one"
    assert not files.names(folder)[0].startswith(".")
    assert files.text(folder).count("C-1") == files.text(folder).count("C-2")
    assert OutFile.objects.get(kind=side).phase == OutFile.Phase.DONE


def test_a_file_that_was_taken_right_after_its_rename_is_not_sent_again(files: Files) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('D-1')}\n")
    files.run(Service.DOWNLOAD)
    with dying(point="after_rename"):
        files.run(Service.DELIVER)
    (name,) = files.names("hall/orders")
    (files.server.files / "hall/orders" / name).unlink()  # the WMS has read it
    files.expire()
    files.run(Service.DELIVER)
    assert Order.objects.get().status == Status.AT_WMS
    assert files.names("hall/orders") == []


def test_news_of_an_order_wait_for_the_file_of_a_dead_worker_and_are_taken_up_with_it(files: Files) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('D-2')}\n")
    files.run(Service.DOWNLOAD)
    with dying(point="after_uploaded"):
        files.run(Service.DELIVER)
    files.put("shop/orders/tuesday.csv", f"{HEADER}\n{row('D-2', quantity='5')}\n")
    files.run(Service.DOWNLOAD)
    assert Order.objects.get().source_changed, "it is being sent: the news wait"
    files.expire()
    files.run(Service.DELIVER)
    order = Order.objects.get()
    assert (order.status, order.source_changed) == (Status.AT_WMS, False)


@pytest.mark.parametrize("backup", ["ready", "taken", "planned", "canceled"])
def test_after_a_restore_a_person_says_whether_what_was_in_a_file_arrived(files: Files, backup: str) -> None:
    """`backup`: how the order stood in it. The file that it has left in since is not known any more."""
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('R-1')}\n")
    files.run(Service.DOWNLOAD)
    files.run(Service.DELIVER)
    known = {"status": Status.READY, "starts": 0, "wms_key": "", "delivered_at": None, "retry_at": clock.now()}
    if backup in ("taken", "planned"):
        known |= {"status": Status.SENDING, "lease_until": clock.now()}
    if backup == "planned":
        OutFile.objects.update(phase=OutFile.Phase.PLANNED, lease_until=None)
        known |= {"starts": 1, "out_file_id": OutFile.objects.get().pk}
    else:
        OutFile.objects.all().delete()
    Order.objects.update(**known)
    call_command("im", "after-restore")
    if backup == "canceled":
        changes.request_cancel(Order.objects.get().pk, clock.now(), actor="", why="Canceled in the shop.")
    files.expire()
    files.run(Service.DELIVER)
    order = Order.objects.get()
    assert len(files.names("hall/orders")) == 1, "not a second time without a question"
    assert (order.status, order.error_code) == (Status.ERROR, "outcome_unknown")
    assert Alert.objects.get(resolved_at=None).kind == "outcome_unknown"
    actions.it_did_not(order, "dana@example.com")
    files.run(Service.DELIVER)
    ended = Status.CANCELED if backup == "canceled" else Status.AT_WMS
    assert (Order.objects.get().status, Alert.objects.filter(resolved_at=None).count()) == (ended, 0)
    assert len(files.names("hall/orders")) == (1 if backup == "canceled" else 2)


@pytest.mark.parametrize(
    ("backup", "again"),
    [("waiting", "the parcel"), ("planned", "the parcel"), ("gone", "the parcel"), ("gone", "all of the order")],
)
def test_after_a_restore_a_person_says_whether_a_parcel_that_was_in_a_file_is_known(
    files: Files, backup: str, again: str
) -> None:
    """`backup`: how it stood in it. The file that has told the cart of it since is not known any more."""
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('R-9')}\n")
    for service in (Service.DOWNLOAD, Service.DELIVER):
        files.run(service)
    confirm(files)
    for service in (Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS):
        files.run(service)
    told = OutFile.objects.filter(kind="confirmations")
    if backup == "planned":
        told.update(phase=OutFile.Phase.PLANNED, lease_until=None)
        Shipment.objects.update(uploaded_at=None, remote_id="", out_file_id=told.get().pk)
    else:
        told.delete()
        Shipment.objects.update(uploaded_at=None, remote_id="", starts=0)
    Order.objects.update(status=Status.SHIPPED)
    if backup == "gone":
        Shipment.objects.all().delete()
        Order.objects.update(status=Status.AT_WMS)
        ReadFile.objects.all().delete()
    call_command("im", "after-restore")
    if backup == "gone":
        confirm(files)
    for service in (Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS):
        files.run(service)
    parcel = Shipment.objects.get()
    assert len(files.names("shop/confirmations")) == 1, "not a second time without a question"
    assert (parcel.parked_at is None, parcel.error_code) == (False, "outcome_unknown")
    assert Alert.objects.filter(resolved_at=None).count() == 1
    if again == "the parcel":
        parcel_actions.resend(Order.objects.get(), parcel.key, "dana@example.com")
    else:
        actions.resend_tracking(Order.objects.get(), "dana@example.com")
    files.run(Service.UPLOAD_SHIPMENTS)
    assert len(files.names("shop/confirmations")) == 2 and Order.objects.get().status == Status.CONFIRMED
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_a_parcel_without_a_date_that_comes_after_a_restore_is_told_without_a_question(files: Files) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('R-7')}\n")
    for service in (Service.DOWNLOAD, Service.DELIVER):
        files.run(service)
    files.schedule(Service.SHIP_CONFIRM)
    Schedule.objects.update(state={restored.KEY: (clock.now() - timedelta(hours=1)).isoformat()})
    ref = Order.objects.get().wms_ref
    files.put("hall/confirmations/confirmed.csv", f"cust_ref,carrier,tracking,item,qty\n{ref},UPS,1Z,MUG,2\n")
    for service in (Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS):
        files.run(service)
    assert Shipment.objects.get().shipped_at is None
    assert len(files.names("shop/confirmations")) == 1 and Order.objects.get().status == Status.CONFIRMED


def test_a_parcel_that_was_taken_for_a_file_that_was_never_planned_goes_in_the_next(files: Files) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('R-8')}\n")
    for service in (Service.DOWNLOAD, Service.DELIVER):
        files.run(service)
    confirm(files)
    files.run(Service.SHIP_CONFIRM)
    run: Any = SimpleNamespace(cart=files.cart, merchant=files.merchant, now=clock.now())
    (taken,) = parcel_claims.claim(run, 1, 60, begins=False)
    Shipment.objects.update(lease_until=None)
    files.run(Service.UPLOAD_SHIPMENTS)
    assert len(files.names("shop/confirmations")) == 1 and Shipment.objects.get().token == taken.token + 1


@pytest.mark.parametrize("given_back", [True, False])
def test_what_was_taken_for_a_file_that_was_never_planned_goes_in_the_next_without_a_question(
    files: Files, given_back: bool
) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('R-2')}\n")
    files.run(Service.DOWNLOAD)
    wms = Wms.current()
    assert wms is not None
    taken = states.claim(files.merchant.pk, 1, 60, clock.now(), wms.pk, begins=False)
    if given_back:
        states.release(taken)  # the rules had changed meanwhile
        assert Order.objects.get().status == Status.READY
    files.expire()
    files.run(Service.DELIVER)
    assert (Order.objects.get().status, Order.objects.get().starts) == (Status.AT_WMS, 1)
    assert len(files.names("hall/orders")) == 1


def test_an_order_keeps_its_reference_while_it_is_taken_for_a_file(files: Files) -> None:
    """Its shop gives it another number between the claim and the file: the file and we call it the same."""
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('R-3')}\n")
    files.run(Service.DOWNLOAD)
    Order.objects.update(cust_ref="OLD", wms_ref="PAPER-OLD")
    states.claim(files.merchant.pk, 1, 60, clock.now(), begins=False)
    files.put("shop/orders/tuesday.csv", f"{HEADER}\n{row('R-3', quantity='5')}\n")
    files.run(Service.DOWNLOAD)
    assert Order.objects.get().source_changed
    files.expire()
    files.run(Service.DELIVER)
    order = Order.objects.get()
    assert (order.status, order.cust_ref, order.wms_ref) == (Status.AT_WMS, "R-3", "PAPER-OLD")
    assert "PAPER-OLD" in files.text("hall/orders")


def test_a_server_that_is_away_drops_the_file_and_the_orders_wait_uncharged(files: Files) -> None:
    files.put("shop/orders/monday.csv", f"{HEADER}\n{row('E-1')}\n")
    files.run(Service.DOWNLOAD)
    files.server.stop()
    files.server.cut()
    files.run(Service.DELIVER)
    order = Order.objects.get()
    assert (order.status, order.failures, order.starts) == (Status.READY, 0, 0)
    files.server.start()
    Order.objects.update(retry_at=clock.now())
    files.run(Service.DELIVER)
    assert Order.objects.get().status == Status.AT_WMS
    assert files.text("hall/orders").count("E-1") >= 1
    assert len(files.names("hall/orders")) == 1


def test_a_fetch_that_lasts_longer_than_the_lease_does_not_lose_it(files: Files, monkeypatch: Any) -> None:
    files.put("shop/orders/slow.csv", f"{HEADER}\n{row('C-1')}\n")
    renewed, enough = [0], threading.Event()
    renew, fetch = schedules.renew, SftpFolder.fetch

    def counted(*args: Any) -> bool:
        renewed[0] += 1
        if renewed[0] == 5:
            enough.set()
        return renew(*args)

    def slow(self: SftpFolder, *args: Any) -> Any:
        assert enough.wait(60), "nobody renewed the lease while the file was on its way"
        return fetch(self, *args)

    monkeypatch.setattr(inbox, "BEAT", 0.01)
    monkeypatch.setattr(run_module, "RENEW", 0.0)  # a lease never covers more than the stretch it is for
    monkeypatch.setattr(schedules, "renew", counted)
    monkeypatch.setattr(SftpFolder, "fetch", slow)
    files.run(Service.DOWNLOAD)
    assert Order.objects.get().cust_po_no == "C-1"
    assert files.names("shop/orders") == []


def test_who_lost_the_lease_while_fetching_stores_nothing(files: Files, monkeypatch: Any) -> None:
    files.put("shop/orders/slow.csv", f"{HEADER}\n{row('C-1')}\n")
    fetch, hold, taken = SftpFolder.fetch, Run.hold, threading.Event()

    def held(self: Run) -> None:
        if fetching.is_set():
            Schedule.objects.filter(pk=self.leased).update(token=models.F("token") + 1)  # another run took it over
            self._held_until = 0.0
        try:
            hold(self)
        except LostLease:
            taken.set()
            raise

    fetching = threading.Event()

    def slow(self: SftpFolder, *args: Any) -> Any:
        fetching.set()
        assert taken.wait(60)
        return fetch(self, *args)

    monkeypatch.setattr(inbox, "BEAT", 0.01)
    monkeypatch.setattr(Run, "hold", held)
    monkeypatch.setattr(SftpFolder, "fetch", slow)
    files.run(Service.DOWNLOAD)
    assert not Order.objects.exists()
    assert files.names("shop/orders") == ["slow.csv"]
