"""What would come of a mapping: the first orders as they would load, or the file as it would be written.

It is made by the CSV cart and the CSV WMS themselves, over a folder that holds nothing but the sample.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

from carts.systems.csv_cart import CsvCart
from integration_manager.kit import clock
from integration_manager.kit.canonical import Order, Product, PurchaseOrder, Receipt, Shipment, Stock
from integration_manager.kit.connector import Connector, Page
from integration_manager.kit.csvlines import Broken
from integration_manager.kit.csvwriting import written
from integration_manager.kit.errors import ConnectorError, Unmappable
from integration_manager.kit.filefields import label_of
from integration_manager.kit.fileformat import Format
from integration_manager.kit.folder import Entry, Missing
from integration_manager.mapping import examples
from integration_manager.mapping.owner import Owner
from integration_manager.mapping.state import Mapping
from wms.systems.csv_wms import CsvWms

MOST = 5  # orders, parcels or levels
MOST_REFUSED = 5
MOST_TEXT = 6_000  # characters of a file that goes out
# The option of a connection that holds its format for a kind of file.
OPTIONS = {"orders": ("format", "order_format"), "confirmations": ("confirmation_format",) * 2}
OPTIONS |= {"inventory": ("inventory_format",) * 2, "products": ("product_format",) * 2}
OPTIONS |= {"catalog": ("catalog_format",) * 2}
OPTIONS |= {"purchases": ("purchase_format",) * 2, "receipts": ("receipt_format",) * 2}


@dataclass(slots=True)
class Shown:
    """One order, parcel or level for people. `lines`: quantity, item, text."""

    title: str
    date: str = ""
    facts: list[str] = field(default_factory=list)
    lines: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Preview:
    """What the preview holds: orders of a file that comes in, the text of one that goes out."""

    orders: list[Shown] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    text: str = ""
    note: str = ""


class _OneFile:
    """A folder with one file in it, at any path that is asked for; it cannot be changed."""

    def __init__(self, data: bytes) -> None:
        self.data, self.entry = data, Entry("sample.csv", len(data), clock.now())

    def entries(self, directory: str) -> list[Entry]:
        return [self.entry]

    def stat(self, path: str) -> Entry:
        return self.entry

    def fetch(self, path: str, limit: int = 0) -> IO[bytes]:
        return io.BytesIO(self.data)


def made(owner: Owner, mapping: Mapping, form: Format | None, said: Sequence[str], data: bytes) -> Preview:
    """The preview. `form` None: the mapping is no format at all yet; `said`: what is wrong with it."""
    if form is None:
        return Preview(note="The preview comes back when the mistake beside is corrected.")
    if mapping.direction == "out":
        return _file(owner, mapping, form)
    if not data:
        return Preview(note="Without a sample there is nothing to preview. Upload a file once it is saved.")
    if said:
        return _so_far(mapping, form, data)
    return _records(owner, mapping, data)


# ── a file that comes in ──


def _records(owner: Owner, mapping: Mapping, data: bytes) -> Preview:
    """The first records of the sample, and what would be refused, as a run would have it."""
    system: type[Connector] = CsvCart if owner.merchant else CsvWms
    option = OPTIONS[mapping.kind][0 if owner.merchant else 1]
    connector = system({option: mapping.spec("preview"), "quiet": 0, "client_dir": "."}, folder=_OneFile(data))  # type: ignore[arg-type]
    found = Preview()
    try:
        for page in islice(_pages(connector, mapping.kind), 3):
            found.refused += [f"Line {r.line}: {r.reason}" if r.line else r.reason for r in page.rejects]
            found.orders += [_shown(connector, row) for row in page.rows[: MOST - len(found.orders)]]
            found.note = found.note or (f"The first {MOST} of the sample." if len(page.rows) > MOST else "")
    except (ConnectorError, Unmappable, Missing) as error:
        found.refused.append(str(error))
    more = len(found.refused) - MOST_REFUSED
    found.refused = found.refused[:MOST_REFUSED] + ([f"… and {more} more rows."] if more > 0 else [])
    if not found.orders and not found.refused:
        found.note = "The sample has no rows besides the names of its columns."
    return found


def _pages(connector: Any, kind: str) -> Iterator[Page]:
    now = clock.now()
    if kind == "orders":
        yield from connector.orders(now)
    elif kind == "confirmations":
        yield from connector.shipments(now)
    elif kind in ("products", "catalog"):
        yield from connector.products(now)
    elif kind == "purchases":
        yield from connector.purchase_orders(now)
    elif kind == "receipts":
        yield from connector.receipts(now)
    else:
        yield from connector.stock(now)


def _shown(connector: Connector, row: Any) -> Shown:
    if isinstance(row, Shipment):
        return _parcel(row)
    if isinstance(row, Stock):
        return Shown(row.sku, facts=[f"{row.available} available{f' in {row.warehouse}' if row.warehouse else ''}"])
    if isinstance(row, Product):
        price = f"{row.retail_price} {row.currency_code or ''}".strip() if row.retail_price is not None else ""
        weight = f"{row.weight_lbs} lbs" if row.weight_lbs is not None else ""
        codes = [f"{alias.name} {alias.value}" for alias in row.aliases]
        facts = [row.name or "", price, weight, row.barcode or "", *codes]
        return Shown(row.sku, facts=[fact for fact in facts if fact])
    if isinstance(row, PurchaseOrder):
        return _purchase(row)
    if isinstance(row, Receipt):
        at = f"{row.received_at:%d %b %Y}" if row.received_at else ""
        closed = ["Nothing more is expected"] if row.closed else []
        return Shown(f"Of {row.ref}", at, closed, [(f"{line.quantity:f}", line.item, "in all") for line in row.lines])
    order: Order = connector.mapper("to_order")(row, connector.options())
    ship = order.ship
    place = ", ".join(part for part in (ship.zip, ship.city, ship.state, ship.country) if part)
    street = ", ".join(part for part in (ship.address_1, ship.address_2, ship.address_3) if part)
    person = ", ".join(dict.fromkeys(part for part in (ship.name, ship.company) if part))
    facts = [person, street, place, " · ".join(part for part in (ship.e_mail, ship.phone) if part)]
    facts.append(f"Ship code {order.ship_code}" if order.ship_code else "")
    facts += [f"{name}: {value}" for name, value in order.extra_fields.items()]
    lines = [
        (
            f"{line.quantity:f}",
            line.item,
            " · ".join(
                [line.description or "", *(f"{name}: {value}" for name, value in line.extra_fields.items())]
            ).strip(" ·"),
        )
        for line in order.lines
    ]
    number = order.cust_po_no if order.cust_po_no == order.cust_ref else f"{order.cust_po_no} ({order.cust_ref})"
    return Shown(number, f"{order.order_date:%d %b %Y}", [fact for fact in facts if fact], lines)


def _purchase(order: PurchaseOrder) -> Shown:
    facts = [order.supplier or "", order.status.value.title(), order.location or ""]
    expected = f"expected {order.expected_on:%d %b %Y}" if order.expected_on else ""
    lines = [(f"{line.quantity:f}", line.item, line.description or "") for line in order.lines]
    return Shown(order.number, expected, [fact for fact in facts if fact], lines)


def _parcel(parcel: Shipment) -> Shown:
    facts = [" ".join(part for part in (parcel.carrier, parcel.method) if part), parcel.tracking_no or ""]
    at = f"{parcel.shipped_at:%d %b %Y, %H:%M}" if parcel.shipped_at else ""
    lines = [(f"{line.quantity:f}", line.item, line.lot_number or "") for line in parcel.lines]
    whole = [] if lines else ["The whole order"]
    return Shown(f"For {parcel.ref}", at, [fact for fact in [*facts, *whole] if fact], lines)


def _so_far(mapping: Mapping, form: Format, data: bytes) -> Preview:
    """While something is still missing: what is read from the first rows already."""
    from integration_manager.kit.csvfile import Table

    found = Preview(note="Not ready to load yet. So far the first rows read:")
    try:
        for record in islice(Table(io.BytesIO(data), form), 3):
            facts = [f"{label_of(form.kind, name)}: {text}" for part in record.parts for name, text in part.items()]
            found.orders.append(Shown(f"Line {record.line}", facts=facts[:30] or ["nothing, so far"]))
            found.refused += [f"Line {record.line}: {record.problem}"] if record.problem else []
    except Broken as error:
        found.refused.append(str(error))
    return found


# ── a file that goes out ──


def _file(owner: Owner, mapping: Mapping, form: Format) -> Preview:
    """The file itself, of the latest orders there are, else of made-up ones."""
    items, real = examples.of(owner.merchant, mapping.kind)
    found = Preview(note="Made from your latest orders." if real else "Made from two invented orders.")
    try:
        text = written(form, examples.rows(mapping.kind, items)).decode(form.encoding or "utf-8", "replace")
    except (ConnectorError, Unmappable, ValueError, ArithmeticError) as error:
        found.note = f"It cannot be written like this: {error}"
        return found
    found.text = text[:MOST_TEXT].lstrip("\ufeff").replace("\r\n", "\n")
    return found
