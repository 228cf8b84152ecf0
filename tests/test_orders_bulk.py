"""Actions on many orders at once: what is counted beforehand, and that each order is decided once."""

import dataclasses
from typing import Any

import pytest

from accounts.models import AuditEntry, Membership
from integration_manager import tenancy
from integration_manager.kit import clock
from orders import bulk_run, many, search
from orders.models import BulkAction, BulkRow, Event, Order
from tests import desk as desks
from tests.desk import Desk, make_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(bulk_run, "close_old_connections", lambda: None)  # the test's transaction is on it
    return desks.build(orders=0)


def begin(desk: Desk, action: str, key: str = "k", who: str = "owner", **filters: str) -> BulkAction:
    rows = search.filtered(search.Filters(**filters))  # type: ignore[arg-type]
    return bulk_run.begin(rows, many.KINDS[action], desk.users[who], key, "all orders", clock.now())


def states() -> dict[str, str]:
    return dict(Order.objects.values_list("cust_po_no", "status"))


def test_what_can_be_done_is_counted_beforehand_with_the_reasons_of_the_others(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        for index in range(3):
            make_order(desk.carts[0], f"E{index}", status="error", error_code="x")
        make_order(desk.carts[0], "U", status="error", error_code="outcome_unknown")
        make_order(desk.carts[1], "W1", status="at_wms")
        make_order(desk.carts[1], "W2", status="at_wms")
        make_order(desk.carts[1], "H", status="held", held_by="person")
        make_order(desk.carts[1], "R", status="held", held_by="rule")
        found = bulk_run.forecast(search.filtered(search.Filters()), many.KINDS["resend"])
        assert (found.total, found.able, found.capped) == (8, 3, False)
        assert dict(found.reasons) == {
            "It is At WMS, so it cannot be sent again.": 2,
            "First say whether the order arrived at the WMS.": 1,
            "It is Cancel Sending, so it cannot be sent again.": 1,
            "It is On Hold, so it cannot be sent again.": 1,
        }
        assert bulk_run.forecast(search.filtered(search.Filters()), many.KINDS["release"]).able == 1
        assert bulk_run.forecast(search.filtered(search.Filters()), many.KINDS["undo_cancel"]).able == 1
        assert bulk_run.forecast(search.filtered(search.Filters()), many.KINDS["it_did_not"]).able == 1


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("resend", {"status": "gave_up"}, "ready"),
        ("cancel_sending", {"status": "ready"}, "held"),
        ("undo_cancel", {"status": "held", "held_by": "person"}, "ready"),
        ("release", {"status": "held", "held_by": "rule"}, "ready"),
        ("it_arrived", {"status": "error", "error_code": "outcome_unknown"}, "at_wms"),
        ("it_did_not", {"status": "error", "error_code": "outcome_unknown"}, "ready"),
        ("resend_tracking", {"status": "confirmed"}, "confirmed"),
    ],
)
def test_each_action_does_what_it_does_to_one(desk: Desk, action: str, before: dict[str, Any], after: str) -> None:
    with tenancy.activate(desk.account.pk):
        for number in ("A", "B"):
            make_order(desk.carts[0], number, **before)
        make_order(desk.carts[1], "sending", status="sending")
        bulk = begin(desk, action)
        assert (bulk.state, bulk.total, bulk.done, bulk.refused) == ("done", 3, 2, 1)
        assert states() == {"A": after, "B": after, "sending": "sending"}
        assert Event.objects.filter(actor=desk.users["owner"].email).count() == 2
        refused = BulkRow.objects.get(outcome="refused")
        assert refused.reason.startswith(("The order is being sent right now", "It is"))
        entry = AuditEntry.objects.get(verb=f"orders.{action}")
        assert entry.changes == {"orders": [None, 3], "done": [None, 2], "not done": [None, 1]}


def test_confirmed_twice_it_is_begun_once(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "A")
        first = begin(desk, "cancel_sending")
        make_order(desk.carts[0], "B")
        assert begin(desk, "cancel_sending").pk == first.pk
        assert states() == {"A": "held", "B": "ready"}


def test_what_dies_in_the_middle_goes_on_and_does_nothing_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_run, "AT_ONCE", 0)
    monkeypatch.setattr(bulk_run, "BATCH", 2)
    monkeypatch.setattr(bulk_run, "hint", lambda *ids: None)
    kinds = many.KINDS["resend_tracking"]  # nothing in the order's state would keep it from being done twice
    calls = []

    def act(orders: Any, actor: str, now: Any) -> list[int]:
        calls.append([order.cust_po_no for order in orders])
        done = many.resend_tracking(orders, actor, now)
        if len(calls) == 2:
            raise SystemExit  # the process ends with the batch done and not committed
        return done

    with tenancy.activate(desk.account.pk):
        for index in range(5):
            make_order(desk.carts[0], f"N{index}", status="confirmed")
        bulk = begin(desk, "resend_tracking")
        monkeypatch.setitem(many.KINDS, "resend_tracking", dataclasses.replace(kinds, act=act))
        with pytest.raises(SystemExit):
            bulk_run.carry_on(bulk.pk)
        bulk.refresh_from_db()
        assert (bulk.state, bulk.done, bulk.waiting) == ("running", 2, 3)
        bulk_run.carry_on(bulk.pk)
        bulk.refresh_from_db()
        assert bulk.done == 2, "the dead one's lease is still valid"
        BulkAction.objects.update(lease_until=None)
        bulk_run.carry_on(bulk.pk)
        bulk.refresh_from_db()
        assert (bulk.state, bulk.done, bulk.refused) == ("done", 5, 0)
        told = Event.objects.filter(kind="resend_tracking").values_list("order_id", flat=True)
        assert sorted(told) == sorted(Order.objects.values_list("pk", flat=True)), "each exactly once"


def test_it_runs_with_the_merchants_and_the_permission_of_who_asked_as_of_then(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_run, "AT_ONCE", 0)
    monkeypatch.setattr(bulk_run, "hint", lambda *ids: None)
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "ONE")
        make_order(desk.carts[1], "TWO")
        bulk = begin(desk, "cancel_sending", who="owner")
        member = Membership.objects.get(user=desk.users["owner"])
        member.role, member.merchant = "merchant", desk.merchants[1]
        member.save()
    bulk_run.bulk_job(bulk.pk, desk.account.pk)
    with tenancy.activate(desk.account.pk):
        bulk.refresh_from_db()
        assert states() == {"ONE": "ready", "TWO": "held"}
        assert BulkRow.objects.get(outcome="refused").reason == bulk_run.GONE
        again = begin(desk, "undo_cancel", key="again", who="owner")
        Membership.objects.filter(user=desk.users["owner"]).update(deactivated_at=clock.now())
    bulk_run.bulk_job(again.pk, desk.account.pk)
    with tenancy.activate(desk.account.pk):
        again.refresh_from_db()
        assert (again.state, states()["TWO"]) == ("stopped", "held")
        assert "may not do this any more" in again.problem


def test_what_nobody_is_at_is_sent_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(bulk_run, "AT_ONCE", 0)
    monkeypatch.setattr(bulk_run, "hint", lambda *ids: sent.append(ids))
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "ONE")
        bulk = begin(desk, "cancel_sending")
    bulk_run.rescue()
    assert sent == [(bulk.pk, desk.account.pk)] * 2
