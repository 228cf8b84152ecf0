"""Pages of a file are made ready while others are stored: what changes between the two counts as it is then."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from carts.models import Cart
from integration_manager.kit import clock, file_pages
from merchants.models import Schedule, Service
from orders import ruling
from orders.models import Event, Order, OrderDetail, OrderLine, Status
from orders.services import download
from tests.test_files_again import Disk
from tests.test_files_again import disk as disk  # the fixture
from tests.test_files_life import HEADER, row

PAGE = 4  # of six pages: made ahead, since rules are loaded by the time that it is read
Store = Callable[..., bool]


def lay(disk: Disk, name: str = "orders.csv", quantity: str = "2", *, only: int | None = None) -> None:
    rows = [row(f"A-{n:02}", quantity=quantity) for n in range(12) if only is None or n == only]
    disk.put(f"shop/orders/{name}", "\n".join([HEADER, *rows, ""]))


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[Store, tuple[Any, ...]], None]) -> None:
    """Something happens after a page was made ready, and before it is stored."""
    store, seen = download.store_page, [0]

    def stored(*given: Any) -> bool:
        if seen[0] == PAGE:
            assert given[-1] is not None, "the page was not made ready"
            happens(store, given)
        seen[0] += 1
        return store(*given)

    monkeypatch.setattr(file_pages, "CHUNK_ROWS", 2)
    monkeypatch.setattr(download, "store_page", stored)


def refuse_unmapped(disk: Disk) -> None:
    ruling.change([disk.cart.pk])
    Cart.objects.filter(pk=disk.cart.pk).update(reject_unmapped=True)


def test_rules_that_change_meanwhile_count(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, lambda store, given: refuse_unmapped(disk))
    lay(disk)
    disk.run(Service.DOWNLOAD)
    states = list(Order.objects.order_by("cart_key").values_list("status", flat=True))
    assert states == [Status.READY] * 8 + [Status.ERROR] * 4


def test_an_order_that_was_stored_meanwhile_is_not_stored_again(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def another_is_quicker(store: Store, given: tuple[Any, ...]) -> None:
        intake, page, now, stored, plan = given
        store(intake, page[:1], now, stored, plan)

    meanwhile(monkeypatch, another_is_quicker)
    lay(disk)
    disk.run(Service.DOWNLOAD)
    assert sorted(Order.objects.values_list("cart_key", flat=True)) == [f"A-{n:02}" for n in range(12)]
    assert OrderDetail.objects.count() == OrderLine.objects.count() == 12


def test_who_waits_for_orders_is_woken_when_they_are_stored(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Woken as of when they were made ready, a delivery that began in between would miss them."""
    began: list[datetime] = []
    meanwhile(monkeypatch, lambda store, given: began.append(clock.now()))
    waiting = disk.schedule(Service.DELIVER)
    Schedule.objects.filter(pk=waiting.pk).update(automatic=True)
    lay(disk)
    disk.run(Service.DOWNLOAD)
    waiting.refresh_from_db()
    assert waiting.woken_at is not None and waiting.woken_at >= began[0]


def test_an_order_that_is_opened_again_is_seen_by_the_present_rules(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(disk, only=2 * PAGE)
    disk.run(Service.DOWNLOAD)
    Order.objects.update(status=Status.CANCELED)
    meanwhile(monkeypatch, lambda store, given: refuse_unmapped(disk))
    lay(disk, "again.csv", quantity="3")
    disk.run(Service.DOWNLOAD)
    again = Order.objects.get(cart_key=f"A-{2 * PAGE:02}", revision=1)
    told = " ".join(Event.objects.filter(order_id=again.pk).values_list("message", flat=True))
    assert again.status == Status.HELD and "not mapped" in told, told
