"""The gallery: which systems orders can come from, and what each supports."""

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager.context import chosen_merchant
from integration_manager.kit.registry import CART_CAPABILITIES
from integration_manager.systems import offered
from merchants.models import Merchant

MOST = 500
CATEGORIES = ("standard", "premium", "edi")
FILTERS = ("q", "category", "kind", "can")


@require("carts.edit")
@require_GET
def cart_gallery(request: AccountRequest) -> HttpResponse:
    """The systems to choose from. Search and filters stand in the address."""
    given = {name: request.GET.get(name, "").replace("\x00", "").strip()[:60] for name in FILTERS}
    everything = offered("cart")
    systems = [system for system in everything if _fits(system, given)]
    merchants = list(Merchant.objects.filter(archived_at__isnull=True).order_by("name")[:MOST])
    chosen = chosen_merchant(request)() or (merchants[0] if len(merchants) == 1 else None)
    mine = Cart.objects.filter(archived_at__isnull=True, **({"merchant": chosen} if chosen else {}))
    numbers = dict(mine.order_by().values_list("system").annotate(Count("pk")))
    for system in systems:
        system["connected"] = numbers.get(system["key"], 0)
    context = {
        "systems": systems,
        "number": len(everything),
        "given": given,
        "filtered": any(given.values()),
        "categories": [name for name in CATEGORIES if any(s["category"] == name for s in everything)],
        "kinds": sorted({str(system["kind"]) for system in everything}),
        "abilities": [c.label for c in CART_CAPABILITIES if any(c.label in _can(s) for s in everything)],
        "merchants": merchants,
        "chosen": chosen,
    }
    return render(request, "carts/gallery.html", context)


def _can(system: dict[str, object]) -> list[str]:
    found = system["capabilities"]
    return found if isinstance(found, list) else []


def _fits(system: dict[str, object], given: dict[str, str]) -> bool:
    text = f"{system['label']} {system['key']} {system['kind']}".casefold()
    return (
        given["q"].casefold() in text
        and given["category"] in ("", system["category"])
        and given["kind"] in ("", system["kind"])
        and (not given["can"] or given["can"] in _can(system))
    )
