"""Parcels: what the WMS has shipped, in whatever state the order is here, and each told to the cart once."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Alert
from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit import clock
from integration_manager.kit.connector import Dedupe
from integration_manager.kit.simulator import stamp
from merchants import schedules
from merchants.models import Schedule, Service
from orders import actions, many, parcel_alerts, search, states
from orders.alerted import with_orders
from orders.models import Event, Order, Shipment, Status
from orders.services import failed_parcels
from orders.services import told as told_of
from orders.services.parcels import Row
from tests.world import START, World, alerts, asked, at, leases_expire, pack, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
CONFIRM, UPLOAD = Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS
HOUR = timedelta(hours=1)
DANA = "dana@mail.example"


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def sent(world: World) -> World:
    """One order of three mugs and a pot is at the warehouse."""
    place(world, 1, ("MUG-BLUE", 3), ("POT-GLASS", 1))
    run(world, DOWNLOAD, DELIVER)
    return world


def told(world: World) -> list[str]:
    """The tracking numbers that the shop was told, in order."""
    return [effect["tracking_number"] for effect in world.shop.effects("shipment")]


def parcels(world: World) -> Any:
    return world.warehouse._shipments("C1")


def tries(world: World) -> int:
    return asked(world.shop, "POST", "/shipments")


# ── partial shipments, several parcels ──


def test_a_large_page_of_parcels_does_not_compare_its_orders_with_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a file has a thousand: each with each would be half a million times, while all of them are locked."""
    for number in range(1, 7):
        place(world, number, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, DELIVER)
    for order, (share, close) in zip(world.orders(), [("1", None), ("0.5", True), ("0.5", None)] * 2, strict=True):
        pack(world, order, share=share, close=close)
    compared: list[Any] = []
    monkeypatch.setattr(Row, "__eq__", lambda self, other: compared.append(other) or self is other)
    run(world, CONFIRM)
    assert not compared
    became = [(order.status, order.short, int(order.qty_shipped)) for order in world.orders()]
    whole, short, partial = (Status.SHIPPED, False, 2), (Status.SHIPPED, True, 1), (Status.AT_WMS, False, 1)
    assert became == [whole, short, partial] * 2


def test_a_partial_shipment_is_told_at_once_and_the_order_waits_for_the_rest(sent: World) -> None:
    pack(sent, share="0.5")  # two mugs and the pot
    run(sent, CONFIRM, UPLOAD)
    order = sent.only()
    assert (order.status, order.qty_total, order.qty_shipped) == (Status.AT_WMS, 4, 3)
    assert len(told(sent)) == 1
    pack(sent)
    run(sent, CONFIRM)
    assert (sent.only().status, sent.only().qty_shipped, sent.only().short) == (Status.SHIPPED, 4, False)
    run(sent, UPLOAD)
    assert (sent.only().status, len(set(told(sent)))) == (Status.CONFIRMED, 2)
    contents = [
        [(line["line_id"], line["item"], line["quantity"]) for line in effect["lines"]]
        for effect in sent.shop.effects("shipment")
    ]
    assert [[(i, s, float(q)) for i, s, q in lines] for lines in contents] == [
        [("1-1", "MUG-BLUE", 2), ("1-2", "POT-GLASS", 1)],
        [("1-1", "MUG-BLUE", 1)],
    ]
    assert alerts() == []


def test_it_is_confirmed_only_when_the_cart_knows_of_every_parcel(sent: World) -> None:
    pack(sent, share="0.5")
    pack(sent)
    run(sent, CONFIRM)
    sent.shop.faults.script("POST /api/orders/*/shipments", "error")
    with at(0):
        run(sent, UPLOAD)
        assert (sent.only().status, len(told(sent))) == (Status.SHIPPED, 1)
    with at(1):
        run(sent, UPLOAD)
        assert (sent.only().status, len(told(sent))) == (Status.CONFIRMED, 2)


def test_reading_the_same_parcels_again_changes_nothing(sent: World) -> None:
    pack(sent)
    for _ in range(3):
        run(sent, CONFIRM, UPLOAD)
    assert (len(told(sent)), Shipment.objects.count(), sent.only().qty_shipped) == (1, 1, 4)


