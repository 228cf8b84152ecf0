"""The order list's search, filters and keyset paging."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant
from orders import search
from orders.columns import COLUMNS
from orders.models import Order, OrderDetail, Shipment
from orders.search import Filters
from tests import desk as desks
from tests.desk import Desk, make_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def numbers(filters: Filters) -> set[str]:
    return {order.cust_po_no for order in search.filtered(filters)}


def test_one_box_finds_by_number_name_mail_sku_and_tracking(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "AF-1", status="shipped")
        make_order(desk.carts[0], "ZZ-2", ship={"first_name": "Åsa", "last_name": "Öst", "e_mail": "asa@x.example"})
        for text in ("AF-1", "af", "1zaf-1", "dana whitfield", "Dana", "WHITFIELD DANA", "dana@mail"):
            assert numbers(Filters(text=text)) == {"AF-1"}, text
        assert numbers(Filters(text="åsa")) == {"ZZ-2"}
        assert numbers(Filters(text="candle-8")) == {"AF-1", "ZZ-2"}
        assert numbers(Filters(text="itfield")) == set()


@pytest.mark.parametrize("text", ["%", "_", "a%", "\\", "'", "ॐ", "\U0010ffff", " " * 5, "x" * 100])
def test_odd_texts_find_nothing_and_break_nothing(desk: Desk, text: str) -> None:
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "AF-1")
        search.page(search.filtered(Filters(text=text)), "loaded")
    answer = desk.client("owner").get(
        desk.url("orders/"), {"q": text, "after": text, "placed_from": text, "sort": text}
    )
    assert answer.status_code == 200


def test_states_split_all_orders_and_canceled_ones_are_hidden(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        for status in (
            "received",
            "ready",
            "sending",
            "at_wms",
            "shipped",
            "confirmed",
            "error",
            "gave_up",
            "canceled",
        ):
            make_order(desk.carts[0], status, status=status)
        make_order(desk.carts[0], "by-person", status="held", held_by="person")
        make_order(desk.carts[0], "by-rule", status="held", held_by="rule")
        by_state = {state: numbers(Filters(state=state)) for state in search.STATES}
        assert by_state["new"] == {"received", "ready", "sending"}
        assert by_state["error"] == {"error", "gave_up"}
        assert (by_state["cancel-sending"], by_state["on-hold"]) == ({"by-person"}, {"by-rule"})
        assert sum(map(len, by_state.values())) == Order.objects.count()
        assert "canceled" not in numbers(Filters())
        assert numbers(Filters(text="canceled")) == {"canceled"}
        one, other = (cart.merchant for cart in desk.carts)
        make_order(desk.carts[1], "elsewhere", status="error")
        assert search.waiting() == {"error": "3", "on-hold": "1"}
        assert search.waiting(one.public_id) == {"error": "2", "on-hold": "1"}
        assert search.waiting(other.public_id) == {"error": "1", "on-hold": "0"}
        assert search.waiting("nobody") == {"error": "0", "on-hold": "0"}
        for number in range(search.MOST_COUNTED):
            make_order(desk.carts[1], f"more-{number}", status="gave_up")
    with tenancy.activate(desk.account.pk, [one.pk]):
        assert search.waiting() == {"error": "2", "on-hold": "1"}
        assert search.waiting(other.public_id) == {"error": "0", "on-hold": "0"}, "not for who may not see it"
    with tenancy.activate(desk.account.pk, [other.pk]):
        assert search.waiting() == {"error": "99+", "on-hold": "0"}
    stranger = desks.build("Elsewhere", orders=0)
    with tenancy.activate(stranger.account.pk):
        assert search.waiting(one.public_id) == search.waiting() == {"error": "0", "on-hold": "0"}


def test_filters_by_merchant_cart_cause_and_date(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "A", cause="k")
        make_order(desk.carts[1], "B", created_at=clock.now() - timedelta(days=3))
        assert numbers(Filters(merchant=desk.merchants[1].public_id)) == {"B"}
        assert numbers(Filters(cart=desk.carts[0].public_id)) == {"A"}
        assert numbers(Filters(cause="k")) == {"A"}
        assert numbers(Filters(placed_to=clock.now().date() - timedelta(days=2))) == {"B"}
        assert numbers(Filters(placed_from=clock.now().date() - timedelta(days=2))) == {"A"}
        assert numbers(Filters(placed_from=date(2999, 1, 1))) == set()


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("sort", search.SORTS)
def test_paging_shows_each_order_once_in_both_directions(desk: Desk, sort: str, moving: bool) -> None:
    with tenancy.activate(desk.account.pk):
        same = clock.now()
        made = [make_order(desk.carts[0], f"N{i:02}", created_at=same - timedelta(days=i // 4)) for i in range(11)]
        rows = search.filtered(Filters(state="new"))

        def page(after: str = "", before: str = "") -> search.Page:
            return search.page(rows, sort, after, before, 4, moving=moving)

        pages = [page()]
        while pages[-1].older:
            pages.append(page(after=pages[-1].older))
        seen = [order.cust_po_no for one in pages for order in one.items]
        days = [order.order_date for one in pages for order in one.items]
        assert sorted(seen) == sorted(order.cust_po_no for order in made)
        assert days == sorted(days, reverse=sort in ("placed", "loaded-first"))
        assert [len(one.items) for one in pages] == [4, 4, 3]
        back = page(before=pages[2].newer)
        assert back.items == pages[1].items
        assert back.newer
        assert back.older
        first = page(before=back.newer)
        assert first.items == pages[0].items
        assert not first.newer


def test_a_cursor_of_another_account_shows_the_first_page(desk: Desk) -> None:
    other = desks.build("Elsewhere", orders=1)
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "MINE")
    answer = desk.client("owner").get(desk.url(f"orders/?after={other.orders[0].public_id}"))
    assert "MINE" in answer.content.decode()


def test_the_search_asks_by_leak_proof_operators_only(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk), connection.cursor() as cursor:
        with CaptureQueriesContext(connection) as queries:
            search.matching("whitfield")
        sql = queries[0]["sql"]
        assert not re.search(r"LIKE|UPPER\(|LOWER\(|->|@@|~", sql)
        assert sql.count(" >= ") == sql.count(" < ") == 8
        cursor.execute("SELECT proname FROM pg_proc WHERE proname IN ('text_ge', 'text_lt') AND proleakproof")
        assert len(cursor.fetchall()) == 2


def test_whatever_a_shop_or_a_person_writes_is_text_in_the_list_and_on_the_order_page(desk: Desk) -> None:
    """Rows of the list are written by functions: no template escapes for them."""
    bad = "\"><img src=x onerror=alert(1)>'{0}"
    with tenancy.activate(desk.account.pk):
        Merchant.objects.update(name=bad)
        Cart.objects.update(name=bad)
        order = make_order(
            desk.carts[0], bad, status="error", error_message=bad, ship_code=bad, ship_country="<u>", currency="<q>",
            grand_total=Decimal(1), location=bad,
            ship=dict.fromkeys(("first_name", "last_name", "company", "city", "state", "country", "address_1"), bad),
        )  # fmt: skip
        OrderDetail.objects.filter(order=order).update(raw=None)
        parcel = make_order(desk.carts[0], "AF-1", status="shipped").shipments.get()
        Shipment.objects.filter(pk=parcel.pk).update(
            tracking_no=bad, carrier=bad, data={"tracking_url": "javascript:alert(1)"}
        )
    owner = desk.client("owner")
    owner.post(desk.url("orders/columns/"), {"column": [column.key for column in COLUMNS]})
    pages = ["orders/?state=", f"orders/{order.public_id}/", f"orders/{parcel.order.public_id}/", ""]
    for path in pages:
        text = owner.get(desk.url(path)).content.decode()
        assert "<img src=x" not in text and 'href="javascript:' not in text, path
        assert not re.search(r"<[uq]>", text), path
        assert "&lt;img src=x onerror" in text or path == "", path
        assert not re.search(r'=[^\s>"]*"[^"]*"><img', text), path


def test_a_parcel_is_followed_at_its_carrier_where_the_wms_gave_no_link(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        parcel = make_order(desk.carts[0], "AF-1", status="shipped").shipments.get()
        Shipment.objects.filter(pk=parcel.pk).update(carrier="UPS", tracking_no="1Z999AA10123456784", data={})
    text = desk.client("owner").get(desk.url("orders/?state=")).content.decode()
    assert 'href="https://www.ups.com/track?tracknum=1Z999AA10123456784"' in text
