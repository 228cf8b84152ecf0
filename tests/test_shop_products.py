"""What of WooCommerce's and Shopify's catalogs comes as products, with how many questions, and when it comes again."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from carts.systems.shopify import Shopify
from carts.systems.woocommerce import WooCommerce
from integration_manager.kit.acceptance.bench import Bench, Running
from integration_manager.kit.canonical import Product

FOLDERS = Path(__file__).parent / "connectors"
WHEN = datetime(2026, 3, 1, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def woo() -> Iterator[Running]:
    with Bench(WooCommerce, FOLDERS / "woocommerce").running() as running:
        yield running


@pytest.fixture
def shopify() -> Iterator[Running]:
    with Bench(Shopify, FOLDERS / "shopify").running() as running:
        yield running
        found: Any = running.fake
        assert not found.violations, found.violations


def since(running: Running, when: datetime = WHEN) -> dict[str, Product]:
    """What has changed since, by SKU; by the key where there is none."""
    return {row.sku or row.key: row for page in running.connector.products(when) for row in page.rows}


def asked(running: Running) -> Counter[str]:
    """How often which list of WooCommerce was asked for."""
    return Counter(seen.request.path.removeprefix("/wp-json/wc/v3/") for seen in running.fake.journal)


# ── WooCommerce ──


def test_what_can_be_ordered_of_a_shop_comes_and_nothing_else(woo: Running) -> None:
    shop: Any = woo.fake
    shop.offer(21, "DRAFT", WHEN, status="draft")
    shop.offer(22, "GROUP", WHEN, type="grouped")
    shop.offer(23, "ELSEWHERE", WHEN, type="external")
    shop.offer(24, "GONE", WHEN, status="trash")
    shop.offer(25, "", WHEN, name="Nameless")
    shop.offer(26, "STAFF", WHEN, status="private")
    shop.vary(63, 60, "SHIRT-XL", WHEN, "XL", weight="", global_unique_id="4006381333931")
    shop.vary(64, 60, "SHIRT-OFF", WHEN, "XXL", status="private")
    shop.offer(70, "CAP", WHEN, type="variable", name="Cap &amp; bag", regular_price="")
    for number in (71, 72):  # without SKUs of their own: an order has their product's
        shop.vary(number, 70, "", WHEN)
    shop.offer(80, "HAT", WHEN, type="variable", status="draft")
    shop.vary(81, 80, "HAT-S", WHEN)
    shop.offer(91, "LEFT-OVER", WHEN, type="variation", parent_id=11)  # of what is a simple product by now
    found = since(woo)
    assert set(found) == {"25", "STAFF", "SHIRT-S", "SHIRT-L", "SHIRT-XL", "CAP"}
    assert (found["CAP"].key, found["CAP"].name) == ("70", "Cap & bag")
    assert found["SHIRT-XL"] == Product(
        key="63", sku="SHIRT-XL", name="Shirt - XL", retail_price=Decimal("10.00"), currency_code="USD",
        weight_lbs=Decimal("1.1023"), barcode="4006381333931", modified_at=WHEN,
    )  # fmt: skip


def test_a_product_that_is_renamed_and_a_variation_that_is_dated_alone(woo: Running) -> None:
    shop: Any = woo.fake
    assert (since(woo), asked(woo)) == ({}, {"products": 1, "variations": 1}), "where nothing changes, it costs little"
    shop.offer(60, "SHIRT", WHEN, type="variable", name="T-shirt", regular_price="")
    assert {row.name for row in since(woo).values()} == {"T-shirt - S", "T-shirt - L"}
    later = (WHEN + MINUTE).strftime("%Y-%m-%dT%H:%M:%S")
    shop.products.change("61", regular_price="9.00", date_modified_gmt=later)  # by a plug-in, past WooCommerce
    (changed,) = since(woo, WHEN + MINUTE).values()
    assert (changed.sku, changed.name, changed.retail_price) == ("SHIRT-S", "T-shirt - S", Decimal("9.00"))


@pytest.mark.parametrize(("lists", "calls"), [(True, {"variations": 2}), (False, {"variations": 1})])
def test_a_product_without_variations_costs_no_call_of_its_own(woo: Running, lists: bool, calls: Any) -> None:
    """Before 10.3 each product with variations costs one, so that few of them come at once."""
    shop: Any = woo.fake
    shop.lists_variations = lists
    for number in range(300, 350):
        shop.offer(number, f"SKU-{number}", WHEN)
    for number in (400, 410, 420, 430):
        shop.offer(number, f"SET-{number}", WHEN, type="variable", regular_price="")
        shop.vary(number + 1, number, f"SKU-{number}-S", WHEN)
    through = shop.answers_to

    def answers_to(name: str) -> bool:
        if name.endswith("/430/variations"):  # it is deleted in this moment
            shop.products.remove("430")
        return bool(through(name))

    shop.answers_to = answers_to
    assert len(since(woo)) == 53 + lists
    own = {} if lists else {f"products/{number}/variations": 1 for number in (400, 410, 420, 430)}
    settings = {"settings/general/woocommerce_currency": 1, "settings/products/woocommerce_weight_unit": 1}
    assert asked(woo) == {"products": 1, **calls, **own, **settings}


def test_one_that_cannot_be_read_is_told_and_stops_no_other(woo: Running) -> None:
    shop: Any = woo.fake
    shop.offer(21, "LAMP", WHEN, weight="heavy")
    shop.offer(22, "CHAIR", WHEN + MINUTE)
    pages = [*woo.connector.products(WHEN)]
    assert [row.sku for page in pages for row in page.rows] == ["CHAIR"]
    (reject,) = [one for page in pages for one in page.rejects]
    assert "weight: 'heavy' is not a number" in reject.reason and '"LAMP"' in reject.raw
    assert pages[-1].cursor == WHEN + MINUTE


# ── Shopify ──


def test_variants_that_are_shipped_come_each_as_a_product(shopify: Running) -> None:
    shop: Any = shopify.fake
    shop.offer(21, "Lamp", {"sku": "LAMP", "barcode": "4006381333931", "weight": 8.0, "unit": "OUNCES"}, at=WHEN)
    shop.offer(22, "Draft", {"sku": "DRAFT"}, at=WHEN, status="DRAFT")
    shop.offer(23, "Old", {"sku": "OLD"}, at=WHEN, status="ARCHIVED")
    shop.offer(24, "By link", {"sku": "LINK"}, at=WHEN, status="UNLISTED")
    mixed = {"title": "Print"}, {"title": "File", "digital": True}, {"title": "Both", "bundle": True}
    shop.offer(25, "Map", *mixed, at=WHEN)
    sizes = [{"title": f"No. {n}", "sku": f"RING-{n}"} for n in range(1, 26)]
    shop.offer(26, "Ring", *sizes, at=WHEN + MINUTE)
    found = since(shopify)
    rings = {one["sku"] for one in sizes}
    assert set(found) == {"LAMP", "LINK", "25001", *rings}, "more variants than a page has are fetched"
    assert (found["25001"].name, found["RING-25"].name) == ("Map - Print", "Ring - No. 25")
    assert found["LAMP"] == Product(
        key="21001", sku="LAMP", name="Lamp", retail_price=Decimal("10.00"), currency_code="USD",
        weight_lbs=Decimal("0.5"), barcode="4006381333931", modified_at=WHEN,
    )  # fmt: skip
    assert set(since(shopify, WHEN + MINUTE)) == rings


@pytest.mark.parametrize("size", [20, 120])
def test_a_product_that_is_deleted_while_its_variants_are_read_stops_no_other(shopify: Running, size: int) -> None:
    shop: Any = shopify.fake
    sizes = [{"title": f"No. {n}", "sku": f"RING-{n}"} for n in range(size)]
    shop.offer(26, "Ring", *sizes, at=WHEN)
    shop.offer(27, "Lamp", {"sku": "LAMP"}, at=WHEN)
    asked, gone_at = [], 1 if size < 100 else 2  # before the first, or the second, question for its variants

    def ask(id: str) -> Any:
        asked.append(id)
        if len(asked) == gone_at:
            shop.products.remove("26")
        return type(shop).ask_product(shop, id)

    shop.ask_product = ask
    assert set(since(shopify)) == {"LAMP"}
    assert len(asked) == gone_at
