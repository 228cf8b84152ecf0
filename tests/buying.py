"""What happens to purchase orders in a small world, for tests that tell a story."""

from datetime import timedelta
from typing import Any

from django.db import connection

from carts.models import Cart
from merchants.models import Schedule, Service
from orders.models import PurchaseEvent, PurchaseOrder
from orders.services import purchase_orders
from tests.world import START, World, run

PURCHASES, RECEIVING = Service.PURCHASES, Service.RECEIVING
State = PurchaseOrder.State


def switched_on(world: World) -> World:
    """Purchase orders are on since before anything was ordered."""
    Cart.objects.update(sync_purchases=True)
    world.cart.refresh_from_db()
    world.schedule(PURCHASES)
    before = (START - timedelta(days=30)).isoformat()
    Schedule.objects.filter(service=PURCHASES).update(state={purchase_orders.FROM: before})
    return world


def order(world: World, key: str = "PO1", *goods: tuple[str, int], minutes: float = 0, **more: Any) -> None:
    """The shop's owner orders goods from a supplier, or changes that."""
    moment = START - timedelta(hours=2) + timedelta(minutes=minutes)
    world.shop.restock(key, *(goods or (("MUG", 10), ("POT", 4))), at=moment, **more)


def unload(world: World, *goods: tuple[str, int], minutes: float = 0, **how: Any) -> None:
    """Goods of the one purchase order come to the warehouse."""
    moment = START - timedelta(hours=1) + timedelta(minutes=minutes)
    world.warehouse.unload(there(world)[0]["key"], *goods, at=moment, **how)


def there(world: World) -> list[Any]:
    """The purchase orders that the WMS has."""
    return list(world.warehouse.table("purchases"))


def quantities(world: World) -> list[str]:
    """What the WMS expects of each line of the first one."""
    return [line["quantity"] for line in there(world)[0]["lines"]]


def only() -> PurchaseOrder:
    found: PurchaseOrder = PurchaseOrder.objects.get()
    return found


def sync(world: World) -> None:
    run(world, PURCHASES, RECEIVING, PURCHASES)


def told(world: World, key: str = "PO1") -> dict[str, str]:
    """What the shop has been told has come, by SKU."""
    said = world.shop.table("purchases").rows[key].get("received", {"lines": []})
    return {line["sku"]: line["received"] for line in said["lines"]}


def settled() -> None:
    """PostgreSQL's clock, and business time, go on until nothing waits for an undecided call any more."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_purchaseorder SET lease_until = NULL, retry_at = retry_at - interval '2 hours'")


def timeline() -> list[str]:
    return list(PurchaseEvent.objects.order_by("id").values_list("kind", flat=True))
