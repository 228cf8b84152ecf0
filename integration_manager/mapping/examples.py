"""What a file that goes out is previewed with: the latest orders of a merchant, else invented ones."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from carts.systems import csv_cart
from integration_manager.kit.canonical import (
    Address,
    Line,
    Order,
    Prepared,
    PreparedLine,
    Product,
    PurchaseLine,
    PurchaseOrder,
    PurchaseStatus,
    Receipt,
    ReceiptLine,
    Shipment,
    ShipmentLine,
    SourceState,
    Stock,
    from_json,
)
from integration_manager.kit.csvproducts import product_rows
from integration_manager.kit.csvpurchases import purchase_rows, receipt_rows
from integration_manager.kit.filefields import Kind
from merchants.models import Merchant, StockLevel
from merchants.rules import Rules, judge
from orders import models
from orders import purchase_rows as purchase_rows_of
from wms.systems import csv_wms

T = TypeVar("T")
MOST = 4
_AT = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)


def of(merchant: Merchant | None, kind: Kind) -> tuple[list[Any], bool]:
    """Up to four things that such a file is made of, and whether they are real."""
    latest: dict[Kind, Callable[[Merchant | None], list[Any]]]
    latest = {
        "orders": _orders, "confirmations": _parcels, "inventory": _levels, "products": _products, "catalog": _products,
        "purchases": _purchases, "receipts": _receipts,
    }  # fmt: skip
    found = latest[kind](merchant)
    return (found, True) if found else (_INVENTED[kind], False)


def rows(kind: Kind, items: Sequence[Any]) -> list[list[dict[str, str]]]:
    """The rows of each of them, by field: what the CSV cart and the CSV WMS write."""
    if kind == "orders":
        return [csv_wms.payload(item)["rows"] for item in items]
    if kind == "confirmations":
        return [csv_cart.confirmation(*item) for item in items]
    if kind in ("products", "catalog"):
        return [product_rows(item) for item in items]
    if kind == "purchases":
        return [purchase_rows(*item) for item in items]
    if kind == "receipts":
        return [receipt_rows(*item) for item in items]
    return [csv_cart.level(item) for item in items]


def _orders(merchant: Merchant | None) -> list[Prepared]:
    known = models.Order.objects.exclude(wms_ref="").select_related("merchant")
    latest = {order.pk: order for order in known.order_by("-id")[:MOST]}
    details = models.OrderDetail.objects.filter(order_id__in=latest).order_by("-order_id")
    found = []
    for detail in details:
        order, source = latest[detail.order_id], _readable(Order, detail.data)
        if source is not None:
            found.append(judge(source, Rules(order.merchant.code)).prepared(order.wms_ref))
    return found


def _parcels(merchant: Merchant | None) -> list[tuple[dict[str, str], Shipment]]:
    latest = models.Shipment.objects.filter(merchant=merchant).select_related("order").order_by("-id")[:MOST]
    found = []
    for row in latest:
        parcel = _readable(Shipment, row.data)
        if parcel is not None:
            found.append(({"cust_ref": row.order.cust_ref, "cust_po_no": row.order.cust_po_no}, parcel))
    return found


def _readable(kind: type[T], data: dict[str, Any]) -> T | None:
    """What is stored; None where its personal data was removed, or it could never be read."""
    try:
        return from_json(kind, data)
    except (KeyError, ValueError, TypeError):
        return None


def _levels(merchant: Merchant | None) -> list[Stock]:
    latest = StockLevel.objects.filter(merchant=merchant).select_related("warehouse").order_by("sku")[:MOST]
    return [Stock(row.sku, row.available, row.on_hand, row.warehouse.name, row.at) for row in latest]


def _products(merchant: Merchant | None) -> list[Product]:
    rows = models.CartProduct.objects.exclude(sku="").order_by("-id")[:MOST]
    return [product for row in rows if (product := _readable(Product, row.data)) is not None]


def _purchases(merchant: Merchant | None) -> list[tuple[PurchaseOrder, str]]:
    latest = models.PurchaseOrder.objects.order_by("-id")[:MOST]
    return [(one, row.ref) for row in latest if (one := _readable(PurchaseOrder, row.data)) is not None]


def _receipts(merchant: Merchant | None) -> list[tuple[str, Receipt]]:
    latest = models.PurchaseOrder.objects.filter(merchant=merchant).exclude(receipt={}).order_by("-id")[:MOST]
    return [(row.number, purchase_rows_of.to_tell(row)) for row in latest]


def _invented(number: str, day: int, *lines: Line) -> Prepared:
    address = Address(
        company="Alder & Finch",
        first_name="Dana",
        last_name="Whitfield",
        address_1="12 Mill Lane",
        city="Portland",
        state="OR",
        zip="97201",
        country="US",
        phone="+1 503 555 0100",
        e_mail="dana@example.com",
    )
    order = Order(
        cart_key=number,
        cust_ref=number,
        cust_po_no=f"WEB-{number}",
        order_date=date(2026, 11, day),
        source_state=SourceState.ELIGIBLE,
        lines=lines,
        ship=address,
        bill=address,
        order_source="WEB",
        ship_code="GROUND",
        currency_code="USD",
        grand_total=Decimal("41.50"),
    )
    sent = tuple(PreparedLine(line.line_id, line.item, line.quantity, line.description, line.price) for line in lines)
    return Prepared(number, order, sent, "UPS", "GROUND", "ALDER")


def _line(number: int, item: str, quantity: int, description: str, price: str) -> Line:
    return Line(str(number), item, Decimal(quantity), description, Decimal(price))


_FIRST = _invented(
    "10423", 20, _line(1, "MUG-BLUE", 2, "Mug, blue", "12.00"), _line(2, "TEA-EG", 1, "Earl Grey, 100 g", "17.50")
)
_SECOND = _invented("10424", 21, _line(1, "MUG-RED", 1, "Mug, red", "12.00"))
_BOUGHT = PurchaseOrder(
    key="PO-2042",
    number="PO-2042",
    status=PurchaseStatus.OPEN,
    lines=(
        PurchaseLine("1", "MUG-BLUE", Decimal(48), "Mug, blue", Decimal("3.20")),
        PurchaseLine("2", "TEA-EG", Decimal(20), "Earl Grey, 100 g", Decimal("4.10")),
    ),
    supplier="Hartwell Ceramics",
    ordered_on=date(2026, 11, 12),
    expected_on=date(2026, 11, 24),
    currency_code="USD",
)
_INVENTED: dict[Kind, list[Any]] = {
    "orders": [_FIRST, _SECOND],
    "confirmations": [
        (
            {"cust_ref": made.wms_ref, "cust_po_no": made.order.cust_po_no},
            Shipment(
                key=tracking,
                carrier="UPS",
                method="GROUND",
                tracking_no=tracking,
                tracking_url=f"https://example.com/track/{tracking}",
                shipped_at=_AT,
                weight_lbs=Decimal("2.4"),
                total_cost=Decimal("8.15"),
                lines=tuple(ShipmentLine(line.item, line.quantity, line.line_id) for line in made.lines),
            ),
        )
        for made, tracking in ((_FIRST, "1Z9X84200391744061"), (_SECOND, "1Z9X84200391744079"))
    ],
    "purchases": [(_BOUGHT, "PO-2042")],
    "receipts": [
        (
            _BOUGHT.number,
            Receipt(
                lines=(ReceiptLine("MUG-BLUE", Decimal(30), "1"), ReceiptLine("TEA-EG", Decimal(20), "2")),
                received_at=_AT,
            ),
        )
    ],
    "products": [
        Product("MUG-BLUE", "MUG-BLUE", "Mug, blue", Decimal("12.00"), "USD", Decimal("0.80"), "0810012345017"),
        Product("TEA-EG", "TEA-EG", "Earl Grey, 100 g", Decimal("17.50"), "USD", Decimal("0.25"), "0810012345031"),
    ],
    "catalog": [
        Product("MUG-BLUE", "MUG-BLUE", "Mug, blue", barcode="0810012345017"),
        Product("TEA-EG", "TEA-EG", "Earl Grey, 100 g", barcode="0810012345031"),
    ],
    "inventory": [
        Stock("MUG-BLUE", Decimal(140), Decimal(152), "", _AT),
        Stock("MUG-RED", Decimal(0), Decimal(3), "", _AT),
    ],
}
