"""From Shopify to 3PL Warehouse Manager and back: the most used cart and the flagship WMS, and all that may happen."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from carts import webhooks
from carts.models import Cart
from carts.systems.shopify import Shopify
from integration_manager.kit import clock
from integration_manager.kit.acceptance.hooks import mailbox
from integration_manager.kit.connector import CartConnector, Rate
from integration_manager.kit.simulator import Request
from merchants.models import Schedule, Service
from orders import actions, connections, refunding, refunds
from orders.journal import Journal
from orders.models import Effect, Order, Status
from tests.extensiv_world import options, running
from tests.test_shopify_life import granted, left, parcels
from tests.world import World, alerts, answers, at, fake, leases_expire, pack, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
CONFIRM, UPLOAD = Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS
INVENTORY, UPLOAD_INVENTORY = Service.INVENTORY, Service.UPLOAD_INVENTORY
OWNER = "p@example.com"


@pytest.fixture
def world(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account on a running Shopify, connected by consent, and a running 3PL Warehouse Manager."""
    monkeypatch.setattr(Shopify, "rate", Rate(per_second=1000, burst=1000))
    shop: Any = fake("shopify", "oak")
    settings.IM_OAUTH = {"shopify": shop.client}
    with running(shop, settings, monkeypatch) as made:
        granted(made)
        yield made
    assert not shop.violations, shop.violations


def shop_of(world: World) -> Any:
    return world.shop


def hall(world: World) -> Any:
    return world.warehouse


def states(world: World) -> list[str]:
    return [order.status for order in world.orders()]


def test_two_packages_with_their_contents_and_tracking(world: World) -> None:
    options(world, parcels="labelled")
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 3), ("POT-GLASS", 1))
    run(world, DOWNLOAD, DELIVER)
    (sent,) = world.warehouse.effects("order")
    assert (sent["said"]["poNum"], sent["said"]["billTo"].keys() >= {"name", "city"}) == ("#OAK1", True)
    assert [item["itemIdentifier"]["sku"] for item in sent["said"]["orderItems"]] == ["MUG-BLUE", "POT-GLASS"]
    first = pack(world, share="0.5")
    run(world, CONFIRM, UPLOAD, DOWNLOAD)
    assert parcels(world, key) == [(f"1Z{first}", {f"{key}1": 2, f"{key}2": 1})]
    assert world.only().status == Status.AT_WMS
    second = pack(world)
    run(world, CONFIRM, UPLOAD, DOWNLOAD)
    assert parcels(world, key)[1:] == [(f"1Z{second}", {f"{key}1": 1})]
    assert (world.only().status, shop.orders.rows[key]["closed"], alerts()) == (Status.CONFIRMED, True, [])


def test_stock_of_the_warehouse_reaches_the_location_of_the_shop(world: World) -> None:
    for qualifier, pieces in (("", 30), ("NEW", 10)):
        hall(world).count("MUG-BLUE", Decimal(pieces), qualifier=qualifier)
    shop_of(world).order_of(1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, INVENTORY, UPLOAD_INVENTORY)
    assert {row["sku"]: row["levels"].get("501") for row in shop_of(world).items}["MUG-BLUE"] == 38


def test_cancellations_before_and_after_sending_and_too_late(world: World) -> None:
    shop = shop_of(world)
    keys = [shop.order_of(number, ("MUG-BLUE", 2)) for number in (1, 2, 3)]
    run(world, DOWNLOAD)
    shop.cancel(keys[0])
    run(world, DOWNLOAD, DELIVER)
    assert states(world) == [Status.CANCELED, Status.AT_WMS, Status.AT_WMS]
    pack(world, world.orders()[2])
    shop.cancel(keys[1])
    shop.cancel(keys[2])
    run(world, DOWNLOAD, DELIVER)
    assert states(world) == [Status.CANCELED, Status.CANCELED, Status.AT_WMS]
    assert [row["key"] for row in world.warehouse.effects("cancel")] == [world.orders()[1].wms_ref]
    assert "cancel_refused" in alerts()


def test_what_the_warehouse_cancels_is_canceled_in_the_shop_where_that_is_wanted(world: World) -> None:
    key = shop_of(world).order_of(1, ("MUG-BLUE", 1))
    run(world, DOWNLOAD, DELIVER)
    hall(world).call_off(world.only().wms_key)
    run(world, CONFIRM)
    assert (world.only().status, shop_of(world).orders.rows[key]["cancelled"]) == (Status.CANCELED, None)
    Cart.objects.update(cancel_upload=True)
    other = shop_of(world).order_of(2, ("MUG-BLUE", 1))
    run(world, DOWNLOAD, DELIVER)
    hall(world).call_off(world.orders()[1].wms_key)
    run(world, CONFIRM, UPLOAD, UPLOAD)
    assert states(world) == [Status.CANCELED, Status.CANCELED]
    assert shop_of(world).orders.rows[other]["cancelled"], "and the shop is told"


