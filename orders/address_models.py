"""Look-ups of addresses: what was answered, and how many there were. No order stands here, only addresses."""

from django.db import models

from integration_manager.kit import clock
from integration_manager.tenancy import TenantModel


class AddressAnswer(TenantModel):
    """What a provider says of an address. Each is asked about once; who asks holds it by a lease meanwhile."""

    key = models.CharField(max_length=64)  # SHA-256 of provider and address, as orders/addresses.py makes it
    domestic = models.BooleanField()  # counted as one of the United States
    answer = models.JSONField(null=True)  # null: nobody has answered yet
    answered_at = models.DateTimeField(null=True)
    unasked = models.BooleanField(default=False, db_default=False)  # nobody could be asked: the built-in rules decide
    created_at = models.DateTimeField(default=clock.now)
    failures = models.PositiveIntegerField(default=0, db_default=0)
    retry_at = models.DateTimeField(null=True)  # not before, after a failure
    token = models.BigIntegerField(default=0, db_default=0)
    lease_until = models.DateTimeField(null=True)  # PostgreSQL's clock: somebody is asking

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="address_asked_once")]


class LookupCount(TenantModel):
    """Look-ups that were answered in one billing period of an account."""

    begins_on = models.DateField()  # the period's first day
    us = models.PositiveIntegerField(default=0)
    international = models.PositiveIntegerField(default=0)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "begins_on"], name="one_lookup_count")]
