"""Changed after sending: canceled at the WMS and sent again; and a person's word where the WMS cannot be asked."""

from typing import Any

import pytest
from django.core.management import call_command

from alerts.models import Alert
from integration_manager.kit import clock
from merchants.models import Service
from orders import abilities, actions, cancelling, comparing, editing, forgetting
from orders.actions import NotNow
from orders.models import Effect, Event, Order, OrderDetail, Status
from orders.next_step import Around, next_of
from tests.world import World, alerts, at, change, leases_expire, pack, place, run
from wms.systems.sandbox_wms import SandboxWmsBlind

DOWNLOAD, DELIVER, CONFIRM = Service.DOWNLOAD, Service.DELIVER, Service.SHIP_CONFIRM
PERSON = "p@example.com"


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def key(world: World) -> str:
    """One order, at the warehouse, changed at the shop since."""
    key = place(world, 1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, DELIVER)
    change(world, key, note="Ring twice.", shipping_method="EXPRESS")
    run(world, DOWNLOAD)
    assert alerts() == ["changed_after_sending"]
    return key


def able(world: World) -> abilities.Abilities:
    return abilities.of(world.orders()[0], world.wms)


def again(world: World) -> None:
    cancelling.ask(world.orders()[0], able(world), PERSON, again=True)


def sent(world: World) -> list[dict[str, Any]]:
    return [effect["said"] for effect in world.warehouse.effects("order")]


def test_what_differs_is_shown_and_a_person_may_leave_it(world: World, key: str) -> None:
    detail = OrderDetail.objects.select_related("order__cart__merchant").get()
    shown = comparing.changed_after(detail, list(Alert.objects.all()))
    assert shown is not None
    assert {(d.name, d.before, d.after) for d in shown.differences} == {
        ("Instructions", "", "Ring twice."), ("Ship method", "GROUND", "EXPRESS"),
    }  # fmt: skip
    cancelling.seen(world.only())
    assert comparing.changed_after(detail, list(Alert.objects.all())) is None
    with pytest.raises(NotNow, match="seen already"):
        cancelling.seen(world.only())


def test_it_is_canceled_there_and_sent_as_it_is_now(world: World, key: str) -> None:
    again(world)
    with pytest.raises(NotNow, match="asked to cancel it already"):
        again(world)
    run(world, DELIVER)
    run(world, DELIVER)
    old, new = world.orders()
    assert (old.status, new.status, new.revision, new.wms_ref != old.wms_ref) == ("canceled", "at_wms", 1, True)
    assert [said["note"] for said in sent(world)] == [None, "Ring twice."]
    assert len(world.warehouse.effects("cancel")) == 1
    assert alerts() == []
    assert old.cancel_requested_at is None, "its shop is not told of a cancellation"
    run(world, DOWNLOAD, DELIVER)
    assert len(world.orders()) == 2
    change(world, key, note="Ring three times.")
    run(world, DOWNLOAD)
    assert alerts() == ["changed_after_sending"]
    assert Alert.objects.get(resolved_at=None).key == f"order:{new.pk}", "the living one follows the shop"
    pack(world, new)
    run(world, CONFIRM)
    new.refresh_from_db()
    assert new.status == Status.SHIPPED


def test_after_a_restore_it_is_looked_up_before_it_is_sent_again(world: World, key: str) -> None:
    """It was canceled there and sent as it is now, and the backup only knows that it is to be."""
    again(world)
    run(world, DELIVER)
    run(world, DELIVER)
    old, new = world.orders()
    new.delete()
    Order.objects.filter(pk=old.pk).update(status=Status.AT_WMS, cancel_requested_at=None, cancel_by="")
    Effect.objects.update(state=Effect.State.WAITING, done_at=None, starts=0)
    with at(0):
        call_command("im", "after-restore")
    run(world, DELIVER)
    run(world, DELIVER)
    old, new = world.orders()
    assert (old.status, new.status, new.revision) == ("canceled", "at_wms", 1)
    assert len(sent(world)) == 2, "once as it was, once as it is now"


@pytest.mark.parametrize("moved", [False, True])
def test_an_address_that_a_person_called_right_is_so_while_it_is_the_same(world: World, key: str, moved: bool) -> None:
    OrderDetail.objects.update(address_right=True)
    if moved:
        change(world, key, ship_to={"last_name": "Okafor", "address_1": "1 Mill Lane", "city": "York", "country": "GB"})
        run(world, DOWNLOAD)
    again(world)
    run(world, DELIVER, DELIVER)
    assert list(OrderDetail.objects.order_by("pk").values_list("address_right", flat=True)) == [True, not moved]


def test_what_has_lost_its_address_is_not_canceled_there_to_be_sent_again(world: World, key: str) -> None:
    Order.objects.update(forgotten_at=clock.now())
    with pytest.raises(NotNow, match="personal data was removed"):
        again(world)
    assert not Effect.objects.exists()


def test_what_waits_to_be_sent_again_keeps_its_address(world: World) -> None:
    with at(0):
        place(world)
        run(world, DOWNLOAD, DELIVER)
    with at(24 * 179):
        again(world)
    with at(24 * 181):
        assert forgetting.forget(clock.now()) == 0
        run(world, DELIVER)
        run(world, DELIVER)
    assert [(order.status, order.revision) for order in world.orders()] == [(Status.CANCELED, 0), (Status.AT_WMS, 1)]


