"""`python -m tests.crash.simulator PORT NAME…`: a shop and a warehouse for each name, with its journal.

Every fault that a network and a bad day have, at rates that no real system would survive.
"""

import sys

from integration_manager.im.simulate import FIXTURES
from integration_manager.kit.fake_server import Server
from integration_manager.kit.simulator import Fake, load_fake

LATE = (0.2, 2.5)  # longer than the time-out of a call, shorter than time-out and settle
FAULTS = {
    "wms": {
        "POST /v1/orders": {
            "drop_after": 0.10, "late": 0.06, "late_hang": 0.01, "error": 0.04, "error_after": 0.04,
            "truncated": 0.02, "garbage": 0.01, "drop": 0.02, "limited_bare": 0.003, "twice": 0.01,
        },
        "GET /*": {"error": 0.02, "drop": 0.02, "garbage": 0.01},
    },
    "shop": {
        "POST /api/orders/*": {"drop_after": 0.08, "late": 0.04, "error": 0.04, "error_after": 0.03, "drop": 0.02},
        "GET /*": {"error": 0.01, "drop": 0.02, "truncated": 0.01},
    },
}  # fmt: skip


def main(port: int, names: list[str]) -> None:
    """Serves until it is told to stop."""
    fakes: dict[str, Fake] = {}
    for number, name in enumerate(names):
        for kind, faults in FAULTS.items():
            fake = load_fake(FIXTURES / f"sandbox_{kind}")(name, seed=number)
            if kind == "wms":
                fake.live(0.5, 2)  # packs soon, some orders in two parcels
            for match, rates in faults.items():
                fake.faults.plan(rates, match=match, late=LATE)
            fakes[f"/{kind}-{name}"] = fake
    Server(fakes, port=port, ticking=True).run(lambda: print("ready", flush=True))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
