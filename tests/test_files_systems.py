"""CSV cart and CSV WMS: what comes in, what goes out, and what happens to each file meanwhile."""

import csv
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from carts.systems.csv_cart import CsvCart, to_order
from integration_manager.kit import clock, file_pages
from integration_manager.kit.canonical import Prepared, PreparedLine, Shipment, ShipmentLine, Stock
from integration_manager.kit.connector import Dedupe, Page, Reject
from integration_manager.kit.disk import LocalFolder
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import AuthFailed, Permanent
from integration_manager.kit.folder import Entry, NameTaken, open_folder
from integration_manager.kit.registry import capabilities
from integration_manager.kit.ssh_keys import HostKeyUnknown
from tests.sftp_server import SftpServer, why_not
from wms.systems.csv_wms import CsvWms

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=1)
HEAD = "Cust-ref,Ship code,last-name,address-1,city,state,zip,country,phone,Item,Quantity\r\n"


def row(number: str = "1001", item: str = "A", quantity: str = "1") -> str:
    return f"{number},UPS,Doe,1 Main St,Boston,MA,02139,US,+1 555,{item},{quantity}\r\n"


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with clock.frozen(NOW):
        yield


@pytest.fixture
def cart(tmp_path: Path) -> CsvCart:
    found = CsvCart({"place": "disk"}, folder=LocalFolder(tmp_path))
    found.check()
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[SftpServer]:
    if why_not():
        pytest.skip(why_not())
    server = SftpServer().start()
    yield server
    server.close()


