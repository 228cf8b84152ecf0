"""The ship codes of a WMS: what it lists itself, and what people add by hand."""

from collections.abc import Sequence

from django.db import transaction

from integration_manager.kit.canonical import ShipMethod
from integration_manager.kit.errors import storable
from wms.models import Wms, WmsShipMethod

MOST = 5000  # of one list: more are no ship codes


def lock(wms: Wms) -> dict[str, WmsShipMethod]:
    """Keeps the list as it is until the transaction ends; its rows by their codes."""
    Wms.objects.select_for_update(no_key=True).only("pk", "account").get(pk=wms.pk)
    return {row.code: row for row in WmsShipMethod.objects.select_for_update().filter(wms=wms).order_by("pk")}


def keep(wms: Wms, listed: Sequence[ShipMethod]) -> tuple[int, int]:
    """Stores what the WMS lists now. Returns how many of them are new, and how many it lists no longer.

    A code that it no longer lists stays, inactive, since orders may be mapped to it. What a person added
    stays as it is; where the WMS lists it too, it is the WMS's from then on.
    """
    codes = {storable(method.code, 100): method for method in listed[:MOST] if method.code}
    with transaction.atomic():
        known = lock(wms)
        gone = [row for row in known.values() if row.source == "wms" and row.active and row.code not in codes]
        WmsShipMethod.objects.filter(pk__in=[row.pk for row in gone]).update(active=False)
        WmsShipMethod.objects.bulk_create(
            [
                WmsShipMethod(
                    wms=wms,
                    code=code,
                    description=storable(method.description, 200),
                    carrier=storable(method.carrier, 60),
                    source=WmsShipMethod.Source.WMS,
                )
                for code, method in codes.items()
            ],
            update_conflicts=True,
            unique_fields=["account", "wms", "code"],
            update_fields=["description", "carrier", "source", "active"],
        )
    return len(codes.keys() - known.keys()), len(gone)
