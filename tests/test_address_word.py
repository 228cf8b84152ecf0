"""A person says that an address is right: that counts for it alone. *Release* and *Load anyway* say nothing of it."""

from datetime import timedelta

import pytest

from integration_manager.kit import clock
from merchants.models import Service
from merchants.rules import address
from merchants.rules.countries import DENY
from merchants.rules.draft import ADDRESS_LOOKUP
from orders import actions, country_rules, holds
from orders.loading import load_anyway
from orders.models import Event, Order, OrderDetail, SkippedOrder, Status
from tests.smarty_fake import FakeSmarty
from tests.test_address_orders import GOOD, counted, sent, to
from tests.test_address_orders import online as online
from tests.test_address_orders import world as world
from tests.world import START, World, alerts, at, change, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
PERSON = "dana@example.com"


def careful(world: World) -> None:
    """A hold rule that every order fits."""
    holds.change(world.cart, clock.now(), PERSON, put=[holds.checked("Careful", "units", "at_least", ["1"])])
    world.cart.refresh_from_db()


def right(world: World) -> None:
    assert world.only().error_code == address.ERROR
    actions.address_is_right(world.only(), PERSON)


def vouched() -> list[bool]:
    return list(OrderDetail.objects.order_by("pk").values_list("address_right", flat=True))


def test_a_right_address_lets_no_hold_rule_go(world: World) -> None:
    careful(world)
    to(world, zip="02134")
    run(world, DOWNLOAD)
    right(world)
    run(world, DELIVER)
    held = world.only()
    assert (held.status, held.held_by, sent(world)) == (Status.HELD, "hold_rule", [])
    actions.undo_cancel(held, PERSON)
    run(world, DELIVER)
    assert (world.only().status, sent(world)[0]["zip"], alerts()) == (Status.AT_WMS, "02134", [])


def test_a_right_address_shortens_no_delay(world: World) -> None:
    world.cart.delay_minutes = 240
    world.cart.save()
    with at(0):
        to(world, zip="02134")
        run(world, DOWNLOAD)
    with at(1):
        right(world)
        run(world, DELIVER)
        assert (world.only().status, world.only().retry_at) == (Status.READY, START + timedelta(hours=4))
    with at(4):
        run(world, DELIVER)
        assert world.only().status == Status.AT_WMS


def test_what_is_loaded_anyway_has_its_address_checked(world: World) -> None:
    country_rules.change(world.merchant, clock.now(), PERSON, kind=DENY, add=["US"])
    to(world, zip="02134")
    run(world, DOWNLOAD)
    row = SkippedOrder.objects.get()
    load_anyway(row, row.raw, world.account, PERSON, clock.now())
    run(world, DELIVER)
    assert (world.only().status, world.only().error_code) == (Status.ERROR, address.ERROR)
    assert (sent(world), alerts()) == ([], [address.ERROR])
    right(world)
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS, "its country keeps it no more"


@pytest.mark.parametrize("house", [12, 13])
def test_what_is_released_is_looked_up_before_it_goes(world: World, online: FakeSmarty, house: int) -> None:
    careful(world)
    to(world, address_1=f"{house} Mill Lane")
    run(world, DOWNLOAD)
    assert (world.only().held_by, counted()) == ("hold_rule", (0, 0))
    actions.undo_cancel(world.only(), PERSON)
    run(world, DELIVER)
    assert (world.only().held_by, sent(world)) == (ADDRESS_LOOKUP, [])
    run(world, DELIVER)
    assert counted() == (1, 0)
    if house == 12:
        assert (world.only().status, sent(world)[0]["zip"]) == (Status.AT_WMS, "97301-4321")
    else:
        assert (world.only().error_code, sent(world), vouched()) == (address.ERROR, [], [False])


def test_a_word_is_about_the_address_of_which_it_was_given(world: World) -> None:
    key = to(world, zip="1")
    run(world, DOWNLOAD)
    right(world)
    change(world, key, note="Ring twice.")
    run(world, DOWNLOAD)
    assert (world.only().status, vouched()) == (Status.READY, [True])
    change(world, key, ship_to={**GOOD, "zip": "22"})
    run(world, DOWNLOAD)
    assert (world.only().error_code, vouched()) == (address.ERROR, [False])


def test_an_address_that_came_while_the_order_was_being_sent_is_checked(world: World) -> None:
    to(world, zip="1")
    run(world, DOWNLOAD)
    right(world)
    detail = OrderDetail.objects.get()
    newer = {**detail.data, "ship": {**detail.data["ship"], "zip": "22"}}
    OrderDetail.objects.update(newer=newer)
    Order.objects.update(source_changed=True)
    run(world, DELIVER)
    assert (world.only().error_code, sent(world)) == (address.ERROR, [])
    assert Event.objects.filter(order_id=world.only().pk, kind="changed").exists()
