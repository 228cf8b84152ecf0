"""The acceptance suite refuses broken connectors: each check of it is seen to fail once.

A broken connector is a good one with a piece of its source replaced, so that nothing else differs.
"""

import importlib.util
import itertools
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, settings
from pytest import MonkeyPatch

from integration_manager.kit import acceptance
from integration_manager.kit.acceptance import mapping
from integration_manager.kit.connector import Connector

TESTS = Path(__file__).parent
ACORN = TESTS / "connectors_tutorial/systems/acorn.py"
ACORN_FIXTURES = TESTS / "connectors_tutorial/connectors/acorn"
SHOP = TESTS.parent / "carts/systems/sandbox_shop.py"
SHOP_FIXTURES = TESTS / "connectors/sandbox_shop"
WMS = TESTS.parent / "wms/systems/sandbox_wms.py"
WMS_FIXTURES = TESTS / "connectors/sandbox_wms"
FILES = TESTS.parent / "wms/systems/csv_wms.py"
FILES_FIXTURES = TESTS / "connectors/csv_wms"
_number = itertools.count()

FETCH = 'return pick(self.http.get("/orders", params=query), "orders", list)'
PAGES = "return by_modified(fetch, since, updated, PAGE)"
PUT = "self.http.put(path, json=body, safe=True)"

# what is wrong → (what is replaced, by what, the check that has to see it)
BROKEN_ACORN = {
    "a key with a space": ('"acorn", "Acorn', '"a corn", "Acorn', "spec"),
    "a token that is no secret": (
        'Field("API token", secret=True)', 'Field("API token")', "spec",
    ),
    "no declaration": ("    @writes(Dedupe.NATURAL)\n", "", "declares how it dedupes"),
    "a look-up that is not there": ("Dedupe.NATURAL", "Dedupe.LOOKUP", "declares how it dedupes"),
    "400 lines more": ("PAGE = 50\n", "PAGE = 50\n" + "PAGE = 50\n" * 400, "code: size"),
    "Django": ("PAGE = 50\n", "PAGE = 50\nfrom django.conf import settings\n", "code: imports"),
    "a neighbour": (
        "PAGE = 50\n", "PAGE = 50\nfrom carts.systems import sandbox_shop\n", "code: imports",
    ),
    "sleeping": (
        PUT, "__import__('time').sleep(0)\n        " + PUT, "code: manners",
    ),
    "a broad except": (
        PUT, f"try:\n            {PUT}\n        except Exception:\n            raise", "code: manners",
    ),
    "the wrong field": (
        'city=to.text("city")', 'city=to.text("country")', "mapping: golden",
    ),
    "another key": (
        'cart_key=r.need("no")', 'cart_key="#" + r.need("no")', "mapping: golden",
    ),
    "a total that is none": (
        'grand_total=r.number("total"),',
        'grand_total=r.number("total"), sub_total=r.number("total"), sales_tax=r.number("total"),'
        'shipping_handling=r.number("total"), order_discount=r.number("total"),',
        "mapping: money adds up",
    ),
    "cancellations that are none": (
        '"void": SourceState.CANCELED', '"void": SourceState.CLOSED', "mapping: cancellations",
    ),
    "a look at the clock": (
        'modified_at=r.when("updated")',
        'modified_at=r.when("updated") or datetime.now(), tags=(str(datetime.now()),)',
        "mapping: pure",
    ),
    "input that is changed": ('to = r.part("to")', 'to = Reader(raw.pop("to"))', "mapping: pure"),
    "a KeyError": ('to = r.part("to")', 'to = Reader(raw["to"])', "mapping: mutated input"),
    "a wrong type": (
        'city=to.text("city")', 'city=to.raw.get("city")', "mapping: mutated input",
    ),
    "names cut short": (
        'last_name=to.text("name")',
        'last_name=(to.text("name") or "")[:30]',
        "mapping: names and currencies",
    ),
    "ASCII only": (
        'city=to.text("city")',
        'city=(to.text("city") or "").encode("ascii", "ignore").decode()',
        "mapping: names and currencies",
    ),
    "yen in cents": (
        'grand_total=r.number("total")',
        'grand_total=(r.number("total") or 0) / (100 if r.text("currency") == "JPY" else 1)',
        "mapping: names and currencies",
    ),
    "a check that checks nothing": (
        'self.http.get("/me")', "pass", "check: right and wrong credentials",
    ),
    "rows from nowhere": (
        PAGES, "yield Page([{'no': 'A0', 'updated': '2026-01-01'}])", "orders: none",
    ),
    "nothing at all": (PAGES, "yield from ()", "orders: one"),
    "the last page twice dropped": (
        PAGES,
        "for page in by_modified(fetch, since, updated, PAGE):\n"
        "            yield Page(page.rows[:-1], page.cursor)",
        "orders: a whole page",
    ),
    "the first page only": (
        PAGES, "yield Page(fetch(since, 1))", "orders: two pages and a half",
    ),
    "a cursor of our own clock": (
        PAGES,
        "for page in by_modified(fetch, since, updated, PAGE):\n"
        "            yield Page(page.rows, datetime.fromisoformat('2099-01-01T00:00:00Z'))",
        "orders: many between two runs",
    ),
    "a cursor of the beginning of the page": (
        PAGES,
        "for page in by_modified(fetch, since, updated, PAGE):\n"
        "            yield Page(page.rows[:1], page.cursor)",
        "orders: many between two runs",
    ),
    "one time for a page": (
        PAGES,
        "from datetime import timedelta\n"
        "        while rows := fetch(since, 1):\n"
        "            yield Page(rows, updated(rows[-1]))\n"
        "            since = updated(rows[-1]) + timedelta(milliseconds=1)",
        "orders: 1,000 with one time",
    ),
    "offsets": (
        PAGES,
        "page = 1\n"
        "        while rows := fetch(since, page):\n"
        "            yield Page(rows, updated(rows[-1]))\n"
        "            page += 1",
        "orders: edited while paging",
    ),
    "by created time": (
        FETCH,
        FETCH.replace("return", "rows =")
        + "\n            return [r for r in rows if datetime.fromisoformat(r['ordered']) >= since]",
        "orders: created long ago, modified now",
    ),
    "a swallowed 500": (
        FETCH,
        "from integration_manager.kit.errors import Transient\n"
        f"            try:\n                {FETCH}\n"
        "            except Transient:\n                return []",
        "orders: fault error",
    ),
    "trust in the answer's form": (
        FETCH, 'return self.http.get("/orders", params=query).json()["orders"]',
        "orders: fault alien",
    ),
    "a parcel each time": (
        "/parcels/{shipment.key}", "/parcels/{__import__('uuid').uuid4()}", "ship: twice is once",
    ),
    "shipped, it says": (
        PUT,
        "from integration_manager.kit.errors import Transient\n"
        f"        try:\n            {PUT}\n        except Transient:\n            pass",
        "ship: fault error",
    ),
    "one parcel for all": (
        "/parcels/{shipment.key}", "/parcels/1", "ship: parts of an order",
    ),
    "a talkative repr": (
        "    def check(self)",
        "    def __repr__(self) -> str:\n        return self.token\n\n    def check(self)",
        "no secret slips out",
    ),
}  # fmt: skip

