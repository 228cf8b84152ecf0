"""What is forgotten, and what never is."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Account
from alerts.models import Alert
from carts.models import DryOrder, DryRun
from integration_manager import tenancy
from orders import retention
from orders.models import Exchange, SkippedOrder
from orders.retention import sweep
from tests.world import World

NOW = datetime(2026, 3, 1, 2, 17, tzinfo=UTC)


def exchange(at: datetime) -> Exchange:
    """One stored exchange."""
    return Exchange.objects.create(at=at, method="GET", url="https://shop.example/orders", seconds=0.1)


def test_exchanges_go_after_thirty_days(world: World) -> None:
    old, young = exchange(NOW - timedelta(days=30, seconds=1)), exchange(NOW - timedelta(days=30))
    with tenancy.activate(Account.objects.create(name="Another").pk):
        exchange(NOW - timedelta(days=31))
    assert sweep_outside()["orders_exchange"] == 2
    assert list(Exchange.objects.values_list("pk", flat=True)) == [young.pk]
    assert old.pk != young.pk


def test_exchanges_go_batch_by_batch_up_to_the_first_young_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    ages = (40, 40, 1, 40, 40, 35, 31, 2, 2, 2)  # the clock was wrong for a moment
    made = [exchange(NOW - timedelta(days=age)) for age in ages]
    assert sweep_outside()["orders_exchange"] == 6
    young = [row.pk for row, age in zip(made, ages, strict=True) if age < 30]
    assert list(Exchange.objects.order_by("id").values_list("pk", flat=True)) == young


def test_an_open_alert_and_one_that_only_a_person_can_end_stay_however_old(world: World) -> None:
    past = NOW - timedelta(days=400)
    fields = {"kind": "unreachable", "message": "x", "first_seen": past, "last_seen": past}
    Alert.objects.create(key="open", **fields)
    Alert.objects.create(key="resolved", resolved_at=past, **fields)
    Alert.objects.create(key="dismissed", dismissed_at=past, **fields)
    Alert.objects.create(key="file:1.csv", dismissed_at=past, **fields | {"kind": "file_unknown"})
    sweep_outside()
    assert set(Alert.objects.values_list("key", flat=True)) == {"open", "file:1.csv"}


@pytest.mark.parametrize(("days", "left"), [(59, 1), (61, 0)])
def test_skipped_orders_stay_sixty_days(world: World, days: int, left: int) -> None:
    SkippedOrder.objects.create(
        merchant=world.merchant,
        cart=world.cart,
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


def test_what_was_marked_as_handled_stays_so_without_what_the_shop_gave(world: World) -> None:
    old = NOW - timedelta(days=61)
    for key, reason in (("1", "handled"), ("2", "too_old")):
        SkippedOrder.objects.create(
            merchant=world.merchant, cart=world.cart, key=key, reason=reason, raw={"name": "Ada"}, seen_at=old
        )
    sweep_outside()
    assert list(SkippedOrder.objects.values_list("key", "raw")) == [("1", None)]


def test_a_dry_run_goes_with_its_orders(world: World) -> None:
    old = NOW - timedelta(days=9)
    dry = DryRun.objects.create(cart=world.cart, earliest=old.date(), started_by="x", started_at=old)
    DryOrder.objects.create(dry_run=dry, key="1", number="1", verdict="send", seen_at=old)
    young = DryRun.objects.create(
        cart=world.cart, earliest=old.date(), started_by="x", started_at=NOW, state=DryRun.State.DONE
    )
    sweep_outside()
    assert list(DryRun.objects.values_list("pk", flat=True)) == [young.pk]
    assert not DryOrder.objects.exists()
