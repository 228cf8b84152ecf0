"""Test orders: made up for a cart, loaded through its mapping, marked, and shipped like any other."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import AuditEntry, Membership, User
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Service
from orders import actions, made_up, ship_methods
from orders.models import Event, Order, OrderDetail, Shipment, Status
from tests.desk import signed_in
from tests.world import World, alerts, pack, run


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def client(world: World) -> Client:
    user = User.objects.create_user("owner@world.example", "x" * 12)
    Membership.objects.create(user=user, role="primary")
    return signed_in(user)


def ask(world: World, client: Client, cart: Cart, **data: str) -> Any:
    """The form is sent as from a browser: with no tenant active around it."""
    mark = tenancy._scope.set(None)
    try:
        path = f"/a/{world.account.public_id}/carts/{cart.public_id}/test-orders/"
        return client.post(path, data, follow=True) if data else client.get(path)
    finally:
        tenancy._scope.reset(mark)
        with connection.cursor() as cursor:  # the request has left its tenant; the test goes on in its own
            cursor.execute("SELECT set_config('app.account', %s, false)", [str(world.account.pk)])


def test_for_a_sandbox_shop_they_are_in_the_shop_and_go_all_the_way(world: World, client: Client) -> None:
    assert "Make test orders" in ask(world, client, world.cart).content.decode()
    text = ask(world, client, world.cart, count="3", skus="MUG-BLUE\nTIN-SMALL", methods="GROUND").content.decode()
    assert "3 test orders made: TEST-" in text
    orders = world.orders()
    assert [order.test for order in orders] == [True] * 3
    assert all(order.cust_po_no.startswith("TEST-") and order.status == Status.READY for order in orders)
    assert AuditEntry.objects.filter(verb="orders.test").count() == 1
    assert Event.objects.filter(kind="test").count() == 3
    listed = client.get(f"/a/{world.account.public_id}/orders/").content.decode()
    with connection.cursor() as cursor:  # the request has left its tenant
        cursor.execute("SELECT set_config('app.account', %s, false)", [str(world.account.pk)])
    assert listed.count('<span class="tag">Test</span>') == 3
    run(world, Service.DOWNLOAD)
    assert len(world.orders()) == 3, "the shop gives the same ones"
    run(world, Service.DELIVER)
    pack(world, orders[0])
    run(world, Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS)
    assert Order.objects.get(pk=orders[0].pk).status == Status.CONFIRMED
    assert Shipment.objects.get().uploaded_at is not None


def test_for_a_csv_cart_they_come_through_its_mapping_and_may_be_kept_here(world: World, client: Client) -> None:
    cart = Cart.objects.create(
        merchant=world.merchant, system="csv_cart", name="Files", number=2, shop="files",
        credentials={"place": "browser"}, earliest_order_date="2020-01-01",
    )  # fmt: skip
    ask(world, client, cart, count="20", skus="A, B, C", methods="X;Y", hold="on")
    orders = world.orders()
    assert len(orders) == 20
    assert {(order.status, order.held_by, order.test) for order in orders} == {("held", "person", True)}
    data = OrderDetail.objects.get(order=orders[1]).data
    assert [(line["item"], line["quantity"]) for line in data["lines"]] == [("B", "1"), ("C", "2")]
    assert (data["ship"]["country"], data["ship_code"]) == ("US", "Y")
    assert len({order.wms_ref for order in orders}) == 20


def test_kept_here_they_wait_for_no_fix_and_alert_nobody(world: World, client: Client) -> None:
    Cart.objects.filter(pk=world.cart.pk).update(reject_unmapped=True)
    ask(world, client, world.cart, count="2", skus="MUG-BLUE", methods="NOBODY-KNOWS", hold="on")
    first, second = world.orders()
    assert {(one.status, one.error_code, one.cause) for one in (first, second)} == {("held", "", "")}
    assert alerts() == []
    actions.undo_cancel(first, "owner@world.example")
    run(world, Service.DELIVER)
    first.refresh_from_db()
    assert (first.status, alerts()) == (Status.ERROR, ["ship_method_unmapped"])
    cart = Cart.objects.get(pk=world.cart.pk)
    ship_methods.change(cart, clock.now(), "owner", put=[ship_methods.Entry("exact", "NOBODY-KNOWS", "GROUND")])
    assert (alerts(), Order.objects.get(pk=second.pk).status) == ([], Status.HELD)


@pytest.mark.parametrize("sent", [False, True])
def test_one_that_order_download_was_quicker_with_is_kept_here_too(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, sent: bool
) -> None:
    """Unless Order Delivery was, too: then that is said."""
    load = made_up.load

    def late(*said: Any, **how: Any) -> list[Order]:
        run(world, Service.DOWNLOAD, *[Service.DELIVER] * sent)
        return load(*said, **how)

    monkeypatch.setattr(made_up, "load", late)
    page = ask(world, client, world.cart, count="1", skus="MUG-BLUE", methods="GROUND", hold="on").content.decode()
    order = world.only()
    held = (Status.AT_WMS, "", True) if sent else (Status.HELD, "person", True)
    assert (order.status, order.held_by, order.test) == held
    assert ("1 of them had left before that could be stopped" in page) == sent


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"count": "0", "skus": "A"}, "greater than or equal to 1"),
        ({"count": "21", "skus": "A"}, "less than or equal to 20"),
        ({"count": "1", "skus": " , "}, "Name at least one SKU"),
        ({"count": "1", "skus": "x" * 101}, "At most 100 characters each"),
        ({"count": "1", "skus": ",".join(map(str, range(51)))}, "At most 50"),
    ],
)
def test_what_cannot_be_made_is_said(world: World, client: Client, data: dict[str, str], words: str) -> None:
    answer = ask(world, client, world.cart, **data)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert world.orders() == []


def test_a_shop_that_does_not_answer_leaves_nothing_behind(world: World, client: Client) -> None:
    world.shop.faults.script("POST /api/orders", "error", times=9)
    answer = ask(world, client, world.cart, count="1", skus="A")
    assert answer.status_code == 422
    assert "could not be reached" in answer.content.decode()
    assert world.orders() == []


def test_a_real_shop_has_none_of_it(world: World, client: Client) -> None:
    Cart.objects.filter(pk=world.cart.pk).update(system="woocommerce")
    assert ask(world, client, world.cart).status_code == 404


def test_numbers_are_new_each_time() -> None:
    first, second = (made_up.orders_of(5, ["A"], [], clock.now()) for _ in range(2))
    assert len({order.cust_po_no for order in (*first, *second)}) == 10
    assert all(len(order.cust_ref) <= 16 for order in first)
