"""Kits of a merchant: what a shop sells as one item and the WMS packs as several."""

from django.db import models

from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class Kit(TenantModel):
    """One kit. `sku` is what carts call it, after their codes are translated; unique within the merchant."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="kits", db_index=False)
    sku = models.CharField(max_length=100, db_collation="C")
    sku_key = models.CharField(max_length=100, db_collation="C")  # folded, for the search
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "merchant", "sku"], name="kit_sku")]
        indexes = [models.Index(fields=["account", "merchant", "sku_key"], name="kit_search")]

    def __str__(self) -> str:
        return self.sku


class KitPart(TenantModel):
    """One component of a kit: a SKU of the WMS, never a kit itself, and how many are in each kit."""

    merchant_field = "kit__merchant_id"

    kit = TenantKey(Kit, models.CASCADE, related_name="parts", db_index=False)
    position = models.PositiveIntegerField()
    sku = models.CharField(max_length=100, db_collation="C")
    sku_key = models.CharField(max_length=100, db_collation="C")
    quantity = models.PositiveIntegerField()

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "kit", "sku"], name="kit_part_once")]
        indexes = [models.Index(fields=["account", "sku_key"], name="kit_part_search")]

    def __str__(self) -> str:
        return self.sku
