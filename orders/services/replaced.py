"""Parcels that take the place of voided ones that the cart was told of: it gets their numbers for what it has."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction

from orders.models import Shipment, ShipmentLine

Content = dict[str, Decimal]


def take_over(voided: Sequence[Shipment], standing: Sequence[Shipment]) -> None:
    """What holds the same as a voided parcel of its order, alone or together, is the same parcel to the cart.

    voided: those that were told, by a cart that can be corrected; standing: those that count from now on.
    """
    if not voided or not standing:
        return
    contents = _contents([*voided, *standing])
    free = defaultdict[int, list[Shipment]](list)
    for one in standing:
        free[one.order_id].append(one)
    with transaction.atomic():
        for old in voided:
            new, held = free[old.order_id], contents[old.pk]
            same = next(([one] for one in new if contents[one.pk] == held), None)
            if same is None and new and _together([contents[one.pk] for one in new]) == held:
                same = [*new]
            if same is None:
                continue
            Shipment.objects.filter(pk__in=[one.pk for one in same]).update(remote_id=old.remote_id)
            Shipment.objects.filter(pk=old.pk).update(remote_id="")
            free[old.order_id] = [one for one in new if one not in same]


def _contents(parcels: Sequence[Shipment]) -> dict[int, Content]:
    found: dict[int, Content] = {one.pk: defaultdict(Decimal) for one in parcels}
    for line in ShipmentLine.objects.filter(shipment_id__in=list(found)):
        found[line.shipment_id][line.line_id or line.item] += line.quantity
    return found


def _together(contents: Sequence[Content]) -> Content:
    total: Content = defaultdict(Decimal)
    for content in contents:
        for name, pieces in content.items():
            total[name] += pieces
    return total
