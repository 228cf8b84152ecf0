"""All carts of an account, and how each fares."""

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views.lookup import label_of
from integration_manager.context import chosen_merchant
from integration_manager.searched import search_text
from merchants.models import Merchant, Schedule
from merchants.views.listing import HEALTHY, OFF, PAUSED, REFUSED, Health

PAGE = 50
FAILED = Health("Last run failed", "warn", "wait")


@require("carts.view")
@require_GET
def carts(request: AccountRequest) -> HttpResponse:
    """All carts, with how they fare. Those that are deleted are on a page of their own."""
    deleted, text = "deleted" in request.GET, search_text(request, 60)
    page = Paginator(asked(request).order_by("merchant__name", "name", "pk"), PAGE).get_page(request.GET.get("page"))
    page.object_list = faring(page.object_list)
    context = {
        "page": page,
        "text": text,
        "searchable": page.paginator.num_pages > 1 or bool(text),
        "deleted": deleted,
        "any_deleted": not deleted and Cart.objects.filter(archived_at__isnull=False).exists(),
        "has_merchants": bool(page.object_list) or Merchant.objects.exists(),
    }
    return render(request, "carts/list.html", context)


def asked(request: AccountRequest) -> "QuerySet[Cart]":
    """The carts that the address asks for: of one merchant or all, those that are deleted or the others, by a text."""
    rows, text = of_scope(request, deleted="deleted" in request.GET), search_text(request, 60)
    return rows.filter(Q(name__icontains=text) | Q(merchant__name__icontains=text)) if text else rows


def of_scope(request: AccountRequest, *, deleted: bool = False) -> "QuerySet[Cart]":
    """The carts of the merchant that the address names, or of all."""
    merchant = chosen_merchant(request)()
    rows: QuerySet[Cart] = Cart.objects.filter(archived_at__isnull=not deleted).select_related("merchant")
    return rows if merchant is None else rows.filter(merchant=merchant)


def faring(carts: Iterable[Any]) -> list[Any]:
    """These carts, each with its system's label, its health and when it ran last: one query for all of them."""
    found = list(carts)
    by_cart: dict[int, list[Schedule]] = {}
    for schedule in Schedule.objects.filter(cart__in=[cart.pk for cart in found], every__gt=0):
        by_cart.setdefault(schedule.cart_id, []).append(schedule)
    for cart in found:
        mine = by_cart.get(cart.pk, [])
        cart.label = label_of(cart)
        cart.health = _health(mine)
        cart.ran_at = max((s.finished_at for s in mine if s.finished_at), default=None)
    return found


def _health(on: list[Schedule]) -> Health:
    ill = next((schedule for schedule in on if schedule.paused or schedule.failures), None)
    if ill is None:
        return HEALTHY if on else OFF
    if ill.paused == Schedule.Paused.AUTH:
        return REFUSED
    return PAUSED if ill.paused else FAILED
