"""Where to: the one destination of an account, those it had before, and the ship codes it knows."""

from django.db import models

from integration_manager.crypto import EncryptedJSON
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class Wms(TenantModel):
    """A warehouse or order management system of an account. Merchant-level values are on Merchant.

    One is the account's now. One that was replaced stays, archived, with its settings, so that one can
    go back to it; orders name the one that they were sent to (`Order.wms_id`).
    """

    system = models.CharField(max_length=40)  # a connector's key
    credentials = EncryptedJSON()
    options = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    archived_at = models.DateTimeField(null=True, blank=True)  # another one has taken its place

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account"], name="one_wms_per_account", condition=models.Q(archived_at__isnull=True)
            ),
            models.UniqueConstraint(fields=["account", "system"], name="one_row_per_system"),
        ]

    @classmethod
    def current(cls) -> "Wms | None":
        """The active account's WMS; None where none is chosen."""
        found: Wms | None = cls.objects.filter(archived_at__isnull=True).first()
        return found


class WmsShipMethod(TenantModel):
    """A shipping method of a WMS: what orders may ask it for."""

    class Source(models.TextChoices):
        WMS = "wms", "The WMS"
        PERSON = "person", "By hand"

    wms = TenantKey(Wms, models.CASCADE, related_name="ship_methods", db_index=False)
    code = models.CharField(max_length=100)
    description = models.CharField(max_length=200, blank=True)
    carrier = models.CharField(max_length=60, blank=True)
    active = models.BooleanField(default=True)  # False: the WMS no longer lists it
    source = models.CharField(max_length=6, choices=Source, default=Source.PERSON)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "wms", "code"], name="one_ship_method")]

    def __str__(self) -> str:
        return self.code
