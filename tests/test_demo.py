"""The demo account: made once, and at home again when the simulator has moved, whatever people did meanwhile."""

from typing import Any

import pytest
from django.conf import settings

from accounts.models import Account, Membership, User
from alerts.models import ErrorEmail
from carts.models import Cart, CartShipMethod, ItemFilter
from integration_manager import tenancy
from integration_manager.im.demo import run
from merchants.models import Adjustment, CarrierCode, Kit, Merchant, Product, ProductAlias, Schedule
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
                     "verify_addresses", "stock_buffer", "sync_products"):  # fmt: skip
            assert any(getattr(cart, rule) for cart in carts), rule
        rows = (CartShipMethod, CarrierCode, ItemFilter, Kit, Product, ProductAlias, WmsShipMethod, SavedView,
                ErrorEmail, Adjustment)  # fmt: skip
        assert [model.__name__ for model in rows if not model.objects.exists()] == []
        assert Merchant.objects.filter(managed_inventory=True).exists()
        off = Schedule.objects.filter(every=0)
        assert not off.exists(), "every service is on"
