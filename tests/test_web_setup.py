"""Setting up carts and the WMS: secrets stay where they were meant for, orders where they can be found."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Account, AuditEntry
from carts.models import Cart
from integration_manager import tenancy, trying
from integration_manager.connector_form import AGAIN, ConnectorForm
from integration_manager.crypto import Secret
from integration_manager.kit import clock
from merchants.models import Schedule
from orders.connections import open_connector
from orders.journal import Journal
from tests import desk as desks
from tests.desk import CANARY, Desk, make_order
from wms.models import Wms

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}
CART = {"name": "Shop", "order_source": "X", "earliest_order_date": "2026-01-01"}


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The values that other systems were called with; all of them let everyone in."""
    seen: list[dict[str, Any]] = []

    def check(system: Any, values: Any, account: Any, merchant: Any = None) -> trying.Answer:
        seen.append(dict(values))
        return trying.Answer(True, "It works", seconds=0.1)

    monkeypatch.setattr(trying, "check", check)
    return seen


# --- a stored secret goes nowhere else ---


@pytest.mark.parametrize("test", [{}, {"test": "1"}])
def test_a_stored_secret_is_not_sent_to_another_address(desk: Desk, called: Any, test: dict[str, str]) -> None:
    client, cart = desk.client("owner"), desk.carts[0]
    for path, form in ((f"carts/{cart.public_id}/edit/", CART), ("wms/setup/sandbox_wms/", {})):
        typed = {**form, **test, "c-url": "https://elsewhere.example/", "c-api_key": ""}
        assert AGAIN in client.post(desk.url(path), typed).content.decode()
        if test:
            inside = client.post(desk.url(path), typed, headers=PART).content.decode()
            assert AGAIN in inside
    assert called == []
    with tenancy.activate(desk.account.pk):
        assert "elsewhere" not in Wms.objects.get().credentials["url"].reveal()


def test_with_the_key_again_it_is_tested_there_on_record(desk: Desk, called: Any) -> None:
    client, cart = desk.client("owner"), desk.carts[0]
    typed = {**CART, "test": "1", "c-url": "https://elsewhere.example/", "c-api_key": "new"}
    assert "It works" in client.post(desk.url(f"carts/{cart.public_id}/edit/"), typed).content.decode()
    assert CANARY not in str([{n: getattr(v, "reveal", lambda v=v: v)() for n, v in one.items()} for one in called])
    with tenancy.activate(desk.account.pk):
        entry = AuditEntry.objects.get(verb="connection.tested")
    assert entry.changes["url"] == ["http://127.0.0.1:9/shop", "https://elsewhere.example/"]
    assert entry.changes["api_key"] == ["•••", "•••"]
    same = {**CART, "test": "1", "c-url": "http://127.0.0.1:9/shop", "c-api_key": ""}
    client.post(desk.url(f"carts/{cart.public_id}/edit/"), same)
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.filter(verb="connection.tested").count() == 1
    assert called[-1]["api_key"].reveal() == CANARY


@pytest.mark.parametrize(("name", "value"), [("host", "other.example"), ("port", "2222"), ("user", "mallory")])
def test_of_a_folder_host_port_and_user_are_its_address(name: str, value: str) -> None:
    from carts.systems.csv_cart import CsvCart

    stored = {
        "place": "sftp",
        "host": "sftp.example",
        "user": "im",
        "password": Secret("p"),
        "private_key": Secret("k"),
    }
    typed = {f"c-{n}": getattr(f, "default", None) or "" for n, f in CsvCart.fields.items()}
    typed |= {"c-host": "sftp.example", "c-user": "im"}
    same = ConnectorForm(CsvCart, "account", stored, typed)
    assert same.is_valid(), same.errors
    assert same.values()["private_key"].reveal() == "k"
    moved = ConnectorForm(CsvCart, "account", stored, typed | {f"c-{name}": value})
    assert {n: list(e) for n, e in moved.errors.items()} == {"password": [AGAIN], "private_key": [AGAIN]}
    again = ConnectorForm(CsvCart, "account", stored, typed | {f"c-{name}": value, "c-password": "new"})
    assert again.is_valid(), again.errors
    assert again.values()["password"].reveal() == "new"
    assert "private_key" not in again.values()  # it was for the other place


