"""Orders out and confirmations back over real servers, with the worker killed in every phase of every file.

Judged by the books of both ends: every order reaches the warehouse once, every tracking number the shop once.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from email.message import Message
from typing import Any

import pytest

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart, CartStock
from integration_manager import tenancy
from integration_manager.kit import clock, crash, file_pages
from integration_manager.kit.sftp import SftpFolder
from merchants.models import Merchant, Schedule, Service, StockLevel
from orders import connections, file_actions, files_read
from orders.models import Exchange, Order, OutFile, Shipment, SkippedOrder, Status
from orders.services.posting import KIND
from tests.crash.apart import KILLED, run_apart
from tests.dying import Killed, dying
from tests.ftp_server import FtpServer
from tests.mail_servers import MailboxServer, SmtpServer, mail, why_not
from tests.sftp_server import SftpServer
from tests.sftp_server import why_not as why_no_sftp
from tests.test_files_life import HEADER, Files, row
from wms.models import Wms

IN = ("after_stored", "after_archived")
PUT = ("after_put", "after_uploaded", "after_rename")
POST = ("before_post", "before_end", "after_end", "after_post")


class Mails(Files):
    """An account whose cart and WMS are one mailbox, and one mail server, by real servers."""

    def __init__(self, box: MailboxServer, smtp: SmtpServer) -> None:
        self.box, self.smtp = box, smtp
        self.account = Account.objects.create(name="Mails", timezone="UTC")
        values = smtp.values() | box.values()
        wms = values | {"mail_to": "hall@warehouse.example"}
        cart = values | {"mail_to": "shop@example.com", "orders_subject": "orders"}
        with tenancy.activate(self.account.pk):
            self.merchant = Merchant.objects.create(name="Paper & Co", code="PAPER", wms_values={"client_dir": "."})
            Wms.objects.create(system="csv_wms", credentials=wms)
            self.cart = Cart.objects.create(
                merchant=self.merchant, system="csv_cart", name="Mails", number=1, shop="mails", credentials=cart,
                earliest_order_date=date(2020, 1, 1),
            )  # fmt: skip

    def put(self, path: str, text: str) -> None:
        """Somebody sends a mail with a file."""
        _, kind, name = path.split("/")
        subject = {"orders": "New orders", "confirmations": "Confirmation", "inventory": "Inventory"}[kind]
        self.box.deliver(mail(subject, {name: text}))

    def of(self, path: str) -> list[Message]:
        """The mails that arrived at one end."""
        to = "hall@" if path.startswith("hall") else "shop@"
        return [message for message in self.smtp.taken if str(message["To"]).startswith(to)]

    def names(self, path: str) -> list[str]:
        """The files that wait in the mailbox, or those that arrived."""
        if path in ("shop/orders", "hall/confirmations", "hall/inventory"):
            return [str(message["Subject"]) for message in self.box.mails()]
        return [str(part.get_filename()) for m in self.of(path) for part in m.walk() if part.get_filename()]

    def refused(self) -> list[str]:
        """What lies in the mail folder for errors: mails of ours by their file, others by the file they came with."""
        return [
            str(message["Subject"]) if str(message["Subject"]) != "New orders" else str(part.get_filename())
            for message in self.box.mails("errors")
            for part in message.walk()
            if part.get_filename()
        ]

    def text(self, path: str) -> str:
        """All files that arrived at one end."""
        parts: list[Any] = [part for m in self.of(path) for part in m.walk() if part.get_filename()]
        return "".join(part.get_payload(decode=True).decode() for part in parts)


@pytest.fixture(params=["sftp", "ftps", "email"])
def trip(request: pytest.FixtureRequest, transactional_db: None, settings: Any) -> Iterator[Files]:
    """An account by each kind of place, its tenant active."""
    missing = {"sftp": why_no_sftp, "email": why_not, "ftps": lambda: ""}[request.param]()
    if missing:
        pytest.skip(missing)
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    servers: list[Any] = []
    make: Callable[[], Files]
    if request.param == "email":
        servers = [MailboxServer().start(), SmtpServer().start()]
        make = lambda: Mails(*servers)  # noqa: E731
    else:
        servers = [SftpServer().start() if request.param == "sftp" else FtpServer(tls="explicit").start()]
        make = lambda: Files(servers[0])  # noqa: E731
    try:
        made = make()
        with tenancy.activate(made.account.pk):
            yield made
    finally:
        crash.set_hook(None)
        for server in servers:
            server.close()
        connections.guard.cache_clear()


def settle(trip: Files, service: Service) -> None:
    """The dead worker's hold ends, the next one goes on, and a person decides where one has to, by the books."""
    trip.expire()
    trip.run(service)
    for file in OutFile.objects.filter(phase=OutFile.Phase.PARKED):
        assert isinstance(trip, Mails)
        alert = Alert.objects.get(kind=KIND, key=f"file:{file.name}", resolved_at=None)
        assert file_actions.waiting(alert.key) == file and file.name in alert.message
        trip.run(service)  # and as often as the machine looks: by itself it sends nothing
        there = file.name in [name for end in ("hall/", "shop/") for name in trip.names(end + "taken")]
        (file_actions.arrived if there else file_actions.did_not)(file, "p@example.com")
        trip.run(service)
        alert.refresh_from_db()
        assert alert.resolved_at is not None