BROKEN_SHOP = {
    "no identity": ('return pick(self.http.get("/api/shop"), "id", str)', 'return ""', "identity"),
    "any order will do": (
        '            if error.code == "http_404":\n                return None\n            raise',
        "            return None", "one order",
    ),
    "results left out": ("return [StockResult(", "return [] and [StockResult(", "stock: a result for each level"),
    "a POST that is repeated": (
        'shipments", json=body)', 'shipments", json=body, safe=True)', "ship: fault drop_after",
    ),
    "an answer that is trusted": (
        'json=body)\n        return pick(answer, "id", str)',
        'json=body)\n        return str(answer.json()["id"])',
        "ship: fault alien",
    ),
    "a canceled order that is not": (
        'self.http.post(f"/api/orders/{order_key}/cancel", json={"reason": reason}, safe=True)',
        "pass", "cancel: twice is once",
    ),
    "a refund that is repeated": (
        'refunds", json=body)', 'refunds", json=body, safe=True)', "refund: fault drop_after",
    ),
    "a refund that is never found": ('row["reference"] == key', 'row["id"] == key', "refund: twice is once"),
    "products without what they cost": (
        'retail_price=r.number("price")', "retail_price=None", "products: as they are there",
    ),
    "a product by another name": ('name=r.text("title")', 'name=r.text("sku")', "products: golden"),
    "a product that asks the clock": (
        'barcode=r.text("barcode") or None', "barcode=str(datetime.now())", "products: pure",
    ),
    "a weight that is taken as it is": (
        'weight_lbs=r.number("weight_lb")', 'weight_lbs=r.raw.get("weight_lb")', "products: mutated input",
    ),
    "a webhook of anybody": (
        'verify_hmac(values.get(SECRET, ""), f"{signed_at}.".encode() + body, headers.get("x-shop-signature"))',
        "pass", "webhook: forged",
    ),
    "a webhook of another order": (
        'order_of(body))', 'order_of(body) and "another")', "webhook: the shop's own",
    ),
    "webhooks that pile up": (
        'json={"url": url, ', 'json={"url": url + "?" + __import__("uuid").uuid4().hex, ',
        "webhook: register and remove",
    ),
    "lines of a purchase order with one id": (
        'PurchaseLine(\n                line_id=ln.need("id"),', 'PurchaseLine(\n                line_id="1",',
        "purchase_orders: as the shop has them",
    ),
    "a receipt that says what came last": (
        '"received": to_json(line.quantity)}', '"received": "5"}', "tell_received: totals, and the latest hold",
    ),
}  # fmt: skip

