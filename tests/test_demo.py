"""The demo account: made once, and at home again when the simulator has moved, whatever people did meanwhile."""

from typing import Any

import pytest
import requests
from django.conf import settings

from accounts.models import Account, Membership, User
from alerts.channels import base
from alerts.channels.webhook import Webhook, new_secret
from alerts.models import Channel, ErrorEmail
from carts.models import Cart, CartShipMethod, ItemFilter
from integration_manager import demo_office, demo_rules, tenancy
from integration_manager.im.demo import run
from integration_manager.im.simulate import served
from integration_manager.kit import clock
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import AuthFailed
from integration_manager.kit.fake_server import Server
from merchants.models import Adjustment, CarrierCode, Kit, Merchant, Product, ProductAlias, Schedule, Warehouse
from orders.models import SavedView
from tests import desk as desks
from wms.models import Wms, WmsShipMethod

pytestmark = pytest.mark.django_db


def urls(account: Account) -> set[str]:
    with tenancy.activate(account.pk):
        rows = [*Cart.objects.all(), *Wms.objects.all()]
        return {str(row.credentials["url"].reveal()) for row in rows if "url" in row.credentials}


def test_it_follows_the_simulator_and_no_other_connection_does(capsys: Any) -> None:
    run({"port": 8100})
    account = Account.objects.get(name="Northquay Fulfillment")
    assert {url.split("/")[2] for url in urls(account)} == {"127.0.0.1:8100"}
    run({"port": 8200})
    assert {url.split("/")[2] for url in urls(account)} == {"127.0.0.1:8200"}
    with tenancy.activate(account.pk):
        assert Channel.objects.get().credentials["url"].reveal() == demo_office.address(8200)
    assert Account.objects.count() == 1

    other = desks.build("Elsewhere", orders=0).account
    with tenancy.activate(other.pk):
        Membership.objects.create(user=User.objects.get(email=settings.DEMO_EMAIL), role="admin")
        wms = Wms.objects.get()
        wms.credentials = {"url": "https://wms.example/"}
        wms.save()
    run({"port": 8300})
    assert {url.split("/")[2] for url in urls(account)} == {"127.0.0.1:8300"}
    assert "https://wms.example/" in urls(other), "a real one stays where it is"

    with tenancy.everyone("a test"):
        Membership.objects.filter(user__email=settings.DEMO_EMAIL).delete()
    run({"port": 8400})
    assert {url.split("/")[2] for url in urls(account)} == {"127.0.0.1:8300"}, (
        "they have left it; it starts all the same"
    )


def test_it_has_a_bit_of_everything_to_play_with() -> None:
    """Every kind of shop, and every rule in one of its shops: each page has something to show."""
    run({"port": 8100})
    account = Account.objects.get(name="Northquay Fulfillment")
    with tenancy.activate(account.pk):
        carts = list(Cart.objects.all())
        assert {cart.system for cart in carts} == {"sandbox_shop", "woocommerce", "shopify", "csv_cart"}
        for rule in ("reject_unmapped", "item_filter", "order_filters", "hold_rules", "country_rule", "delay_minutes",
                     "verify_addresses", "stock_buffer", "stock_alias", "stock_minimum", "stock_warehouse",
                     "sync_products", "list_products", "sync_purchases", "translate_items"):  # fmt: skip
            assert any(getattr(cart, rule) for cart in carts), rule
        assert any(cart.stock_percent < 100 for cart in carts)
        assert any(merchant.country_rule for merchant in Merchant.objects.all())
        assert Warehouse.objects.filter(enabled=False).exists()
        scanned = next(cart for cart in carts if cart.stock_alias)
        told = ProductAlias.objects.filter(merchant=scanned.merchant, kind=scanned.stock_alias)
        assert set(Kit.objects.filter(merchant=scanned.merchant).values_list("sku", flat=True)) <= set(
            told.values_list("product__sku", flat=True)
        ), "its kit is told too"
        rows = (CartShipMethod, CarrierCode, ItemFilter, Kit, Product, ProductAlias, WmsShipMethod, SavedView,
                ErrorEmail, Adjustment, Channel)  # fmt: skip
        assert [model.__name__ for model in rows if not model.objects.exists()] == []
        assert Merchant.objects.filter(managed_inventory=True).exists()
        assert any(cart.list_products and cart.merchant.list_products for cart in carts), "both switches"
        off = Schedule.objects.filter(every=0)
        assert not off.exists(), "every service is on"
        shop = next(cart for cart in carts if cart.translate_items)
        assert all(cart.translate_items for cart in carts if cart.merchant_id == shop.merchant_id), (
            "sent to the WMS as they are, codes would become products there, and be two things"
        )
        for code, (sku, _) in demo_rules.CODED.items():
            alias = ProductAlias.objects.select_related("product").get(merchant=shop.merchant, value=code)
            assert alias.product.sku == sku, "the shop has another code for it than the WMS"


def test_alerts_go_to_the_demos_own_office_which_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a real request, signed; what is not signed by its secret is refused, and a repetition is one."""
    monkeypatch.setattr(base, "guard", lambda: Guard(["127.0.0.1"]))
    office = served(["demo"])[demo_office.NAME]
    server = Server({demo_office.NAME: office})
    server.start()
    try:
        address, now = demo_office.address(server.port), clock.now()
        for key in ("one", "two", "two"):
            Webhook().send(address, demo_office.SECRET, key, {"id": key}, now)
        with pytest.raises(AuthFailed):
            Webhook().send(address, new_secret(), "three", {"id": "three"}, now)
        shown = requests.get(address, timeout=10).json()
    finally:
        server.stop()
    assert [one["id"] for one in shown] == ["two", "one"]
