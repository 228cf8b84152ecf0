"""Locations & Products and Product Sync as people use them."""

from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest

from accounts.models import AuditEntry
from carts.models import Cart, CartStock
from integration_manager import tenancy, trying
from integration_manager.kit import clock
from merchants import catalog, warehouses
from merchants.models import Adjustment, Merchant, Product, ProductAlias, Schedule, Service, StockLevel, Warehouse
from orders import managed
from orders.services import upload_inventory
from tests import desk as desks
from tests.desk import Desk
from tests.statements import counted
from wms.models import Wms

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    """Merchant One has a product of which its default warehouse has 9 and East 5; an open order has 2 of it."""
    desk = desks.build(orders=1)
    with tenancy.activate(desk.account.pk):
        merchant = desk.merchants[0]
        catalog.store(merchant.pk, [("CANDLE-8", "Candle <8 oz>")], Product.Origin.WMS, clock.now())
        places = warehouses.places_of(merchant, ["", "EAST"])
        for place, number in (("", 9), ("EAST", 5)):
            StockLevel.objects.create(
                merchant=merchant, warehouse_id=places[place], sku="CANDLE-8", available=Decimal(number),
                at=clock.now(), changed_at=clock.now(),
            )  # fmt: skip
    return desk


def of(desk: Desk, path: str = "") -> str:
    return desk.url(f"merchants/{desk.merchants[0].public_id}/{path}")


def sync(desk: Desk, path: str = "product-sync/") -> str:
    return desk.url(f"carts/{desk.carts[0].public_id}/{path}")


def see(desk: Desk, address: str, **query: str) -> str:
    client = desk.client("owner")
    assert client.get(address, query).status_code == 200  # the session is known now
    with counted() as statements:
        answer = client.get(address, query)
    asked = [one for one in statements if not one.startswith("SELECT set_config")]
    assert len(asked) <= 12, "\n".join(asked)
    return answer.content.decode()


def do(desk: Desk, path: str, **values: Any) -> str:
    answer = desk.client("owner").post(of(desk, path), values, follow=True)
    assert answer.status_code in (200, 422), answer.status_code
    return answer.content.decode()


def candle(desk: Desk) -> Product:
    with tenancy.activate(desk.account.pk):
        found: Product = Product.objects.get(merchant=desk.merchants[0], sku="CANDLE-8")
        return found


def rules(desk: Desk, **fields: Any) -> None:
    with tenancy.activate(desk.account.pk):
        Cart.objects.filter(pk=desk.carts[0].pk).update(**fields)


def csv_of(desk: Desk, address: str) -> list[str]:
    answer = desk.client("owner").get(address)
    assert answer.headers["Content-Type"].startswith("text/csv")
    return b"".join(answer).decode("utf-8-sig").splitlines()  # type: ignore[arg-type]


def test_a_product_is_found_by_sku_name_and_code_and_all_is_said_on_its_page(desk: Desk) -> None:
    do(desk, f"products/{candle(desk).public_id}/alias/", kind="UPC", value="0123")
    for text in ("candle", "CANDLE-8", "0123", "Candle <8"):
        assert "CANDLE-8" in see(desk, of(desk, "products/"), q=text)
    assert "No such product" in see(desk, of(desk, "products/"), q="zzz")
    text = see(desk, of(desk, f"products/{candle(desk).public_id}/"))
    assert "Candle &lt;8 oz&gt;" in text
    assert "9 in Default + 5 in East" not in text, "the WMS’s own name stands until somebody changes it"
    assert "5 in EAST" in text
    assert "NEVER" in text


