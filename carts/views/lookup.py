"""What the pages of carts have in common: finding a cart, its system, its services."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from accounts.models import Account, Membership, User
from accounts.requests import AccountRequest
from accounts.roles import ROLES
from alerts.models import Alert
from carts.models import Cart
from integration_manager.converters import looks_like_one
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import CART_SERVICES
from merchants.services import services_of
from orders.connections import cart_class

MOST_CHOICES = 500


def cart_or_404(public_id: str, request: AccountRequest | None = None) -> Cart:
    """The cart with this id, where the user may see it; also one that is deleted, which can be restored.

    `request`: of a page that shows it, to which what the frame says of alerts comes along.
    """
    found: Any = (
        Cart.objects.select_related("merchant")
        .annotate(alerts=Alert.active_number())
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise Http404
    if request is not None:
        request.active_alerts = found.alerts
    cart: Cart = found
    return cart


def live_cart_or_404(public_id: str, request: AccountRequest | None = None) -> Cart:
    """The same, for what only a cart that is not deleted can do."""
    found = cart_or_404(public_id, request)
    if found.archived_at is not None:
        raise Http404
    return found


def to_choose(carts: QuerySet[Cart], named: str = "") -> list[Cart]:
    """Carts for a form to choose from, by their merchants: the first MOST_CHOICES, and the one that is named."""
    ordered = carts.select_related("merchant").order_by("merchant__name", "name")
    found = list(ordered[:MOST_CHOICES])
    if looks_like_one(named) and len(found) == MOST_CHOICES and all(one.public_id != named for one in found):
        found += ordered.filter(public_id=named)
    return found


def merchant_of_query(public_id: str) -> Merchant:
    """The merchant that an address names behind its question mark."""
    found = Merchant.objects.filter(public_id=public_id).first() if looks_like_one(public_id) else None
    if found is None:
        raise Http404
    return found


def to_archived(request: AccountRequest, merchant: Merchant) -> HttpResponse:
    """The answer to who wants to connect something of an archived merchant."""
    messages.error(request, f"{merchant.name} is archived: nothing of it runs. Restore it first.")
    return redirect("merchant", request.account.public_id, merchant.public_id)


def label_of(cart: Cart) -> str:
    """What its system is called; the system's key where it is not installed any more."""
    try:
        return cart_class(cart).label
    except KeyError:
        return cart.system


def schedules_for(cart: Cart, system: type[Connector]) -> list[Schedule]:
    """The cart's services, in their order; those never set are off and not stored yet."""
    return services_and_delivery(cart, system)[0]


def services_and_delivery(cart: Cart, system: type[Connector]) -> tuple[list[Schedule], bool]:
    """The same, and whether what is loaded is sent on: the merchant's Order Delivery is on. By one query."""
    mine = Q(cart=cart) | Q(cart=None, service=Service.DELIVER)
    stored = {schedule.service: schedule for schedule in Schedule.objects.filter(mine, merchant=cart.merchant)}
    delivery = stored.get(Service.DELIVER)
    found = [
        stored.get(service) or Schedule(merchant=cart.merchant, service=service)
        for service in services_of_cart(cart, system)
    ]
    for schedule in found:
        schedule.cart = cart
    return found, bool(delivery and delivery.every)


def services_of_cart(cart: Cart, system: type[Connector]) -> list[Service]:
    """The services that a cart has: Product Sync and Purchase Orders with those that want them."""
    wanted = {Service.PRODUCTS: cart.sync_products, Service.PURCHASES: cart.sync_purchases}
    return services_of(system, (*CART_SERVICES, *(service for service, on in wanted.items() if on)))


def today(account: Account) -> date:
    """The account's own day."""
    return clock.now().astimezone(ZoneInfo(account.timezone)).date()


def may_edit_carts(user: object, account: Account, merchant_id: int) -> bool:
    """Whether this person may (still) connect carts of this merchant, for pages outside the account."""
    if not isinstance(user, User) or account.suspended_at:
        return False
    membership = Membership.objects.filter(user=user, deactivated_at=None).first()
    if membership is None or "carts.edit" not in ROLES[membership.role]:
        return False
    return membership.merchant_ids is None or merchant_id in membership.merchant_ids