def test_a_parcel_of_which_the_wms_does_not_tell_the_content_is_the_rest_of_the_order(sent: World) -> None:
    key = pack(sent, share="0.5")
    parcels(sent).change(key, lines=[], last=True)
    run(sent, CONFIRM)
    assert (sent.only().status, sent.only().qty_shipped, sent.only().short) == (Status.SHIPPED, 4, False)


def test_more_than_was_ordered_is_kept_and_counted_to_no_line(sent: World) -> None:
    key = pack(sent)
    row = parcels(sent).rows[key]
    more = [{"line_id": "1", "item": "MUG-BLUE", "quantity": "5"}, {"line_id": "x", "item": "GIFT", "quantity": "1"}]
    parcels(sent).change(key, lines=[*row["lines"], *more])
    run(sent, CONFIRM)
    assert (sent.only().status, sent.only().qty_shipped) == (Status.SHIPPED, 4)
    lines = Shipment.objects.get().lines.filter(line_id="").order_by("item")
    assert [(line.item, line.quantity) for line in lines] == [("GIFT", 1), ("MUG-BLUE", 5)]


def test_closed_with_less_than_ordered_is_shipped_short_with_an_alert(sent: World) -> None:
    pack(sent, share="0.5", close=True)
    run(sent, CONFIRM, UPLOAD)
    order = sent.only()
    assert (order.status, order.short, order.qty_shipped) == (Status.CONFIRMED, True, 3)
    assert alerts() == ["shipped_short"]
    assert "Missing: 1 × MUG-BLUE" in Alert.objects.get().message


# ── corrections ──


def test_a_changed_tracking_number_is_told_again(sent: World) -> None:
    key = pack(sent)
    run(sent, CONFIRM, UPLOAD)
    parcels(sent).change(key, tracking_number="1ZCORRECTED", modified_at=sent.warehouse.now())
    run(sent, CONFIRM, UPLOAD)
    assert len(told(sent)) == 1, "the parcel the shop knows, and no second one"
    assert [c["tracking_number"] for c in sent.shop.effects("correction")] == ["1ZCORRECTED"]
    parcel = Shipment.objects.get()
    assert (parcel.tracking_no, parcel.uploaded_at is not None) == ("1ZCORRECTED", True)
    assert sent.only().status == Status.CONFIRMED
    assert Event.objects.filter(kind="tracking_changed").count() == 1


