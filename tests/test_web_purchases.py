"""Purchase orders as people see them, switch them on and decide about them."""

import csv
from typing import Any

import pytest

from accounts.models import AuditEntry
from alerts import links
from alerts.models import Alert
from carts.models import Cart
from integration_manager.kit import clock
from integration_manager.kit.faults import Fault
from merchants.models import Schedule, Service
from orders.models import PurchaseOrder
from orders.services import purchase_orders
from tests.counter import Counter, text
from tests.statements import counted
from tests.test_web_products import SETUP
from tests.world import World, ago, run
from wms.models import Wms

pytestmark = pytest.mark.django_db
PURCHASES, RECEIVING = Service.PURCHASES, Service.RECEIVING


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def owner(world: World) -> Counter:
    return Counter(world)


def switch_on(world: World) -> None:
    """They are on since yesterday."""
    Cart.objects.update(sync_purchases=True)
    world.cart.refresh_from_db()
    purchase_orders.switched(world.cart, on=True, now=ago(days=1))
    Schedule.objects.filter(service=PURCHASES).update(every=3600, next_run=ago(hours=1))


def order(world: World, key: str, *goods: tuple[str, int], **more: Any) -> None:
    world.shop.restock(key, *(goods or (("MUG", 10),)), at=ago(minutes=9), **more)


def three(world: World) -> None:
    """One is expected and has come in part, one is refused, and of one nobody knows."""
    switch_on(world)
    Wms.objects.update(system="sandbox_wms_blind")
    order(world, "PO1", ("MUG", 10), ("POT", 4), supplier="Kiln <b>")
    run(world, PURCHASES, RECEIVING)
    world.warehouse.unload("E00001", ("MUG", 12), at=ago(minutes=5))
    order(world, "PO2", ("UNKNOWN-1", 3))
    run(world, PURCHASES, RECEIVING)
    order(world, "PO3", ("TIN", 3))
    world.warehouse.faults.script("POST /v1/purchase-orders", Fault.DROP_AFTER)
    run(world, PURCHASES, RECEIVING)


def of(number: str) -> PurchaseOrder:
    found: PurchaseOrder = PurchaseOrder.objects.get(number=f"OAK-{number}")
    return found


def see(owner: Counter, path: str) -> str:
    """A page as text, within the queries that a page may have."""
    assert owner.get(path).status_code == 200  # the session is known now
    with counted() as statements:
        answer = owner.get(path)
    asked = [one for one in statements if not one.startswith("SELECT set_config")]
    assert len(asked) <= 12, "\n".join(asked)
    return text(answer)


def page_of(number: str) -> str:
    return f"orders/purchases/{of(number).public_id}/"


# ── the option ──


def test_switched_on_in_the_setup_both_ends_run_from_now_on(world: World, owner: Counter) -> None:
    page = owner.get("cart/edit/").content.decode()
    assert "Sync Purchase Orders" in page
    mark = page.split('name="mark" value="')[1].split('"')[0]
    url = world.cart.credentials["url"].reveal()
    said = {**SETUP, "name": "Oak shop", "mark": mark, "c-url": url, "sync_purchases": "True", "on": "1"}
    owner.post("cart/edit/", said)
    assert Cart.objects.get().sync_purchases
    mine, theirs = Schedule.objects.get(service=PURCHASES), Schedule.objects.get(service=RECEIVING)
    assert mine.every and mine.automatic and theirs.every and theirs.automatic
    assert "Purchase Orders" in see(owner, "cart/") and "?cart=" in owner.get("cart/").content.decode()
    assert "purchase orders ↔ WMS" in see(owner, f"merchants/{world.merchant.public_id}/")
    page = owner.get("cart/edit/").content.decode()
    mark = page.split('name="mark" value="')[1].split('"')[0]
    owner.post("cart/edit/", {**said, "mark": mark, "sync_purchases": ""})
    assert not Cart.objects.get().sync_purchases
    assert not Schedule.objects.filter(service__in=(PURCHASES, RECEIVING), every__gt=0).exists()
    assert "↔ WMS" not in see(owner, f"merchants/{world.merchant.public_id}/")


def test_it_is_offered_only_where_both_ends_can(world: World, owner: Counter) -> None:
    Wms.objects.update(system="extensiv")
    assert "Sync Purchase Orders" not in owner.get("cart/edit/").content.decode()
    Wms.objects.update(system="sandbox_wms")
    Cart.objects.update(system="woocommerce")
    assert "Sync Purchase Orders" not in owner.get("cart/edit/").content.decode()


def test_what_was_open_before_is_taken_over_from_a_day_on(world: World, owner: Counter) -> None:
    for key, days, status in (("OLDER", 50, "open"), ("OLD", 20, "open"), ("OVER", 20, "closed")):
        world.shop.restock(key, ("MUG", 10), at=ago(days=days), status=status)
    switch_on(world)
    order(world, "NEW")
    run(world, PURCHASES, RECEIVING)

    def there() -> list[str]:
        return sorted(row["number"] for row in world.warehouse.table("purchases"))

    assert there() == ["OAK-NEW"], "by itself it begins with what changes"
    assert "Take over purchase orders from" in see(owner, "cart/")
    day = ago(days=30).date().isoformat()
    for _ in range(2):
        assert "are read now" in text(owner.post("cart/purchases/", {"day": day}))
        assert Schedule.objects.get(service=PURCHASES).next_run <= clock.now()
        run(world, PURCHASES, RECEIVING)
        assert there() == ["OAK-NEW", "OAK-OLD"], "each once, and none from before that day"
    order(world, "NEXT")
    run(world, PURCHASES, RECEIVING)
    assert "OAK-NEXT" in there()
    assert AuditEntry.objects.filter(verb="cart.purchases_pulled").count() == 2