# --- orders stay where they are looked for ---


def lay(desk: Desk) -> None:
    """Four orders of the first merchant that are at the WMS or may be, and two that cannot be."""
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "A1", status="at_wms")
        make_order(desk.carts[0], "A2", status="sending")
        make_order(desk.carts[0], "A3", status="ready", starts=1)
        make_order(desk.carts[0], "A4", status="error", error_code="outcome_unknown")
        make_order(desk.carts[0], "A5", status="ready")
        make_order(desk.carts[0], "A6", status="shipped")


def test_its_address_changes_only_for_who_knows_of_the_orders_there(
    desk: Desk, called: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, path = desk.client("owner"), desk.url("wms/setup/sandbox_wms/")
    lay(desk)
    typed = {"c-url": "https://new.example/", "c-api_key": "again"}
    answer = client.post(path, typed)
    assert answer.status_code == 422
    assert "4 orders are at Sandbox" in answer.content.decode()
    assert "Nothing is saved yet" in answer.content.decode()
    # While the connection is tested, one more order goes out: that was not agreed to.
    check = trying.check

    def meanwhile(*args: Any) -> trying.Answer:
        make_order(desk.carts[0], "A7", status="sending")
        return check(*args)

    monkeypatch.setattr(trying, "check", meanwhile)
    answer = client.post(path, {**typed, "confirmed": "4"})
    assert "5 orders are at" in answer.content.decode()
    monkeypatch.setattr(trying, "check", check)
    assert client.post(path, {**typed, "confirmed": "5"}).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert Wms.objects.get().credentials["url"].reveal() == "https://new.example/"


def test_another_key_needs_no_word_about_orders(desk: Desk, called: Any) -> None:
    lay(desk)
    typed = {"c-url": "http://127.0.0.1:9/wms", "c-api_key": "renewed"}
    assert desk.client("owner").post(desk.url("wms/setup/sandbox_wms/"), typed).status_code == 302


def test_what_the_wms_knows_a_merchant_by_changes_with_its_orders_in_mind(desk: Desk) -> None:
    client, merchant = desk.client("owner"), desk.merchants[0]
    lay(desk)
    path = desk.url(f"merchants/{merchant.public_id}/edit/")
    assert client.post(path, {"name": "Renamed", "c-customer": "ONE"}).status_code == 302
    answer = client.post(path, {"name": "Renamed", "c-customer": "NEW"})
    assert answer.status_code == 422
    assert "4 orders are at" in answer.content.decode()
    assert client.post(path, {"name": "Renamed", "c-customer": "NEW", "confirmed": "4"}).status_code == 302
    other = desk.url(f"merchants/{desk.merchants[1].public_id}/edit/")
    assert client.post(other, {"name": "Two", "c-customer": "2"}).status_code == 302


def test_a_merchant_user_cannot_become_another_merchant_at_the_wms(desk: Desk) -> None:
    client, merchant = desk.client("colleague"), desk.merchants[1]
    path = desk.url(f"merchants/{merchant.public_id}/edit/")
    assert "c-customer" not in client.get(path).content.decode()
    assert client.post(path, {"name": "New name", "c-customer": "ONE"}).status_code == 302
    with tenancy.activate(desk.account.pk):
        merchant.refresh_from_db()
    assert (merchant.name, merchant.wms_values["customer"].reveal()) == ("New name", "TWO")


# --- a test of a connection ---


def test_a_test_ends_in_time_whatever_the_other_side_does(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from carts.systems.sandbox_shop import SandboxShop

    over = threading.Event()
    monkeypatch.setattr(trying, "SECONDS", 0.3)
    monkeypatch.setattr(SandboxShop, "check", lambda self: time.sleep(0.2))
    monkeypatch.setattr(SandboxShop, "identity", lambda self: over.wait(60))
    began = time.monotonic()
    with tenancy.activate(desk.account.pk):
        answer = trying.check(SandboxShop, desk.carts[0].credentials, desk.account)
    took = time.monotonic() - began
    over.set()
    assert took < 30
    assert "did not answer in time" in answer.title


def test_a_slow_file_server_has_no_more_time_than_a_slow_web_server() -> None:
    from integration_manager.kit.egress import Guard
    from integration_manager.kit.errors import ConnectionFailed
    from integration_manager.kit.sftp import SftpFolder

    folder = SftpFolder(
        host="sftp.example", port=22, user="x", password="x", private_key="", host_key="", guard=Guard([])
    )
    folder.until = time.monotonic() - 1
    with pytest.raises(ConnectionFailed, match="took too long"):
        folder.entries("")


def test_a_mistake_of_ours_is_an_answer_with_a_number(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from carts.systems.sandbox_shop import SandboxShop

    monkeypatch.setattr(SandboxShop, "check", lambda self: {}["no such thing"])
    answer = desk.client("owner").post(desk.url(f"carts/{desk.carts[0].public_id}/test/"), headers=PART)
    assert answer.status_code == 200
    text = answer.content.decode()
    number = text.split("Report ")[1].split(".")[0]
    assert number in caplog.text


def test_every_page_of_a_suspended_account_says_that_nothing_moves(desk: Desk) -> None:
    client = desk.client("owner")
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "STILL-1", status="ready")
    pages = ("", "orders/", f"orders/{order.public_id}/", "alerts/", "carts/", "orders/skipped/")
    assert not [path for path in pages if "account is suspended" in client.get(desk.url(path)).content.decode()]
    Account.objects.update(suspended_at=clock.now())
    assert not [path for path in pages if "account is suspended" not in client.get(desk.url(path)).content.decode()]


def test_a_suspended_account_calls_nobody_and_runs_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from carts.systems.sandbox_shop import SandboxShop
    from wms.systems.sandbox_wms import SandboxWms

    for system in (SandboxShop, SandboxWms):
        monkeypatch.setattr(system, "check", lambda self: pytest.fail("it was called"))
    Account.objects.update(suspended_at=clock.now())
    client, cart, merchant = desk.client("owner"), desk.carts[0].public_id, desk.merchants[0].public_id
    for path in (f"carts/{cart}/test/", "wms/test/", f"merchants/{merchant}/test/"):
        assert trying.SUSPENDED.text in client.post(desk.url(path), headers=PART).content.decode()
    typed = {"c-url": "http://127.0.0.1:9/wms", "c-api_key": "renewed"}
    assert trying.SUSPENDED.text in client.post(desk.url("wms/setup/sandbox_wms/"), typed).content.decode()
    for path in (f"carts/{cart}/run/download/", f"merchants/{merchant}/run/deliver/"):
        assert trying.SUSPENDED.text in client.post(desk.url(path), follow=True).content.decode()
    with tenancy.activate(desk.account.pk):
        assert not Schedule.objects.exclude(woken_at=None).exists()


# --- folders of this server ---


def test_merchants_of_an_account_do_not_reach_one_anothers_files(desk: Desk, settings: Any, tmp_path: Path) -> None:
    from carts.systems.csv_cart import CsvCart
    from orders.connections import open_cart
    from wms.systems.csv_wms import CsvWms

    settings.IM_FOLDER_ROOT = str(tmp_path / "not" / "there")
    with tenancy.activate(desk.account.pk):
        Cart.objects.update(system="csv_cart", credentials="", options={"place": "disk"})
        for cart in Cart.objects.order_by("id"):
            cart.credentials = {"place": "disk"}
            connector = open_cart(cart, desk.account, Journal())
            connector.check()
            connector.put("confirmations", "x.csv", cart.name.encode())
        wms = open_connector(CsvWms, {"place": "disk", "client_dir": "."}, desk.account, Journal(), None)
        wms.check()
    below = tmp_path / "not" / "there" / desk.account.public_id
    for merchant, cart in zip(desk.merchants, desk.carts, strict=True):
        assert (below / merchant.public_id / "confirmations" / "x.csv").read_text() == cart.name
    assert (below / "orders").is_dir()
    with pytest.raises(ValueError, match="needs its merchant"):
        open_connector(CsvCart, {"place": "disk"}, desk.account, Journal(), None)
