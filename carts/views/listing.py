"""All carts of an account."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views.lookup import label_of
from integration_manager.context import chosen_merchant
from merchants.models import Merchant, Schedule

MOST = 500


@require("carts.view")
@require_GET
def carts(request: AccountRequest) -> HttpResponse:
    """All carts, with how they fare. Those that are deleted are on a page of their own."""
    deleted = "deleted" in request.GET
    rows = Cart.objects.filter(archived_at__isnull=not deleted).select_related("merchant")
    merchant = chosen_merchant(request)()
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    found = list(rows.order_by("merchant__name", "name")[:MOST])
    by_cart: dict[int, list[Schedule]] = {}
    for schedule in Schedule.objects.filter(cart__in=[cart.pk for cart in found], every__gt=0):
        by_cart.setdefault(schedule.cart_id, []).append(schedule)
    for cart in found:
        mine = by_cart.get(cart.pk, [])
        cart.label = label_of(cart)
        cart.on = len(mine)
        cart.ill = next((s for s in mine if s.paused or s.failures), None)
        cart.ran_at = max((s.finished_at for s in mine if s.finished_at), default=None)
    context = {
        "carts": found,
        "deleted": deleted,
        "any_deleted": not deleted and Cart.objects.filter(archived_at__isnull=False).exists(),
        "has_merchants": bool(found) or Merchant.objects.exists(),
    }
    return render(request, "carts/list.html", context)
