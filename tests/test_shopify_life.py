"""Shopify's whole life through the engine: orders in, parcels and stock back, with answers that get lost."""

import base64
import hashlib
import hmac
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from alerts.models import Alert
from carts import grants, webhooks
from carts.models import Access, Cart, WebhookDelivery
from carts.systems.shopify import Shopify
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.acceptance.hooks import mailbox
from integration_manager.kit.connector import CartConnector, Rate
from integration_manager.kit.errors import AuthFailed, Transient
from integration_manager.kit.oauth import ACCESS
from integration_manager.kit.tokens import Token
from merchants.models import Schedule, Service
from orders import actions, connections, forgetting, refunding, refunds
from orders.journal import Journal
from orders.models import Effect, Order, OrderDetail, OrderLine, Shipment, ShipmentLine, Status
from orders.next_step import Around, next_of
from orders.services import products
from orders.services.told import FOUND
from orders.tokens import StoredTokens, stored
from tests.connectors.shopify.catalog import GOODS
from tests.world import World, alerts, at, build, fake, leases_expire, pack, run
from wms.systems.sandbox_wms import SandboxWms

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
CONFIRM, UPLOAD = Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS
INVENTORY, UPLOAD_INVENTORY = Service.INVENTORY, Service.UPLOAD_INVENTORY


@pytest.fixture
def world(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account on a running Shopify, by an app of the shop's own, and a sandbox warehouse, without polite pauses."""
    monkeypatch.setattr(Shopify, "rate", Rate(per_second=1000, burst=1000))
    monkeypatch.setattr(SandboxWms, "settle", SandboxWms.settle * 0)
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    shop, warehouse = fake("shopify", "oak"), fake("sandbox_wms", "wms")
    settings.IM_OAUTH = {"shopify": shop.client}  # type: ignore[attr-defined]
    with shop.serve() as shop_url, warehouse.serve() as warehouse_url:
        made = build(shop, shop_url, warehouse, warehouse_url)
        with tenancy.activate(made.account.pk):
            made.cart.credentials = {**made.cart.credentials, "way": "app"}
            made.cart.save()
            yield made
    connections.guard.cache_clear()
    assert not shop.violations, shop.violations  # type: ignore[attr-defined]


def granted(world: World) -> None:
    """Somebody granted access, and what was granted is kept."""
    shop = shop_of(world)
    access = Access(merchant=world.merchant, cart=world.cart, system="shopify", shop="oak.myshopify.com")
    values = {"url": world.cart.credentials["url"], "way": "grant"}
    access.address, access.token = values, stored(shop.token())
    access.granted_by, access.created_at = "p@example.com", clock.now()
    access.save()
    world.cart.credentials = {**values, ACCESS: access.public_id}
    world.cart.save()


def shop_of(world: World) -> Any:
    return world.shop


def options(world: World, **values: Any) -> None:
    world.cart.options = values
    world.cart.save()


def parcels(world: World, key: str) -> list[tuple[str, dict[str, int]]]:
    """(tracking number, pieces by line) of what the shop was told."""
    return [(row["no"], row["lines"]) for row in world.shop.effects("shipment", key)]


def left(order: Order) -> refunds.Left:
    return refunding.left_of(order, OrderDetail.objects.get(order=order).data)


def ends_in_the_middle(shop: Any) -> None:
    """Every third parcel is the last one that the present token is good for."""
    before, told = shop.do_fulfillmentCreate, []

    def fulfill(**args: Any) -> Any:
        told.append(args)
        if len(told) % 3 == 0:
            shop.expire()
        return before(**args)

    shop.do_fulfillmentCreate = fulfill


def test_an_order_in_two_parcels_and_what_we_did_comes_back_as_no_change(world: World) -> None:
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 3), ("POT-GLASS", 1))
    run(world, DOWNLOAD, DELIVER)
    assert world.only().cust_po_no == "#OAK1"
    pack(world, share="0.5")
    run(world, CONFIRM, UPLOAD)
    first = parcels(world, key)
    assert (len(first), world.only().status) == (1, Status.AT_WMS)
    assert shop.orders.rows[key]["parts"][0]["status"] == "IN_PROGRESS"
    run(world, DOWNLOAD)  # it is said to be on its way in part, which is our own doing
    pack(world)
    run(world, CONFIRM, UPLOAD)
    told = parcels(world, key)
    pieces = Counter[str]()
    for _, lines in told:
        pieces.update(lines)
    assert (len(told), dict(pieces), world.only().status) == (2, {f"{key}1": 3, f"{key}2": 1}, Status.CONFIRMED)
    assert shop.orders.rows[key]["closed"]
    run(world, DOWNLOAD)
    assert (len(world.orders()), world.only().status, alerts()) == (1, Status.CONFIRMED, [])