def lay(path: Path, text: str | bytes, age: float = 3600.0) -> Path:
    """A file that was last changed `age` seconds ago."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    at = NOW.timestamp() - age
    os.utime(path, (at, at))
    return path


def run(pages: Iterator[Page], *, store: bool = True) -> tuple[list[Any], list[Reject]]:
    rows: list[Any] = []
    rejects: list[Reject] = []
    for page in pages:
        rows += page.rows
        rejects += page.rejects
        if store and page.done:
            page.done()
    return rows, rejects


def numbers(rows: list[Any]) -> list[str]:
    return [to_order(raw, {}).cust_po_no for raw in rows]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# ── a cart's order files ──


def test_a_file_becomes_orders_and_goes_to_the_archive_once_stored(cart: CsvCart, tmp_path: Path) -> None:
    lay(tmp_path / "orders/today.csv", HEAD + row("1") + row("2") + row("1", "B", "3"))
    rows, rejects = run(cart.orders(SINCE), store=False)
    assert numbers(rows) == ["1", "2"] and rejects == []
    assert rows[0]["file"] == "today.csv" and rows[0]["lines"] == [2, 4]
    assert names(tmp_path / "orders") == ["today.csv"]  # not stored yet
    assert run(cart.orders(SINCE)) == (rows, [])
    assert names(tmp_path / "orders") == [] and len(names(tmp_path / "archive")) == 1
    assert run(cart.orders(SINCE)) == ([], [])


def test_done_may_be_repeated(cart: CsvCart, tmp_path: Path) -> None:
    lay(tmp_path / "orders/today.csv", HEAD + row("1") + row("2", quantity="x"))
    pages = [page for page in cart.orders(SINCE) if page.rows or page.rejects]
    for _ in range(2):
        for page in pages:
            assert page.done is not None
            page.done()
    assert len(names(tmp_path / "archive")) == len(names(tmp_path / "errors")) == 1


def test_files_can_be_deleted_instead(tmp_path: Path) -> None:
    cart = CsvCart({"place": "disk", "after": "delete"}, folder=LocalFolder(tmp_path))
    cart.check()
    lay(tmp_path / "orders/today.csv", HEAD + row("1"))
    assert numbers(run(cart.orders(SINCE))[0]) == ["1"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", [".hidden.csv", "~x.csv", "x.csv.tmp", "x.csv.part", "X.CSV.FILEPART", "x.uploading"])
def test_unfinished_names_are_left_alone(cart: CsvCart, tmp_path: Path, name: str) -> None:
    lay(tmp_path / "orders" / name, HEAD + row("1"))
    assert run(cart.orders(SINCE)) == ([], [])
    assert names(tmp_path / "orders") == [name]


def test_a_young_file_is_left_alone(cart: CsvCart, tmp_path: Path) -> None:
    path = lay(tmp_path / "orders/x.csv", HEAD + row("1"), age=59)
    assert run(cart.orders(SINCE)) == ([], [])
    lay(path, HEAD + row("1"), age=61)
    assert numbers(run(cart.orders(SINCE))[0]) == ["1"]


def test_a_half_written_file_is_left_alone_for_longer(cart: CsvCart, tmp_path: Path) -> None:
    half = HEAD + row("1") + row("2")[:-20]
    path = lay(tmp_path / "orders/x.csv", half, age=300)
    assert run(cart.orders(SINCE)) == ([], [])
    lay(path, HEAD + row("1") + row("2"), age=61)
    assert numbers(run(cart.orders(SINCE))[0]) == ["1", "2"]


def test_a_file_without_a_last_line_end_is_read_in_the_end(cart: CsvCart, tmp_path: Path) -> None:
    lay(tmp_path / "orders/x.csv", (HEAD + row("1")).rstrip(), age=601)
    assert numbers(run(cart.orders(SINCE))[0]) == ["1"]


class Growing(LocalFolder):
    """A folder in which each file grows while it is read."""

    def fetch(self, path: str, limit: int = 10**9) -> Any:
        found = super().fetch(path, limit)
        with (self.root / path).open("ab") as file:
            file.write(row("2").encode())
        return found


def test_a_file_that_grows_while_it_is_read_is_left_alone(cart: CsvCart, tmp_path: Path) -> None:
    lay(tmp_path / "orders/x.csv", HEAD + row("1"))
    growing = CsvCart({"place": "disk"}, folder=Growing(tmp_path))
    assert run(growing.orders(SINCE)) == ([], [])
    assert names(tmp_path / "orders") == ["x.csv"] and names(tmp_path / "archive") == []


def test_a_file_replaced_before_it_is_archived_is_read_again(cart: CsvCart, tmp_path: Path) -> None:
    path = lay(tmp_path / "orders/x.csv", HEAD + row("1"))
    (page,) = [page for page in cart.orders(SINCE) if page.rows]
    lay(path, HEAD + row("1") + row("2"), age=100)
    assert page.done is not None
    page.done()
    assert numbers(run(cart.orders(SINCE))[0]) == ["1", "2"]


class Late(LocalFolder):
    """A folder in which a file is replaced in the last moment, between the look and the move."""

    def rename(self, old: str, new: str) -> None:
        if old == "orders/x.csv" and not getattr(self, "was", False):
            self.was = True
            lay(self.root / old, HEAD + row("2"), age=100)
        super().rename(old, new)


@pytest.mark.parametrize("after", ["archive", "delete"])
def test_a_file_replaced_in_the_last_moment_is_brought_back(cart: CsvCart, tmp_path: Path, after: str) -> None:
    lay(tmp_path / "orders/x.csv", HEAD + row("1"))
    late = CsvCart({"place": "disk", "after": after}, folder=Late(tmp_path))
    assert numbers(run(late.orders(SINCE))[0]) == ["1"]
    assert numbers(run(late.orders(SINCE))[0]) == ["2"]


def test_the_same_file_again_is_no_trouble(cart: CsvCart, tmp_path: Path) -> None:
    for _ in range(2):
        lay(tmp_path / "orders/x.csv", HEAD + row("1"))
        assert numbers(run(cart.orders(SINCE))[0]) == ["1"]
        assert names(tmp_path / "orders") == []
    lay(tmp_path / "orders/x.csv", HEAD + row("2"))  # same name, size and time, another content
    run(cart.orders(SINCE))
    assert len(names(tmp_path / "archive")) == 2


@pytest.mark.parametrize("after", ["archive", "delete"])
@pytest.mark.parametrize("name", [" orders.csv", "orders.csv ", "two  words .csv"])
def test_spaces_at_the_ends_of_a_name_belong_to_it(tmp_path: Path, name: str, after: str) -> None:
    cart = CsvCart({"place": "disk", "after": after, "archive_dir": " archive "}, folder=LocalFolder(tmp_path))
    cart.check()
    lay(tmp_path / "orders" / name, HEAD + row("1"))
    assert numbers(run(cart.orders(SINCE))[0]) == ["1"]
    assert names(tmp_path / "orders") == []
    assert len(names(tmp_path / "archive")) == (after == "archive")


@pytest.mark.parametrize(
    ("name", "shown", "why"),
    [
        (b"caf\xe9.csv", "caf\ufffd.csv", "not in UTF-8"),
        (b"a\tb.csv", "a\ufffdb.csv", "characters that no name may have"),
        (b"in\\c.csv", "in\\c.csv", "characters that no name may have"),
    ],
)
def test_a_name_that_cannot_be_kept_is_said_and_the_other_files_load(
    cart: CsvCart, tmp_path: Path, name: bytes, shown: str, why: str
) -> None:
    path = lay(tmp_path / "orders" / os.fsdecode(name), HEAD + row("1"))
    lay(tmp_path / "orders/good.csv", HEAD + row("2"))
    pages = list(cart.orders(SINCE))
    assert numbers(run(iter(pages))[0]) == ["2"]
    (note,) = pages[-1].notes or []
    assert note.startswith(f"{shown}: ") and why in note
    assert names(tmp_path / "orders") == [path.name]
    path.unlink()
    assert [page.notes for page in cart.orders(SINCE)] == [[]]  # so that the alert ends


class Mangling(LocalFolder):
    """A server that lists a name otherwise than it takes it; another file is taken away before it is read."""

    def entries(self, directory: str) -> list[Entry]:
        found = super().entries(directory)
        (self.root / "orders/taken.csv").unlink(missing_ok=True)
        return [replace(entry, name=entry.name.strip()) for entry in found]


def test_a_name_that_does_not_come_back_as_it_was_listed_is_said(cart: CsvCart, tmp_path: Path) -> None:
    for name in (" lost.csv", "taken.csv", "good.csv"):
        lay(tmp_path / "orders" / name, HEAD + row(name.strip(" .csv")))
    mangling = CsvCart({"place": "disk"}, folder=Mangling(tmp_path))
    pages = list(mangling.orders(SINCE))
    assert numbers(run(iter(pages))[0]) == ["good"]
    (note,) = pages[-1].notes or []
    assert note.startswith("lost.csv: ")


@pytest.mark.parametrize("after", ["archive", "delete"])
@pytest.mark.parametrize("name", ["n" * 251 + ".csv", "\u00e9" * 125 + ".csv", "x." + "y" * 253, "n" * 220 + ".csv"])
def test_the_longest_names_are_taken_away_too(tmp_path: Path, name: str, after: str) -> None:
    cart = CsvCart({"place": "disk", "after": after}, folder=LocalFolder(tmp_path))
    cart.check()
    lay(tmp_path / "orders" / name, HEAD + row("1") + row("2", quantity="x"))
    assert numbers(run(cart.orders(SINCE))[0]) == ["1"]
    lay(tmp_path / "orders" / name, b"\x00\x01no table")
    run(cart.orders(SINCE))
    assert names(tmp_path / "orders") == []
    errors = names(tmp_path / "errors")
    assert len(errors) == 3 and sum(one.endswith(".why.txt") for one in errors) == 1
    kept = names(tmp_path / "archive") + [one for one in errors if not one.endswith((".why.txt", ".errors.csv"))]
    assert len(kept) == 1 + (after == "archive")
    assert all(one.endswith(".csv") == name.endswith(".csv") for one in kept)


def test_long_names_that_begin_alike_are_kept_apart(cart: CsvCart, tmp_path: Path) -> None:
    for end in "ab":
        lay(tmp_path / "orders" / ("n" * 240 + end + ".csv"), HEAD + row("1"))
    run(cart.orders(SINCE))
    assert names(tmp_path / "orders") == [] and len(names(tmp_path / "archive")) == 2


def test_empty_files_are_no_orders_and_no_error(cart: CsvCart, tmp_path: Path) -> None:
    lay(tmp_path / "orders/created.csv", b"", age=600)  # perhaps somebody is about to fill it
    lay(tmp_path / "orders/empty.csv", b"", age=7200)
    lay(tmp_path / "orders/head.csv", HEAD)
    assert run(cart.orders(SINCE)) == ([], [])
    assert names(tmp_path / "orders") == ["created.csv"] and names(tmp_path / "errors") == []


def test_a_broken_file_goes_to_the_errors_with_the_reason_and_others_load(cart: CsvCart, tmp_path: Path) -> None:
    lay(tmp_path / "orders/a.xlsx", b"PK\x03\x04 and so on", age=700)
    lay(tmp_path / "orders/b.csv", "hello\r\nworld\r\n", age=650)
    lay(tmp_path / "orders/c.csv", HEAD + row("1"))
    rows, rejects = run(cart.orders(SINCE))
    assert numbers(rows) == ["1"]
    assert [(r.file, "Excel" in r.reason, "lacks Cust-ref" in r.reason) for r in rejects] == [
        ("a.xlsx", True, False),
        ("b.csv", False, True),
    ]
    assert names(tmp_path / "orders") == [] and len(names(tmp_path / "archive")) == 1
    files = names(tmp_path / "errors")
    why = [path.read_text() for path in sorted((tmp_path / "errors").glob("*.why.txt"))]
    assert len(files) == 4 and "a.xlsx was not loaded. It is an Excel workbook" in why[0]


def test_a_file_that_is_too_large_is_refused(cart: CsvCart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalFolder.fetch, "__defaults__", (1000,))
    lay(tmp_path / "orders/big.csv", HEAD + row("1") * 100)
    lay(tmp_path / "orders/small.csv", HEAD + row("2"))
    rows, (reject,) = run(cart.orders(SINCE))
    assert numbers(rows) == ["2"] and "larger than" in reject.reason
    assert any(name.startswith("big.") for name in names(tmp_path / "errors"))


def test_bad_rows_go_to_an_error_file_that_can_be_corrected_and_put_back(cart: CsvCart, tmp_path: Path) -> None:
    text = HEAD + row("1") + row("2") + row("2", "B", "many") + row("3", "=cmd()") + row("3", "X", "0")
    lay(tmp_path / "orders/x.csv", text)
    rows, rejects = run(cart.orders(SINCE))
    assert numbers(rows) == ["1"]  # order 2 is not sent short of its second line
    assert [(r.line, r.reason) for r in rejects] == [
        (4, "Quantity: 'many' is not a plain number like 12 or 12.5"),  # the one at fault is told first
        (3, "Not loaded, because line 4 of the same order was refused"),
        (6, "Quantity: '0' is not a quantity above zero"),
        (5, "Not loaded, because line 6 of the same order was refused"),
    ]
    (file,) = (tmp_path / "errors").glob("*.errors.csv")
    content = file.read_text("utf-8-sig")
    table = list(csv.DictReader(content.splitlines()))
    assert [(r["Cust-ref"], r["error_line"], r["Item"], r["phone"]) for r in table] == [
        ("2", "3", "A", "'+1 555"),
        ("2", "4", "B", "'+1 555"),
        ("3", "5", "'=cmd()", "'+1 555"),  # a person opens this: no formula runs
        ("3", "6", "X", "'+1 555"),
    ]
    lay(tmp_path / "orders/corrected.csv", "\ufeff" + content.replace("many", "2").replace("X,0", "X,1"))
    rows, rejects = run(cart.orders(SINCE))
    assert numbers(rows) == ["2", "3"] and rejects == []
    order = to_order(rows[1], {})
    assert order.lines[0].item == "=cmd()" and order.ship.phone == "+1 555"


def test_two_runs_that_read_one_file_at_once_leave_one_error_file(tmp_path: Path) -> None:
    """The download, and the upload of stock that reads ahead for it."""
    other = CsvCart({"place": "disk"}, folder=LocalFolder(tmp_path))
    meanwhile = [lambda: numbers(run(other.orders(SINCE))[0])]
    read = []

    class Interrupted(LocalFolder):
        def rename(self, old: str, new: str) -> None:
            while meanwhile:
                read.append(meanwhile.pop()())
            super().rename(old, new)

    one = CsvCart({"place": "disk"}, folder=Interrupted(tmp_path))
    one.check()
    lay(tmp_path / "orders/x.csv", HEAD + row("1") + row("2", quantity="many"))
    assert [numbers(run(one.orders(SINCE))[0]), *read] == [["1"], ["1"]]
    assert (names(tmp_path / "orders"), len(names(tmp_path / "archive"))) == ([], 1)
    (errors,) = names(tmp_path / "errors")
    assert errors.endswith(".errors.csv")


def test_a_bad_file_date_does_not_hide_a_file(cart: CsvCart, tmp_path: Path) -> None:
    lay(tmp_path / "orders/x.csv", HEAD + row("1"), age=-30 * 86400)
    assert numbers(run(cart.orders(SINCE))[0]) == ["1"]


def test_a_page_has_fewer_orders_where_they_have_many_items(
    cart: CsvCart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_pages, "MOST_ROWS", 30)
    lay(tmp_path / "orders/x.csv", HEAD + "".join(row(str(number // 10), f"SKU-{number}") for number in range(100)))
    assert [len(page.rows) for page in cart.orders(SINCE) if page.rows] == [3, 3, 3, 1]


def test_100_000_rows_in_bounded_memory(cart: CsvCart, tmp_path: Path) -> None:
    count = 100_000
    with (tmp_path / "orders/big.csv").open("w", newline="") as file:
        file.write(HEAD)
        file.writelines(row(str(number % (count // 2)), f"SKU-{number}") for number in range(count))
    os.utime(tmp_path / "orders/big.csv", (SINCE.timestamp(), SINCE.timestamp()))
    before, began, found, largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), 0, 0
    for page in cart.orders(SINCE):
        found += len(page.rows)
        largest = max(largest, len(page.rows))
        if page.done:
            page.done()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert found == count // 2 and largest <= file_pages.CHUNK_ROWS
    assert grown < 60, f"{grown:.0f} MB more"
    assert time.process_time() - began < 60


# ── set-up ──


def test_what_it_can_do() -> None:
    assert capabilities(CsvCart) == [
        "Order Download",
        "Shipment Confirmation",
        "Inventory Sync",
        "Product Sync",
        "Product Creation",
        "Purchase Order Download",
        "Purchase Order Receiving Upload",
    ]
    assert capabilities(CsvWms)[:3] == ["Order Send", "Shipment Confirmation Pickup", "Inventory Sync Pickup"]
    assert capabilities(CsvWms)[3:] == [
        "Product Loading",
        "Product Detail Pickup",
        "Product Alias Pickup",
        "Purchase Order Loading",
        "Purchase Order Receiving Pickup",
    ]
    assert CsvCart.dedupe("ship") is CsvWms.dedupe("send") is Dedupe.FILE


def test_directories_that_are_the_same_are_refused(tmp_path: Path) -> None:
    cart = CsvCart({"place": "disk", "confirmations_dir": "orders"}, folder=LocalFolder(tmp_path))
    for call in (cart.check, lambda: list(cart.orders(SINCE))):
        with pytest.raises(AuthFailed) as caught:
            call()
        assert caught.value.code == "same_directory"


def test_account_and_merchant_directories_combine(tmp_path: Path) -> None:
    def wms(**values: str) -> CsvWms:
        return CsvWms({"place": "disk", **values}, folder=LocalFolder(tmp_path))

    assert wms().directory_of("orders") == "orders"
    assert wms(client_dir="ACME").directory_of("orders") == "ACME/orders"
    assert wms(client_dir="/ACME/", directory_order="kind_first").directory_of("orders") == "orders/ACME"
    assert wms(directory="/in", client_dir="ACME").directory_of("inventory") == "/in/ACME/inventory"
    assert wms(orders_dir=".").directory_of("orders") == ""
    with pytest.raises(Permanent):
        wms(client_dir="../other").directory_of("orders")


def test_a_directory_without_rights_is_said_in_check(server: SftpServer) -> None:
    locked = server.make("locked")
    locked.chmod(0o500)
    os.chown(locked, 0, 0)
    with pytest.raises(Permanent) as caught:
        connected(CsvCart, server, directory="locked").check()
    assert "locked" in str(caught.value)


# ── round trips over OpenSSH ──


def connected(system: Any, server: SftpServer, **values: str) -> Any:
    all_values = server.values(quiet="0", **values)
    return system(all_values, folder=open_folder(all_values, guard=Guard([f"127.0.0.1:{server.port}"]), timeout=10))


def test_the_first_check_reports_the_host_key(server: SftpServer) -> None:
    with pytest.raises(HostKeyUnknown) as caught:
        connected(CsvCart, server, host_key="").check()
    server.make("first")
    connected(CsvCart, server, host_key=caught.value.host_key, directory="first").check()
    kinds = ["archive", "confirmations", "errors", "inventory", "new-products", "orders", "products"]
    kinds += ["purchase-orders", "receipts"]
    assert names(server.files / "first") == kinds
    assert [path for path in (server.files / "first").rglob("*") if path.is_file()] == []


def send(system: Any, kind: str, items: list[Any], stamp: str) -> str:
    """What the engine does with a file, each step twice, as after a crash between doing and recording it."""
    name, data = type(system).render(kind, items, stamp, system.options())
    temporary = f".{name}.7.tmp"
    system.put(kind, temporary, data[: len(data) // 2])
    system.put(kind, temporary, data)
    assert temporary in system.listing(kind) and name not in system.listing(kind)
    system.rename(kind, temporary, name)
    system.rename(kind, temporary, name)
    system.remove(kind, temporary)
    system.remove(kind, temporary)
    return name


@pytest.mark.parametrize("login", ["password", "key"])
def test_an_order_goes_all_the_way_round_by_files(server: SftpServer, login: str) -> None:
    credentials = {} if login == "password" else {"password": "", "private_key": server.private_key}
    shop, house = server.make(f"shop-{login}"), server.make(f"house-{login}")
    cart = connected(CsvCart, server, directory=shop.name, **credentials)
    wms = connected(CsvWms, server, directory=house.name, client_dir="ACME", dates="dmy", **credentials)
    cart.check()
    wms.check()

    with clock.frozen(datetime.now(UTC) + timedelta(seconds=5)):
        (shop / "orders/web.csv").write_text(HEAD + row("1001", "A", "2") + row("1001", "B"), newline="")
        os.chown(shop / "orders/web.csv", server.uid, server.gid)
        (raw,), rejects = run(cart.orders(SINCE))
        order = to_order(raw, cart.options())
        assert rejects == [] and names(shop / "orders") == []

        lines = tuple(PreparedLine(line.line_id, line.item, line.quantity) for line in order.lines)
        prepared = Prepared("ACME-1001", order, lines, "UPS", "GROUND", "ACME")
        name = send(wms, "orders", [prepared], "20260301-1")
        assert names(house / "ACME/orders") == [name]
        sent = list(csv.DictReader((house / "ACME/orders" / name).read_text().splitlines()))
        assert [(r["cust_ref"], r["cust_po_no"], r["item"], r["quantity"], r["ship_phone"]) for r in sent] == [
            ("ACME-1001", "1001", "A", "2", "+1 555"),
            ("ACME-1001", "1001", "B", "1", "+1 555"),
        ]

        back = house / "ACME/confirmations/out.csv"
        back.write_text(
            "Reference;Tracking;Carrier;Ship_Date;SKU;Qty\r\nACME-1001;1Z9;UPS;2.3.2026;A;2\r\n", newline=""
        )
        levels = house / "ACME/inventory/stock.csv"
        levels.write_text("sku,warehouse,qty,on_hand\r\nA,EAST,5,7\r\nB,,0,\r\nC,,x,\r\n", newline="")
        for path in (back, levels):
            os.chown(path, server.uid, server.gid)
        (parcel,), rejects = run(wms.shipments(SINCE))
        assert rejects == []
        assert (parcel.ref, parcel.key, parcel.lines) == ("ACME-1001", "1Z9", (ShipmentLine("A", Decimal(2)),))
        assert parcel.shipped_at == datetime(2026, 3, 2, tzinfo=UTC)
        stock, (reject,) = run(wms.stock(None))
        assert [(s.sku, s.warehouse, s.available, s.on_hand) for s in stock] == [
            ("A", "EAST", Decimal(5), Decimal(7)),
            ("B", "", Decimal(0), None),
        ]
        assert reject.line == 4 and len(names(house / "ACME/errors")) == 1
        assert names(house / "ACME/confirmations") == names(house / "ACME/inventory") == []
        assert len(names(house / "ACME/archive")) == 2

    head = {"cust_ref": order.cust_ref, "cust_po_no": order.cust_po_no, "cart_key": order.cart_key}
    name = send(cart, "confirmations", [(head, parcel)], "20260302-1")
    (told,) = csv.DictReader((shop / "confirmations" / name).read_text().splitlines())
    assert (told["cust_ref"], told["tracking"], told["ship_date"], told["item"], told["qty"]) == (
        "1001", "1Z9", "2026-03-02 00:00:00", "A", "2",
    )  # fmt: skip
    name = send(cart, "inventory", [Stock("A", Decimal(5))], "20260302-2")
    assert (shop / "inventory" / name).read_text() == "sku,warehouse,qty,on_hand,as_of\nA,,5,,\n"


def test_a_file_of_others_in_the_way_is_not_overwritten(server: SftpServer) -> None:
    shop = server.make("in-the-way")
    cart = connected(CsvCart, server, directory=shop.name)
    cart.put("confirmations", ".mine.tmp", b"mine")
    cart.put("confirmations", "theirs.csv", b"theirs")
    with pytest.raises(NameTaken):
        cart.rename("confirmations", ".mine.tmp", "theirs.csv")
    assert (shop / "confirmations/theirs.csv").read_bytes() == b"theirs"


def test_growing_over_sftp(server: SftpServer) -> None:
    shop = server.make("growing")
    cart = connected(CsvCart, server, directory=shop.name)
    cart.check()
    path = shop / "orders/x.csv"
    path.write_text(HEAD + row("1"))
    os.chown(path, server.uid, server.gid)
    (entry,) = cart.folder.entries("growing/orders")
    later = Entry(entry.name, entry.size + 1, entry.modified)
    assert cart.folder.stat("growing/orders/x.csv") == entry != later
    with clock.frozen(entry.modified + timedelta(seconds=30)):
        cart.values["quiet"] = 60
        assert run(cart.orders(SINCE)) == ([], [])
    with clock.frozen(entry.modified + timedelta(seconds=60)):
        assert numbers(run(cart.orders(SINCE))[0]) == ["1"]


def test_a_shipment_without_lines_is_the_whole_order() -> None:
    _, data = CsvCart.render("confirmations", [({"cust_ref": "1"}, Shipment("k", tracking_no="T"))], "1", {})
    assert data.decode().splitlines()[1] == "1,,,,T,,,,,,,,"
