"""What an order's page sets side by side: ours and the source's, ours and the WMS's, and its other revisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from alerts.models import Alert
from orders import differences
from orders.differences import Difference
from orders.models import Order, OrderDetail, Status
from orders.reading import source_of

QUIET = ("source_state",)  # that the shop has closed it is no edit


@dataclass(frozen=True, slots=True)
class ChangedAfter:
    """The source has changed after the WMS had it. Without differences nobody here knows what they are."""

    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class EditedPart:
    """A part that was edited here. `known`: what the source says of it now is known."""

    name: str
    word: str
    known: bool
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class Taken:
    """What the WMS has under the order's reference. `order`: which of ours that is, if it is one."""

    wms_key: str
    order_no: str
    lines: Sequence[tuple[str, str]]
    canceled: bool
    order: Order | None


def changed_after(detail: OrderDetail, alerts: Sequence[Alert]) -> ChangedAfter | None:
    """What the WMS does not know yet; None where that is nothing, or a person has seen it."""
    mine = f"order:{detail.order_id}"
    if not any(a.kind == "changed_after_sending" and a.key == mine and a.dismissed_at is None for a in alerts):
        return None
    source = source_of(detail) or {}
    kept = {*detail.order.edited_fields, *QUIET}
    before = {name: value for name, value in (detail.data or {}).items() if name not in kept and name in _TOLD}
    after = {name: value for name, value in source.items() if name not in kept and name in _TOLD}
    return ChangedAfter(differences.between(before, after) if source else [])


# What a WMS gets of an order, in one form or another.
_TOLD = (
    "ship", "lines", "carrier", "ship_code", "requested_ship_date", "latest_ship_date", "expected_delivery_date",
    "shipping_instructions", "gift_message", "gift_wrap", "location", "cust_po_no", "customer_id", "extra_fields",
    "bill", "ship_account_no", "ship_account_zip",
)  # fmt: skip


def edited(detail: OrderDetail) -> list[EditedPart]:
    """The parts that a person has edited, beside what the source says of them now."""
    names = detail.order.edited_fields
    if not names or not detail.data:
        return []
    source: dict[str, Any] | None = source_of(detail)
    found = []
    for name in names:
        change = {name: [detail.data.get(name), (source or {}).get(name)]}
        rows = differences.of_changes(change) if source is not None else []
        found.append(EditedPart(name, differences.word(name), source is not None, rows))
    return found


def taken(detail: OrderDetail) -> Taken | None:
    """What stands in the order's place at the WMS, while a person has to say what is so."""
    order, there = detail.order, detail.there
    if not there or order.status != Status.ERROR or order.error_code not in ("reference_taken", "canceled_at_wms"):
        return None
    number, key = there.get("order_no", ""), there.get("wms_key", "")
    same = Q(wms_key=key) | Q(cust_po_no=number)
    ours = Order.objects.filter(same, merchant=order.merchant_id).exclude(pk=order.pk).first() if key else None
    lines = [(item, quantity) for item, quantity in there.get("lines", [])]
    return Taken(key, number, lines, bool(there.get("canceled")), ours)
