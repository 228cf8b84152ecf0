"""Alerts on the operators' site (integration_manager/operators.py)."""

from django.contrib import admin

from alerts.models import Alert, ErrorContact, ErrorEmail, Preference
from integration_manager.operators import OperatorAdmin, site


@admin.register(Alert, site=site)
class AlertAdmin(OperatorAdmin):
    """Causes of trouble in all accounts."""

    list_display = ("kind", "account", "merchant", "count", "first_seen", "last_seen", "resolved_at", "dismissed_at")
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), ("dismissed_at", admin.EmptyFieldListFilter))
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
