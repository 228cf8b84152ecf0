"""Merchants on the operators' site (integration_manager/operators.py)."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from integration_manager.kit import clock
from integration_manager.operators import OperatorAdmin, masked, site
from merchants.models import (
    Adjustment,
    CarrierCode,
    FileFormat,
    Kit,
    Merchant,
    Product,
    ProductAlias,
    ReadFile,
    Schedule,
    StockLevel,
    StoredFile,
    Warehouse,
)
from orders import managed


@admin.register(Merchant, site=site)
class MerchantAdmin(OperatorAdmin):
    """Sellers."""

    list_display = ("name", "code", "account", "public_id", "created_at", "archived_at")
    list_filter = (("archived_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "=code", "=public_id", "account__name")
    editable = ("managed_inventory",)
    fields = (
        "name", "code", "account", "public_id", "managed_inventory", masked("wms_values"), "created_at", "archived_at",
    )  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Merchant, form: Any, change: bool) -> None:
        """Managed Inventory begins and ends with levels that mean something."""
        super().save_model(request, obj, form, change)
        if "managed_inventory" in form.changed_data:
            managed.switched(obj, clock.now())


@admin.register(Schedule, site=site)
class ScheduleAdmin(OperatorAdmin):
    """When services run, and how the last run went."""

    list_display = ("account", "merchant", "cart", "service", "every", "next_run", "paused", "failures", "problem")
    list_filter = ("service", "paused")
    list_select_related = ("account", "merchant", "cart")
    search_fields = ("account__name", "merchant__name", "=cart__public_id")
    fields = (
        "account", "merchant", "cart", "service", "every", "automatic", "at_hour", "next_run", "woken_at", "paused",
        "lease_until", "started_at", "finished_at", "succeeded_at", "failures", "result", "problem", "cursor",
    )  # fmt: skip


@admin.register(Warehouse, site=site)
class WarehouseAdmin(OperatorAdmin):
    """Warehouses of merchants."""

    list_display = ("name", "wms_name", "merchant", "account", "is_default", "enabled")
    list_select_related = ("account", "merchant")
    search_fields = ("name", "merchant__name")
    fields = ("name", "wms_name", "merchant", "account", "is_default", "enabled", "address")


@admin.register(Product, site=site)
class ProductAdmin(OperatorAdmin):
    """Products of merchants."""

    list_display = ("sku", "name", "merchant", "account", "origin", "created_at")
    list_select_related = ("account", "merchant")
    search_fields = ("=sku", "=public_id")
    fields = ("sku", "name", "public_id", "merchant", "account", "origin", "created_at")


@admin.register(StockLevel, site=site)
class StockLevelAdmin(OperatorAdmin):
    """What the WMS says is there."""

    list_display = ("sku", "merchant", "warehouse", "available", "on_hand", "at")
    list_select_related = ("merchant", "warehouse")
    search_fields = ("=sku", "=merchant__public_id")
    fields = ("sku", "account", "merchant", "warehouse", "available", "on_hand", "at", "changed_at")


@admin.register(FileFormat, site=site)
class FileFormatAdmin(OperatorAdmin):
    """Mapped file formats."""

    list_display = ("name", "kind", "direction", "account", "merchant", "changed_at")
    list_filter = ("kind", "direction")
    list_select_related = ("account", "merchant")
    search_fields = ("name", "account__name")
    fields = ("name", "public_id", "kind", "direction", "account", "merchant", "created_at", "changed_at")


@admin.register(StoredFile, site=site)
class StoredFileAdmin(OperatorAdmin):
    """Files kept here: their names and fates, not their content."""

    list_display = ("title", "directory", "account", "size", "modified_at", "loaded_at")
    search_fields = ("=public_id", "title", "=sha256")
    fields = ("title", "name", "directory", "account", "merchant", "cart", "size", "sha256", "modified_at", "loaded_at")


@admin.register(ReadFile, site=site)
class ReadFileAdmin(OperatorAdmin):
    """Files that came in, and what was made of them."""

    list_display = ("name", "kind", "account", "merchant", "cart", "read_at", "rows", "refused", "same", "taken_at")
    list_filter = ("kind", "same", "by_hand")
    list_select_related = ("account", "merchant", "cart")
    search_fields = ("=name", "=sha256", "=cart__public_id")
    fields = (
        "name", "kind", "account", "merchant", "cart", "size", "sha256", "modified_at", "read_at", "rows", "refused",
        "left_out", "same", "by_hand", "taken_at",
    )  # fmt: skip


@admin.register(ProductAlias, site=site)
class ProductAliasAdmin(OperatorAdmin):
    """Other codes of products."""

    list_display = ("value", "kind", "product", "merchant", "account", "created_at")
    list_select_related = ("account", "merchant", "product")
    search_fields = ("=value", "=public_id")
    fields = ("value", "kind", "public_id", "product", "merchant", "account", "created_at")


@admin.register(Kit, site=site)
class KitAdmin(OperatorAdmin):
    """What shops sell as one item and the WMS packs as several."""

    list_display = ("sku", "merchant", "account", "created_at")
    list_select_related = ("account", "merchant")
    search_fields = ("=sku", "=public_id")
    fields = ("sku", "public_id", "merchant", "account", "created_at")


@admin.register(CarrierCode, site=site)
class CarrierCodeAdmin(OperatorAdmin):
    """Carriers of the WMS and what carts are told instead (SCAC Mapping)."""

    list_display = ("code", "scac", "merchant", "account", "by_hand", "created_at")
    list_filter = ("by_hand",)
    list_select_related = ("account", "merchant")
    search_fields = ("=code", "=scac")
    fields = ("code", "scac", "merchant", "account", "by_hand", "created_at")


@admin.register(Adjustment, site=site)
class AdjustmentAdmin(OperatorAdmin):
    """The log of stock that is kept here."""

    list_display = ("sku", "before", "after", "reason", "warehouse", "merchant", "account", "actor", "at")
    list_select_related = ("account", "merchant", "warehouse")
    search_fields = ("=sku",)
    fields = ("sku", "before", "after", "reason", "order_number", "warehouse", "merchant", "account", "actor", "at")
