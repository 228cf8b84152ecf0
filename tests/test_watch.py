"""Orders that do not move: told of after hours or days, and no more once they do."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import Account
from alerts.models import Alert, Watch
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant, Schedule
from orders import watch
from orders.models import Order
from tests import desk as desks
from tests.desk import Desk, make_order
from tests.statements import counted

pytestmark = pytest.mark.django_db
NOON = datetime(2031, 3, 12, 12, 0, tzinfo=UTC)


def ago(**delta: float) -> datetime:
    return NOON - timedelta(**delta)


@pytest.fixture
def desk() -> Desk:
    made = desks.build(orders=0)
    with tenancy.activate(made.account.pk):
        Alert.objects.all().delete()
        Schedule.objects.filter(service="deliver").update(every=300)
    return made


def order(desk: Desk, number: str, status: str, since: datetime, cart: int = 0, **fields: Any) -> None:
    values = {"delivered_at": since} if status == "at_wms" else {}
    made = make_order(desk.carts[cart], number, status=status, created_at=since, **values | fields)
    Order.objects.filter(pk=made.pk).update(updated_at=since)


def told(desk: Desk) -> list[tuple[str, int]]:
    with tenancy.activate(desk.account.pk):
        rows = Alert.objects.filter(resolved_at=None).order_by("kind", "merchant__name")
        return list(rows.values_list("kind", "count"))


def test_after_two_hours_ready_and_three_days_at_the_wms(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order(desk, "A", "ready", ago(hours=2, minutes=6))
        order(desk, "B", "ready", ago(hours=2, minutes=10))
        order(desk, "young", "ready", ago(hours=1, minutes=59))
        order(desk, "C", "at_wms", ago(days=3, minutes=1), 1)
        order(desk, "new there", "at_wms", ago(days=2, hours=23), 1)
        order(desk, "done", "shipped", ago(days=9))
    watch.look(NOON)
    assert told(desk) == [("stuck_at_wms", 1), ("stuck_ready", 2)]
    with tenancy.activate(desk.account.pk):
        words = list(Alert.objects.order_by("kind").values_list("message", flat=True))
        assert words == [
            "1 order of Northquay Two has been at the WMS for more than 3 days.",
            "2 orders of Northquay One have been ready for more than 2 hours.",
        ]
        Order.objects.filter(status="ready").update(status="at_wms", delivered_at=NOON)
    watch.look(NOON + timedelta(minutes=5))
    assert told(desk) == [("stuck_at_wms", 1)], "it resolves by itself"


def test_the_wait_is_counted_from_when_it_became_ready_and_the_first_failure(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order(desk, "released just now", "ready", ago(days=9))
        Order.objects.update(updated_at=ago(minutes=5))
        order(desk, "fails since hours", "ready", ago(minutes=20), failures=4, first_failed_at=ago(hours=4))
        order(desk, "waits for its day", "ready", ago(days=1), cart=1)
        Order.objects.filter(cust_ref="waits for its day").update(retry_at=NOON + timedelta(days=1))
        order(desk, "its time has just come", "ready", ago(days=1), cart=1)
        Order.objects.filter(cust_ref="its time has just come").update(retry_at=ago(hours=1))
    watch.look(NOON)
    assert told(desk) == [("stuck_ready", 1)]


def test_a_rare_delivery_is_no_trouble(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        Schedule.objects.filter(service="deliver").update(every=6 * 3600)
        order(desk, "A", "ready", ago(hours=7, minutes=59))
    watch.look(NOON)
    assert told(desk) == []
    watch.look(NOON + timedelta(minutes=2))
    assert told(desk) == [("stuck_ready", 1)]


@pytest.mark.parametrize(
    ("settings", "found"),
    [((0, 3), ["stuck_at_wms"]), ((2, 0), ["stuck_ready"]), ((0, 0), []), ((5, 6), []), ((4, 5), ["stuck_ready"])],
)
def test_each_account_sets_it_and_can_switch_it_off(desk: Desk, settings: tuple[int, int], found: list[str]) -> None:
    other = desks.build("Eastport", orders=0)
    for one in (desk, other):
        with tenancy.activate(one.account.pk):
            Alert.objects.all().delete()
            order(one, "A", "ready", ago(hours=4, minutes=30))
            order(one, "B", "at_wms", ago(days=4))
    hours, days = settings
    path = desk.url("alerts/channels/watch/")
    assert desk.client("owner").post(path, {"ready_hours": hours, "at_wms_days": days}).status_code == 302
    assert desk.client("owner").post(path, {"ready_hours": -1, "at_wms_days": 1}).status_code == 422
    watch.look(NOON)
    assert [kind for kind, _ in told(desk)] == found
    assert [kind for kind, _ in told(other)] == ["stuck_at_wms", "stuck_ready"], "of the usual limits"
    with tenancy.activate(desk.account.pk):
        assert Watch.objects.count() == 1


def test_an_alert_leads_to_the_orders_it_is_about_and_to_no_others(desk: Desk) -> None:
    """Also where the limits are the account's own; within the queries that a list may have."""
    with tenancy.activate(desk.account.pk):
        Watch.objects.create(ready_hours=5, at_wms_days=3)
        order(desk, "READY-LONG", "ready", ago(hours=6))
        order(desk, "READY-SHORT", "ready", ago(hours=4))
        order(desk, "FAILS-LONG", "ready", ago(minutes=20), failures=6, first_failed_at=ago(hours=6))
        order(desk, "DELAYED", "ready", ago(days=1))
        Order.objects.filter(cust_ref="DELAYED").update(retry_at=NOON + timedelta(days=1))
        order(desk, "THERE-LONG", "at_wms", ago(days=4))
        order(desk, "THERE-SHORT", "at_wms", ago(days=2))
        order(desk, "OTHERS-LONG", "ready", ago(hours=7), cart=1)
    watch.look(NOON)
    client = desk.client("owner")
    found = {}
    with clock.frozen(NOON):
        tab = client.get(desk.url("alerts/")).content.decode()
        for address in {html.unescape(one) for one in re.findall(r'href="([^"]*stuck=yes[^"]*)"', tab)}:
            with counted() as statements:
                page = client.get(address).content.decode()
            asked = [one for one in statements if not one.startswith("SELECT set_config")]
            assert len(asked) <= 12, "\n".join(asked)
            found[frozenset(re.findall(r"(?:READY|FAILS|THERE|OTHERS)-\w+|DELAYED", page))] = page
    assert set(found) == {
        frozenset({"READY-LONG", "FAILS-LONG"}), frozenset({"THERE-LONG"}), frozenset({"OTHERS-LONG"}),
    }  # fmt: skip
    assert all("those that do not move" in page for page in found.values()), "and says what it shows"


