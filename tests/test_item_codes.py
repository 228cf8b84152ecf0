"""Translate Item Code: from the cart's code of a product to the WMS's SKU, and what waits for a code nobody knows."""

import html
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from carts.models import Cart
from integration_manager.kit import clock
from merchants import catalog
from merchants.models import Product, ProductAlias, Schedule, Service, StockLevel
from merchants.rules.kits import Component
from orders import aliases, cart_settings, filters, item_codes, kits, ruling, watch
from orders.intake import Intake
from orders.models import Event, Order, OrderDetail, OrderLine, Status
from orders.stock import offered, stock_rules
from tests.counter import Counter, text
from tests.statements import counted
from tests.world import World, alerts, asked, place, run
from wms.systems.sandbox_wms import SandboxWms

DOWNLOAD, DELIVER, INVENTORY = Service.DOWNLOAD, Service.DELIVER, Service.INVENTORY
MUG, TIN = "MUG-BLUE", "TIN-SMALL"


@pytest.fixture
def world(calm: World) -> World:
    catalog.learn(calm.merchant.pk, [MUG, TIN], Product.Origin.HAND, clock.now())
    return calm


def by(world: World, kind: str) -> None:
    world.cart.translate_items = kind
    world.cart.save()


def alias(world: World, sku: str, kind: str, value: str) -> ProductAlias:
    """As a person adds one."""
    codes = [value]
    with aliases.changing(world.merchant, codes, clock.now(), actor="dana@x.example"):
        return catalog.add_alias(Product.objects.get(sku=sku), kind, value)


def sent(world: World) -> list[list[str]]:
    """The items of each order at the warehouse."""
    rows = world.warehouse.table("orders").rows.values()
    return [[line["item"] for line in row["lines"]] for row in rows]


def test_a_code_of_the_cart_is_sent_as_the_sku(world: World) -> None:
    alias(world, MUG, "UPC", "111")
    by(world, "UPC")
    place(world, 1, ("111", 2))
    run(world, DOWNLOAD, DELIVER)
    order = world.only()
    assert (order.status, sent(world)) == (Status.AT_WMS, [[MUG]])
    line = OrderLine.objects.get()
    assert (line.item, line.sent_item) == ("111", MUG)
    assert "111 is sent as MUG-BLUE: it is its UPC." in str(OrderDetail.objects.get().applied)


def test_open_orders_count_in_the_wmss_skus(world: World) -> None:
    alias(world, MUG, "UPC", "111")
    by(world, "UPC")
    world.warehouse._count("C1", MUG, "MAIN", Decimal(10), Decimal(10), world.warehouse.clock())
    place(world, 1, ("111", 3))
    run(world, INVENTORY, DOWNLOAD)
    found = offered(world.merchant, stock_rules(world.cart), clock.now())
    assert {offer.code: offer.quantity for offer in found} == {MUG: 7}


def test_what_waits_counts_in_the_skus_that_its_codes_mean_now(world: World) -> None:
    known = alias(world, MUG, "UPC", "111")
    by(world, "UPC")
    for sku in (MUG, TIN):
        world.warehouse._count("C1", sku, "MAIN", Decimal(10), Decimal(10), world.warehouse.clock())
    place(world, 1, ("111", 3))
    run(world, INVENTORY, DOWNLOAD, Service.UPLOAD_INVENTORY)
    schedule = world.schedule(Service.UPLOAD_INVENTORY)
    later = clock.now() + timedelta(days=1)
    Schedule.objects.filter(pk=schedule.pk).update(next_run=later, automatic=True)
    with aliases.changing(world.merchant, ["111"], clock.now(), actor="dana@x.example"):
        known.delete()
        catalog.add_alias(Product.objects.get(sku=TIN), "UPC", "111")
    schedule.refresh_from_db()
    assert schedule.next_run < later, "carts are told anew"
    run(world, Service.UPLOAD_INVENTORY)
    found = offered(world.merchant, stock_rules(world.cart), clock.now())
    assert {offer.code: offer.quantity for offer in found} == {MUG: 10, TIN: 7}


