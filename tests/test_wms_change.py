"""Another WMS takes the place of the old one: orders stay with the one that has them, and nothing is sent twice."""

from collections.abc import Iterator
from typing import Any

import pytest

from alerts.models import Alert
from alerts.raising import raise_alert
from integration_manager.kit import clock
from integration_manager.kit.errors import AuthFailed
from merchants.models import Schedule, Service
from orders import file_actions, leaving, out_of_stock, states
from orders.actions import it_did_not
from orders.models import Order, OutFile, Shipment, Status
from orders.services.posting import KIND, key_of
from tests.test_changes import cancel
from tests.world import World, alerts, answers, fake, leases_expire, pack, place, run
from wms.models import Wms
from wms.systems.sandbox_wms import SandboxWmsBlind

DOWNLOAD, DELIVER, CONFIRM = Service.DOWNLOAD, Service.DELIVER, Service.SHIP_CONFIRM


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def second(world: World) -> Iterator[Any]:
    """A second warehouse that answers, and numbers its orders like the first."""
    warehouse = fake("sandbox_wms", "second")
    with warehouse.serve() as url:
        warehouse.url_for_tests = url
        yield warehouse


def change_to(world: World, warehouse: Any, url: str, *, hold_new: bool = False) -> Wms:
    """What saving another WMS does to the rows, without the page."""
    now = clock.now()
    Wms.objects.filter(archived_at__isnull=True).update(archived_at=now)
    values = {name: value for name, value in warehouse.values(url).items() if name != "customer"}
    row = Wms.objects.filter(system="sandbox_wms_key").first() or Wms(system="sandbox_wms_key")
    row.credentials, row.archived_at = values, None
    row.save()
    leaving.leave(now, hold_new=hold_new, actor="owner@world.example")
    return row


def back(world: World) -> None:
    now = clock.now()
    Wms.objects.filter(archived_at__isnull=True).update(archived_at=now)
    Wms.objects.filter(pk=world.wms.pk).update(archived_at=None)
    leaving.leave(now, hold_new=False, actor="owner@world.example")


def test_the_same_key_at_another_wms_is_another_order(world: World, second: Any) -> None:
    place(world, 1)
    run(world, DOWNLOAD, DELIVER)
    first = world.only()
    assert (first.status, first.wms_id) == (Status.AT_WMS, world.wms.pk)
    new = change_to(world, second, second.url_for_tests)
    place(world, 2)
    run(world, DOWNLOAD, DELIVER)
    other = world.orders()[1]
    assert (other.status, other.wms_id, other.wms_key) == (Status.AT_WMS, new.pk, first.wms_key)
    second.pack(other.wms_key)
    run(world, CONFIRM)
    assert [order.status for order in world.orders()] == [Status.AT_WMS, Status.SHIPPED]
    assert Shipment.objects.filter(order=first).count() == 0
    # Back at the first one, its orders are asked for again.
    back(world)
    pack(world, first)
    run(world, CONFIRM)
    assert [order.status for order in world.orders()] == [Status.SHIPPED, Status.SHIPPED]


def test_what_may_have_arrived_at_the_old_one_is_a_persons_to_decide(world: World, second: Any) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    order = world.only()
    states.claim(world.merchant.pk, 1, 60, clock.now(), world.wms.pk)  # begun, and nobody knows how it ended
    assert leaving.on_their_way().may_be_there == 1
    new = change_to(world, second, second.url_for_tests)
    leases_expire()
    run(world, DELIVER)
    order.refresh_from_db()
    assert (order.status, order.error_code, order.wms_id) == (Status.ERROR, "outcome_unknown", world.wms.pk)
    assert len(second.orders) == 0
    it_did_not(order, "owner@world.example")
    run(world, DELIVER)
    order.refresh_from_db()
    assert (order.status, order.wms_id) == (Status.AT_WMS, new.pk)
    assert len(second.orders) == 1


def test_what_the_old_one_refused_goes_to_the_new_one_without_a_question(world: World, second: Any) -> None:
    place(world, 1, ("UNKNOWN-1", 1))
    run(world, DOWNLOAD, DELIVER)
    order = world.only()
    assert (order.status, order.starts) == (Status.ERROR, 1)
    change_to(world, second, second.url_for_tests)
    order.refresh_from_db()
    assert order.starts == 0


