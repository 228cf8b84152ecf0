"""Purchase orders: each reaches the WMS once, and what has come of it is told back to the cart."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from alerts.models import Alert
from carts.models import Cart
from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.faults import Fault
from merchants.models import Product, ProductAlias, Schedule
from orders import purchase_acts, purchase_rows, purchase_words
from orders.models import PurchaseOrder
from orders.services import purchase_orders
from tests.buying import (
    PURCHASES,
    RECEIVING,
    State,
    only,
    order,
    quantities,
    switched_on,
    sync,
    there,
    timeline,
    told,
    unload,
)
from tests.world import START, World, alerts, asked, at, run
from wms.models import Wms


@pytest.fixture
def world(calm: World) -> World:
    return switched_on(calm)


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
        world.warehouse.unload("E00001", at=START - timedelta(minutes=1))
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


def test_many_of_one_number_have_a_reference_each_also_where_it_holds_in_the_whole_account(world: World) -> None:
    Wms.objects.update(system="csv_wms")
    for minutes, key in enumerate("ABC"):
        order(world, key, number="SAME", minutes=minutes)
    run(world, PURCHASES)
    assert len(set(PurchaseOrder.objects.values_list("ref", flat=True))) == 3


def test_a_key_of_any_length_is_told_as_the_shop_knows_it(world: World) -> None:
    order(world, "K" * 120, number="LONG")
    sync(world)
    unload(world, ("MUG", 6))
    sync(world)
    assert told(world, "K" * 120) == {"MUG": "6", "POT": "0"}


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


def test_a_change_says_nothing_of_a_file_that_a_person_has_to_say_something_of(world: World) -> None:
    order(world)
    run(world, PURCHASES)
    PurchaseOrder.objects.update(out_file_id=1, error_code="file_unknown", error_message="Whether it arrived …")
    order(world, "PO1", ("MUG", 12), minutes=5)
    run(world, PURCHASES)
    assert purchase_words.next_words(only()) == "Whether it arrived …"


def test_a_cart_that_is_told_nothing_is_not_said_to_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SandboxShop, "tell_received", CartConnector.tell_received)
    order(world)
    sync(world)
    unload(world, ("MUG", 6))
    sync(world)
    assert purchase_words.next_words(only()).endswith("The cart takes no word of what has come.")


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
    world.warehouse.unload(only().wms_key, ("MUG", 8), at=START, close=False)
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
    Schedule.objects.filter(service=RECEIVING).update(next_run=START + timedelta(days=1))
    purchase_rows.codes_changed(world.merchant.pk, START)
    assert Schedule.objects.get(service=RECEIVING).next_run <= START + timedelta(minutes=1)
    with at(1):
        run(world, RECEIVING)
    assert there(world)[0]["lines"][0]["item"] == "MUG" and alerts() == []
    unload(world, ("MUG", 5), minutes=5)
    with at(2):
        sync(world)
    assert told(world) == {"0810": "5"}


# ── what people do ──


def test_cancel_sending_keeps_it_here_until_it_is_sent_after_all(world: World) -> None:
    order(world)
    run(world, PURCHASES)
    purchase_acts.keep_here(only(), "ada@example.com", START)
    order(world, "PO1", ("MUG", 99), minutes=5)
    sync(world)
    assert there(world) == [] and only().state == State.HELD
    order(world, "PO1", ("MUG", 99), minutes=7, status="canceled")
    run(world, PURCHASES)
    assert purchase_words.next_words(only()) == "It is canceled in the cart: there is nothing to send any more."
    order(world, "PO1", ("MUG", 99), minutes=9)
    run(world, PURCHASES)
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


def test_switched_off_what_was_begun_comes_to_its_end(world: World) -> None:
    order(world)
    sync(world)
    order(world, "PO1", ("MUG", 12), minutes=5)
    run(world, PURCHASES)
    switch_off(world)
    assert Schedule.objects.get(service=RECEIVING).every
    run(world, RECEIVING)
    assert quantities(world) == ["12"] and only().state == State.EXPECTED


def test_switched_off_what_a_person_sends_after_all_is_sent(world: World) -> None:
    order(world)
    run(world, PURCHASES, RECEIVING)
    order(world, "PO2", minutes=1)
    run(world, PURCHASES)
    switch_off(world)
    held = PurchaseOrder.objects.get(state=State.HELD)
    assert not Schedule.objects.get(service=RECEIVING).every
    purchase_acts.send_again(held, "ada@example.com", START)
    found = Schedule.objects.get(service=RECEIVING)
    assert found.every and found.next_run == START
    with at(0.1):
        run(world, RECEIVING)
    assert len(there(world)) == 2


def test_switched_off_its_page_promises_no_word_to_the_cart(world: World) -> None:
    order(world)
    sync(world)
    off = "Purchase orders of Shop are switched off, so it hears nothing of what comes."
    Cart.objects.update(sync_purchases=False)
    assert purchase_words.next_words(only()) == f"The WMS receives the goods. {off}"
    Cart.objects.update(sync_purchases=True)
    unload(world, minutes=5)
    run(world, RECEIVING)
    assert "is told what has come" in purchase_words.next_words(only())
    switch_off(world)
    assert purchase_words.next_words(only()) == f"Whatever was to come has come. {off}"


def not_taken(world: World) -> None:
    """Goods have come, and the cart does not take that."""
    order(world)
    sync(world)
    world.shop.faults.script("PUT /api/purchase-orders/PO1/received", Fault.ECHO)
    unload(world, ("MUG", 6))
    sync(world)


def test_switched_off_nobody_has_to_mend_what_the_cart_did_not_take(world: World) -> None:
    not_taken(world)
    assert (alerts(), "tell_again" in purchase_acts.can(only())) == (["receipt_refused"], True)
    switch_off(world)
    assert (alerts(), "tell_again" in purchase_acts.can(only())) == ([], False)


def test_switched_on_again_what_the_cart_did_not_take_is_told_of_again(world: World) -> None:
    not_taken(world)
    switch_off(world)
    assert alerts() == []
    Cart.objects.update(sync_purchases=True)
    purchase_orders.switched(Cart.objects.get(), on=True, now=START)
    assert (alerts(), "tell_again" in purchase_acts.can(only())) == (["receipt_refused"], True)
    Schedule.objects.filter(service=PURCHASES).update(every=3600)
    purchase_acts.tell_again(only(), "ada@example.com", START)
    with at(1):
        sync(world)
    assert (alerts(), told(world)) == ([], {"MUG": "6", "POT": "0"})


def test_switched_off_what_the_wms_refuses_is_told_of_alone(world: World) -> None:
    not_taken(world)
    order(world, "PO1", ("UNKNOWN-1", 1), minutes=5)
    run(world, PURCHASES)
    switch_off(world)
    run(world, RECEIVING)
    assert alerts() == ["purchase_refused"]


def switch_off(world: World) -> None:
    Cart.objects.update(sync_purchases=False)
    purchase_orders.switched(Cart.objects.get(), on=False, now=START)


def test_another_wms_is_sent_nothing_by_itself(world: World) -> None:
    order(world)
    sync(world)
    order(world, "PO1", ("UNKNOWN-1", 1), minutes=5)
    sync(world)
    assert alerts() == ["purchase_refused"]
    before = only().token
    purchase_rows.leave_wms(START)
    assert (only().state, only().error_code) == (State.HELD, "other_wms") and alerts() == []
    assert only().token > before, "what is under way to the old one is not recorded"
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
