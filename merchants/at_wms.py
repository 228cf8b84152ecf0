"""What a WMS knows merchants by: their values for it, kept apart from those for a WMS of before."""

import json
from collections.abc import Mapping
from typing import Any

from integration_manager.kit.connector import Connector
from integration_manager.kit.fields import revealed
from merchants.models import Merchant


def change_over(before: str, after: str) -> None:
    """Another system is the account's WMS. Each merchant's values are put away; those of an earlier time return.

    What was entered for one system never reaches another, even where both call a field the same.
    """
    for merchant in Merchant.objects.select_for_update(no_key=True).order_by("pk"):
        former = dict(merchant.former_values)
        former[before] = json.dumps({name: revealed(value) for name, value in merchant.wms_values.items()})
        kept = former.pop(after, None)
        merchant.wms_values = json.loads(revealed(kept)) if kept else {}
        merchant.former_values = former
        merchant.save(update_fields=["wms_values", "former_values"])


def has_secrets(system: type[Connector]) -> bool:
    """Whether each merchant has secrets of its own at this WMS; else all go by those of the WMS Setup."""
    return any(field.secret and field.level == "merchant" for field in system.fields.values())


def forget_secrets(system: type[Connector]) -> list[Merchant]:
    """The WMS has moved: merchants' secrets were entered for its old address. Returns whose are forgotten."""
    names = {name for name, field in system.fields.items() if field.level == "merchant" and field.secret}
    concerned = []
    for merchant in Merchant.objects.select_for_update(no_key=True).order_by("pk") if names else []:
        if any(merchant.wms_values.get(name) for name in names):
            merchant.wms_values = {name: v for name, v in merchant.wms_values.items() if name not in names}
            merchant.save(update_fields=["wms_values"])
            concerned.append(merchant)
    return concerned


def same_there(system: type[Connector], merchant: Merchant | None, values: Mapping[str, Any]) -> Merchant | None:
    """Another merchant that the WMS would take for the same one: their open values are equal."""
    names = [n for n, f in system.fields.items() if f.level == "merchant" and not f.secret and not f.option]
    wanted = {name: _folded(values.get(name)) for name in names}
    if not any(wanted.values()):
        return None
    others = Merchant.objects.filter(archived_at__isnull=True).exclude(pk=merchant.pk if merchant else None)
    return next((o for o in others if {n: _folded(o.wms_values.get(n)) for n in names} == wanted), None)


def lacking(system: type[Connector]) -> list[Merchant]:
    """The merchants that lack a value that the WMS needs of each, by name."""
    return [
        merchant
        for merchant in Merchant.objects.filter(archived_at__isnull=True).order_by("name")
        if missing(system, merchant)
    ]


def missing(system: type[Connector], merchant: Merchant) -> list[str]:
    """The labels of the WMS's required values that a merchant lacks."""
    fields = (field for field in system.fields.values() if field.level == "merchant" and field.required)
    return [field.label for field in fields if not merchant.wms_values.get(field.name)]


def _folded(value: Any) -> str:
    return str(revealed(value) or "").strip().casefold()
