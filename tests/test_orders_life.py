"""An order's whole life over real sockets: shop → here → warehouse → here → shop."""

from typing import Any

from merchants.models import Service
from orders.models import Event, Shipment, Status
from tests.world import World, ago


def place(world: World, n: int = 1, **minutes: float) -> list[str]:
    """Orders placed in the shop some minutes ago."""
    return [world.shop.place(number, ago(minutes=minutes.get("minutes", 5))) for number in range(1, n + 1)]


def test_an_order_goes_all_the_way(world: World) -> None:
    place(world, 3)
    world.run(Service.DOWNLOAD)
    assert [o.status for o in world.orders()] == [Status.READY] * 3
    world.run(Service.DELIVER)
    assert [o.status for o in world.orders()] == [Status.AT_WMS] * 3
    for order in world.orders():
        pack(world, order)
    world.run(Service.SHIP_CONFIRM)
    assert [o.status for o in world.orders()] == [Status.SHIPPED] * 3
    world.run(Service.UPLOAD_SHIPMENTS)
    assert [o.status for o in world.orders()] == [Status.CONFIRMED] * 3
    assert len(world.warehouse.effects("order")) == 3
    assert len(world.shop.effects("shipment")) == 3
    assert Shipment.objects.filter(uploaded_at__isnull=True).count() == 0
    assert list(Event.objects.filter(order_id=world.orders()[0].pk).order_by("id").values_list("kind", flat=True)) == [
        "loaded",
        "sent",
        "shipped",
        "confirmed",
    ]


def pack(world: World, order: Any, **parts: Any) -> None:
    """The warehouse ships an order, whole unless told otherwise."""
    world.warehouse.pack(order.wms_key, **parts)
