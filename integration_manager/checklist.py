"""The steps of a new account, on its dashboard until the first order has shipped."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists

from accounts.models import Account
from carts.models import Cart
from merchants.models import Merchant, Service
from orders.models import Order, Status
from wms.models import Wms


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what is to be done, why or how, and the page (by its name) where."""

    label: str
    text: str
    page: str
    done: bool


def steps(account: Account, services_on: Collection[str]) -> list[Step]:
    """The steps in their order; none once an order has shipped. `services_on`: those that are on anywhere."""
    found = (
        Account.objects.filter(pk=account.pk)
        .values(
            wms=Exists(Wms.objects.filter(archived_at__isnull=True)),
            merchant=Exists(Merchant.objects.all()),
            cart=Exists(Cart.objects.filter(archived_at__isnull=True)),
            delivered=Exists(Order.objects.filter(delivered_at__isnull=False)),
            shipped=Exists(Order.objects.filter(status__in=[Status.SHIPPED, Status.CONFIRMED])),
        )
        .get()
    )
    if found["shipped"]:
        return []
    on = Service.DOWNLOAD in services_on and Service.DELIVER in services_on
    return [
        Step("Connect the WMS", "Where all orders go.", "wms", found["wms"]),
        Step("Add the first merchant", "With what the WMS knows it by.", "merchants", found["merchant"]),
        Step("Connect its first cart", "Where orders come from.", "carts", found["cart"]),
        Step(
            "Switch services on",
            f"{Service.DOWNLOAD.label} of the cart, {Service.DELIVER.label} of the merchant.",
            "carts" if Service.DOWNLOAD not in services_on else "merchants",
            on,
        ),
        Step("First order delivered", "By itself, once the cart has an order.", "orders", found["delivered"]),
        Step("First tracking back", "By itself, when the WMS has shipped it.", "orders", False),
    ]
