"""Purchase orders: each reaches the WMS once, and what has come of it is told back to the cart."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from alerts.models import Alert
from carts.models import Cart
from integration_manager.kit.faults import Fault
from merchants.models import Product, ProductAlias, Schedule, Service
from orders import purchase_acts, purchase_rows
from orders.models import PurchaseEvent, PurchaseOrder
from orders.services import purchase_orders
from tests.dying import dying
from tests.world import START, World, alerts, asked, at, run
from wms.models import Wms

PURCHASES, RECEIVING = Service.PURCHASES, Service.RECEIVING
State = PurchaseOrder.State


@pytest.fixture
def world(calm: World) -> World:
    """Purchase orders are on since before anything was ordered."""
    Cart.objects.update(sync_purchases=True)
    calm.cart.refresh_from_db()
    calm.schedule(PURCHASES)
    before = (START - timedelta(days=30)).isoformat()
    Schedule.objects.filter(service=PURCHASES).update(state={purchase_orders.FROM: before})
    return calm


def order(world: World, key: str = "PO1", *goods: tuple[str, int], minutes: float = 0, **more: Any) -> None:
    """The shop's owner orders goods from a supplier, or changes that."""
    moment = START - timedelta(hours=2) + timedelta(minutes=minutes)
    world.shop.restock(key, *(goods or (("MUG", 10), ("POT", 4))), at=moment, **more)  # type: ignore[attr-defined]


def unload(world: World, *goods: tuple[str, int], minutes: float = 0, **how: Any) -> None:
    """Goods of the one purchase order come to the warehouse."""
    moment = START - timedelta(hours=1) + timedelta(minutes=minutes)
    world.warehouse.unload(there(world)[0]["key"], *goods, at=moment, **how)  # type: ignore[attr-defined]


def there(world: World) -> list[Any]:
    """The purchase orders that the WMS has."""
    return list(world.warehouse.table("purchases"))


def only() -> PurchaseOrder:
    found: PurchaseOrder = PurchaseOrder.objects.get()
    return found


def sync(world: World) -> None:
    run(world, PURCHASES, RECEIVING, PURCHASES)


def told(world: World, key: str = "PO1") -> dict[str, str]:
    """What the shop has been told has come, by SKU."""
    said = world.shop.table("purchases").rows[key].get("received", {"lines": []})
    return {line["sku"]: line["received"] for line in said["lines"]}