def test_what_was_edited_here_before_is_kept(world: World) -> None:
    key = place(world, 2, ("MUG-BLUE", 2))
    run(world, DOWNLOAD)
    order = world.only()
    data = OrderDetail.objects.get().data
    base = editing.values_of(data)
    editing.save(order, base, editing.Values({**base.fields, "gift_message": "From us"}, base.lines), PERSON)
    run(world, DELIVER)
    change(world, key, note="Ring twice.", gift_message="From them")
    run(world, DOWNLOAD)
    again(world)
    run(world, DELIVER)
    new = world.orders()[1]
    found = OrderDetail.objects.get(order=new).data
    assert (found["gift_message"], found["shipping_instructions"]) == ("From us", "Ring twice.")
    assert new.edited_fields == ["gift_message"]


def test_too_late_at_the_warehouse_nothing_is_sent_and_it_can_be_asked_again(world: World, key: str) -> None:
    world.warehouse.faults.script("POST /v1/orders/*/cancel", "error")
    again(world)
    run(world, DELIVER)
    assert [order.status for order in world.orders()] == ["at_wms"], "not answered: nothing is known"
    Effect.objects.update(state=Effect.State.REFUSED, error_message="being packed")
    again(world)
    assert Effect.objects.get().state == "waiting"
    pack(world, world.orders()[0])
    run(world, DELIVER)
    assert [order.status for order in world.orders()] == ["at_wms"]
    assert (Effect.objects.get().state, "cancel_refused" in alerts()) == ("refused", True)


def test_the_shop_cancels_while_it_is_to_be_sent_again(world: World, key: str) -> None:
    again(world)
    change(world, key, status="canceled")
    run(world, DOWNLOAD, DELIVER)
    (order,) = world.orders()
    assert order.status == Status.CANCELED


@pytest.mark.parametrize(
    ("state", "why"), [("unpaid", "cannot be shipped"), ("shipped", "has closed the order"), ("nonsense", "")]
)
def test_what_the_shop_has_taken_back_is_made_anew_and_held_until_it_wants_it(
    world: World, key: str, state: str, why: str
) -> None:
    change(world, key, status=state)
    run(world, DOWNLOAD)
    again(world)
    run(world, DELIVER)
    run(world, DELIVER)
    old, new = world.orders()
    assert (old.status, new.status, new.held_by, len(sent(world))) == ("canceled", "held", "source", 1)
    assert why in next_of(new, Around(events=list(Event.objects.filter(order_id=new.pk).order_by("-id")))).first
    change(world, key, status="paid")
    run(world, DOWNLOAD, DELIVER)
    assert [said["note"] for said in sent(world)] == [None, "Ring twice."]
    assert world.orders()[1].status == Status.AT_WMS


def test_the_warehouse_tells_of_the_cancellation_before_its_answer_came(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(world)
    world.warehouse.faults.script("POST /v1/orders/*/cancel", "drop_after")
    run(world, DELIVER)
    leases_expire()
    run(world, CONFIRM)
    assert [order.status for order in world.orders()] == ["canceled"]
    assert "canceled_by_wms" not in alerts()
    Effect.objects.update(retry_at=world.orders()[0].created_at)
    run(world, DELIVER)
    assert [order.status for order in world.orders()][:1] == ["canceled"]
    assert len(world.orders()) == 2
    run(world, DELIVER)
    assert len(world.orders()) == 2
    assert world.orders()[1].status == Status.AT_WMS


def test_a_persons_word_counts_only_where_the_warehouse_cannot_be_asked(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = world.only()
    with pytest.raises(NotNow, match="safer than a person's word"):
        cancelling.is_canceled(order, able(world), PERSON)
    monkeypatch.setattr(SandboxWmsBlind, "overrides", classmethod(lambda cls, name: name != "cancel"))
    with pytest.raises(NotNow, match="cannot be asked"):
        again(world)
    cancelling.is_canceled(order, able(world), PERSON)
    assert (world.only().status, world.only().cancel_by) == ("canceled", PERSON)
    assert Event.objects.filter(kind="canceled", actor=PERSON).exists()
    assert alerts() == []


def test_what_has_shipped_is_all_there_is_once_the_rest_is_canceled_by_hand(world: World, key: str) -> None:
    pack(world, share="0.5")
    run(world, CONFIRM)
    assert world.only().status == Status.AT_WMS
    Effect.objects.create(
        merchant=world.merchant, order=world.only(), kind="cancel_at_wms", key="0", state="refused", actor="",
        created_at=world.only().created_at, retry_at=world.only().created_at,
    )  # fmt: skip
    with pytest.raises(NotNow, match="A part of it has shipped"):
        again(world)
    cancelling.is_canceled(world.only(), able(world), PERSON)
    assert (world.only().status, world.only().short) == (Status.SHIPPED, True)


def test_what_the_wms_has_under_a_taken_reference_stands_beside_ours(world: World) -> None:
    world.wms.system = "sandbox_wms_key"
    world.wms.save()
    place(world, 1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD)
    order = world.only()
    there = {
        "key": "X9", "customer": "C1", "reference": order.wms_ref, "order_number": "OTHER-9", "status": "open",
        "packed": {}, "lines": [{"line_id": "1", "item": "TEA", "quantity": "7"}],
    }  # fmt: skip
    world.warehouse.table("orders").put("X9", there)
    world.warehouse.refs["C1", order.wms_ref] = ["X9"]
    run(world, DELIVER)
    order = world.only()
    assert (order.status, order.error_code) == ("error", "reference_taken")
    taken = comparing.taken(OrderDetail.objects.select_related("order").get())
    assert taken is not None
    assert (taken.order_no, taken.wms_key, taken.lines, taken.order) == ("OTHER-9", "X9", [("TEA", "7")], None)
    actions.new_reference(order, PERSON)
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS
