"""The left navigation: what there is, and what a role may see of it."""

from dataclasses import dataclass

from django.urls import reverse

from accounts.models import Account
from accounts.requests import AccountRequest


@dataclass(frozen=True, slots=True)
class Place:
    """One entry. `on_phone`: "first" and "" are in the bar of four, "rare" is behind More."""

    name: str  # of the address, and, with "-" for "_", the first part of its path
    label: str
    icon: str
    permission: str
    on_phone: str = "rare"


PLACES = (
    Place("dashboard", "Dashboard", "dashboard", "dashboard.view", "first"),
    Place("wms", "WMS Setup", "wms", "wms.view"),
    Place("merchants", "Merchants", "merchants", "merchants.view"),
    Place("carts", "Carts", "carts", "carts.view", ""),
    Place("ship_methods", "Ship Methods", "ship", "carts.view"),
    Place("orders", "Orders", "orders", "orders.view", "first"),
    Place("alerts", "Alerts", "alerts", "alerts.view", ""),
    Place("users", "Users", "users", "users.view"),
    Place("profile", "Profile", "user", "profile.edit"),
)


def one_merchant(request: AccountRequest) -> bool:
    """Whether there is one merchant only: in a Merchant account, and for a user of one merchant."""
    of_one = request.merchants is not None and len(request.merchants) == 1
    return of_one or request.account.kind == Account.Kind.MERCHANT


def navigation(request: AccountRequest) -> list[dict[str, object]]:
    """The entries for this request's role, the present one marked."""
    account = request.account.public_id
    parts = request.path_info.split("/")
    here = parts[3] if len(parts) > 4 else "dashboard"
    here = "users" if here == "audit" else here  # a tab of that page
    here = "orders" if parts[3:5] == ["carts", "why"] else here
    return [
        {
            "name": place.name,
            "url": reverse(place.name, args=[account]),
            "label": "Merchant" if place.name == "merchants" and one_merchant(request) else place.label,
            "icon": place.icon,
            "place": place.on_phone,
            "current": place.name.replace("_", "-") == here,
        }
        for place in PLACES
        if place.permission in request.permissions
    ]