def test_nothing_is_lost_and_nothing_twice_wherever_the_worker_dies(trip: Files) -> None:
    points = POST if isinstance(trip, Mails) else PUT
    numbers = []
    for turn, point in enumerate(points):
        first, second = f"T{turn}-1", f"T{turn}-2"
        numbers += [first, second]
        trip.put(f"shop/orders/day-{turn}.csv", f"{HEADER}\n{row(first)}\n{row(second)}\n")
        with dying(point=IN[turn % 2]):
            trip.run(Service.DOWNLOAD)
        trip.run(Service.DOWNLOAD)
        assert trip.names("shop/orders") == []
        assert Order.objects.filter(status=Status.READY).count() == 2

        with dying(point=point):
            trip.run(Service.DELIVER)
        assert Order.objects.filter(status=Status.SENDING).count() == 2
        trip.run(Service.DELIVER)  # before its hold has ended nobody touches the file
        assert Order.objects.filter(status=Status.SENDING).count() == 2
        settle(trip, Service.DELIVER)
        assert Order.objects.filter(status=Status.AT_WMS).count() == 2

        lines = ["cust_ref,carrier,ship_code,tracking,ship_date,item,qty"]
        for order in Order.objects.filter(status=Status.AT_WMS):
            lines.append(f"{order.wms_ref},UPS,GROUND,1Z{order.wms_ref},2026-11-21,MUG,2")
        trip.put(f"hall/confirmations/day-{turn}.csv", "\n".join(lines) + "\n")
        with dying(point=IN[turn % 2]):
            trip.run(Service.SHIP_CONFIRM)
        trip.run(Service.SHIP_CONFIRM)
        assert Order.objects.filter(status=Status.SHIPPED).count() == 2

        with dying(point=point):
            trip.run(Service.UPLOAD_SHIPMENTS)
        settle(trip, Service.UPLOAD_SHIPMENTS)
        assert Order.objects.filter(status=Status.SHIPPED).count() == 0

        # Of goods that nobody orders: what is on its way would be subtracted.
        trip.put(f"hall/inventory/day-{turn}.csv", f"sku,warehouse,qty\nTIN,,{turn + 7}\n")
        with dying(point=IN[turn % 2]):
            trip.run(Service.INVENTORY)
        trip.run(Service.INVENTORY)
        assert StockLevel.objects.get().available == turn + 7

        with dying(point=point):
            trip.run(Service.UPLOAD_INVENTORY)
        assert not CartStock.objects.filter(quantity=turn + 7).exists()
        settle(trip, Service.UPLOAD_INVENTORY)
        assert CartStock.objects.get().quantity == turn + 7

    # The books: ours, the warehouse's and the shop's.
    assert Counter(Order.objects.values_list("cust_ref", "status")) == {(n, Status.CONFIRMED): 1 for n in numbers}
    refs = [order.wms_ref for order in Order.objects.all()]
    sent, told = trip.text("hall/orders"), trip.text("shop/confirmations")
    assert {ref: sent.count(f"{ref},") + sent.count(f"{ref}\n") for ref in refs} == dict.fromkeys(refs, 1)
    assert {ref: told.count(f"1Z{ref}") for ref in refs} == dict.fromkeys(refs, 1)
    assert Shipment.objects.filter(uploaded_at=None).count() == 0
    assert trip.names("hall/confirmations") == trip.names("hall/inventory") == []
    levels = trip.text("shop/inventory")
    told = [levels.count(f"TIN,,{turn + 7},") for turn in range(len(points))]
    # Of a mail nobody knows whether it has arrived, and a level is as good a second time: later ones never wait.
    assert told == [1] * len(points) or (isinstance(trip, Mails) and set(told) <= {1, 2})
    for end, kind, count in (
        ("hall", "orders", len(points)),
        ("shop", "confirmations", len(points)),
        ("shop", "inventory", sum(told)),
    ):
        assert len([name for name in trip.names(f"{end}/{kind}") if name.startswith(kind)]) == count
    assert not [name for name in trip.names("hall/orders") if name.startswith(".")]
    assert set(OutFile.objects.values_list("phase", flat=True)) <= {OutFile.Phase.DONE, OutFile.Phase.DROPPED}


