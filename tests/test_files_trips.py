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
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock, crash
from merchants.models import Merchant, Schedule, Service, StockLevel
from orders import connections, file_actions
from orders.models import Order, OutFile, Shipment, Status
from orders.services.posting import KIND
from tests.dying import dying
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

    trip.put("hall/inventory/levels.csv", "sku,warehouse,qty\nMUG,,7\n")
    with dying(point=IN[0]):
        trip.run(Service.INVENTORY)
    trip.run(Service.INVENTORY)
    assert StockLevel.objects.get().available == 7

    # The books: ours, the warehouse's and the shop's.
    assert Counter(Order.objects.values_list("cust_ref", "status")) == {(n, Status.CONFIRMED): 1 for n in numbers}
    refs = [order.wms_ref for order in Order.objects.all()]
    sent, told = trip.text("hall/orders"), trip.text("shop/confirmations")
    assert {ref: sent.count(f"{ref},") + sent.count(f"{ref}\n") for ref in refs} == dict.fromkeys(refs, 1)
    assert {ref: told.count(f"1Z{ref}") for ref in refs} == dict.fromkeys(refs, 1)
    assert Shipment.objects.filter(uploaded_at=None).count() == 0
    assert trip.names("hall/confirmations") == trip.names("hall/inventory") == []
    assert len(trip.names("hall/orders")) == len(trip.names("shop/confirmations")) == len(points)
    assert not [name for name in trip.names("hall/orders") if name.startswith(".")]
    assert set(OutFile.objects.values_list("phase", flat=True)) <= {OutFile.Phase.DONE, OutFile.Phase.DROPPED}


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