def test_where_the_cart_cannot_correct_a_person_is_told(sent: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(SandboxShop, "correct")
    key = pack(sent)
    run(sent, CONFIRM, UPLOAD)
    parcels(sent).change(key, tracking_number="1ZCORRECTED", modified_at=sent.warehouse.now())
    run(sent, CONFIRM, UPLOAD)
    assert len(told(sent)) == 1
    assert alerts() == ["tracking_changed"]
    assert "1ZCORRECTED" in Alert.objects.get().message


def test_a_voided_parcel_puts_the_order_back_and_is_told_to_nobody(sent: World) -> None:
    key = pack(sent)
    run(sent, CONFIRM)
    sent.warehouse.void("C1", key)
    run(sent, CONFIRM, UPLOAD)
    order = sent.only()
    assert (order.status, order.qty_shipped, order.short) == (Status.AT_WMS, 0, False)
    assert (told(sent), alerts()) == ([], []), "that the voided parcel was the last one does not close the order"
    run(sent, CONFIRM)
    assert sent.only().status == Status.AT_WMS


def test_a_parcel_that_replaces_a_voided_one_completes_the_order(sent: World) -> None:
    key = pack(sent)
    run(sent, CONFIRM)
    sent.warehouse.void("C1", key)
    row = parcels(sent).rows[key]
    again = {**row, "key": f"{key}-again", "voided": False, "tracking_number": "1ZAGAIN"}
    parcels(sent).put(again["key"], {**again, "modified_at": sent.warehouse.now()})
    run(sent, CONFIRM, UPLOAD)
    assert (sent.only().status, sent.only().qty_shipped, told(sent)) == (Status.CONFIRMED, 4, ["1ZAGAIN"])


def test_what_replaces_a_parcel_that_was_to_be_told_again_takes_its_place_at_the_cart(sent: World) -> None:
    key = pack(sent)
    run(sent, CONFIRM, UPLOAD)
    parcels(sent).change(key, tracking_number="1ZCHANGED", modified_at=sent.warehouse.now())
    run(sent, CONFIRM)
    assert Shipment.objects.get().uploaded_at is None
    sent.warehouse.void("C1", key)
    row = parcels(sent).rows[key]
    again = {**row, "key": f"{key}-again", "voided": False, "tracking_number": "1ZAGAIN"}
    parcels(sent).put(again["key"], {**again, "modified_at": sent.warehouse.now()})
    run(sent, CONFIRM, UPLOAD)
    assert [c["tracking_number"] for c in sent.shop.effects("correction")] == ["1ZAGAIN"]
    assert (sent.only().status, len(told(sent)), alerts()) == (Status.CONFIRMED, 1, [])


def test_a_voided_parcel_that_is_valid_after_all_counts_again(sent: World) -> None:
    key = pack(sent)
    run(sent, CONFIRM)
    sent.warehouse.void("C1", key)
    run(sent, CONFIRM)
    parcels(sent).change(key, voided=False, modified_at=sent.warehouse.now())
    run(sent, CONFIRM, UPLOAD)
    assert (sent.only().status, sent.only().qty_shipped, len(told(sent))) == (Status.CONFIRMED, 4, 1)


def test_a_parcel_voided_before_we_ever_saw_it_is_nothing(sent: World) -> None:
    key = pack(sent)
    sent.warehouse.void("C1", key)
    run(sent, CONFIRM)
    assert (sent.only().status, Shipment.objects.count()) == (Status.AT_WMS, 0)


# ── evidence: the WMS has shipped what we did not believe it has ──


def shipped_at_the_warehouse(world: World, order: Order, number: int = 1) -> None:
    """The warehouse shows a parcel under our reference, however it came by the order."""
    now = stamp(world.warehouse.clock())
    row = {
        "key": f"P-{number}", "order": f"W-{776 + number}", "reference": order.wms_ref,
        "carrier": "UPS", "method": "GROUND", "tracking_number": "1ZEVIDENCE", "tracking_url": None,
        "shipped_at": now, "modified_at": now,
        "weight_lb": None, "cost": None, "last": True, "voided": False, "lines": [],
    }  # fmt: skip
    parcels(world).put(f"P-{number}", row)


@pytest.mark.parametrize(
    "status",
    [Status.RECEIVED, Status.READY, Status.SENDING, Status.HELD, Status.ERROR, Status.GAVE_UP, Status.CANCELED],
)
def test_a_parcel_moves_its_order_in_whatever_state_it_is(world: World, status: Status) -> None:
    place(world)
    run(world, DOWNLOAD)
    order = world.only()
    if status is Status.SENDING:
        (claimed,) = states.claim(world.merchant.pk, 1, 60, START)
    else:
        Order.objects.update(status=status)  # however it came there
    shipped_at_the_warehouse(world, order)
    run(world, CONFIRM)
    order = world.only()
    assert (order.status, order.wms_key, order.qty_shipped) == (Status.SHIPPED, "W-777", 1)
    moves = list(Event.objects.filter(order_id=order.pk).order_by("id").values_list("frm", "to"))[1:]
    assert moves == [(status.value, "at_wms"), ("at_wms", "shipped")]
    assert alerts() == (["shipped_although_canceled"] if status is Status.CANCELED else [])
    if status is Status.SENDING:  # the worker comes back late: its result changes nothing
        assert states.move([order.pk], Status.SENDING, Status.READY, "failed", now=START, tokens=[claimed.token]) == []
    run(world, DELIVER, UPLOAD)
    assert (len(world.warehouse.effects("order")), told(world)) == (0, ["1ZEVIDENCE"])


def test_evidence_resolves_the_alert_that_held_the_order(world: World) -> None:
    place(world, 1, shipping_method="DRONE")
    run(world, DOWNLOAD, DELIVER)
    assert alerts() == ["ship_method_unknown"]
    shipped_at_the_warehouse(world, world.only())
    run(world, CONFIRM)
    assert (world.only().status, world.only().error_code, alerts()) == (Status.SHIPPED, "", [])


def test_parcels_of_orders_that_are_not_ours_are_passed_over(sent: World) -> None:
    sent.warehouse.parcel(9, sent.warehouse.clock())
    pack(sent)
    run(sent, CONFIRM)
    assert (sent.only().status, Shipment.objects.count()) == (Status.SHIPPED, 1)


def test_an_order_whose_parcel_was_never_listed_is_asked_for_once_a_day(sent: World) -> None:
    key = pack(sent, at=START - timedelta(days=30))  # far behind every cursor
    Order.objects.update(delivered_at=START - timedelta(days=29))
    with at(0):
        schedule = sent.schedule(CONFIRM)
        schedule.cursor = schedule.reached_back_at = START
        schedule.save()
        run(sent, CONFIRM)
        assert (sent.only().status, Shipment.objects.get().key) == (Status.SHIPPED, key)


def test_it_is_not_asked_for_before_a_day_nor_twice_a_day(sent: World) -> None:
    def one_by_one() -> int:
        return sum("orders" in seen.request.query for seen in sent.warehouse.journal)

    Order.objects.update(delivered_at=START)
    counted = []
    for hours in (1, 23, 25, 26, 48, 50):
        with at(hours):
            run(sent, CONFIRM)
            counted.append(one_by_one())
    assert counted == [0, 0, 1, 1, 1, 2]


def test_what_has_no_number_at_the_wms_is_not_asked_for_by_our_reference(sent: World) -> None:
    """Which would be the number of another order there."""
    Order.objects.update(delivered_at=START - timedelta(days=29), wms_key="")
    with at(0):
        run(sent, CONFIRM)
    assert not any("orders" in seen.request.query for seen in sent.warehouse.journal)


# ── telling the cart: tried at every run, for 30 days or 100 tries ──


@pytest.fixture
def shipped(sent: World) -> World:
    pack(sent)
    run(sent, CONFIRM)
    return sent


def test_a_failed_upload_is_tried_at_every_run_and_at_most_one_an_hour_counts(shipped: World) -> None:
    shipped.shop.faults.script("POST /api/orders/*/shipments", "error", times=100)
    seen = []
    for minutes in (0, 15, 30, 45, 60, 75, 120):
        with at(minutes=minutes):
            run(shipped, UPLOAD)
            seen.append((tries(shipped), Shipment.objects.get().failures))
    assert seen == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 2), (7, 3)]
    assert alerts() == ["tracking_failing"]
    shipped.shop.faults.clear()
    with at(minutes=135):
        run(shipped, UPLOAD)
        assert (shipped.only().status, alerts()) == (Status.CONFIRMED, [])


