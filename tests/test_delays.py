"""Delivery Delay, from the rule to the page: how long orders wait, what reaches them meanwhile, and who ends it."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from accounts.models import Account
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Service
from merchants.rules import judge
from merchants.rules.delays import Delay, spelled
from orders import actions, delaying, many, ship_methods
from orders.models import Event, Order, Status
from orders.next_step import in_words
from orders.ship_methods import Entry
from tests import desk as desks
from tests.counter import text
from tests.desk import Desk
from tests.test_rules import PLAIN, order
from tests.world import START, World, at, change, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def world(calm: World) -> World:
    return calm


def wanted(world: World, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(world.cart, name, value)
    world.cart.save()


# ── the rule alone ──


@pytest.mark.parametrize(
    ("delay", "placed", "goes"),
    [
        (Delay(), None, FRIDAY),
        (Delay(90), None, FRIDAY + timedelta(minutes=90)),
        (Delay(90), FRIDAY - DAY, FRIDAY + timedelta(minutes=90)),
        (Delay(90, placed=True), FRIDAY - HOUR, FRIDAY + timedelta(minutes=30)),
        (Delay(90, placed=True), FRIDAY - DAY, FRIDAY),  # it has waited enough
        (Delay(90, placed=True), None, FRIDAY + timedelta(minutes=90)),
        (Delay(90, placed=True), FRIDAY + 400 * DAY, FRIDAY + timedelta(minutes=90)),  # a shop with a wrong clock
        (Delay(not_before=time(9)), None, FRIDAY),
        (Delay(not_before=time(15, 30)), None, FRIDAY.replace(hour=15, minute=30)),
        (Delay(14 * 60, not_before=time(9)), None, (FRIDAY + DAY).replace(hour=9)),
        (Delay(14 * 60, working_days=True), None, (FRIDAY + 3 * DAY).replace(hour=0)),
        (Delay(14 * 60, not_before=time(9), working_days=True), None, (FRIDAY + 3 * DAY).replace(hour=9)),
        (Delay(60, working_days=True), None, FRIDAY + HOUR),
        # 12:00 is 01:00 on Saturday in Auckland, and Monday 00:00 there is Sunday 11:00 here.
        (Delay(working_days=True, zone="Pacific/Auckland"), None, FRIDAY + 2 * DAY - HOUR),
    ],
)
def test_an_order_waits_so_long_and_then_for_the_hour_and_the_day(delay: Delay, placed: Any, goes: datetime) -> None:
    assert delay.until(placed, FRIDAY) == goes
    hold = judge(order(ordered_at=placed), replace(PLAIN, delay=delay), loaded_at=FRIDAY).waits
    assert (hold.until if hold else FRIDAY) == goes
    assert (hold is None) == (goes == FRIDAY), "what may go at once has nothing to wait for"


def test_a_night_that_skips_an_hour_skips_no_order() -> None:
    evening = datetime(2026, 3, 28, 23, tzinfo=UTC)  # the night in which Berlin has no 02:30
    goes = Delay(not_before=time(2, 30), zone="Europe/Berlin").until(None, evening)
    assert evening < goes < evening + 4 * HOUR


def test_a_person_overrules_it_and_where_nobody_asks_when_it_says_nothing() -> None:
    rules = replace(PLAIN, delay=Delay(60))
    assert judge(order(), rules, anyway=True, loaded_at=FRIDAY).waits is None
    outcome = judge(order(), rules)
    assert (outcome.waits, outcome.story) == (None, [])


@pytest.mark.parametrize(
    ("minutes", "said"), [(1, "1 minute"), (120, "2 hours"), (1505, "1 day, 1 hour and 5 minutes"), (2880, "2 days")]
)
def test_a_delay_is_said_as_people_say_it(minutes: int, said: str) -> None:
    assert spelled(minutes) == said
    assert said in Delay(minutes).words


# ── the life of an order that waits ──


def test_an_order_goes_when_its_time_has_come_and_not_before(world: World) -> None:
    wanted(world, delay_minutes=120)
    with at(0):
        place(world)
        run(world, DOWNLOAD, DELIVER)
        found = world.only()
        assert (found.status, found.retry_at, found.starts) == (Status.READY, START + 2 * HOUR, 0)
        loaded = Event.objects.get(order_id=found.pk, kind="loaded")
        assert loaded.message.startswith("It waits 2 hours from when it was loaded: changes")
        assert in_words(found).startswith("Sends from ")
        assert world.schedule(DELIVER).next_run == world.planned(DELIVER, START + 2 * HOUR)
    with at(1.99):
        run(world, DELIVER)
        assert world.only().status == Status.READY
    with at(2):
        run(world, DELIVER)
        assert world.only().status == Status.AT_WMS


def test_what_happens_in_the_shop_meanwhile_arrives(world: World) -> None:
    wanted(world, delay_minutes=120)
    with at(0):
        changed, canceled = place(world, 1), place(world, 2)
        run(world, DOWNLOAD)
    with at(1):
        change(world, changed, shipping_method="EXPRESS")
        change(world, canceled, status="canceled")
        run(world, DOWNLOAD, DELIVER)
        first, second = world.orders()
        assert (first.status, first.ship_code, first.retry_at) == (Status.READY, "EXPRESS", START + 2 * HOUR)
        assert second.status == Status.CANCELED
    with at(2):
        run(world, DELIVER)
    (there,) = world.warehouse.table("orders").rows.values()
    assert there["ship_method"] == "EXPRESS"


def test_send_now_does_not_wait(world: World) -> None:
    wanted(world, delay_minutes=120)
    with at(0):
        place(world)
        run(world, DOWNLOAD)
        found = world.only()
        assert actions.waits(found)
        many.resend([found], "dana@x.example", clock.now())
        assert not actions.waits(world.only())
        run(world, DELIVER)
        assert world.only().status == Status.AT_WMS


def test_orders_that_wait_go_by_the_new_delay_and_none_waits_again(world: World) -> None:
    wanted(world, delay_minutes=120)
    with at(0):
        place(world, 1)
        run(world, DOWNLOAD)
    with at(1):
        place(world, 2)
        run(world, DOWNLOAD)
        many.resend([world.orders()[1]], "dana@x.example", clock.now())
        wanted(world, delay_minutes=30)
        assert delaying.retime(world.cart, clock.now(), actor="dana@x.example") == 1
        assert [order.retry_at for order in world.orders()] == [clock.now(), clock.now()]
        wanted(world, delay_minutes=600)
        assert delaying.retime(world.cart, clock.now(), actor="dana@x.example") == 0, "both may go: they do"
        run(world, DELIVER)
        assert {order.status for order in world.orders()} == {Status.AT_WMS}


def test_an_order_with_a_problem_waits_on_from_its_loading_once_that_is_solved(world: World) -> None:
    wanted(world, delay_minutes=120)
    with at(0):
        key = place(world, 1, ("", 1))
        run(world, DOWNLOAD)
        assert world.only().status == Status.ERROR
    with at(1):
        change(world, key, lines=[{"id": "x", "sku": "MUG-BLUE", "title": "x", "price": "5.00", "quantity": 1}])
        run(world, DOWNLOAD)
        assert (world.only().status, world.only().retry_at) == (Status.READY, START + 2 * HOUR)


def test_what_waited_for_another_cause_waits_for_its_time_all_the_same(world: World) -> None:
    wanted(world, delay_minutes=120, reject_unmapped=True)
    with at(0):
        place(world, 1, shipping_method="Drone")
        place(world, 2, shipping_method="Blimp")
        run(world, DOWNLOAD)
        assert {order.status for order in world.orders()} == {Status.ERROR}
    with at(1):
        ship_methods.change(world.cart, clock.now(), "dana@x.example", put=[Entry("exact", "Drone", "GROUND")])
        first, second = world.orders()
        assert (first.status, first.retry_at, second.status) == (Status.READY, START + 2 * HOUR, Status.ERROR)
        wanted(world, delay_minutes=240)
        assert delaying.retime(world.cart, clock.now(), actor="dana@x.example") == 2, "also the one that is held"
        ship_methods.change(world.cart, clock.now(), "dana@x.example", put=[Entry("exact", "Blimp", "GROUND")])
        assert [order.retry_at for order in world.orders()] == [START + 4 * HOUR] * 2
        run(world, DELIVER)
        assert {order.status for order in world.orders()} == {Status.READY}
    with at(4):
        run(world, DELIVER)
        assert {order.status for order in world.orders()} == {Status.AT_WMS}


def test_what_is_released_after_its_time_goes_at_once(world: World) -> None:
    wanted(world, delay_minutes=120, reject_unmapped=True)
    with at(0):
        place(world, 1, shipping_method="Drone")
        run(world, DOWNLOAD)
    with at(3):
        ship_methods.change(world.cart, clock.now(), "dana@x.example", put=[Entry("exact", "Drone", "GROUND")])
        assert (world.only().status, world.only().retry_at) == (Status.READY, START + 3 * HOUR)


def test_another_time_zone_of_the_account_is_another_hour_for_what_waits(world: World) -> None:
    ahead = (20 - START.hour) % 24 - 12  # the hours by which it is eight in the morning, whenever this runs
    Account.objects.update(timezone=f"Etc/GMT{-ahead:+}")  # the sign of these names says how far Greenwich is
    wanted(world, send_not_before=(START + timedelta(hours=ahead + 6)).time())
    with at(0):
        place(world, 1)
        run(world, DOWNLOAD)
        assert world.only().retry_at == START + 6 * HOUR
        Account.objects.update(timezone=f"Etc/GMT{-ahead - 2:+}")
        assert delaying.zone_changed(world.account, clock.now(), actor="root@x.example") == 1
        assert world.only().retry_at == START + 4 * HOUR
        assert Event.objects.filter(kind="delay").get().message.startswith("The account's time zone was changed")


# ── on the pages ──


@pytest.fixture
def desk(db: None) -> Desk:
    return desks.build(orders=1)


def test_the_page_says_when_it_goes_and_sends_it_now(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        found = desk.orders[0]
        Order.objects.filter(pk=found.pk).update(retry_at=clock.now() + HOUR)
    client, address = desk.client("owner"), desk.url(f"orders/{found.public_id}/")
    page = text(client.get(address))
    assert "Send now" in page and "changes and a cancellation there still arrive" in page
    client.post(f"{address}do/resend/")
    page = text(client.get(address))
    assert "Send now" not in page and "Resend to WMS" in page


def test_the_setup_takes_a_delay_and_what_waits_goes_by_it(desk: Desk) -> None:
    cart = desk.carts[0]
    client, address = desk.client("owner"), desk.url(f"carts/{cart.public_id}/edit/")
    mark = client.get(address).content.decode().split('name="mark" value="')[1].split('"')[0]
    form = {
        "name": "Shop", "earliest_order_date": "2020-01-01", "mark": mark, "c-url": "http://127.0.0.1:9/shop",
        "delay_minutes": "180", "delay_since": "placed", "send_not_before": "09:30", "send_working_days": "on",
    }  # fmt: skip
    assert client.post(address, {**form, "delay_minutes": "99999"}).status_code == 422
    assert client.post(address, {**form, "send_not_before": "25:00"}).status_code == 422
    assert client.post(address, form).status_code == 302
    with tenancy.activate(desk.account.pk):
        stored = Cart.objects.get(pk=cart.pk)
        assert (stored.delay_minutes, stored.delay_since) == (180, "placed")
        assert (stored.send_not_before, stored.send_working_days) == (time(9, 30), True)
