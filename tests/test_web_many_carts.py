"""Accounts with more carts than a page or a form shows at once: none of them is out of reach."""

from datetime import date
from typing import Any

import pytest

from carts.models import Cart
from carts.views import listing, lookup
from integration_manager import tenancy
from integration_manager.kit import clock
from orders.models import SkippedOrder
from tests import desk as desks
from tests.desk import Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Forms offer one cart by themselves, that of merchant One. That of merchant Two, and one of files, are behind."""
    monkeypatch.setattr(lookup, "MOST_CHOICES", 1)
    found = desks.build(orders=0)
    with tenancy.activate(found.account.pk):
        Cart.objects.create(
            merchant=found.merchants[1], system="csv_cart", name="Zebra files", number=9, shop="z",
            credentials={}, earliest_order_date=date(2020, 1, 1),
        )  # fmt: skip
    return found


def shown(desk: Desk, path: str) -> str:
    html: str = desk.client("owner").get(desk.url(path)).content.decode()
    return html


def test_the_list_has_pages_and_is_searched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'type="search" name="q"' not in shown(desk, "carts/").split("<main")[1]
    monkeypatch.setattr(listing, "PAGE", 2)
    pages = [shown(desk, f"carts/?page={number}") for number in (1, 2)]
    assert ["Zebra files" in page for page in pages] == [False, True]
    assert "1–2 of 3 carts" in pages[0]
    found = shown(desk, "carts/?q=zEBRA")
    assert "Zebra files" in found and desk.carts[0].name not in found
    assert desk.carts[1].name in shown(desk, f"carts/?q={desk.merchants[1].name.lower()}"), "by its merchant, too"
    assert "No such cart" in shown(desk, "carts/?q=nothing")
    gone = shown(desk, "carts/?deleted&q=nothing")
    assert "No such cart" in gone and 'href="?deleted"' in gone.split("No such cart")[1]
    file = b"".join(desk.client("owner").get(desk.url("carts/export/?q=zebra")).streaming_content).decode()  # type: ignore[attr-defined]
    assert "Zebra files" in file and desk.carts[0].name not in file


def test_an_order_is_asked_for_from_the_page_of_any_cart(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        desks.make_order(desk.carts[1], "HERE-1")
    last: Any = {"cart": desk.carts[1].public_id, "number": "HERE-1"}
    answer = desk.client("owner").post(desk.url("carts/why/"), last)
    assert answer.status_code == 200 and "HERE-1" in answer.content.decode()
    assert f'value="{desk.carts[1].public_id}" selected' in shown(desk, f"carts/why/?cart={desk.carts[1].public_id}")


def test_the_cart_that_lists_are_filtered_by_is_named_and_stays_chosen(desk: Desk) -> None:
    last = desk.carts[1]
    with tenancy.activate(desk.account.pk):
        for cart in desk.carts[:2]:
            SkippedOrder.objects.create(
                merchant_id=cart.merchant_id, cart=cart, key=f"S-{cart.pk}", number=f"S-{cart.name}", reason="too_old",
                message="Old.", seen_at=clock.now(),
            )  # fmt: skip
    page = shown(desk, f"orders/skipped/?cart={last.public_id}")
    assert f'value="{last.public_id}" selected' in page and f"S-{last.name}" in page
    assert f"S-{desk.carts[0].name}" not in page
    assert f'value="{last.public_id}" selected' in shown(desk, f"orders/filter/?cart={last.public_id}")


def test_order_files_are_for_the_carts_that_take_them_however_many_others_there_are(desk: Desk) -> None:
    assert "Zebra files" in shown(desk, "orders/import/")