def test_what_cannot_be_taken_over_is_said(world: World, owner: Counter) -> None:
    assert "Take over" not in owner.get("cart/").content.decode()
    assert "Purchase Orders is off" in text(owner.post("cart/purchases/", {"day": "2026-01-01"}))
    switch_on(world)
    before = Schedule.objects.get(service=PURCHASES).state
    for day, words in ((-2, "still to come"), (800, "too far back"), (9000, "Earliest Order Date")):
        assert words in text(owner.post("cart/purchases/", {"day": ago(days=day).date().isoformat()}))
    assert "Choose a day" in text(owner.post("cart/purchases/", {"day": "\x00"}))
    assert Schedule.objects.get(service=PURCHASES).state == before


def test_a_deleted_cart_sends_no_more(world: World, owner: Counter) -> None:
    switch_on(world)
    owner.post("cart/delete/", {"confirm": "1"})
    assert Cart.objects.get().archived_at and not Cart.objects.get().sync_purchases
    assert not Schedule.objects.filter(service__in=(PURCHASES, RECEIVING), every__gt=0).exists()


# ── the list ──


def test_the_list_shows_searches_filters_and_pages(world: World, owner: Counter, monkeypatch: Any) -> None:
    assert "No purchase order yet" in see(owner, "orders/purchases/")
    three(world)
    page = see(owner, "orders/purchases/")
    assert page.index("OAK-PO3") < page.index("OAK-PO2") < page.index("OAK-PO1"), "newest first"
    assert '12 <span class="sub">of 14</span>' in page and "Kiln &lt;b&gt;" in page and "item_unknown" not in page
    refused = see(owner, "orders/purchases/?state=refused")
    assert "OAK-PO2" in refused and "OAK-PO1" not in refused
    assert "OAK-PO1" in see(owner, "orders/purchases/?q=oak-po1") and "OAK-PO2" not in see(
        owner, "orders/purchases/?q=oak-po1"
    )
    assert "No such purchase order" in see(owner, "orders/purchases/?q=zzz")
    assert "OAK-PO1" in see(owner, f"orders/purchases/?cart={world.cart.public_id}")
    with counted() as statements:
        owner.get("orders/purchases/")
    asked = " ".join(statements)
    assert 'AS "come"' in asked and '"orders_purchaseorder"."data",' not in asked, "it reads no lines to count pieces"
    monkeypatch.setattr("orders.search.PAGE", 2)
    first = owner.get("orders/purchases/").content.decode()
    assert "OAK-PO1" not in first
    after = first.split("after=")[1].split('"')[0]
    second = owner.get(f"orders/purchases/?after={after}").content.decode()
    assert "OAK-PO1" in second and "OAK-PO2" not in second
    before = second.split("before=")[1].split('"')[0]
    assert "OAK-PO3" in owner.get(f"orders/purchases/?before={before}").content.decode()
    for odd in ("after=zzz", "before=zzz", "state=x&cart=zzz"):
        assert owner.get(f"orders/purchases/?{odd}").status_code == 200


def test_the_file_has_a_row_for_each_line(world: World, owner: Counter) -> None:
    three(world)
    said = b"".join(owner.get("orders/purchases/export/").streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(said.splitlines()))
    assert [(row["Purchase order"], row["SKU"], row["Ordered"], row["Received"]) for row in rows] == [
        ("OAK-PO3", "TIN", "3", "0"),
        ("OAK-PO2", "UNKNOWN-1", "3", "0"),
        ("OAK-PO1", "MUG", "10", "12"),
        ("OAK-PO1", "POT", "4", "0"),
    ]


# ── one of them ──


def test_its_page_says_what_came_what_is_next_and_how_it_went(world: World, owner: Counter) -> None:
    three(world)
    page = see(owner, page_of("PO1"))
    assert "Kiln &lt;b&gt;" in page and "12 of 14 so far." in page and "The WMS expects it." in page
    assert "st-wait" in page, "two mugs too many"
    assert "Send again" in see(owner, page_of("PO2")) and "We hold no item" in see(owner, page_of("PO2"))
    unknown = see(owner, page_of("PO3"))
    assert "It arrived" in unknown and "It did not, send it" in unknown and "Send again" not in unknown


def test_a_person_decides_and_twice_is_once(world: World, owner: Counter) -> None:
    three(world)
    said = text(owner.post(f"{page_of('PO3')}do/it_arrived/"))
    assert "Noted: the WMS has it." in said and of("PO3").state == "expected"
    assert "cannot be done with it any more" in text(owner.post(f"{page_of('PO3')}do/it_did_not/"))
    assert owner.post(f"{page_of('PO3')}do/nonsense/").status_code == 404
    assert "within a minute" in text(owner.post(f"{page_of('PO2')}do/send_again/"))
    assert of("PO2").state == "waiting"
    assert "will not be sent" in text(owner.post(f"{page_of('PO2')}do/keep_here/")) or of("PO2").state == "waiting"


# ── the alerts lead there ──


def test_an_alert_leads_to_where_its_fix_is(world: World, owner: Counter) -> None:
    three(world)
    found = {alert.kind: alert for alert in Alert.objects.select_related("merchant", "cart").filter(resolved_at=None)}
    assert set(found) == {"purchase_refused", "purchase_differs"}
    start = owner.url("")
    refused = links.fix(world.account, found["purchase_refused"])
    assert refused.startswith(start) and "OAK-PO2" in text(owner.get(refused.removeprefix(start)))
    one = links.fix(world.account, found["purchase_differs"])
    assert one == owner.url(page_of("PO1"))
    assert found["purchase_refused"].count == 2