BROKEN_WMS = {
    "a payload without lines": ('"lines": [', '"rows": [', "payload: golden"),
    "a payload of today": (
        '"ordered_on": order.order_date.isoformat()',
        '"ordered_on": datetime.now().isoformat()',
        "payload: pure",
    ),
    "a payload that is no JSON": (
        '"ordered_on": order.order_date.isoformat()', '"ordered_on": order.order_date',
        "payload: holes and names",
    ),
    "no note, no payload": (
        '"note": order.shipping_instructions', '"note": order.shipping_instructions.strip()',
        "payload: holes and names",
    ),
    "a post that is repeated": (
        "json=body, headers=headers)", "json=body, headers=headers, safe=True)",
        "send: fault drop_after",
    ),
    "a look-up that finds nothing": (
        "        if not rows:\n            return None\n", "        return None\n", "send: twice is once",
    ),
    "a look-up with half a reference": (
        'params={"reference": ref}', 'params={"reference": ref + ("1" if ref == "R-1" else "")}',
        "find: the order and no other",
    ),
    "a look-up that swallows": (
        '        rows = pick(self.http.get("/v1/orders", params={"reference": ref}), "orders", list)',
        "        from integration_manager.kit.errors import Transient\n"
        "        try:\n"
        '            rows = pick(self.http.get("/v1/orders", params={"reference": ref}), "orders", list)\n'
        "        except Transient:\n"
        "            return None",
        "find: the order and no other",
    ),
    "a key that is not the WMS's": (
        'headers=headers), "key", str)', 'headers=headers), "key", str) and ""',
        "send: every golden order",
    ),
    "parcels of the first order only": (
        '",".join(wms_keys)', '",".join(wms_keys[:1])', "parcels of some orders",
    ),
    "products whose other codes are lost": (
        'aliases=tuple(Alias(code.need("kind"), code.need("code")) for code in r.parts("codes")),', "",
        "products: as they are there",
    ),
    "products that nothing keeps apart": (
        "@writes(Dedupe.LOOKUP)\n    def create_product", "@writes(Dedupe.NONE)\n    def create_product",
        "products: never one twice",
    ),
    "a change that adds": (
        "self.http.put(f\"/v1/products/{quote(wms_key, safe='')}\", json=from_product(product), safe=True)",
        "self._create(product)", "update_product: changes, and adds none",
    ),
    "a product's look-up that swallows": (
        '        rows = pick(self.http.get("/v1/products", params={"sku": sku}), "products", list)',
        "        from integration_manager.kit.errors import Transient\n"
        "        try:\n"
        '            rows = pick(self.http.get("/v1/products", params={"sku": sku}), "products", list)\n'
        "        except Transient:\n"
        "            return None",
        "find_product: that SKU and no other",
    ),
    "a receipt without its key": (
        'wms_key=r.need("purchase_order"),', "wms_key=None,", "receipts: what has come in all",
    ),
    "a purchase order without the WMS's key": (
        'self.http.post("/v1/purchase-orders", json=body, headers=headers), "key", str)',
        'self.http.post("/v1/purchase-orders", json=body, headers=headers), "key", str) and ""',
        "send_purchase_order: once, with a way to know",
    ),
    "a purchase order's look-up that swallows": (
        '        rows = pick(self.http.get("/v1/purchase-orders", params={"reference": ref}), "purchase_orders", list)',
        "        from integration_manager.kit.errors import Transient\n"
        "        try:\n"
        '            rows = pick(self.http.get("/v1/purchase-orders", params={"reference": ref}),'
        ' "purchase_orders", list)\n'
        "        except Transient:\n"
        "            return None",
        "find_purchase_order: that one and no other",
    ),
    "a change that adds a purchase order": (
        "self.http.put(f\"/v1/purchase-orders/{quote(wms_key, safe='')}\", json=from_purchase(purchase), safe=True)",
        "self._expect(purchase, wms_key)", "change_purchase_order: changes, and adds none",
    ),
    "a cancellation that is refused": (
        "/cancel\", json={}, safe=True)\n        return pick(answer, \"canceled\", bool)\n\n\nclass SandboxWms(",
        "/cancel\", json={}, safe=True)\n        return not answer\n\n\nclass SandboxWms(",
        "cancel_purchase_order: twice is once",
    ),
    "methods without a code": ('ShipMethod(row["code"]', 'ShipMethod("GROUND"', "shipping methods"),
}  # fmt: skip

