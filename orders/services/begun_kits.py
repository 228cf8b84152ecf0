"""Kits of which only parts have left when nothing more comes: their parcels are told of after all."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from django.db.models import Sum

from integration_manager.kit.canonical import ZERO
from merchants import schedules
from merchants.models import Service
from orders.models import LinePart, OrderLine, Shipment, ShipmentLine
from orders.states import note

_TOLD = (
    "The cart is told of parcel {} after all: no more parts of its kits come, so those that it begins count as sent."
)


@dataclass(slots=True)
class _Kit:
    """A line of kits: how many, how many of them parcels say, and its components by the ids of their lines."""

    line: OrderLine
    told: Decimal
    items: dict[str, str] = field(default_factory=dict)  # the component's SKU, by line
    wanted: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))  # by SKU

    def begun(self, there: Sequence[ShipmentLine]) -> Decimal:
        """How many of these kits a parcel begins that no other parcel says."""
        found: dict[str, Decimal] = defaultdict(Decimal)
        for part in there:
            if part.line_id in self.items:
                found[self.items[part.line_id]] += part.quantity
        most = max((number * self.line.quantity / self.wanted[item] for item, number in found.items()), default=ZERO)
        left: Decimal = self.line.quantity - self.told
        return min(most.to_integral_value(ROUND_CEILING), left)


def tell(order_ids: Sequence[int], now: datetime) -> None:
    """Nothing more comes of these orders. A cart knows whole kits alone, so each parcel says those that it begins.

    Call it where the orders are locked, with what ends them.
    """
    waiting = Shipment.objects.filter(order__in=order_ids, for_cart=False, voided_at__isnull=True)
    parcels = list(waiting.order_by("id"))
    if not parcels:
        return
    kits = _kits({parcel.order_id for parcel in parcels})
    content: dict[int, list[ShipmentLine]] = defaultdict(list)
    for line in ShipmentLine.objects.filter(shipment__in=parcels):
        content[line.shipment_id].append(line)
    carts = set()
    for parcel in parcels:
        said = []
        for kit in kits[parcel.order_id]:
            number = kit.begun(content[parcel.pk])
            if number > ZERO:
                kit.told += number
                said.append(
                    ShipmentLine(shipment=parcel, line_id=kit.line.line_id, item=kit.line.item, quantity=number)
                )
        if said:
            ShipmentLine.objects.bulk_create(said)
            Shipment.objects.filter(pk=parcel.pk).update(for_cart=True, retry_at=now)
            note([parcel.order_id], "parts", _TOLD.format(parcel.tracking_no or parcel.key), now=now)
            carts.add(parcel.cart_id)
    if carts:
        schedules.wake(Service.UPLOAD_SHIPMENTS, now, cart_ids=sorted(carts))


def _kits(order_ids: set[int]) -> dict[int, list[_Kit]]:
    """The lines of kits of these orders."""
    parts: dict[tuple[int, int], list[LinePart]] = defaultdict(list)
    for part in LinePart.objects.filter(order__in=order_ids):
        parts[part.order_id, part.position].append(part)
    said = ShipmentLine.objects.filter(shipment__order__in=order_ids, shipment__voided_at__isnull=True)
    told = {
        (order_id, line_id): number
        for order_id, line_id, number in said.values_list("shipment__order", "line_id").annotate(Sum("quantity"))
    }
    found: dict[int, list[_Kit]] = defaultdict(list)
    for line in OrderLine.objects.filter(order__in=order_ids).order_by("order", "position"):
        mine = parts.get((line.order_id, line.position))
        if mine:
            kit = _Kit(line, told.get((line.order_id, line.line_id), ZERO), {part.line_id: part.item for part in mine})
            for part in mine:
                kit.wanted[part.item] += part.quantity
            found[line.order_id].append(kit)
    return found