def test_an_edit_after_sending_is_still_heard_of(world: World) -> None:
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD, DELIVER)
    pack(world, share="0.5")
    run(world, CONFIRM, UPLOAD)
    shop.edit(key, address={**shop.orders.rows[key]["address"], "city": "Salem"})
    run(world, DOWNLOAD)
    assert alerts() == ["changed_after_sending"]


def test_a_full_life_while_a_fifth_of_all_answers_is_lost(world: World) -> None:
    shop = shop_of(world)
    shop.place_at("502", "Harbour Road")
    keys = [shop.order_of(number, ("MUG-BLUE", 2), ("TEA-GREEN", 1)) for number in range(1, 7)]
    for key in keys[:3]:
        shop.split(key, "TEA-GREEN", "502")  # a parcel of two locations is two calls
    shop.faults.seed(7)
    shop.faults.plan({"drop_after": 0.2}, match="write")
    shop.faults.plan({"drop": 0.1}, match="read")
    shop.faults.script("write", "drop_after", times=2, skip=1)  # threads throw the dice: these are lost for sure
    ends_in_the_middle(shop)
    world.warehouse.faults.seed(3)
    world.warehouse.faults.plan({"drop_after": 0.2}, match="write")
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
    assert shop.calls["POST drop_after"] > 1, "no answer was lost"
    assert shop.calls["POST 401"], "no token ended in the middle"
    for key in keys:
        pieces = Counter[str]()
        for _, lines in parcels(world, key):
            pieces.update(lines)
        assert dict(pieces) == {f"{key}1": 2, f"{key}2": 1}, "each piece is told once"
        assert len({number for number, _ in parcels(world, key)}) >= 2
    assert len(world.warehouse.effects("order")) == 6
    assert not {"tracking_refused", "tracking_skipped", "changed_after_sending"} & set(alerts())


def numbered(number: str | None) -> None:
    """All parcels have this tracking number, or none."""
    for parcel in Shipment.objects.all():
        parcel.tracking_no, parcel.data = number or "", {**parcel.data, "tracking_no": number}
        parcel.save(update_fields=["tracking_no", "data"])


@pytest.mark.parametrize("fault", ["drop", "drop_after"])
@pytest.mark.parametrize("number", [None, "1ZSAME"])
@pytest.mark.parametrize("which", [0, 1])
def test_two_boxes_that_only_their_pieces_tell_apart_are_each_told_once(
    world: World, number: str | None, fault: str, which: int
) -> None:
    """Shopify keeps no name of ours for a fulfillment. A call of two is lost, or its answer is."""
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD, DELIVER)
    for share in ("0.34", "0.5", "1"):
        pack(world, share=share)
    run(world, CONFIRM)
    assert [line.quantity for line in ShipmentLine.objects.order_by("pk")] == [2, 1]
    numbered(number)
    shop.faults.script("write", fault, skip=which)
    run(world, UPLOAD)
    for hour in (1, 2):
        with at(hour):
            leases_expire()
            run(world, UPLOAD)
    told = sorted(lines[f"{key}1"] for no, lines in parcels(world, key) if no == number)
    assert (told, world.only().status, alerts()) == ([1, 2], Status.CONFIRMED, [])
    assert len({parcel.remote_id for parcel in Shipment.objects.all()}) == 2


def test_what_was_told_of_a_box_without_a_number_in_part_is_told_of_the_rest(world: World) -> None:
    shop = shop_of(world)
    shop.place_at("502", "Harbour Road")
    key = shop.order_of(1, ("MUG-BLUE", 2), ("TEA-GREEN", 1))
    shop.split(key, "TEA-GREEN", "502")  # two calls
    run(world, DOWNLOAD, DELIVER)
    pack(world)
    run(world, CONFIRM)
    numbered(None)
    shop.faults.script("write", "drop", skip=1)
    run(world, UPLOAD)
    with at(1):
        leases_expire()
        run(world, UPLOAD)
    assert [lines for _, lines in parcels(world, key)] == [{f"{key}1": 2}, {f"{key}2": 1}]
    assert (world.only().status, alerts()) == (Status.CONFIRMED, [])


