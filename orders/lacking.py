"""Merchants that lack what the WMS needs of each: one alert for all that have services on."""

from datetime import datetime

from alerts.raising import raise_alert, resolve
from integration_manager.kit.connector import Connector
from merchants import at_wms
from merchants.models import Schedule
from orders.connections import wms_class
from wms.models import Wms

KIND, KEY = "wms_values_missing", "wms"


def tell(system: type[Connector], now: datetime) -> None:
    """Says who lacks something now that this is the WMS, or that what it needs of a merchant has changed."""
    resolve("missing_wms", ["wms"], now)
    on = set(Schedule.objects.filter(cart__isnull=True, every__gt=0).values_list("merchant_id", flat=True).distinct())
    names = [merchant.name for merchant in at_wms.lacking(system) if merchant.pk in on]
    if not names:
        resolve(KIND, [KEY], now)
        return
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    raise_alert(
        KIND,
        KEY,
        f"{system.label} needs more of {len(names)} merchant{'s' if len(names) > 1 else ''}: {shown}.",
        fix="Enter it under Merchants, Edit Setup. WMS Setup lists who lacks what.",
        now=now,
        total=len(names),
    )


def look_again(now: datetime) -> None:
    """Who was told of may be archived since, or have its services off: for the watch."""
    if wms := Wms.current():
        tell(wms_class(wms), now)
