"""The shipment-tracking plug-ins of WooCommerce, Shipment Tracking and AST: the parcels' numbers of an order."""

from collections.abc import Sequence
from typing import Any

from integration_manager.kit.canonical import Shipment
from integration_manager.kit.errors import Permanent
from integration_manager.kit.reading import Reader
from integration_manager.kit.wordpress import NO_ROUTE, WordPress

SPACES = ("wc-shipment-tracking/v3", "wc-ast/v3")  # what each of them answers to


class Tracking:
    """Whichever of the plug-ins a shop has, if it has one."""

    def __init__(self, wp: WordPress) -> None:
        self.wp = wp
        self._spaces: Sequence[str] = SPACES

    def tell(self, order_key: str, shipment: Shipment, old: str | None) -> None:
        """Notes the parcel's number once, and in place of its `old` one."""
        for space in self._spaces:
            path = f"/{space}/orders/{order_key}/shipment-trackings"
            try:
                rows = [Reader(row) for row in self.wp.rows(path)]
            except Permanent as error:
                if error.code != NO_ROUTE:
                    raise
                self._spaces = [one for one in self._spaces if one != space]
                continue
            for row in rows:
                if old and old != shipment.tracking_no and row.text("tracking_number") == old:
                    self.wp.remove(f"{path}/{row.need('tracking_id')}")
            if shipment.tracking_no and shipment.tracking_no not in [row.text("tracking_number") for row in rows]:
                self.wp.send("POST", path, _tracking(shipment), "tracking_id")
            return


def _tracking(shipment: Shipment) -> dict[str, Any]:
    """A parcel for a plug-in, which knows the address of a carrier's page only for its own carriers."""
    day = {"date_shipped": shipment.shipped_at.date().isoformat()} if shipment.shipped_at else {}
    carrier, link = shipment.carrier or shipment.method or "", shipment.tracking_url
    who = (
        {"custom_tracking_provider": carrier, "custom_tracking_link": link} if link else {"tracking_provider": carrier}
    )
    return {"tracking_number": shipment.tracking_no, **who, **day, "status_shipped": 0}