def test_what_the_old_one_had_no_stock_of_is_sent_to_the_new_one_and_its_troubles_are_over(
    world: World, second: Any
) -> None:
    place(world, 1)
    refuse = world.warehouse.refuse(422, "out_of_stock", "Not enough of MUG-BLUE.")
    answers(world.warehouse, "POST", "/v1/orders", lambda *_: refuse)
    run(world, DOWNLOAD, DELIVER)
    now, keys = clock.now(), {"merchant_id": world.merchant.pk, "now": clock.now()}
    raise_alert("delivery_failing", f"deliver:{world.merchant.pk}", "In repair.", **keys)
    raise_alert("service_failing", f"schedule:{world.schedule(CONFIRM).pk}", "In repair.", **keys)
    raise_alert("unreachable", f"cart:{world.cart.pk}", "The shop is away.", cart_id=world.cart.pk, **keys)
    assert leaving.on_their_way().may_be_there == 0, "the refusal was an answer"
    change_to(world, second, second.url_for_tests)
    assert alerts() == ["out_of_stock", "unreachable"], "what the shop does is no matter of the WMS"
    run(world, DELIVER)
    assert "out_of_stock" in alerts(), "until it has gone out"
    Order.objects.update(retry_at=now)  # the night has come
    out_of_stock.release_due(now)
    run(world, DELIVER)
    assert (world.only().status, len(second.orders), alerts()) == (Status.AT_WMS, 1, ["unreachable"])


def test_a_cancellation_is_not_asked_of_the_wrong_warehouse(world: World, second: Any) -> None:
    key = place(world, 1)
    run(world, DOWNLOAD, DELIVER)
    change_to(world, second, second.url_for_tests)
    cancel(world, key)
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS
    assert "cancel_refused" in alerts()
    assert "WMS of before" in Alert.objects.get(kind="cancel_refused").message
    assert [seen for seen in second.journal if "cancel" in seen.request.path] == []


def test_new_orders_are_kept_or_sent_as_the_person_chose(world: World, second: Any) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    change_to(world, second, second.url_for_tests, hold_new=True)
    run(world, DELIVER)
    order = world.only()
    assert (order.status, order.held_by) == (Status.HELD, "person")
    assert len(second.orders) == 0


def test_a_run_that_began_with_the_old_settings_sends_nothing_more_and_pauses_nothing(
    world: World, second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(world, 1)
    run(world, DOWNLOAD)

    def refused(self: Any, prepared: Any, ref: str) -> str:
        # In the middle of the run somebody saves other credentials: this refusal is about the old ones.
        raise AuthFailed("no such key")

    usual = SandboxWmsBlind._send
    monkeypatch.setattr(SandboxWmsBlind, "_send", refused)
    from orders.services import outcomes

    recorded = outcomes.Outcomes.record

    def record(self: Any, group: Any) -> None:
        recorded(self, group)
        leaving.start_over(Schedule.objects.filter(cart__isnull=True), clock.now())

    monkeypatch.setattr(outcomes.Outcomes, "record", record)
    run(world, DELIVER)
    assert world.schedule(DELIVER).paused == ""
    assert alerts() == []
    monkeypatch.setattr(outcomes.Outcomes, "record", recorded)
    monkeypatch.setattr(SandboxWmsBlind, "_send", usual)
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS


def test_without_its_values_a_merchants_services_wait_and_call_nobody(world: World) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    world.merchant.wms_values = {}
    world.merchant.save()
    before = len(world.warehouse.journal)
    run(world, DELIVER)
    assert len(world.warehouse.journal) == before
    assert world.schedule(DELIVER).paused == Schedule.Paused.AUTH
    assert "Customer ID" in Alert.objects.get(kind="credentials").message
    assert Order.objects.get().status == Status.READY


@pytest.mark.parametrize("phase", [OutFile.Phase.POSTING, OutFile.Phase.PARKED])
def test_a_file_of_which_nobody_knows_is_not_sent_by_a_later_answer(world: World, second: Any, phase: str) -> None:
    """Its orders are decided one by one from now on; sent again as a file they would arrive twice."""
    place(world, 1)
    run(world, DOWNLOAD)
    order = world.only()
    file = OutFile.objects.create(
        merchant=world.merchant, kind="orders", name="orders-1.csv", content=b"x", records=[order.pk], phase=phase,
        token=1, created_at=clock.now(),
    )  # fmt: skip
    Order.objects.update(status=Status.SENDING, starts=1, wms_id=world.wms.pk, out_file_id=file.pk, cause=key_of(file))
    raise_alert(KIND, key_of(file), "Whether it arrived is not known.", merchant_id=world.merchant.pk, now=clock.now())
    change_to(world, second, second.url_for_tests)
    file.refresh_from_db()
    assert file.phase == OutFile.Phase.DROPPED and file_actions.waiting(key_of(file)) is None
    assert Alert.objects.get(kind=KIND).resolved_at is not None
    # The person is asked at once, and of the order: no delivery need come, and going back sends nothing either.
    order.refresh_from_db()
    assert (order.status, order.error_code, order.out_file_id) == (Status.ERROR, "outcome_unknown", None)
    assert Alert.objects.get(kind="outcome_unknown").resolved_at is None
    back(world)
    run(world, DELIVER)
    assert len(world.warehouse.orders) == len(second.orders) == 0
    change_to(world, second, second.url_for_tests)
    it_did_not(order, "owner@world.example")
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS and len(second.orders) == 1
