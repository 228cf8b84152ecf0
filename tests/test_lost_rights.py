"""A 403, whichever call gets it: about the credentials if they fail the check too, else about the record."""

from collections.abc import Iterator
from typing import Any

import pytest

from integration_manager.kit.connector import Page
from integration_manager.kit.errors import AuthFailed, Permanent
from merchants.models import Schedule, Service
from orders import abilities, cancelling, connections, refunding, refunds
from orders.models import Effect, Order, OrderDetail, Shipment, Status
from tests.world import World, alerts, at, leases_expire, pack, place, run

DOWNLOAD, DELIVER, UPLOAD = Service.DOWNLOAD, Service.DELIVER, Service.UPLOAD_SHIPMENTS
PERSON = "p@example.com"
RECORDS = [  # what is called, by which service, and the alert if it is about the record
    ("shop", "ship", UPLOAD, "tracking_refused"),
    ("shop", "find_shipments", UPLOAD, "tracking_refused"),
    ("shop", "cancel", UPLOAD, "cart_cancel_refused"),
    ("shop", "refund", UPLOAD, "refund_refused"),
    ("shop", "find_refund", UPLOAD, "refund_unknown"),
    ("warehouse", "cancel", DELIVER, "cancel_refused"),
    ("warehouse", "find", DELIVER, "outcome_unknown"),
]
LOOKED_UP = {
    "find_shipments": ("POST */shipments", UPLOAD),
    "find_refund": ("POST */refunds", UPLOAD),
    "find": ("POST /v1/orders", DELIVER),
}
WHOLE = [
    ("shop", "orders", DOWNLOAD, "service_failing"),
    ("shop", "stock", Service.UPLOAD_INVENTORY, "service_failing"),
]


@pytest.fixture
def world(calm: World) -> World:
    """Of two orders the parcels wait, one is to be canceled at the WMS, one is paid back, one is to be sent."""
    for number in range(4):
        place(calm, number + 1)
    run(calm, DOWNLOAD)
    third, fourth = calm.orders()[2:]
    Order.objects.filter(pk=fourth.pk).update(status=Status.HELD)
    run(calm, DELIVER, Service.INVENTORY)
    for order in calm.orders()[:2]:
        pack(calm, order)
    run(calm, Service.SHIP_CONFIRM)
    place(calm, 5)
    run(calm, DOWNLOAD)
    cancelling.ask(third, abilities.of(third, calm.wms), PERSON)
    left = refunding.left_of(fourth, OrderDetail.objects.get(order=fourth).data)
    refunding.ask(fourth, refunds.whole(left, "k1", ""), PERSON)
    return calm


def begin(world: World, method: str) -> None:
    """What is looked up was begun before, and the answer was lost."""
    if method in LOOKED_UP:
        path, service = LOOKED_UP[method]
        (world.shop if service == UPLOAD else world.warehouse).faults.script(path, "drop_after", times=1)
        with at(0):
            run(world, service)
        leases_expire()


def refuse(world: World, monkeypatch: pytest.MonkeyPatch, side: str, method: str, *, lost: bool) -> list[str]:
    """From now on this call is answered by 403, and where the rights are `lost` the check too. Gives the checks."""
    system = connections.cart_class(world.cart) if side == "shop" else connections.wms_class(world.wms)
    checks: list[str] = []

    def refused(*_: Any, **__: Any) -> Any:
        raise Permanent("This is not allowed.", code="forbidden")

    def check(*_: Any) -> None:
        checks.append(method)
        if lost:
            raise AuthFailed("The app lacks rights.")

    def pages(*_: Any) -> Iterator[Page]:
        yield refused()

    instead = pages if method == "orders" else refused
    instead.__dict__.update(vars(getattr(system, method)))  # how it dedupes
    monkeypatch.setattr(system, method, instead)
    monkeypatch.setattr(system, "check", check)
    return checks


@pytest.mark.parametrize(("side", "method", "service", "alert"), RECORDS + WHOLE)
def test_lost_rights_pause_the_connection_and_nothing_is_given_up(
    world: World, side: str, method: str, service: Service, alert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world, method)
    with at(minutes=30), monkeypatch.context() as patch:
        checks = refuse(world, patch, side, method, lost=True)
        run(world, service)
        assert (world.schedule(service).paused, alerts()) == (Schedule.Paused.AUTH, ["credentials"])
        assert len(checks) == 1, "however many were refused"
    with at(2):
        run(world, service)
        assert (world.schedule(service).paused, alerts()) == ("", [])
    assert not Effect.objects.filter(state__in=[Effect.State.REFUSED, Effect.State.PARKED]).exists()
    if service == UPLOAD:
        assert not Shipment.objects.filter(uploaded_at=None).exists()
        assert len(world.shop.effects("refund")) == 1


@pytest.mark.parametrize(("side", "method", "service", "alert"), RECORDS)
def test_with_all_rights_it_is_about_the_record(
    world: World, side: str, method: str, service: Service, alert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world, method)
    with at(minutes=30):
        checks = refuse(world, monkeypatch, side, method, lost=False)
        run(world, service)
        assert world.schedule(service).paused == "" and alert in alerts()
        assert len(checks) == 1
