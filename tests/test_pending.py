"""Systems that work on a request for a while: the engine keeps the handle and asks again by it."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from carts.systems import registry as cart_systems
from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit import clock
from integration_manager.kit.canonical import Prepared, Shipment
from integration_manager.kit.connector import Dedupe, Pending, writes
from merchants.models import Service
from orders import actions, models
from orders.models import Order, Status
from orders.services.outcomes import TRIES
from tests.world import World, alerts, asked, change, leases_expire, pack, place, run
from wms.models import Wms
from wms.systems import registry as wms_systems
from wms.systems.sandbox_wms import SandboxWms

AGAIN = timedelta(seconds=30)


class SlowWms(SandboxWms):
    """Takes an order at once and says a while later what became of it."""

    key, label, hidden = "slow_wms", "Slow", True
    __module__ = SandboxWms.__module__  # whose mapping it uses

    @writes(Dedupe.LOOKUP)
    def send(self, prepared: Prepared, ref: str) -> Any:
        return Pending(f"job:{self._send(prepared, ref)}", clock.now() + AGAIN)

    def resume(self, handle: str) -> Any:
        self.http.get("/v1/ping")
        return handle.removeprefix("job:")


class SlowShop(SandboxShop):
    """Takes a parcel as a feed that is worked on."""

    key, label, hidden = "slow_shop", "Slow", True
    __module__ = SandboxShop.__module__

    @writes(Dedupe.LOOKUP)
    def ship(self, order_key: str, shipment: Shipment) -> Any:
        return Pending(f"feed:{super().ship(order_key, shipment)}", clock.now() + AGAIN)

    def resume(self, handle: str) -> Any:
        self.http.get("/api/shop")
        return handle.removeprefix("feed:")


@pytest.fixture
def slow(calm: World) -> Iterator[World]:
    systems: Sequence[tuple[Any, Any]] = ((wms_systems(), SlowWms), (cart_systems(), SlowShop))
    for registry, system in systems:
        registry.systems[system.key] = system
    Wms.objects.update(system=SlowWms.key)
    calm.cart.system = SlowShop.key
    calm.cart.save()
    yield calm
    for registry, system in systems:
        del registry.systems[system.key]


def test_what_the_other_side_works_on_is_asked_for_again_and_never_repeated(slow: World) -> None:
    place(slow, 1)
    run(slow, Service.DOWNLOAD, Service.DELIVER)
    assert (slow.only().status, slow.only().handle[:4]) == (Status.SENDING, "job:")
    run(slow, Service.DELIVER)
    assert slow.only().status == Status.SENDING, "before its time it is left alone"
    leases_expire()
    looked = asked(slow.warehouse, "GET", "/v1/orders")
    run(slow, Service.DELIVER)
    assert (slow.only().status, slow.only().handle) == (Status.AT_WMS, "")
    assert asked(slow.warehouse, "GET", "/v1/orders") == looked, "the handle knows; nothing is looked up"
    assert len(slow.warehouse.effects("order")) == 1

    pack(slow)
    run(slow, Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS)
    assert slow.only().status == Status.SHIPPED
    models.Shipment.objects.update(lease_until="2020-01-01T00:00:00Z")
    run(slow, Service.UPLOAD_SHIPMENTS)
    assert slow.only().status == Status.CONFIRMED
    assert len(slow.shop.effects("shipment")) == 1


def test_a_pending_order_that_could_not_be_asked_for_stays_with_its_handle(slow: World) -> None:
    place(slow, 1)
    run(slow, Service.DOWNLOAD, Service.DELIVER)
    leases_expire()
    slow.warehouse.faults.script("GET /v1/ping", "error", times=9)
    run(slow, Service.DELIVER)
    order = Order.objects.get()
    assert (order.status, order.handle[:4]) == (Status.SENDING, "job:")
    slow.warehouse.faults.clear()
    leases_expire()
    run(slow, Service.DELIVER)
    assert slow.only().status == Status.AT_WMS
    assert len(slow.warehouse.effects("order")) == 1


def test_what_was_changed_in_the_shop_while_the_wms_worked_on_it_is_told(slow: World) -> None:
    key = place(slow, 1, ("MUG-BLUE", 1))
    run(slow, Service.DOWNLOAD, Service.DELIVER)
    assert slow.only().handle[:4] == "job:"
    change(slow, key, lines=[{"id": f"{key}-1", "sku": "MUG-BLUE", "title": "Mug", "price": "5.00", "quantity": 3}])
    run(slow, Service.DOWNLOAD)
    leases_expire()
    run(slow, Service.DELIVER)
    assert slow.only().status == Status.AT_WMS
    assert len(slow.warehouse.effects("order")) == 1, "it has what it was sent first"
    assert alerts() == ["changed_after_sending"]


def test_what_a_person_says_did_not_arrive_is_sent_again_whatever_the_wms_was_working_on(slow: World) -> None:
    place(slow, 1)
    run(slow, Service.DOWNLOAD, Service.DELIVER)
    Order.objects.update(failures=TRIES - 1)
    slow.warehouse.faults.script("GET /v1/ping", "error", times=9)
    leases_expire()
    run(slow, Service.DELIVER)
    assert slow.only().error_code == "outcome_unknown"
    sent = asked(slow.warehouse, "POST", "/v1/orders")
    actions.it_did_not(slow.only(), "dana@mail.example")
    run(slow, Service.DELIVER)
    assert asked(slow.warehouse, "POST", "/v1/orders") == sent + 1


def test_a_parcel_that_the_cart_works_on_is_not_told_twice_because_it_could_not_be_asked(slow: World) -> None:
    """A feed may show nothing of it before it is through, so a look-up says nothing."""
    place(slow, 1)
    run(slow, Service.DOWNLOAD, Service.DELIVER)
    leases_expire()
    run(slow, Service.DELIVER)
    pack(slow)
    run(slow, Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS)
    told = asked(slow.shop, "POST", "/shipments")
    (handle,) = models.Shipment.objects.values_list("handle", flat=True)
    assert handle[:5] == "feed:"
    slow.shop.faults.script("GET /api/shop", "error", times=9)
    leases_expire()
    run(slow, Service.UPLOAD_SHIPMENTS)
    parcel = models.Shipment.objects.get()
    assert (parcel.handle, parcel.failures, parcel.uploaded_at) == (handle, 1, None)
    slow.shop.faults.clear()
    models.Shipment.objects.update(retry_at=clock.now())
    run(slow, Service.UPLOAD_SHIPMENTS)
    assert slow.only().status == Status.CONFIRMED
    assert asked(slow.shop, "POST", "/shipments") == told
