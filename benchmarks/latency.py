"""P6: a warehouse that answers after 100 ms, four calls at once: 40 orders/s is all there is."""

from benchmarks.goals import Result
from benchmarks.ground import Ground
from benchmarks.simulator import ROUNDS, Simulator
from benchmarks.tenant import Tenant
from merchants.models import Service

ORDERS, LATENCY, THREADS = 200, 0.1, 4


def measure(ground: Ground, simulator: Simulator) -> list[Result]:
    """Best of three."""
    limit = THREADS / LATENCY
    simulator.call("shop-bare0", "sell", ORDERS, 0.05)
    simulator.call("wms-ours0", "far_away", LATENCY)
    best = 0.0
    for number in ROUNDS:
        tenant = Tenant(f"{simulator.url}/shop-bare0", f"{simulator.url}/wms-ours0")
        tenant.run(Service.DOWNLOAD)
        speed = ORDERS / tenant.run(Service.DELIVER).seconds
        print(f"  round {number}  {speed:.1f} orders/s of {limit:.0f}", flush=True)
        best = max(best, speed)
    what = f"orders/s, {LATENCY * 1000:.0f} ms WMS, {THREADS} threads"
    return [Result("P6", what, f"{best:.1f}/s", f"{limit:.0f}/s", best / limit, 0.9, 0.95, " ×")]
