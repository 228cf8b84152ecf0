"""The product's Celery app with its seconds scaled down, so that leases end while the test runs.

The order of the times stays as it is: a call's time-out is shorter than the lease that covers it, and
what the warehouse does late it does within `settle`. Nothing else differs from the product.
"""

from datetime import timedelta

import django
from celery.schedules import schedule

from integration_manager.celery import BEAT, app

__all__ = ["app"]

django.setup()

# These need Django to be set up: that is why they do not stand above.
from carts.systems.sandbox_shop import SandboxShop  # noqa: E402
from merchants import schedules  # noqa: E402
from orders import jobs, run  # noqa: E402
from orders.services import deliver, effects, failed_parcels, outcomes, upload_shipments  # noqa: E402
from wms.systems.sandbox_wms import SandboxWms, SandboxWmsBlind, SandboxWmsKey  # noqa: E402

SETTLE = 3.0
TIMEOUT = 2.0
WINDOW = 4.0

for system in (SandboxShop, SandboxWmsBlind, SandboxWms, SandboxWmsKey):
    system.timeout = TIMEOUT
    if system is not SandboxWmsKey:
        system.settle = timedelta(seconds=SETTLE)

deliver.WINDOW = upload_shipments.WINDOW = WINDOW
run.WINDOW, run.SLACK, run.RENEW, schedules.LEASE = WINDOW, 2.0, 2.0, 12
run.BUDGET = 8.0
# An hour of the business clock is three seconds.
outcomes.AGAIN = effects.AGAIN = timedelta(seconds=3)
outcomes.PROBE = jobs.PROBE = upload_shipments.SOON = failed_parcels.SOON = timedelta(seconds=2)
BEAT["tick"]["schedule"] = schedule(1)
