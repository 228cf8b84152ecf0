"""A cart's services on and off. What was chosen while it is off is kept for the day that it is switched on."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from carts.activation import keep_activation
from carts.models import Cart
from integration_manager import service_rows
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from integration_manager.service_rows import ServiceRow
from merchants import frequencies
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import AUTOMATIC, choices


class Stopped(Exception):
    """Nothing of this cart may run; the text says why, in plain words."""


def suggested(service: Service, system: type[Connector]) -> str:
    """How often a new cart's service is to run: as data arrives, else as often as it may.

    Stock is left off: from its first run on it overwrites the shop's own numbers, which a person should want.
    """
    if service is Service.UPLOAD_INVENTORY:
        return frequencies.OFF
    return frequencies.AUTO if service in AUTOMATIC else str(choices(service, system.min_every)[0])


def is_on(schedules: Sequence[Schedule]) -> bool:
    """Whether any of a cart's services is on."""
    return any(schedule.every for schedule in schedules)


def planned_rows(cart: Cart, schedules: Sequence[Schedule], system: type[Connector]) -> list[ServiceRow]:
    """The rows of a form that asks how often: as it is, or as it was planned while the cart is off."""
    rows = service_rows.rows(schedules, system.min_every)
    if is_on(schedules):
        return rows
    for row in rows:
        service = Service(row.schedule.service)
        row.value = cart.planned.get(service.value, suggested(service, system))
    return rows


def chosen(posted: Mapping[str, Any], schedules: Sequence[Schedule], system: type[Connector]) -> dict[str, str]:
    """{service: value} of a form's choices; what is none of those on offer is left out."""
    found = {}
    for schedule in schedules:
        value = str(posted.get(f"every_{schedule.service}", ""))
        try:
            frequencies.settings_of(value, Service(schedule.service), system.min_every)
        except ValueError:
            continue
        found[schedule.service] = value
    return found


def switch(
    cart: Cart, schedules: Sequence[Schedule], wanted: Mapping[str, str], system: type[Connector], user: User
) -> list[str]:
    """Sets how often the services run; says what changed, in words. Raises Stopped.

    Archiving the merchant and deleting the cart wait for the same row, so what they stop stays off.
    """
    posted = {f"every_{service}": value for service, value in wanted.items()}
    with transaction.atomic():
        merchant = Merchant.objects.select_for_update(no_key=True).get(pk=cart.merchant_id)
        if any(value != frequencies.OFF for value in wanted.values()):
            if merchant.archived_at is not None:
                raise Stopped(f"{merchant.name} is archived: nothing of it runs. Restore it first.")
            if not Cart.objects.filter(pk=cart.pk, archived_at__isnull=True).exists():
                raise Stopped(f"{cart.name} is deleted. Restore it first.")
        stored = {schedule.service: schedule for schedule in Schedule.objects.filter(cart=cart)}
        now = [stored.get(schedule.service, schedule) for schedule in schedules]
        changed = service_rows.save(now, posted, system.min_every, user, cart.name)
        keep_activation(cart, clock.now())
    return changed


def plan(cart: Cart, wanted: Mapping[str, str]) -> None:
    """Keeps what was chosen for later."""
    if cart.planned != {**cart.planned, **wanted}:
        cart.planned = {**cart.planned, **wanted}
        Cart.objects.filter(pk=cart.pk).update(planned=cart.planned)


def switch_off(cart: Cart, schedules: Sequence[Schedule], system: type[Connector], user: User) -> list[str]:
    """All services off; how often they ran is kept for the day that they are switched on again."""
    if not is_on(schedules):
        return []
    plan(cart, {schedule.service: frequencies.value_of(schedule) for schedule in schedules})
    return switch(cart, schedules, dict.fromkeys((s.service for s in schedules), frequencies.OFF), system, user)
