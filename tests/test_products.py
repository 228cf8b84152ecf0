"""Product Sync: a cart's products reach the WMS, each once, and what cannot go there waits for a person."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from msgspec import structs

from alerts.models import Alert
from carts.models import Cart
from integration_manager.kit import canonical, clock
from integration_manager.kit.faults import Fault
from merchants.models import Product, Schedule, Service
from orders import leaving, product_rows
from orders.models import CartProduct
from orders.services import products
from tests.world import START, World, alerts, asked, at, place, run
from wms.models import Wms
from wms.systems.sandbox_wms import SandboxWms

PRODUCTS, DELIVER = Service.PRODUCTS, Service.DELIVER
State = CartProduct.State


@pytest.fixture
def world(calm: World) -> World:
    """Sync is on since before anything was offered."""
    Cart.objects.update(sync_products=True)
    calm.cart.refresh_from_db()
    calm.schedule(PRODUCTS)
    Schedule.objects.filter(service=PRODUCTS).update(state={products.FROM: (START - timedelta(days=30)).isoformat()})
    return calm


def offer(world: World, key: str, sku: str, title: str = "Thing", price: str = "5.00", minutes: float = 0) -> None:
    """The shop's owner offers a product, or changes one."""
    moment = START - timedelta(hours=2) + timedelta(minutes=minutes)
    world.shop.offer(key, sku, title, price, at=moment)


def there(world: World) -> dict[str, Any]:
    """The WMS's products by SKU. None of them is there twice."""
    rows = list(world.warehouse.table("products"))
    found = {row["sku"]: row for row in rows}
    assert len(found) == len(rows), "a product is there twice"
    return found


def states() -> dict[str, str]:
    return dict(CartProduct.objects.values_list("key", "state"))


def sync(world: World) -> None:
    run(world, PRODUCTS, DELIVER)


