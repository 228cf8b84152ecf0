"""A small world for tests: an account with a merchant, a sandbox shop and a sandbox warehouse."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.simulator import Fake, load_fake
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import CART_SERVICES, LEASE, next_slot
from orders import jobs
from orders.models import Order
from orders.run import Run
from wms.models import Wms

CONNECTORS = Path(__file__).parent / "connectors"


def fake(system: str, name: str = "", **options: Any) -> Fake:
    """A fake system out of a connector's fixtures folder."""
    return load_fake(CONNECTORS / system)(name or system, **options)


@dataclass
class World:
    """One tenant with everything connected. Use it inside `tenancy.activate(world.account.pk)`."""

    account: Account
    merchant: Merchant
    cart: Cart
    wms: Wms
    shop: Any  # a fake, with what its kind of system has
    warehouse: Any
    shops: list[tuple[Cart, Any]] = field(default_factory=list)

    def schedule(self, service: Service, cart: Cart | None = None) -> Schedule:
        """The schedule of a service, switched on hourly if it is new."""
        of_cart = service in (*CART_SERVICES, Service.PRODUCTS, Service.PURCHASES)
        found, _ = Schedule.objects.get_or_create(
            merchant=self.merchant,
            cart=(cart or self.cart) if of_cart else None,
            service=service,
            defaults={"every": 3600, "next_run": clock.now(), "automatic": service.value in ("deliver",)},
        )
        return found

    def planned(self, service: Service, due: datetime) -> datetime:
        """When a service runs next that has work due at `due`: then, or at its regular slot before that.

        The slot lies anywhere in the hour: it follows from the schedule's key.
        """
        regular = next_slot(self.schedule(service), clock.now(), self.account.timezone)
        return min(due, regular) if regular else due

    def run(self, service: Service, cart: Cart | None = None) -> Run | None:
        """One run of a service, through the same door as the worker."""
        schedule = self.schedule(service, cart)
        schedule.token += 1
        lease = Now() + timedelta(seconds=LEASE)
        Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=lease)
        run = jobs.run_schedule(schedule.pk, schedule.token)
        schedule.refresh_from_db()
        assert "mistake" not in schedule.problem, "the run failed by a bug of ours: see the log"
        return run

    def orders(self) -> list[Order]:
        """All orders, oldest first."""
        return list(Order.objects.order_by("id"))

    def only(self) -> Order:
        """The one order there is."""
        (order,) = self.orders()
        return order


def build(
    shop: Fake, shop_url: str, warehouse: Fake, warehouse_url: str, *, wms: str = "sandbox_wms", code: str = "OAK"
) -> World:
    """Makes account, merchant, cart and WMS for two running fakes."""
    account = Account.objects.create(name=f"Account {code}", timezone="UTC")
    with tenancy.activate(account.pk):
        values = dict(warehouse.values(warehouse_url))
        customer = values.pop("customer")
        merchant = Merchant.objects.create(name=f"Merchant {code}", code=code, wms_values={"customer": customer})
        destination = Wms.objects.create(system=wms, credentials=values)
        cart = Cart.objects.create(
            merchant=merchant,
            system=shop.system,
            name="Shop",
            number=1,
            shop=shop.name,
            credentials=dict(shop.values(shop_url)),
            earliest_order_date=date(2020, 1, 1),
        )
    return World(account, merchant, cart, destination, shop, warehouse)


def ago(**delta: float) -> datetime:
    """A moment in the past."""
    return datetime.now(UTC) - timedelta(**delta)


# ── what happens in this world, for tests that tell a story ──

# Where frozen business time begins: after all that the real clocks of the fakes say in a test.
START = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


def at(hours: float = 0, **delta: float) -> Any:
    """Business time stands so long after START."""
    return clock.frozen(START + timedelta(hours=hours, **delta))


def place(world: World, number: int = 1, *lines: tuple[str, int], **fields: Any) -> str:
    """An order is placed in the shop, of these (SKU, quantity). Gives its key there."""
    with world.shop.lock:
        key = world.shop.place(number, ago(minutes=5))
        orders: Any = world.shop.table("orders")
        wanted = [
            {"id": f"{key}-{n}", "sku": sku, "title": sku, "price": "5.00", "quantity": quantity}
            for n, (sku, quantity) in enumerate(lines or (("MUG-BLUE", 1),), 1)
        ]
        orders.change(key, **{"shipping_method": "GROUND", "lines": wanted, **fields})
    return key


def change(world: World, key: str, **fields: Any) -> None:
    """The shop's owner changes an order now."""
    world.shop.change(key, **fields)


def pack(world: World, order: Order | None = None, **how: Any) -> str:
    """The warehouse ships an order, whole unless told otherwise. Gives the parcel's key."""
    order = order or world.only()
    order.refresh_from_db()
    return str(world.warehouse.pack(order.wms_key, **how))


def run(world: World, *services: Service) -> None:
    """One run of each of these services."""
    for service in services:
        world.run(service)


def leases_expire() -> None:
    """PostgreSQL's clock goes on until no claim is held any more."""
    with connection.cursor() as cursor:
        for table in ("orders_order", "orders_shipment", "orders_effect", "orders_outfile"):
            cursor.execute(f"UPDATE {table} SET lease_until = now() - interval '1 second' WHERE lease_until > now()")  # noqa: S608


def alerts() -> list[str]:
    """The kinds of the open alerts."""
    return sorted(Alert.objects.filter(resolved_at__isnull=True).values_list("kind", flat=True))


def asked(fake: Fake, method: str = "", path: str = "") -> int:
    """How many requests a fake has seen."""
    return sum(1 for seen in fake.journal if method in seen.request.method and path in seen.request.path)


def answers(fake: Fake, method: str, path: str, handler: Any) -> None:
    """From now on the fake answers this path so: a function of the request and of its usual handler."""
    before = fake._exact[method, path]
    fake._exact[method, path] = lambda request: handler(request, before)