def settled() -> None:
    """PostgreSQL's clock, and business time, go on until nothing waits for an undecided call any more."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_purchaseorder SET lease_until = NULL, retry_at = retry_at - interval '2 hours'")


def timeline() -> list[str]:
    return list(PurchaseEvent.objects.order_by("id").values_list("kind", flat=True))


# ── the way there and back ──


def test_it_reaches_the_wms_once_and_what_comes_of_it_the_shop(world: World) -> None:
    order(world)
    for _ in range(2):
        sync(world)
    (expected,) = there(world)
    assert (expected["number"], expected["supplier"]) == ("OAK-PO1", "Hartwell Ceramics")
    assert [(line["item"], line["quantity"]) for line in expected["lines"]] == [("MUG", "10"), ("POT", "4")]
    assert only().state == State.EXPECTED and only().wms_key == expected["key"]
    unload(world, ("MUG", 6))
    sync(world)
    assert told(world) == {"MUG": "6", "POT": "0"} and only().state == State.EXPECTED
    unload(world, minutes=5)
    for _ in range(3):
        sync(world)
    assert told(world) == {"MUG": "10", "POT": "4"} and only().state == State.RECEIVED
    assert len(world.shop.effects("received")) == 2, "totals that did not change are not told again"
    assert timeline() == ["loaded", "sent", "received", "told", "received", "told", "changed"]
    assert alerts() == []


def test_what_is_stored_wakes_who_waits_for_it(world: World) -> None:
    order(world)
    run(world, PURCHASES, RECEIVING)
    later = START + timedelta(days=1)
    Schedule.objects.filter(service__in=(PURCHASES, RECEIVING)).update(next_run=later, automatic=True)
    order(world, "PO2", minutes=3)
    with at(0):
        run(world, PURCHASES)
        assert Schedule.objects.get(service=RECEIVING).next_run < START + timedelta(minutes=1)
        Schedule.objects.filter(service=PURCHASES).update(next_run=later)
        world.warehouse.unload("E00001", at=START - timedelta(minutes=1))  # type: ignore[attr-defined]
        run(world, RECEIVING)
    assert Schedule.objects.get(service=PURCHASES).next_run < START + timedelta(minutes=1)


def test_only_what_changes_from_the_switch_on_is_read_and_what_is_over_is_left(world: World) -> None:
    order(world, "OLD", minutes=-60 * 24 * 40)
    order(world, "OVER", status="closed")
    order(world, "NEW", minutes=1)
    sync(world)
    assert [row["number"] for row in there(world)] == ["OAK-NEW"]


def test_the_same_shop_connected_again_sends_none_twice(world: World) -> None:
    order(world)
    sync(world)
    Cart.objects.update(archived_at=START, sync_purchases=False)
    again = Cart.objects.get()
    again.pk, again.public_id, again.number, again.archived_at, again.sync_purchases = None, "again", 2, None, True
    again.save()
    before = (START - timedelta(days=30)).isoformat()
    Schedule.objects.create(
        merchant=world.merchant, cart=again, service=PURCHASES, every=3600, state={purchase_orders.FROM: before}
    )
    world.run(PURCHASES, again)
    run(world, RECEIVING)
    assert len(there(world)) == 1 and only().cart_id == again.pk


# ── changes and cancellation ──


def test_a_change_follows_before_and_after_it_is_sent(world: World) -> None:
    order(world)
    run(world, PURCHASES)
    order(world, "PO1", ("MUG", 12), minutes=5)
    sync(world)
    assert [(line["item"], line["quantity"]) for line in there(world)[0]["lines"]] == [("MUG", "12")]
    order(world, "PO1", ("MUG", 15), minutes=9)
    sync(world)
    assert [(line["item"], line["quantity"]) for line in there(world)[0]["lines"]] == [("MUG", "15")]
    assert len(world.warehouse.effects("purchase order")) == 1
    assert only().state == State.EXPECTED and timeline() == ["loaded", "changed", "sent", "changed", "changed"]


def test_canceled_before_it_is_sent_the_wms_hears_nothing(world: World) -> None:
    order(world)
    run(world, PURCHASES)
    order(world, status="canceled", minutes=5)
    sync(world)
    assert there(world) == [] and only().state == State.CANCELED


def test_canceled_afterwards_the_wms_expects_it_no_more(world: World) -> None:
    order(world)
    sync(world)
    order(world, status="canceled", minutes=5)
    sync(world)
    assert there(world)[0]["status"] == "canceled" and only().state == State.CANCELED
    assert len(world.warehouse.effects("purchase order cancel")) == 1


def test_canceled_too_late_is_a_persons_to_settle(world: World) -> None:
    order(world)
    sync(world)
    unload(world, ("MUG", 1))
    order(world, status="canceled", minutes=5)
    sync(world)
    row = only()
    assert (row.state, row.error_code) == (State.REFUSED, "cancel_refused") and alerts() == ["purchase_refused"]
    purchase_acts.settle(row, "ada@example.com", START)
    assert only().state == State.CANCELED and alerts() == []
    assert told(world) == {"MUG": "1", "POT": "0"}, "what has come is told all the same"


# ── what comes is other than what was ordered ──


@pytest.mark.parametrize(
    ("goods", "close", "words"),
    [
        ((("MUG", 14), ("POT", 4)), None, "14 of 10 MUG"),
        ((("MUG", 9), ("POT", 4)), True, "9 of 10 MUG"),
        ((("MUG", 10), ("POT", 4), ("CUP", 3)), None, "3 CUP, which was not ordered"),
    ],
)
def test_more_less_or_something_else_is_said(world: World, goods: Any, close: bool | None, words: str) -> None:
    order(world)
    sync(world)
    unload(world, *goods, close=close)
    sync(world)
    assert alerts() == ["purchase_differs"] and words in Alert.objects.get().message
    known = {sku: str(many) for sku, many in goods if sku != "CUP"}
    assert told(world) == known, "the shop is told of its own lines, as they are"
    assert only().state == State.RECEIVED


def test_parts_of_one_item_on_two_lines_fill_them_in_turn(world: World) -> None:
    order(world, "PO1", ("MUG", 5), ("MUG", 7))
    sync(world)
    world.warehouse.unload(only().wms_key, ("MUG", 8), at=START, close=False)  # type: ignore[attr-defined]
    sync(world)
    said = world.shop.table("purchases").rows["PO1"]["received"]["lines"]
    assert [(line["id"], line["received"]) for line in said] == [("PO1-1", "5"), ("PO1-2", "3")]


def test_item_codes_are_translated_there_and_back(world: World) -> None:
    Cart.objects.update(translate_items="UPC")
    order(world, "PO1", ("0810", 5))
    sync(world)
    assert (only().state, only().error_code) == (State.REFUSED, "item_code_unknown") and there(world) == []
    product = Product.objects.create(merchant=world.merchant, sku="MUG", origin="hand")
    ProductAlias.objects.create(merchant=world.merchant, product=product, kind="UPC", value="0810")
    purchase_rows.codes_changed(world.merchant.pk, START)
    with at(1):
        run(world, RECEIVING)
    assert there(world)[0]["lines"][0]["item"] == "MUG" and alerts() == []
    unload(world, ("MUG", 5), minutes=5)
    with at(2):
        sync(world)
    assert told(world) == {"0810": "5"}


# ── trouble ──


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
    world.warehouse.unload("E00001", ("MUG", 2), at=START)  # type: ignore[attr-defined]
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


# ── what people do ──


def test_cancel_sending_keeps_it_here_until_it_is_sent_after_all(world: World) -> None:
    order(world)
    run(world, PURCHASES)
    purchase_acts.keep_here(only(), "ada@example.com", START)
    order(world, "PO1", ("MUG", 99), minutes=5)
    sync(world)
    assert there(world) == [] and only().state == State.HELD
    purchase_acts.send_again(only(), "ada@example.com", START)
    with at(0.1):
        sync(world)
    assert there(world)[0]["lines"][0]["quantity"] == "99"
    with pytest.raises(purchase_acts.NotNow):
        purchase_acts.keep_here(only(), "ada@example.com", START)


def test_switched_off_nothing_is_sent_and_switched_on_it_begins_anew(world: World) -> None:
    order(world)
    run(world, PURCHASES)
    cart = Cart.objects.get()
    Cart.objects.update(sync_purchases=False)
    purchase_orders.switched(cart, on=False, now=START)
    assert only().state == State.HELD
    assert not Schedule.objects.filter(service__in=(PURCHASES, RECEIVING), every__gt=0).exists()
    Cart.objects.update(sync_purchases=True)
    purchase_orders.switched(cart, on=True, now=START)
    receiving = Schedule.objects.get(service=RECEIVING)
    assert receiving.every and receiving.automatic, "the merchant's side runs by itself"


def test_another_wms_is_sent_nothing_by_itself(world: World) -> None:
    order(world)
    sync(world)
    purchase_rows.leave_wms()
    assert (only().state, only().error_code) == (State.HELD, "other_wms")
    sync(world)
    assert asked(world.warehouse, "POST", "purchase-orders") == 1


# ── walls ──


def test_a_purchase_order_is_there_once_in_the_table_too(world: World) -> None:
    order(world)
    run(world, PURCHASES)
    row = only()
    row.pk, row.public_id, row.ref = None, "other", "OTHER"
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()