def test_another_number_for_a_parcel_of_which_no_id_is_known_is_a_persons_to_tell(world: World) -> None:
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD, DELIVER)
    packed = pack(world, share="0.5")
    run(world, CONFIRM, UPLOAD)
    told = parcels(world, key)
    Shipment.objects.update(remote_id=FOUND)
    at_wms: Any = world.warehouse
    at_wms._shipments("C1").change(packed, tracking_number="1ZNEW", modified_at=at_wms.now())
    run(world, CONFIRM, UPLOAD)
    assert (parcels(world, key), alerts()) == (told, ["tracking_refused"]), "nothing is fulfilled a second time"
    assert Shipment.objects.get().uploaded_at is None
    (made,) = shop.orders.rows[key]["fulfillments"]
    shop.orders.change(key, fulfillments=[{**made, "number": "1ZNEW"}])
    actions.resend_tracking(world.only(), "dana@mail.example")
    run(world, UPLOAD)
    assert (Shipment.objects.get().remote_id, alerts()) == (str(made["id"]), [])
    actions.resend_tracking(world.only(), "dana@mail.example")
    run(world, UPLOAD)
    assert (len(parcels(world, key)), alerts()) == (1, [])


def test_a_fulfillment_that_may_be_ours_or_another_is_a_persons_to_judge(world: World) -> None:
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD, DELIVER)
    pack(world, share="0.5")
    run(world, CONFIRM)
    numbered(None)
    shop.faults.script("write", "drop")
    run(world, UPLOAD)
    made = {"id": 7, "status": "SUCCESS", "lines": {f"{key}1": 3}, "company": None, "number": None, "url": None}
    shop.orders.change(key, fulfillments=[made])  # by hand, of all that there is
    for hour in range(1, 6):
        with at(hour):
            leases_expire()
            run(world, UPLOAD)
    assert (parcels(world, key), alerts()) == ([], ["tracking_refused"])
    assert "may be this one, or another" in Alert.objects.get().message


def test_the_merchant_cancels_refunds_holds_and_edits(world: World) -> None:
    shop = shop_of(world)
    keys = [shop.order_of(number, ("MUG-BLUE", 2), ("POT-GLASS", 1)) for number in range(1, 7)]
    run(world, DOWNLOAD)
    by_key = {order.cart_key: order.pk for order in world.orders()}

    def order(number: int) -> Order:
        found: Order = Order.objects.get(pk=by_key[keys[number]])
        return found

    shop.cancel(keys[0])
    shop.give_back(keys[1], "MUG-BLUE", 1)
    shop.edit(keys[2], note="Ring twice")
    shop.edit(keys[3], tags=["HOLD"])
    shop.change_part(keys[4], status="ON_HOLD")
    options(world, by_order_tags="without", order_tags="hold")
    run(world, DOWNLOAD)
    assert order(0).status == Status.CANCELED
    assert [line.quantity for line in OrderLine.objects.filter(order=order(1)).order_by("id")] == [1, 1]
    assert order(1).grand_total == Decimal("26.95")
    assert [order(number).status for number in (3, 4)] == [Status.HELD] * 2
    shop.edit(keys[3], tags=[])
    shop.change_part(keys[4], status="OPEN")
    run(world, DOWNLOAD, DELIVER)
    assert [order(number).status for number in range(1, 6)] == [Status.AT_WMS] * 5
    shop.cancel(keys[5])  # the warehouse has it
    run(world, DOWNLOAD, DELIVER)
    assert order(5).status == Status.CANCELED
    assert [row["key"] for row in world.warehouse.effects("cancel")] == [order(5).wms_ref]
    assert alerts() == []


def test_what_we_cancel_and_pay_back_happens_once(world: World) -> None:
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD)
    order = world.only()
    line = left(order).lines[0].line_id
    refunding.ask(order, refunds.part(left(order), {line: Decimal(1)}, Decimal(0), "k1", "broken"), "p@example.com")
    before = left(order)
    run(world, UPLOAD, DOWNLOAD)
    assert (world.only().qty_total, left(order).lines[0].quantity, left(order).total) == (2, 2, before.total)
    assert shop.orders.rows[key]["refunds"][0]["note"] == "broken [k1]"
    refunding.ask(order, refunds.whole(left(order), "k2", ""), "p@example.com")
    run(world, UPLOAD)
    assert shop.orders.rows[key]["cancelled"]
    assert Decimal(shop.orders.rows[key]["payments"][0]["left"]) == 0
    assert [row["amount"] for row in shop.effects("refund", key)] == ["11.00", "26.95"]
    assert not Effect.objects.exclude(state="done").exists()


