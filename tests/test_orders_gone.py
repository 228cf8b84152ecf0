"""An order that was removed after its time, and that its shop shows again."""

from datetime import timedelta

import pytest

from carts.models import Cart
from integration_manager.kit import clock
from integration_manager.kit.simulator import stamp
from merchants.models import Schedule, Service
from orders import expiry
from orders.intake import Intake
from orders.models import Order, SkippedOrder
from orders.reading import GONE, HANDLED
from orders.storing import known_of
from tests.counter import Counter, text
from tests.statements import counted
from tests.world import World, ago, asked, change, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def world(calm: World) -> World:
    """Its only order was sent, done, and is gone."""
    place(calm, 1)
    run(calm, DOWNLOAD, DELIVER)
    old = clock.now() - timedelta(days=800)
    Order.objects.update(status="confirmed", created_at=old, confirmed_at=old)
    assert expiry.expire(clock.now()) == 1
    assert SkippedOrder.objects.get().raw is None
    return calm


def test_it_is_not_sent_again_but_listed_from_then_on(world: World) -> None:
    owner = Counter(world)
    row = SkippedOrder.objects.get()
    SkippedOrder.objects.update(number="", order_date=None, seen_at=ago(days=300))
    assert "Load anyway" not in text(owner.get("orders/skipped/"))
    # Not in this very second, which the shop's own clock does not tell apart: then the cursor moves once more.
    orders = world.shop.orders
    orders.change("1", note="Ring twice.", modified_at=stamp(ago(seconds=5)))
    told = Schedule.objects.get(service=DELIVER).next_run
    run(world, DOWNLOAD)
    shown = SkippedOrder.objects.get()
    assert (shown.pk, shown.reason, shown.number, shown.order_date) == (row.pk, GONE, row.number, row.order_date)
    assert shown.raw["note"] == "Ring twice." and shown.seen_at > ago(hours=1)
    assert not Order.objects.exists()
    assert Schedule.objects.get(service=DELIVER).next_run == told, "nobody is woken for it"
    page = text(owner.get("orders/skipped/"))
    assert "Its shop shows it again" in page and "Load anyway" in page
    with counted() as sent:
        run(world, DOWNLOAD)
    assert not [sql for sql in sent if "skippedorder" in sql], "the same page is not news again"


@pytest.mark.parametrize("over", ["closed at its shop", "handled"])
def test_what_is_over_at_its_shop_or_marked_as_handled_stays_silent(world: World, over: str) -> None:
    if over == "handled":
        SkippedOrder.objects.update(reason=HANDLED)
    change(world, "1", **({"note": "Ring twice."} if over == "handled" else {"status": "canceled"}))
    run(world, DOWNLOAD)
    assert SkippedOrder.objects.get().raw is None
    assert not Order.objects.exists()


def test_of_one_that_is_gone_here_and_handled_there_the_mark_counts(world: World) -> None:
    cart = world.cart
    Cart.objects.update(archived_at=clock.now())
    cart.pk, cart.public_id, cart.number = None, "again", 2
    cart.save()
    marked = SkippedOrder.objects.get()
    marked.pk, marked.cart, marked.reason = None, cart, HANDLED
    marked.save()
    assert known_of(Intake(world.merchant, cart), ["1"]) == ({}, {"1": HANDLED})


def test_loaded_anyway_it_is_asked_for_before_it_is_sent(world: World) -> None:
    owner = Counter(world)
    change(world, "1", note="Ring twice.")
    run(world, DOWNLOAD)
    (row,) = owner.get("orders/skipped/").context["page"].items
    assert "goes its way like the others" in text(owner.post("orders/skipped/load/", {"row": row.mark}))
    assert (world.only().starts, SkippedOrder.objects.count()) == (1, 0)
    before = asked(world.warehouse, "GET", "/orders")
    run(world, DELIVER)
    assert asked(world.warehouse, "GET", "/orders") > before
    assert len(world.warehouse.effects("order")) == 1, "the warehouse had it already"


def test_another_that_is_loaded_anyway_is_new_to_the_warehouse(calm: World) -> None:
    calm.shop.place(7, ago(minutes=1), ago(days=9000))
    run(calm, DOWNLOAD)
    owner = Counter(calm)
    (row,) = owner.get("orders/skipped/").context["page"].items
    owner.post("orders/skipped/load/", {"row": row.mark})
    assert calm.only().starts == 0
