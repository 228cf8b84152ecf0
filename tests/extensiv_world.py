"""A shop and a running 3PL Warehouse Manager, connected as people do it: the merchant's key with the merchant."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from integration_manager import tenancy
from integration_manager.kit.connector import Rate
from integration_manager.kit.simulator import Fake
from orders import connections
from tests.world import World, build, fake
from wms.systems.extensiv import Extensiv

OF_MERCHANT = [name for name, field in Extensiv.fields.items() if field.level == "merchant"]


@contextlib.contextmanager
def running(shop: Fake, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account with this shop and a 3PL Warehouse Manager, without polite pauses; its tenant is active."""
    monkeypatch.setattr(Extensiv, "rate", Rate(per_second=1000, burst=1000))
    monkeypatch.setattr(Extensiv, "settle", Extensiv.settle * 0)
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    warehouse = fake("extensiv", "3pl")
    with shop.serve() as shop_url, warehouse.serve() as warehouse_url:
        made = build(shop, shop_url, warehouse, warehouse_url, wms="extensiv")
        with tenancy.activate(made.account.pk):
            values = {**warehouse.values(warehouse_url)}
            made.merchant.wms_values = {name: values.pop(name) for name in OF_MERCHANT}
            made.merchant.save()
            made.wms.credentials = values
            made.wms.save()
            yield made
    connections.guard.cache_clear()


def options(world: World, **values: Any) -> None:
    """How the warehouse's connection works."""
    world.wms.options = values
    world.wms.save()
