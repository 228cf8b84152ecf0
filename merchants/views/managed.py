"""Managed Inventory: a person says how many there are, and the log of all changes."""

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core import signing
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import spreadsheet
from integration_manager.kit import clock
from merchants.models import Adjustment, Merchant, Product, Warehouse
from merchants.offers import plain
from merchants.views.page import merchant_or_404
from orders import managed

PAGE = 50
HEAD = ["When (UTC)", "SKU", "Warehouse", "Before", "After", "Who", "Why"]
_SALT = "adjustments"


@require("merchants.edit")
@require_POST
def adjust(request: AccountRequest, merchant: str, product: str) -> HttpResponseBase:
    """Sets what a warehouse has of a product."""
    found = _managed(merchant)
    one = Product.objects.filter(merchant=found, public_id=product).first()
    place = Warehouse.objects.filter(merchant=found, public_id=request.POST.get("warehouse", "")[:12]).first()
    if one is None:
        raise Http404
    back = redirect("product", request.account.public_id, found.public_id, one.public_id)
    reason = " ".join(request.POST.get("reason", "").replace("\x00", "").split())
    quantity = _quantity(request.POST.get("quantity", ""))
    if place is None or not reason or quantity is None:
        said = "Choose a warehouse" if place is None else "Say why" if not reason else "Write a number like 12 or 12.5"
        messages.error(request, f"Nothing was changed. {said}.")
        return back
    if managed.adjust(found, [(place, one.sku, quantity, reason)], request.user.email, clock.now()):
        audit.record(request.user, "stock.adjusted", f"{found.name}: {one.sku}", {place.name: (None, plain(quantity))})
        messages.success(request, f"{place.name} has {plain(quantity)} of {one.sku}.")
    else:
        messages.success(request, "Nothing was changed: it was so already.")
    return back


@require("merchants.view")
@require_GET
def adjustments(request: AccountRequest, merchant: str) -> HttpResponse:
    """The log: who changed what, or which order took it, before and after."""
    found = _managed(merchant)
    sku, rows = _asked(request, found)
    if request.GET.get("until"):
        with contextlib.suppress(signing.BadSignature):  # one that is not ours means from the beginning
            rows = rows.filter(pk__lt=int(signing.loads(request.GET["until"], salt=_SALT)))
    items = list(rows.order_by("-pk")[: PAGE + 1])
    older = signing.dumps(items[PAGE - 1].pk, salt=_SALT) if len(items) > PAGE else ""
    context: dict[str, Any] = {"shown": found, "rows": items[:PAGE], "older": older, "sku": sku}
    return render(request, "merchants/adjustments.html", context)


@require("merchants.view")
@require_GET
def adjustments_csv(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """The whole log, or that of one SKU, the newest first."""
    found = _managed(merchant)
    audit.record(request.user, "stock.log_exported", found.name)
    rows = _asked(request, found)[1]
    return spreadsheet.streamed(request, f"adjustments-{found.code}", HEAD, lambda: _lines(rows))


def _managed(merchant: str) -> Merchant:
    found = merchant_or_404(merchant)
    if not found.managed_inventory:
        raise Http404
    return found


def _quantity(text: str) -> Decimal | None:
    try:
        return managed.how_many(text.strip())
    except ValueError:
        return None


def _asked(request: AccountRequest, found: Merchant) -> tuple[str, "QuerySet[Adjustment]"]:
    """The SKU that the address names, and its entries of the log; without one, all."""
    sku = request.GET.get("sku", "").replace("\x00", "").strip()[:100]
    rows: QuerySet[Adjustment] = Adjustment.objects.filter(merchant=found).select_related("warehouse")
    return sku, rows.filter(sku=sku) if sku else rows


def _lines(rows: "QuerySet[Adjustment]") -> Iterator[list[str]]:
    for row in spreadsheet.newest_first(rows):
        who = row.actor or f"Order {row.order_number}"
        numbers = [plain(row.before), plain(row.after)]
        yield [spreadsheet.moment(row.at), row.sku, row.warehouse.name, *numbers, who, row.reason]
