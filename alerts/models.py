"""What needs attention: one row per cause."""

from django.db import models

from integration_manager.ids import public_id
from integration_manager.tenancy import TenantKey, TenantModel


class Alert(TenantModel):
    """One cause of trouble. It resolves itself when the cause is gone, and opens again when it recurs."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, null=True, blank=True, related_name="+")
    cart = TenantKey("carts.Cart", models.CASCADE, null=True, blank=True, related_name="+")
    order_id = models.BigIntegerField(null=True, blank=True)  # where the cause is one order
    kind = models.CharField(max_length=40)  # see alerts/kinds.py
    key = models.CharField(max_length=200)  # the cause within its kind
    message = models.TextField()  # what is wrong, in plain words
    fix = models.TextField(blank=True)  # what to do
    said = models.TextField(blank=True)  # the other system's own words
    count = models.PositiveIntegerField(default=1)  # how many times, or records, since it opened
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "kind", "key"], name="one_alert_per_cause")]
        indexes = [
            models.Index(
                fields=["account", "-last_seen"],
                name="alerts_active",
                condition=models.Q(resolved_at__isnull=True, dismissed_at__isnull=True),
            ),
            models.Index(fields=["account", "-last_seen"], name="alerts_by_time"),
        ]

    @property
    def active(self) -> bool:
        """Neither resolved nor dismissed."""
        return self.resolved_at is None and self.dismissed_at is None
