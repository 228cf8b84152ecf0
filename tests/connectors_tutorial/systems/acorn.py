"""Acorn shop: the example of the tutorial in docs/connectors.md."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from integration_manager.kit.canonical import Address, Line, Order, Shipment, SourceState
from integration_manager.kit.connector import CartConnector, Dedupe, Field, Page, Rate, writes
from integration_manager.kit.errors import Unmappable
from integration_manager.kit.paging import by_modified
from integration_manager.kit.reading import Reader, pick

if TYPE_CHECKING:
    from integration_manager.kit.transport import Http

PAGE = 50
STATES = {"open": SourceState.ELIGIBLE, "void": SourceState.CANCELED, "sent": SourceState.CLOSED}


class Acorn(CartConnector):
    """A small shop system."""

    key, label = "acorn", "Acorn shop"
    rate = Rate(per_second=5, burst=10)
    guide = "In Acorn: Settings, API, Create a token with the right to read and ship orders."

    url = Field("Shop address", kind="url", example="https://acorn.example.com")
    token = Field("API token", secret=True)

    def connect(self, http: "Http") -> None:
        http.base_url = self.url
        http.headers["X-Acorn-Token"] = self.token

    def check(self) -> None:
        self.http.get("/me")

    def orders(self, since: datetime) -> Iterator[Page]:
        def fetch(since: datetime, page: int) -> list[Any]:
            query = {"updated_from": since.isoformat(), "page": page, "size": PAGE}
            return pick(self.http.get("/orders", params=query), "orders", list)

        return by_modified(fetch, since, updated, PAGE)

    @writes(Dedupe.NATURAL)
    def ship(self, order_key: str, shipment: Shipment) -> str:
        # A parcel lies under our own key, so sending it again changes nothing: `safe`.
        path = f"/orders/{order_key}/parcels/{shipment.key}"
        body = {"carrier": shipment.carrier, "tracking": shipment.tracking_no}
        self.http.put(path, json=body, safe=True)
        return shipment.key


def updated(raw: Any) -> datetime:
    """When the shop last changed an order."""
    return datetime.fromisoformat(raw["updated"])


def key_of(raw: Any) -> str:
    """The shop's key of an order."""
    return Reader(raw).need("no")


def to_order(raw: Any, options: Mapping[str, Any]) -> Order:
    """The shop's order as ours."""
    r = Reader(raw)
    state = STATES.get(r.need("state"))
    if state is None:
        raise Unmappable("state", "it is none that we know")
    to = r.part("to")
    return Order(
        cart_key=r.need("no"),
        cust_ref=r.need("no"),
        cust_po_no=r.need("no"),
        order_date=r.need_day("ordered"),
        source_state=state,
        lines=tuple(to_line(line) for line in r.parts("items")),
        ship=Address(
            last_name=to.text("name"),
            address_1=to.text("street"),
            city=to.text("city"),
            zip=to.text("zip"),
            country=to.text("country"),
        ),
        modified_at=r.when("updated"),
        ship_code=r.text("shipping"),
        currency_code=r.text("currency"),
        grand_total=r.number("total"),
    )


def to_line(r: Reader) -> Line:
    """One line of the shop's order."""
    return Line(
        line_id=r.need("line"),
        item=r.text("sku") or "",
        quantity=r.need_number("pieces"),
        price=r.number("price"),
    )
