"""Files that cannot be written: who waits, how often is tried, who is told, and what a person sees and does."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from accounts import roles
from accounts.models import Account, Membership, User
from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.disk import LocalFolder
from integration_manager.kit.errors import ConnectionFailed, OutcomeUnknown, Transient
from integration_manager.kit.folder_system import FolderSystem
from merchants.models import Service
from orders import actions, changes, file_actions
from orders import stuck as late
from orders.models import Event, Exchange, Order, OutFile, Shipment, Status
from orders.next_step import Around, next_of
from orders.services import out_files
from orders.services.outcomes import TRIES
from tests.desk import signed_in
from tests.statements import counted
from tests.test_files_again import Disk
from tests.test_files_life import HEADER, confirm, row
from tests.world import START, alerts, at

pytestmark = pytest.mark.django_db
DOWNLOAD, DELIVER, UPLOAD = Service.DOWNLOAD, Service.DELIVER, Service.UPLOAD_SHIPMENTS
HOUR = timedelta(hours=1)
DANA = "dana@mail.example"


@pytest.fixture
def disk(tmp_path: Path, settings: Any) -> Iterator[Disk]:
    """Two orders wait for a WMS that takes files."""
    settings.IM_FOLDER_ROOT = str(tmp_path)
    made = Disk(tmp_path, Account.objects.create(name="Disk", timezone="UTC"))
    with tenancy.activate(made.account.pk):
        made.put("shop/orders/monday.csv", f"{HEADER}\n{row('A-1')}\n{row('A-2')}\n")
        made.run(DOWNLOAD)
        yield made


def full(*_: Any) -> None:
    raise Transient("The disk is full.", code="full")


def away(*_: Any) -> None:
    raise ConnectionFailed("Nobody answers.")


def the(number: str) -> Order:
    return Order.objects.get(cust_ref=number)


def parcel(number: str) -> Shipment:
    return Shipment.objects.get(order__cust_ref=number)


# ── orders ──


def test_after_15_days_of_hourly_tries_it_is_given_up_with_an_alert_and_alive_again_by_resend(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(days=15) == TRIES * HOUR
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "put", full)
        for hour in (0, 1, 2):
            with at(hour):
                disk.run(DELIVER)
            with at(hour, minutes=59):
                disk.run(DELIVER)
            assert [order.failures for order in (the("A-1"), the("A-2"))] == [hour + 1] * 2, "once an hour"
        Order.objects.filter(cust_ref="A-1").update(failures=358)
        with at(3):
            disk.run(DELIVER)
            assert (the("A-1").status, the("A-1").failures, alerts()) == (Status.READY, 359, ["file_failing"])
        with at(4):
            disk.run(DELIVER)
            order = the("A-1")
            assert (order.status, order.error_code, order.failures) == (Status.GAVE_UP, "gave_up", 360)
            assert (order.out_file_id, order.starts) == (None, 0)
            assert (the("A-2").status, the("A-2").failures) == (Status.READY, 5), "it is only this one's end"
            assert alerts() == ["file_failing", "gave_up"]
        alert = Alert.objects.get(kind="gave_up")
        assert (alert.key, alert.order_id, alert.merchant_id) == (order.cause, order.pk, disk.merchant.pk)
        assert "360 failed tries in 15 days" in alert.message and "The disk is full." in alert.message
        assert list(Event.objects.filter(order_id=order.pk, kind="gave_up").values_list("to", flat=True)) == ["gave_up"]
        Order.objects.filter(cust_ref="A-2").update(failures=359)
        with at(5):
            disk.run(DELIVER)
            assert alerts() == ["gave_up"], "of one cause, and no more that it is tried again"
            assert Alert.objects.get(kind="gave_up").count == 2
    with at(6):
        disk.run(DELIVER)
        assert disk.names("hall/orders") == [], "not even when there is room again"
        actions.resend(the("A-1"), DANA)
        assert (the("A-1").status, the("A-1").failures) == (Status.READY, 0)
        disk.run(DELIVER)
        assert (the("A-1").status, the("A-2").status) == (Status.AT_WMS, Status.GAVE_UP)
        assert [alert.key for alert in Alert.objects.filter(resolved_at=None)] == [the("A-2").cause]
    assert disk.text("hall/orders").count("A-1,") == 1 and disk.text("hall/orders").count("A-2,") == 0
    assert set(OutFile.objects.values_list("phase", flat=True)) == {OutFile.Phase.DONE, OutFile.Phase.DROPPED}


def test_the_wait_is_counted_from_the_first_failure(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "put", full)
        patch.setattr(FolderSystem, "remove", full)  # nor can the half of one be cleared away
        for hour in range(4):
            with at(hour):
                disk.run(DELIVER)
    order = the("A-1")
    assert (order.failures, order.first_failed_at) == (4, START)
    with at(3, minutes=1):  # two hours and one of the schedule's own
        assert set(Order.objects.filter(late.orders(START + 3 * HOUR + timedelta(minutes=1)))) == {
            order,
            the("A-2"),
        }
        assert "Tried 4 times since" in next_of(order).then
        actions.resend(order, DANA)
        assert the("A-1").first_failed_at is None
        disk.run(DELIVER)
        assert (the("A-1").status, the("A-2").status) == (Status.AT_WMS, Status.READY)
    assert not Order.objects.filter(late.orders(START + 9 * HOUR), cust_ref="A-1").exists()


@pytest.mark.parametrize("begun", [False, True], ids=["nothing was begun", "half a file is there"])
def test_while_nobody_can_be_reached_they_wait_as_they_did_and_the_watch_sees_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    became_ready, said = the("A-1").updated_at, Event.objects.count()
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "put", away)
        if begun:  # then the run ends before it has taken any order
            patch.setattr(FolderSystem, "remove", away)
        for minute in range(3):
            with at(minutes=minute):
                disk.run(DELIVER)
                around = Around(schedules=[disk.schedule(DELIVER)])
                assert next_of(the("A-1"), around).first.startswith("It goes to the WMS as soon as that can be reached")
    order = the("A-1")
    assert (order.status, order.failures, order.starts, order.first_failed_at) == (Status.READY, 0, 0, None)
    assert (order.updated_at, Event.objects.count()) == (became_ready, said), "a minute without an answer is no news"
    assert set(Order.objects.filter(late.orders(START + 3 * HOUR))) == {order, the("A-2")}
    with at(minutes=4):
        disk.run(DELIVER)
        assert the("A-1").status == Status.AT_WMS and alerts() == []
        assert disk.schedule(DELIVER).state["down"] is False
    assert len(disk.names("hall/orders")) == 1


# ── tracking ──


@pytest.fixture
def shipped(disk: Disk) -> Disk:
    """Both have left the warehouse, and the shop, which takes files, is to be told."""
    disk.run(DELIVER)
    confirm(disk)
    disk.run(Service.SHIP_CONFIRM)
    assert set(Order.objects.values_list("status", flat=True)) == {Status.SHIPPED}
    return disk


def test_tracking_in_files_is_tried_at_every_run_and_at_most_one_an_hour_counts(
    shipped: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, written = [], []
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "put", full)
        for minutes in (0, 15, 30, 45, 60, 75, 120):
            with at(minutes=minutes):
                with counted() as sent:
                    shipped.run(UPLOAD)
                written.append(sum(len(re.findall('UPDATE "?orders_shipment\\b', sql)) for sql in sent))
                seen.append((OutFile.objects.filter(kind="confirmations").count(), parcel("A-1").failures))
        assert seen == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 2), (7, 3)]
        assert written == [3] * 7, "taken, put into a file, out of it again: however many there are"
        assert (alerts(), parcel("A-2").first_failed_at) == (["file_failing"], START)
        assert "Tried 3 times since" in next_of(the("A-1"), Around(shipments=[parcel("A-1")])).then
        patch.setattr(FolderSystem, "put", away)
        with at(3):
            shipped.run(UPLOAD)
            assert (parcel("A-1").failures, parcel("A-1").out_file_id) == (3, None), "nobody was asked"
    with at(4):
        shipped.run(UPLOAD)
        assert (the("A-1").status, the("A-2").status, alerts()) == (Status.CONFIRMED, Status.CONFIRMED, [])
    assert len(shipped.names("shop/confirmations")) == 1


@pytest.mark.parametrize(
    "ago", [{"failures": 99}, {"first_failed_at": START - timedelta(days=30)}], ids=["tries", "days"]
)
def test_after_100_counted_tries_or_30_days_tracking_is_skipped_and_can_be_sent_by_hand(
    shipped: Disk, monkeypatch: pytest.MonkeyPatch, ago: dict[str, Any]
) -> None:
    before = {"failures": 5, "first_failed_at": START - timedelta(days=3), "failed_at": START - HOUR}
    Shipment.objects.filter(order=the("A-1")).update(**{**before, **ago})
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "put", full)
        with at(0):
            shipped.run(UPLOAD)
            assert (parcel("A-1").parked_at, parcel("A-2").parked_at) == (START, None)
            assert alerts() == ["file_failing", "tracking_skipped"]
            assert Alert.objects.get(kind="tracking_skipped").order_id == the("A-1").pk
        Shipment.objects.filter(order=the("A-2")).update(**{**before, **ago})
        with at(1):
            shipped.run(UPLOAD)
            assert alerts() == ["tracking_skipped"], "of one cause, and no more that it is tried again"
            assert Alert.objects.get(kind="tracking_skipped").count == 2
    with at(2):
        shipped.run(UPLOAD)
        assert shipped.names("shop/confirmations") == [] and the("A-1").status == Status.SHIPPED
        actions.resend_tracking(the("A-1"), DANA)
        shipped.run(UPLOAD)
        assert (the("A-1").status, the("A-2").status, alerts()) == (
            Status.CONFIRMED, Status.SHIPPED, ["tracking_skipped"],
        )  # fmt: skip
    told = shipped.text("shop/confirmations")
    assert (told.count(f"1Z{the('A-1').wms_ref}"), told.count(f"1Z{the('A-2').wms_ref}")) == (1, 0)


# ── what its page shows ──


@pytest.fixture
def office(disk: Disk) -> Client:
    """The browser of somebody who may see everything of the account."""
    user = User.objects.create_user("owner@disk.example", "a long password", name="Owner", timezone="UTC")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    Membership.objects.create(user=user, role="primary")
    return signed_in(user)


def shown(office: Client, disk: Disk, path: str) -> str:
    answer = office.get(f"/a/{disk.account.public_id}/{path}")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def said(number: str) -> list[tuple[str, str]]:
    rows = Exchange.objects.filter(order_id=the(number).pk).order_by("id")
    return [(row.method, row.error) for row in rows]


def test_an_order_that_leaves_in_a_file_has_its_exchanges_and_those_show_nothing_of_others(
    disk: Disk, office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "_file", full)
        with at(0):
            disk.run(DELIVER)
    with at(1):
        disk.run(DELIVER)
        confirm(disk)
        disk.run(Service.SHIP_CONFIRM)
        Shipment.objects.filter(order=the("A-2")).update(retry_at=START + 2 * HOUR)
        disk.run(UPLOAD)
    assert said("A-2") == [("WRITE", "Transient"), ("WRITE", ""), ("RENAME", "")]
    assert said("A-1") == [*said("A-2"), ("WRITE", ""), ("RENAME", "")], "its tracking left in a file of its own"
    text = shown(office, disk, f"orders/{the('A-1').public_id}/exchanges/")
    assert "A file of 2 orders." in text and "1ZPAPER-A-1" in text and ">done</span>" in text
    assert "A-2" not in text and "Mill Lane" not in text, "nothing of the others"
    whole = Exchange.objects.filter(order_id=None, method="WRITE", request__contains="Mill Lane", error="")
    assert whole.filter(request__contains="A-1").filter(request__contains="A-2").count() == 1


def test_a_connection_that_is_away_is_not_said_of_each_order_every_minute(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "_file", away)
        with at(0):
            disk.run(DELIVER)
    assert said("A-1") == [] and Exchange.objects.filter(error="ConnectionFailed").count() == 1


def test_a_step_that_fails_every_minute_is_said_of_each_order_once(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "has", lambda *_: True)
        patch.setattr(LocalFolder, "_parent", full)
        patch.setattr(LocalFolder, "write", lambda *_: None)
        for minute in range(3):
            with at(minutes=minute):
                disk.run(DELIVER)
    assert said("A-1") == [("RENAME", "Transient")]
    assert Exchange.objects.filter(order_id=None, method="RENAME", error="Transient").count() == 3


# ── a file of which nobody knows whether it arrived ──


def mailed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files leave in one step, as mails do, and the line breaks at the end of it."""

    def cut(self: Any, kind: str, name: str, data: bytes, key: str, at: Any, sending: Callable[[], None]) -> None:
        sending()
        raise OutcomeUnknown("The mail server never answered.")

    monkeypatch.setattr(FolderSystem, "posts", True)
    monkeypatch.setattr(FolderSystem, "post", cut)


