"""WooCommerce's whole life through the engine: orders in, parcels and stock back, with answers that get lost."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from carts import webhooks
from carts.models import Cart, Webhook
from carts.systems.woocommerce import TOPICS, WooCommerce
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.acceptance.hooks import mailbox
from integration_manager.kit.connector import CartConnector, Rate
from merchants.models import Schedule, Service
from orders import connections, refunding, refunds
from orders.journal import Journal
from orders.models import Effect, Order, OrderDetail, OrderLine, Status
from orders.services import products
from tests.connectors.woocommerce.catalog import GOODS
from tests.world import World, alerts, at, build, fake, leases_expire, pack, run
from wms.systems.sandbox_wms import SandboxWms

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
CONFIRM, UPLOAD = Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS
INVENTORY, UPLOAD_INVENTORY = Service.INVENTORY, Service.UPLOAD_INVENTORY


@pytest.fixture
def world(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account on a running WooCommerce and a sandbox warehouse, without polite pauses."""
    monkeypatch.setattr(WooCommerce, "rate", Rate(per_second=1000, burst=1000))
    monkeypatch.setattr(SandboxWms, "settle", SandboxWms.settle * 0)
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    shop, warehouse = fake("woocommerce", "oak"), fake("sandbox_wms", "wms")
    with shop.serve() as shop_url, warehouse.serve() as warehouse_url:
        made = build(shop, shop_url, warehouse, warehouse_url)
        with tenancy.activate(made.account.pk):
            yield made
    connections.guard.cache_clear()


def shop_of(world: World) -> Any:
    return world.shop


def options(world: World, **values: Any) -> None:
    world.cart.options = values
    world.cart.save()


def status_in_shop(world: World, key: str) -> str:
    return str(shop_of(world).orders.rows[key]["status"])


def told(world: World) -> list[tuple[str, int]]:
    """(status, parcels told) of the only order."""
    key = world.only().cart_key
    return [(status_in_shop(world, key), len(world.shop.effects("shipment", key)))]


def test_only_what_the_options_say_is_loaded_and_under_the_shops_number(world: World) -> None:
    shop = shop_of(world)
    shop.order_of(1, ("MUG-BLUE", 1))
    shop.order_of(2, ("MUG-BLUE", 1), status="on-hold")
    shop.order_of(3, ("MUG-BLUE", 1), status="pending")
    run(world, DOWNLOAD)
    assert [order.cust_po_no for order in world.orders()] == ["OAK1"]
    shop.edit("1002", status="processing")  # it was paid
    run(world, DOWNLOAD)
    assert [order.cust_po_no for order in world.orders()] == ["OAK1", "OAK2"]
    options(world, statuses="processing, pending")
    shop.edit("1003", customer_note="At last")
    run(world, DOWNLOAD)
    assert len(world.orders()) == 3


@pytest.mark.parametrize(("when", "first"), [("all", "processing"), ("first", "completed")])
def test_an_order_in_two_parcels(world: World, when: str, first: str) -> None:
    options(world, when=when)
    shop_of(world).order_of(1, ("MUG-BLUE", 3), ("POT-GLASS", 1))
    run(world, DOWNLOAD, DELIVER)
    pack(world, share="0.5")
    run(world, CONFIRM, UPLOAD)
    assert (told(world), world.only().status) == ([(first, 1)], Status.AT_WMS)
    run(world, DOWNLOAD)  # what we did to the order comes back as a change, and changes nothing here
    pack(world)
    run(world, CONFIRM, UPLOAD)
    assert (told(world), world.only().status) == ([("completed", 2)], Status.CONFIRMED)
    run(world, DOWNLOAD)
    assert (len(world.orders()), world.only().status, alerts()) == (1, Status.CONFIRMED, [])


def test_what_the_warehouse_never_got_does_not_keep_an_order_open(world: World) -> None:
    """A line that was added later, or filtered out: the last parcel of a shipped order is the last."""
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, DELIVER)
    (line,) = shop.orders.rows[key]["line_items"]
    shop.edit(key, line_items=[line, {**line, "id": 999, "sku": "GIFT-CARD"}])
    pack(world, share="0.5", close=False)
    run(world, CONFIRM, UPLOAD)
    assert told(world) == [("processing", 1)]
    pack(world, close=False)
    run(world, CONFIRM, UPLOAD)
    assert (told(world), world.only().status) == ([("completed", 2)], Status.CONFIRMED)


def completions(world: World) -> int:
    """How often the shop was told to set the status of its only order."""
    asked = [seen.request for seen in world.shop.journal if seen.request.method == "PUT"]
    return sum(1 for request in asked if "status" in request.json)