@pytest.mark.parametrize(
    "ago", [{"failures": 99}, {"first_failed_at": START - timedelta(days=30)}], ids=["tries", "days"]
)
def test_after_100_counted_tries_or_30_days_it_is_skipped_and_can_be_sent_by_hand(
    shipped: World, ago: dict[str, Any]
) -> None:
    assert (100, timedelta(days=30)) == (failed_parcels.TRIES, failed_parcels.DAYS)
    before = {"failures": 5, "first_failed_at": START - timedelta(days=3), "failed_at": START - HOUR}
    Shipment.objects.update(**{**before, **ago})
    shipped.shop.faults.script("POST /api/orders/*/shipments", "error")
    with at(0):
        run(shipped, UPLOAD)
        assert Shipment.objects.get().parked_at == START
        assert alerts() == ["tracking_skipped"]
    with at(5):
        run(shipped, UPLOAD)
        assert tries(shipped) == 1
        assert shipped.only().status == Status.SHIPPED
    with at(6):
        actions.resend_tracking(shipped.only(), DANA)
        run(shipped, UPLOAD)
        assert (shipped.only().status, len(told(shipped)), alerts()) == (Status.CONFIRMED, 1, [])


def test_a_refused_parcel_is_parked_at_once_with_an_alert(shipped: World) -> None:
    shipped.shop.table("orders").change("1", status="canceled")
    run(shipped, UPLOAD)
    assert (Shipment.objects.get().error_code, alerts()) == ("order_canceled", ["tracking_refused"])


