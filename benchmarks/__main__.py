"""`make bench`: every goal, or those whose names are given (`make bench T="life tick"`)."""

import os
import sys
import time

from benchmarks.goals import Result, table
from benchmarks.ground import Ground
from benchmarks.simulator import Simulator

PARTS = ("life", "idle", "latency", "tick", "files", "large", "pages")


def main() -> int:
    """Runs them one after the other. Not 0 if a gate was missed."""
    import importlib

    wanted = sys.argv[1:] or list(PARTS)
    unknown = set(wanted) - set(PARTS)
    if unknown:
        print(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.")
        return 2
    began = time.monotonic()
    ground = Ground()
    results: list[Result] = []
    try:
        simulator = Simulator()
        try:
            for part in wanted:
                module = importlib.import_module(f"benchmarks.{part}")
                print(f"• {module.__doc__.splitlines()[0]}", flush=True)
                results += module.measure(ground, simulator)
        finally:
            simulator.stop()
    finally:
        ground.stop()
    print(f"\n{table(results)}\n")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load} (1, 5, 15 minutes), {time.monotonic() - began:.0f} s in all.")
    if os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1):  # we ourselves keep about one and a half busy
        print("Others work on this machine too: P6, P7 and P8 are absolute, so only a quiet one can judge them.")
    missed = [result.goal for result in results if not result.reaches(result.gate)]
    if missed:
        print(f"Missed: {', '.join(missed)}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
