"""Purchase orders where something fails: none is sent twice, none is lost, and no change is taken for told."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from alerts.models import Alert
from carts.models import Cart
from carts.systems import sandbox_shop
from integration_manager.kit.connector import WmsConnector
from integration_manager.kit.faults import Fault
from merchants.models import Product, ProductAlias, Schedule
from orders import aliases, purchase_acts, purchase_rows
from orders.models import PurchaseOrder
from orders.run import LostLease, Run
from tests.buying import (
    PURCHASES,
    RECEIVING,
    State,
    only,
    order,
    quantities,
    settled,
    switched_on,
    sync,
    there,
    told,
    unload,
)
from tests.dying import dying
from tests.world import START, World, alerts, asked, at, run
from wms.models import Wms
from wms.systems.sandbox_wms import SandboxWms


@pytest.fixture
def world(calm: World) -> World:
    return switched_on(calm)


@pytest.mark.parametrize("fault", [Fault.ERROR_AFTER, Fault.DROP_AFTER, Fault.GARBAGE, Fault.BAD_GATEWAY])
@pytest.mark.parametrize("wms", ["sandbox_wms", "sandbox_wms_key"])
def test_a_lost_answer_never_sends_it_twice(world: World, fault: Fault, wms: str) -> None:
    Wms.objects.update(system=wms)
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", fault, times=2)
    for hours in range(0, 12, 3):
        with at(hours):
            sync(world)
        settled()
    assert len(there(world)) == 1 and only().state == State.EXPECTED
    assert alerts() == []


def test_where_nobody_can_be_asked_a_person_says_whether_it_arrived(world: World) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.DROP_AFTER)
    sync(world)
    settled()
    sync(world)
    assert (only().state, only().error_code) == (State.REFUSED, "outcome_unknown") and len(there(world)) == 1
    assert alerts() == ["purchase_refused"]
    purchase_acts.it_arrived(only(), "ada@example.com", START)
    assert only().state == State.EXPECTED and alerts() == []
    unload(world)
    sync(world)
    assert told(world) == {"MUG": "10", "POT": "4"}, "known by our reference, as the WMS's key is not"


def test_where_it_did_not_arrive_it_is_sent_again(world: World) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.BAD_GATEWAY)
    sync(world)
    assert only().error_code == "outcome_unknown" and there(world) == []
    purchase_acts.it_did_not(only(), "ada@example.com", START)
    with at(1):
        sync(world)
    assert len(there(world)) == 1 and only().state == State.EXPECTED


def test_goods_that_come_say_that_it_had_arrived(world: World) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.DROP_AFTER)
    sync(world)
    world.warehouse.unload("E00001", ("MUG", 2), at=START)
    sync(world)
    assert only().state == State.EXPECTED and told(world) == {"MUG": "2", "POT": "0"} and alerts() == []


@pytest.mark.parametrize("point", ["before_purchase", "after_purchase"])
@pytest.mark.parametrize("wms", ["sandbox_wms", "sandbox_wms_key", "sandbox_wms_blind"])
def test_a_worker_that_dies_in_the_middle_leaves_one(world: World, wms: str, point: str) -> None:
    Wms.objects.update(system=wms)
    order(world)
    run(world, PURCHASES)
    with dying(point=point):
        run(world, RECEIVING)
    assert (only().state, only().starts) == (State.WAITING, 1) and only().sent
    settled()
    run(world, RECEIVING)
    if wms == "sandbox_wms_blind":
        assert (only().state, only().error_code) == (State.REFUSED, "outcome_unknown"), "a person says"
        assert len(there(world)) == (point == "after_purchase")
    else:
        assert only().state == State.EXPECTED and len(there(world)) == 1


def test_what_the_wms_refuses_waits_for_a_person_until_it_is_mended_in_the_shop(world: World) -> None:
    order(world, "PO1", ("UNKNOWN-1", 3))
    sync(world)
    assert (only().state, only().error_code) == (State.REFUSED, "item_unknown") and alerts() == ["purchase_refused"]
    order(world, "PO1", ("MUG", 3), minutes=5)
    sync(world)
    assert only().state == State.EXPECTED and alerts() == []


def test_what_the_wms_refuses_goes_by_itself_once_its_code_is_an_alias(world: World) -> None:
    Cart.objects.update(translate_items="*")
    order(world, "PO1", ("UNKNOWN-1", 3))
    sync(world)
    assert only().error_code == "item_unknown"
    product = Product.objects.create(merchant=world.merchant, sku="MUG", origin="hand")
    with at(1):
        with aliases.changing(world.merchant, ["UNKNOWN-1"], START, actor=""):
            ProductAlias.objects.create(merchant=world.merchant, product=product, kind="UPC", value="UNKNOWN-1")
        run(world, RECEIVING)
    assert there(world)[0]["lines"][0]["item"] == "MUG" and alerts() == []


def test_it_is_tried_once_an_hour_for_fifteen_days_and_then_given_up(world: World) -> None:
    order(world)
    run(world, PURCHASES)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.ERROR, times=9999)
    for hours in (0, 0.5, 1, 2):
        with at(hours):
            run(world, RECEIVING)
    assert only().failures == 3 and alerts() == ["purchases_failing"]
    PurchaseOrder.objects.update(failures=359)
    with at(4):
        run(world, RECEIVING)
    assert (only().state, only().error_code) == (State.REFUSED, "gave_up")
    world.warehouse.faults.clear()
    purchase_acts.send_again(only(), "ada@example.com", START + timedelta(hours=5))
    with at(5):
        run(world, RECEIVING)
    assert only().state == State.EXPECTED and alerts() == []


def test_another_one_under_our_reference_is_not_taken_for_ours(world: World) -> None:
    order(world)
    row = {"key": "E9", "customer": "C1", "reference": "OAK-PO1", "number": "OTHER", "status": "open", "received": {},
           "lines": [{"item": "X", "quantity": "1"}]}  # fmt: skip
    world.warehouse.table("purchases").put("E9", row)
    sync(world)
    assert only().error_code == "reference_taken" and len(there(world)) == 1


def test_what_the_shop_does_not_take_is_said_and_told_again_by_hand(world: World) -> None:
    order(world)
    sync(world)
    world.shop.faults.script("PUT /api/purchase-orders/PO1/received", Fault.ECHO)
    unload(world, ("MUG", 6))
    sync(world)
    assert alerts() == ["receipt_refused"] and only().tell_error and only().tell_at is None
    purchase_acts.tell_again(only(), "ada@example.com", START)
    with at(1):
        sync(world)
    assert told(world) == {"MUG": "6", "POT": "0"} and alerts() == []


def test_telling_is_tried_again_once_an_hour(world: World) -> None:
    order(world)
    sync(world)
    unload(world, ("MUG", 6))
    world.shop.faults.script("PUT /api/purchase-orders/PO1/received", Fault.ERROR, times=9999)
    for hours in (0, 0.5, 1):
        with at(hours):
            sync(world)
    assert only().tell_failures == 2 and told(world) == {}
    world.shop.faults.clear()
    with at(3):
        sync(world)
    assert told(world) == {"MUG": "6", "POT": "0"} and only().tell_failures == 0


# ── after the restore of a backup ──


@pytest.mark.parametrize("backup", ["waiting", "held", "refused", "gone"])
@pytest.mark.parametrize("wms", ["sandbox_wms", "sandbox_wms_key", "sandbox_wms_blind"])
def test_after_a_restore_none_is_sent_twice(world: World, wms: str, backup: str) -> None:
    """`backup`: how it stood in it. That it was sent since is not known any more."""
    Wms.objects.update(system=wms)
    order(world)
    sync(world)
    restore(backup)
    if backup in ("held", "refused"):
        purchase_acts.send_again(only(), "ada@example.com", START)
    with at(1):
        sync(world)
    assert len(there(world)) == 1
    if wms == "sandbox_wms_blind":
        assert (only().state, only().error_code, alerts()) == (State.REFUSED, "outcome_unknown", ["purchase_refused"])
        purchase_acts.it_did_not(only(), "ada@example.com", START)
        with at(2):
            sync(world)
        assert len(there(world)) == 2, "whoever says so is believed"
    assert (only().state, alerts()) == (State.EXPECTED, [])


def test_after_a_restore_one_that_is_canceled_meanwhile_is_canceled_at_the_wms(world: World) -> None:
    order(world)
    sync(world)
    restore("gone")
    order(world, status="canceled", minutes=5)
    sync(world)
    assert there(world)[0]["status"] == "canceled" and only().state == State.CANCELED


def test_what_is_ordered_long_after_a_restore_is_sent_without_a_question(world: World) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    with at(-72):
        call_command("im", "after-restore")
    order(world)
    sync(world)
    assert only().state == State.EXPECTED and alerts() == []


def test_what_is_sent_after_all_to_another_wms_was_not_begun_there(world: World) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.BAD_GATEWAY)
    sync(world)
    purchase_rows.leave_wms(START)
    assert (only().state, only().starts) == (State.HELD, 1)
    purchase_acts.send_again(only(), "ada@example.com", START)
    with at(1):
        sync(world)
    assert only().state == State.EXPECTED and len(there(world)) == 1


def restore(backup: str) -> None:
    """A backup from before the one purchase order was sent: it was waiting then, or not there at all."""
    if backup == "gone":
        PurchaseOrder.objects.all().delete()
        Schedule.objects.filter(service=PURCHASES).update(cursor=None)
    else:
        PurchaseOrder.objects.update(
            state=backup, starts=0, wms_key="", wms_id=None, sent={}, sent_hash="", sent_at=None
        )
    with at(0):
        call_command("im", "after-restore")


# ── what the WMS has not taken ──


def test_a_change_that_was_not_taken_goes_again_though_goods_come(world: World) -> None:
    order(world)
    sync(world)
    order(world, "PO1", ("MUG", 20), minutes=5)
    world.warehouse.faults.script("PUT /v1/purchase-orders/E00001", Fault.ERROR)
    unload(world, ("MUG", 3))
    sync(world)
    assert quantities(world) == ["10", "4"] and told(world) == {"MUG": "3"}
    assert only().state == State.WAITING, "the WMS does not know yet"
    with at(2):
        sync(world)
    assert quantities(world) == ["20"] and only().state == State.EXPECTED


def test_a_change_that_was_refused_waits_for_a_person_though_goods_come(world: World) -> None:
    order(world)
    sync(world)
    order(world, "PO1", ("UNKNOWN-1", 20), minutes=5)
    unload(world, ("MUG", 3))
    sync(world)
    assert only().state == State.REFUSED and alerts() == ["purchase_differs", "purchase_refused"]
    unload(world, ("POT", 1), minutes=5, close=True)
    sync(world)
    assert only().state == State.RECEIVED and alerts() == ["purchase_differs"], "nothing is to be told any more"


def test_what_changes_beside_the_lines_after_a_lost_answer_arrives_too(world: World) -> None:
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.DROP_AFTER)
    run(world, PURCHASES, RECEIVING)
    order(world, note="Ring twice", minutes=5)
    run(world, PURCHASES)
    settled()
    with at(1):
        run(world, RECEIVING)
    assert (len(there(world)), there(world)[0]["note"]) == (1, "Ring twice") and only().state == State.EXPECTED


def test_another_number_after_a_lost_answer_is_no_strangers(world: World) -> None:
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.DROP_AFTER)
    run(world, PURCHASES, RECEIVING)
    order(world, number="OAK-OTHER", minutes=5)
    run(world, PURCHASES)
    settled()
    world.warehouse.faults.script("PUT /v1/purchase-orders/E00001", Fault.ERROR)
    with at(1):
        run(world, RECEIVING)
    assert only().state == State.WAITING
    with at(3):
        run(world, RECEIVING)
    assert [row["number"] for row in there(world)] == ["OAK-OTHER"] and only().state == State.EXPECTED


def test_while_nobody_knows_whether_it_arrived_it_cannot_be_kept_here(world: World) -> None:
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.DROP_AFTER)
    sync(world)
    settled()
    world.warehouse.faults.script("GET /v1/purchase-orders", Fault.ERROR)
    with at(1):
        run(world, RECEIVING)
    assert (only().state, only().failures) == (State.WAITING, 1), "it could not be looked up"
    assert "keep_here" not in purchase_acts.can(only())
    purchase_rows.stop(world.cart, START)
    assert only().state == State.WAITING, "it comes to its end, also where they are switched off"


def test_a_start_that_nobody_can_look_up_is_not_forgotten_over_another_trouble(world: World) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    order(world)
    run(world, PURCHASES)
    with dying(point="after_purchase"):
        run(world, RECEIVING)
    order(world, "PO1", ("", 3), minutes=5)
    settled()
    sync(world)
    assert only().error_code == "sku_missing"
    order(world, "PO1", ("MUG", 3), minutes=9)
    for _ in range(2):
        sync(world)
    assert len(there(world)) == 1 and only().error_code == "outcome_unknown"


def test_canceled_while_nobody_can_look_it_up_is_not_taken_for_over(world: World, monkeypatch: Any) -> None:
    Wms.objects.update(system="sandbox_wms_key")
    monkeypatch.setattr(SandboxWms, "find_purchase_order", WmsConnector.find_purchase_order)
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.DROP_AFTER)
    sync(world)
    order(world, status="canceled", minutes=5)
    settled()
    with at(1):
        sync(world)
    assert (only().state, only().error_code) == (State.REFUSED, "outcome_unknown")
    assert there(world)[0]["status"] == "open" and alerts() == ["purchase_refused"]


def test_goods_of_a_stranger_under_our_reference_are_not_ours(world: World) -> None:
    order(world)
    strange(world)
    sync(world)
    unload(world, ("X", 1))
    sync(world)
    assert (only().state, only().receipt, told(world)) == (State.REFUSED, {}, {})
    PurchaseOrder.objects.update(state=State.HELD, error_code="")
    unload(world, ("X", 1), minutes=5)
    sync(world)
    assert (only().state, only().receipt) == (State.HELD, {}), "also where a person keeps it here"


def strange(world: World) -> None:
    """The WMS has one that is not ours under our reference."""
    row = {"key": "E9", "customer": "C1", "reference": "OAK-PO1", "number": "OTHER", "status": "open", "received": {},
           "lines": [{"item": "X", "quantity": "1"}]}  # fmt: skip
    world.warehouse.table("purchases").put("E9", row)


def test_what_a_person_says_has_arrived_is_changed_and_canceled_under_the_wmss_key(world: World) -> None:
    order(world)
    strange(world)
    sync(world)
    purchase_acts.it_arrived(only(), "ada@example.com", START)
    assert only().wms_key == "", "nobody has said by which key"
    order(world, "PO1", ("MUG", 12), minutes=5)
    sync(world)
    assert quantities(world) == ["12"] and (only().state, only().wms_key) == (State.EXPECTED, "E9")
    PurchaseOrder.objects.update(wms_key="")
    order(world, status="canceled", minutes=9)
    sync(world)
    assert there(world)[0]["status"] == "canceled" and only().state == State.CANCELED


@pytest.mark.parametrize("there_too", [True, False])
def test_what_a_person_found_is_canceled_by_its_own_number_not_by_our_reference(world: World, there_too: bool) -> None:
    """The shop's number of the second one is the warehouse's own of the first."""
    order(world)
    sync(world)
    order(world, "PO2", number="E00001", minutes=1)
    run(world, PURCHASES)
    if there_too:
        run(world, RECEIVING)
    mine = PurchaseOrder.objects.get(number="E00001")
    assert (mine.ref, there(world)[0]["key"]) == ("E00001", "E00001")
    lost = {"state": State.REFUSED, "error_code": "outcome_unknown", "wms_key": "", "sent_at": None,
            "wms_id": Wms.objects.get().pk}  # fmt: skip
    PurchaseOrder.objects.filter(pk=mine.pk).update(**lost)
    purchase_acts.it_arrived(PurchaseOrder.objects.get(pk=mine.pk), "ada@example.com", START)
    order(world, "PO2", number="E00001", status="canceled", minutes=5)
    sync(world)
    assert [row["status"] for row in there(world)] == (["open", "canceled"] if there_too else ["open"])
    mine.refresh_from_db()
    if there_too:
        assert (mine.state, mine.wms_key) == (State.CANCELED, "E00002")
    else:
        assert (mine.state, mine.error_code, alerts()) == (State.REFUSED, "cancel_by_hand", ["purchase_refused"])
        assert "which number it has there is not known" in mine.error_message


@pytest.mark.parametrize("status", ["open", "canceled"])
def test_where_nobody_can_be_asked_what_has_no_number_is_changed_and_canceled_by_hand(
    world: World, status: str
) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    order(world)
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.DROP_AFTER)
    sync(world)
    purchase_acts.it_arrived(only(), "ada@example.com", START)
    order(world, "PO1", ("MUG", 12), status=status, minutes=5)
    sync(world)
    code = "changed_after_sending" if status == "open" else "cancel_by_hand"
    assert (only().state, only().error_code) == (State.REFUSED, code)
    assert "which number it has there is not known" in only().error_message
    assert len(there(world)) == 1 and asked(world.warehouse, path="purchase-orders/") == 0
    purchase_acts.settle(only(), "ada@example.com", START)
    assert only().state == (State.EXPECTED if status == "open" else State.CANCELED) and alerts() == []


def test_goods_of_another_one_whose_number_is_our_reference_are_not_ours(world: World) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    order(world, number="E9")
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.BAD_GATEWAY)
    sync(world)
    purchase_acts.it_arrived(only(), "ada@example.com", START)
    row = {"key": "E9", "customer": "C1", "reference": "OTHER", "number": "OTHER", "status": "open", "received": {},
           "lines": [{"item": "MUG", "quantity": "10"}]}  # fmt: skip
    world.warehouse.table("purchases").put("E9", row)
    unload(world)
    sync(world)
    assert (only().ref, only().receipt, told(world)) == ("E9", {}, {})


def test_what_was_over_before_it_was_sent_is_sent_when_it_is_open_again(world: World) -> None:
    Wms.objects.update(system="sandbox_wms_blind")
    order(world)
    run(world, PURCHASES)
    order(world, status="canceled", minutes=5)
    sync(world)
    assert only().state == State.CANCELED and there(world) == []
    order(world, minutes=9)
    sync(world)
    assert only().state == State.EXPECTED and len(there(world)) == 1


def test_settings_that_change_meanwhile_are_no_failure(world: World, monkeypatch: Any) -> None:
    order(world)
    run(world, PURCHASES)

    def lost(*_: Any) -> Any:
        raise LostLease

    monkeypatch.setattr(Run, "call", lost)
    run(world, RECEIVING)
    assert (only().state, only().failures, only().starts) == (State.WAITING, 0, 0) and alerts() == []


def test_a_change_after_the_wms_has_closed_it_is_not_told(world: World) -> None:
    order(world)
    sync(world)
    unload(world, close=True)
    run(world, RECEIVING)
    order(world, "PO1", ("MUG", 12), ("POT", 4), minutes=5)
    sync(world)
    assert only().state == State.RECEIVED and asked(world.warehouse, "PUT", "purchase-orders") == 0


def test_what_the_wms_has_canceled_can_be_settled(world: World) -> None:
    order(world)
    sync(world)
    world.warehouse.table("purchases").change(there(world)[0]["key"], status="canceled")
    order(world, "PO1", ("MUG", 12), minutes=5)
    sync(world)
    assert (only().state, only().error_code) == (State.REFUSED, "not_open")
    purchase_acts.settle(only(), "ada@example.com", START)
    assert only().state == State.EXPECTED and alerts() == []


# ── what nobody can read ──


def test_one_that_cannot_be_read_stops_no_other_and_is_said_once(world: World) -> None:
    order(world)
    sync(world)
    unload(world, ("MUG", 6))
    run(world, RECEIVING)
    order(world, "PO2", status="strange", minutes=1)
    order(world, "PO3", minutes=2)
    for _ in range(2):
        sync(world)
    assert [row["number"] for row in there(world)] == ["OAK-PO1", "OAK-PO3"]
    assert told(world) == {"MUG": "6", "POT": "0"} and alerts() == ["bad_rows"]
    found = Alert.objects.get()
    assert "'strange' is not known" in found.message and "OAK-PO2" in found.said and found.count == 1


def test_those_that_cannot_be_read_on_several_pages_are_told_in_all_and_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_shop, "PAGE", 2)
    for number, status in enumerate(("odd", "open", "odd", "strange", "open", "queer", "weird")):
        order(world, f"PO{number}", status=status, minutes=number)
    run(world, PURCHASES)
    found = Alert.objects.get()
    assert found.message == (
        "5 records could not be read. status: 'odd' is not known; status: 'strange' is not known; "
        "status: 'queer' is not known; and 2 more"
    )
    assert (found.count, [number in found.said for number in ("PO0", "PO3", "PO5")]) == (5, [True] * 3)
    Alert.objects.update(dismissed_at=found.last_seen)
    run(world, PURCHASES)
    found.refresh_from_db()
    assert found.dismissed_at and found.count == 5, "none of them is new"
    order(world, "PO9", status="odd", minutes=60)
    for _ in range(2):
        run(world, PURCHASES)
        found.refresh_from_db()
        assert (found.dismissed_at, found.count) == (None, 2), (
            "one more for a known reason is news; the last is read again"
        )


def test_the_cart_is_told_also_while_its_list_cannot_be_read(world: World) -> None:
    order(world)
    sync(world)
    unload(world, ("MUG", 6))
    world.shop.faults.script("GET /api/purchase-orders", Fault.GARBAGE, times=9)
    sync(world)
    assert told(world) == {"MUG": "6", "POT": "0"}


def test_a_receipt_that_makes_no_sense_stops_no_other(world: World) -> None:
    order(world)
    order(world, "PO2", minutes=1)
    sync(world)
    first, second = (row["key"] for row in there(world))
    moment = START - timedelta(hours=1)
    world.warehouse.unload(first, ("MUG", -5), at=moment)
    world.warehouse.unload(second, ("MUG", 2), at=moment + timedelta(minutes=1))
    bad = {"purchase_order": first, "lines": [{"item": "MUG"}], "modified_at": moment.isoformat()}
    world.warehouse.table("receipts of C1").put("bad", bad)
    sync(world)
    assert (told(world), told(world, "PO2")) == ({}, {"MUG": "2", "POT": "0"}) and alerts() == ["bad_rows"]
    world.warehouse.unload(first, ("MUG", 9), at=moment + timedelta(minutes=2))
    sync(world)
    assert told(world) == {"MUG": "4", "POT": "0"}


def test_nothing_or_less_is_not_ordered_at_the_wms(world: World) -> None:
    order(world, "PO1", ("MUG", -5))
    order(world, "PO2", ("MUG", 0), minutes=1)
    sync(world)
    assert there(world) == [] and list(PurchaseOrder.objects.values_list("error_code").distinct()) == [
        ("bad_quantity",)
    ]
