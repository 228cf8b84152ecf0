"""When a service runs: its intervals, its slots, the hour of a day with and without a change of clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from carts.systems import registry
from carts.views import switching
from merchants import frequencies
from merchants.models import Schedule, Service
from merchants.schedules import DAY, HOUR, MINUTE, choices, next_slot, sweep

SPREAD = timedelta(minutes=15)  # daily jobs do not all start on the hour
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def schedule(every: int, pk: int = 7, **fields: object) -> Schedule:
    return Schedule(pk=pk, service=Service.DOWNLOAD, every=every, **fields)


# ── what is offered ──


@pytest.mark.parametrize(
    ("service", "least"),
    [
        (Service.DOWNLOAD, 5 * MINUTE),
        (Service.DELIVER, 5 * MINUTE),
        (Service.SHIP_CONFIRM, 15 * MINUTE),
        (Service.UPLOAD_SHIPMENTS, 15 * MINUTE),
        (Service.INVENTORY, HOUR),
        (Service.UPLOAD_INVENTORY, HOUR),
    ],
)
def test_a_service_is_offered_the_products_steps_from_its_minimum_on(service: Service, least: int) -> None:
    steps = [m * MINUTE for m in (5, 10, 15, 30)] + [h * HOUR for h in (1, 2, 4, 6, 12, 24)]
    assert choices(service) == [step for step in steps if step >= least]


def test_a_connector_may_allow_a_shorter_interval_and_never_forces_a_longer_one() -> None:
    assert choices(Service.INVENTORY, timedelta(seconds=5))[:2] == [5, 5 * MINUTE]
    assert choices(Service.DOWNLOAD, timedelta(hours=3)) == choices(Service.DOWNLOAD)


def test_automatic_is_offered_where_new_data_comes_from_ourselves() -> None:
    def has_automatic(service: Service) -> bool:
        return (frequencies.AUTO, "Automatic") in frequencies.options(service)

    assert {s for s in Service if has_automatic(s)} == {
        Service.DELIVER,
        Service.UPLOAD_SHIPMENTS,
        Service.UPLOAD_INVENTORY,
        Service.PURCHASES,
        Service.RECEIVING,
    }
    assert [sweep(s) for s in (Service.DELIVER, Service.UPLOAD_INVENTORY)] == [5 * MINUTE, HOUR]


def test_automatic_is_what_a_new_service_has_wherever_it_is_offered() -> None:
    """But for stock, which would overwrite the shop's own numbers: that is off until a person wants it."""
    system = registry().get("sandbox_shop")
    found = {service: switching.suggested(service, system) for service in Service}
    assert found.pop(Service.UPLOAD_INVENTORY) == frequencies.OFF
    for service, value in found.items():
        automatic = (frequencies.AUTO, "Automatic") in frequencies.options(service)
        assert (value == frequencies.AUTO) == automatic, service


@pytest.mark.parametrize("service", Service)
def test_every_choice_survives_being_chosen_and_shown(service: Service) -> None:
    flat = []
    for value, label in frequencies.options(service):
        flat += label if isinstance(label, list) else [(value, label)]
    for value, label in flat:
        chosen = Schedule(service=service, **frequencies.settings_of(value, service))
        assert frequencies.value_of(chosen) == value
        assert frequencies.words_of(chosen) == label


@pytest.mark.parametrize("value", ["299", "0", "86400-24", "86400--1", "auto", "x", ""])
def test_what_is_not_offered_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        frequencies.settings_of(value, Service.DOWNLOAD)


# ── slots ──


def test_slots_are_even_and_keep_their_phase() -> None:
    one = schedule(300)
    first = next_slot(one, NOON, "UTC")
    assert first is not None
    assert timedelta(0) < first - NOON <= timedelta(seconds=300)
    assert next_slot(one, first - timedelta(seconds=1), "UTC") == first
    assert next_slot(one, first, "UTC") == first + timedelta(seconds=300)
    assert next_slot(one, NOON + timedelta(days=3), "UTC") == first + timedelta(days=3)


def test_a_late_schedule_runs_once_and_not_once_per_missed_slot() -> None:
    one = schedule(300)
    late = NOON + timedelta(hours=9)
    following = next_slot(one, late, "UTC")
    assert following is not None
    assert late < following <= late + timedelta(seconds=300)


def test_many_schedules_spread_over_the_interval() -> None:
    slots = {next_slot(schedule(3600, pk=n), NOON, "UTC") for n in range(1000)}
    minutes = {slot.minute for slot in slots if slot}
    assert len(slots) > 700
    assert minutes == set(range(60))