@pytest.mark.parametrize("trip", ["sftp", "email"], indirect=True)
def test_what_is_refused_is_refused_once_and_said_wherever_the_worker_dies(trip: Files) -> None:
    points = ("after_stored", "after_error_file", "after_errors", "after_archived")
    for turn, point in enumerate(points):
        trip.put(f"shop/orders/mixed-{turn}.csv", f"{HEADER}\n{row(f'R{turn}-1')}\n{row(f'R{turn}-2', quantity='x')}\n")
        trip.put(f"shop/orders/broken-{turn}.csv", f"hello {turn}\nworld\n")
        for at in (point, point, ""):  # the first file, the second one, and what is left
            with dying(point=at):
                trip.run(Service.DOWNLOAD)
    assert trip.names("shop/orders") == []
    loaded = Order.objects.order_by("cust_ref").values_list("cust_ref", flat=True)
    assert [*loaded] == [f"R{turn}-1" for turn in range(len(points))]
    said = [*SkippedOrder.objects.values_list("message", flat=True)]
    left = trip.refused()
    for turn in range(len(points)):
        for what, why, files in (("mixed", "line 3: Quantity", ".errors.csv"), ("broken", "line 0", ".why.txt")):
            (alert,) = Alert.objects.filter(kind="bad_rows", message__contains=f"{what}-{turn}.csv")
            assert alert.resolved_at is None
            (message,) = [text for text in said if f"{what}-{turn}.csv" in text]
            assert why in message
            assert len([name for name in left if f"{what}-{turn}." in name and name.endswith(files)]) == 1, left
    assert len(left) == 3 * len(points), "what was wrong with each, and the broken files themselves"
    assert not [name for name in left if name.startswith(".")]