def test_a_refund_whose_answer_is_lost_is_looked_for_and_not_made_again(world: World) -> None:
    shop = shop_of(world)
    key = shop.order_of(1, ("MUG-BLUE", 3))
    run(world, DOWNLOAD)
    order = world.only()
    line = left(order).lines[0].line_id
    refunding.ask(order, refunds.part(left(order), {line: Decimal(2)}, Decimal("4.95"), "k1", ""), "p@example.com")
    shop.faults.script("write", "drop_after")
    run(world, UPLOAD)
    with at(1):
        leases_expire()
        run(world, UPLOAD)
    assert [row["amount"] for row in shop.effects("refund", key)] == ["26.95"]
    assert Effect.objects.get().state == "done"


def test_a_cancellation_that_takes_its_time_is_asked_about_until_it_is_done(world: World) -> None:
    shop = shop_of(world)
    shop.slow_jobs = True
    key = shop.order_of(1, ("MUG-BLUE", 1))
    run(world, DOWNLOAD)
    refunding.ask(world.only(), None, "p@example.com")
    run(world, UPLOAD)
    assert (Effect.objects.get().state, shop.orders.rows[key]["cancelled"], alerts()) == ("waiting", None, [])
    around = Around(schedules=list(Schedule.objects.all()), effects=list(Effect.objects.all()))
    assert "The cart is canceling it" in next_of(world.only(), around).then
    with at(1):
        run(world, UPLOAD)
    assert (Effect.objects.get().state, Effect.objects.get().failures, alerts()) == ("waiting", 0, [])
    shop.work()
    with at(2):
        run(world, UPLOAD)
    assert (Effect.objects.get().state, len(shop.effects("cancel", key)), alerts()) == ("done", 1, [])
    assert [body["operationName"] for body in shop.asked].count("Cancel") == 1


def test_a_cancellation_that_fails_in_the_background_is_said_with_its_reason(world: World) -> None:
    shop = shop_of(world)
    shop.slow_jobs, shop.job_fails = True, "The order has an open return."
    shop.order_of(1, ("MUG-BLUE", 1))
    run(world, DOWNLOAD)
    refunding.ask(world.only(), None, "p@example.com")
    run(world, UPLOAD)
    shop.work()
    with at(1):
        run(world, UPLOAD)
    assert (Effect.objects.get().state, alerts()) == ("refused", ["cart_cancel_refused"])
    assert "The order has an open return." in Alert.objects.get().message


def test_stock_reaches_the_location_and_a_sale_in_between_is_not_overwritten(world: World) -> None:
    shop = shop_of(world)
    shop.item(21, "TRAY-OAK-2", levels={})  # not kept at the location until now
    for sku, free in (("MUG-BLUE", 40), ("TEA-GREEN", 7), ("TRAY-OAK-2", 5), ("NOT-SOLD-HERE", 3)):
        world.warehouse._count("C1", sku, "MAIN", Decimal(free), Decimal(free), world.warehouse.clock())
    shop.order_of(1, ("MUG-BLUE", 2))
    shop.faults.seed(3)
    shop.faults.plan({"drop_after": 0.2}, match="write")
    run(world, DOWNLOAD, INVENTORY, UPLOAD_INVENTORY)
    with at(2):
        run(world, UPLOAD_INVENTORY)
    levels = {row["sku"]: row["levels"].get("501") for row in shop.items}
    assert (levels["MUG-BLUE"], levels["TEA-GREEN"], levels["TRAY-OAK-2"]) == (38, 7, 5)
    assert "stock_refused" not in alerts()


def test_throttling_is_a_wait_and_nothing_is_lost(world: World) -> None:
    shop = shop_of(world)
    keys = {shop.order_of(number, ("MUG-BLUE", 1)) for number in range(1, 31)}
    shop.restore_rate, shop.maximum = 400.0, 1000.0
    shop.left = 0.0
    for hour in range(12):
        with at(hour):
            run(world, DOWNLOAD)
        if len(world.orders()) == len(keys):
            break
    assert {order.cart_key for order in world.orders()} == keys
    assert world.schedule(DOWNLOAD).paused == Schedule.Paused.NO
    assert alerts() == []