def test_off_and_paused_have_no_slot() -> None:
    assert next_slot(schedule(0), NOON, "UTC") is None
    assert next_slot(schedule(300, paused=Schedule.Paused.PERSON), NOON, "UTC") is None


# ── once a day at an hour ──


def daily(hour: int, after: datetime, zone: str) -> tuple[datetime, timedelta]:
    """The next daily run in local time, and how far behind its hour the spread has put it."""
    one = schedule(DAY, at_hour=hour)
    slot = next_slot(one, after, zone)
    quiet = next_slot(one, datetime(2026, 1, 10, tzinfo=UTC), "UTC")  # a day on which nothing happens
    assert slot is not None and quiet is not None
    offset = quiet - quiet.replace(minute=0, second=0, microsecond=0)
    assert offset < SPREAD
    return slot.astimezone(ZoneInfo(zone)), offset


def test_daily_runs_at_the_hour_of_the_accounts_own_zone() -> None:
    for zone in ("America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland"):
        local, offset = daily(6, NOON, zone)
        assert (local.hour, local.minute) == (6, offset.seconds // 60), zone
        assert timedelta(0) < local - NOON <= timedelta(days=1)


def test_daily_runs_spread_over_the_first_quarter_of_their_hour() -> None:
    slots = [next_slot(schedule(DAY, pk=n, at_hour=3), NOON, "UTC") for n in range(500)]
    assert {slot.minute for slot in slots if slot} == set(range(15))


def test_after_a_daily_run_the_next_is_tomorrow_also_over_a_leap_day() -> None:
    local, offset = daily(5, datetime(2028, 2, 28, 12, tzinfo=UTC), "UTC")
    assert (local.month, local.day) == (2, 29)
    following = next_slot(schedule(DAY, at_hour=5), local, "UTC")
    assert following == datetime(2028, 3, 1, 5, tzinfo=UTC) + offset


@pytest.mark.parametrize(
    ("zone", "hour", "before", "first_minute"),
    [
        ("Europe/Berlin", 2, datetime(2026, 3, 28, 12, tzinfo=UTC), "2026-03-29T03:00:00+02:00"),
        ("America/New_York", 2, datetime(2026, 3, 7, 12, tzinfo=UTC), "2026-03-08T03:00:00-04:00"),
        ("America/Santiago", 0, datetime(2026, 9, 5, 12, tzinfo=UTC), "2026-09-06T01:00:00-03:00"),
        ("Australia/Lord_Howe", 2, datetime(2026, 10, 3, 3, tzinfo=UTC), "2026-10-04T02:30:00+11:00"),  # half an hour
    ],
)
def test_an_hour_that_the_night_skips_runs_at_the_next_valid_minute(
    zone: str, hour: int, before: datetime, first_minute: str
) -> None:
    local, offset = daily(hour, before, zone)
    assert local - offset == datetime.fromisoformat(first_minute)
    following = next_slot(schedule(DAY, at_hour=hour), local, zone)
    assert following is not None
    ordinary = following.astimezone(ZoneInfo(zone))
    assert (ordinary.day, ordinary.hour, ordinary.minute) == (local.day + 1, hour, offset.seconds // 60)


@pytest.mark.parametrize(
    ("zone", "hour", "before", "first"),
    [
        ("Europe/Berlin", 2, datetime(2026, 10, 24, 12, tzinfo=UTC), "2026-10-25T02:00:00+02:00"),
        ("America/New_York", 1, datetime(2026, 10, 31, 12, tzinfo=UTC), "2026-11-01T01:00:00-04:00"),
    ],
)
def test_an_hour_that_comes_twice_runs_once(zone: str, hour: int, before: datetime, first: str) -> None:
    local, offset = daily(hour, before, zone)
    # In UTC, since Python holds local times of a doubled hour to be equal to nothing.
    assert local.astimezone(UTC) - offset == datetime.fromisoformat(first)
    following = next_slot(schedule(DAY, at_hour=hour), local, zone)
    assert following is not None
    assert following - local == timedelta(hours=25)


def test_a_whole_year_of_days_has_one_run_each() -> None:
    zone, one = ZoneInfo("Europe/Berlin"), schedule(DAY, at_hour=2)
    slot, days = datetime(2027, 12, 31, 12, tzinfo=UTC), []
    for _ in range(366):  # 2028 is a leap year
        found = next_slot(one, slot, "Europe/Berlin")
        assert found is not None
        slot = found
        days.append(slot.astimezone(zone).date())
    assert len(set(days)) == 366
    assert (days[0].isoformat(), days[-1].isoformat()) == ("2028-01-01", "2028-12-31")
