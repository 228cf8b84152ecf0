"""What the shop changes after we know an order: edits, cancellations and second thoughts, in each state."""

from datetime import timedelta
from typing import Any

import pytest

from integration_manager.kit import clock
from integration_manager.kit.connector import WmsConnector
from merchants.models import Service
from orders import actions, editing, forgetting, states
from orders.models import Effect, Event, EventDetail, Order, OrderDetail, OrderLine, Status
from tests.world import START, World, alerts, asked, at, change, leases_expire, pack, place, run
from wms.models import Wms
from wms.systems.sandbox_wms import SandboxWmsBlind, SandboxWmsKey

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
CONFIRM, UPLOAD = Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS
DANA = "dana@mail.example"


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def key(world: World) -> str:
    """One order of the shop, downloaded."""
    key = place(world, 1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD)
    return key


def while_sending(world: World, monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    """A delivery during whose call `meanwhile()` happens; then the call goes on as usual."""
    send = SandboxWmsBlind._send

    def interrupted(self: Any, *args: Any, **kwargs: Any) -> str:
        meanwhile()
        return send(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(SandboxWmsBlind, "_send", interrupted)
        run(world, DELIVER)


def sent(world: World) -> list[dict[str, Any]]:
    """What the warehouse was sent, order by order."""
    return [effect["said"] for effect in world.warehouse.effects("order")]


def kinds() -> list[str]:
    return list(Event.objects.order_by("id").values_list("kind", flat=True))


# ── edits ──


def test_until_it_is_sent_an_order_follows_its_source(world: World, key: str) -> None:
    change(world, key, note="Ring twice.", lines=[
        {"id": "1-9", "sku": "TIN-SMALL", "title": "Tin", "price": "5.60", "quantity": 5}
    ])  # fmt: skip
    run(world, DOWNLOAD)
    order = world.only()
    assert (order.status, order.qty_total, order.lines) == (Status.READY, 5, 1)
    assert list(OrderLine.objects.values_list("item", "quantity")) == [("TIN-SMALL", 5)]
    changes = EventDetail.objects.get().changes
    assert changes["shipping_instructions"] == [None, "Ring twice."]
    assert kinds() == ["loaded", "changed"]
    run(world, DELIVER)
    assert [(line["item"], line["quantity"]) for line in sent(world)[0]["lines"]] == [("TIN-SMALL", "5")]


def test_a_source_version_with_nothing_new_is_no_change(world: World, key: str) -> None:
    change(world, key)  # modified, the shop says; its content is the same
    run(world, DOWNLOAD)
    assert kinds() == ["loaded"]


@pytest.mark.parametrize("status", [Status.HELD, Status.ERROR, Status.GAVE_UP])
def test_an_edit_reaches_an_order_that_stands_still(world: World, key: str, status: Status) -> None:
    Order.objects.update(status=status)
    change(world, key, note="Ring twice.")
    run(world, DOWNLOAD)
    held = status is Status.HELD
    assert world.only().status == (Status.HELD if held else Status.READY), "held by a person it stays held"
    assert OrderDetail.objects.get().data["shipping_instructions"] == "Ring twice."


def test_what_a_person_edited_wins_over_the_source_with_an_alert_that_shows_both(world: World, key: str) -> None:
    detail = OrderDetail.objects.get()
    detail.data["shipping_instructions"] = "To the back door."
    detail.save()
    Order.objects.update(edited_fields=["shipping_instructions"])
    change(world, key, note="To the front door.", gift_message="Happy birthday")
    run(world, DOWNLOAD)
    data = OrderDetail.objects.get().data
    assert (data["shipping_instructions"], data["gift_message"]) == ("To the back door.", "Happy birthday")
    assert alerts() == ["changed_here_and_there"]
    was = editing.values_of(data)

    def wanted(**fields: str) -> editing.Values:
        return editing.Values({**was.fields, **fields}, was.lines)

    editing.save(world.only(), was, wanted(ship_phone="555 0100"), "dana")
    assert alerts() == ["changed_here_and_there"], "that is about something else"
    with_phone, another = wanted(ship_phone="555 0100"), wanted(ship_phone="555 0101")
    editing.save(world.only(), with_phone, another, "dana")
    assert alerts() == ["changed_here_and_there"], "and so is that, edited before as it is"
    by_the_way = wanted(ship_phone="555 0101", shipping_instructions="By the side.")
    editing.save(world.only(), another, by_the_way, "dana")
    assert alerts() == []
    change(world, key, note="To the front door.", gift_message="Merry Christmas")
    run(world, DOWNLOAD)
    assert alerts() == [], "what was edited here is in the shop as it was"
    change(world, key, note="By the side.")
    run(world, DOWNLOAD)
    assert alerts() == [], "both say the same"
    change(world, key, note="To the roof.")
    run(world, DOWNLOAD)
    assert alerts() == ["changed_here_and_there"]
    editing.give_back(world.only(), "shipping_instructions", world.account, "dana")
    assert OrderDetail.objects.get().data["shipping_instructions"] == "To the roof."
    assert alerts() == []


def test_an_edit_while_it_is_sent_is_told_when_it_was_sent(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit() -> None:
        change(world, key, note="Too late?")
        run(world, DOWNLOAD)
        assert world.only().source_changed

    while_sending(world, monkeypatch, edit)
    assert (world.only().status, sent(world)[0]["note"]) == (Status.AT_WMS, None)
    run(world, DOWNLOAD)
    assert alerts() == ["changed_after_sending"]


def test_an_edit_while_it_is_sent_takes_effect_when_it_was_not(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit() -> None:
        change(world, key, note="In time.")
        run(world, DOWNLOAD)

    world.warehouse.faults.script("POST /v1/orders", "error")
    with at(0):
        while_sending(world, monkeypatch, edit)
    with at(1):
        run(world, DELIVER)
    assert (world.only().status, [said["note"] for said in sent(world)]) == (Status.AT_WMS, ["In time."])
    with at(1):
        run(world, DOWNLOAD)
        assert alerts() == []


def test_an_edit_after_sending_is_an_alert_once_and_changes_nothing_of_ours(world: World, key: str) -> None:
    run(world, DELIVER)
    before = OrderDetail.objects.get().data
    change(world, key, note="Too late.")
    run(world, DOWNLOAD)
    run(world, DOWNLOAD)
    assert alerts() == ["changed_after_sending"]
    assert kinds().count("changed_after_sending") == 1
    assert OrderDetail.objects.get().data == before
    assert len(sent(world)) == 1


def test_an_edit_after_its_personal_data_was_removed_brings_nothing_back(world: World, key: str) -> None:
    """Shops remove it too, and that is an edit of every old order."""
    run(world, DELIVER)
    pack(world)
    run(world, CONFIRM, UPLOAD, DOWNLOAD)
    Order.objects.update(shipped_at=clock.now() - timedelta(days=200))
    forgetting.forget(clock.now())
    before = OrderDetail.objects.values("data", "raw", "name_key").get()
    change(world, key, note="[deleted]")
    run(world, DOWNLOAD)
    assert (alerts(), kinds().count("changed_after_sending")) == ([], 0)
    assert OrderDetail.objects.values("data", "raw", "name_key").get() == before
    assert before["raw"] is None and world.only().forgotten_at is not None


def test_the_shops_own_mark_that_it_is_shipped_is_no_edit(world: World, key: str) -> None:
    run(world, DELIVER)
    pack(world)
    run(world, CONFIRM, UPLOAD, DOWNLOAD)
    assert (world.only().status, alerts()) == (Status.CONFIRMED, [])


@pytest.mark.parametrize("when", ["before our upload closed it", "after"])
def test_an_edit_that_is_polled_after_the_order_was_closed_is_an_alert(world: World, key: str, when: str) -> None:
    run(world, DELIVER)
    pack(world)
    if when == "after":
        run(world, CONFIRM, UPLOAD, DOWNLOAD)
        assert alerts() == []
    change(world, key, note="To the neighbour, please.")
    run(world, CONFIRM, UPLOAD, DOWNLOAD)
    run(world, DOWNLOAD)
    assert (world.only().status, alerts()) == (Status.CONFIRMED, ["changed_after_sending"])
    assert kinds().count("changed_after_sending") == 1


# ── cancellations ──


def cancel(world: World, key: str) -> None:
    change(world, key, status="canceled")
    run(world, DOWNLOAD)


@pytest.mark.parametrize("status", [Status.RECEIVED, Status.READY, Status.HELD, Status.ERROR, Status.GAVE_UP])
def test_never_sent_it_is_canceled_at_once(world: World, key: str, status: Status) -> None:
    Order.objects.update(status=status)
    cancel(world, key)
    order = world.only()
    assert (order.status, order.canceled_at is not None) == (Status.CANCELED, True)
    run(world, DELIVER)
    assert (sent(world), asked(world.warehouse, "POST"), alerts()) == ([], 0, [])


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("status", [Status.READY, Status.HELD, Status.ERROR, Status.GAVE_UP])
def test_once_begun_it_is_looked_up_before_it_is_canceled(
    world: World, key: str, status: Status, arrived: bool
) -> None:
    world.warehouse.faults.script("POST /v1/orders", "error_after" if arrived else "error")
    with at(0):
        run(world, DELIVER)
        assert (world.only().status, world.only().starts) == (Status.READY, 1)
        Order.objects.update(status=status)
        cancel(world, key)
        assert world.only().status == Status.READY, "to be looked up"
        run(world, DELIVER)
        run(world, DELIVER)
    assert world.only().status == Status.CANCELED
    assert len(world.warehouse.effects("cancel")) == arrived
    assert len(sent(world)) == arrived
    assert alerts() == []


@pytest.mark.parametrize("arrived", [True, False])
def test_once_begun_where_nothing_can_be_looked_up_it_is_canceled_at_the_wms(
    world: World, key: str, arrived: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only sending it again, under the same key, tells whether it has arrived."""
    monkeypatch.setattr(SandboxWmsKey, "find", WmsConnector.find)
    Wms.objects.update(system=SandboxWmsKey.key)
    world.warehouse.faults.script("POST /v1/orders", "error_after" if arrived else "error")
    with at(0):
        run(world, DELIVER)
        cancel(world, key)
        assert (world.only().status, world.only().starts) == (Status.READY, 1)
        run(world, DELIVER)
        run(world, DELIVER)
    assert (world.only().status, alerts()) == (Status.CANCELED, [])
    assert (len(sent(world)), len(world.warehouse.effects("cancel"))) == (1, 1)


def test_at_the_wms_it_is_asked_to_cancel_once(world: World, key: str) -> None:
    run(world, DELIVER)
    cancel(world, key)
    assert world.only().status == Status.AT_WMS, "until the WMS has agreed"
    run(world, DELIVER)
    assert world.only().status == Status.CANCELED
    cancel(world, key)
    run(world, DELIVER)
    assert len(world.warehouse.effects("cancel")) == 1
    assert asked(world.warehouse, "POST", "/cancel") == 1


def test_too_late_for_the_wms_it_stays_there_with_an_alert(world: World, key: str) -> None:
    run(world, DELIVER)
    pack(world)
    cancel(world, key)
    run(world, DELIVER)
    assert (world.only().status, Effect.objects.get().state) == (Status.AT_WMS, "refused")
    assert alerts() == ["cancel_refused"]
    run(world, CONFIRM)
    assert (world.only().status, alerts()) == (Status.SHIPPED, ["shipped_although_canceled"])


def test_what_has_shipped_before_the_wms_could_be_asked_is_told_as_that(world: World, key: str) -> None:
    run(world, DELIVER)
    pack(world)
    cancel(world, key)
    run(world, CONFIRM)
    run(world, DELIVER)
    assert (world.only().status, Effect.objects.get().state) == (Status.SHIPPED, "refused")
    assert alerts() == ["shipped_although_canceled"]


def test_a_wms_in_trouble_is_asked_to_cancel_again_in_an_hour(world: World, key: str) -> None:
    run(world, DELIVER)
    cancel(world, key)
    world.warehouse.faults.script("POST /v1/orders/*/cancel", "error")
    with at(0):
        run(world, DELIVER)
        run(world, DELIVER)
        assert (world.only().status, asked(world.warehouse, "POST", "/cancel")) == (Status.AT_WMS, 1)
    with at(1):
        run(world, DELIVER)
        assert world.only().status == Status.CANCELED


@pytest.mark.parametrize("services", [(CONFIRM,), (CONFIRM, UPLOAD)], ids=["shipped", "confirmed"])
def test_after_shipping_a_cancellation_is_an_alert(world: World, key: str, services: Any) -> None:
    run(world, DELIVER)
    pack(world)
    run(world, *services)
    before = world.only().status
    cancel(world, key)
    assert (world.only().status, alerts()) == (before, ["canceled_after_shipping"])


def test_canceled_while_it_is_sent_it_is_decided_with_the_send(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_sending(world, monkeypatch, lambda: cancel(world, key))
    assert world.only().status == Status.AT_WMS
    run(world, DELIVER)
    assert (world.only().status, len(world.warehouse.effects("cancel"))) == (Status.CANCELED, 1)


def test_canceled_while_it_is_sent_and_refused_it_is_not_tried_again(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.warehouse.faults.script("POST /v1/orders", "error")
    with at(0):
        while_sending(world, monkeypatch, lambda: cancel(world, key))
    with at(1):
        run(world, DELIVER)
        run(world, DELIVER)
    assert (world.only().status, sent(world)) == (Status.CANCELED, [])


def test_a_person_can_do_nothing_to_an_order_that_is_being_sent(world: World, key: str) -> None:
    states.claim(world.merchant.pk, 1, 60, START)
    for act in (actions.resend, actions.cancel_sending, actions.undo_cancel):
        with pytest.raises(actions.NotNow, match="being sent right now"):
            act(world.only(), DANA)


# ── second thoughts ──


def test_a_canceled_order_that_is_opened_again_is_a_new_one_held_for_a_person(world: World, key: str) -> None:
    cancel(world, key)
    change(world, key, status="paid")
    run(world, DOWNLOAD)
    first, second = world.orders()
    assert (first.status, second.status, second.held_by) == (Status.CANCELED, Status.HELD, "reopened")
    assert (first.revision, second.revision) == (0, 1)
    assert first.wms_ref != second.wms_ref, "so that the WMS never takes one for the other"
    run(world, DOWNLOAD, DELIVER)
    assert (len(world.orders()), sent(world)) == (2, [])
    actions.undo_cancel(second, DANA)
    run(world, DELIVER)
    assert [said["reference"] for said in sent(world)] == [second.wms_ref]


def test_opened_again_it_waits_for_the_person_and_not_for_a_fix(world: World, key: str) -> None:
    world.cart.reject_unmapped = True
    world.cart.save()
    cancel(world, key)
    change(world, key, status="paid", shipping_method="NOBODY-KNOWS")
    run(world, DOWNLOAD)
    again = world.orders()[-1]
    assert (again.status, again.error_code, again.cause, alerts()) == (Status.HELD, "", "", [])


def test_opened_and_canceled_again_and_again_each_is_one_revision(world: World, key: str) -> None:
    for _ in range(2):
        cancel(world, key)
        change(world, key, status="paid")
        run(world, DOWNLOAD)
    cancel(world, key)
    assert [(o.revision, o.status) for o in world.orders()] == [(n, Status.CANCELED) for n in range(3)]


def test_held_by_a_person_it_waits_until_that_is_undone(world: World, key: str) -> None:
    actions.cancel_sending(world.only(), DANA)
    run(world, DELIVER)
    assert (world.only().status, world.only().held_by, sent(world)) == (Status.HELD, "person", [])
    actions.undo_cancel(world.only(), DANA)
    run(world, DELIVER)
    leases_expire()
    assert (world.only().status, world.only().held_by, len(sent(world))) == (Status.AT_WMS, "", 1)
