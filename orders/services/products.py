"""Product Sync: reads a cart's products. What is new or changed goes to the WMS with the next Order Delivery.

By its schedule it reads on from where it was, beginning when it was switched on. A Product Import, which a person
asks for, reads all of them once, also while the sync or the whole cart is off.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from carts.models import Cart
from integration_manager.kit.connector import CartConnector
from merchants import schedules
from merchants.models import Schedule, Service
from orders import cursors, files_read, product_rows
from orders.run import Run

IMPORT = "import"  # in the schedule's state: the import that a person asked for, until it has come to its end
IMPORTED = "imported"  # in the schedule's state: how the last one ended
FROM = "from"  # in the schedule's state: when the sync was switched on
ALL = datetime(2000, 1, 1, tzinfo=UTC)
COUNTING = 8.0  # seconds that counting a cart's products takes at most


class Refused(Exception):
    """No import can be asked for now; the message says why, for the person who asked."""


def products(run: Run) -> None:
    """Keeps what has changed of the cart's products, or all there is where somebody asked for that."""
    connector, cart = run.connector, run.cart
    assert isinstance(connector, CartConnector) and cart is not None
    asked: dict[str, Any] | None = run.state.get(IMPORT)
    if asked is None and not cart.sync_products:
        return
    cursor = run.schedule.cursor
    if asked is not None:
        since, deep = _began(asked), False
    else:
        since, deep = cursors.since(run, _switched_on(run))
        since = max(since, _switched_on(run))  # also where it looks back
    worse = False
    for page in run.pages(connector.products(since)):
        newest = cursors.clamped(page, connector)
        if newest is not None and (cursor is None or newest > cursor):
            cursor = newest
        with transaction.atomic():
            stored = product_rows.store(cart, page.rows, run.now, again=asked is not None)
            if asked is not None:
                asked = {**asked, "found": asked.get("found", 0) + len(page.rows)}
                asked |= {"at": newest.isoformat()} if newest is not None else {}
                run.state[IMPORT] = asked
            elif deep:
                cursors.passed(run, newest)
            cursors.save(run, cursor)
            files_read.note(run, page)
            if stored["new"] or stored["changed"]:
                schedules.wake(Service.DELIVER, run.now, merchant_id=run.merchant.pk)
        if not stored:
            run.repeated(page)
        run.counts.update(stored)
        run.counts["found"] += len(page.rows)
        worse = worse or bool(stored["refused"])
        files_read.finish(run, page)
    if not run.unfinished:
        run.fields["cursor"] = cursor
        if asked is not None:
            run.state.pop(IMPORT)
            run.state[IMPORTED] = {"at": run.now.isoformat(), "found": asked.get("found", 0)}
        elif deep:
            cursors.reached(run)
    product_rows.tell(cart, run.now, worse=worse)


def _began(asked: dict[str, Any]) -> datetime:
    """Where an import goes on that took more than one run."""
    return datetime.fromisoformat(asked["at"]) if "at" in asked else ALL


def _switched_on(run: Run) -> datetime:
    """What changed before that is not news."""
    return datetime.fromisoformat(run.state.setdefault(FROM, run.now.isoformat()))


def ask_import(cart: Cart, by: str, now: datetime) -> None:
    """Has all products of a cart read once, as soon as may be. Raises Refused."""
    with transaction.atomic():
        schedule, _ = Schedule.objects.get_or_create(merchant_id=cart.merchant_id, cart=cart, service=Service.PRODUCTS)
        found = Schedule.objects.select_for_update().get(pk=schedule.pk)
        if IMPORT in found.state and found.next_run is not None:
            raise Refused("An import is under way already.")
        if found.paused == Schedule.Paused.PERSON:
            raise Refused("Product Sync is paused. Resume it first.")
        # A run that is under way would write back what it remembers: it ends at its next look.
        Schedule.objects.filter(pk=found.pk).update(
            state={**found.state, IMPORT: {"asked": now.isoformat(), "by": by}},
            token=F("token") + 1,
            lease_until=None,
            next_run=now,
            woken_at=now,
        )


def forget_import(cart: Cart) -> None:
    """The cart is switched off: an import that is under way ends."""
    for schedule in Schedule.objects.filter(cart=cart, service=Service.PRODUCTS, state__has_key=IMPORT):
        state = {name: value for name, value in schedule.state.items() if name != IMPORT}
        Schedule.objects.filter(pk=schedule.pk).update(token=F("token") + 1, lease_until=None, state=state)
        Schedule.objects.filter(pk=schedule.pk, every=0).update(next_run=None)


def is_asked(schedule: Schedule) -> bool:
    """Whether an import waits or is under way: it runs also where the service itself is off."""
    return schedule.service == Service.PRODUCTS and IMPORT in schedule.state


def switched(cart: Cart, *, on: bool, now: datetime) -> None:
    """Sync Products From Cart was switched: on, it begins with what changes from now on; off, nothing more is sent."""
    schedule = Schedule.objects.filter(cart=cart, service=Service.PRODUCTS).first()
    if on:
        state = {**(schedule.state if schedule else {}), FROM: now.isoformat()}
        Schedule.objects.update_or_create(
            merchant_id=cart.merchant_id,
            cart=cart,
            service=Service.PRODUCTS,
            defaults={"state": state, "cursor": None, "reached_back_at": None},
        )
        return
    product_rows.stop(cart, now)
    if schedule is not None:
        state = {name: value for name, value in schedule.state.items() if name == IMPORTED}
        Schedule.objects.filter(pk=schedule.pk).update(
            token=F("token") + 1, lease_until=None, every=0, next_run=None, state=state
        )


@dataclass(frozen=True, slots=True)
class Count:
    """How many products a cart has. `whole` False: counting was ended before there were no more."""

    number: int
    without_sku: int
    whole: bool


def count(connector: CartConnector) -> Count:
    """Counts a cart's products, for as long as a page may take."""
    until = time.monotonic() + COUNTING
    keys: set[str] = set()
    without: set[str] = set()
    for page in connector.products(ALL):
        keys.update(product.key for product in page.rows)
        without.update(product.key for product in page.rows if not product.sku)
        if time.monotonic() > until:
            return Count(len(keys), len(without), False)
    return Count(len(keys), len(without), True)
