"""What is forgotten, and what never is."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart, DryOrder, DryRun
from integration_manager import settings as house
from integration_manager import tenancy
from merchants.models import ReadFile, Schedule, Taken, Warehouse
from orders import expiry, forgetting, jobs, retention
from orders.intake import Intake
from orders.models import (
    BulkAction,
    BulkRow,
    Effect,
    Event,
    EventDetail,
    Exchange,
    LinePart,
    Order,
    OrderDetail,
    Run,
    Shipment,
    SkippedOrder,
    Status,
)
from orders.retention import sweep
from orders.storing import known_of
from orders.whynot import known_here
from tests import desk as desks
from tests.desk import Desk, make_order

pytestmark = pytest.mark.django_db
NOW = datetime(2031, 3, 1, 2, 17, tzinfo=UTC)
OLD = NOW - timedelta(days=731)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = desks.build(orders=0)
    with tenancy.activate(made.account.pk):
        Alert.objects.all().delete()
        yield made


def exchange(at: datetime) -> Exchange:
    """One stored exchange."""
    return Exchange.objects.create(at=at, method="GET", url="https://shop.example/orders", seconds=0.1)


def test_exchanges_go_after_thirty_days(desk: Desk) -> None:
    old, young = exchange(NOW - timedelta(days=30, seconds=1)), exchange(NOW - timedelta(days=30))
    with tenancy.activate(Account.objects.create(name="Another").pk):
        exchange(NOW - timedelta(days=31))
    assert sweep_outside()["orders_exchange"] == 2
    assert list(Exchange.objects.values_list("pk", flat=True)) == [young.pk]
    assert old.pk != young.pk


def test_exchanges_go_batch_by_batch_up_to_the_first_young_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    ages = (40, 40, 1, 40, 40, 35, 31, 2, 2, 2)  # the clock was wrong for a moment
    made = [exchange(NOW - timedelta(days=age)) for age in ages]
    assert sweep_outside()["orders_exchange"] == 6
    young = [row.pk for row, age in zip(made, ages, strict=True) if age < 30]
    assert list(Exchange.objects.order_by("id").values_list("pk", flat=True)) == young


def test_an_open_alert_and_one_that_only_a_person_can_end_stay_however_old(desk: Desk) -> None:
    past = NOW - timedelta(days=400)
    fields = {"kind": "unreachable", "message": "x", "first_seen": past, "last_seen": past}
    Alert.objects.create(key="open", **fields)
    Alert.objects.create(key="resolved", resolved_at=past, **fields)
    Alert.objects.create(key="dismissed", dismissed_at=past, **fields)
    Alert.objects.create(key="file:1.csv", dismissed_at=past, **fields | {"kind": "file_unknown"})
    sweep_outside()
    assert set(Alert.objects.values_list("key", flat=True)) == {"open", "file:1.csv"}


@pytest.mark.parametrize(("days", "left"), [(59, 1), (61, 0)])
def test_skipped_orders_stay_sixty_days(desk: Desk, days: int, left: int) -> None:
    SkippedOrder.objects.create(
        merchant=desk.merchants[0],
        cart=desk.carts[0],
        key="1",
        reason="too_old",
        message="Too old.",
        seen_at=NOW - timedelta(days=days),
    )
    sweep_outside()
    assert SkippedOrder.objects.count() == left


def sweep_outside() -> dict[str, int]:
    """The sweep, as the nightly task calls it."""
    return sweep(NOW)


def test_what_was_marked_as_handled_stays_so_without_what_the_shop_gave(desk: Desk) -> None:
    old = NOW - timedelta(days=61)
    for key, reason in (("1", "handled"), ("2", "too_old")):
        SkippedOrder.objects.create(
            merchant=desk.merchants[0], cart=desk.carts[0], key=key, reason=reason, raw={"name": "Ada"}, seen_at=old
        )
    sweep_outside()
    assert list(SkippedOrder.objects.values_list("key", "raw")) == [("1", None)]


def test_a_dry_run_goes_with_its_orders(desk: Desk) -> None:
    old = NOW - timedelta(days=9)
    dry = DryRun.objects.create(cart=desk.carts[0], earliest=old.date(), started_by="x", started_at=old)
    DryOrder.objects.create(dry_run=dry, key="1", number="1", verdict="send", seen_at=old)
    young = DryRun.objects.create(
        cart=desk.carts[0], earliest=old.date(), started_by="x", started_at=NOW, state=DryRun.State.DONE
    )
    sweep_outside()
    assert list(DryRun.objects.values_list("pk", flat=True)) == [young.pk]
    assert not DryOrder.objects.exists()


# ── orders ──


def done(desk: Desk, number: str, status: str = "confirmed", at: datetime = OLD, **fields: Any) -> Order:
    """One order that was done at that time, with a row in every table that belongs to it."""
    when = {"canceled": "canceled_at", "shipped": "shipped_at", "confirmed": "confirmed_at"}.get(status)
    made = make_order(desk.carts[0], number, status=status, created_at=at, **({when: at} if when else {}) | fields)
    event = Event.objects.create(order_id=made.pk, at=at, kind="edited")
    EventDetail.objects.create(event_id=event.pk, order_id=made.pk, changes={"note": ["", "x"]})
    LinePart.objects.create(order=made, position=1, number=1, line_id="1", item="A", quantity=1)
    Effect.objects.create(
        merchant=made.merchant, order=made, kind="refund", key="1", state="done", actor="x", created_at=at, retry_at=at
    )
    hall, _ = Warehouse.objects.get_or_create(merchant=made.merchant, name="Hall")
    Taken.objects.create(merchant=made.merchant, order=made, warehouse=hall, sku="A", quantity=1)
    return made


def numbers() -> list[str]:
    return list(Order.objects.order_by("cust_po_no").values_list("cust_po_no", flat=True))


def belonging() -> dict[str, str]:
    """The tables with rows of an order → the column that says of which."""
    found = {}
    for model in apps.get_models():
        for field in model._meta.get_fields():
            key = field.is_relation and field.many_to_one and field.related_model is Order
            if getattr(field, "column", "") and (key or field.name == "order_id"):
                found[model._meta.db_table] = field.column
    return found


def test_after_two_years_an_order_goes_with_all_that_is_its(desk: Desk) -> None:
    """In whatever table; a new one is among them by itself."""
    for number in ("A-1", "A-2"):
        done(desk, number, at=OLD if number == "A-1" else NOW - timedelta(days=729))
    kept = set(belonging()) - {"alerts_alert", "orders_bulkrow"}  # these have a time of their own
    assert kept == set(expiry.BELONGING)

    def rows() -> dict[str, int]:
        with tenancy.everyone("a test"), connection.cursor() as cursor:
            counts = {}
            for table in (*expiry.BELONGING, "orders_shipmentline", "orders_order"):
                cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 (names above)
                counts[table] = cursor.fetchone()[0]
            return counts

    before = rows()
    assert all(count and not count % 2 for count in before.values()), before
    assert expiry.expire(NOW) == 1
    assert rows() == {table: count // 2 for table, count in before.items()}
    assert numbers() == ["A-2"]


def test_what_is_not_finished_stays_however_old(desk: Desk, settings: Any) -> None:
    settings.IM_KEEP_DAYS = settings.IM_KEEP_DAYS | {"orders": 30}
    for status in Status:
        done(desk, status.value, status.value)
    waits = done(desk, "a parcel to be told", "shipped")
    Shipment.objects.filter(order=waits).update(uploaded_at=None)
    given_up = done(desk, "a parcel that was given up", "shipped")
    Shipment.objects.filter(order=given_up).update(uploaded_at=None, parked_at=OLD)
    asked = done(desk, "a refund under way")
    Effect.objects.filter(order=asked).update(state="waiting")
    told = done(desk, "somebody has to look")
    Alert.objects.create(kind="shipped_short", key="k", order_id=told.pk, message="x", first_seen=OLD, last_seen=OLD)
    Shipment.objects.filter(order__cust_po_no="shipped").update(uploaded_at=OLD)
    done(desk, "young", at=NOW - timedelta(days=29))
    assert expiry.expire(NOW) == 4
    open_ones = {status.value for status in Status} - {"shipped", "confirmed", "canceled"}
    assert set(numbers()) == open_ones | {"a parcel to be told", "a refund under way", "somebody has to look", "young"}
    Alert.objects.update(dismissed_at=NOW)
    Effect.objects.update(state="done")
    Schedule.objects.filter(service="upload_shipments").update(every=0)  # and nobody will ever tell the parcel
    assert expiry.expire(NOW) == 3
    assert set(numbers()) == open_ones | {"young"}


def revised(order: Order, key: str, revision: int) -> Order:
    """It is this revision of the order with this key at its source."""
    Order.objects.filter(pk=order.pk).update(cart_key=key, revision=revision)
    return order


def test_the_revisions_of_an_order_go_together(desk: Desk) -> None:
    """Also when the one that stays is the older one, or is looked at later."""
    for number, revision, at in (("A", 0, OLD), ("A", 1, OLD), ("B", 0, OLD), ("B", 1, NOW), ("C", 0, OLD)):
        revised(done(desk, f"{number}-{revision}", at=at), number, revision)
    told = revised(done(desk, "C-1"), "C", 1)
    other = desk.carts[1]  # of another merchant: another order, whatever its key
    revised(make_order(other, "A-other", status="held", created_at=OLD), "A", 2)
    older = Order.objects.get(cust_po_no="C-0")
    Alert.objects.create(kind="shipped_short", key="k", order_id=older.pk, message="x", first_seen=OLD, last_seen=OLD)
    assert expiry.expire(NOW) == 2
    assert numbers() == ["A-other", "B-0", "B-1", "C-0", "C-1"]
    assert known_of(Intake(told.merchant, told.cart), ["C"])[0]["C"][0] == told.pk
    Alert.objects.update(dismissed_at=NOW)
    assert expiry.expire(NOW) == 2
    assert numbers() == ["A-other", "B-0", "B-1"]


def test_what_is_gone_is_not_loaded_again_and_found_by_who_looks_for_it(desk: Desk) -> None:
    """Also not through another connection of the same shop; a person may load it anyway."""
    cart = desk.carts[0]
    done(desk, "A-1")
    expiry.expire(NOW)
    Cart.objects.filter(pk=cart.pk).update(archived_at=NOW)
    again = Cart.objects.get(pk=cart.pk)
    again.pk, again.public_id, again.number, again.archived_at = None, "again", 2, None
    again.save()
    for connected in (cart, again):
        known, over = known_of(Intake(desk.merchants[0], connected), ["A-1", "A-2"])
        assert (known, over) == ({}, {"A-1": "gone"})
    row = SkippedOrder.objects.get()
    assert (row.key, row.number, row.reason, row.raw) == ("A-1", "A-1", "gone", None)
    told = known_here(cart, "A-1")
    assert told is not None and told.title == "It was here once"
    owner = desk.client("owner")
    skipped = desk.url("orders/skipped/")
    assert "A-1" not in owner.get(skipped).content.decode(), "the list is of what one may want to know"
    for asked in ("?q=A-1", "?reason=gone"):
        page = owner.get(skipped + asked).content.decode()
        assert "removed after its time" in page and "Load anyway" in page
    sweep(NOW + timedelta(days=4000))
    assert SkippedOrder.objects.filter(reason="gone").exists(), "it is never forgotten that it was here"


def test_many_orders_of_many_accounts_go_in_small_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH", 2)
    monkeypatch.setattr(expiry, "SLICE", 3)
    other = desks.build("Eastport", orders=0)
    for number in range(5):
        done(desk, f"A-{number}")
        done(desk, f"open-{number}", "held")
    with tenancy.activate(other.account.pk):
        for number in range(3):
            done(other, f"B-{number}", "canceled")
    assert expiry.expire(NOW, until=time.monotonic()) == 0, "there was no time"
    assert expiry.expire(NOW) == 8
    assert numbers() == [f"open-{number}" for number in range(5)]


def test_retention_ends_with_its_time_and_goes_on_the_next_night(desk: Desk) -> None:
    exchange(NOW - timedelta(days=31))
    SkippedOrder.objects.create(
        merchant=desk.merchants[0], cart=desk.carts[0], key="1", reason="too_old", message="x", seen_at=OLD
    )
    assert not any(sweep(NOW, until=time.monotonic()).values())
    deleted = sweep(NOW)
    assert (deleted["orders_exchange"], deleted["orders_skippedorder"]) == (1, 1)


# ── what the operator sets ──


def test_each_kind_has_its_setting(desk: Desk, settings: Any) -> None:
    """Of two rows of each, one older than its days; neither is old enough for what is usual."""
    merchant, cart = desk.merchants[0], desk.carts[0]
    settings.IM_KEEP_DAYS = settings.IM_KEEP_DAYS | dict.fromkeys(
        ("orders", "timeline", "runs", "exchanges", "bulk", "skipped", "files", "alerts"), 10
    )
    Run.objects.all().delete()
    kept_open = make_order(cart, "open", status="held", created_at=NOW - timedelta(days=20))
    for days in (9, 11):
        at = NOW - timedelta(days=days)
        done(desk, f"A-{days}", at=at)
        exchange(at)
        Run.objects.create(
            merchant_id=merchant.pk, schedule_id=1, service="deliver", started_at=at, seconds=1, outcome="ok"
        )
        SkippedOrder.objects.create(merchant=merchant, cart=cart, key=str(days), reason="x", message="x", seen_at=at)
        ReadFile.objects.create(merchant=merchant, cart=cart, kind="orders", name="a", modified_at=at, read_at=at,
                                taken_at=at)  # fmt: skip
        Alert.objects.create(kind="x", key=str(days), message="x", first_seen=at, last_seen=at, resolved_at=at)
        bulk = BulkAction.objects.create(key=f"b{days}", action="resend", actor="x", state="done", created_at=at)
        BulkRow.objects.create(bulk=bulk, order_id=1, outcome="done", created_at=at)
    running = BulkAction.objects.create(key="running", action="resend", actor="x", created_at=OLD)
    BulkRow.objects.create(bulk=running, order_id=1, created_at=OLD)
    late = Event.objects.create(
        order_id=Order.objects.get(cust_po_no="A-9").pk, at=NOW - timedelta(days=11), kind="note"
    )
    EventDetail.objects.create(event_id=late.pk, order_id=late.order_id, changes={})
    expiry.expire(NOW)
    sweep(NOW)
    assert numbers() == ["A-9", "open"]
    left = {model.__name__: model.objects.count() for model in (Run, ReadFile, Alert, Event, EventDetail)}
    assert left == {"Run": 1, "ReadFile": 1, "Alert": 1, "Event": 3, "EventDetail": 1}
    assert set(Event.objects.values_list("order_id", flat=True)) == {kept_open.pk, late.order_id}, (
        "of what is open, all"
    )
    assert set(SkippedOrder.objects.values_list("key", flat=True)) == {"9", "A-11"}
    assert set(BulkAction.objects.values_list("key", flat=True)) == {"b9", "running"}
    assert BulkRow.objects.count() == 2
    assert not Exchange.objects.filter(at__lt=NOW - timedelta(days=10)).exists()
    assert OrderDetail.objects.count() == 2


@pytest.mark.parametrize(
    "value",
    [
        *("orders=0", "730", "order=10", "orders=x", "orders", "purchases=730"),
        *("runs=36501", "runs=" + "9" * 5000, "orders=179", "files=29", "skipped=29"),
    ],
)
def test_a_setting_that_makes_no_sense_stops_the_start(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IM_KEEP_DAYS", value)
    with pytest.raises(ImproperlyConfigured, match="IM_KEEP_DAYS"):
        house._kept_days("IM_KEEP_DAYS", house.KEPT, house.KEPT_AT_LEAST)
    monkeypatch.setenv("IM_KEEP_DAYS", "runs = 30, files=30, mails=36500")
    given = house._kept_days("IM_KEEP_DAYS", house.KEPT, house.KEPT_AT_LEAST)
    assert given == house.KEPT | {"runs": 30, "files": 30, "mails": 36_500}


def test_the_longest_time_that_can_be_set_can_be_reckoned_with(desk: Desk, settings: Any) -> None:
    settings.IM_KEEP_DAYS = dict.fromkeys(settings.IM_KEEP_DAYS, house.MOST_DAYS)
    settings.IM_PERSONAL_DAYS = {"": house.MOST_DAYS}
    done(desk, "A-1")
    assert not forgetting.forget(NOW) + expiry.expire(NOW) + sum(sweep_outside().values())
    assert numbers() == ["A-1"]


@pytest.mark.parametrize("broken", [{"forget"}, {"sweep"}, {"expire"}, {"forget", "sweep"}])
def test_each_part_of_the_night_is_done_although_another_failed(
    broken: set[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    came: list[str] = []

    def part(name: str) -> Any:
        def work(*_: Any) -> dict[str, int]:
            came.append(name)
            if name in broken:
                raise OverflowError(name)
            return {}

        return work

    monkeypatch.setattr(jobs, "close_old_connections", lambda: None)  # the test's transaction is on it
    monkeypatch.setattr(jobs.forgetting, "forget", part("forget"))
    monkeypatch.setattr(jobs, "sweep", part("sweep"))
    monkeypatch.setattr(jobs.expiry, "expire", part("expire"))
    with pytest.raises(OverflowError, match=min(broken, key=["forget", "sweep", "expire"].index)):
        jobs.nightly()
    assert came == ["forget", "sweep", "expire"]
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == len(broken)


def test_no_part_of_the_night_takes_the_time_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[float] = []

    def work(now: datetime, until: float) -> int:
        ends.append(until)
        passed[0] = until  # as long as it may
        return 0

    passed = [1000.0]
    monkeypatch.setattr(jobs, "close_old_connections", lambda: None)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    for module, name in ((jobs.forgetting, "forget"), (jobs, "sweep"), (jobs.expiry, "expire")):
        monkeypatch.setattr(module, name, work)
    jobs.nightly()
    assert ends == [1000 + jobs.PART, 1000 + 2 * jobs.PART, 1000 + 3 * jobs.PART]
