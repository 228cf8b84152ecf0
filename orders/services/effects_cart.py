"""What is done once in a cart: cancellations, and refunds.

A cancellation is asked for until the cart has decided. A refund is called for once: where nobody knows
whether it was carried out, the cart is looked at if it can be, and otherwise a person says which it was.
Order Download and Shipment Upload both begin with this, so that it happens while either of them is on.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from alerts.raising import resolve
from integration_manager.kit.canonical import ZERO, Refund, from_json
from integration_manager.kit.connector import CartConnector, Pending
from integration_manager.kit.crash import crash_here
from integration_manager.kit.currencies import decimals
from integration_manager.kit.errors import (
    AlreadyDone,
    AuthFailed,
    ConnectorError,
    NeedsHuman,
    OutcomeUnknown,
    Permanent,
)
from orders.models import Effect
from orders.refunds import in_words, money
from orders.run import Run
from orders.services.effects import BUGS, Claimed, Work, carry_out, mine
from orders.states import note

log = logging.getLogger(__name__)

LOOK = "Look at the order in the cart, then say on the order’s page whether the refund is there."


def carry_out_in_cart(run: Run) -> bool:
    """Carries out what waits for this cart. False: it cannot be called now, the run is over."""
    connector = run.connector
    assert isinstance(connector, CartConnector) and run.cart is not None
    works: list[Work] = []
    if connector.overrides("cancel"):
        works.append(_Cancel(run, connector))
    if connector.overrides("refund"):
        works.append(_Refund(run, connector))
    if works and run.effects_wait:
        # Money follows the cancellation that was asked for with it. An expired lease means that what the
        # call had begun has settled.
        where = """o.cart_id = %s AND NOT (e.kind = 'refund' AND EXISTS (
            SELECT 1 FROM orders_effect c WHERE c.account_id = e.account_id AND c.order_id = e.order_id
            AND c.kind = 'cancel_in_cart' AND c.state = 'waiting'))"""
        lease = 2 * connector.timeout + connector.settle.total_seconds() + 10
        carry_out(run, works, lease=lease, where=where, values=[run.cart.pk])
    return not run.stopping.is_set()


class _InCart(Work):
    def __init__(self, run: Run, connector: CartConnector) -> None:
        super().__init__(run)
        self.connector = connector
        self.cart_name = run.cart.name if run.cart else ""


class _Cancel(_InCart):
    kind, name = Effect.Kind.CANCEL_IN_CART, "cart_cancel"
    by_hand = "Cancel it in the cart by hand."

    def call(self, one: Claimed) -> Pending | None:
        handle, reason = one.data.get(Effect.HANDLE), one.data.get("reason", "")
        answer: Pending | None = (
            self.connector.resume(handle) if handle else self.connector.cancel(one.cart_key, reason)
        )
        crash_here("after_cart_cancel")
        return answer

    def done(self, one: Claimed, answer: Any) -> None:
        if self.decide(one, Effect.State.DONE):
            note([one.order_id], "canceled_in_cart", f"Canceled in {self.cart_name}.", now=self.run.now)
            resolve("cart_cancel_refused", [self.subject(one)], self.run.now)
            self.run.counts["canceled_in_cart"] += 1

    def refused(self, one: Claimed, why: str, *, state: str, fix: str = "", said: str = "") -> None:
        if self.decide(one, state, why):
            message = f"{self.cart_name} does not cancel it: {why}"
            note([one.order_id], "cart_cancel_refused", message, now=self.run.now)
            what = f"was canceled here, and {self.cart_name} does not cancel it: {why}"
            self.alert(one, "cart_cancel_refused", what, fix or self.by_hand, said)

    def failing(self, one: Claimed, error: ConnectorError) -> str:
        return f"was canceled here, and {self.cart_name} does not answer to that as it should: {error}"


class _Refund(_InCart):
    kind, name = Effect.Kind.REFUND, "refund"
    by_hand = "Refund it in the cart by hand, or ask for it again on the order’s page."

    def subject(self, one: Claimed) -> str:
        return f"refund:{one.key}"

    def undecided(self, one: Claimed) -> bool:
        canceled = Effect.objects.filter(order_id=one.order_id, kind=Effect.Kind.CANCEL_IN_CART, key=one.key)
        if one.starts > 1 or not canceled.exclude(state=Effect.State.DONE).exists():
            return True
        why = "the cart did not cancel the order, so nothing was paid back."
        self.refused(one, why, state=Effect.State.REFUSED)
        return False

    def call(self, one: Claimed) -> str:
        if one.starts > 1:
            return self._look(one)
        crash_here("before_refund")
        remote_id = self.connector.refund(one.cart_key, _refund_of(one))
        crash_here("after_refund")
        return remote_id

    def _look(self, one: Claimed) -> str:
        """A call had been begun. What the cart shows decides; a cart that shows nothing decides nothing."""
        if not self.connector.overrides("find_refund"):
            raise OutcomeUnknown("The cart did not answer, and it cannot be asked about refunds.")
        try:
            remote_id = self.connector.find_refund(one.cart_key, one.key)
        except (Permanent, NeedsHuman, AlreadyDone) as error:
            if isinstance(lost := self.run.judged(error), AuthFailed):
                raise lost from error
            raise OutcomeUnknown(f"The cart did not answer, and cannot say now: {error}") from error
        if remote_id is None:
            raise OutcomeUnknown("The cart did not answer, and shows no such refund.")
        return remote_id

    def done(self, one: Claimed, answer: Any) -> None:
        if self.decide(one, Effect.State.DONE, remote_id=str(answer or "")[:150]):
            message = f"{in_words(_refund_of(one))} in {self.cart_name}."
            note([one.order_id], "refunded", message, now=self.run.now, actor=one.actor)
            resolve("refund_refused", [f"refund:{key}" for key in _made_up_for(one.order_id)], self.run.now)
            self.run.counts["refunded"] += 1

    def refused(self, one: Claimed, why: str, *, state: str, fix: str = "", said: str = "") -> None:
        # A refusal that a person can mend is one all the same: the next try is theirs, with a key of its own.
        refund = _refund_of(one)
        if self.decide(one, Effect.State.REFUSED, why):
            what = money(refund.amount, refund.currency)
            message = f"{self.cart_name} does not refund {what}: {why}"
            note([one.order_id], "refund_refused", message, now=self.run.now)
            self.alert(one, "refund_refused", f"has no refund of {what}: {why}", fix or self.by_hand, said)

    def failing(self, one: Claimed, error: ConnectorError) -> str:
        return f"has a refund of which we do not know whether it was made; the cart cannot say now: {error}"

    def unclear(self, one: Claimed, error: Exception) -> None:
        looked, ours = one.starts > 1, not isinstance(error, ConnectorError)
        over = one.is_over(self.run.now, BUGS if ours else _LOOKS)
        if looked and not isinstance(error, OutcomeUnknown) and not over:
            self.failed(one, error)  # the look-up failed, which paid nothing
            return
        if ours:
            log.error("the refund %s of order %s failed", one.key, one.order_id, exc_info=error)
        if not looked and self.connector.overrides("find_refund"):
            # Looked for once what the call may have begun has settled.
            settle = self.connector.settle + timedelta(seconds=1)
            now = self.run.now
            message = f"{self.cart_name} did not answer. It is looked at before anything else is done."
            if mine(one).update(retry_at=now + settle, lease_until=None, error_message=message):
                note([one.order_id], "unknown", message, now=now)
            self.run.due_at(now + settle)
            self.run.counts["failed"] += 1
            return
        self._ask_a_person(one, error)

    def _ask_a_person(self, one: Claimed, error: Exception) -> None:
        refund = _refund_of(one)
        why = str(error) if isinstance(error, ConnectorError) else "It failed by a mistake of ours."
        what = money(refund.amount, refund.currency)
        if self.decide(one, Effect.State.PARKED, why):
            message = f"Whether {what} were refunded is not known: {why} It is not tried again by itself."
            note([one.order_id], "refund_unknown", message, now=self.run.now)
            said = error.said if isinstance(error, ConnectorError) else ""
            words = f"may or may not have a refund of {what}: {why}"
            self.alert(one, "refund_unknown", words, LOOK, said)


def _made_up_for(order_id: int) -> Iterator[str]:
    """The keys of an order's refused refunds whose money has been paid back since: item by item, and what is no item's.

    Parts of an item are rounded one by one, so a coin of the goods and one of their tax may be missing.
    """
    units: dict[str, Decimal] = defaultdict(Decimal)
    paid: dict[str, Decimal] = defaultdict(Decimal)
    ended = Effect.objects.filter(
        order_id=order_id, kind=Effect.Kind.REFUND, state__in=[Effect.State.DONE, Effect.State.REFUSED]
    )
    for effect in ended.order_by("-id"):
        refund = from_json(Refund, effect.data)
        asked = [(line.line_id, line.quantity, line.amount + line.tax) for line in refund.lines]
        asked.append(("", ZERO, refund.amount - sum((amount for *_, amount in asked), ZERO)))
        coins = Decimal(2).scaleb(-decimals(refund.currency))
        if effect.state == Effect.State.DONE:
            for what, number, amount in asked:
                units[what] += number
                paid[what] += amount
        elif all(units[what] >= number and paid[what] + coins >= amount for what, number, amount in asked):
            yield effect.key


_LOOKS = 48  # hours in which a cart that cannot be looked at is asked again


def _refund_of(one: Claimed) -> Refund:
    return from_json(Refund, one.data)
