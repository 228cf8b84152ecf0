"""Every list that a file may change does what the preview showed and nothing else, whatever others do meanwhile."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from carts.models import Cart, CartShipMethod, ItemFilter
from integration_manager import list_pages, tenancy
from merchants import catalog
from merchants.models import CarrierCode, KitPart, Merchant, Product, ProductAlias, StockLevel
from merchants.views.lists import KINDS
from merchants.warehouses import places_of
from tests import desk as desks
from tests.counter import text
from tests.desk import Desk
from tests.test_web_forms import UNMARKED
from wms.models import WmsShipMethod

pytestmark = pytest.mark.django_db
OVERTAKEN = "somebody else has changed some of it since this preview was made"
Look = tuple[Any, Any]  # what a file is to change, and what it says of another thing as it is


@pytest.fixture(scope="module")
def desk(kept: None) -> Desk:
    """The stock of merchant One is kept here."""
    desk = desks.build(orders=0)
    desk.settle("owner")
    with tenancy.activate(desk.account.pk):
        Merchant.objects.filter(pk=desk.merchants[0].pk).update(managed_inventory=True)
        places_of(desk.merchants[0], [""])
    return desk


@dataclass
class Case:
    """One kind of list. `first`: a file that makes the list `before`; `file`: what is imported then."""

    route: str
    first: str
    file: str
    look: Callable[[], Look]
    other: Callable[[], Any]  # somebody else changes what the file is to change
    aside: Callable[[], Any]  # … and then what it says as it is
    before: Look
    overtaken: Look
    done: Look
    of: str = ""  # whose list it is
    kind: str = ""
    refused: bool = False  # also where something has changed that it says as it is: all of it is one rule

    def __str__(self) -> str:
        return "_".join(filter(None, (self.route, self.kind)))

    def address(self, desk: Desk) -> str:
        ids = {"cart": desk.carts[0].public_id, "merchant": desk.merchants[0].public_id}
        return reverse(self.route, args=list(filter(None, (desk.account.public_id, ids.get(self.of), self.kind))))


def cart() -> Any:
    return Cart.objects.filter(name="Northquay One shop")


def merchant() -> Any:
    return Merchant.objects.filter(code="ONE")


def rewrite(field: str, old: str, new: str) -> None:
    """Changes a text in what a cart keeps as rows."""
    rows = cart().values_list(field, flat=True).get()
    cart().update(**{field: json.loads(json.dumps(rows).replace(f'"{old}"', f'"{new}"'))})


def values(field: str, *fields: str) -> Look:
    rows = {row["field"]: row["values"] for row in cart().values_list(field, flat=True).get()}
    first, second = (rows[name] for name in fields)
    return first, second


def countries(of: Callable[[], Any], owner: str) -> Case:
    def rule(kind: str, *codes: str) -> dict[str, Any]:
        return {"kind": kind, "then": "refuse", "codes": list(codes)}

    def look() -> Look:
        stored = of().values_list("country_rule", flat=True).get()
        return stored["kind"], stored["codes"]

    return Case(
        f"{owner}_countries_import",
        "Country\nUS\n",
        "Country,Ships To\nUS,All countries but those listed\n",
        look,
        lambda: of().update(country_rule=rule("allow", "US")),
        lambda: of().update(country_rule=rule("allow", "FR", "US")),
        ("", ["US"]),
        ("allow", ["US"]),
        ("allow", ["FR", "US"]),
        of=owner,
        refused=True,
    )


def pair(rows: Any, key: str, value: str, *wanted: str) -> Look:
    stored = dict(rows.values_list(key, value))
    first, second = (stored[one] for one in wanted)
    return first, second


def codes(*wanted: str) -> dict[str, str]:
    return dict(ProductAlias.objects.filter(value__in=wanted).order_by("value").values_list("value", "product__sku"))


def items(*wanted: str) -> list[str]:
    return list(ItemFilter.objects.filter(key__in=wanted).order_by("key").values_list("key", flat=True))


def taken() -> None:
    """A code is given to another product."""
    tin, _ = Product.objects.get_or_create(merchant=merchant().get(), sku="TIN")
    catalog.store_aliases([catalog.alias(tin, "UPC", "222")])


CASES = [
    Case(
        "cart_rules_import",
        "Merchant,Cart,Buffer,Minimum Inventory Level\nONE,Northquay One shop,5,6\n",
        "Merchant,Cart,Buffer,Minimum Inventory Level\nONE,Northquay One shop,7,6\n",
        lambda: cart().values_list("stock_buffer", "stock_minimum").get(),
        lambda: cart().update(stock_buffer=9),
        lambda: cart().update(stock_minimum=8),
        (5, 6),
        (9, 6),
        (7, 8),
    ),
    countries(cart, "cart"),
    countries(merchant, "merchant"),
    Case(
        "hold_rules_import",
        "Rule,Field,Match,Value\nBig,Grand total,is at least,500\nWait,Tag,is,HOLD\n",
        "Rule,Field,Match,Value\nBig,Grand total,is at least,600\nWait,Tag,is,HOLD\n",
        lambda: values("hold_rules", "grand_total", "tag"),
        lambda: rewrite("hold_rules", "500", "700"),
        lambda: rewrite("hold_rules", "HOLD", "STOP"),
        (["500"], ["HOLD"]),
        (["700"], ["HOLD"]),
        (["600"], ["STOP"]),
        of="cart",
    ),
    Case(
        "order_filters_import",
        "Field,Type,Match,Value\nGrand total,required,is at least,5\nTag,restricted,is,HOLD\n",
        "Field,Type,Match,Value\nGrand total,required,is at least,6\nTag,restricted,is,HOLD\n",
        lambda: values("order_filters", "grand_total", "tag"),
        lambda: rewrite("order_filters", "5", "7"),
        lambda: rewrite("order_filters", "HOLD", "STOP"),
        (["5"], ["HOLD"]),
        (["7"], ["HOLD"]),
        (["6"], ["STOP"]),
        of="cart",
    ),
    Case(
        "item_filters_import",
        "Item\nGIFT\n",
        "Item\nGIFT\nMUG\nTIN\n",
        lambda: (items("mug", "tin"), items("gift")),
        lambda: ItemFilter.objects.create(cart=cart().get(), key="mug", item="MUG"),
        lambda: ItemFilter.objects.filter(key="gift").delete(),
        ([], ["gift"]),
        (["mug"], ["gift"]),
        (["mug", "tin"], []),
        of="cart",
    ),
    Case(
        "ship_map_import",
        "Code,WMS code\nGround,UPSG\nAir,UPS1\n",
        "Code,WMS code\nGround,UPS3\nAir,UPS1\n",
        lambda: pair(CartShipMethod.objects, "code", "wms_code", "Ground", "Air"),
        lambda: CartShipMethod.objects.filter(code="Ground").update(wms_code="UPS2"),
        lambda: CartShipMethod.objects.filter(code="Air").update(wms_code="UPSA"),
        ("UPSG", "UPS1"),
        ("UPS2", "UPS1"),
        ("UPS3", "UPSA"),
        of="cart",
    ),
    Case(
        "kits_import",
        "Kit,Component,Quantity\nGIFT,MUG,2\nSIX,CAN,6\n",
        "Kit,Component,Quantity\nGIFT,MUG,3\nSIX,CAN,6\n",
        lambda: pair(KitPart.objects, "kit__sku", "quantity", "GIFT", "SIX"),
        lambda: KitPart.objects.filter(kit__sku="GIFT").update(quantity=4),
        lambda: KitPart.objects.filter(kit__sku="SIX").update(quantity=7),
        (2, 6),
        (4, 6),
        (3, 7),
        of="merchant",
    ),
    Case(
        "merchant_scac_import",
        "Carrier,SCAC\nGround,UPS\nAir,FEDEX\n",
        "Carrier,SCAC\nGround,UPSN\nAir,FEDEX\n",
        lambda: pair(CarrierCode.objects, "code", "scac", "Ground", "Air"),
        lambda: CarrierCode.objects.filter(code="Ground").update(scac="DHL"),
        lambda: CarrierCode.objects.filter(code="Air").update(scac="FDEN"),
        ("UPS", "FEDEX"),
        ("DHL", "FEDEX"),
        ("UPSN", "FDEN"),
        of="merchant",
    ),
    Case(
        "products_import",
        "SKU,Name\nMUG,Mug\nTIN,Tin\n",
        "SKU,Name\nMUG,Blue mug\nTIN,Tin\n",
        lambda: pair(Product.objects, "sku", "name", "MUG", "TIN"),
        lambda: Product.objects.filter(sku="MUG").update(name="Red mug"),
        lambda: Product.objects.filter(sku="TIN").update(name="Tea tin"),
        ("Mug", "Tin"),
        ("Red mug", "Tin"),
        ("Blue mug", "Tea tin"),
        of="merchant",
        kind="products",
    ),
    Case(
        "products_import",
        "SKU,Type,Code\nMUG,UPC,111\n",
        "SKU,Type,Code\nMUG,UPC,111\nMUG,UPC,222\nMUG,UPC,333\n",
        lambda: (codes("222", "333"), codes("111")),
        taken,
        lambda: ProductAlias.objects.filter(value="111").delete(),
        ({}, {"111": "MUG"}),
        ({"222": "TIN"}, {"111": "MUG"}),
        ({"222": "TIN", "333": "MUG"}, {}),
        of="merchant",
        kind="aliases",
    ),
    Case(
        "products_import",
        "SKU,Quantity\nMUG,5\nTIN,6\n",
        "SKU,Quantity\nMUG,7\nTIN,6\n",
        lambda: pair(StockLevel.objects, "sku", "available", "MUG", "TIN"),
        lambda: StockLevel.objects.filter(sku="MUG").update(available=9),
        lambda: StockLevel.objects.filter(sku="TIN").update(available=8),
        (5, 6),
        (9, 6),
        (7, 8),
        of="merchant",
        kind="counts",
    ),
    Case(
        "wms_ship_methods_import",
        "Code,Description\nUPSG,Ground\nUPS1,Air\n",
        "Code,Description\nUPSG,By road\nUPS1,Air\n",
        lambda: pair(WmsShipMethod.objects, "code", "description", "UPSG", "UPS1"),
        lambda: WmsShipMethod.objects.filter(code="UPSG").update(description="By rail"),
        lambda: WmsShipMethod.objects.filter(code="UPS1").update(description="By air"),
        ("Ground", "Air"),
        ("By rail", "Air"),
        ("By road", "By air"),
    ),
]


def test_no_import_is_left_out() -> None:
    asked = UNMARKED["it takes up a file, and first says what that would change"]
    assert {case.route for case in CASES} == asked
    assert {case.kind for case in CASES if case.kind} == KINDS.keys()


def preview(client: Client, where: str, content: str) -> dict[str, str]:
    """What the page would send to have it done."""
    file = io.BytesIO(content.encode())
    file.name = "list.csv"
    return {"rows": client.post(where, {"file": file}).context["signed"]}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_file_does_what_its_preview_showed_and_nothing_else(desk: Desk, case: Case) -> None:
    client, where = desk.client("owner"), case.address(desk)

    def look() -> Look:
        with tenancy.activate(desk.account.pk):
            return case.look()

    assert client.post(where, preview(client, where, case.first)).status_code == 302
    assert look() == case.before

    shown, done = preview(client, where, case.file), list_pages._done

    def waited(importer: Any, *rest: Any) -> str:
        """Somebody else is quicker, and holds the lock that this one waits for."""
        lock = importer.lock

        def second(rows: Any) -> None:
            case.other()
            with CaptureQueriesContext(connection) as asked:
                lock(rows)
            assert any("NO KEY UPDATE" in one["sql"] or "advisory" in one["sql"] for one in asked), "it keeps nothing"

        importer.lock = second
        return done(importer, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(list_pages, "_done", waited)
        answer = client.post(where, shown)
    assert (answer.status_code, OVERTAKEN in text(answer)) == (422, True)
    assert look() == case.before, "undone with the transaction in which it was made"
    with tenancy.activate(desk.account.pk):
        case.other()
    assert client.post(where, shown).status_code == 422
    assert look() == case.overtaken

    shown = preview(client, where, case.file)
    with tenancy.activate(desk.account.pk):
        case.aside()
    assert client.post(where, shown).status_code == (422 if case.refused else 302)
    assert look() == case.done


LONG = "X" * 101
# route → whose list it is, a file of two things, one of which has a row that is wrong, and what the other one changes
BELONGING = {
    "kits_import": ("merchant", f"Kit,Component,Quantity\nSET,MUG,2\nset ,TIN,1\nSET,{LONG},1\nDUO,CAN,2\n", "DUO"),
    "hold_rules_import": (
        "cart",
        f"Rule,Field,Match,Value\nBig,Grand total,is at least,500\nbig,Tag,is,{LONG}\nWait,Tag,is,HOLD\n",
        "Wait",
    ),
    "order_filters_import": (
        "cart",
        f"Field,Type,Match,Value\nTag,required,is,A\nTag,required,is,{LONG}\nItem,restricted,is,GIFT\n",
        "Item",
    ),
}


@pytest.mark.parametrize("route", BELONGING)
def test_a_thing_of_several_rows_is_taken_up_whole_or_not_at_all(desk: Desk, route: str) -> None:
    owner, content, other = BELONGING[route]
    of = {"cart": desk.carts[1].public_id, "merchant": desk.merchants[1].public_id}[owner]
    page = desk.client("owner").post(
        reverse(route, args=[desk.account.public_id, of]), {"file": io.BytesIO(content.encode())}
    )
    plan = page.context["plan"]
    assert [change.what for change in plan.changes] == [other], "without a row it would be another kit, rule or filter"
    wrong = next(line for line, why in plan.problems if "more than 100 characters" in why)
    assert f"It belongs together with line {wrong}, which is wrong." in dict(plan.problems).values()


def test_a_text_that_falls_apart_into_cells_is_not_taken_up_by_half(desk: Desk) -> None:
    where = reverse("item_filters_import", args=[desk.account.public_id, desk.carts[1].public_id])
    content = 'Item\nBOLT 1,5 MM\n"NUT 1,5 MM"\nPIN,,\n'
    plan = desk.client("owner").post(where, {"file": io.BytesIO(content.encode())}).context["plan"]
    assert [change.what for change in plan.changes] == ["NUT 1,5 MM", "PIN"]
    assert plan.problems == [(2, "It has more cells than the first row. A text with “,” in it needs quotation marks.")]


def test_a_file_that_is_too_long_says_how_it_is_split(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integration_manager.list_files.MOST_ROWS", 2)
    for route, of, head, more in (
        ("kits_import", desk.merchants[1], "Kit,Component,Quantity", " Leave the rows of each Kit SKU together."),
        ("item_filters_import", desk.carts[1], "Item", ""),
    ):
        where = reverse(route, args=[desk.account.public_id, of.public_id])
        page = desk.client("owner").post(where, {"file": io.BytesIO(f"{head}\nA\nB\nC\n".encode())})
        assert page.context["refused"] == f"It has more than 2 rows. Split it.{more}"
