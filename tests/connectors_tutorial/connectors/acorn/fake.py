"""The Acorn shop that is not there: what the tests talk to instead."""

from datetime import datetime
from typing import Any

from integration_manager.kit.simulator import Fake, Request, moment, route, stamp


class FakeAcorn(Fake):
    """Orders by time of change, parcels under the caller's own key."""

    system = "acorn"
    page_size = 50

    def setup(self) -> None:
        self.orders = self.table("orders", sort="updated")
        self.parcels = self.table("parcels")

    def values(self, url: str) -> dict[str, Any]:
        return {"url": url, "token": self.credential}

    def admits(self, request: Request) -> bool:
        return request.headers.get("x-acorn-token") == self.credential

    @route("GET", "/me")
    def me(self, request: Request) -> Any:
        return {"shop": self.name}

    @route("GET", "/orders")
    def list_orders(self, request: Request) -> Any:
        since = stamp(moment(request.query["updated_from"]))
        size, page = int(request.query["size"]), int(request.query["page"])
        return {"orders": self.orders.since(since)[(page - 1) * size : page * size]}

    @route("PUT", "/orders/{no}/parcels/{key}")
    def put_parcel(self, request: Request) -> Any:
        number, key = request.args["no"], request.args["key"]
        if f"{number}/{key}" not in self.parcels:
            self.effect("shipment", number, parcel=key)
        self.parcels.put(f"{number}/{key}", request.json)
        return {}

    def place(self, number: int, modified: datetime, created: datetime | None = None) -> str:
        key = f"A{number}"
        row = self.orders.get(key) or {
            "no": key, "state": "open", "ordered": stamp(created or modified), "total": "12.00",
            "currency": "EUR", "shipping": "Parcel",
            "to": {"name": "Ada Okafor", "street": "Mill Lane 12", "city": "Cork", "zip": "T12",
                   "country": "IE"},
            "items": [{"line": "1", "sku": "OAK-1", "pieces": 2, "price": "6.00"}],
        }  # fmt: skip
        self.orders.put(key, {**row, "updated": stamp(modified)})
        return key
