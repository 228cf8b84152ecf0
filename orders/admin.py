"""Orders on the operators' site (integration_manager/operators.py): only to look at, since only
orders.states moves an order, and without what is personal: for that the account is opened, on record."""

from django.contrib import admin

from integration_manager.operators import OperatorAdmin, site
from orders.models import (
    BulkAction,
    CartListing,
    CartProduct,
    Effect,
    LookupCount,
    Order,
    OutFile,
    PurchaseOrder,
    Run,
    Shipment,
    SkippedOrder,
)


@admin.register(Order, site=site)
class OrderAdmin(OperatorAdmin):
    """Where orders stand. Searched by whole numbers: that is quick among millions."""

    list_display = ("cust_po_no", "status", "account", "merchant", "cart", "wms_ref", "retry_at", "created_at")
    list_filter = ("status",)
    list_select_related = ("account", "merchant", "cart")
    search_fields = ("=public_id", "=cust_ref", "=cust_po_no", "=wms_ref", "=wms_key")
    fields = (
        "public_id", "account", "merchant", "cart", "cust_ref", "cust_po_no", "revision", "wms_ref", "wms_key",
        "status", "held_by", "cancel_requested_at", "error_code", "error_message", "cause", "retry_at", "token",
        "lease_until", "starts", "failures", "unknown_rounds", "order_date", "lines", "qty_total", "qty_shipped",
        "created_at", "updated_at", "delivered_at", "shipped_at", "confirmed_at", "canceled_at",
    )  # fmt: skip


@admin.register(Shipment, site=site)
class ShipmentAdmin(OperatorAdmin):
    """Parcels, and whether the cart knows of them."""

    list_display = ("key", "carrier", "account", "merchant", "cart", "created_at", "uploaded_at", "error_code")
    list_select_related = ("account", "merchant", "cart")
    search_fields = ("=key", "=tracking_no")
    fields = (
        "key", "account", "merchant", "cart", "order", "tracking_no", "carrier", "method", "shipped_at", "created_at",
        "voided_at", "uploaded_at", "parked_at", "remote_id", "retry_at", "lease_until", "starts", "failures",
        "error_code", "error_message", "cause",
    )  # fmt: skip


@admin.register(SkippedOrder, site=site)
class SkippedOrderAdmin(OperatorAdmin):
    """What was knowingly not loaded."""

    list_display = ("number", "reason", "account", "merchant", "cart", "seen_at")
    list_filter = ("reason",)
    list_select_related = ("account", "merchant", "cart")
    search_fields = ("=number", "=key")
    fields = ("number", "key", "reason", "message", "account", "merchant", "cart", "order_date", "seen_at")


@admin.register(Effect, site=site)
class EffectAdmin(OperatorAdmin):
    """Cancellations, refunds and the like, on their way."""

    list_display = ("kind", "state", "account", "order", "actor", "created_at", "done_at", "failures")
    list_filter = ("kind", "state")
    list_select_related = ("account", "order")
    search_fields = ("=key", "=order__public_id")
    fields = (
        "kind", "key", "state", "account", "merchant", "order", "actor", "remote_id", "created_at", "retry_at",
        "lease_until", "starts", "failures", "error_message", "done_at",
    )  # fmt: skip


@admin.register(OutFile, site=site)
class OutFileAdmin(OperatorAdmin):
    """Files on their way out: names and phases, not their content."""

    list_display = ("name", "kind", "phase", "account", "merchant", "created_at", "done_at", "failures")
    list_filter = ("kind", "phase")
    list_select_related = ("account", "merchant")
    search_fields = ("=name",)
    fields = (
        "name", "temporary", "kind", "phase", "account", "merchant", "cart",
        "lease_until", "failures", "created_at", "done_at",
    )  # fmt: skip


@admin.register(Run, site=site)
class RunAdmin(OperatorAdmin):
    """How services went."""

    list_display = ("started_at", "service", "outcome", "account", "seconds", "calls", "code", "problem")
    list_filter = ("service", "outcome")
    search_fields = ("=account__public_id", "=code")
    fields = (
        "started_at", "service", "outcome", "account", "merchant_id", "cart_id", "schedule_id",
        "seconds", "counts", "calls", "waited", "code", "problem",
    )  # fmt: skip


@admin.register(PurchaseOrder, site=site)
class PurchaseOrderAdmin(OperatorAdmin):
    """Where purchase orders stand."""

    list_display = ("number", "state", "account", "merchant", "cart", "ref", "expected_on", "retry_at", "created_at")
    list_filter = ("state",)
    list_select_related = ("account", "merchant", "cart")
    search_fields = ("=public_id", "=number", "=ref", "=wms_key")
    fields = (
        "number", "public_id", "state", "account", "merchant", "cart", "key", "ref", "wms_key", "supplier",
        "expected_on", "created_at", "modified_at", "sent_at", "received_at", "told_at", "retry_at", "token",
        "lease_until", "starts", "failures", "error_code", "error_message", "tell_at", "tell_failures", "tell_error",
    )  # fmt: skip


@admin.register(CartProduct, site=site)
class CartProductAdmin(OperatorAdmin):
    """Products of carts on their way to the WMS."""

    list_display = ("sku", "state", "account", "merchant", "cart", "sent_at", "retry_at", "error_code")
    list_filter = ("state",)
    list_select_related = ("account", "merchant", "cart")
    search_fields = ("=public_id", "=sku", "=key")
    fields = (
        "sku", "public_id", "key", "state", "account", "merchant", "cart", "wms_key", "created_at", "modified_at",
        "sent_at", "retry_at", "token", "lease_until", "starts", "failures", "error_code", "error_message",
    )  # fmt: skip


@admin.register(CartListing, site=site)
class CartListingAdmin(OperatorAdmin):
    """Products of the WMS on their way to carts."""

    list_display = ("code", "state", "account", "merchant", "cart", "sent_at", "retry_at", "error_code")
    list_filter = ("state",)
    list_select_related = ("account", "merchant", "cart")
    search_fields = ("=code", "=sku", "=cart_key")
    fields = (
        "code", "sku", "state", "account", "merchant", "cart", "cart_key", "found", "created_at", "sent_at",
        "retry_at", "token", "lease_until", "starts", "failures", "error_code", "error_message",
    )  # fmt: skip


@admin.register(BulkAction, site=site)
class BulkActionAdmin(OperatorAdmin):
    """Actions on many orders, and how far they are."""

    list_display = ("action", "state", "account", "actor", "total", "done", "refused", "created_at", "finished_at")
    list_filter = ("action", "state")
    list_select_related = ("account",)
    search_fields = ("=public_id",)
    fields = (
        "action", "public_id", "state", "account", "actor", "total", "done", "refused", "problem",
        "created_at", "finished_at", "token", "lease_until",
    )  # fmt: skip


@admin.register(LookupCount, site=site)
class LookupCountAdmin(OperatorAdmin):
    """How many addresses were looked up in an account's periods."""

    list_display = ("account", "begins_on", "us", "international")
    list_select_related = ("account",)
    search_fields = ("account__name",)
    fields = ("account", "begins_on", "us", "international")