@pytest.mark.parametrize("trip", ["sftp"], indirect=True)
def test_killed_in_the_middle_of_a_file(trip: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the pages of a file that is read, and with half of a file on the server."""
    numbers = [f"M-{number}" for number in range(5)]
    rows = "\n".join([*map(row, numbers), row("M-9", quantity="x")])
    trip.put("shop/orders/long.csv", f"{HEADER}\n{rows}\n")
    got_to, write = files_read.got_to, SftpFolder.write
    pages = 0

    def stored(*args: Any, **kwargs: Any) -> None:
        nonlocal pages
        got_to(*args, **kwargs)
        pages += 1
        if pages == 2 and 0 < Order.objects.count() < 5:
            raise Killed

    def half(self: SftpFolder, path: str, data: Any) -> None:
        monkeypatch.setattr(SftpFolder, "write", write)
        write(self, path, data[: len(data) // 2])
        raise Killed

    monkeypatch.setattr(file_pages, "CHUNK_ROWS", 2)
    monkeypatch.setattr(files_read, "got_to", stored)
    with dying():
        trip.run(Service.DOWNLOAD)
    assert 0 < Order.objects.count() < 5 and trip.names("shop/orders") == ["long.csv"]
    trip.run(Service.DOWNLOAD)
    assert sorted(Order.objects.values_list("cust_ref", flat=True)) == numbers and trip.names("shop/orders") == []
    assert trip.text("shop/errors").count("M-9") == 1 and SkippedOrder.objects.count() == 1

    monkeypatch.setattr(SftpFolder, "write", half)
    with dying():
        trip.run(Service.DELIVER)
    (name,) = trip.names("hall/orders")
    assert name.startswith(".")
    settle(trip, Service.DELIVER)
    (name,) = trip.names("hall/orders")
    assert not name.startswith(".")
    sent = trip.text("hall/orders")
    assert [sent.count(order.wms_ref + ",") for order in Order.objects.all()] == [1] * 5
    assert set(Order.objects.values_list("status", flat=True)) == {Status.AT_WMS}


@pytest.mark.parametrize("trip", ["sftp"], indirect=True)
def test_a_worker_process_killed_by_the_system(trip: Files) -> None:
    """SIGKILL, with its connections to PostgreSQL and to the file server open."""
    trip.put("shop/orders/day.csv", f"{HEADER}\n{row('K-1')}\n{row('K-2', quantity='x')}\n")
    assert run_apart(trip.account.pk, trip.schedule(Service.DOWNLOAD), crash_at="after_errors") == KILLED
    assert trip.names("shop/orders") == ["day.csv"] and len(trip.names("shop/errors")) == 1
    trip.run(Service.DOWNLOAD)
    assert Order.objects.get().cust_ref == "K-1" and SkippedOrder.objects.count() == 1
    assert trip.names("shop/orders") == [] and len(trip.names("shop/errors")) == 1
    assert run_apart(trip.account.pk, trip.schedule(Service.DELIVER), crash_at="after_uploaded") == KILLED
    assert Order.objects.get().status == Status.SENDING
    settle(trip, Service.DELIVER)
    assert Order.objects.get().status == Status.AT_WMS
    (name,) = trip.names("hall/orders")
    assert not name.startswith(".") and len(trip.text("hall/orders").splitlines()) == 2, "its header and one order"


@pytest.mark.parametrize(("accident", "parked"), [("before", 0), ("unread", 1), ("taken", 1), ("busy", 0)])
@pytest.mark.parametrize("trip", ["email"], indirect=True)
def test_a_mail_that_was_cut_off(trip: Mails, accident: str, parked: int) -> None:
    trip.put("shop/orders/day.csv", f"{HEADER}\n{row('M-1')}\n")
    trip.run(Service.DOWNLOAD)
    trip.smtp.accident = accident
    trip.run(Service.DELIVER)
    if accident == "before":
        trip.smtp.accident = ""
        # A small mail stands in the connection's buffers when it breaks: then nobody knows either.
        parked = OutFile.objects.filter(phase=OutFile.Phase.PARKED).count()
    assert OutFile.objects.filter(phase=OutFile.Phase.PARKED).count() == parked
    order = Order.objects.get()
    assert order.status == (Status.SENDING if parked else Status.READY)
    assert bool(order.cause) == bool(parked)
    Order.objects.filter(status=Status.READY).update(retry_at=clock.now())
    settle(trip, Service.DELIVER)
    assert Order.objects.get().status == Status.AT_WMS and Order.objects.get().cause == ""
    assert len(trip.smtp.taken) == 1
    (file,) = OutFile.objects.filter(phase=OutFile.Phase.DONE)
    (message,) = trip.smtp.taken
    assert message["Message-ID"] == f"<{trip.account.public_id}.{file.name}@example.com>"
    assert Exchange.objects.filter(order_id=order.pk, method="MAIL", url__endswith=file.name).exists()


@pytest.mark.parametrize("trip", ["sftp"], indirect=True)
def test_a_name_that_cannot_be_stored_is_told_of_once_and_blocks_nothing(trip: Files) -> None:
    strange = os.fsdecode(b"caf\xe9.csv")
    trip.put(f"shop/orders/{strange}", f"{HEADER}\n{row('S-1')}\n")
    trip.put("shop/orders/good.csv", f"{HEADER}\n{row('S-2')}\n")
    for _ in range(3):
        trip.run(Service.DOWNLOAD)
    alert = Alert.objects.get(kind="left_alone")
    assert "1 file left alone. caf\ufffd.csv" in alert.message and alert.count == 1 and alert.resolved_at is None
    assert [order.cust_ref for order in Order.objects.all()] == ["S-2"]
    assert trip.names("shop/orders") == [strange]
    (trip.server.files / "shop/orders" / strange).unlink()
    trip.run(Service.DOWNLOAD)
    assert Alert.objects.get(kind="left_alone").resolved_at is not None
    assert Schedule.objects.get(cart=trip.cart).failures == 0


@pytest.mark.parametrize("trip", ["email"], indirect=True)
def test_mails_of_strangers_are_told_of_once(trip: Mails) -> None:
    trip.box.deliver(mail("New orders", {"x.csv": f"{HEADER}\n{row('S-1')}\n"}, sender="eve@evil.example"))
    for _ in range(3):
        trip.run(Service.DOWNLOAD)
    alert = Alert.objects.get(kind="left_alone")
    assert "eve@evil.example" in alert.message and alert.count == 1 and alert.resolved_at is None
    assert Order.objects.count() == 0 and len(trip.box.mails()) == 1
    trip.box.clear()
    trip.run(Service.DOWNLOAD)
    assert Alert.objects.get(kind="left_alone").resolved_at is not None
    assert Schedule.objects.get(cart=trip.cart).failures == 0