@pytest.mark.parametrize("plugin", [False, True])
def test_two_parcels_at_the_same_moment_are_told_one_after_the_other(world: World, plugin: bool) -> None:
    """A tracking plug-in keeps all numbers of an order in one place, and the last parcel completes the order."""
    shop = shop_of(world)
    if plugin:
        shop.plugin = "wc-ast/v3"
    key = shop.order_of(1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, DELIVER)
    pack(world, share="0.5", close=False)
    pack(world, close=False)
    run(world, CONFIRM)
    before = len(shop.journal)
    run(world, UPLOAD)
    assert (told(world), world.only().status) == ([("completed", 2)], Status.CONFIRMED)
    assert completions(world) == 1
    parcels = [
        meta["key"]
        for seen in list(shop.journal)[before:]
        if seen.request.method == "PUT"
        for meta in seen.request.json.get("meta_data", [])
    ]
    notes = [n for n, seen in enumerate(shop.journal) if seen.request.method == "POST" and "notes" in seen.request.path]
    puts = [n for n, seen in enumerate(shop.journal) if seen.request.method == "PUT"]
    assert len(set(parcels)) == len(parcels) == 2
    assert notes[0] < puts[0] < notes[1] < puts[1] < puts[2], "the second begins when the first has ended"
    if plugin:
        assert len(shop.trackings.rows) == 2
    run(world, DOWNLOAD, UPLOAD)
    assert (completions(world), status_in_shop(world, key)) == (1, "completed")


def test_an_order_is_completed_when_the_warehouse_cancels_the_rest(world: World) -> None:
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 2))
    run(world, DOWNLOAD, DELIVER)
    pack(world, share="0.5", close=False)
    run(world, CONFIRM, UPLOAD)
    assert (told(world), world.only().status) == ([("processing", 1)], Status.AT_WMS)
    world.warehouse.call_off(world.only().wms_key)
    run(world, CONFIRM)
    assert (told(world), world.only().status) == ([("processing", 1)], Status.SHIPPED)
    run(world, UPLOAD)
    assert (told(world), world.only().status, completions(world)) == ([("completed", 1)], Status.CONFIRMED, 1)
    assert len(shop.effects("note", key)) <= 1
    run(world, DOWNLOAD, CONFIRM, UPLOAD)
    assert (len(world.orders()), completions(world)) == (1, 1)


def test_a_full_life_while_a_fifth_of_all_answers_is_lost(world: World) -> None:
    shop = shop_of(world)
    shop.plugin = "wc-ast/v3"
    keys = [shop.order_of(number, ("MUG-BLUE", 2), ("TEA-GREEN", 1)) for number in range(1, 7)]
    shop.faults.seed(7)
    shop.faults.plan({"drop_after": 0.2}, match="write")
    shop.faults.plan({"drop": 0.1}, match="read")
    shop.faults.script("write", "drop_after", times=4, skip=1)  # threads throw the dice: these are lost for sure
    for hour in range(25):
        with at(hour):
            run(world, DOWNLOAD, DELIVER)
            for order in Order.objects.filter(status=Status.AT_WMS):
                pack(world, order, share="0.5" if hour < 3 else "1")
            run(world, CONFIRM, UPLOAD)
            leases_expire()
        if Counter(order.status for order in world.orders()) == {Status.CONFIRMED: 6}:
            break
    assert [order.status for order in world.orders()] == [Status.CONFIRMED] * 6
    assert shop.calls["POST drop_after"] + shop.calls["PUT drop_after"] > 3, "no answer was lost"
    for key in keys:
        parcels = [effect["no"] for effect in shop.effects("shipment", key)]
        assert len(parcels) == len(set(parcels)) >= 2
        assert sorted(row["tracking_number"] for row in shop.trackings if str(row["order_id"]) == key) == sorted(
            parcels
        )
        mails = [effect["text"] for effect in shop.effects("note", key)]
        assert sorted(mails) == sorted(set(mails)), "a customer got the same mail twice"
        assert [sum(number in mail for mail in mails) for number in parcels] == [1] * len(parcels)
        assert status_in_shop(world, key) == "completed"
    assert not {"tracking_refused", "tracking_skipped"} & set(alerts())