def test_orders_with_a_code_that_nobody_knows_are_one_cause_and_go_on_when_it_is_added(world: World) -> None:
    by(world, "UPC")
    for number in (1, 2):
        place(world, number, ("111", 1), (TIN, 1))
    place(world, 3, ("333", 1))
    alias(world, TIN, "UPC", TIN)
    run(world, DOWNLOAD)
    assert {order.status for order in world.orders()} == {Status.ERROR}
    assert len({order.cause for order in world.orders()}) == 2
    assert alerts() == ["item_code_unknown"] * 2
    alias(world, MUG, "UPC", "111")
    assert [order.status for order in world.orders()] == [Status.READY, Status.READY, Status.ERROR]
    assert alerts() == ["item_code_unknown"]
    assert OrderLine.objects.filter(item="111").values_list("sent_item", flat=True)[0] == MUG
    run(world, DELIVER)
    assert sent(world) == [[MUG, TIN], [MUG, TIN]]


def test_what_a_deleted_cart_has_left_goes_on_too_when_its_code_is_added(world: World) -> None:
    """Its orders are still sent, as its page of deletion says; so what they wait for is told, and can be mended."""
    by(world, "UPC")
    place(world, 1, ("111", 1))
    run(world, DOWNLOAD)
    Cart.objects.update(archived_at=clock.now())
    watch._end_what_is_gone(clock.now())
    assert (world.only().status, alerts()) == (Status.ERROR, ["item_code_unknown"])
    alias(world, MUG, "UPC", "111")
    assert (world.only().status, alerts()) == (Status.READY, [])
    run(world, DELIVER)
    assert sent(world) == [[MUG]]


def test_a_code_that_orders_of_two_carts_wait_for_stays_told_once_one_of_them_is_deleted(world: World) -> None:
    by(world, "UPC")
    for number in (1, 2):
        place(world, number, ("111", 1))
    run(world, DOWNLOAD)
    began = world.cart.earliest_order_date
    other = Cart.objects.create(
        merchant=world.merchant, system=world.cart.system, name="B", number=2, shop="b", earliest_order_date=began
    )
    Order.objects.filter(pk=world.orders()[1].pk).update(cart=other)
    Cart.objects.filter(pk=world.cart.pk).update(archived_at=clock.now())
    watch._end_what_is_gone(clock.now())
    assert alerts() == ["item_code_unknown"], "that is mended at the merchant's products, whichever cart has it"


def test_an_order_that_waits_for_two_codes_then_waits_for_the_other(world: World) -> None:
    by(world, "UPC")
    place(world, 1, ("111", 1), ("222", 1))
    run(world, DOWNLOAD)
    alias(world, MUG, "UPC", "111")
    order = world.only()
    assert (order.status, "222" in order.error_message) == (Status.ERROR, True)
    alias(world, TIN, "UPC", "222")
    assert world.only().status == Status.READY


def test_what_the_wms_did_not_know_goes_on_as_soon_as_something_else_is_sent_for_it(world: World) -> None:
    """An alias, Translate Item Code, a kit and an item filter: each lets its own orders go, and no others."""
    for number in (1, 2, 3):
        place(world, number, (f"UNKNOWN-{number}", 1), (TIN, 1))
    run(world, DOWNLOAD, DELIVER)
    assert alerts() == ["item_unknown"] * 3
    alias(world, MUG, "UPC", "UNKNOWN-1")
    assert alerts() == ["item_unknown"] * 3, "the cart does not translate"
    by(world, "UPC")
    alias(world, TIN, "UPC", TIN)
    alias(world, MUG, "UPC", "UNKNOWN-2")
    assert [order.status for order in world.orders()] == [Status.READY, Status.READY, Status.ERROR]
    assert alerts() == ["item_unknown"]
    Order.objects.filter(cust_po_no="OAK-2").delete()
    kits.change(world.merchant, clock.now(), "dana", put={"UNKNOWN-3": (Component(MUG, 2),)})
    assert (world.orders()[-1].status, alerts()) == (Status.READY, [])
    run(world, DELIVER)
    assert sent(world) == [[MUG, TIN], [MUG, TIN]]


