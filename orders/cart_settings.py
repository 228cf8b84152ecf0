"""What follows from other settings of a cart: for orders that wait, and for the stock that it has been told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from carts.models import Cart
from merchants import schedules
from merchants.models import Schedule, Service
from orders import address_changes, delaying, item_codes, listings, purchase_rows, releasing, ship_methods
from orders.services import products, purchase_orders, upload_inventory

ADDRESSES = ("verify_addresses", "verify_countries", "hold_address_errors")
STOCK = ("translate_items", "stock_warehouse", "stock_alias", "stock_minimum", "stock_buffer", "stock_percent")


def follow(cart: Cart, before: Mapping[str, Any], now: datetime, actor: str) -> int:
    """Does what a cart's new settings ask for; returns how many orders go on that waited because of the old ones.

    Call it in the transaction that stored them, where the cart is locked. `before`: the settings until then, by name;
    those that are not in it have not changed.
    """

    def changed(*names: str) -> bool:
        return any(name in before and getattr(cart, name) != before[name] for name in names)

    released = 0
    if changed("reject_unmapped") and not cart.reject_unmapped:
        released += ship_methods.let_go(cart, now, actor)
    if changed("translate_items"):
        message = "Item codes of this cart are translated another way now."
        for code in item_codes.CURED:
            released += releasing.review(cart.merchant, cart, code, message, now, actor=actor).released
        released += releasing.try_again(cart.merchant, [cart], now, actor=actor)
        purchase_rows.codes_changed(cart.merchant_id, now)
    if changed(*ADDRESSES):
        released += address_changes.review(cart, "Addresses of this cart are verified another way now.", now, actor)
    if changed(*delaying.FIELDS):
        delaying.retime(cart, now, actor=actor)
    if changed("sync_products"):
        products.switched(cart, on=cart.sync_products, now=now)
    if changed("list_products"):
        listings.switched(cart, now)
    if changed("sync_purchases"):
        purchase_orders.switched(cart, on=cart.sync_purchases, now=now)
    if changed(*STOCK):
        schedules.wake(Service.UPLOAD_INVENTORY, now, cart_ids=[cart.pk])
    return released


def tell_all_stock(cart: Cart, now: datetime) -> None:
    """A cart is connected another way: its stock goes to another location or folder, say, where none was told yet."""
    found = Schedule.objects.filter(cart=cart, service=Service.UPLOAD_INVENTORY)
    for kept in found.select_for_update():
        state = {name: value for name, value in kept.state.items() if name != upload_inventory.SINCE}
        schedules.start_over(found, now, reached_back_at=None, state=state)
