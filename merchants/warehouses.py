"""A merchant's warehouses: which of them the WMS means, and what changes when somebody maps them anew."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import transaction

from merchants.models import DEFAULT_WAREHOUSE, Merchant, Schedule, Service, StockLevel, Warehouse
from merchants.schedules import start_over

MOST = 100  # characters of a name


def default_of(merchant: Merchant) -> Warehouse:
    """The one for what has no known place; made where a merchant has none."""
    found: Warehouse | None = Warehouse.objects.filter(merchant=merchant, is_default=True).first()
    if found is None:
        Warehouse.objects.bulk_create(
            [Warehouse(merchant=merchant, name=free_name(merchant, DEFAULT_WAREHOUSE), is_default=True)],
            ignore_conflicts=True,
        )
        found = Warehouse.objects.get(merchant=merchant, is_default=True)
    return found


def places_of(merchant: Merchant, names: Iterable[str]) -> dict[str, int]:
    """The keys of the warehouses that the WMS calls so. One that it names for the first time is created.

    What it does not name ("") is in the default one. A warehouse of ours without a name at the WMS is taken
    to be the one that it calls the same.
    """
    wanted = set(names)
    found = _known(merchant, wanted)
    for name in sorted(wanted - found.keys()):
        if not name:
            found[name] = default_of(merchant).pk
            continue
        same = Warehouse.objects.filter(merchant=merchant, name=name[:MOST], wms_name="")
        if not same.update(wms_name=name[:MOST]):
            Warehouse.objects.bulk_create(
                [Warehouse(merchant=merchant, name=free_name(merchant, name), wms_name=name[:MOST])],
                ignore_conflicts=True,  # another run has just created it
            )
        found |= _known(merchant, {name})
    return found


def _known(merchant: Merchant, names: Iterable[str]) -> dict[str, int]:
    short = {name[:MOST]: name for name in names if name}
    rows = Warehouse.objects.filter(merchant=merchant, wms_name__in=short).values_list("wms_name", "id")
    return {short[wms_name]: pk for wms_name, pk in rows}


def free_name(merchant: Merchant, name: str) -> str:
    """The name, with a number behind it where another warehouse of the merchant has it."""
    taken = set(Warehouse.objects.filter(merchant=merchant).values_list("name", flat=True))
    number, found = 1, name[:MOST]
    while found in taken:
        number += 1
        found = f"{name[: MOST - 6]} ({number})"
    return found


def remap(merchant: Merchant, names: Mapping[int, str], default: int, now: datetime) -> list[Warehouse]:
    """Says anew which warehouse is which at the WMS (by key), and which is the default one.

    Of those changed, levels stay where the WMS is known to have named the place, and names it so still. The others
    may be of another place now: they go, and all are asked for again at once. Gives the warehouses that have lost any.
    """
    lost: list[Warehouse] = []
    with transaction.atomic():
        rows = {row.pk: row for row in Warehouse.objects.select_for_update().filter(merchant=merchant)}
        moved = [row for pk, row in rows.items() if row.wms_name != names.get(pk, row.wms_name)]
        known = [row for row in rows.values() if row.is_default != (row.pk == default)]
        # What the WMS did not name was in the default one, beside what it named.
        unsure = {row.pk for row in (*moved, *known) if row in moved or row.is_default or not row.wms_name}
        # Names and the default are unique at every moment, so what changes is let go first.
        Warehouse.objects.filter(pk__in=[row.pk for row in moved]).update(wms_name="")
        Warehouse.objects.filter(merchant=merchant, is_default=True).exclude(pk=default).update(is_default=False)
        for row in moved:
            row.wms_name = names[row.pk]
            Warehouse.objects.filter(pk=row.pk).update(wms_name=row.wms_name)
        Warehouse.objects.filter(pk=default).update(is_default=True)
        if (moved or known) and not merchant.managed_inventory:
            levels = StockLevel.objects.filter(warehouse__in=unsure)
            lost = [rows[pk] for pk in levels.order_by("warehouse").values_list("warehouse", flat=True).distinct()]
            levels.delete()
            ask_for_all(merchant, now)
    return lost


def ask_for_all(merchant: Merchant, now: datetime) -> None:
    """The next run of Inventory, which is at once, reads all levels and not only those that have changed."""
    found = Schedule.objects.filter(merchant=merchant, service=Service.INVENTORY)
    start_over(found, now, cursor=None, reached_back_at=None, state={})