def test_an_item_that_is_translated_or_filtered_out_is_not_unknown_any_more(world: World) -> None:
    alias(world, MUG, "UPC", "UNKNOWN-1")
    place(world, 1, ("UNKNOWN-1", 1))
    place(world, 2, ("UNKNOWN-2", 1), (TIN, 1))
    run(world, DOWNLOAD, DELIVER)
    by(world, "*")
    with transaction.atomic():
        ruling.change([world.cart.pk])
        cart = type(world.cart).objects.select_related("merchant").get()
        assert cart_settings.follow(cart, {"translate_items": ""}, clock.now(), "dana") == 1
    assert alerts() == ["item_unknown"]
    assert filters.change_items(world.cart, clock.now(), "dana", kind="blacklist", add=["UNKNOWN-2"]).released == 1
    run(world, DELIVER)
    assert (sorted(sent(world)), alerts()) == ([[MUG], [TIN]], [])


@pytest.mark.parametrize("what", ["alias", "setting"])
def test_a_code_that_the_item_filter_goes_by_lets_go_what_it_held(world: World, what: str) -> None:
    if what == "setting":
        alias(world, MUG, "UPC", "111")
    by(world, "*" if what == "alias" else "")
    place(world, 1, ("111", 1))
    place(world, 2, ("222", 1))
    run(world, DOWNLOAD)
    filters.change_items(world.cart, clock.now(), "dana", kind="whitelist", add=[MUG])
    run(world, DELIVER)
    assert [(order.status, order.held_by) for order in world.orders()] == [(Status.HELD, "filter")] * 2
    if what == "alias":
        alias(world, MUG, "UPC", "111")
    else:
        world.cart.refresh_from_db()
        by(world, "UPC")
        with transaction.atomic():
            assert cart_settings.follow(world.cart, {"translate_items": ""}, clock.now(), "dana") == 1
    assert [order.status for order in world.orders()] == [Status.READY, Status.HELD]
    run(world, DELIVER)
    assert sent(world) == [[MUG]]


@pytest.mark.parametrize("what", ["alias", "setting", "filter"])
def test_half_a_kit_goes_on_when_it_is_sent_as_no_kit(world: World, what: str) -> None:
    kits.change(world.merchant, clock.now(), "dana", put={"GIFT": (Component(MUG, 2),)})
    code = alias(world, "GIFT", "UPC", "111")
    by(world, "*")
    place(world, 1, ("111", "0.5"), (TIN, 1))
    run(world, DOWNLOAD)
    assert world.only().error_code == "kit_not_whole"
    if what == "alias":
        with aliases.changing(world.merchant, ["111"], clock.now(), actor="dana"):
            code.delete()
    elif what == "filter":
        filters.change_items(world.cart, clock.now(), "dana", kind="blacklist", add=["111"])
    else:
        by(world, "")
        with transaction.atomic():
            cart_settings.follow(world.cart, {"translate_items": "*"}, clock.now(), "dana")
    assert (world.only().status, alerts()) == (Status.READY, [])