def settled() -> None:
    """PostgreSQL's clock, and business time, go on until nothing waits for an undecided call any more."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_cartproduct SET lease_until = NULL, retry_at = retry_at - interval '1 hour'")


# ── the way to the WMS ──


def test_new_products_are_added_once_and_known_here_too(world: World) -> None:
    offer(world, "1", "MUG", "Mug")
    offer(world, "2", "POT", "Pot")
    for _ in range(3):
        sync(world)
    assert {sku: row["name"] for sku, row in there(world).items()} == {"MUG": "Mug", "POT": "Pot"}
    assert states() == {"1": State.THERE, "2": State.THERE}
    assert list(Product.objects.order_by("sku").values_list("sku", "name", "origin")) == [
        ("MUG", "Mug", "cart"),
        ("POT", "Pot", "cart"),
    ]
    assert world.schedule(PRODUCTS).result == {"found": 2}, "the overlap is read again, and brings nothing new"


def test_they_go_out_before_the_orders_that_need_them(world: World) -> None:
    offer(world, "1", "MUG")
    run(world, PRODUCTS)
    place(world, 1, ("MUG", 1))
    run(world, Service.DOWNLOAD, DELIVER)
    calls = [seen.request.path for seen in world.warehouse.journal if seen.request.method == "POST"]
    assert calls == ["/v1/products", "/v1/orders"]


def test_what_is_stored_wakes_the_delivery(world: World) -> None:
    offer(world, "1", "MUG")
    world.schedule(DELIVER)
    Schedule.objects.filter(service=DELIVER).update(next_run=START + timedelta(days=1), automatic=True)
    with at(0):
        run(world, PRODUCTS)
    assert Schedule.objects.get(service=DELIVER).next_run < START + timedelta(minutes=1)  # type: ignore[operator]


def test_the_price_goes_along_where_that_is_wished(world: World) -> None:
    offer(world, "1", "MUG", price="12.50")
    sync(world)
    assert "price" not in there(world)["MUG"]
    Cart.objects.update(sync_price=True)
    offer(world, "2", "POT", price="34.00", minutes=1)
    sync(world)
    assert (there(world)["POT"]["price"], there(world)["POT"]["currency"]) == ("34.00", "USD")


@pytest.mark.parametrize(("updates", "name"), [(False, "Mug"), (True, "Mug, blue")])
def test_changes_go_along_where_that_is_wished(world: World, updates: bool, name: str) -> None:
    Cart.objects.update(sync_updates=updates)
    offer(world, "1", "MUG", "Mug")
    sync(world)
    offer(world, "1", "MUG", "Mug, blue", minutes=5)
    sync(world)
    assert there(world)["MUG"]["name"] == name
    assert states() == {"1": State.THERE}


@pytest.mark.parametrize(("updates", "name"), [(False, "Their name"), (True, "Mug")])
def test_what_the_wms_had_before_is_never_added_again(world: World, updates: bool, name: str) -> None:
    Cart.objects.update(sync_updates=updates)
    world.warehouse.shelve("G9", "MUG", "Their name")
    offer(world, "1", "MUG", "Mug")
    sync(world)
    assert there(world)["MUG"]["name"] == name
    assert CartProduct.objects.get().found is not updates


def test_a_new_sku_is_another_product_of_the_wms(world: World) -> None:
    offer(world, "1", "MUG")
    sync(world)
    offer(world, "1", "MUG-2", minutes=5)
    sync(world)
    assert set(there(world)) == {"MUG", "MUG-2"}
    assert CartProduct.objects.get().sku == "MUG-2"


def test_what_changes_while_it_is_sent_goes_out_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(world, "1", "MUG", "Mug")
    run(world, PRODUCTS)
    before = SandboxWms.find_product

    def meanwhile(self: SandboxWms, sku: str) -> str | None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_cartproduct SET content_hash = 'newer', data = jsonb_set(data, '{name}', '\"Newer\"')"
            )
        return before(self, sku)

    with monkeypatch.context() as patched:
        patched.setattr(SandboxWms, "find_product", meanwhile)
        # One call at a time is made in the run's own thread, which has the database.
        run(world, DELIVER)
    assert there(world)["MUG"]["name"] in ("Mug", "Newer")
    run(world, DELIVER)
    assert there(world)["MUG"]["name"] == "Newer"
    assert states() == {"1": State.THERE}


# ── answers that are lost ──


@pytest.mark.parametrize("system", ["sandbox_wms", "sandbox_wms_key"])
@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.ERROR_AFTER, Fault.BAD_GATEWAY, Fault.DROP])
def test_a_lost_answer_adds_no_second_one(world: World, system: str, fault: Fault) -> None:
    Wms.objects.update(system=system)
    offer(world, "1", "MUG")
    run(world, PRODUCTS)
    world.warehouse.faults.script("POST /v1/products", fault)
    run(world, DELIVER)
    assert states() == {"1": State.WAITING}
    assert alerts() == ["products_failing"]
    settled()
    run(world, DELIVER)
    assert set(there(world)) == {"MUG"}
    assert states() == {"1": State.THERE}
    assert alerts() == []


def test_an_undecided_call_settles_before_it_is_looked_up(world: World) -> None:
    offer(world, "1", "MUG")
    run(world, PRODUCTS)
    world.warehouse.faults.script("POST /v1/products", Fault.DROP_AFTER)
    with at(0):
        run(world, DELIVER)
        run(world, DELIVER)
    assert asked(world.warehouse, "POST", "/v1/products") == 1, "not asked again at once"
    assert CartProduct.objects.get().retry_at >= START + SandboxWms.settle


def test_two_deliveries_at_once_take_each_product_once(world: World) -> None:
    for number in range(6):
        offer(world, str(number), f"SKU-{number}")
    run(world, PRODUCTS)
    first = _claimed(world, 4)
    second = _claimed(world, 4)
    assert len(first) == 4
    assert len(second) == 2
    assert not set(first) & set(second)


def _claimed(world: World, limit: int) -> list[int]:
    from types import SimpleNamespace

    from integration_manager.kit import clock
    from orders.services.load_products import claim

    taker: Any = SimpleNamespace(merchant=world.merchant, now=clock.now(), wms_id=world.wms.pk)
    return [one.id for one in claim(taker, limit, 60)]


def test_a_worker_that_was_taken_for_dead_records_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(world, "1", "MUG")
    run(world, PRODUCTS)
    before = SandboxWms.create_product

    def taken_over(self: SandboxWms, product: Any) -> str:
        CartProduct.objects.update(token=99)
        return before(self, product)

    taken_over.dedupe = before.dedupe  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        patched.setattr(SandboxWms, "create_product", taken_over)
        run(world, DELIVER)
    assert states() == {"1": State.WAITING}, "that is for whoever has it now"
    settled()
    run(world, DELIVER)
    assert set(there(world)) == {"MUG"}
    assert states() == {"1": State.THERE}


def test_a_wms_that_cannot_be_reached_costs_no_try(world: World) -> None:
    offer(world, "1", "MUG")
    run(world, PRODUCTS)
    world.wms.credentials = {**world.wms.credentials, "url": "http://127.0.0.1:9/wms"}
    world.wms.save()
    with at(0):
        run(world, DELIVER)
    row = CartProduct.objects.get()
    assert (row.failures, row.starts, row.state) == (0, 0, State.WAITING)
    assert row.retry_at <= START + timedelta(minutes=1)
    assert "products_failing" in alerts()


@pytest.mark.parametrize(
    "ago", [{"failures": 98}, {"first_failed_at": START + timedelta(hours=4, days=-30)}], ids=["tries", "days"]
)
def test_it_is_tried_for_100_hours_or_30_days_then_a_person_hears_of_it(world: World, ago: dict[str, Any]) -> None:
    offer(world, "1", "MUG")
    with at(0):
        run(world, PRODUCTS)
    world.warehouse.faults.script("POST /v1/products", Fault.ERROR, times=999)
    with at(1):
        run(world, DELIVER)
    with at(1, minutes=2):
        run(world, DELIVER)
    assert CartProduct.objects.get().failures == 1, "at most one an hour counts"
    CartProduct.objects.update(**ago)
    with at(3):
        run(world, DELIVER)
    assert states() == {"1": State.WAITING}
    with at(4, minutes=5):
        run(world, DELIVER)
    assert states() == {"1": State.REFUSED}
    assert alerts() == ["product_refused"]
    assert f"{ago.get('failures', 1) + 2} times and is not tried any more" in CartProduct.objects.get().error_message
    world.warehouse.faults.clear()
    with at(5):
        assert product_rows.try_again(world.cart, START + timedelta(hours=5)) == 1
        run(world, DELIVER)
    assert states() == {"1": State.THERE}
    assert alerts() == []


# ── what waits for a person ──


def test_without_a_sku_it_waits_until_it_has_one(world: World) -> None:
    offer(world, "1", "", "Gift card")
    offer(world, "2", "MUG", "Mug")
    sync(world)
    assert states() == {"1": State.REFUSED, "2": State.THERE}
    assert alerts() == ["product_without_sku"]
    alert = Alert.objects.get()
    assert "One product of Shop has no SKU, first Gift card" in alert.message
    offer(world, "1", "GIFT", "Gift card", minutes=5)
    sync(world)
    assert set(there(world)) == {"GIFT", "MUG"}
    assert alerts() == []


def test_what_the_wms_refuses_waits_for_a_change_in_the_shop(world: World) -> None:
    offer(world, "1", "X" * 41, "Long")
    sync(world)
    run(world, PRODUCTS, DELIVER)
    assert asked(world.warehouse, "POST", "/v1/products") == 1, "what is not changed is refused again"
    assert "at most 40 characters" in CartProduct.objects.get().error_message
    assert alerts() == ["product_refused"]
    offer(world, "1", "X" * 40, "Long", minutes=5)
    sync(world)
    assert states() == {"1": State.THERE}
    assert alerts() == []


def test_two_products_of_one_sku_do_not_overwrite_each_other(world: World) -> None:
    Cart.objects.update(sync_updates=True)
    offer(world, "1", "MUG", "Blue")
    sync(world)
    offer(world, "2", "MUG", "Red", minutes=1)
    sync(world)
    assert there(world)["MUG"]["name"] == "Blue"
    assert states() == {"1": State.THERE, "2": State.REFUSED}
    assert alerts() == ["product_refused"]
    offer(world, "1", "MUG-BLUE", "Blue", minutes=2)
    sync(world)
    assert states() == {"1": State.THERE, "2": State.THERE}
    assert {row["name"] for row in there(world).values()} == {"Blue", "Red"}
    assert alerts() == []


def test_what_was_changed_while_its_old_form_was_refused_goes_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(world, "1", "X" * 41, "Long")
    run(world, PRODUCTS)
    before = SandboxWms.create_product

    def changed_meanwhile(self: SandboxWms, product: canonical.Product) -> str:
        patched.undo()
        shorter = structs.replace(product, key="1", sku="X" * 40)
        product_rows.store(world.cart, [shorter], clock.now(), again=False)
        return before(self, product)

    with monkeypatch.context() as patched:
        patched.setattr(SandboxWms, "create_product", changed_meanwhile)
        run(world, DELIVER)
    assert asked(world.warehouse, "POST", "/v1/products") == 2, "the old form was refused"
    assert (states(), set(there(world)), alerts()) == ({"1": State.THERE}, {"X" * 40}, [])


def test_the_twin_of_a_product_that_is_gone_takes_its_place(world: World) -> None:
    offer(world, "1", "MUG", "Blue")
    sync(world)
    offer(world, "2", "MUG", "Red", minutes=1)
    sync(world)
    one = CartProduct.objects.get(key="2")
    assert "send this one in its place" in one.error_message
    assert product_rows.try_again(world.cart, clock.now()) == 0, "not with all the others: a person has to choose"
    CartProduct.objects.filter(key="1").update(lease_until=Now() + timedelta(seconds=60))
    assert product_rows.try_one_again(world.cart, clock.now(), one.public_id) == 0, "the other is being sent"
    CartProduct.objects.filter(key="1").update(lease_until=None)
    assert product_rows.try_one_again(world.cart, clock.now(), one.public_id) == 1
    run(world, DELIVER)
    assert (states(), alerts(), len(there(world))) == ({"2": State.THERE}, [], 1)
    offer(world, "1", "MUG", "Blue after all", minutes=2)
    sync(world)
    assert states() == {"2": State.THERE, "1": State.REFUSED}, "if it is there after all, it is the one that waits"


def test_what_takes_the_place_of_an_undecided_one_waits_until_that_has_settled(world: World) -> None:
    offer(world, "1", "MUG", "Blue")
    run(world, PRODUCTS)
    world.warehouse.faults.script("POST /v1/products", Fault.DROP_AFTER)
    with at(0):
        run(world, DELIVER)
    offer(world, "2", "MUG", "Red", minutes=1)
    with at(0):
        run(world, PRODUCTS, DELIVER)
        one = CartProduct.objects.get(key="2")
        assert product_rows.try_one_again(world.cart, START, one.public_id) == 1
        run(world, DELIVER)
    assert asked(world.warehouse, "GET", "/v1/products") == 1, "not looked up before the undecided call has settled"
    assert CartProduct.objects.get().retry_at >= START + SandboxWms.settle
    with at(1):
        run(world, DELIVER)
    assert (states(), len(there(world))) == ({"2": State.THERE}, 1)


# ── what is read ──


def test_what_was_there_before_it_was_switched_on_is_an_imports_business(world: World) -> None:
    offer(world, "1", "OLD")
    with at(0):
        products.switched(world.cart, on=True, now=START)
    with at(1):
        sync(world)
    assert states() == {}
    with at(2):
        products.ask_import(world.cart, "dana@mail.example", START)
        sync(world)
    assert set(there(world)) == {"OLD"}


def test_an_import_runs_once_also_while_the_sync_is_off(world: World) -> None:
    Cart.objects.update(sync_products=False)
    Schedule.objects.filter(service=PRODUCTS).update(every=0, next_run=None, state={})
    world.cart.refresh_from_db()
    for number in range(250):
        offer(world, str(number), f"SKU-{number}", minutes=number / 10)
    products.ask_import(world.cart, "dana@mail.example", START)
    assert Schedule.objects.get(service=PRODUCTS).next_run == START
    with pytest.raises(products.Refused):
        products.ask_import(world.cart, "dana@mail.example", START)
    run(world, PRODUCTS)
    schedule = Schedule.objects.get(service=PRODUCTS)
    assert (schedule.next_run, schedule.every) == (None, 0), "and not again"
    assert schedule.state[products.IMPORTED]["found"] == 250
    assert world.run(PRODUCTS) is None, "nothing is asked for any more"
    for _ in range(3):
        run(world, DELIVER)
    assert len(there(world)) == 250


def test_an_import_that_fails_goes_on_where_it_stopped(world: World) -> None:
    Cart.objects.update(sync_products=False)
    Schedule.objects.filter(service=PRODUCTS).update(every=0, next_run=None, state={})
    for number in range(250):
        offer(world, str(number), f"SKU-{number}", minutes=number / 10)
    products.ask_import(world.cart, "dana@mail.example", START)
    world.shop.faults.script("GET /api/products", Fault.ERROR, times=9, skip=1)
    with at(0):
        run(world, PRODUCTS)
    schedule = Schedule.objects.get(service=PRODUCTS)
    assert schedule.next_run is not None and schedule.next_run > START, "it is tried again by itself"
    assert CartProduct.objects.count() == 100
    world.shop.faults.clear()
    before = asked(world.shop, "GET", "/api/products")
    with at(1):
        run(world, PRODUCTS)
    assert CartProduct.objects.count() == 250
    assert asked(world.shop, "GET", "/api/products") - before == 2
    assert products.IMPORT not in Schedule.objects.get(service=PRODUCTS).state


def test_an_import_tries_once_more_what_was_refused(world: World) -> None:
    offer(world, "1", "X" * 41)
    sync(world)
    products.ask_import(world.cart, "dana@mail.example", START)
    sync(world)
    assert asked(world.warehouse, "POST", "/v1/products") == 2


def test_switched_off_nothing_more_is_sent(world: World) -> None:
    offer(world, "1", "MUG")
    run(world, PRODUCTS)
    Cart.objects.update(sync_products=False)
    products.switched(world.cart, on=False, now=START)
    run(world, DELIVER)
    assert there(world) == {}
    assert states() == {"1": State.LEFT}
    assert Schedule.objects.get(service=PRODUCTS).next_run is None
    products.ask_import(world.cart, "dana@mail.example", START)
    sync(world)
    assert set(there(world)) == {"MUG"}


def test_switched_off_nobody_is_asked_to_mend_anything(world: World) -> None:
    offer(world, "1", "", "Gift card")
    sync(world)
    assert alerts() == ["product_without_sku"]
    products.switched(world.cart, on=False, now=START)
    assert alerts() == []


def test_the_daily_look_back_ends_where_it_was_switched_on(world: World) -> None:
    products.switched(world.cart, on=True, now=START)
    Schedule.objects.filter(service=PRODUCTS).update(cursor=START + timedelta(hours=1))
    with at(2):
        run(world, PRODUCTS)
    (seen,) = [one.request.query["modified_since"] for one in world.shop.journal if "products" in one.request.path]
    assert seen == START.isoformat()


def test_a_new_wms_has_none_of_them_until_they_are_imported(world: World) -> None:
    offer(world, "1", "MUG")
    sync(world)
    leaving.leave(START, hold_new=False, actor="dana@mail.example")
    assert states() == {"1": State.LEFT}
    world.warehouse.table("products").remove("G00001")
    products.ask_import(world.cart, "dana@mail.example", START)
    sync(world)
    assert set(there(world)) == {"MUG"}
    assert states() == {"1": State.THERE}


def test_the_cursor_loses_nothing_that_the_shop_changes_meanwhile(world: World) -> None:
    for number in range(130):
        offer(world, str(number), f"SKU-{number}")  # an import of the shop's: all have one time
    run(world, PRODUCTS)
    assert CartProduct.objects.count() == 130
    offer(world, "130", "SKU-130", minutes=0.05)
    run(world, PRODUCTS)
    assert CartProduct.objects.count() == 131


def test_only_one_cart_of_a_merchant_may_have_it(world: World) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Cart.objects.create(
            merchant=world.merchant, system="sandbox_shop", name="Other", number=2, shop="other", sync_products=True,
            earliest_order_date=world.cart.earliest_order_date,
        )  # fmt: skip
