"""U1, U2, U3, U6: pages, the export and a bulk action, in a database of a million orders in 50 accounts."""

import random
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any

from django.conf import settings
from django.test import Client

from alerts.models import Alert
from benchmarks import million
from benchmarks.goals import Result
from benchmarks.ground import Ground
from benchmarks.simulator import Simulator
from integration_manager import tenancy
from integration_manager.kit import clock
from orders import bulk_run, many, search
from orders.models import Order
from tests.desk import signed_in
from tests.statements import counted

LOOKED_AT = (0, 1, 2, 20, 45)  # accounts: the largest, the second, and some of the others
MERCHANTS = 12  # of each of these at most: the p95 of twenty pages would be the slowest of them, whatever was the cause
LISTED = (0, 1, 20)  # of these every filter of the list is asked for
ROUNDS = 2  # the first warms what a busy server has warm
SLOWEST = 4  # addresses that are named


@dataclass
class Asked:
    """One page that was asked for."""

    what: str
    address: str
    milliseconds: float
    statements: int


def measure(ground: Ground, simulator: Simulator) -> list[Result]:
    """Builds the database and asks for everything."""
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    connection = ground.connect()
    world = million.build(connection)
    connection.close()
    luck = random.Random(5)
    lists, orders, boards, alerts = [], [], [], []
    for number in LOOKED_AT:
        client = signed_in(world.owners[number])
        base = f"/a/{world.accounts[number].public_id}"
        if number in LISTED:
            lists += _ask(client, "list", _lists(world, number, base, luck))
        with tenancy.activate(world.accounts[number].pk):
            some = _some_orders(luck, 30)
        orders += _ask(client, "order", [f"{base}/orders/{order.public_id}/" for order in some])
        merchants = [f"?merchant={merchant.public_id}" for merchant in world.merchants[number][:MERCHANTS]]
        boards += _ask(client, "dashboard", [f"{base}/{query}" for query in ("", *merchants)])
        states = ("", "?state=resolved", "?state=dismissed", *merchants)
        alerts += _ask(client, "alerts", [f"{base}/alerts/{query}" for query in states])
    return [
        *_pages("U1", "order list, any filter, any depth", lists, 80, 40),
        *_pages("U2", "order page", orders, 80, 40),
        *_pages("U3", "dashboard", boards, 120, 60),
        *_pages("", "alerts", alerts, 80, 40),
        *_export(world),
        _bulk(world),
    ]


def _lists(world: million.World, number: int, base: str, luck: random.Random) -> list[str]:
    """The list with every filter alone and some together, at its beginning, deep in it, and back."""
    today = clock.now().date()
    merchant = luck.choice(world.merchants[number]).public_id
    cart = luck.choice(world.carts[number]).public_id
    with tenancy.activate(world.accounts[number].pk):
        some = _some_orders(luck, 6)
        cause = Alert.objects.filter(resolved_at=None).values_list("key", flat=True).first()
    week, month = today - timedelta(days=7), today - timedelta(days=60)
    filters = [
        "", f"merchant={merchant}", f"cart={cart}", f"cause={cause}", "country=GB", "country=IS", "country=ZZ",
        "method=LTL+Freight", "method=none", f"placed_from={week}", f"placed_to={month}",
        f"placed_from={month}&placed_to={week}", f"loaded_from={week}", f"loaded_to={month}", "loaded=today",
        "stuck=yes", *(f"state={state}" for state in search.STATES), f"state=error&merchant={merchant}",
        f"state=canceled&merchant={merchant}", f"state=held&cart={cart}", f"merchant={merchant}&country=NO",
        f"state=confirmed&method=DHL+Express&placed_to={month}", f"q={some[0].cust_po_no}", "q=n000", "q=whitfield",
        "q=dana+whitfield", f"q=ruiz{some[0].pk}", "q=sku-17", "q=1z0000", "q=nothing-like-it", "q=sku-17&state=error",
    ]  # fmt: skip
    deep = [f"&{way}={order.public_id}" for order, way in zip(some, ("after", "before", "after"), strict=False)]
    sorts = ("", "&sort=placed", "&sort=loaded-first", "&sort=placed-first")
    found = [f"{base}/orders/?state=&{query}{sort}" for query in filters for sort in sorts]
    return found + [f"{base}/orders/?{query or 'state='}{luck.choice(sorts)}{way}" for query in filters for way in deep]