@pytest.mark.parametrize("rule", ["alias", "ship method", "none"])
def test_what_is_refused_while_its_rule_is_saved_goes_on_too(
    world: World, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    """Who saves it lets go what waits, and cannot see an order that is under way."""
    by(world, "*")
    place(world, 1, ("UNKNOWN-1", 1))
    run(world, DOWNLOAD)
    sends = SandboxWms.send

    def meanwhile(*args: Any) -> Any:
        try:
            return sends(*args)
        finally:
            if rule == "alias":
                alias(world, MUG, "UPC", "UNKNOWN-1")
            elif rule == "ship method":
                ruling.change([world.cart.pk])

    with monkeypatch.context() as patched:
        patched.setattr(SandboxWms, "send", meanwhile)
        run(world, DELIVER)
    run(world, DELIVER)
    tries = asked(world.warehouse, "POST", "/v1/orders")
    if rule == "alias":
        assert (world.only().status, sent(world), alerts()) == (Status.AT_WMS, [[MUG]], [])
        assert "sent by the new ones" in " ".join(Event.objects.values_list("message", flat=True))
    else:
        assert (world.only().status, alerts(), tries) == (Status.ERROR, ["item_unknown"], 1 + (rule != "none"))


def test_what_was_added_at_the_wms_is_sent_again_by_one_button(world: World) -> None:
    """Nobody hears of that here: the order says so, and the alert sends its whole group."""
    for number in (1, 2):
        place(world, number, ("UNKNOWN-1", 1))
    run(world, DOWNLOAD, DELIVER)
    owner = Counter(world)
    page = text(owner.get("alerts/"))
    assert "Send all again" in page
    assert "what is put right at the WMS, by Resend to WMS" in text(owner.get(f"orders/{world.orders()[0].public_id}/"))
    (path,) = re.findall(r'href="([^"]+action=resend)"', page)
    assert "Resend to WMS: 2 of 2" in text(owner.browser.get(html.unescape(path)))


def test_master_sku_takes_any_code_and_leaves_what_it_does_not_know(world: World) -> None:
    alias(world, MUG, "ASIN", "B00")
    by(world, "*")
    place(world, 1, ("B00", 1), (TIN, 1), ("GIFT", 1))
    run(world, DOWNLOAD, DELIVER)
    assert sent(world) == [[MUG, TIN, "GIFT"]]


def test_a_code_that_may_be_several_products_is_said(world: World) -> None:
    alias(world, MUG, "Seller SKU", TIN)
    by(world, "*")
    place(world, 1, (TIN, 1))
    run(world, DOWNLOAD)
    order = world.only()
    assert order.status == Status.ERROR
    assert "MUG-BLUE (its Seller SKU), TIN-SMALL (its SKU)" in order.error_message


@pytest.mark.parametrize(("sku", "what", "goes"), [(MUG, "unalias", TIN), (TIN, "remove", MUG)])
def test_the_wrong_alias_or_product_removed_lets_its_orders_go_on(world: World, sku: str, what: str, goes: str) -> None:
    wrong = alias(world, MUG, "Seller SKU", TIN)
    by(world, "*")
    place(world, 1, (TIN, 1))
    run(world, DOWNLOAD)
    assert alerts() == ["item_code_unknown"]
    where = f"merchants/{world.merchant.public_id}/products/{Product.objects.get(sku=sku).public_id}/{what}/"
    page = text(Counter(world).post(where, {"alias": wrong.public_id}))
    assert "1 order that waited for it goes on." in page
    run(world, DELIVER)
    assert (sent(world), alerts()) == ([[goes]], [])


def test_whoever_stores_orders_by_the_codes_of_before_is_overtaken(world: World) -> None:
    """The rules were loaded before the alias came: the order that is stored now is judged by the new ones."""
    by(world, "UPC")
    place(world, 1, ("111", 1))
    intake = Intake(world.merchant, type(world.cart).objects.get(pk=world.cart.pk))
    known = intake.rules.item_codes
    assert known is not None
    assert not known.hits("111"), "looked up, and remembered"
    alias(world, MUG, "UPC", "111")
    intake.keep_rules()
    renewed = intake.rules.item_codes
    assert renewed is not None
    assert [hit.sku for hit in renewed.hits("111")] == [MUG]


def test_a_value_belongs_to_one_product(world: World) -> None:
    alias(world, MUG, "UPC", "111")
    with pytest.raises(catalog.Refused, match="111 is UPC of MUG-BLUE already"):
        alias(world, TIN, "EAN", "111")
    assert alias(world, TIN, "upc", "222").kind == "UPC", "one kind is one name, whatever the case"


def test_the_codes_of_a_page_of_orders_are_one_statement(world: World) -> None:
    alias(world, MUG, "UPC", "111")
    by(world, "UPC")
    rules = ruling.load(world.merchant, [world.cart])[world.cart.pk]
    with counted() as statements:
        item_codes.know(rules, ["111", "222", "333", "nul\x00"])
        assert rules.item_codes is not None
        assert [len(rules.item_codes.hits(code)) for code in ("111", "222", "nul\x00")] == [1, 0, 0]
    assert len(statements) == 1


def test_products_are_learned_from_the_wms(world: World) -> None:
    world.warehouse._count("C1", "NEW-1", "MAIN", Decimal(4), Decimal(4), world.warehouse.clock())
    run(world, INVENTORY)
    product = Product.objects.get(sku="NEW-1")
    level = StockLevel.objects.get(sku="NEW-1")
    assert (product.origin, level.warehouse.name, level.warehouse.wms_name) == ("wms", "MAIN", "MAIN")
    assert not Order.objects.exists()
