"""Loads an order that was skipped: a person wants it anyway."""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import Account
from integration_manager.kit.canonical import SourceState
from merchants.rules import REFUSALS
from orders.actions import NotNow
from orders.connections import cart_class
from orders.inserting import insert_orders
from orders.intake import Intake, Stored
from orders.models import Order, SkippedOrder
from orders.reading import GONE, HANDLED, TOO_OLD, Unreadable, left_out, read_raw, reader_of
from orders.states import note
from orders.storing import announce, known_of

SALT = "skipped-row"  # these rows have no public id: they are named by a signature
CAN = (HANDLED, GONE, TOO_OLD, *REFUSALS)  # the other reasons are rows that no order can be made of
OVER = (HANDLED, GONE)  # what was shipped already
NOT_SKIPPED = "It is not skipped any more. Look for it among the orders."
SHIPPED_SINCE = "It was handled elsewhere, or was here, in the meantime: what was shipped the customer would get twice."
NOT_KEPT = "What the shop gave is kept for a time alone, which is over."


def why_not(skipped: SkippedOrder | None, account: Account, agreed: str = "") -> str:
    """Why nothing can be loaded of it now, in words; "": its source can be asked.

    `agreed`: why it was skipped when a person agreed to load it, where that was a while ago.
    """
    if skipped is None or skipped.reason not in CAN:
        return NOT_SKIPPED
    if agreed and skipped.reason in OVER and agreed not in OVER:
        return SHIPPED_SINCE
    if account.suspended_at is not None:
        return "This account is suspended. Nothing is called, run or sent until it is opened again."
    if skipped.merchant.archived_at is not None:
        return f"{skipped.merchant.name} is archived, and nothing of it runs. Restore it first."
    if skipped.cart.archived_at is not None:
        return f"{skipped.cart.name} is deleted, and nothing is read from it. Restore it first."
    if skipped.raw is None and not cart_class(skipped.cart).overrides("order"):
        return NOT_KEPT
    return ""


def ask(connector: Any, skipped: SkippedOrder) -> Any:
    """The order as its shop has it now; None where it has it no more."""
    return connector.order(skipped.key) or connector.order(skipped.number or skipped.key)


def gone(skipped: SkippedOrder) -> str:
    """That the shop was asked, and does not have it."""
    return f"{skipped.cart.name} does not have this order any more."


def load_anyway(skipped: SkippedOrder, raw: Any, account: Account, actor: str, now: datetime) -> Order:
    """Loads a skipped order; from then on it is one like the others. `raw`: as its source has it now.

    Raises NotNow, with the reason in words.
    """
    cart = skipped.cart
    incoming = read_raw(raw, reader_of(cart), account.timezone)
    if isinstance(incoming, Unreadable) or incoming.key != skipped.key:
        raise NotNow("What the shop has under this number is another order now.")
    intake = Intake(skipped.merchant, cart)
    if incoming.order is not None and incoming.order.source_state is not SourceState.ELIGIBLE:
        why = left_out(intake, incoming, now)
        raise NotNow(why.message if why else "")
    stored = Stored()
    with transaction.atomic():
        intake.keep_rules()
        row = SkippedOrder.objects.select_for_update().filter(pk=skipped.pk).first()
        if row is None:
            raise NotNow("Somebody was quicker: it is not skipped any more.")
        if row.reason in OVER and skipped.reason not in OVER:
            raise NotNow(SHIPPED_SINCE)
        known, over = known_of(intake, [incoming.key])
        intake.again = GONE in (skipped.reason, over.get(incoming.key))  # the WMS is asked for it before it is sent
        ids = [] if known else insert_orders(intake, [incoming], now, stored, anyway=True)
        SkippedOrder.objects.filter(pk=skipped.pk).delete()
        if ids:
            note(ids, "loaded", f"Loaded by hand; it had been skipped: {skipped.message}", now=now, actor=actor)
        announce(skipped.merchant, stored, now, news=bool(ids))
    pk = ids[0] if ids else known[incoming.key][0] if known else None
    found: Order = Order.objects.get(pk=pk) if pk else Order.objects.get(source=cart.source, cart_key=incoming.key)
    return found