def _some_orders(luck: random.Random, number: int) -> list[Order]:
    newest = Order.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    found = [Order.objects.filter(pk__gte=luck.randrange(newest)).order_by("pk").first() for _ in range(number)]
    return [order for order in found if order is not None]


def _ask(client: Client, what: str, addresses: Iterable[str]) -> list[Asked]:
    found: list[Asked] = []
    for address in addresses:
        for _ in range(ROUNDS):
            with counted() as statements:
                began = perf_counter()
                answer = client.get(address)
                spent = (perf_counter() - began) * 1000
            assert answer.status_code == 200, f"{address}: {answer.status_code}"
        found.append(Asked(what, address, spent, len(statements)))
    return found


def _pages(goal: str, what: str, asked: list[Asked], gate: float, aim: float) -> list[Result]:
    times = sorted(one.milliseconds for one in asked)
    p95, median = times[int(len(times) * 0.95)], times[len(times) // 2]
    print(f"  {what}: {len(asked)} asked, median {median:.0f}, p95 {p95:.0f}, most {times[-1]:.0f} ms", flush=True)
    for one in sorted(asked, key=lambda one: -one.milliseconds)[:SLOWEST]:
        print(f"    {one.milliseconds:4.0f} ms, {one.statements} queries  {one.address}", flush=True)
    queries = max(one.statements for one in asked)
    return [
        Result(goal, f"ms, p95, {what}", f"{median:.0f} median", "", p95, gate, aim, " ms", False),
        Result(goal, f"queries, {what}", "", "", queries, 12, 8, "", False),
    ]


def _export(world: million.World) -> list[Result]:
    """The largest account's orders as a file, with all columns; how much the process grows by it."""
    client = signed_in(world.owners[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, rows = perf_counter(), 0
    for piece in client.get(f"/a/{world.accounts[0].public_id}/orders/export/?state=confirmed"):
        rows += piece.count(b"\r\n")
    spent = perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"  export: {rows - 1:,} orders in {spent:.1f} s, {grown:.0f} MB more", flush=True)
    per = spent * 100_000 / max(1, rows - 1)
    return [
        Result("U6", "s, CSV of 100,000 orders", f"{rows - 1:,} orders", "", per, 30, 10, " s", False),
        Result("U6", "MB more in memory", "", "", grown, 150, 50, " MB", False),
    ]


def _bulk(world: million.World) -> Result:
    """Cancel Sending of what could be sent, at most 10,000 of an account; half of what is taken cannot."""
    account, owner = world.accounts[0], world.owners[0]
    with tenancy.activate(account.pk):
        rows = Order.objects.exclude(status="confirmed").order_by("-pk")[:10_000].values("pk")
        began = perf_counter()
        hint, bulk_run.hint = bulk_run.hint, lambda *ids: None
        try:
            bulk = bulk_run.begin(
                Order.objects.filter(pk__in=rows), many.KINDS["cancel_sending"], owner, "bench", "bench", clock.now()
            )
            while bulk.state == "running":
                bulk_run.carry_on(bulk.pk)
                bulk.refresh_from_db()
        finally:
            bulk_run.hint = hint
        spent: Any = perf_counter() - began
    print(f"  bulk action: {bulk.total:,} orders, {bulk.done:,} done, {spent:.1f} s", flush=True)
    return Result("", f"s, bulk action on {bulk.total:,} orders", "", "", spent, 60, 20, " s", False)
