"""What needs attention: one row per cause; and who is told of it, how often. Channels: alerts/channel_models.py."""

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Mail, User
from alerts import kinds
from alerts.kinds import Kind
from integration_manager.ids import public_id
from integration_manager.tenancy import TenantKey, TenantModel

COUNTED = 99  # active alerts; of more it is only said that they are


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
    news_at = models.DateTimeField(null=True, blank=True)  # people are to be told, and it is not planned yet

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "kind", "key"], name="one_alert_per_cause")]
        indexes = [
            models.Index(fields=["account"], name="alerts_news", condition=models.Q(news_at__isnull=False)),
            models.Index(
                fields=["account", "-last_seen"],
                name="alerts_active",
                condition=models.Q(resolved_at__isnull=True, dismissed_at__isnull=True),
            ),
            models.Index(fields=["account", "-last_seen"], name="alerts_by_time"),
        ]

    @classmethod
    def active_number(cls) -> models.Func:
        """How many are active, as far as they are counted: to be had along with a row that is asked for anyway."""
        active = cls.objects.filter(resolved_at=None, dismissed_at=None).values("pk")[: COUNTED + 1]
        return models.Func(ArraySubquery(active), function="cardinality", output_field=models.IntegerField())

    @property
    def active(self) -> bool:
        """Neither resolved nor dismissed."""
        return self.resolved_at is None and self.dismissed_at is None

    @property
    def known(self) -> Kind:
        """What is known of its kind."""
        return kinds.of(self.kind)


class ErrorContact(TenantModel):
    """That a user is alerted, or is not, where that differs from the rule (alerts/contacts.py)."""

    merchant_field = "merchant_id"

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    merchant = TenantKey("merchants.Merchant", models.CASCADE, null=True, blank=True, related_name="+")  # null: all
    alerted = models.BooleanField()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "merchant", "user"], name="one_contact", nulls_distinct=False)
        ]


class ErrorEmail(TenantModel):
    """An address without a user that is told of one merchant's alerts, or of all: at most every half hour."""

    merchant_field = "merchant_id"

    merchant = TenantKey("merchants.Merchant", models.CASCADE, null=True, blank=True, related_name="+")  # null: all
    address = models.EmailField()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "merchant", "address"], name="one_error_email", nulls_distinct=False
            )
        ]


class Preference(TenantModel):
    """How often a user wants mail about this account's alerts. Without a row: hourly."""

    class Frequency(models.TextChoices):
        NEVER = "never", "Never"
        IMMEDIATELY = "immediately", "Immediately"
        HALF_HOURLY = "30min", "Every 30 minutes"
        HOURLY = "hourly", "Every hour"
        FOUR_HOURLY = "4h", "Every 4 hours"
        DAILY = "daily", "Once a day"

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    frequency = models.CharField(max_length=11, choices=Frequency, default=Frequency.HOURLY)
    at_hour = models.PositiveSmallIntegerField(default=8)  # with Once a day; the user's time

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="one_preference")]


class Silenced(TenantModel):
    """An address that gets no mail about this account's alerts: its server refuses it, or the person said stop.

    Both may be so: then there are two rows, and each ends by itself.
    """

    class Why(models.TextChoices):
        REFUSED = "refused", "Refused by the mail server"
        STOPPED = "stopped", "Unsubscribed"

    address = models.EmailField()  # lower case
    why = models.CharField(max_length=7, choices=Why)
    said = models.CharField(max_length=200, blank=True, default="")  # the mail server's own words
    at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "address", "why"], name="silenced_once")]


class AlertMail(TenantModel):
    """One mail about alerts: one row per person and slot, written before it is sent (alerts/planning.py).

    What it says is written when it is sent, so that nothing is said of what has resolved itself meanwhile.
    """

    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="+")
    address = models.EmailField(blank=True, default="")  # of somebody without a user
    slot = models.DateTimeField()
    at_once = models.BooleanField(default=False)
    news = ArrayField(models.BigIntegerField())  # ids of the alerts that it is written for
    # No constraint: mails, which are nobody's, are deleted without asking any tenant.
    mail = models.ForeignKey(Mail, models.DO_NOTHING, null=True, db_constraint=False, related_name="+")

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "user", "address", "slot"], name="one_alert_mail_per_slot", nulls_distinct=False
            )
        ]


class Watch(TenantModel):
    """From when on orders that do not move are told of (orders/watch.py). Without a row: the defaults. 0: off."""

    ready_hours = models.PositiveSmallIntegerField(default=2)
    at_wms_days = models.PositiveSmallIntegerField(default=3)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account"], name="one_watch")]


from alerts.channel_models import Channel as Channel  # noqa: E402  (Django looks for models here)
from alerts.channel_models import Post as Post  # noqa: E402  (the same)
