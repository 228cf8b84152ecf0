"""What a cart is to do besides taking parcels: cancellations and refunds, asked for here, carried out by runs."""

from collections.abc import Sequence
from datetime import datetime

from integration_manager.kit.canonical import Refund, to_json
from integration_manager.kit.connector import Connector
from merchants.models import Service
from merchants.schedules import wake
from orders.connections import cart_class
from orders.models import Effect, Order
from orders.states import note


def system_of(order: Order) -> type[Connector] | None:
    """The class of an order's cart; None where it is not installed (any more)."""
    try:
        return cart_class(order.cart)
    except KeyError:
        return None


def tell_of_cancellation(ids: Sequence[int], now: datetime, *, actor: str, why: str) -> None:
    """Orders were canceled here or by the WMS: tells those carts that are to be told, and can be."""
    for order in Order.objects.filter(pk__in=ids, cart__cancel_upload=True).select_related("cart"):
        system = system_of(order)
        if system is not None and system.overrides("cancel"):
            cancel_in_cart(order, now, actor=actor, why=why)


def cancel_in_cart(order: Order, now: datetime, *, actor: str, why: str, key: str = "") -> bool:
    """Has an order canceled in its cart. `key`: that of the refund which waits for it.

    What the cart has refused is asked for once more. False: it was asked for before.
    """
    kind, key, data = Effect.Kind.CANCEL_IN_CART, key or f"r{order.revision}", {"reason": why}
    if not _ask(order, kind, key, data, now, actor) and not _ask_again(order, key, data, now, actor):
        return False
    note([order.pk], "cart_cancel_asked", f"{why} {order.cart.name} is told.", now=now, actor=actor)
    return True


def refund_in_cart(order: Order, refund: Refund, now: datetime, *, actor: str) -> bool:
    """Has a refund made in the order's cart. False: this one was asked for before."""
    return _ask(order, Effect.Kind.REFUND, refund.key, to_json(refund), now, actor)


def _ask(order: Order, kind: Effect.Kind, key: str, data: object, now: datetime, actor: str) -> bool:
    made: bool
    _, made = Effect.objects.get_or_create(
        order=order,
        kind=kind,
        key=key,
        defaults={
            "merchant_id": order.merchant_id,
            "actor": actor,
            "created_at": now,
            "retry_at": now,
            "data": data,
        },
    )
    wake_cart(order, now)
    return made


def _ask_again(order: Order, key: str, data: object, now: datetime, actor: str) -> bool:
    refused = Effect.objects.filter(
        order=order,
        kind=Effect.Kind.CANCEL_IN_CART,
        key=key,
        state__in=(Effect.State.REFUSED, Effect.State.PARKED),
    )
    again = {"state": Effect.State.WAITING, "retry_at": now, "failures": 0, "failed_at": None, "done_at": None}
    return bool(refused.update(data=data, actor=actor, error_message="", **again))


def wake_cart(order: Order, now: datetime) -> None:
    """Both services that carry it out run as soon as they may, also those that are not Automatic."""
    for service in (Service.UPLOAD_SHIPMENTS, Service.DOWNLOAD):
        wake(service, now, merchant_id=order.merchant_id, cart_ids=[order.cart_id], timed=True)