def test_the_merchant_cancels_trashes_refunds_and_edits(world: World) -> None:
    shop = shop_of(world)
    keys = [shop.order_of(number, ("MUG-BLUE", 2), ("POT-GLASS", 1)) for number in range(1, 6)]
    run(world, DOWNLOAD)
    by_key = {order.cart_key: order.pk for order in world.orders()}

    def order(number: int) -> Order:
        found: Order = Order.objects.get(pk=by_key[keys[number]])
        return found

    shop.edit(keys[0], status="cancelled")
    shop.trash(keys[1])
    shop.give_back(keys[2], "11.00", l10031=1)
    shop.give_back(keys[3], shop.orders.rows[keys[3]]["total"])
    shop.edit(keys[4], customer_note="Ring twice")
    run(world, DOWNLOAD)
    assert [order(number).status for number in (0, 1, 3)] == [Status.CANCELED] * 3
    assert [line.quantity for line in OrderLine.objects.filter(order=order(2)).order_by("id")] == [1, 1]
    assert order(2).grand_total == Decimal("26.95")
    run(world, DELIVER)
    assert [order(number).status for number in (2, 4)] == [Status.AT_WMS] * 2
    shop.edit(keys[4], status="cancelled")
    run(world, DOWNLOAD, DELIVER)
    assert order(4).status == Status.CANCELED
    assert Effect.objects.count() == 1
    assert alerts() == []


def test_what_we_paid_back_is_taken_off_once(world: World) -> None:
    """The shop's own numbers show it as soon as they are read again."""
    key = shop_of(world).order_of(1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD)
    order = world.only()
    line = left(order).lines[0].line_id
    refunding.ask(order, refunds.part(left(order), {line: Decimal(1)}, Decimal(0), "k1", "broken"), "p@example.com")
    before = left(order)
    run(world, UPLOAD)
    run(world, DOWNLOAD)
    assert (world.only().qty_total, left(order).lines[0].quantity, left(order).total) == (2, 2, before.total)
    refunding.ask(order, refunds.whole(left(order), "k2", ""), "p@example.com")
    run(world, UPLOAD)
    assert status_in_shop(world, key) == "refunded"
    assert not Effect.objects.exclude(state="done").exists()


def left(order: Order) -> refunds.Left:
    return refunding.left_of(order, OrderDetail.objects.get(order=order).data)


def test_stock_reaches_products_and_variations(world: World) -> None:
    shop = shop_of(world)
    for sku, free in (("MUG-BLUE", 40), ("SHIRT-L", 7), ("NOT-SOLD-HERE", 3)):
        world.warehouse._count("C1", sku, "MAIN", Decimal(free), Decimal(free), world.warehouse.clock())
    shop.order_of(1, ("MUG-BLUE", 2), ("SHIRT-L", 1))
    shop.faults.seed(3)
    shop.faults.plan({"drop_after": 0.2}, match="write")
    run(world, DOWNLOAD, INVENTORY, UPLOAD_INVENTORY)
    with at(2):
        run(world, UPLOAD_INVENTORY)
    levels = {row["sku"]: row["stock_quantity"] for row in shop.products}
    assert (levels["MUG-BLUE"], levels["SHIRT-L"]) == (38, 6)
    assert "stock_refused" not in alerts()


def test_a_wrong_key_pauses_the_cart_and_a_firewall_does_not(world: World) -> None:
    shop = shop_of(world)
    run(world, DOWNLOAD)
    shop.firewall = 403
    run(world, DOWNLOAD)
    assert world.schedule(DOWNLOAD).paused == Schedule.Paused.NO
    shop.firewall, shop.permissions = 0, "none"
    world.cart.credentials = {**world.cart.credentials, "consumer_secret": "cs_of_somebody_else"}
    world.cart.save()
    run(world, DOWNLOAD)
    assert world.schedule(DOWNLOAD).paused == Schedule.Paused.AUTH


def test_a_webhook_of_the_shop_wakes_the_download(world: World) -> None:
    webhook = webhooks.create(world.cart)
    world.schedule(DOWNLOAD)
    later = clock.now() + timedelta(hours=5)
    Schedule.objects.update(next_run=later)
    connector = connections.open_cart(world.cart, world.account, Journal())
    assert isinstance(connector, CartConnector)
    with mailbox() as (address, came):
        connector.subscribe(address, webhook.secrets["secret"].reveal())
        pings = [came.get(timeout=60) for _ in range(4)]
        shop_of(world).order_of(1, ("MUG-BLUE", 1))
        got = came.get(timeout=60)
    for ping in pings:
        assert webhooks.receive(webhook.pk, ping.headers, ping.body)[1] == webhooks.Outcome.PING
    assert world.schedule(DOWNLOAD).next_run == later
    forged = webhooks.receive(webhook.pk, got.headers, got.body + b" ")
    assert forged[1] == webhooks.Outcome.REFUSED
    for _ in range(2):
        assert webhooks.receive(webhook.pk, got.headers, got.body)[1] == webhooks.Outcome.WOKEN
    woken = world.schedule(DOWNLOAD).next_run
    assert woken and woken < later
    run(world, DOWNLOAD)
    assert world.only().cust_po_no == "OAK1"


