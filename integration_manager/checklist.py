"""The steps of a new account, on its dashboard until the first order has shipped."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists, Subquery
from django.urls import reverse

from accounts.models import Account
from carts.models import Cart
from merchants import at_wms
from merchants.models import Merchant, Service
from orders.models import Order, Status
from wms.models import Wms
from wms.systems import registry as wms_registry


@dataclass(slots=True)
class Step:
    """One step: what is to be done, why or how, the address where, and whether it is the next one."""

    label: str
    text: str
    url: str
    done: bool
    next: bool = False


def steps(account: Account, services_on: Collection[str]) -> list[Step]:
    """The steps in their order; none once an order has shipped. `services_on`: those that are on anywhere."""
    carts = Cart.objects.filter(archived_at__isnull=True).order_by("pk")
    known = (
        Account.objects.filter(pk=account.pk)
        .values(
            wms=Subquery(Wms.objects.filter(archived_at__isnull=True).values("system")[:1]),
            cart=Subquery(carts.values("public_id")[:1]),
            delivered=Exists(Order.objects.filter(delivered_at__isnull=False)),
            shipped=Exists(Order.objects.filter(status__in=[Status.SHIPPED, Status.CONFIRMED])),
        )
        .get()
    )
    if known["shipped"]:
        return []
    system, cart = wms_registry().systems.get(known["wms"] or ""), known["cart"]
    merchant = Merchant.objects.filter(archived_at__isnull=True).order_by("pk").first()
    alone = account.kind == Account.Kind.MERCHANT  # its merchant is there from the beginning, its values are not
    lacking = bool(merchant and (at_wms.missing(system, merchant) if system else alone))
    found = [
        Step("Connect the WMS", "Where all orders go.", _url(account, "wms"), system is not None),
        _merchant(account, merchant, lacking=lacking),
        _cart(account, merchant, cart),
        _switch_on(account, merchant, cart, services_on),
        Step(
            "First order delivered",
            "By itself, once the cart has an order.",
            _url(account, "orders"),
            known["delivered"],
        ),
        Step("First tracking back", "By itself, when the WMS has shipped it.", _url(account, "orders"), False),
    ]
    next(step for step in found if not step.done).next = True
    return found


def _merchant(account: Account, merchant: Merchant | None, *, lacking: bool) -> Step:
    if merchant is None:
        return Step(
            "Add the first merchant", "With what the WMS knows it by.", _url(account, "merchant_new"), done=False
        )
    if account.kind == Account.Kind.MERCHANT or lacking:
        text = f"What the WMS knows {merchant.name} by, and how often they talk."
        return Step("Fill in the WMS settings", text, _url(account, "merchant_edit", merchant.public_id), not lacking)
    return Step("Add the first merchant", "", _url(account, "merchants"), done=True)


def _cart(account: Account, merchant: Merchant | None, cart: str | None) -> Step:
    chosen = f"?merchant={merchant.public_id}" if merchant else ""
    where = _url(account, "cart_gallery") + chosen
    return Step("Connect the first cart", "Where orders come from.", where, cart is not None)


def _switch_on(account: Account, merchant: Merchant | None, cart: str | None, on: Collection[str]) -> Step:
    loads, sends = Service.DOWNLOAD in on, Service.DELIVER in on
    where = _url(account, "carts")
    if loads and merchant is not None:
        where = _url(account, "merchant", merchant.public_id)
    elif cart is not None:
        where = _url(account, "cart_golive", cart)
    text = f"{Service.DOWNLOAD.label} of the cart, {Service.DELIVER.label} of the merchant."
    if loads != sends:
        text = f"{(Service.DELIVER if loads else Service.DOWNLOAD).label} is still off."
    return Step("Switch services on", text, where, loads and sends)


def _url(account: Account, page: str, *rows: str) -> str:
    return reverse(page, args=[account.public_id, *rows])
