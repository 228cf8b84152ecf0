"""Products: what a shop or a WMS gives of them, and how each takes them.

Paging and once-is-once are in feeds.py, writes.py.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec import structs

from integration_manager.kit.acceptance.bench import START, Bench, Check
from integration_manager.kit.acceptance.mapping import NAMES, endured, golden, pure, typed
from integration_manager.kit.canonical import Product, from_json, to_json
from integration_manager.kit.connector import Dedupe
from integration_manager.kit.errors import ConnectorError, Unmappable
from integration_manager.kit.simulator import Fault

TEAPOT = Product(
    key="P-1",
    sku="POT-GLASS-1",
    name="Teapot, glass",
    retail_price=Decimal("34.00"),
    currency_code="EUR",
    weight_lbs=Decimal("1.20"),
    barcode="0810012345048",
)


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    found: list[Check] = _read_ones(bench) if bench.has("products") else []
    if not bench.has("create_product"):
        return found
    found.append(("products: never one twice", lambda: declared(bench)))
    if bench.has("update_product"):
        found.append(("update_product: changes, and adds none", lambda: update(bench)))
    if bench.has("find_product"):
        found.append(("find_product: that SKU and no other", lambda: find(bench)))
    return found


def _read_ones(bench: Bench) -> list[Check]:
    found: list[Check] = [("products: as they are there", lambda: well_formed(bench))]
    if bench.system.uses != "folder":  # whose examples are files: see `files`
        found += [
            ("products: golden", lambda: golden(bench, "listing", "product", _read(bench))),
            ("products: pure", lambda: pure(bench, "listing", _read(bench))),
            ("products: mutated input", lambda: mutated(bench)),
        ]
    return found


def _read(bench: Bench) -> Callable[[Any], Any]:
    to_product = bench.mapper("to_product")
    return lambda raw: to_json(to_product(raw))


def mutated(bench: Bench) -> None:
    """Whatever is deleted or retyped in a product, to_product() gives a Product or raises Unmappable."""
    to_product = bench.mapper("to_product")

    def attempt(raw: Any) -> None:
        try:
            product = to_product(raw)
        except Unmappable:
            return
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise AssertionError(f"to_product() raises {why}, not Unmappable") from error
        assert isinstance(product, Product), f"to_product() gives {type(product).__name__}, no Product"
        assert product.key, "a product without a key has to be Unmappable"
        typed(product)

    endured([raw for _, raw in bench.fixtures("listing")], attempt, examples=80)  # it is flat


def well_formed(bench: Bench) -> None:
    """Every product has a key of its own, and comes whole."""
    with bench.running() as running:
        made = [running.fake.product(n, START + timedelta(minutes=n)) for n in range(1, 4)]
        rows = [row for page in running.connector.products(START) for row in page.rows]
        assert [row.key for row in rows] == made, f"keys {[row.key for row in rows]}, and the shop's are {made}"
        for row in rows:
            assert isinstance(row, Product), f"products() gives {type(row).__name__}, no Product"
            assert row.sku and row.name, f"SKU or name is lost: {row}"
            assert row.retail_price is not None or not bench.is_cart, f"the price is lost: {row}"
            codes = bool(row.aliases)
            told = not bench.is_cart and bool(getattr(bench.system, "tells_aliases", False))
            assert codes == told, f"tells_aliases is {told}, and its other codes are {row.aliases}"
            assert row.modified_at is not None and row.modified_at.tzinfo, f"{row.key}: when it changed is lost"
            assert from_json(Product, to_json(row)) == row, "the product does not survive as JSON"


def declared(bench: Bench) -> None:
    """A product whose answer is lost is not added twice, without a person: NONE is not enough."""
    create = bench.system.dedupe("create_product")
    assert create is not Dedupe.NONE, "create_product() has to be KEY, NATURAL or LOOKUP (with find_product)"
    if bench.has("update_product"):
        update = bench.system.dedupe("update_product")
        assert update in (Dedupe.KEY, Dedupe.NATURAL), "update_product() has to be NATURAL: it sets values"


def update(bench: Bench) -> None:
    """What is changed arrives, twice is no harm, and what is not known stays as it is."""
    with bench.running() as running:
        key = running.connector.create_product(TEAPOT)
        assert isinstance(key, str) and key, f"create_product() gives {key!r}, not the WMS's key"
        for name in NAMES:
            other = structs.replace(TEAPOT, name=name, retail_price=None, currency_code=None)
            for _ in range(2):
                running.connector.update_product(key, other)
        added = running.fake.effects("product", TEAPOT.sku)
        assert len(added) == 1, f"one product was added and changed, and {len(added)} are there"
        if bench.has("find_product"):
            assert running.connector.find_product(TEAPOT.sku) == key, "once changed it is not found any more"


def find(bench: Bench) -> None:
    """find_product() gives the key of exactly this SKU; None for what is not there; no failure is taken for that."""
    with bench.running() as running:
        connector: Any = running.connector
        assert connector.find_product(TEAPOT.sku) is None, "a product from nowhere"
        longer = structs.replace(TEAPOT, sku=f"{TEAPOT.sku}-BLUE")
        keys = {one.sku: connector.create_product(one) for one in (TEAPOT, longer)}
        for sku, key in keys.items():
            assert connector.find_product(sku) == key, f"{sku} was added as {key}, and is not found as that"
        for sku in ("POT", "", "POT-GLASS-%", "*", TEAPOT.sku.lower(), "&sku=POT-GLASS-1"):
            assert connector.find_product(sku) is None, f"find_product({sku!r}) gives another product"
        running.fail("read", Fault.ERROR, times=99)
        try:
            connector.find_product(TEAPOT.sku)
        except ConnectorError:
            return
        raise AssertionError("find_product() swallows a failure: the engine would add it again")
