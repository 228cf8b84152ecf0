"""P1, P2 and P4: orders from the shop to the warehouse and back, ours and bare in turn on twin systems."""

from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

from benchmarks.bare import TABLES, Bare
from benchmarks.goals import Result
from benchmarks.ground import Ground
from benchmarks.simulator import ROUNDS, Simulator
from benchmarks.tenant import Measured, Tenant
from merchants.models import Service

ORDERS = 1000


def measure(ground: Ground, simulator: Simulator) -> list[Result]:
    """Best of three for the ratios; the worst of three for the statements, which are no matter of luck."""
    database = ground.connect()
    with database, database.cursor() as cursor:
        cursor.execute(TABLES)
    ours, bare = [], []
    for number in ROUNDS:
        for side, life, into in (("bare", _bare, bare), ("ours", _ours, ours)):
            shop, wms = f"shop-{side}{number}", f"wms-{side}{number}"
            simulator.call(shop, "sell", ORDERS, 0.05)
            ground.settle()
            into.append(life(simulator, database, shop, wms))
            there = simulator.effects(wms, "order"), simulator.effects(shop, "shipment")
            assert there == (ORDERS, ORDERS), f"{side} brought {there} of {ORDERS} orders and parcels over"
        _say(number, bare[-1], ours[-1])
    database.close()
    first = _ratio("P1", "orders/s, download and delivery", bare, ours, _half)
    whole = _ratio("P2", "orders/s, download to upload", bare, ours, _whole)
    statements = max(sum(step.statements for step in steps) for steps in ours) / ORDERS
    counted = Result(
        "P4",
        "statements per order, whole life",
        f"{statements:.2f}",
        "",
        statements,
        6,
        4,
        more_is_better=False,
    )
    return [first, whole, counted]


def _half(steps: list[Measured]) -> float:
    return ORDERS / sum(step.seconds for step in steps[:2])


def _whole(steps: list[Measured]) -> float:
    return ORDERS / sum(step.seconds for step in steps)


def _ratio(
    goal: str,
    what: str,
    bare: list[list[Measured]],
    ours: list[list[Measured]],
    speed: Callable[[list[Measured]], float],
) -> Result:
    """The best of three on either side: what disturbs one round is not held against anybody."""
    best_bare, best_ours = max(map(speed, bare)), max(map(speed, ours))
    return Result(goal, what, f"{best_ours:.0f}/s", f"{best_bare:.0f}/s", best_ours / best_bare, 0.35, 0.5, " ×")


def _say(number: str, bare: list[Measured], ours: list[Measured]) -> None:
    """The four steps of a round: where the time went."""
    for name, b, o in zip(("download", "delivery", "confirm", "upload"), bare, ours, strict=True):
        print(
            f"  round {number}  {name:<9} ours {ORDERS / o.seconds:6.0f}/s  bare {ORDERS / b.seconds:6.0f}/s  "
            f"ratio {b.seconds / o.seconds:5.2f}  cpu {o.cpu / ORDERS * 1000:.2f} and {b.cpu / ORDERS * 1000:.2f} ms  "
            f"{o.statements / ORDERS:.2f} statements per order",
            flush=True,
        )


def _ours(simulator: Simulator, database: Any, shop: str, wms: str) -> list[Measured]:
    tenant = Tenant(f"{simulator.url}/{shop}", f"{simulator.url}/{wms}")
    steps = [tenant.run(Service.DOWNLOAD), tenant.run(Service.DELIVER)]
    simulator.call(wms, "pack_all")
    steps += [tenant.run(Service.SHIP_CONFIRM), tenant.run(Service.UPLOAD_SHIPMENTS)]
    confirmed = tenant.count("confirmed")
    assert confirmed == ORDERS, f"only {confirmed} of {ORDERS} orders are confirmed"
    return steps


def _bare(simulator: Simulator, database: Any, shop: str, wms: str) -> list[Measured]:
    loop = Bare(database, f"{simulator.url}/{shop}", f"{simulator.url}/{wms}")

    def timed(step: Callable[[], int]) -> Measured:
        began, cpu = perf_counter(), process_time()
        done = step()
        assert done == ORDERS, f"bare did {done} of {ORDERS}"
        return Measured(perf_counter() - began, process_time() - cpu)

    steps = [timed(loop.download), timed(loop.deliver)]
    simulator.call(wms, "pack_all")
    return [*steps, timed(loop.confirm), timed(loop.upload)]
