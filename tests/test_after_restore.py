"""A backup that is an hour old is restored: nothing is sent twice, nothing is lost."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import AuditEntry
from carts.systems.sandbox_shop import SandboxShop
from merchants.models import Service
from orders.models import Order, Status
from tests import services
from tests.test_orders_life import pack
from tests.world import World, ago
from wms.systems.sandbox_wms import SandboxWms

TABLES = ("orders_order", "orders_orderdetail", "orders_orderline", "orders_shipment", "orders_shipmentline",
          "orders_event", "merchants_schedule")  # fmt: skip
SERVICES = (Service.DOWNLOAD, Service.DELIVER, Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS)


@pytest.fixture
def owner() -> Iterator[Any]:
    """A cursor that may write every table, as a restore does."""
    with services.admin(os.environ, connection.settings_dict["NAME"]) as cursor:
        yield cursor


def backup(owner: Any) -> None:
    owner.execute("CREATE SCHEMA backup")
    for table in TABLES:
        owner.execute(f"CREATE TABLE backup.{table} AS TABLE public.{table}")


def restore(owner: Any) -> None:
    for table in reversed(TABLES):
        owner.execute(f"DELETE FROM public.{table}")  # noqa: S608
    for table in TABLES:
        owner.execute(f"INSERT INTO public.{table} SELECT * FROM backup.{table}")  # noqa: S608
    owner.execute("DROP SCHEMA backup CASCADE")


def life(world: World) -> None:
    for service in SERVICES:
        world.run(service)


@pytest.mark.parametrize("told", [True, False])
def test_nothing_is_sent_twice(world: World, owner: Any, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `im after-restore` it would be, or this test proved nothing."""
    for system in (SandboxShop, SandboxWms):
        monkeypatch.setattr(system, "settle", timedelta(0))
    for number in (1, 2, 3):
        world.shop.place(number, ago(minutes=5))
    for service in SERVICES:
        world.schedule(service)
    world.run(Service.DOWNLOAD)
    backup(owner)
    # The hour that will be forgotten: these three and two more go their ways.
    world.shop.place(4, ago(minutes=4))
    world.shop.place(5, ago(minutes=4))
    life(world)
    for order in world.orders()[1:4]:
        pack(world, order)
    life(world)
    assert [o.status for o in world.orders()] == [Status.AT_WMS, *[Status.CONFIRMED] * 3, Status.AT_WMS]
    time.sleep(0.01)
    restore(owner)
    assert [o.status for o in world.orders()] == [Status.READY] * 3
    if told:
        call_command("im", "after-restore")
        assert AuditEntry.objects.get().verb == "restored"
    life(world)
    twice = [ref for ref, n in Counter(row["key"] for row in world.warehouse.effects("order")).items() if n > 1]
    parcels = Counter(row["reference"] for row in world.shop.effects("shipment"))
    assert bool(twice) is not told
    if told:
        assert max(parcels.values()) == 1
        for order in Order.objects.filter(status=Status.AT_WMS):
            pack(world, order)
        life(world)
        # The fourth had ended: the shop has closed it, and nothing more is to be done.
        assert {o.cart_key: o.status for o in world.orders()} == dict.fromkeys("1235", Status.CONFIRMED)
        assert len(world.warehouse.effects("order")) == 5
        assert len(world.shop.effects("shipment")) == 5