def test_an_order_whose_file_may_have_arrived_leads_to_where_that_is_said_of_all_in_it(
    disk: Disk, office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailed(monkeypatch)
    disk.run(DELIVER)
    order, alert = the("A-1"), Alert.objects.get()
    assert (order.status, order.error_code, order.cause) == (Status.SENDING, "file_unknown", alert.key)
    text = shown(office, disk, f"orders/{order.public_id}/")
    assert "The last try failed" not in text and "A person has to say whether its file arrived." in text
    (link,) = re.findall(r'href="([^"]+)">Say whether it arrived', text)
    with monkeypatch.context() as patch:  # somebody who may only look is not asked to say
        patch.setitem(roles.ROLES, "primary", roles.ROLES[roles.STAFF])
        text = shown(office, disk, f"orders/{order.public_id}/")
        assert "See its alert" in text and "Say whether it arrived" not in text
    (file,) = OutFile.objects.all()
    (url,) = re.findall(r'action="([^"]+/arrived/)"', shown(office, disk, link.partition("/a/")[2].partition("/")[2]))
    with pytest.raises(actions.NotNow, match="whether its file arrived"):
        actions.resend(order, DANA)
    assert office.post(url).status_code == 302
    assert set(Order.objects.values_list("status", "out_file_id")) == {(Status.AT_WMS, None)}
    assert "Say whether it arrived" not in shown(office, disk, f"orders/{order.public_id}/")
    file.refresh_from_db()
    assert file.phase == OutFile.Phase.DONE


@pytest.mark.parametrize(
    ("meanwhile", "sent", "status"),
    [("", 2, Status.AT_WMS), ("canceled", 0, Status.CANCELED), ("changed", 7, Status.AT_WMS)],
)
def test_a_file_that_did_not_arrive_is_sent_again_unless_an_order_in_it_is_wanted_otherwise(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, meanwhile: str, sent: int, status: Status
) -> None:
    with monkeypatch.context() as patch:
        mailed(patch)
        disk.run(DELIVER)
    (file,) = OutFile.objects.all()
    if meanwhile == "changed":
        disk.put("shop/orders/tuesday.csv", f"{HEADER}\n{row('A-1', quantity='7')}\n")
        disk.run(DOWNLOAD)
    file_actions.did_not(file, DANA)
    if meanwhile == "canceled":  # as good after a person's word as before it: nothing has gone out yet
        changes.request_cancel(the("A-1").pk, clock.now(), actor=DANA, why="Canceled by its buyer.")
    disk.run(DELIVER)
    (name,) = disk.names("hall/orders")
    assert (name == file.name) == (not meanwhile)
    rows = [line.split(",") for line in disk.text("hall/orders").splitlines()]
    column = rows[0].index("quantity")
    assert [line[column] for line in rows if "A-1" in line] == [str(sent)] * (sent > 0)
    assert [line[column] for line in rows if "A-2" in line] == ["2"]
    assert (the("A-1").status, the("A-2").status) == (status, Status.AT_WMS)


# ── a file that cannot be given its name ──


def stuck(disk: Disk, monkeypatch: pytest.MonkeyPatch, tries: int = 1) -> OutFile:
    """The file of both orders, which lies there under its temporary name after so many tries."""
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "rename", full)
        while not OutFile.objects.filter(failures=tries).exists():
            disk.run(DELIVER)
            OutFile.objects.filter(failures=1).update(failures=max(tries - 1, 1))
    return OutFile.objects.get(kind="orders", phase=OutFile.Phase.UPLOADED, failures=tries)


