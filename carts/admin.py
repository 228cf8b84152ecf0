"""Carts on the operators' site (integration_manager/operators.py)."""

from django.contrib import admin

from carts.models import (
    Access,
    Attempt,
    Cart,
    CartActivation,
    CartShipMethod,
    CartStock,
    DryRun,
    ItemFilter,
    SetupLink,
    Webhook,
    WebhookDelivery,
)
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


@admin.register(WebhookDelivery, site=site)
class WebhookDeliveryAdmin(OperatorAdmin):
    """What came there lately."""

    plural = "webhook deliveries"
    list_display = ("received_at", "cart", "account", "topic", "delivery_id", "verified")
    list_filter = ("verified",)
    list_select_related = ("cart", "account")
    search_fields = ("=cart__public_id", "=delivery_id")
    fields = ("received_at", "cart", "account", "topic", "delivery_id", "verified")


@admin.register(SetupLink, site=site)
class SetupLinkAdmin(OperatorAdmin):
    """Links by which merchants give credentials. An entry under “Revoked at” ends one."""

    list_display = ("email", "system", "merchant", "account", "created_by", "created_at", "used_at", "revoked_at")
    list_filter = ("system", ("used_at", admin.EmptyFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("merchant", "account")
    search_fields = ("=public_id", "=email", "=created_by", "account__name")
    fields = (
        "public_id", "account", "merchant", "cart", "system", "name", "email", "created_by", "created_at",
        "expires_at", "used_at", "revoked_at",
    )  # fmt: skip
    editable = ("revoked_at",)


@admin.register(Access, site=site)
class AccessAdmin(OperatorAdmin):
    """What people granted us by consent. One without a cart is of a setup that was not finished."""

    plural = "accesses"
    list_display = ("system", "shop", "cart", "merchant", "account", "granted_by", "created_at")
    list_filter = ("system",)
    list_select_related = ("cart", "merchant", "account")
    search_fields = ("=public_id", "shop", "=granted_by", "account__name")
    fields = (
        "public_id", "account", "merchant", "cart", "system", "shop", masked("address"), masked("token"),
        "held_until", "granted_by", "created_at",
    )  # fmt: skip


@admin.register(Attempt, site=site)
class AttemptAdmin(OperatorAdmin):
    """Who was on the way to a consent page."""

    list_display = ("created_at", "system", "merchant", "account", "user", "expires_at", "used_at")
    list_filter = ("system", ("used_at", admin.EmptyFieldListFilter))
    list_select_related = ("merchant", "account", "user")
    search_fields = ("=user__email", "account__name")
    fields = (
        "account", "merchant", "cart", "system", "user", "link", masked("secrets"), "created_at", "expires_at",
        "used_at",
    )  # fmt: skip


@admin.register(DryRun, site=site)
class DryRunAdmin(OperatorAdmin):
    """What first downloads would bring, found out before."""

    list_display = ("started_at", "cart", "account", "state", "failures", "finished_at", "problem")
    list_filter = ("state",)
    list_select_related = ("cart", "account")
    search_fields = ("=public_id", "=cart__public_id", "account__name")
    fields = (
        "public_id", "account", "cart", "state", "earliest", "started_by", "started_at", "finished_at", "failures",
        "problem", "cursor", "lease_until",
    )  # fmt: skip


@admin.register(CartStock, site=site)
class CartStockAdmin(OperatorAdmin):
    """The levels that carts were told last."""

    plural = "cart stock"
    list_display = ("sku", "cart", "account", "quantity", "sent_at", "failures", "error")
    list_filter = (("error", admin.EmptyFieldListFilter),)
    list_select_related = ("cart", "account")
    search_fields = ("=sku", "=cart__public_id")
    fields = ("sku", "account", "cart", "quantity", "sent_at", "error", "failures", "failed_at", "first_failed_at")


@admin.register(CartShipMethod, site=site)
class CartShipMethodAdmin(OperatorAdmin):
    """What a cart's ship methods are at the WMS."""

    list_display = ("code", "match", "wms_code", "cart", "account", "by_hand", "created_at")
    list_filter = ("match", "by_hand")
    list_select_related = ("account", "cart")
    search_fields = ("=code", "=wms_code")
    fields = ("code", "match", "wms_code", "cart", "account", "by_hand", "created_at")


@admin.register(ItemFilter, site=site)
class ItemFilterAdmin(OperatorAdmin):
    """Items that carts' filters list."""

    list_display = ("item", "cart", "account", "created_at")
    list_select_related = ("account", "cart")
    search_fields = ("=item",)
    fields = ("item", "cart", "account", "created_at")
