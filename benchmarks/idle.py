"""P5: what it costs to look at a cart in which nothing has changed."""

from benchmarks.goals import Result
from benchmarks.ground import Ground
from benchmarks.simulator import Simulator
from benchmarks.tenant import Tenant
from merchants.models import Service

TICK = 6  # statements of the claim that a tick does for all carts together


def measure(ground: Ground, simulator: Simulator) -> list[Result]:
    """Ten orders a minute apart; the last one is seen again at each look, as in life."""
    simulator.call("shop-ours0", "sell", 10, 60)
    tenant = Tenant(f"{simulator.url}/shop-ours0", f"{simulator.url}/wms-bare0")
    tenant.run(Service.DOWNLOAD)
    statements, requests = 0, 0
    tenant.run(Service.DOWNLOAD)  # finds everything known, and remembers that
    for _ in range(3):
        before = simulator.requests_of("shop-ours0")
        statements = max(statements, tenant.run(Service.DOWNLOAD).statements - TICK)
        requests = max(requests, simulator.requests_of("shop-ours0") - before - 1)  # less the question itself
    assert requests == 1, f"{requests} requests for a cart in which nothing has changed"
    said = f"{statements}, {requests} request"
    what = "statements, cart unchanged"
    return [Result("P5", what, said, "", statements, 6, 4, more_is_better=False)]
