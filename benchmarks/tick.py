"""P7: the scheduler's claim at 100,000 schedules of 100 accounts: nothing due, and 350 due."""

from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

from django.db import connection

from accounts.models import Account
from benchmarks.goals import Result
from benchmarks.ground import Ground
from benchmarks.simulator import ROUNDS, Simulator
from carts.models import Cart
from integration_manager import tenancy
from merchants import schedules
from merchants.models import Merchant, Schedule, Service

ACCOUNTS, MERCHANTS, CARTS = 100, 10, 33  # with three services a cart and one a merchant: 100,000
DUE, TIMES = 350, 15
AT = datetime(2100, 1, 1, tzinfo=UTC)  # all schedules run after it, those that are due before it


def measure(ground: Ground, simulator: Simulator) -> list[Result]:
    """The median of some ticks in each of three rounds; the best round."""
    _fill(ground)
    empty, due = [], []
    for number in ROUNDS:
        ground.settle()
        empty.append(median(_tick(0) for _ in range(TIMES)))
        due.append(median(_tick_with_due() for _ in range(TIMES)))
        print(f"  round {number}  empty {empty[-1]:.2f} ms, {DUE} due {due[-1]:.1f} ms", flush=True)
    return [
        Result("P7", "ms, tick, 100,000 schedules, none due", "", "", min(empty), 2, 0.5, " ms", False),
        Result("P7", f"ms, the same, {DUE} due", "", "", min(due), 50, 20, " ms", False),
    ]


def _tick(expected: int) -> float:
    began = perf_counter()
    with tenancy.everyone("tick"):
        claimed = schedules.claim_due(AT, DUE)
    spent = perf_counter() - began
    assert len(claimed) == expected, f"{len(claimed)} claimed, {expected} were due"
    return spent * 1000


def _tick_with_due() -> float:
    with tenancy.everyone("tick"), connection.cursor() as cursor:
        # Others each time, spread over all accounts.
        cursor.execute(
            "UPDATE merchants_schedule SET next_run = %s, lease_until = NULL WHERE id IN "
            "(SELECT id FROM merchants_schedule WHERE every = 300 ORDER BY random() LIMIT %s)",
            [AT - timedelta(minutes=5), DUE],
        )
    spent = _tick(DUE)
    with tenancy.everyone("tick"), connection.cursor() as cursor:
        cursor.execute("UPDATE merchants_schedule SET next_run = %s WHERE next_run < %s", [AT + timedelta(days=1), AT])
    return spent


def _fill(ground: Ground) -> None:
    for number in range(ACCOUNTS):
        account = Account.objects.create(name=f"Account {number}", timezone="UTC")
        with tenancy.activate(account.pk):
            _fill_account(number)
    database = ground.connect()
    database.autocommit = True
    with database.cursor() as cursor:
        cursor.execute("UPDATE merchants_schedule SET next_run = NULL WHERE next_run < %s", [AT])
        cursor.execute("VACUUM ANALYZE merchants_schedule, accounts_account")
        cursor.execute("SELECT count(*) FROM merchants_schedule WHERE next_run > %s", [AT])
        (count,) = cursor.fetchone()
        assert count == ACCOUNTS * MERCHANTS * (3 * CARTS + 1), count
    database.close()


def _fill_account(number: int) -> None:
    merchants = [Merchant(name=f"M{n}", code=f"M{n}") for n in range(MERCHANTS)]
    Merchant.objects.bulk_create(merchants)
    carts = [
        Cart(
            merchant=merchant,
            system="sandbox_shop",
            name="Shop",
            number=n + 1,
            shop=f"{number}/{merchant.pk}/{n}",
            earliest_order_date=AT.date(),
        )
        for merchant in merchants
        for n in range(CARTS)
    ]
    Cart.objects.bulk_create(carts)
    whose: list[tuple[Merchant, Cart | None, Service]] = [(m, None, Service.DELIVER) for m in merchants]
    whose += [(cart.merchant, cart, service) for cart in carts for service in schedules.CART_SERVICES]
    Schedule.objects.bulk_create(
        Schedule(merchant=m, cart=cart, service=service, every=300, next_run=AT + timedelta(days=1))
        for m, cart, service in whose
    )
