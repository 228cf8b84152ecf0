"""`python -m tests.crash.setup PORT NAME=SYSTEM…`: an account for each name, with every service on."""

import sys

import django

django.setup()

from integration_manager import tenancy  # noqa: E402
from integration_manager.im.simulate import FIXTURES  # noqa: E402
from integration_manager.kit import clock  # noqa: E402
from integration_manager.kit.simulator import load_fake  # noqa: E402
from merchants.models import Schedule, Service  # noqa: E402
from merchants.schedules import CART_SERVICES  # noqa: E402
from tests.world import build  # noqa: E402

EVERY = {Service.DOWNLOAD: 2, Service.DELIVER: 1, Service.SHIP_CONFIRM: 2, Service.UPLOAD_SHIPMENTS: 2}


def main(port: int, accounts: list[str]) -> None:
    """Makes them."""
    shop, wms = (load_fake(FIXTURES / name) for name in ("sandbox_shop", "sandbox_wms"))
    for account in accounts:
        name, system = account.split("=")
        urls = (f"http://127.0.0.1:{port}/{kind}-{name}" for kind in ("shop", "wms"))
        world = build(shop(name), next(urls), wms(name), next(urls), wms=system, code=name.upper()[:8])
        with tenancy.activate(world.account.pk):
            for service, every in EVERY.items():
                Schedule.objects.create(
                    merchant=world.merchant,
                    cart=world.cart if service in CART_SERVICES else None,
                    service=service,
                    every=every,
                    next_run=clock.now(),
                )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
