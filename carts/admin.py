"""Carts on the operators' site (integration_manager/operators.py)."""

from django.contrib import admin

from carts.models import Cart, CartActivation, Webhook
from integration_manager.operators import OperatorAdmin, masked, site


@admin.register(Cart, site=site)
class CartAdmin(OperatorAdmin):
    """Connections to order sources."""

    list_display = ("name", "system", "shop", "merchant", "account", "created_at", "archived_at")
    list_filter = ("system", ("archived_at", admin.EmptyFieldListFilter))
    list_select_related = ("account", "merchant")
    search_fields = ("name", "=public_id", "shop", "account__name")
    fields = (
        "name", "public_id", "system", "shop", "account", "merchant", "order_source", "number",
        masked("credentials"), "options", "earliest_order_date", "cancel_upload", "created_at", "archived_at",
    )  # fmt: skip


@admin.register(CartActivation, site=site)
class CartActivationAdmin(OperatorAdmin):
    """When carts were on: what bills are made of, so nobody changes it."""

    list_display = ("cart", "account", "on_at", "off_at")
    list_select_related = ("cart", "account")
    search_fields = ("=cart__public_id", "account__name")
    fields = ("cart", "account", "on_at", "off_at")


@admin.register(Webhook, site=site)
class WebhookAdmin(OperatorAdmin):
    """Addresses that shops call."""

    list_display = ("cart", "account", "created_at", "registered_at", "received_at", "refused")
    list_select_related = ("cart", "account")
    search_fields = ("=cart__public_id", "account__name")
    fields = ("cart", "account", masked("secrets"), "created_at", "registered_at", "received_at", "refused")
