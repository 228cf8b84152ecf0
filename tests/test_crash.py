"""SIGKILL for workers, beat, Redis and PostgreSQL, from a seed, while orders flow. The simulator's books judge.

IM_SOAK_SECONDS (`make soak`) kills for longer, over more orders. IM_CRASH_SEED chooses other dice.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.crash.house import House

SECONDS = int(os.environ.get("IM_SOAK_SECONDS", "60"))
SEED = int(os.environ.get("IM_CRASH_SEED", "1"))
ORDERS = 18 * SECONDS  # of each account
HEAL = 75 if SECONDS <= 60 else 240  # seconds until everything has ended right
ACCOUNTS = {"oak": "sandbox_wms", "elm": "sandbox_wms_key"}
STATES = """SELECT a.name, o.status, o.error_code, count(*) FROM orders_order o
            JOIN accounts_account a ON a.id = o.account_id GROUP BY 1, 2, 3 ORDER BY 1, 2"""


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """An installation of its own, apart from the other tests' services."""
    monkeypatch.delenv("IM_DATA")
    made = House(ACCOUNTS)
    try:
        made.open()
        yield made
    finally:
        made.close()


def test_nothing_is_lost_and_nothing_is_sent_twice(house: House) -> None:
    dice = random.Random(SEED)
    placed, began = 0, time.monotonic()
    next_kill = began + 5
    while (passed := time.monotonic() - began) < SECONDS:
        wanted = min(ORDERS, 100 + int(ORDERS * passed / (SECONDS * 0.8)))
        for number in range(placed + 1, wanted + 1):
            at = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
            for name in ACCOUNTS:
                house.sim(f"shop-{name}", "call", method="place", args=[number, at])
        placed = wanted
        if time.monotonic() >= next_kill:
            house.kill_one(dice)
            next_kill = time.monotonic() + dice.uniform(0.2, 0.8)
        house.keep_alive()
        time.sleep(0.05)
    for kind in ("shop", "wms"):
        for name in ACCOUNTS:
            house.sim(f"{kind}-{name}", "clear")
    states = heal(house)
    print(f"\n{sum(house.kills.values())} kills {dict(house.kills)}, {placed} orders each, {states}")
    for name in ACCOUNTS:
        judge(house, name, placed)
    assert {(state[1], state[2]) for state in states} == {("confirmed", "")}, states
    assert sum(state[3] for state in states) == placed * len(ACCOUNTS)
    assert sum(house.kills.values()) >= SECONDS / 2


def heal(house: House) -> list[tuple[Any, ...]]:
    """Waits until every order has ended, at most as long as the leases of the dead last."""
    until = time.monotonic() + HEAL
    while True:
        house.keep_alive()
        states = house.ask(STATES)
        if all(state[1] == "confirmed" for state in states) or time.monotonic() > until:
            return states
        time.sleep(1)


def judge(house: House, name: str, placed: int) -> None:
    """What the simulator's books say of one account: each order once, each parcel told once."""
    taken = Counter(row["said"]["order_number"] for row in house.sim(f"wms-{name}", "effects?kind=order"))
    twice = {number: n for number, n in taken.items() if n > 1}
    assert not twice, f"{name}: sent twice: {twice}"
    left = [row["parcel"] for row in house.sim(f"wms-{name}", "effects?kind=parcel")]
    told = Counter(row["reference"] for row in house.sim(f"shop-{name}", "effects?kind=shipment"))
    twice = {parcel: n for parcel, n in told.items() if n > 1}
    assert not twice, f"{name}: the shop was told twice: {twice}"
    assert len(taken) == placed, f"{name}: {placed - len(taken)} orders were lost"
    assert set(left) == set(told), f"{name}: parcels that the shop does not know: {set(left) - set(told)}"
