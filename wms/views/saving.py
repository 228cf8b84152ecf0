"""Stores the account's WMS: its values changed, or another system in its place."""

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.requests import AccountRequest
from integration_manager import stale
from integration_manager.connector_form import ConnectorForm
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from merchants import at_wms, frequencies
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import AT_WMS, start_over
from orders import lacking
from orders.connections import wms_class
from orders.leaving import leave, on_their_way
from orders.whereabouts import at_wms as orders_there
from wms.models import Wms


@dataclass(slots=True)
class Saved:
    """What saving did besides."""

    asked_again: list[Merchant] = field(default_factory=list)  # whose secrets are forgotten: the WMS has moved
    held: int = 0  # New orders that are kept here


def mark_of(current: Wms | None, row: Wms | None) -> str:
    """A mark of what the setup form is made of."""
    stored = [row.options, dict(row.credentials)] if row else []
    return stale.mark(current.system if current else "", stored)


def overtaken(label: str) -> dict[str, Any]:
    """What the page says where somebody else has saved meanwhile."""
    return {"overtaken": True, "last_change": stale.last_change(label)}


def save(
    request: AccountRequest, chosen: type[Connector], current: Wms | None, row: Wms | None, values: ConnectorForm
) -> Saved | dict[str, Any]:
    """Stores it. A dictionary: what the page has to say instead, since orders or somebody else came between."""
    now, saved = clock.now(), Saved()
    with transaction.atomic():
        # All of the account's, so that two who choose at once meet here.
        rows = {kept.system: kept for kept in Wms.objects.select_for_update().order_by("id")}
        present = next((kept for kept in rows.values() if kept.archived_at is None), None)
        mark = mark_of(present, rows.get(chosen.key))
        if mark != mark_of(current, row):
            return {"mark": mark, **overtaken(chosen.label)}
        changes = present is not None and present.system != chosen.key
        if changes:
            way = on_their_way()
            if way.unconfirmed(request.POST):
                return {"way": way, "asked": True}
        elif present is not None and values.changed_openly():
            there = orders_there()
            if there.unconfirmed(request.POST):
                return {"there": there, "asked": True}
        moved = present is not None and not changes and values.moved()
        touched = changes or bool(values.changes())
        if present is not None and changes:
            present.archived_at = now
            present.save(update_fields=["archived_at"])
        kept = rows.get(chosen.key) or Wms(system=chosen.key)
        if kept.archived_at is not None:
            kept.archived_at, kept.created_at = None, now
        kept.credentials, kept.options = values.credentials(), values.options()
        kept.save()
        if present is not None and changes:
            saved.held = _replace(request, wms_class(present), chosen)
        elif touched:
            _work_anew(now)
        if moved:
            saved.asked_again = at_wms.forget_secrets(chosen)
        audit.record(request.user, "wms.changed", chosen.label, values.changes())
        lacking.tell(chosen, now)
    return saved


def _replace(request: AccountRequest, old: type[Connector], new: type[Connector]) -> int:
    """Another system takes over: orders, merchants' values, frequencies. Returns how many orders are kept here."""
    now, hold = clock.now(), request.POST.get("new_orders") == "hold"
    way = on_their_way()
    at_wms.change_over(old.key, new.key)
    leave(now, hold_new=hold, actor=request.user.email)
    for schedule in Schedule.objects.filter(cart__isnull=True, service__in=AT_WMS, every__gt=0):
        allowed = frequencies.at_least(schedule, Service(schedule.service), new.min_every)
        if allowed != schedule.every:
            Schedule.objects.filter(pk=schedule.pk).update(every=allowed)
    audit.record(
        request.user,
        "wms.replaced",
        new.label,
        {
            "WMS": (old.label, new.label),
            "New orders": (way.new, "kept here" if hold else "go to the new WMS"),
            "At the old WMS": (way.at_wms, "not asked for any more"),
            "May be at the old WMS": (way.may_be_there, "a person decides"),
        },
    )
    return way.new if hold else 0


def _work_anew(now: Any) -> None:
    """The next call of every service uses the new values; runs under way end at their next look."""
    start_over(Schedule.objects.filter(cart__isnull=True, service__in=AT_WMS), now)
