"""Parcels that the cart is not told of any more: one cause, one alert, one fix for all of its parcels."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from alerts.models import Alert
from alerts.raising import raise_alert
from carts.models import Cart
from integration_manager.kit.errors import ConnectorError
from orders import causes
from orders.models import Shipment

REFUSED, SKIPPED = KINDS = ("tracking_refused", "tracking_skipped")
BEGIN = "parcels:"  # of the causes of parcels; those of orders begin otherwise


def open_alerts(
    cart: Cart, kind: str, parcels: Sequence[tuple[int, int, Sequence[str]]], error: ConnectorError, now: datetime
) -> None:
    """Notes the cause on parcels, and opens its alert. Of each its id, its order, and what they and it are called.

    These names make no other cause of what is said of each.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    of_many: dict[str, str] = {}
    for pk, order_id, names in parcels:
        words = causes.general(str(error), names)
        key = BEGIN + causes.key_of(cart.pk, kind, f"{error.code} {words}")
        found.setdefault(key, []).append((pk, order_id))
        of_many[key] = words
    for key, rows in found.items():
        Shipment.objects.filter(pk__in=[pk for pk, _ in rows]).update(cause=key)
        total = Shipment.objects.filter(cause=key).count()
        raise_alert(
            kind,
            key,
            f"Tracking did not reach {cart.name}: {error if total == 1 else of_many[key]}",
            fix=getattr(error, "fix", "") or "Correct it in the shop, then resend the tracking from the order.",
            said=error.said,
            merchant_id=cart.merchant_id,
            cart_id=cart.pk,
            order_id=rows[-1][1],
            total=total,
            now=now,
        )


def settle(parcels: QuerySet[Shipment], now: datetime) -> None:
    """These are told, are to be told again, or are none any more. Resolves the alerts of what stands against none."""
    held = parcels.exclude(cause="")
    keys = set(held.values_list("cause", flat=True))
    if not keys:
        return
    with transaction.atomic():
        if not held.update(cause=""):
            return
        # Of two who settle the last parcels of one cause, the second sees what the first did.
        list(Alert.objects.filter(kind__in=KINDS, key__in=keys).order_by("pk").select_for_update(no_key=True))
        others = Shipment.objects.filter(cause=OuterRef("key")).exclude(cause="")
        told = Alert.objects.filter(kind__in=KINDS, key__in=keys, resolved_at=None)
        told.filter(~Exists(others)).update(resolved_at=now)