def test_a_webhook_that_the_shop_switched_off_lives_again_after_a_day(world: World) -> None:
    """WooCommerce does so after five deliveries that failed; switched off here, it stays off."""
    shop = shop_of(world)
    webhook = webhooks.create(world.cart)
    shop.order_of(1, ("MUG-BLUE", 1))
    run(world, DOWNLOAD)
    assert not list(shop.hooks), "nobody has switched them on"
    connector = connections.open_cart(world.cart, world.account, Journal())
    assert isinstance(connector, CartConnector)
    handles = connector.subscribe(webhooks.address(webhook), webhook.secrets["secret"].reveal())
    Webhook.objects.update(handles=handles, registered_at=clock.now())
    dead, gone = handles[:2]
    shop.hooks.change(dead, status="disabled")
    shop.hooks.remove(gone)
    run(world, DOWNLOAD)
    assert shop.hooks.rows[dead]["status"] == "disabled", "once a day is enough"
    Schedule.objects.filter(service=DOWNLOAD).update(reached_back_at=clock.now() - timedelta(hours=25))
    run(world, DOWNLOAD)
    rows = list(shop.hooks)
    assert sorted(row["topic"] for row in rows) == sorted(TOPICS)
    assert {row["status"] for row in rows} == {"active"}
    assert sorted(Webhook.objects.get().handles) == sorted(str(row["id"]) for row in rows)
    assert set(handles) - {gone} < {str(row["id"]) for row in rows}


def test_webhooks_that_cannot_be_renewed_are_no_trouble_of_the_download(world: World) -> None:
    webhooks.create(world.cart)
    Webhook.objects.update(registered_at=clock.now())
    shop_of(world).faults.script("GET /wc/v3/webhooks", "error", times=9)
    shop_of(world).order_of(1, ("MUG-BLUE", 1))
    run(world, DOWNLOAD)
    assert world.only().cust_po_no == "OAK1"
    assert (world.schedule(DOWNLOAD).problem, world.schedule(DOWNLOAD).reached_back_at is not None) == ("", True)


def products_there(world: World) -> dict[str, Any]:
    """The warehouse's products by SKU. None of them is there twice."""
    rows = list(world.warehouse.table("products"))
    found = {row["sku"]: row for row in rows}
    assert len(found) == len(rows), "a product is there twice"
    return found


def test_products_and_variations_follow_the_shop_to_the_warehouse(world: World) -> None:
    shop = shop_of(world)
    Cart.objects.update(sync_products=True, sync_updates=True)
    run(world, Service.PRODUCTS, DELIVER)
    assert products_there(world) == {}, "what was there before is not news"
    shop.offer(21, "LAMP", name="Lamp", regular_price="40.00")
    shop.vary(63, 60, "SHIRT-XL", size="XL")
    run(world, Service.PRODUCTS, DELIVER)
    there = products_there(world)
    assert {sku: row["name"] for sku, row in there.items()} == {
        "LAMP": "Lamp", "SHIRT-S": "Shirt - S", "SHIRT-L": "Shirt - L", "SHIRT-XL": "Shirt - XL",
    }  # fmt: skip
    assert (there["LAMP"]["weight_lb"], "price" in there["LAMP"]) == ("1.1023", False)
    Cart.objects.update(sync_price=True)
    shop.offer(21, "LAMP", name="Lamp, brass", regular_price="40.00")
    shop.offer(60, "SHIRT", type="variable", name="T-shirt", regular_price="")
    run(world, Service.PRODUCTS, DELIVER)
    there = products_there(world)
    assert (there["LAMP"]["name"], there["LAMP"]["price"], there["LAMP"]["currency"]) == ("Lamp, brass", "40.00", "USD")
    assert there["SHIRT-XL"]["name"] == "T-shirt - XL"
    products.ask_import(world.cart, "dana@mail.example", clock.now())
    run(world, Service.PRODUCTS, DELIVER)
    assert {sku for sku, _, _ in GOODS} | set(there) == set(products_there(world))
    assert (world.schedule(Service.PRODUCTS).problem, alerts()) == ("", [])
