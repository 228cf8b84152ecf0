"""Our side: a tenant on the simulator, and one run of a service through the worker's own door."""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime

from accounts.models import Account
from carts.models import Cart
from carts.systems.sandbox_shop import SandboxShop
from integration_manager import tenancy
from integration_manager.kit.connector import Rate
from merchants import schedules
from merchants.models import Merchant, Schedule, Service
from orders import jobs
from orders.models import Order
from tests.statements import counted
from wms.models import Wms
from wms.systems.sandbox_wms import SandboxWms

# The sandbox systems allow 200 and 500 calls a second, which would be what is measured. The budget is
# asked for each call all the same.
SandboxShop.rate = SandboxWms.rate = Rate(per_second=100_000, burst=100_000)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Measured:
    """What one or more runs took."""

    seconds: float = 0.0
    cpu: float = 0.0  # seconds of this process, all its threads: steadier than time where others work too
    statements: int = 0

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(self.seconds + other.seconds, self.cpu + other.cpu, self.statements + other.statements)


class Tenant:
    """An account with one merchant, one cart and one WMS, both on the simulator."""

    def __init__(self, shop: str, wms: str) -> None:
        """`shop`, `wms`: their addresses."""
        self.account = Account.objects.create(name="Bench", timezone="UTC")
        with tenancy.activate(self.account.pk):
            self.merchant = Merchant.objects.create(name="Bench", code="BEN", wms_values={"customer": "C1"})
            Wms.objects.create(system="sandbox_wms", credentials={"url": wms, "api_key": "sandbox-key"})
            self.cart = Cart.objects.create(
                merchant=self.merchant,
                system="sandbox_shop",
                name="Shop",
                number=1,
                shop=shop,
                credentials={"url": shop, "api_key": "sandbox-key"},
                earliest_order_date=date(2020, 1, 1),
            )
            for service in (Service.DOWNLOAD, Service.DELIVER, Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS):
                Schedule.objects.create(
                    merchant=self.merchant,
                    cart=self.cart if service in schedules.CART_SERVICES else None,
                    service=service,
                    every=3600,
                    automatic=service in schedules.AUTOMATIC,
                )

    def run(self, service: Service) -> Measured:
        """Claims the service's schedule and runs it, as tick and worker do; until nothing is left to do."""
        measured = Measured()
        while True:
            with tenancy.activate(self.account.pk):
                Schedule.objects.filter(service=service).update(next_run=LONG_AGO)
                Schedule.objects.exclude(service=service).update(next_run=None)
            began, cpu = time.perf_counter(), time.process_time()
            with counted() as statements:
                with tenancy.everyone("tick"):
                    (due,) = schedules.claim_due(LONG_AGO, 1)
                jobs.run_job(due.schedule_id, due.account_id, due.token)
            measured += Measured(time.perf_counter() - began, time.process_time() - cpu, len(statements))
            with tenancy.activate(self.account.pk):
                schedule = Schedule.objects.get(service=service)
            if schedule.problem:
                raise RuntimeError(f"{service}: {schedule.problem}")
            if schedule.next_run is None or schedule.next_run > schedule.finished_at:
                return measured

    def count(self, status: str) -> int:
        """How many orders are in a state."""
        with tenancy.activate(self.account.pk):
            return int(Order.objects.filter(status=status).count())
