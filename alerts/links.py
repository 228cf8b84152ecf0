"""The way from an alert to its fix: plain addresses of ours, which the login leads on to."""

from functools import lru_cache
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import Account
from alerts import kinds
from alerts.kinds import Fix
from alerts.models import Alert

# What is said instead to those who may not change what is the WMS's (`needed`).
NOT_YOURS = "That takes the WMS Setup, which your role may not change: ask who set it up."


@lru_cache(maxsize=5000)  # many alerts are of the same few carts and merchants
def to(name: str, *args: str) -> str:
    """The address of a page."""
    return reverse(name, args=args)


def page(account: Account, alert: Alert) -> str:
    """The alert's own page."""
    return f"{to('alerts', account.public_id)}{alert.public_id}/"


def orders(account: Account, alert: Any) -> str:
    """The orders that wait for it; a single one itself. The alert needs `with_orders` (orders/alerted.py)."""
    if alert.order_page and alert.waiting <= 1:
        return f"{to('orders', account.public_id)}{alert.order_page}/"
    return to("orders", account.public_id) + "?" + urlencode({"cause": alert.key})


def resend(account: Account, alert: Alert) -> str:
    """The page that asks whether all orders that wait for it are to be sent again."""
    query = {"cause": alert.key, "all": "1", "action": "resend"}
    return to("orders_bulk", account.public_id) + "?" + urlencode(query)


def fix(account: Account, alert: Any) -> str:
    """The page on which its cause is put right. The alert needs `with_orders` (orders/alerted.py)."""
    known = kinds.of(alert.kind)
    merchant = alert.merchant.public_id if alert.merchant else ""
    cart = alert.cart.public_id if alert.cart else ""
    if known.fix is Fix.ORDERS:
        if alert.kind.startswith("stuck_"):
            return stuck(account, alert)
        return orders(account, alert) if alert.order_page or alert.holds else page(account, alert)
    if known.fix is Fix.SHIP_METHODS:
        return _ship_methods(account, alert)
    if known.fix is Fix.CONNECTION and cart:
        return to("cart_edit", account.public_id, cart)
    if known.fix is Fix.CONNECTION and merchant:
        return to("merchant_edit", account.public_id, merchant)
    if known.fix is Fix.CART and cart:
        return to("cart", account.public_id, cart)
    if known.fix is Fix.PRODUCT_SYNC and cart:
        return to("cart_products", account.public_id, cart) + "?state=refused"
    if known.fix is Fix.LISTINGS and cart:
        return to("cart_product_sync", account.public_id, cart) + "#new-there"
    if known.fix is Fix.PRODUCTS and merchant:
        return to("products", account.public_id, merchant)
    if known.fix in (Fix.PURCHASES, Fix.PURCHASES_UNTOLD) and cart:
        state = "refused" if known.fix is Fix.PURCHASES else "untold"
        return to("purchases", account.public_id) + f"?state={state}&cart={cart}"
    if known.fix is Fix.PURCHASE and alert.key.startswith("purchase:"):
        return to("purchase", account.public_id, alert.key.removeprefix("purchase:"))
    # A connection that is neither a cart's nor a merchant's is that of the WMS, with the secrets of WMS Setup.
    simple = {Fix.CONNECTION: "wms", Fix.WMS: "wms", Fix.MERCHANTS: "merchants", Fix.CHANNELS: "channels"}
    if known.fix in simple:
        return to(simple[known.fix], account.public_id)
    return page(account, alert)


def needed(alert: Alert) -> str:
    """The permission that the page with its fix takes, "" where all who see alerts have it: see accounts/roles.py."""
    known = kinds.of(alert.kind)
    if known.fix is Fix.CONNECTION:  # what a merchant has of its own for the WMS is of the WMS Setup, too
        return "carts.edit" if alert.cart_id else "wms.edit"
    return "alerts.edit" if known.fix is Fix.CHANNELS else ""


def stuck(account: Account, alert: Alert) -> str:
    """The orders that the watch is about, and no others: by the same rule (orders/stuck.py)."""
    state = "new" if alert.kind == "stuck_ready" else "at-wms"
    query = {"state": state, "stuck": "yes"} | ({"merchant": alert.merchant.public_id} if alert.merchant else {})
    return to("orders", account.public_id) + "?" + urlencode(query)


def _ship_methods(account: Account, alert: Any) -> str:
    if alert.cart and alert.cart.archived_at:  # its map changes again once it is restored
        return to("cart", account.public_id, alert.cart.public_id)
    cart = alert.cart.public_id if alert.cart else alert.order_cart  # what the WMS says is not of a cart
    return to("ship_map", account.public_id, cart) if cart else orders(account, alert)
