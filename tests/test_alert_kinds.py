"""Every alert that the product names: what raises and resolves it, who acts; and when a dismissed one opens again."""

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from accounts.models import Account
from alerts import kinds, links
from alerts.kinds import KINDS, Acts, Anew, Fix
from alerts.models import Alert
from alerts.presenting import present
from alerts.raising import raise_alert, resolve
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.embedded import CLONE
from integration_manager.kit import clock
from integration_manager.kit.errors import Permanent, Transient
from integration_manager.kit.folder_system import FolderSystem
from merchants.models import Merchant, Schedule, Service
from orders import actions, filters, jobs, lacking, out_of_stock, parcel_alerts
from orders import watch as the_watch
from orders.alerted import with_orders
from orders.models import Order, Shipment, Status
from orders.out_of_stock import release_due
from orders.services import outcomes
from orders.services.outcomes import TRIES
from tests import desk as desks
from tests.statements import counted
from tests.test_files_again import Disk
from tests.test_files_life import HEADER, row
from tests.test_inventory import count, refusing
from tests.world import START, World, alerts, answers, asked, at, change, pack, place, run
from wms.models import Wms
from wms.systems.sandbox_wms import SandboxWms

pytestmark = pytest.mark.django_db
DOWNLOAD, DELIVER, CONFIRM = Service.DOWNLOAD, Service.DELIVER, Service.SHIP_CONFIRM
UPLOAD, STOCK, TELL_STOCK = Service.UPLOAD_SHIPMENTS, Service.INVENTORY, Service.UPLOAD_INVENTORY
DANA = "dana@mail.example"
NOW = datetime(2031, 3, 12, 12, 0, tzinfo=UTC)


@pytest.fixture
def world(calm: World) -> World:
    return calm


# ── the rows of the list: each raises, is what it should be, and resolves ──


def missing_wms(world: World) -> Callable[[], object]:
    archived = Wms.objects.filter(pk=world.wms.pk)
    place(world)
    archived.update(archived_at=START)
    run(world, DOWNLOAD, DELIVER)

    def cure() -> None:
        archived.update(archived_at=None)
        lacking.tell(SandboxWms, START)  # what saving the WMS Setup does

    return cure


def unmapped(world: World) -> Callable[[], object]:
    Cart.objects.update(reject_unmapped=True)
    place(world, shipping_method="CAMEL")
    run(world, DOWNLOAD, DELIVER)

    def cure() -> None:
        Cart.objects.update(reject_unmapped=False)
        actions.resend(world.only(), DANA)

    return cure


def bad_address(world: World) -> Callable[[], object]:
    key = place(world, ship_to={"first_name": "Ada", "country": "US"})
    run(world, DOWNLOAD, DELIVER)
    whole = {"first_name": "Ada", "address_1": "12 Mill Lane", "city": "Portland", "zip": "97201", "country": "US"}

    def cure() -> None:
        change(world, key, ship_to=whole)
        run(world, DOWNLOAD, DELIVER)

    return cure


def given_up(world: World) -> Callable[[], object]:
    place(world)
    run(world, DOWNLOAD)
    Order.objects.update(failures=TRIES - 1, starts=TRIES - 1, first_failed_at=START - timedelta(days=15))
    world.warehouse.faults.script("POST /v1/orders", "error", times=1)
    run(world, DELIVER)
    return lambda: actions.resend(world.only(), DANA)


def without_sku(world: World) -> Callable[[], object]:
    key = place(world, 1, ("", 1))
    run(world, DOWNLOAD, DELIVER)
    line = {"id": "1-1", "sku": "MUG-BLUE", "title": "Mug", "price": "5.00", "quantity": 1}

    def cure() -> None:
        change(world, key, lines=[line])
        run(world, DOWNLOAD, DELIVER)

    return cure


