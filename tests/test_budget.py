"""How many SQL statements and requests each service may take: what creeps in fails here, not in production.

The figures are those of `make bench` P4 and P5, on small numbers and without a clock.
"""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from integration_manager import tenancy
from integration_manager.kit import clock
from merchants import schedules
from merchants.models import Schedule, Service
from orders import jobs
from orders.models import Event, Status
from tests.statements import counted
from tests.world import World, ago

PAGE = 100


def spent(world: World, service: Service) -> list[str]:
    """The statements of one run, with those that activate its tenant."""
    schedule = world.schedule(service)
    schedule.token += 1
    lease = Now() + timedelta(seconds=schedules.LEASE)
    Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=lease)
    with counted() as sent, tenancy.activate(world.account.pk):
        jobs.run_schedule(schedule.pk, schedule.token)
    schedule.refresh_from_db()
    assert schedule.problem == ""
    return sent


def place(world: World, count: int) -> None:
    """Orders of some hours ago, a second apart."""
    for number in range(1, count + 1):
        world.shop.place(number, ago(seconds=7200 - number))


def shown(statements: list[str]) -> str:
    """For a test that fails: what was sent, how often."""
    return "\n".join(f"{n} × {' '.join(sql.split())[:110]}" for sql, n in Counter(statements).most_common())


def test_looking_at_an_unchanged_cart(world: World) -> None:
    place(world, 3)
    spent(world, Service.DOWNLOAD)
    before = len(world.shop.journal)
    sent = spent(world, Service.DOWNLOAD)
    assert len(sent) <= 5, shown(sent)
    assert len(world.shop.journal) - before == 1
    sent = spent(world, Service.DOWNLOAD)  # the page's mark is known now: not even looked up
    assert len(sent) <= 4, shown(sent)


def test_a_change_is_seen_behind_a_page_that_was_known(world: World) -> None:
    place(world, 3)
    for _ in range(3):
        spent(world, Service.DOWNLOAD)
    shop: Any = world.shop
    row = shop.orders.get("3")
    shop.orders.put("3", {**row, "note": "changed, and the time of the change is the old one"})
    spent(world, Service.DOWNLOAD)
    kinds = Event.objects.filter(order_id=world.orders()[2].pk).values_list("kind", flat=True)
    assert sorted(kinds) == ["changed", "loaded"]


def test_a_page_of_new_orders(world: World) -> None:
    world.shop.place(1, ago(seconds=7200))
    first = spent(world, Service.DOWNLOAD)
    place(world, PAGE)  # the first order, edited, among them
    sent = spent(world, Service.DOWNLOAD)
    assert len(world.orders()) == PAGE
    assert len(sent) <= len(first) + 20, shown(sent)
    assert len(sent) <= 0.5 * PAGE, shown(sent)


def test_many_pages_cost_by_the_page(world: World) -> None:
    place(world, 5 * PAGE)
    sent = spent(world, Service.DOWNLOAD)
    assert len(world.orders()) == 5 * PAGE
    # Per page (there are 6, since each begins with the last one's last row): what we know of it, the rules'
    # mark, orders, details, lines, events, two wakes, cursor. Besides: tenant, schedule, WMS, rules, kits, new
    # ship codes, run, finish.
    assert len(sent) <= 6 * 9 + 11, shown(sent)


def test_a_whole_life(world: World) -> None:
    place(world, PAGE)
    sent = {service: spent(world, service) for service in (Service.DOWNLOAD, Service.DELIVER)}
    assert {order.status for order in world.orders()} == {Status.AT_WMS}
    warehouse: Any = world.warehouse
    for number, order in enumerate(world.orders()):
        warehouse.pack(order.wms_key, at=ago(seconds=7200 - number))
    sent |= {service: spent(world, service) for service in (Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS)}
    assert {order.status for order in world.orders()} == {Status.CONFIRMED}
    each = {service.value: len(statements) / PAGE for service, statements in sent.items()}
    said = "\n".join(f"── {service}\n{shown(statements)}" for service, statements in sent.items())
    assert each["download"] <= 0.3, said
    # One by one at worst: how many results are recorded together is a matter of threads.
    assert each["deliver"] <= 1.5, said
    assert each["ship_confirm"] <= 0.4, said
    assert each["upload_shipments"] <= 3.2, said
    assert sum(each.values()) <= 4, said


@pytest.mark.parametrize("due", [0, 40])
def test_a_tick(world: World, due: int) -> None:
    for _ in range(due):
        world.merchant.pk = None
        world.merchant.public_id = f"m{_}"
        world.merchant.code = f"M{_}"
        world.merchant.save(force_insert=True)
        Schedule.objects.create(
            merchant=world.merchant, service=Service.DELIVER, every=300, next_run=ago(seconds=_ + 1)
        )
    with counted() as sent, tenancy.everyone("tick"):
        claimed = schedules.claim_due(clock.now(), 100)
    assert len(claimed) == due
    # However much is due: in, the role, a look, the claim if there is any, the role back, out.
    assert len(sent) == (6 if due else 5), shown(sent)
