"""What a WMS calls its carriers, and what the carts of a merchant are told instead."""

from django.db import models

from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class CarrierCode(TenantModel):
    """A carrier as confirmations name it. `scac` "": passed through as it is."""

    merchant_field = "merchant_id"

    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="+", db_index=False)
    code = models.CharField(max_length=60)
    key = models.CharField(max_length=60)  # as it is compared: merchants/rules/methods.py
    scac = models.CharField(max_length=20, blank=True)
    by_hand = models.BooleanField(default=False)  # added ahead; no confirmation has brought it
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "merchant", "key"], name="carrier_code_once")]

    def __str__(self) -> str:
        return self.code
