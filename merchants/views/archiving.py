"""Archiving a merchant, restoring it, and deleting one that never had anything."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, ProtectedError, Q, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit, people
from accounts.models import Membership
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.activation import keep_activation
from carts.models import Cart
from integration_manager.kit import clock
from merchants.models import Merchant, Schedule
from merchants.schedules import set_frequency
from merchants.views.page import merchant_or_404
from orders import causes
from orders.models import Order, Shipment, Status


@dataclass(frozen=True, slots=True)
class Stops:
    """What archiving a merchant stops."""

    services: int
    carts: int
    users: int
    new: int
    sending: int
    at_wms: int
    untold: int  # shipments that the cart does not know yet

    @property
    def empty(self) -> bool:
        """Whether it never had anything: then it can be deleted."""
        return not (self.carts or self.users or self.new or self.sending or self.at_wms or self.untold)


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
def merchant_archive(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Says what archiving stops and what stays; POST does it."""
    found = _mine(request, merchant)
    if request.method != "POST":
        return _confirm(request, found)
    now = clock.now()
    with transaction.atomic():
        locked = Merchant.objects.select_for_update(no_key=True).get(pk=found.pk)
        if locked.archived_at is None:
            for schedule in Schedule.objects.filter(merchant=locked, every__gt=0):
                set_frequency(schedule, now, every=0)
            for cart in Cart.objects.filter(merchant=locked, archived_at__isnull=True):
                keep_activation(cart, now)
            locked.archived_at = now
            locked.save(update_fields=["archived_at"])
            audit.record(request.user, "merchant.archived", locked.name, {"archived": (False, True)})
    messages.success(request, f"{found.name} is archived: nothing of it runs. Its orders and settings stay.")
    return redirect("merchant", request.account.public_id, found.public_id)


@require("merchants.edit")
@require_POST
def merchant_restore(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Takes a merchant out of the archive. Its services stay off until somebody switches them on."""
    found = _mine(request, merchant)
    with transaction.atomic():
        if Merchant.objects.filter(pk=found.pk, archived_at__isnull=False).update(archived_at=None):
            causes.bring_back(found.pk, clock.now())
            audit.record(request.user, "merchant.restored", found.name, {"archived": (True, False)})
    messages.success(request, f"{found.name} is back. Its services are off: choose how often they run.")
    return redirect("merchant", request.account.public_id, found.public_id)


@require("merchants.edit")
@require_POST
def merchant_delete(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Deletes a merchant that has no cart, no order and no user."""
    found = _mine(request, merchant)
    try:
        with transaction.atomic():
            locked = Merchant.objects.select_for_update().get(pk=found.pk)
            if has_history(locked):
                raise ProtectedError("it has history", {locked})
            name = locked.name
            locked.delete()
            audit.record(request.user, "merchant.deleted", name, {"Merchant name": (name, None)})
    except ProtectedError:
        text = f"{found.name} cannot be deleted: it has carts, orders or users, or had some. Archive it instead."
        messages.error(request, text)
        return redirect("merchant_archive", request.account.public_id, found.public_id)
    messages.success(request, f"{name} is deleted.")
    return redirect("merchants", request.account.public_id)


def _mine(request: AccountRequest, merchant: str) -> Merchant:
    """The merchant, for who may add merchants. One that the user may not even see is not there."""
    found = merchant_or_404(merchant)
    if "merchants.add" not in request.permissions:
        raise PermissionDenied("your role may not archive merchants")
    return found


def has_history(merchant: Merchant) -> bool:
    """Whether a merchant has or had a cart, an order or a user."""
    owned = (Cart.objects.filter(merchant=merchant), Order.objects.filter(merchant=merchant), _users(merchant))
    return any(rows.exists() for rows in owned)


def _users(merchant: Merchant) -> QuerySet[Membership]:
    return people.members(seen_by=[merchant.pk])


def _confirm(request: AccountRequest, found: Merchant) -> HttpResponse:
    orders = Order.objects.filter(merchant=found).aggregate(
        new=Count("pk", filter=Q(status__in=[Status.RECEIVED, Status.READY, Status.ERROR, Status.GAVE_UP])),
        sending=Count("pk", filter=Q(status=Status.SENDING)),
        at_wms=Count("pk", filter=Q(status=Status.AT_WMS)),
    )
    untold = Shipment.objects.filter(merchant=found, uploaded_at__isnull=True, voided_at__isnull=True)
    stops = Stops(
        services=Schedule.objects.filter(merchant=found, every__gt=0).count(),
        carts=Cart.objects.filter(merchant=found, archived_at__isnull=True).count(),
        users=_users(found).count(),
        untold=untold.count(),
        **orders,
    )
    context = {"shown": found, "stops": stops, "deletable": not has_history(found)}
    return render(request, "merchants/archive.html", context)
