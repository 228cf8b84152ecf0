"""A small world for tests: an account with a merchant, a sandbox shop and a sandbox warehouse."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from accounts.models import Account
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.simulator import Fake, load_fake
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import CART_SERVICES
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
    shop: Fake
    warehouse: Fake
    shops: list[tuple[Cart, Fake]] = field(default_factory=list)

    def schedule(self, service: Service, cart: Cart | None = None) -> Schedule:
        """The schedule of a service, switched on hourly if it is new."""
        of_cart = service in CART_SERVICES
        found, _ = Schedule.objects.get_or_create(
            merchant=self.merchant,
            cart=(cart or self.cart) if of_cart else None,
            service=service,
            defaults={"every": 3600, "next_run": clock.now(), "automatic": service.value in ("deliver",)},
        )
        return found

    def run(self, service: Service, cart: Cart | None = None) -> Run | None:
        """One run of a service, through the same door as the worker."""
        schedule = self.schedule(service, cart)
        schedule.token += 1
        Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=None)
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
            system="sandbox_shop",
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
