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
KILLS = SECONDS // 2  # at least, for which a busy machine needs longer
PATIENCE = 5 * SECONDS
START = 120  # seconds that a slow machine may take until the first order has arrived
HEAL = 75 if SECONDS <= 60 else 240  # seconds without any progress after which nothing more is expected
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
    place(house, 1, 100)
    wait_until_it_works(house)
    placed, began = 100, time.monotonic()
    next_kill = began
    while (passed := time.monotonic() - began) < SECONDS or (house.killed < KILLS and passed < PATIENCE):
        wanted = min(ORDERS, 100 + int(ORDERS * passed / (SECONDS * 0.8)))
        place(house, placed + 1, wanted)
        placed = wanted
        if time.monotonic() >= next_kill:
            house.kill_one(dice)
            next_kill = time.monotonic() + dice.uniform(0.2, 0.8)
        house.keep_alive()
        time.sleep(0.05)
    for kind in ("shop", "wms"):
        for name in ACCOUNTS:
            house.sim(f"{kind}-{name}", "clear")
    states = heal(house, placed * len(ACCOUNTS))
    print(f"\n{house.killed} kills {dict(house.kills)}, {placed} orders each, {states}")
    for name in ACCOUNTS:
        judge(house, name, placed)
    assert {(state[1], state[2]) for state in states} == {("confirmed", "")}, states
    assert sum(state[3] for state in states) == placed * len(ACCOUNTS)
    assert house.killed >= KILLS


def place(house: House, first: int, last: int) -> None:
    """Orders with these numbers are placed in every shop."""
    for number in range(first, last + 1):
        at = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        for name in ACCOUNTS:
            house.sim(f"shop-{name}", "call", method="place", args=[number, at])


def wait_until_it_works(house: House) -> None:
    """Until a first order has arrived in each account: what is killed before that proves nothing."""
    until = time.monotonic() + START
    while len({state[0] for state in house.ask(STATES)}) < len(ACCOUNTS):
        assert time.monotonic() < until, "nothing works, though nothing was killed"
        time.sleep(0.5)


def heal(house: House, orders: int) -> list[tuple[Any, ...]]:
    """Waits until all these orders have ended, while anything moves on: the leases of the dead take long."""
    before, until = None, 0.0
    while True:
        house.keep_alive()
        states = house.ask(STATES)
        if states != before:
            before, until = states, time.monotonic() + HEAL
        all_there = sum(state[3] for state in states) >= orders
        if (all_there and all(state[1] == "confirmed" for state in states)) or time.monotonic() > until:
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