def test_a_refund_before_sending_takes_pieces_off_what_the_warehouse_gets(world: World) -> None:
    key = shop_of(world).order_of(1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD)
    order = world.only()
    line = left(order).lines[0].line_id
    refunding.ask(order, refunds.part(left(order), {line: Decimal(1)}, Decimal(0), "k1", "broken"), OWNER)
    run(world, UPLOAD, DOWNLOAD)
    actions.undo_cancel(world.only(), OWNER)  # a refund holds what has not been sent, until a person has looked
    run(world, DELIVER)
    (sent,) = world.warehouse.effects("order")
    assert [item["qty"] for item in sent["said"]["orderItems"]] == [2]
    assert len(shop_of(world).effects("refund", key)) == 1


def test_a_webhook_wakes_the_download_and_the_order_goes_on(world: World) -> None:
    webhook = webhooks.create(world.cart)
    world.schedule(DOWNLOAD)
    later = clock.now() + timedelta(hours=5)
    Schedule.objects.update(next_run=later)
    connector = connections.open_cart(world.cart, world.account, Journal())
    assert isinstance(connector, CartConnector)
    with mailbox() as (address, came):
        connector.subscribe(address, "unused")
        shop_of(world).order_of(1, ("MUG-BLUE", 1))
        got = came.get(timeout=10)
    assert webhooks.receive(webhook.pk, got.headers, got.body)[1] == webhooks.Outcome.WOKEN
    woken = world.schedule(DOWNLOAD).next_run
    assert woken and woken < later
    run(world, DOWNLOAD, DELIVER)
    assert world.only().status == Status.AT_WMS


def test_throttling_and_tokens_that_end_in_the_middle_at_both_ends(world: World) -> None:
    shop = shop_of(world)
    world.cart.credentials = {**shop.values(world.cart.credentials["url"]), "way": "app"}
    world.cart.save()
    keys = {shop.order_of(number, ("MUG-BLUE", 1)) for number in range(1, 21)}
    shop.restore_rate, shop.maximum, shop.left = 400.0, 1000.0, 0.0
    taken: list[int] = []

    def take(request: Request, usual: Any) -> Any:
        taken.append(1)
        if len(taken) == 4:
            hall(world).expire()
        return usual(request)

    answers(world.warehouse, "POST", "/orders", take)
    for hour in range(12):
        with at(hour):
            run(world, DOWNLOAD, DELIVER)
            if hour == 0:
                shop.expire()
        if len(world.orders()) == len(keys):
            break
    assert {order.cart_key for order in world.orders()} == keys
    assert set(states(world)) == {Status.AT_WMS}
    assert len(world.warehouse.effects("order")) == len(keys)
    assert (hall(world).calls["POST 401"] >= 1, alerts()) == (True, [])


def test_exactly_once_while_a_fifth_of_all_answers_is_lost_at_both_ends(world: World) -> None:
    options(world, parcels="labelled")
    shop = shop_of(world)
    world.cart.credentials = {**shop.values(world.cart.credentials["url"]), "way": "token"}
    world.cart.save()
    keys = [shop.order_of(number, ("MUG-BLUE", 2), ("TEA-GREEN", 1)) for number in range(1, 7)]
    for seed, system in ((7, world.shop), (3, world.warehouse)):
        system.faults.seed(seed)
        system.faults.plan({"drop_after": 0.2}, match="write")
        system.faults.plan({"drop": 0.1}, match="read")
        system.faults.script("write", "drop_after", times=2, skip=1)
    for hour in range(25):
        with at(hour):
            run(world, DOWNLOAD, DELIVER)
            for order in Order.objects.filter(status=Status.AT_WMS):
                pack(world, order, share="0.5" if hour < 3 else "1")
            run(world, CONFIRM, UPLOAD)
            leases_expire()
        if Counter(states(world)) == {Status.CONFIRMED: 6}:
            break
    assert states(world) == [Status.CONFIRMED] * 6
    assert min(one.calls["POST drop_after"] for one in (world.shop, world.warehouse)) >= 2, "no answer was lost"
    for order in world.orders():
        assert len(world.warehouse.effects("order", order.wms_ref)) == 1
        packed = sorted(f"1Z{row['parcel']}" for row in world.warehouse.effects("parcel", order.wms_ref))
        told = parcels(world, order.cart_key)
        assert sorted(number for number, _ in told) == packed
        pieces = Counter[str]()
        for _, lines in told:
            pieces.update(lines)
        assert dict(pieces) == {f"{order.cart_key}1": 2, f"{order.cart_key}2": 1}, "each piece is told once"
    assert {order.cart_key for order in world.orders()} == set(keys)
    assert not Effect.objects.exists()