@pytest.mark.django_db(transaction=True)  # the run's threads keep what they renew
def test_a_token_that_was_granted_ends_and_the_next_one_is_kept(world: World) -> None:
    shop = shop_of(world)
    granted(world)
    for number in range(1, 4):
        shop.order_of(number, ("MUG-BLUE", 1))
    before = Access.objects.get().token["value"].reveal()
    shop.expire()
    run(world, DOWNLOAD, DELIVER)
    assert len(world.orders()) == 3
    for order in world.orders():
        pack(world, order)
    ends_in_the_middle(shop)
    run(world, CONFIRM, UPLOAD)
    run(world, UPLOAD)
    assert {order.status for order in world.orders()} == {Status.CONFIRMED}
    after = Access.objects.get().token["value"].reveal()
    assert after != before and shop.calls["POST 401"]


def test_a_webhook_wakes_the_download_once_and_an_uninstalled_app_pauses_the_cart(world: World, settings: Any) -> None:
    shop = shop_of(world)
    webhook = webhooks.create(world.cart)
    later = clock.now() + timedelta(hours=5)
    world.schedule(DOWNLOAD)
    Schedule.objects.update(next_run=later)
    connector = connections.open_cart(world.cart, world.account, Journal())
    assert isinstance(connector, CartConnector)
    with mailbox() as (address, came):
        handles = connector.subscribe(address, "unused")
        assert handles == connector.subscribe(address, "unused") and len(shop.hooks) == 4
        shop.order_of(1, ("MUG-BLUE", 1))
        got = came.get(timeout=10)
        assert set(got.body.decode()) and b"buyer" not in got.body  # nothing personal is in it
        forged = webhooks.receive(webhook.pk, got.headers, got.body + b" ")
        assert forged[1] == webhooks.Outcome.REFUSED
        for _ in range(3):
            assert webhooks.receive(webhook.pk, got.headers, got.body)[1] == webhooks.Outcome.WOKEN
        assert WebhookDelivery.objects.filter(verified=True).count() == 1
        woken = world.schedule(DOWNLOAD).next_run
        assert woken and woken < later
        run(world, DOWNLOAD)
        assert world.only().cust_po_no == "#OAK1"
        shop.uninstall()
        gone = next(hook for hook in iter(lambda: came.get(timeout=10), None) if b'"id": 77' in hook.body)
    assert webhooks.receive(webhook.pk, gone.headers, gone.body)[1] == webhooks.Outcome.WOKEN
    run(world, DOWNLOAD)
    assert world.schedule(DOWNLOAD).paused == Schedule.Paused.AUTH


def signed(world: World, body: bytes, secret: str, **headers: str) -> dict[str, str]:
    """The headers of a webhook of this shop."""
    digest = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    about = {"x-shopify-topic": "orders/create", "x-shopify-shop-domain": "oak.myshopify.com"}
    return {**about, "x-shopify-hmac-sha256": digest, **headers}


def test_a_webhook_of_another_shop_of_the_same_app_is_refused(world: World) -> None:
    webhook, body, secret = webhooks.create(world.cart), b'{"id": 1}', shop_of(world).client[1]
    for shop in ("pine.myshopify.com", "", "oak.myshopify.com.example.com"):
        other = signed(world, body, secret, **{"x-shopify-shop-domain": shop})
        assert webhooks.receive(webhook.pk, other, body)[1] == webhooks.Outcome.REFUSED
    assert webhooks.receive(webhook.pk, signed(world, body, secret), body)[1] == webhooks.Outcome.WOKEN


def test_a_webhook_that_could_not_wake_the_download_does_so_when_it_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, body = webhooks.create(world.cart), b'{"id": 1}'
    headers = signed(world, body, shop_of(world).client[1], **{"x-shopify-webhook-id": "delivery-1"})
    later = clock.now() + timedelta(hours=5)
    world.schedule(DOWNLOAD)
    Schedule.objects.update(next_run=later)

    def crash(*args: Any, **how: Any) -> None:
        raise OSError("the process is killed")

    with monkeypatch.context() as killed, pytest.raises(OSError, match="killed"):
        killed.setattr("carts.webhooks.schedules.wake", crash)
        webhooks.receive(webhook.pk, headers, body)
    assert not WebhookDelivery.objects.exists()
    assert webhooks.receive(webhook.pk, headers, body)[1] == webhooks.Outcome.WOKEN
    assert world.schedule(DOWNLOAD).next_run < later


@pytest.mark.django_db(transaction=True)  # a row that is locked, as others see it
def test_a_thread_that_renews_does_not_wait_for_a_row_that_is_being_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.tokens.WAIT", 0.2)
    granted(world)
    store = StoredTokens(Access.objects.get())
    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        Access.objects.update(granted_by="another@example.com")
        with pytest.raises(Transient, match="being changed"):
            pool.submit(store.hold, 60.0).result(timeout=30)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(store.hold, 60.0).result(timeout=30) and not store.hold(60.0)