def refused_order(code: str, message: str) -> Callable[[World], Callable[[], object]]:
    def raises(world: World) -> Callable[[], object]:
        place(world)
        usual = world.warehouse._exact["POST", "/v1/orders"]
        answers(world.warehouse, "POST", "/v1/orders", lambda *_: world.warehouse.refuse(422, code, message))
        run(world, DOWNLOAD, DELIVER)
        assert Alert.objects.get().message == message, "in the system's own words"

        def cure() -> None:
            world.warehouse._exact["POST", "/v1/orders"] = usual
            if code == "out_of_stock":
                Order.objects.update(retry_at=START)  # the night has come
                release_due(START)
            else:
                actions.resend(world.only(), DANA)
            with at(0):
                run(world, DELIVER)

        return cure

    return raises


def refused_tracking(world: World) -> Callable[[], object]:
    place(world)
    run(world, DOWNLOAD, DELIVER)
    pack(world)
    run(world, CONFIRM)
    key = world.only().cart_key
    world.shop.table("orders").change(key, status="canceled")
    run(world, UPLOAD)

    def cure() -> None:
        world.shop.table("orders").change(key, status="open")
        actions.resend_tracking(world.only(), DANA)
        run(world, UPLOAD)

    return cure


def refused_by_cart(message: str) -> Callable[[World], Callable[[], object]]:
    """The cart does not take the tracking, for a reason of its own."""

    def raises(world: World) -> Callable[[], object]:
        place(world)
        run(world, DOWNLOAD, DELIVER)
        pack(world)
        path = ("POST", f"/api/orders/{world.only().cart_key}/shipments")
        world.shop._exact[path] = lambda _: world.shop.refuse(422, "refused", message)
        run(world, CONFIRM, UPLOAD)
        assert message in str(Alert.objects.values("message", "fix", "said").get()), "in the system's own words"

        def cure() -> None:
            del world.shop._exact[path]
            actions.resend_tracking(world.only(), DANA)
            run(world, UPLOAD)

        return cure

    return raises


def offered_elsewhere(world: World) -> Callable[[], object]:
    """The marketplace sends this SKU itself. An Item Filter leaves it out, of stock too."""
    count(world, 10)
    run(world, STOCK)

    def answer(request: Any, usual: Any) -> Any:
        problem = "An FBA offer already exists on this SKU."
        return {"results": [{"sku": row["sku"], "known": True, "problem": problem} for row in request.json["levels"]]}

    answers(world.shop, "POST", "/api/stock", answer)
    with at(0):
        run(world, TELL_STOCK)

    def cure() -> None:
        filters.change_items(world.cart, START, DANA, kind="blacklist", add=["MUG-BLUE"])
        with at(3):
            run(world, TELL_STOCK)

    return cure


def refused_stock(world: World) -> Callable[[], object]:
    count(world, 10)
    run(world, STOCK)
    usual = world.shop._exact["POST", "/api/stock"]
    refusing(world)
    with at(0):
        run(world, TELL_STOCK)

    def cure() -> None:
        world.shop._exact["POST", "/api/stock"] = usual
        with at(3):
            run(world, TELL_STOCK)

    return cure


def server_error(world: World) -> Callable[[], object]:
    place(world)
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "error", times=1)
    with at(0):
        run(world, DELIVER)

    def cure() -> None:
        with at(1):
            run(world, DELIVER)

    return cure


def bad_credentials(world: World) -> Callable[[], object]:
    good = world.cart.credentials
    world.cart.credentials = {**good, "api_key": "expired"}
    world.cart.save()
    with at(0):
        run(world, DOWNLOAD)

    def cure() -> None:
        world.cart.credentials = good
        world.cart.save()
        with at(1):
            run(world, DOWNLOAD)

    return cure


