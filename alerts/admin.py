"""Alerts on the operators' site (integration_manager/operators.py)."""

from django.contrib import admin

from alerts.models import Alert, AlertMail, Channel, ErrorContact, ErrorEmail, Post, Preference, Silenced, Watch
from integration_manager.operators import OperatorAdmin, site


@admin.register(Alert, site=site)
class AlertAdmin(OperatorAdmin):
    """Causes of trouble in all accounts."""

    list_display = ("kind", "account", "merchant", "count", "first_seen", "last_seen", "resolved_at", "dismissed_at")
    list_filter = ("kind", ("resolved_at", admin.EmptyFieldListFilter), ("dismissed_at", admin.EmptyFieldListFilter))
    list_select_related = ("account", "merchant")
    search_fields = ("=public_id", "=kind", "account__name")
    fields = (
        "public_id", "kind", "key", "account", "merchant", "cart", "message", "fix", "count",
        "first_seen", "last_seen", "resolved_at", "dismissed_at",
    )  # fmt: skip


@admin.register(ErrorContact, site=site)
class ErrorContactAdmin(OperatorAdmin):
    """Where somebody is told of alerts, or not, otherwise than by the rule."""

    list_display = ("user", "account", "merchant", "alerted")
    list_filter = ("alerted",)
    list_select_related = ("user", "account", "merchant")
    search_fields = ("=user__email", "account__name")
    fields = ("user", "account", "merchant", "alerted")


@admin.register(ErrorEmail, site=site)
class ErrorEmailAdmin(OperatorAdmin):
    """Addresses without a user. Delete one that complains of our mail."""

    list_display = ("address", "account", "merchant")
    list_select_related = ("account", "merchant")
    search_fields = ("=address", "account__name")
    fields = ("address", "account", "merchant")
    deletable = True


@admin.register(Preference, site=site)
class PreferenceAdmin(OperatorAdmin):
    """How often people want mail about alerts."""

    list_display = ("user", "account", "frequency", "at_hour")
    list_filter = ("frequency",)
    list_select_related = ("user", "account")
    search_fields = ("=user__email", "account__name")
    fields = ("user", "account", "frequency", "at_hour")


@admin.register(Silenced, site=site)
class SilencedAdmin(OperatorAdmin):
    """Addresses that get no mails about alerts. Deleting a row has the address tried again."""

    plural = "silenced"
    list_display = ("address", "account", "why", "said", "at")
    list_filter = ("why",)
    list_select_related = ("account",)
    search_fields = ("=address", "account__name")
    fields = ("address", "account", "why", "said", "at")
    deletable = True


@admin.register(AlertMail, site=site)
class AlertMailAdmin(OperatorAdmin):
    """Who is mailed about alerts, and when; what became of a mail stands with the mails."""

    list_display = ("slot", "account", "user", "address", "at_once")
    list_filter = ("at_once",)
    list_select_related = ("account", "user")
    search_fields = ("=address", "=user__email", "account__name")
    fields = ("slot", "account", "user", "address", "at_once", "news")


@admin.register(Channel, site=site)
class ChannelAdmin(OperatorAdmin):
    """Where alerts are posted to. Addresses and secrets are shown to nobody."""

    list_display = ("name", "kind", "account", "merchant", "off_at", "sent_at", "failing_since")
    list_filter = ("kind", ("off_at", admin.EmptyFieldListFilter))
    list_select_related = ("account", "merchant")
    search_fields = ("=public_id", "name", "account__name")
    fields = (
        "public_id", "name", "kind", "account", "merchant", "topics", "created_at", "off_at", "sent_at",
        "failing_since", "problem",
    )  # fmt: skip


@admin.register(Post, site=site)
class PostAdmin(OperatorAdmin):
    """What is told to channels, and was."""

    list_display = ("channel", "account", "created_at", "tries", "retry_at", "sent_at")
    list_select_related = ("account", "channel")
    fields = ("channel", "account", "key", "alert_id", "news_at", "created_at", "tries", "retry_at", "sent_at")


@admin.register(Watch, site=site)
class WatchAdmin(OperatorAdmin):
    """After how long an order that stands still is an alert."""

    list_display = ("account", "ready_hours", "at_wms_days")
    list_select_related = ("account",)
    search_fields = ("account__name",)
    fields = ("account", "ready_hours", "at_wms_days")
