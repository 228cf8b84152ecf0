"""Destinations on the operators' site (integration_manager/operators.py)."""

from django.contrib import admin

from integration_manager.operators import OperatorAdmin, masked, site
from wms.models import Wms, WmsShipMethod


@admin.register(Wms, site=site)
class WmsAdmin(OperatorAdmin):
    """One for each account."""

    plural = "WMS setups"

    list_display = ("account", "system", "created_at", "archived_at")
    list_filter = ("system", ("archived_at", admin.EmptyFieldListFilter))
    search_fields = ("account__name", "=account__public_id")
    fields = ("account", "system", masked("credentials"), "options", "created_at", "archived_at")


@admin.register(WmsShipMethod, site=site)
class WmsShipMethodAdmin(OperatorAdmin):
    """Ship codes that they know."""

    list_display = ("code", "description", "carrier", "account", "active", "source")
    list_filter = ("active", "source")
    search_fields = ("=code", "account__name")
    fields = ("code", "description", "carrier", "account", "wms", "active", "source")