STORY: dict[str, tuple[str, str, Callable[[World], Callable[[], object]]]] = {
    # row of the list → the kind, its title, what happens
    "Missing WMS Setup": ("missing_wms", "Missing WMS Setup", missing_wms),
    "Unmapped ship method": ("ship_method_unmapped", "Unmapped ship method", unmapped),
    "Address error": ("address_incomplete", "Address error", bad_address),
    "Record skipped after too many failures": ("gave_up", "Record skipped after too many failures", given_up),
    "500 Error": ("delivery_failing", "Remote system unavailable", server_error),
    "Missing product code": ("sku_missing", "Missing product code", without_sku),
    "Could not change status to Shipped": ("tracking_refused", "Tracking refused by the cart", refused_tracking),
    "Could not mark order as Processing or Shipped": (
        "tracking_refused", "Tracking refused by the cart",
        refused_by_cart("Could not mark order as 'Shipped': there is no such status."),
    ),
    "All line items of a fulfillment": (
        "tracking_refused", "Tracking refused by the cart",
        refused_by_cart("All line items of a fulfillment must use the same fulfillment service."),
    ),
    "Could not upload inventory information": (
        "stock_refused", "Could not upload inventory information", refused_stock,
    ),
    "FBA offer already exists": ("stock_refused", "Could not upload inventory information", offered_elsewhere),
    "credentials or permissions": ("credentials", "Credentials do not work", bad_credentials),
    "The Customer is inactive": (
        "inactive", "Refused by the WMS",
        refused_order("inactive", "The Customer is inactive. Please enter an active Customer."),
    ),
    "ValueNotSupported": (
        "item_unknown", "Product not known to the WMS",
        refused_order("item_unknown", "ValueNotSupported. Not assigned to Customer 88"),
    ),
    "unmapped listing": (
        "unmappable_listing", "Refused by the WMS",
        refused_order("unmappable_listing", "Could not retrieve order items: listing 7 is not mapped."),
    ),
    "not enough inventory": (
        "out_of_stock", "Not enough inventory", refused_order("out_of_stock", "Not enough of MUG-BLUE."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("listed", STORY)
def test_every_alert_of_the_list_is_raised_and_resolves(world: World, listed: str) -> None:
    kind, title, happens = STORY[listed]
    cure = happens(world)
    assert alerts() == [kind]
    alert = with_orders(Alert.objects.select_related("merchant", "cart")).get()
    assert alert.known.title == title
    assert alert.fix or alert.known.text
    assert links.fix(world.account, alert).startswith(f"/a/{world.account.public_id}/")
    cure()
    assert alerts() == []


# ── for lack of stock ──


def test_what_lacks_stock_is_on_hold_and_sent_again_every_night_at_one_pacific(world: World) -> None:
    place(world)
    usual = world.warehouse._exact["POST", "/v1/orders"]
    refuse = world.warehouse.refuse(422, "out_of_stock", "Not enough of MUG-BLUE.")
    answers(world.warehouse, "POST", "/v1/orders", lambda *_: refuse)
    with at(0):
        run(world, DOWNLOAD, DELIVER)
    order = world.only()
    assert (order.status, order.held_by) == (Status.HELD, out_of_stock.HELD_BY)
    for _ in range(2):
        again = order.retry_at
        assert again is not None and timedelta() < again - START < timedelta(days=2)
        local = again.astimezone(ZoneInfo("America/Los_Angeles"))
        assert local.hour == 1 and local.minute < 15
        sends = asked(world.warehouse, "POST", "/v1/orders")
        with at(seconds=(again - START).total_seconds() - 1):
            assert release_due(again - timedelta(seconds=1)) == 0
        with at(seconds=(again - START).total_seconds()):
            assert release_due(again) == 1
            run(world, DELIVER)
            assert asked(world.warehouse, "POST", "/v1/orders") == sends + 1
            order = world.only()
            assert (order.status, order.failures) == (Status.HELD, 0)
            assert alerts() == ["out_of_stock"], "one alert from night to night"
    assert Alert.objects.get().count == 1, "one order, however many nights"
    Alert.objects.update(dismissed_at=START)
    with at(seconds=(order.retry_at - START).total_seconds()):
        release_due(order.retry_at)
        run(world, DELIVER)
        assert Alert.objects.get().dismissed_at, "the same as the night before"
        place(world, 2)
        run(world, DOWNLOAD, DELIVER)
        alert = Alert.objects.get()
        assert (alert.active, alert.count) == (True, 2), "another one is news"
    world.warehouse._exact["POST", "/v1/orders"] = usual
    again = world.orders()[0].retry_at
    with at(seconds=(again - START).total_seconds()):
        release_due(again)
        run(world, DELIVER)
        assert {(one.status, one.held_by) for one in world.orders()} == {(Status.AT_WMS, "")}
        assert alerts() == []


def test_stock_of_another_product_that_is_refused_opens_what_was_dismissed(world: World) -> None:
    count(world, 10)
    run(world, STOCK)
    refusing(world)
    for minutes, products in ((0, 1), (30, 1), (60, 2), (90, 2)):
        with at(minutes=minutes):
            if minutes == 60:
                count(world, 4, "POT-GLASS")
                run(world, STOCK)
            run(world, TELL_STOCK)
            alert = Alert.objects.get(kind="stock_refused")
            assert (alert.active, alert.count) == (minutes in (0, 60), products), minutes
            assert f"the stock of {products} product" in alert.message
            Alert.objects.update(dismissed_at=START)


def test_another_merchant_without_the_wmss_values_opens_what_was_dismissed(world: World) -> None:
    other = of_another(world)
    for one in (world, other):
        one.schedule(STOCK)
        Merchant.objects.filter(pk=one.merchant.pk).update(wms_values={})
        for turn in range(2):
            lacking.tell(SandboxWms, START)
            alert = Alert.objects.get(kind="wms_values_missing")
            assert (alert.active, alert.count) == (turn == 0, 1 if one is world else 2)
            Alert.objects.update(dismissed_at=START)


# ── a system that is away ──


def test_errors_of_the_server_are_one_alert_that_counts_runs_in_a_row(world: World) -> None:
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "error", times=100)
    for hour in (0, 1, 2):
        with at(hour):
            run(world, DELIVER)
        alert = Alert.objects.get()
        assert (alert.kind, alert.count) == ("delivery_failing", hour + 1), "three orders of a run are one failure"
        assert (alert.news_at is not None) == (hour == 2), "mailed after three in a row"
    assert set(Order.objects.values_list("failures", flat=True)) == {3}
    assert timedelta(hours=1) == outcomes.AGAIN


def test_a_file_that_cannot_be_written_is_said_until_it_can_be(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise Transient("The disk is full.", code="full")

    settings.IM_FOLDER_ROOT = str(tmp_path)
    disk = Disk(tmp_path, Account.objects.create(name="Disk", timezone="UTC"))
    with tenancy.activate(disk.account.pk):
        disk.put("shop/orders/monday.csv", f"{HEADER}\n{row('A-1')}\n")
        disk.run(DOWNLOAD)
        with monkeypatch.context() as patch:
            patch.setattr(FolderSystem, "put", full)
            for hour in (0, 1):
                with at(hour):
                    disk.run(DELIVER)
                alert = Alert.objects.get()
                assert (alert.kind, alert.active, alert.count) == ("file_failing", True, hour + 1)
                assert "could not be written: The disk is full." in alert.message and "Check the folder" in alert.fix
                order = Order.objects.get()
                assert (order.status, order.failures, order.out_file_id) == (Status.READY, hour + 1, None)
        with at(2):
            disk.run(DELIVER)
        assert (Order.objects.get().status, alerts()) == (Status.AT_WMS, [])
        assert len(disk.names("hall/orders")) == 1, "one file, whatever was tried before"


@pytest.mark.usefixtures("world")
def test_of_a_connection_the_service_that_fails_longest_counts() -> None:
    for in_a_row in (1, 2, 3):
        raise_alert("unreachable", "cart:1", "x", now=START, total=in_a_row)
        raise_alert("unreachable", "cart:1", "x", now=START, total=1)
    assert Alert.objects.get().count == 3


# ── the WMS's own credentials are those of all its merchants ──


def of_another(world: World, code: str = "ELM") -> World:
    """The same, with another merchant of this account."""
    values = dict(world.merchant.wms_values)
    return replace(world, merchant=Merchant.objects.create(name=f"Merchant {code}", code=code, wms_values=values))


def test_a_wrong_key_of_the_wms_is_one_alert_for_all_merchants_and_ends_with_the_first_success(world: World) -> None:
    other = of_another(world)
    good = world.wms.credentials
    world.wms.credentials = {**good, "api_key": "expired"}
    world.wms.save()
    with at(0):
        run(world, STOCK)
        run(other, STOCK)
    alert = Alert.objects.select_related("merchant", "cart").get()
    assert (alert.kind, alert.merchant, alert.count) == ("credentials", None, 2)
    assert other.merchant.name in alert.fix, "which merchant it was met with last"
    assert links.fix(world.account, alert) == reverse("wms", args=[world.account.public_id])
    for permissions, button in (({"wms.edit"}, "Correct the credentials"), ({"carts.edit", "merchants.edit"}, "")):
        (shown,) = present(world.account, with_orders(Alert.objects.all()), permissions)
        assert shown.button == button, "where one can do something about it"
    the_watch._end_what_is_gone(START + timedelta(hours=1))
    assert alerts() == ["credentials"]
    Schedule.objects.filter(merchant=other.merchant, service=STOCK).update(paused="", failures=1)
    jobs._healed(other.schedule(STOCK), START)
    assert alerts() == ["credentials"], "what failed of the other for another reason says nothing of the key"
    Schedule.objects.filter(merchant=other.merchant, service=STOCK).update(paused="auth")
    world.wms.credentials = good
    world.wms.save()
    with at(1):
        run(other, STOCK)
        assert alerts() == []
        waiting = world.schedule(STOCK)
        assert (waiting.paused, waiting.next_run) == ("", START + timedelta(hours=1)), "the others go on at once"


def test_who_may_not_change_the_wms_is_told_who_does(tenant: Any) -> None:
    with clock.frozen(NOW):
        service = Schedule.objects.filter(merchant=tenant.merchants[1], cart=None)
        assert service.update(every=300, paused="auth", failures=1, problem="The key is wrong.")
        said = {who: tenant.client(who).get(tenant.url("")).content.decode() for who in ("owner", "colleague")}
    assert "WMS Setup, which your role may not change" in said["colleague"]
    assert "Correct them; it goes on" in said["owner"] and "your role may not" not in said["owner"]


def test_what_a_merchant_lacks_is_its_own_alert_and_a_wms_that_is_away_is_one(world: World) -> None:
    other = of_another(world)
    Merchant.objects.filter(pk=other.merchant.pk).update(wms_values={})
    world.wms.credentials = {**world.wms.credentials, "url": "http://127.0.0.1:1/"}
    world.wms.save()
    with at(0):
        for one in (world, other, world):
            one.merchant.refresh_from_db()
            run(one, STOCK)
    lacks, away = Alert.objects.select_related("merchant", "cart").order_by("kind")
    assert (lacks.kind, lacks.merchant, lacks.count) == ("credentials", other.merchant, 1)
    assert links.fix(world.account, lacks).endswith(f"/merchants/{other.merchant.public_id}/edit/")
    assert (away.kind, away.key, away.merchant, away.count) == ("unreachable", "wms", None, 2)
    Schedule.objects.filter(merchant=world.merchant).update(every=0)
    Schedule.objects.filter(merchant=other.merchant).update(failures=0)
    the_watch._end_what_is_gone(START + timedelta(minutes=4))
    assert alerts() == ["credentials", "unreachable"], "it was told a moment ago"
    the_watch._end_what_is_gone(START + timedelta(minutes=6))
    assert alerts() == ["credentials"], "nobody who is switched on waits for the WMS any more"


# ── opening, counting, dismissing, opening again ──


def opened(kind: str = "sku_missing", **how: Any) -> Alert:
    raise_alert(kind, "k", "About it", now=how.pop("now", NOW), **how)
    return Alert.objects.get()


def dismiss() -> None:
    Alert.objects.update(dismissed_at=NOW, news_at=None)


@pytest.fixture
def tenant(db: None) -> Any:
    desk = desks.build(orders=0)
    with tenancy.activate(desk.account.pk):
        Alert.objects.all().delete()
        yield desk


@pytest.mark.usefixtures("tenant")
class TestOneCause:
    def test_it_is_news_once(self) -> None:
        assert opened().news_at == NOW
        Alert.objects.update(news_at=None)
        assert opened(count=4).news_at is None
        assert Alert.objects.get().count == 5

    def test_resolved_and_back_it_is_news_again_and_counts_anew(self) -> None:
        opened(count=7)
        resolve("sku_missing", ["k"], NOW)
        later = NOW + timedelta(hours=1)
        again = opened(now=later)
        assert (again.active, again.count, again.first_seen, again.news_at) == (True, 1, later, later)

    def test_dismissed_it_opens_when_another_order_comes(self) -> None:
        opened()
        dismiss()
        again = opened()
        assert (again.active, again.news_at is not None) == (True, True)

    def test_dismissed_a_trouble_that_goes_on_stays_quiet_until_it_was_gone(self) -> None:
        opened("credentials")
        dismiss()
        assert (opened("credentials").active, Alert.objects.get().news_at) == (False, None)
        resolve("credentials", ["k"], NOW)
        assert opened("credentials").active

    def test_dismissed_the_watch_opens_when_there_are_more(self) -> None:
        opened("stuck_ready", total=4)
        dismiss()
        assert not opened("stuck_ready", total=4).active
        assert not opened("stuck_ready", total=3).active
        assert opened("stuck_ready", total=4).active


# ── the table ──


def raised() -> set[str]:
    """Every kind that is written out in a call of raise_alert."""
    found = set()
    for folder in ("alerts", "carts", "integration_manager", "merchants", "orders", "wms", "billing"):
        texts = [path.read_text() for path in (CLONE / folder).rglob("*.py")]
        for text in texts:
            for node in ast.walk(ast.parse(text)) if "raise_alert" in text else ():
                name = getattr(node, "func", None)
                if isinstance(node, ast.Call) and getattr(name, "id", getattr(name, "attr", "")) == "raise_alert":
                    first = ast.walk(node.args[0]) if node.args else iter(())
                    found |= {part.value for part in first if isinstance(part, ast.Constant)}
    return {str(kind) for kind in found}


def test_the_table_knows_every_kind_that_is_raised() -> None:
    found = raised() | set(parcel_alerts.KINDS)
    assert found <= set(KINDS), found - set(KINDS)
    assert {"missing_wms", "credentials", "shipped_short", "canceled_by_wms"} <= found


@pytest.mark.parametrize("code", [*KINDS, "what a connector calls it", "address_whatever"])
def test_every_kind_is_whole(code: str, tenant: Any) -> None:
    kind = kinds.of(code)
    assert kind.title and kind.text.endswith(".") and kind.button
    assert not (kind.cures_itself and kind.at_once)
    assert (kind.patience > 1) == kind.cures_itself, "what cures itself is told when it lasts, the rest at once"
    assert kind.acts in Acts and kind.anew in Anew and kind.fix in Fix
    for number in ("W-1", "W-2"):
        desks.make_order(tenant.carts[0], number, status="error", cause="k")
    Alert.objects.create(
        kind=code, key="k", merchant=tenant.merchants[0], cart=tenant.carts[0], first_seen=NOW, last_seen=NOW
    )
    row = with_orders(Alert.objects.filter(key="k")).get()
    client = tenant.client("owner")
    address = links.fix(tenant.account, row)
    if address != reverse("alert", args=[tenant.account.public_id, row.public_id]):
        assert client.get(address).status_code == 200, address


def test_what_needs_a_person_at_once_is_mailed_at_once() -> None:
    stops_orders = {"ship_method_unmapped", "address_incomplete", "sku_missing", "item_unknown", "reference_taken"}
    assert {*stops_orders, "credentials"} <= set(kinds.AT_ONCE)
    assert not set(kinds.AT_ONCE) & set(kinds.BY_ITSELF)


def test_who_is_gone_waits_for_nobody(tenant: Any) -> None:
    """A service that was switched off, a cart or a merchant that was taken away."""
    from orders.watch import _end_what_is_gone

    cart, other = tenant.carts
    off, on = Schedule.objects.filter(cart=cart)[:2]
    Schedule.objects.filter(pk=off.pk).update(every=0)
    raise_alert("service_failing", f"schedule:{off.pk}", "x", now=NOW)
    raise_alert("service_failing", f"schedule:{on.pk}", "x", now=NOW)
    raise_alert("credentials", f"cart:{other.pk}", "x", now=NOW, cart_id=other.pk)
    Cart.objects.filter(pk=other.pk).update(archived_at=NOW)
    _end_what_is_gone(NOW)
    assert list(Alert.objects.filter(resolved_at=None).values_list("key", flat=True)) == [f"schedule:{on.pk}"]


def test_a_cart_or_a_wms_whose_services_are_off_needs_nobody(tenant: Any) -> None:
    """Each of its alerts ends with the service that would find it over."""
    cart, merchant = tenant.carts[0], tenant.merchants[0]
    whose = {
        **dict.fromkeys(("tracking_failing", "stock_without_orders"), (f"cart:{cart.pk}", cart.pk)),
        **dict.fromkeys(("credentials", "unreachable"), (f"cart:{cart.pk}", cart.pk)),
        "delivery_failing": (f"deliver:{merchant.pk}", None),
    }
    for kind, (key, cart_id) in whose.items():
        raise_alert(kind, key, "x", now=NOW, merchant_id=merchant.pk, cart_id=cart_id)
    raise_alert("credentials", f"wms:{merchant.pk}", "x", now=NOW, merchant_id=merchant.pk)
    Schedule.objects.update(every=300, next_run=NOW, failures=1)
    left = alerts()

    def off(**what: Any) -> list[str]:
        """The kinds that end when these services are switched off."""
        nonlocal left
        Schedule.objects.filter(merchant=merchant, **what).update(every=0, next_run=None)
        the_watch._end_what_is_gone(NOW + timedelta(hours=100))
        before, left = left, alerts()
        return [kind for kind in before if before.count(kind) > left.count(kind)]

    assert (cart.merchant_id, off(cart=None, service="ship_confirm")) == (merchant.pk, [])
    assert off(cart=cart, service=UPLOAD) == ["tracking_failing"]
    assert off(cart=cart, service=TELL_STOCK) == ["stock_without_orders"]
    assert off(cart=cart) == ["credentials", "credentials", "unreachable"] and left == [
        "credentials",
        "delivery_failing",
    ]
    assert off(cart=None, service=DELIVER) == ["delivery_failing"]
    assert off(cart=None) == ["credentials"]


def test_that_a_system_is_away_ends_with_the_service_that_found_it(tenant: Any) -> None:
    """The others of its connection work: nothing heals of them."""
    cart = tenant.carts[0]
    services = Schedule.objects.filter(cart=cart)
    assert services.count() > 1 and services.update(every=300, next_run=NOW, failures=0)
    found = services.filter(service=UPLOAD)
    raise_alert("unreachable", f"cart:{cart.pk}", "x", now=NOW, merchant_id=cart.merchant_id, cart_id=cart.pk)
    for minutes, failures, every, told in ((1, 0, 300, True), (60, 3, 300, True), (61, 3, 0, False)):
        found.update(failures=failures, every=every, next_run=NOW if every else None)
        the_watch._end_what_is_gone(NOW + timedelta(minutes=minutes))
        assert (alerts() == ["unreachable"]) is told, minutes


def test_who_lacks_what_the_wms_needs_is_told_of_no_more_once_archived_or_off(world: World) -> None:
    others = [of_another(world, code) for code in ("ELM", "ASH")]
    for one in (world, *others):
        one.schedule(STOCK)
        Merchant.objects.filter(pk=one.merchant.pk).update(wms_values={})
    lacking.tell(SandboxWms, START)

    def named() -> list[str]:
        the_watch._end_what_is_gone(START)
        alert = Alert.objects.filter(kind="wms_values_missing", resolved_at=None).first()
        return [one.merchant.code for one in (world, *others) if alert and one.merchant.name in alert.message]

    assert named() == ["OAK", "ELM", "ASH"]
    Merchant.objects.filter(pk=others[0].merchant.pk).update(archived_at=START)
    assert named() == ["OAK", "ASH"]
    Schedule.objects.filter(merchant=others[1].merchant).update(every=0)
    assert named() == ["OAK"]
    Schedule.objects.filter(merchant=world.merchant).update(every=0)
    assert (named(), alerts()) == ([], [])


@pytest.mark.parametrize("what", ["merchants", "carts"])
def test_what_comes_back_brings_the_alerts_of_its_orders_that_wait(tenant: Any, what: str) -> None:
    """Also one whose row is gone by its age; none that is settled; and what lacks stock goes on by night."""
    cart = tenant.carts[0]
    stays = {"merchant_id": cart.merchant_id, "cart_id": cart.pk}
    for number, key in enumerate(("stock", "sku", "dismissed", "old")):
        held = {"status": Status.HELD, "held_by": "stock", "created_at": NOW} if key == "stock" else {"status": "error"}
        kind = "out_of_stock" if key == "stock" else "sku_missing"
        desks.make_order(cart, f"W-{number}", cause=key, error_code=kind, error_message=f"About {key}.", **held)
        raise_alert(kind, key, f"About {key}.", fix="Do it.", now=NOW, **stays)
    told = desks.make_order(cart, "W-9", status="shipped")
    parcel = Shipment.objects.create(order=told, key="P", data={}, created_at=NOW, retry_at=NOW, parked_at=NOW, **stays)
    parcel_alerts.open_alerts(cart, "tracking_refused", [(parcel.pk, told.pk, ())], Permanent("No."), NOW)
    parcel.refresh_from_db()
    raise_alert("sku_missing", "settled", "x", now=NOW, **stays)
    resolve("sku_missing", ["settled"], NOW)
    raise_alert("changed_after_sending", "sku", "Of the same order, and over.", now=NOW, **stays)
    resolve("changed_after_sending", ["sku"], NOW)
    raise_alert("file_unknown", "a file", "Nobody else can say whether it arrived.", now=NOW, **stays)
    Alert.objects.filter(key="dismissed").update(dismissed_at=NOW)
    row = Cart.objects.filter(pk=cart.pk) if what == "carts" else Merchant.objects.filter(pk=cart.merchant_id)
    row.update(archived_at=NOW)
    the_watch._end_what_is_gone(NOW)
    assert alerts() == ["file_unknown"], "that waits for a person, wherever its cart is"
    resolve("file_unknown", ["a file"], NOW)
    if what == "merchants":
        assert release_due(NOW) == 0
    Alert.objects.filter(key="old").delete()
    Alert.objects.update(news_at=None)
    client = tenant.client("owner")
    assert client.post(tenant.url(f"{what}/{row.get().public_id}/restore/")).status_code == 302
    assert row.get().archived_at is None
    back = {alert.key: alert for alert in Alert.objects.filter(resolved_at=None)}
    assert set(back) == {"stock", "sku", "dismissed", "old", parcel.cause}
    assert back["sku"].kind == "sku_missing"
    assert len(back) == Alert.objects.filter(resolved_at=None).count()
    assert {key for key, alert in back.items() if alert.news_at} == {"stock", "sku", "old", parcel.cause}
    assert (back["sku"].fix, back["old"].message, back["dismissed"].active) == ("Do it.", "About old.", False)
    Alert.objects.filter(key="stock").update(resolved_at=NOW)  # as with those who came back without their alerts
    assert release_due(NOW) == 1


def test_the_dashboard_shows_the_last_ten_within_its_queries(tenant: Any) -> None:
    for number in range(1, 12):
        at_that = NOW + timedelta(minutes=number)
        raise_alert(
            "credentials", f"k{number}", f"Cause no. {number}.", now=at_that, merchant_id=tenant.merchants[0].pk
        )
    tenant.settle("owner")
    client = tenant.client("owner")
    with counted() as statements:
        page = client.get(tenant.url("")).content.decode()
    assert [number for number in range(1, 12) if f"Cause no. {number}." in page] == list(range(2, 12))
    assert "And more</a>" in page
    assert len([one for one in statements if not one.startswith("SELECT set_config")]) <= 12