@pytest.mark.parametrize("end", ["it is tried until then", "arrived", "did-not"])
def test_a_file_that_cannot_be_given_its_name_is_tried_and_may_be_decided_by_a_person(
    disk: Disk, office: Client, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    file = stuck(disk, monkeypatch, out_files.ASK - 1)
    assert (the("A-1").error_code, alerts()) == ("", ["file_failing"]), "most of these pass"
    file = stuck(disk, monkeypatch, out_files.ASK)
    order, alert = the("A-1"), Alert.objects.get(kind="file_unknown")
    assert (order.status, order.error_code, order.cause) == (Status.SENDING, "file_unknown", alert.key)
    assert (
        file.temporary in alert.message and "The disk is full." in alert.message and "tried every minute" in alert.fix
    )
    path = f"alerts/{alert.public_id}/"
    if end in ("arrived", "did-not"):
        OutFile.objects.update(lease_until="2999-01-01T00:00:00Z")
        assert "arrived/" not in shown(office, disk, path), "not while a worker has it"
        with pytest.raises(actions.NotNow, match="being tried right now"):
            file_actions.did_not(file, DANA)
        OutFile.objects.update(lease_until=None)
        (url,) = re.findall(rf'action="([^"]+/{end}/)"', shown(office, disk, path))
        assert office.post(url).status_code == 302
        assert the("A-1").status == (Status.AT_WMS if end == "arrived" else Status.SENDING)
    for _ in range(2):
        disk.run(DELIVER)
    assert set(Order.objects.values_list("status", "out_file_id", "error_code")) == {(Status.AT_WMS, None, "")}
    assert alerts() == []
    assert disk.names("hall/orders") == [file.temporary if end == "arrived" else file.name]


def test_a_file_without_its_name_is_not_given_it_once_the_wms_has_shown_all_of_its_orders(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck(disk, monkeypatch, out_files.ASK)
    Order.objects.update(status=Status.AT_WMS)
    confirm(disk)
    Order.objects.update(status=Status.SENDING)
    disk.run(Service.SHIP_CONFIRM)
    assert set(Order.objects.values_list("status", flat=True)) == {Status.SHIPPED}
    disk.run(DELIVER)
    assert (disk.names("hall/orders"), alerts()) == ([], [])


def test_levels_whose_file_cannot_be_given_its_name_go_in_another(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.put("hall/inventory/stock.csv", "sku,available\nMUG,5\n")
    disk.run(Service.INVENTORY)
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "rename", full)
        disk.run(Service.UPLOAD_INVENTORY)
    first = OutFile.objects.get(kind="inventory")
    assert (first.phase, alerts()) == (OutFile.Phase.DROPPED, ["file_failing"])
    disk.run(Service.UPLOAD_INVENTORY)
    (name,) = disk.names("shop/inventory")
    assert name != first.name and alerts() == []


def test_what_came_while_a_file_was_under_way_takes_effect_though_the_line_breaks_behind_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck(disk, monkeypatch)
    disk.put("shop/orders/changed.csv", f"{HEADER}\n{row('A-1', quantity='7')}\n")
    disk.run(DOWNLOAD)
    assert the("A-1").source_changed
    half = {"kind": "orders", "phase": OutFile.Phase.DROPPED, "temporary": ".half.tmp", "content": b""}
    OutFile.objects.create(merchant=disk.merchant, name="half.csv", created_at=START, **half)
    with monkeypatch.context() as patch:
        patch.setattr(FolderSystem, "remove", away)
        disk.run(DELIVER)
    assert (the("A-1").status, the("A-1").source_changed) == (Status.AT_WMS, False)
    assert "changed_after_sending" in alerts() and "Nobody answers." in disk.schedule(DELIVER).problem


def test_tracking_whose_file_may_have_arrived_says_who_is_waited_for(
    shipped: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailed(monkeypatch)
    shipped.run(UPLOAD)
    around = Around(schedules=[shipped.schedule(UPLOAD)], shipments=[parcel("A-1")])
    assert next_of(the("A-1"), around).first.startswith("A person has to say whether the file with its tracking")
