"""Who was taken for dead and comes back writes nothing: his token is stale. Who comes second stores nothing."""

from collections import Counter
from typing import Any

from django.db import connection, transaction

from integration_manager.kit import clock
from merchants.models import Service
from orders import inserting, intake
from orders.models import Event, Order, OrderLine, Shipment, Status
from orders.services import parcel_claims, upload_shipments
from orders.states import Claimed, claim, move, release
from tests.test_orders_life import pack, place
from tests.world import World


def taken_twice(world: World) -> tuple[Claimed, Claimed]:
    """An order's claim whose lease has ended, and the claim of who took it over."""
    place(world)
    world.run(Service.DOWNLOAD)
    (first,) = claim(world.merchant.pk, 1, 30, clock.now())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET lease_until = now() - interval '1 s'")
    (second,) = claim(world.merchant.pk, 1, 30, clock.now())
    assert (second.token, second.starts) == (first.token + 1, 2)
    return first, second


def test_a_stale_token_moves_nothing(world: World) -> None:
    stale, valid = taken_twice(world)

    def sent(by: Claimed) -> list[int]:
        return move([by.id], Status.SENDING, Status.AT_WMS, "sent", now=clock.now(), tokens=[by.token], wms_key="W1")

    assert sent(stale) == []
    assert world.only().status == Status.SENDING
    assert not Event.objects.filter(kind="sent").exists()
    assert sent(valid) == [valid.id]


def test_a_stale_token_gives_nothing_back(world: World) -> None:
    stale, _ = taken_twice(world)
    release([stale])
    assert (world.only().status, world.only().starts) == (Status.SENDING, 2)


def test_a_stale_token_tells_of_no_upload(world: World) -> None:
    place(world)
    world.run(Service.DOWNLOAD)
    world.run(Service.DELIVER)
    pack(world, world.only())
    world.run(Service.SHIP_CONFIRM)
    run: Any = type(
        "Now", (), {"cart": world.cart, "merchant": world.merchant, "now": clock.now(), "counts": Counter()}
    )()
    (stale,) = parcel_claims.claim(run, 1, 30)
    Shipment.objects.update(token=stale.token + 1)  # taken over, or changed at the WMS meanwhile
    upload_shipments.done(run, [(stale, "1")])
    assert Shipment.objects.get().uploaded_at is None
    assert world.only().status == Status.SHIPPED


def test_who_stores_an_order_second_stores_nothing(world: World) -> None:
    place(world)
    world.run(Service.DOWNLOAD)
    known = world.only()
    lines = OrderLine.objects.count()
    order = world.shop.orders.rows["1"]
    from carts.systems.sandbox_shop import to_order

    twin = intake.read(order, known.cart_key, to_order(order, {}), None)
    with transaction.atomic():
        stored = intake.Stored()
        assert inserting.insert_orders(intake.Intake(world.merchant, world.cart), [twin], clock.now(), stored) == []
    assert (Order.objects.count(), OrderLine.objects.count(), stored.new) == (1, lines, 0)