CONFIRMATIONS = (
    'return pages(\n            self.inbox("confirmations"), form, ("cust_ref", "tracking_no"), build,'
    ' names=("order number", "parcel")\n        )'
)
BROKEN_FILES = {
    "no tracking": ("tracking_no=tracking,", "tracking_no=None,", "files in: golden"),
    "archived before it is stored": (
        CONFIRMATIONS,
        f"for page in {CONFIRMATIONS.removeprefix('return ')}:\n"
        "            page.done and page.done()\n"
        "            yield page",
        "files in: taken once stored",
    ),
    "no merchant in the file": (
        '"merchant_code": prepared.merchant_code', '"merchant_code": ""', "files out: golden",
    ),
    "renamed once only": (
        "    def where(",
        "    def rename(self, kind: str, old: str, new: str) -> None:\n"
        "        place = self.directory_of(kind)\n"
        "        self.folder.rename(f'{place}/{old}', f'{place}/{new}')\n\n    def where(",
        "files out: phases",
    ),
    "directories that are not made": (
        "    def where(",
        "    def check(self) -> None:\n        pass\n\n    def where(",
        "folder: check makes what is missing",
    ),
}  # fmt: skip

SYSTEMS = (
    (ACORN, ACORN_FIXTURES, "Acorn", BROKEN_ACORN),
    (SHOP, SHOP_FIXTURES, "SandboxShop", BROKEN_SHOP),
    (WMS, WMS_FIXTURES, "SandboxWms", BROKEN_WMS),
    (FILES, FILES_FIXTURES, "CsvWms", BROKEN_FILES),
)


def load(source: str, folder: Path) -> ModuleType:
    """The module of this source, under a name of its own."""
    name = f"broken_connector_{next(_number)}"
    path = folder / f"{name}.py"
    path.write_text(source, "utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def case_of(fixtures: Path, klass: str, name: str, source: str, folder: Path) -> acceptance.Case:
    """The check `name` of the connector that `source` makes."""
    system: type[Connector] = getattr(load(source, folder), klass)
    found = {case.name: case for case in acceptance.cases(system, fixtures)}
    assert name in found, f"no check {name!r}; there are: {sorted(found)}"
    return found[name]


TABLE = [
    pytest.param(path, fixtures, klass, *row, id=f"{klass}: {what}")
    for path, fixtures, klass, rows in SYSTEMS
    for what, row in rows.items()
]


@pytest.mark.parametrize(("path", "fixtures", "klass", "old", "new", "check"), TABLE)
def test_a_broken_connector_is_refused(
    path: Path, fixtures: Path, klass: str, old: str, new: str, check: str, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    # That it fails is all that is asked: nobody reads the smallest example.
    monkeypatch.setattr(mapping, "RUNS", settings(mapping.RUNS, phases=[Phase.generate]))
    good = path.read_text("utf-8")
    assert old in good, "the piece to be replaced is gone from the connector"
    with pytest.raises(AssertionError):
        case_of(fixtures, klass, check, good.replace(old, new), tmp_path)()


def test_every_check_is_seen_to_fail(tmp_path: Path) -> None:
    """A check that no broken connector fails may be one that cannot fail."""
    seen, every = set(), set()
    for path, fixtures, klass, rows in SYSTEMS:
        module = load(path.read_text("utf-8"), tmp_path)
        seen |= {_kind(row[2]) for row in rows.values()}
        every |= {_kind(case.name) for case in acceptance.cases(getattr(module, klass), fixtures)}
    assert not every - seen, f"never seen to fail: {sorted(every - seen)}"


def _kind(name: str) -> str:
    """The check behind a case: one for all faults, one for all feeds."""
    feeds = "orders|shipments|cancellations|stock|products|purchase orders|receipts"
    name = re.sub(rf"^({feeds}): (?!a result|as they are|never|what has)", "feed: ", name)
    writes = "ship|send|cancel|refund|create_product|send_purchase_order"
    name = re.sub(rf"^({writes}): (fault|twice)", r"write: \2", name)
    return re.sub(r"fault \w+$", "fault", name)