@pytest.mark.django_db(transaction=True)
def test_a_token_that_was_renewed_waits_until_it_can_be_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one before it is worth nothing any more."""
    monkeypatch.setattr("orders.tokens.WAIT", 0.05)
    granted(world)
    store, before, refused = StoredTokens(Access.objects.get()), StoredTokens._in_tenant, threading.Event()

    def in_tenant(self: StoredTokens, do: Any) -> Any:
        try:
            return before(self, do)
        except Transient:
            refused.set()
            raise

    monkeypatch.setattr(StoredTokens, "_in_tenant", in_tenant)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Access.objects.update(granted_by="another@example.com")
            saving = pool.submit(store.save, Token("new", refresh="next"))
            assert refused.wait(30)
        saving.result(timeout=60)
        assert store.load() == Token("new", refresh="next")
        monkeypatch.setattr("orders.tokens.HOLD", 0)
        with transaction.atomic(), pytest.raises(Transient, match="being changed"):
            Access.objects.update(granted_by="somebody@example.com")
            pool.submit(store.save, Token("newer")).result(timeout=60)


def test_a_thread_that_renews_what_nobody_sees_does_not_wait_either(world: World) -> None:
    granted(world)  # and no other connection sees it before this test ends, when it is gone
    with ThreadPoolExecutor(1) as pool, pytest.raises(AuthFailed, match="removed"):
        pool.submit(StoredTokens(Access.objects.get()).hold, 60.0).result(timeout=30)


def test_webhooks_are_signed_with_the_secret_of_the_app_and_no_other(world: World) -> None:
    webhook = webhooks.create(world.cart)
    body = b'{"id": 5000000001}'
    for secret, outcome in ((shop_of(world).client[1], "woken"), (webhook.secrets["secret"].reveal(), "refused")):
        assert webhooks.receive(webhook.pk, signed(world, body, secret), body)[1] == outcome
    assert grants.app_of(Shopify, {"way": "token", "client_secret": "theirs"}) == {}


def test_variants_follow_the_shop_to_the_warehouse(world: World) -> None:
    def there() -> dict[str, Any]:
        rows = list(world.warehouse.table("products"))
        found = {row["sku"]: row for row in rows}
        assert len(found) == len(rows), "a product is there twice"
        return found

    shop = shop_of(world)
    Cart.objects.update(sync_products=True, sync_updates=True)
    run(world, Service.PRODUCTS, DELIVER)
    assert there() == {}, "what was there before is not news"
    shop.offer(21, "Lamp", {"sku": "LAMP", "price": "40.00"})
    shop.offer(22, "Shirt", {"title": "S", "sku": "SHIRT-S"}, {"title": "L", "sku": "SHIRT-L"})
    run(world, Service.PRODUCTS, DELIVER)
    names = {sku: row["name"] for sku, row in there().items()}
    assert names == {"LAMP": "Lamp", "SHIRT-S": "Shirt - S", "SHIRT-L": "Shirt - L"}
    assert (there()["LAMP"]["weight_lb"], "price" in there()["LAMP"]) == ("1.1023", False)
    Cart.objects.update(sync_price=True)
    shop.offer(21, "Lamp, brass", {"sku": "LAMP", "price": "40.00"})
    run(world, Service.PRODUCTS, DELIVER)
    lamp = there()["LAMP"]
    assert (lamp["name"], lamp["price"], lamp["currency"]) == ("Lamp, brass", "40.00", "USD")
    products.ask_import(world.cart, "dana@mail.example", clock.now())
    run(world, Service.PRODUCTS, DELIVER)
    assert {sku for sku, _, _ in GOODS} | set(names) == set(there())
    assert (world.schedule(Service.PRODUCTS).problem, alerts()) == ("", [])


def test_a_parcel_of_ours_is_no_edit_of_an_order_whose_personal_data_was_removed(world: World) -> None:
    shop_of(world).order_of(1, ("MUG-BLUE", 2))
    with at(0):
        run(world, DOWNLOAD, DELIVER)
    with at(24 * 61):
        assert forgetting.forget(clock.now()) == 1
        pack(world, world.only(), share="0.5")
        run(world, CONFIRM, UPLOAD)
        run(world, DOWNLOAD)
        assert (world.only().status, alerts()) == (Status.AT_WMS, [])
