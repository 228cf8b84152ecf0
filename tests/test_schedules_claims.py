"""Who runs what is due: fairness between accounts, several ticks at once, leases that fence."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Account
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants import schedules
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import claim_due
from orders import jobs

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def account(name: str, due: int, **fields: Any) -> Account:
    """An account with so many due schedules, the first of them due the longest."""
    made = Account.objects.create(name=name, timezone="UTC", **fields)
    with tenancy.activate(made.pk):
        for n in range(due):
            merchant = Merchant.objects.create(name=f"{name} {n}", code=str(n))
            Schedule.objects.create(
                merchant=merchant, service=Service.DELIVER, every=300, next_run=NOW - timedelta(seconds=due - n)
            )
    return made


def claimed(limit: int, now: datetime = NOW, places: int = 0) -> list[schedules.Due]:
    with tenancy.everyone("a test"):
        return claim_due(now, limit, places)


def only(account: Account) -> Schedule:
    with tenancy.activate(account.pk):
        return Schedule.objects.get()


def in_the_database(sql: str) -> None:
    with tenancy.everyone("a test"), connection.cursor() as cursor:
        cursor.execute(sql)


LEASES_EXPIRE = "UPDATE merchants_schedule SET lease_until = now() - interval '1 second'"


# ── what is due ──


def test_what_is_due_is_claimed_with_a_token_and_a_lease() -> None:
    one = account("One", 1)
    (due,) = claimed(10)
    schedule = only(one)
    assert due == schedules.Due(schedule.pk, one.pk, 1)
    assert schedule.lease_until is not None and schedule.lease_until > datetime.now(UTC) + MINUTE
    assert claimed(10) == [], "it is leased"


def test_what_is_not_due_off_or_paused_is_left() -> None:
    one = account("One", 3)
    with tenancy.activate(one.pk):
        first, second, third = Schedule.objects.order_by("id")
        Schedule.objects.filter(pk=first.pk).update(next_run=NOW + timedelta(seconds=1))
        schedules.set_frequency(second, NOW, every=0)
        schedules.pause([third])
    assert claimed(10) == []
    assert [due.schedule_id for due in claimed(10, NOW + MINUTE)] == [first.pk]


def test_a_suspended_account_does_not_run_neither_its_claims_nor_its_messages() -> None:
    one = account("One", 1, suspended_at=NOW)
    assert claimed(10) == []
    schedule = only(one)
    with tenancy.activate(one.pk), clock.frozen(NOW):
        assert jobs.run_schedule(schedule.pk, schedule.token) is None
    assert only(one).finished_at is None


def test_nothing_is_claimed_where_there_is_no_room() -> None:
    account("One", 1)
    assert claimed(0) == []
    assert claimed(-3) == []


# ── fairness ──


def test_accounts_take_turns() -> None:
    big, small = account("Big", 12), account("Small", 2)
    taken = Counter(due.account_id for due in claimed(8))
    assert taken == {big.pk: 6, small.pk: 2}, "the small one is not behind the big one's queue"


def test_no_account_has_more_than_a_quarter_while_others_wait() -> None:
    big = account("Big", 12)
    others = [account(f"Other {n}", 2) for n in range(6)]
    taken = Counter(due.account_id for due in claimed(8))
    assert taken[big.pk] <= 2
    assert all(taken[other.pk] >= 1 for other in others)


def test_alone_an_account_may_have_all() -> None:
    big = account("Big", 12)
    assert Counter(due.account_id for due in claimed(8)) == {big.pk: 8}


def test_what_an_account_runs_already_counts_among_its_quarter() -> None:
    big, others = account("Big", 12), [account(f"Other {n}", 4) for n in range(4)]
    for _ in range(2):
        claimed(4, places=8)
    held: Counter[int] = Counter()
    with tenancy.everyone("a test"):
        for schedule in Schedule.objects.filter(lease_until__isnull=False):
            held[schedule.account_id] += 1
    assert sum(held.values()) == 8
    assert held[big.pk] <= 2
    assert all(held[other.pk] >= 1 for other in others)


def test_a_long_line_of_one_account_hides_nobody() -> None:
    """More than a claim looks at: the others are found behind it."""
    big, small = account("Big", 150), account("Small", 1)
    taken = Counter(due.account_id for due in claimed(4))
    assert taken == {big.pk: 3, small.pk: 1}
    assert len(claimed(140)) == 140, "and alone it may have what is left"


def test_of_a_suspended_accounts_long_line_nothing_is_taken() -> None:
    account("Big", 150, suspended_at=NOW)
    small = account("Small", 1)
    assert [due.account_id for due in claimed(4)] == [small.pk]


def test_within_an_account_what_waits_longest_comes_first() -> None:
    one = account("One", 4)
    with tenancy.activate(one.pk):
        longest = list(Schedule.objects.order_by("next_run").values_list("pk", flat=True)[:2])
    assert sorted(due.schedule_id for due in claimed(2)) == sorted(longest)


# ── several ticks, leases ──


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_share_the_work_and_do_not_wait_for_each_other() -> None:
    account("One", 6)
    second: list[schedules.Due] = []

    def tick() -> None:
        try:
            second.extend(claimed(4))
        finally:
            connection.close()

    with tenancy.everyone("a test"), transaction.atomic():
        first = claim_due(NOW, 3)  # its rows are locked until the end of this block
        thread = threading.Thread(target=tick)
        thread.start()
        thread.join(60)
        assert not thread.is_alive(), "the second tick waits for the first"
    ids = [due.schedule_id for due in [*first, *second]]
    assert (len(first), len(second)) == (3, 3)
    assert len(set(ids)) == 6


def test_an_expired_lease_is_claimed_again_with_a_higher_token() -> None:
    one = account("One", 1)
    claimed(1)
    in_the_database(LEASES_EXPIRE)
    assert [due.token for due in claimed(1)] == [2]
    assert only(one).token == 2


def test_a_stale_token_can_neither_run_nor_renew_nor_finish() -> None:
    one = account("One", 1)
    claimed(1)
    in_the_database(LEASES_EXPIRE)
    claimed(1)
    with tenancy.activate(one.pk), clock.frozen(NOW):
        before = Schedule.objects.values().get()
        schedule = Schedule.objects.get()
        assert jobs.run_schedule(schedule.pk, 1) is None
        assert schedules.renew(schedule.pk, 1) is False
        assert schedules.finish(schedule, 1, NOW + MINUTE, NOW, problem="") is False
        assert Schedule.objects.values().get() == before
        assert schedules.renew(schedule.pk, 2) is True


def test_leases_go_by_the_databases_clock_and_not_by_business_time() -> None:
    account("One", 1)
    claimed(1)
    assert claimed(1, NOW + timedelta(days=30)) == []


# ── wake, pause, run now ──


def automatic(started: datetime | None = None, **fields: Any) -> Schedule:
    one = account("One", 1)
    with tenancy.activate(one.pk):
        values = {"automatic": True, "next_run": NOW + timedelta(minutes=5), "started_at": started, **fields}
        Schedule.objects.update(**values)
        return Schedule.objects.get()


def woken(schedule: Schedule, now: datetime) -> datetime | None:
    with tenancy.activate(schedule.account_id):
        schedules.wake(Service.DELIVER, now, merchant_id=schedule.merchant_id)
        schedule.refresh_from_db()
        return schedule.next_run


def test_new_data_wakes_an_automatic_service_at_once() -> None:
    assert woken(automatic(), NOW) == NOW
    assert claimed(1) != []


def test_it_keeps_the_gap_behind_its_last_start() -> None:
    started = NOW - timedelta(seconds=1)
    assert woken(automatic(started), NOW) == started + timedelta(seconds=schedules.GAP[Service.DELIVER])


def test_a_wake_never_puts_a_run_off() -> None:
    soon = NOW + timedelta(milliseconds=500)
    assert woken(automatic(NOW, next_run=soon), NOW) == soon


@pytest.mark.parametrize(
    "fields",
    [{"automatic": False}, {"paused": "person", "next_run": None}, {"paused": "auth"}, {"every": 0, "next_run": None}],
    ids=["by the clock", "paused", "refused", "off"],
)
def test_data_does_not_wake_what_is_not_automatic_or_not_running(fields: dict[str, Any]) -> None:
    schedule = automatic(**fields)
    assert woken(schedule, NOW) == schedule.next_run
    assert schedule.next_run != NOW


def test_new_data_does_not_hurry_a_service_that_has_just_failed() -> None:
    """Else every new order would be one more probe of a WMS that is down."""
    schedule = automatic(NOW - timedelta(seconds=30), failures=1, finished_at=NOW - timedelta(seconds=20))
    assert woken(schedule, NOW) == NOW + timedelta(seconds=40)


def finished(schedule: Schedule, started: datetime, **fields: Any) -> Schedule:
    """The schedule after a run that began at `started` and ends now, its next slot five minutes ahead."""
    with tenancy.activate(schedule.account_id):
        schedule.started_at = started
        schedules.finish(schedule, schedule.token, NOW + timedelta(minutes=5), NOW, **{"problem": "", **fields})
        schedule.refresh_from_db()
    return schedule


def test_woken_while_it_ran_it_runs_again_as_soon_as_its_gap_allows() -> None:
    began = NOW - timedelta(seconds=30)
    schedule = automatic()
    woken(schedule, NOW - timedelta(seconds=10))
    assert finished(schedule, began).next_run == NOW


def test_woken_just_after_its_start_it_still_keeps_the_gap() -> None:
    began = NOW - timedelta(seconds=1)
    schedule = automatic()
    woken(schedule, NOW)
    assert finished(schedule, began).next_run == began + timedelta(seconds=2)


def test_woken_before_its_start_it_has_seen_that_already() -> None:
    schedule = automatic()
    woken(schedule, NOW - timedelta(seconds=40))
    assert finished(schedule, NOW - timedelta(seconds=30)).next_run == NOW + timedelta(minutes=5)


def test_woken_while_it_failed_it_waits_a_minute() -> None:
    schedule = automatic()
    woken(schedule, NOW - timedelta(seconds=10))
    assert finished(schedule, NOW - timedelta(seconds=30), failures=1).next_run == NOW + MINUTE


def test_a_pause_that_begins_during_a_run_stays() -> None:
    schedule = automatic(failures=1)
    with tenancy.activate(schedule.account_id):
        schedules.pause([schedule])
    after = finished(schedule, NOW - MINUTE, paused="", failures=0)
    assert (after.paused, after.next_run) == ("person", None)


def test_a_frequency_that_is_set_during_a_run_counts_from_its_end() -> None:
    schedule = automatic(every=schedules.DAY)
    with tenancy.activate(schedule.account_id):
        schedules.set_frequency(Schedule.objects.get(), NOW - timedelta(seconds=5), every=300)
    assert finished(schedule, NOW - MINUTE).next_run == NOW


def test_resume_runs_at_once_and_only_what_is_on() -> None:
    one = account("One", 2)
    with tenancy.activate(one.pk):
        on, off = Schedule.objects.order_by("id")
        schedules.set_frequency(off, NOW, every=0)
        schedules.pause([on, off])
        schedules.resume([on, off], NOW)
    assert [due.schedule_id for due in claimed(10)] == [on.pk]


def run_now(schedule: Schedule) -> Schedule:
    with tenancy.activate(schedule.account_id):
        schedules.run_now(schedule, NOW)
        schedule.refresh_from_db()
    return schedule


def test_run_now_runs_at_once_and_ends_a_persons_pause() -> None:
    schedule = automatic(paused="person", next_run=None)
    assert (run_now(schedule).paused, schedule.next_run) == ("", NOW)
    assert len(claimed(1)) == 1


def test_run_now_where_credentials_were_refused_is_a_probe() -> None:
    schedule = automatic(paused="auth")
    assert (run_now(schedule).paused, schedule.next_run) == ("auth", NOW)
    assert len(claimed(1)) == 1


def test_run_now_of_what_is_off_does_nothing() -> None:
    assert run_now(automatic(every=0, next_run=None)).next_run is None


def test_switched_on_a_service_runs_at_once_switched_off_never() -> None:
    schedule = automatic(every=0, next_run=None)
    with tenancy.activate(schedule.account_id):
        schedules.set_frequency(schedule, NOW, every=300)
    assert len(claimed(1)) == 1
    with tenancy.activate(schedule.account_id):
        schedules.set_frequency(schedule, NOW, every=0)
    in_the_database(LEASES_EXPIRE)
    assert claimed(1, NOW + timedelta(days=1)) == []
