"""One order that we cannot handle, or that nobody can tell us about, must not stop the others."""

from typing import Any

import pytest

from alerts.models import Alert
from merchants.models import Service
from orders import actions
from orders.models import Order, OrderDetail, Status
from tests.world import World, alerts, at, change, leases_expire, place, run
from wms.systems.sandbox_wms import SandboxWms

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def world(calm: World) -> World:
    return calm


def spoil(order: Order) -> None:
    """What is stored of an order is no order: a mistake of ours, whichever."""
    OrderDetail.objects.filter(order_id=order.pk).update(data={"cart_key": order.cart_key})


def test_an_order_that_cannot_be_prepared_is_parked_after_five_tries_and_the_others_go(world: World) -> None:
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD)
    bad = world.orders()[1]
    spoil(bad)
    for hour in range(5):
        with at(hour):
            run(world, DELIVER)
        assert [o.status for o in world.orders() if o.pk != bad.pk] == [Status.AT_WMS] * 2
    bad.refresh_from_db()
    assert (bad.status, bad.error_code) == (Status.ERROR, "internal")
    assert "report" in bad.error_message
    assert "internal" in alerts()


def test_an_unmapped_order_cannot_be_sent_by_hand(world: World) -> None:
    place(world, 1, created_at="the day before")
    run(world, DOWNLOAD)
    order = world.only()
    assert order.error_code == "unmappable"
    assert "resend" not in actions.allowed(order)
    with pytest.raises(actions.NotNow):
        actions.resend(order, "dana@mail.example")


@pytest.mark.parametrize("status", ["shipped", "unpaid"])
def test_what_the_source_withdraws_before_it_is_sent_stays_here_until_it_is_back(world: World, status: str) -> None:
    key = place(world, 1)
    run(world, DOWNLOAD)
    change(world, key, status=status)
    run(world, DOWNLOAD, DELIVER)
    order = world.only()
    assert (order.status, order.held_by) == (Status.HELD, "source")
    assert world.warehouse.effects("order") == []
    change(world, key, status="paid", note="after all")
    run(world, DOWNLOAD, DELIVER)
    assert world.only().status == Status.AT_WMS


def test_what_a_person_holds_is_not_freed_by_the_source(world: World) -> None:
    key = place(world, 1)
    run(world, DOWNLOAD)
    actions.cancel_sending(world.only(), "dana@mail.example")
    change(world, key, status="unpaid")
    run(world, DOWNLOAD)
    change(world, key, status="paid", note="after all")
    run(world, DOWNLOAD, DELIVER)
    assert (world.only().status, world.only().held_by) == (Status.HELD, "person")


def test_a_look_up_that_is_refused_asks_a_person(world: World) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "drop_after")
    run(world, DELIVER)
    leases_expire()
    world.warehouse.find = lambda request: world.warehouse.refuse(404, "gone", "No look-ups here.")
    world.warehouse._add("GET", "/v1/orders", world.warehouse.find)
    run(world, DELIVER)
    order = world.only()
    assert (order.status, order.error_code) == (Status.ERROR, "outcome_unknown")
    assert Alert.objects.get(kind="outcome_unknown").fix


def test_a_look_up_that_fails_says_so(world: World) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "drop_after")
    run(world, DELIVER)
    leases_expire()
    world.warehouse.faults.script("GET /v1/orders", "error", times=9)
    run(world, DELIVER)
    assert world.only().status == Status.SENDING
    assert alerts() == ["delivery_failing"]
    world.warehouse.faults.clear()
    leases_expire()
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS
    assert alerts() == []


def test_canceled_at_the_wms_meanwhile_is_a_persons_to_decide(world: World) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "drop_after")
    run(world, DELIVER)
    leases_expire()
    (there,) = world.warehouse.effects("order")
    world.warehouse.orders.change(there["wms_key"], status="canceled")
    run(world, DELIVER)
    assert (world.only().status, world.only().error_code) == (Status.ERROR, "canceled_at_wms")


def test_canceled_at_both_ends_during_the_look_up_it_is_canceled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = place(world, 1)
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "drop_after")
    run(world, DELIVER)
    leases_expire()
    (there,) = world.warehouse.effects("order")
    world.warehouse.orders.change(there["wms_key"], status="canceled")
    find = SandboxWms.find

    def meanwhile(*args: Any) -> Any:
        change(world, key, status="canceled")
        run(world, DOWNLOAD)
        return find(*args)

    with monkeypatch.context() as patched:
        patched.setattr(SandboxWms, "find", meanwhile)
        run(world, DELIVER)
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, alerts()) == (Status.CANCELED, [])


def test_a_taken_reference_is_replaced_by_a_new_one(world: World) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    order = world.only()
    old = order.wms_ref
    Order.objects.update(status=Status.ERROR, error_code="reference_taken", cause="x", starts=1)
    actions.new_reference(order, "dana@mail.example")
    run(world, DELIVER)
    order.refresh_from_db()
    assert (order.status, order.wms_ref, order.revision) == (Status.AT_WMS, f"{old}_r1", 1)
    assert [effect["key"] for effect in world.warehouse.effects("order")] == [f"{old}_r1"]
    run(world, DOWNLOAD)
    assert world.only().pk == order.pk, "the source's order is this one still"


def test_two_orders_with_one_number_both_get_a_reference(world: World) -> None:
    first, second = place(world, 1), place(world, 2)
    run(world, DOWNLOAD)
    Order.objects.filter(cart_key=second).delete()
    taken = world.only()
    Order.objects.update(wms_ref=second)  # as if the first order were known by the second's number
    change(world, second, note="again")
    run(world, DOWNLOAD)
    assert {o.cart_key for o in world.orders()} == {first, second}
    other = Order.objects.exclude(pk=taken.pk).get()
    assert other.wms_ref.startswith("x-")