def test_parcels_refused_for_the_same_reason_are_one_alert_until_none_is_left(world: World) -> None:
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD, DELIVER)
    keys = [pack(world, order) for order in world.orders()]
    run(world, CONFIRM)
    first, second, third = world.orders()
    usual = dict(world.shop._exact)
    for order in (first, second):
        refuse = world.shop.refuse(422, "no_status", f"{order.cust_po_no} has no such status.")
        world.shop._exact["POST", f"/api/orders/{order.cart_key}/shipments"] = lambda _, answer=refuse: answer
    world.shop.table("orders").change(third.cart_key, status="canceled")
    run(world, UPLOAD)
    assert alerts() == ["tracking_refused", "tracking_refused"]
    held = {alert.count: alert for alert in with_orders(Alert.objects.all())}
    assert (held[2].waiting, held[1].waiting, held[1].order_number) == (2, 1, third.cust_po_no)
    assert held[2].message == f"Tracking did not reach {world.cart.name}: … has no such status."
    of_two = search.filtered(search.Filters(cause=held[2].key))
    assert set(of_two) == {first, second} and set(search.filtered(search.Filters(cause=held[1].key))) == {third}
    assert search.Filters(cause=held[2].key).cause.startswith(parcel_alerts.BEGIN)
    world.warehouse.void("C1", keys[0])
    run(world, CONFIRM)
    assert len(alerts()) == 2, "one of them is still refused"
    world.shop._exact = usual
    many.resend_tracking([second], DANA, clock.now())
    assert list(Alert.objects.filter(resolved_at=None)) == [held[1]], "it is told again"
    run(world, UPLOAD)
    assert (world.orders()[1].status, list(Alert.objects.filter(resolved_at=None))) == (Status.CONFIRMED, [held[1]])


def test_a_refused_parcel_that_is_voided_needs_nobody_any_more(shipped: World) -> None:
    shipped.shop.table("orders").change("1", status="canceled")
    run(shipped, UPLOAD)
    (key,) = parcels(shipped).rows
    shipped.warehouse.void("C1", key)
    run(shipped, CONFIRM)
    assert (shipped.only().status, alerts()) == (Status.AT_WMS, [])


def test_a_refused_parcel_of_a_cart_that_cannot_be_looked_into_is_settled_with_many_others(
    shipped: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next try counts as a first one."""
    monkeypatch.setattr(SandboxShop, "dedupe", lambda *_: Dedupe.NONE)
    shipped.shop.table("orders").change("1", status="canceled")
    run(shipped, UPLOAD)
    shipped.shop.table("orders").change("1", status="open")
    many.resend_tracking([shipped.only()], DANA, clock.now())
    run(shipped, UPLOAD)
    assert (shipped.only().status, alerts()) == (Status.CONFIRMED, [])


@pytest.mark.parametrize("fault", ["drop_after", "garbage", "late"])
def test_an_upload_of_unknown_outcome_is_looked_for_before_it_is_repeated(shipped: World, fault: str) -> None:
    import time

    shipped.shop.faults.script("POST /api/orders/*/shipments", fault, seconds=0.2)
    run(shipped, UPLOAD)
    run(shipped, UPLOAD)
    assert tries(shipped) == 1, "not before it has settled"
    time.sleep(0.3)
    leases_expire()
    run(shipped, UPLOAD)
    assert (shipped.only().status, len(told(shipped))) == (Status.CONFIRMED, 1)


def test_of_a_parcel_in_many_parts_whole_ids_are_kept() -> None:
    numbers = [str(5_000_000_000_000 + n) for n in range(12)]
    assert told_of.kept(",".join(numbers)) == ",".join(numbers[:10])
    most = ",".join([*numbers[:9], "1" * 24])
    assert len(most) == told_of.LONGEST
    assert told_of.kept(f"{most},7") == most
    assert told_of.kept("1" * 151) == "1" * 150
    assert told_of.ids(["ok", "found,7", ""]) == {"7"}


def test_refused_credentials_of_the_shop_pause_the_shop_only(shipped: World) -> None:
    shipped.shop.credential = "changed"  # type: ignore[misc]
    with at(0):
        run(shipped, UPLOAD)
        assert (shipped.schedule(UPLOAD).paused, shipped.schedule(DELIVER).paused) == ("auth", "")
        assert (Shipment.objects.get().failures, alerts()) == (0, ["credentials"])


def test_a_parcel_wakes_the_upload_of_its_cart(sent: World) -> None:
    """Automatic: it runs with the news, not with the clock."""
    schedules.set_frequency(sent.schedule(UPLOAD), START, every=12 * 3600, automatic=True)
    Schedule.objects.filter(service=UPLOAD).update(next_run=START + 5 * HOUR, started_at=None, failures=0)
    pack(sent)
    with at(1):
        run(sent, CONFIRM)
        assert sent.schedule(UPLOAD).next_run == START + HOUR
