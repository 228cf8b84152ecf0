"""Where alerts go besides mail: Slack, Teams, a program of the customer's; and what leaves for there."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integration_manager.crypto import EncryptedJSON
from integration_manager.ids import public_id
from integration_manager.tenancy import TenantKey, TenantModel


class Channel(TenantModel):
    """One address that alerts are posted to. How a kind of channel says it: alerts/channels/."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    kind = models.CharField(max_length=10)  # alerts/channels/
    name = models.CharField(max_length=60)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, null=True, blank=True, related_name="+")  # null: all
    topics = ArrayField(models.CharField(max_length=10))  # of alerts.kinds.Acts
    credentials = EncryptedJSON()  # url; secret, of those that sign
    created_at = models.DateTimeField()
    off_at = models.DateTimeField(null=True, blank=True)  # by a person, or since nothing had arrived for days
    # How the latest posts went.
    sent_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True, default="")

    def __str__(self) -> str:
        return self.name


class Post(TenantModel):
    """One alert on its way to a channel: the row is written with the plan, and sent until it has arrived."""

    channel = TenantKey(Channel, models.CASCADE, related_name="+")
    key = models.CharField(max_length=12, unique=True, default=public_id, editable=False)  # the event, in every try
    alert_id = models.BigIntegerField()
    news_at = models.DateTimeField()  # of the alert: it may open again later
    created_at = models.DateTimeField()
    retry_at = models.DateTimeField(null=True, blank=True)  # null: nothing more to do
    tries = models.PositiveSmallIntegerField(default=0)  # also the token of who sends it
    lease_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "channel", "alert_id", "news_at"], name="post_once")]
        indexes = [models.Index(fields=["retry_at"], condition=models.Q(retry_at__isnull=False), name="post_due")]