def test_nobody_watches_what_is_suspended_or_archived(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order(desk, "A", "ready", ago(days=1))
    watch.look(NOON)
    assert len(told(desk)) == 1
    Account.objects.filter(pk=desk.account.pk).update(suspended_at=NOON)
    watch.look(NOON)
    assert told(desk) == []
    Account.objects.filter(pk=desk.account.pk).update(suspended_at=None)
    with tenancy.activate(desk.account.pk):
        Merchant.objects.update(archived_at=NOON)
    watch.look(NOON)
    assert told(desk) == []


def test_it_looks_by_the_indexes_of_what_is_open(desk: Desk) -> None:
    """Not at each of a million orders. Planned over some thousands: of an empty table each index costs the same."""
    with tenancy.activate(desk.account.pk):
        for cart in desk.carts:
            for status, count in (("ready", 300), ("at_wms", 300), ("shipped", 1200)):
                Order.objects.bulk_create(
                    Order(
                        merchant=cart.merchant,
                        cart=cart,
                        source=cart.source,
                        cart_key=f"{status} {number}",
                        wms_ref=f"{status} {number}",
                        status=status,
                        order_date=NOON.date(),
                        retry_at=NOON,
                        delivered_at=None if status == "ready" else ago(minutes=number),
                        created_at=NOON,
                        updated_at=NOON,
                    )
                    for number in range(count)
                )
    with tenancy.everyone("a test"), connection.cursor() as cursor:
        cursor.execute("SET ROLE im_owner")
        cursor.execute("ANALYZE orders_order")
        cursor.execute("SET ROLE im_system")
        cursor.execute("EXPLAIN " + watch._SQL, [NOON])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "order_ready" in plan and "order_at_wms" in plan, plan
    assert "Seq Scan on orders_order" not in plan, plan
