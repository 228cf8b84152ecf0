"""A file is deleted after reading, and the worker dies in the middle of it: nothing is left, nothing is lost."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carts.systems.csv_cart import CsvCart, to_order
from integration_manager.kit import clock
from integration_manager.kit.connector import Page
from integration_manager.kit.disk import LocalFolder
from integration_manager.kit.egress import Guard
from integration_manager.kit.folder import open_folder
from integration_manager.kit.leavings import AWAY, REST
from tests.dying import dying
from tests.ftp_server import FtpServer
from tests.sftp_server import SftpServer, why_not

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD = "Cust-ref,Ship code,last-name,address-1,city,state,zip,country,Item,Quantity\n"


def row(number: str) -> str:
    return f"{number},UPS,Doe,1 Main St,Boston,MA,02139,US,A,1\n"


@pytest.fixture(scope="module", params=["disk", "sftp", "ftp"])
def place(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[tuple[CsvCart, Path]]:
    """A cart that deletes what it has read, by each kind of place, and its directory of orders."""
    if request.param == "disk":
        root = tmp_path_factory.mktemp("disk")
        cart = CsvCart({"place": "disk", "after": "delete"}, folder=LocalFolder(root))
        cart.check()
        yield cart, root / "orders"
        return
    if request.param == "sftp" and why_not():
        pytest.skip(why_not())
    server: Any = SftpServer().start() if request.param == "sftp" else FtpServer(tls="explicit").start()
    values = server.values(after="delete")
    cart = CsvCart(values, folder=open_folder(values, guard=Guard([f"127.0.0.1:{server.port}"]), timeout=10))
    cart.check()
    yield cart, server.files / "orders"
    cart.folder.close()
    server.close()


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with clock.frozen(NOW):
        yield


def lay(path: Path, text: str, age: timedelta = REST * 2) -> None:
    path.write_text(text)
    path.chmod(0o666)
    at = (NOW - age).timestamp()
    os.utime(path, (at, at))


def load(cart: CsvCart) -> list[str]:
    """The orders of all files, each file done with."""
    found = []
    pages: Iterator[Page] = cart.orders(NOW)
    for page in pages:
        found += [to_order(raw, {}).cust_po_no for raw in page.rows]
        if page.done:
            page.done()
    return found


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_a_dead_worker_left_is_removed_by_the_next_one(place: tuple[CsvCart, Path]) -> None:
    cart, orders = place
    lay(orders / "today.csv", HEAD + row("1"))
    with dying(point="after_moved"):
        load(cart)
    (left,) = names(orders)
    assert left.endswith(AWAY) and left.startswith("today.")
    lay(orders / "today.csv", HEAD + row("2"))  # meanwhile a new one of the same name comes
    assert load(cart) == ["2"]
    assert names(orders) == []


def test_what_was_replaced_in_the_last_moment_is_brought_back_and_read(place: tuple[CsvCart, Path]) -> None:
    cart, orders = place
    lay(orders / "today.csv", HEAD + row("1"))
    with dying(point="after_moved"):
        load(cart)
    (left,) = names(orders)
    lay(orders / left, HEAD + row("2"), REST / 2)
    assert load(cart) == [] and names(orders) == [left], "another run may be about to bring it back"
    lay(orders / left, HEAD + row("2"))
    assert load(cart) == []
    assert names(orders) == ["today.csv"]
    assert load(cart) == ["2"]
    lay(orders / left, HEAD + row("3"))
    lay(orders / "today.csv", HEAD + row("4"))
    assert load(cart) == ["4"] and load(cart) == ["3"]  # its own name was taken
    assert names(orders) == []