def test_a_list_of_many_goes_on_page_by_page_both_ways(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        catalog.learn(desk.merchants[0].pk, [f"P-{n:03}" for n in range(120)], Product.Origin.FILE, clock.now())
    first = see(desk, of(desk, "products/"))
    assert ("P-048" in first, "P-049" in first) == (True, False)
    second = see(desk, of(desk, "products/"), after="P-048")
    assert ("P-049" in second, "P-098" in second, "P-099" in second) == (True, True, False)
    assert "P-048" in see(desk, of(desk, "products/"), before="P-049")


def test_adding_a_code_that_somebody_else_has_says_whose_it_is(desk: Desk) -> None:
    do(desk, "products/new/", sku="MUG", name="Mug")
    do(desk, f"products/{candle(desk).public_id}/alias/", kind="UPC", value="0123")
    with tenancy.activate(desk.account.pk):
        mug = Product.objects.get(sku="MUG")
    text = do(desk, f"products/{mug.public_id}/alias/", kind="EAN", value=" 0123 ")
    assert "It is UPC of CANDLE-8 already." in text
    with tenancy.activate(desk.account.pk):
        (alias,) = ProductAlias.objects.all()
        entry = AuditEntry.objects.get(verb="product.alias_added")
    assert entry.changes == {"UPC": [None, "0123"]}
    do(desk, f"products/{candle(desk).public_id}/unalias/", alias=alias.public_id)
    with tenancy.activate(desk.account.pk):
        assert not ProductAlias.objects.exists()


def test_codes_come_from_a_file_and_go_into_one(desk: Desk) -> None:
    rows = "SKU,Alias name,Alias value\nCANDLE-8,UPC,111\nCANDLE-8,UPC,111\nNEW-1,upc,'=2+2\n,UPC,9\n"
    client = desk.client("owner")
    file = BytesIO(rows.encode())
    file.name = "codes.csv"
    preview = client.post(of(desk, "products/import/aliases/"), {"file": file}).content.decode()
    assert "It has no SKU." in preview
    assert "NEW-1 is no product yet" in preview
    signed = preview.split('name="rows" value="')[1].split('"')[0]
    done = client.post(of(desk, "products/import/aliases/"), {"rows": signed}, follow=True).content.decode()
    assert "2 codes are added." in done
    assert csv_of(desk, of(desk, "products/export/aliases/"))[1:] == ["CANDLE-8,UPC,111", "NEW-1,UPC,'=2+2"]
    assert csv_of(desk, of(desk, "products/export/levels/"))[1].startswith("CANDLE-8,Default,9,")


def test_warehouses_are_mapped_and_their_levels_asked_for_again(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        default, east = Warehouse.objects.filter(merchant=desk.merchants[0]).order_by("-is_default")
        schedule = Schedule.objects.get(merchant=desk.merchants[0], service=Service.INVENTORY)
        Schedule.objects.filter(pk=schedule.pk).update(cursor=clock.now(), reached_back_at=clock.now())
    names = {f"w-{default.public_id}": "EAST", f"w-{east.public_id}": "EAST", "default": default.public_id}
    assert "is this one at the WMS already" in do(desk, "warehouses/map/", **names)
    names = {f"w-{default.public_id}": "EAST", f"w-{east.public_id}": "", "default": east.public_id}
    do(desk, "warehouses/map/", **names)
    with tenancy.activate(desk.account.pk):
        default.refresh_from_db()
        east.refresh_from_db()
        assert (default.wms_name, default.is_default, east.wms_name, east.is_default) == ("EAST", False, "", True)
        assert not StockLevel.objects.exists()
        schedule.refresh_from_db()
        assert (schedule.cursor, schedule.reached_back_at) == (None, None)


@pytest.mark.parametrize("system", ["sandbox_wms", "csv_wms"])
def test_another_default_takes_no_levels_from_what_the_wms_names(desk: Desk, system: str) -> None:
    with tenancy.activate(desk.account.pk):
        Wms.objects.update(system=system)
        default, east = Warehouse.objects.filter(merchant=desk.merchants[0]).order_by("-is_default")
    names = {f"w-{default.public_id}": "", f"w-{east.public_id}": "EAST", "default": east.public_id}
    said = do(desk, "warehouses/map/", **names)
    assert ("are read again now" in said) == (system == "sandbox_wms")
    assert ("Default has no levels until the next inventory file brings them." in said) == (system == "csv_wms")
    names |= {"default": default.public_id}
    with tenancy.activate(desk.account.pk):
        assert StockLevel.objects.get().warehouse == east
    do(desk, "warehouses/map/", **names)
    with tenancy.activate(desk.account.pk):
        assert not StockLevel.objects.exists(), "what was not named is the other's again"


def test_the_default_warehouse_stays_another_goes_and_one_that_a_cart_needs_stays_too(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        default, east = Warehouse.objects.filter(merchant=desk.merchants[0]).order_by("-is_default")
    assert "The default warehouse stays" in do(desk, f"warehouses/{default.public_id}/remove/")
    rules(desk, stock_warehouse=east)
    assert "A cart is told the stock of EAST alone" in do(desk, f"warehouses/{east.public_id}/remove/")
    rules(desk, stock_warehouse=None)
    assert "1 level goes with it" in see(desk, of(desk, f"warehouses/{east.public_id}/"))
    assert "EAST is removed, with 1 level." in do(desk, f"warehouses/{east.public_id}/remove/")


def test_once_a_warehouse_is_removed_all_levels_are_read_again(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        east = Warehouse.objects.get(merchant=desk.merchants[0], is_default=False)
        schedule = Schedule.objects.get(merchant=desk.merchants[0], service=Service.INVENTORY)
        Schedule.objects.filter(pk=schedule.pk).update(cursor=clock.now(), reached_back_at=clock.now())
    do(desk, f"warehouses/{east.public_id}/remove/")
    with tenancy.activate(desk.account.pk):
        schedule.refresh_from_db()
    assert (schedule.cursor, schedule.reached_back_at) == (None, None)


def test_a_warehouse_whose_log_is_kept_is_not_removed(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        Merchant.objects.filter(pk=desk.merchants[0].pk).update(managed_inventory=True)
        east = Warehouse.objects.get(merchant=desk.merchants[0], is_default=False)
        merchant = Merchant.objects.get(pk=desk.merchants[0].pk)
        managed.adjust(merchant, [(east, "CANDLE-8", Decimal(4), "counted")], "dana@x.example", clock.now())
    page = see(desk, of(desk, f"warehouses/{east.public_id}/"))
    assert "the log of its adjustments" in page and f"{east.public_id}/remove/" not in page
    assert "EAST stays, as the log" in do(desk, f"warehouses/{east.public_id}/remove/")
    with tenancy.activate(desk.account.pk):
        assert Adjustment.objects.get().warehouse == east


def test_a_deleted_cart_keeps_no_warehouse_from_being_removed(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        east = Warehouse.objects.get(merchant=desk.merchants[0], is_default=False)
    rules(desk, stock_warehouse=east, archived_at=clock.now())
    said = do(desk, f"warehouses/{east.public_id}/remove/")
    assert f"EAST is removed, with 1 level. If {desk.carts[0].name} is restored" in said
    with tenancy.activate(desk.account.pk):
        assert Cart.objects.get(pk=desk.carts[0].pk).stock_warehouse is None


def test_a_warehouse_has_an_address_and_can_be_left_out(desk: Desk) -> None:
    do(desk, "warehouses/new/", name="West", number="0042", city="Reno", country="USA")
    with tenancy.activate(desk.account.pk):
        west = Warehouse.objects.get(name="West")
        east = Warehouse.objects.get(name="EAST")
    assert west.address == {"number": "0042", "city": "Reno", "country": "US"}
    assert "Reno" in see(desk, of(desk, f"warehouses/{west.public_id}/"))
    do(desk, f"warehouses/{east.public_id}/disable/")
    assert "9 available in Default" in see(desk, of(desk, f"products/{candle(desk).public_id}/"))
    assert "Another warehouse has this name." in do(desk, f"warehouses/{west.public_id}/edit/", name="EAST")


def test_product_sync_says_what_was_sent_and_what_will_be_and_why(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        cart = desk.carts[0]
        CartStock.objects.create(cart=cart, sku="CANDLE-8", quantity=Decimal(14), sent_at=clock.now())
    rules(desk, stock_buffer=2, stock_minimum=5)
    text = see(desk, sync(desk))
    assert "− 2 buffer = " in text
    assert "less a buffer of 2" in text
    assert csv_of(desk, sync(desk, "product-sync-csv/"))[1].startswith("CANDLE-8,Yes,")
    rules(desk, stock_alias="UPC")
    assert "It has no UPC." in see(desk, sync(desk))


def test_the_options_of_a_cart_are_set_in_its_setup(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenancy.activate(desk.account.pk):
        east = Warehouse.objects.get(name="EAST")
    address = desk.url(f"carts/{desk.carts[0].public_id}/edit/")
    client = desk.client("owner")
    page = client.get(address).content.decode()
    assert f'value="{east.public_id}"' in page
    mark = page.split('name="mark" value="')[1].split('"')[0]
    form = {
        "name": "Shop", "earliest_order_date": "2020-01-01", "mark": mark, "c-url": "http://127.0.0.1:9/shop",
        "translate_items": "*", "stock_warehouse": east.public_id, "stock_alias": "",
        "stock_minimum": "5", "stock_buffer": "1", "stock_percent": "101",
    }  # fmt: skip
    assert client.post(address, form).status_code == 422
    answer = client.post(address, {**form, "stock_percent": "50"})
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.get(pk=desk.carts[0].pk)
    assert (cart.stock_warehouse_id, cart.stock_minimum, cart.stock_buffer, cart.stock_percent) == (east.pk, 5, 1, 50)
    assert cart.translate_items == "*"


def test_a_cart_that_is_connected_another_way_is_told_all_its_stock_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another location of the shop, another folder for files: what was told went to the one of before."""
    monkeypatch.setattr(trying, "check", lambda *_: trying.Answer(True, "It works", ""))
    cart, later = desk.carts[0], clock.now() + timedelta(days=1)
    with tenancy.activate(desk.account.pk):
        found = Schedule.objects.filter(cart=cart, service=Service.UPLOAD_INVENTORY)
        whole = {upload_inventory.SINCE: clock.now().isoformat()}  # an upload of all of it is under way
        found.update(every=3600, reached_back_at=clock.now(), next_run=later, state=whole)

    def save(**fields: str) -> bool:
        page = desk.client("owner").get(desk.url(f"carts/{cart.public_id}/edit/")).content.decode()
        form = {"name": "Shop", "earliest_order_date": "2020-01-01", "stock_minimum": "0", "stock_buffer": "0"}
        form |= {"mark": page.split('name="mark" value="')[1].split('"')[0], "stock_percent": "100", **fields}
        answer = desk.client("owner").post(desk.url(f"carts/{cart.public_id}/edit/"), form)
        assert answer.status_code == 302, answer.content.decode()[-3000:]
        with tenancy.activate(desk.account.pk):
            schedule = found.get()
        assert (schedule.reached_back_at is None) == (schedule.next_run < later) == (schedule.state == {})
        return schedule.reached_back_at is None

    assert not save(**{"c-url": "http://127.0.0.1:9/shop"}), "nothing of that was changed"
    assert save(**{"c-url": "http://127.0.0.1:9/shop2", "c-api_key": "another"})


def test_stock_that_is_kept_here_is_adjusted_with_a_reason_and_logged(desk: Desk) -> None:
    assert desk.client("owner").get(of(desk, "adjustments/")).status_code == 404, "not for stock of the WMS"
    with tenancy.activate(desk.account.pk):
        Merchant.objects.filter(pk=desk.merchants[0].pk).update(managed_inventory=True)
        default = Warehouse.objects.get(merchant=desk.merchants[0], is_default=True)
    path = f"products/{candle(desk).public_id}/adjust/"
    assert "Say why" in do(desk, path, warehouse=default.public_id, quantity="20", reason=" ")
    for text in ("many", "9.00001"):  # four digits behind the point are kept
        assert "Write a number" in do(desk, path, warehouse=default.public_id, quantity=text, reason="counted")
    file = BytesIO(b"SKU,Quantity\nCANDLE-8,9.00001\n")
    file.name = "counts.csv"
    preview = desk.client("owner").post(of(desk, "products/import/counts/"), {"file": file}).content.decode()
    assert "more than four digits behind its point" in preview
    do(desk, path, warehouse=default.public_id, quantity="20", reason="counted")
    with tenancy.activate(desk.account.pk):
        entry = Adjustment.objects.exclude(actor="").get()
    assert (entry.before, entry.after, entry.reason, entry.actor) == (9, 20, "counted", "owner@northquay.example")
    log = see(desk, of(desk, "adjustments/"))
    assert "owner@northquay.example" in log
    rows = csv_of(desk, of(desk, "adjustments/export/"))
    assert any(row.endswith("owner@northquay.example,counted") for row in rows)
