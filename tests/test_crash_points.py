"""Killed right after a call, or cut off during it: the engine, and two naive engines that must fail here.

If the naive ones passed, the crash test would prove nothing.
"""

import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from alerts.models import Alert
from integration_manager.kit.faults import Fault
from merchants.models import Schedule, Service
from orders import actions
from orders.models import Order, Status
from tests.crash import apart
from tests.crash.apart import KILLED
from tests.world import World, ago
from wms.systems.sandbox_wms import SandboxWms


def run_apart(world: World, *naive: str, crash_at: str = "") -> int:
    """One delivery in a process of its own; how that ended."""
    schedule = world.schedule(Service.DELIVER)
    schedule.token += 1
    Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=None)
    return apart.run_apart(world.account.pk, schedule, *naive, crash_at=crash_at)


def place(world: World, orders: int) -> None:
    for number in range(1, orders + 1):
        world.shop.place(number, ago(minutes=5))
    world.run(Service.DOWNLOAD)


def expire() -> None:
    """The leases of the dead end, long after what they had begun has settled."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET lease_until = now() - interval '1 s' WHERE status = 'sending'")


def sent(world: World) -> Counter[str]:
    return Counter(row["key"] for row in world.warehouse.effects("order"))


@pytest.mark.parametrize("naive", ["", "resend"])
def test_killed_after_the_call(world: World, naive: str) -> None:
    place(world, 5)
    assert run_apart(world, crash_at="after_send") == KILLED
    assert sent(world), "it died after a call"
    assert {order.status for order in world.orders()} == {Status.SENDING}
    for _ in range(5):  # a busy machine may be too slow to answer each look-up in time
        expire()
        assert run_apart(world, naive) == 0
        if {order.status for order in world.orders()} == {Status.AT_WMS}:
            break
    assert {order.status for order in world.orders()} == {Status.AT_WMS}
    assert (max(sent(world).values()) > 1) is bool(naive)
    assert len(sent(world)) == 5


@pytest.mark.parametrize("naive", ["", "look up at once"])
def test_cut_off_and_done_later(world: World, naive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The WMS cuts the connection and carries the request out two seconds later."""
    if naive:
        monkeypatch.setattr(SandboxWms, "settle", timedelta(0))
    place(world, 3)
    world.warehouse.faults.script("POST /v1/orders", Fault.LATE, times=3, seconds=2)
    began = time.monotonic()
    while Order.objects.exclude(status=Status.AT_WMS).exists():
        world.run(Service.DELIVER)
        assert time.monotonic() - began < 120
        time.sleep(0.1)
    time.sleep(max(0.0, 2.5 - (time.monotonic() - began)))
    assert (max(sent(world).values()) > 1) is bool(naive)
    assert len(sent(world)) == 3


def test_a_wms_that_cannot_be_asked(world: World) -> None:
    """What may have arrived waits for a person, and goes on as the person says. Nothing is sent twice."""
    world.wms.system = "sandbox_wms_blind"
    world.wms.save()
    place(world, 6)
    assert run_apart(world, crash_at="after_send") == KILLED
    expire()
    world.run(Service.DELIVER)
    parked = [order for order in world.orders() if order.status == Status.ERROR]
    assert parked and {order.error_code for order in parked} == {"outcome_unknown"}
    for order in parked:
        assert Alert.objects.filter(key=order.cause, resolved_at=None).count() == 1
        known = world.warehouse.refs.get(("C1", order.wms_ref))
        if known:
            actions.it_arrived(order, known[0], "p@example.com")
        else:
            actions.it_did_not(order, "p@example.com")
    world.run(Service.DELIVER)
    assert {order.status for order in world.orders()} == {Status.AT_WMS}
    assert sent(world) == dict.fromkeys((order.wms_ref for order in world.orders()), 1)
    assert not Alert.objects.filter(kind="outcome_unknown", resolved_at=None).exists()
