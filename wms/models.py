"""Where to: the one destination of an account."""

from django.db import models

from integration_manager.crypto import EncryptedJSON
from integration_manager.kit import clock
from integration_manager.tenancy import TenantModel


class Wms(TenantModel):
    """The account's warehouse or order management system. Merchant-level values are on Merchant."""

    system = models.CharField(max_length=40)  # a connector's key
    credentials = EncryptedJSON()
    options = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account"], name="one_wms_per_account")]
