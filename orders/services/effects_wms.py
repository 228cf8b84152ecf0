"""Cancellations at the WMS. A repeated one changes nothing there."""

from typing import Any

from alerts.raising import resolve
from integration_manager.kit.connector import WmsConnector
from integration_manager.kit.errors import ConnectorError, Permanent
from orders.again import intake_of, send_again
from orders.models import Effect, Order, Status
from orders.restored import restored_at
from orders.run import Run
from orders.services import shipped_in_part
from orders.services.effects import Claimed, Work, carry_out
from orders.states import move, note
from orders.telling import tell_of_cancellation


def cancel_at_wms(run: Run, connector: WmsConnector) -> None:
    """Asks the WMS for the cancellations that wait."""
    # One that is being sent, or was never sent, is decided by the send.
    sent = "o.status IN ('at_wms', 'shipped', 'confirmed', 'canceled')"
    carry_out(run, [_Cancel(run, connector)], lease=connector.timeout + 10, where=sent)


class _Cancel(Work):
    kind, name = Effect.Kind.CANCEL_AT_WMS, "cancel"
    by_hand = "Stop it at the WMS by hand, or talk to the customer."

    def __init__(self, run: Run, connector: WmsConnector) -> None:
        super().__init__(run)
        self.connector = connector

    def undecided(self, one: Claimed) -> bool:
        if one.status in (Status.SHIPPED, Status.CONFIRMED):
            self._has_left(one)
        elif one.status != Status.AT_WMS:  # canceled before it was sent
            self._record(one, agreed=one.status == Status.CANCELED, why="it is not there")
        elif one.wms_id not in (None, self.run.wms_id):
            self._record(one, agreed=False, why="it is at the WMS of before, which is not asked any more")
        elif not self.connector.overrides("cancel"):
            self._record(one, agreed=False, why="this WMS cannot be asked for it")
        elif not one.wms_key and not self.connector.overrides("find"):
            self._record(one, agreed=False, why="nobody has said which number it has there")
        else:
            return True
        return False

    def call(self, one: Claimed) -> bool:
        if one.wms_key:
            return self.connector.cancel(one.wms_key)
        # Our reference may be another order's number there, so it is never asked for by that.
        found = self.connector.find(one.wms_ref)
        if found is None or found.order_no != one.number:
            raise Permanent(f"it shows no order {one.number} under our reference {one.wms_ref}.")
        return found.canceled or self.connector.cancel(found.wms_key)

    def done(self, one: Claimed, answer: Any) -> None:
        # AlreadyDone brings the WMS's id instead of its consent.
        self._record(one, agreed=answer is not False, why="it is too late")

    def refused(self, one: Claimed, why: str, *, state: str, fix: str = "", said: str = "") -> None:
        if self.decide(one, state, why):
            note([one.order_id], "cancel_refused", f"The WMS does not cancel it: {why}", now=self.run.now)
        self.alert(one, "cancel_refused", f"was canceled, but it stays at the WMS: {why}", fix or self.by_hand, said)

    def failing(self, one: Claimed, error: ConnectorError) -> str:
        return f"was canceled, and the WMS does not answer to that as it should: {error}"

    def _has_left(self, one: Claimed) -> None:
        """Decided meanwhile: all of it is on its way, or a part, and the WMS has canceled the rest."""
        if Order.objects.filter(pk=one.order_id, short=True).exists():
            self.alert(one, "canceled_after_shipping", shipped_in_part.TOLD, shipped_in_part.FIX)
            self.decide(one, Effect.State.DONE)
            return
        why = "it has shipped already."
        if self.decide(one, Effect.State.REFUSED, why):
            note([one.order_id], "cancel_refused", f"The WMS does not cancel it: {why}", now=self.run.now)
        fix = "Stop the parcel if that is possible, or talk to the customer."
        self.alert(one, "shipped_although_canceled", "was canceled, and the WMS has shipped it.", fix)

    def _record(self, one: Claimed, *, agreed: bool, why: str) -> None:
        now, run, again = self.run.now, self.run, bool(one.data.get("again"))
        if not agreed:
            self.refused(one, f"{why}.", state=Effect.State.REFUSED)
            return
        intake = intake_of(one.order_id, restored_at(run)) if again else None
        Order.objects.select_for_update(no_key=True).get(pk=one.order_id)
        if in_part := shipped_in_part.has_shipped(one.order_id):
            moved = shipped_in_part.end(one.order_id, shipped_in_part.CANCELED, now)
        else:
            moved = move(
                [one.order_id], Status.AT_WMS, Status.CANCELED, "canceled", now=now,
                message="Canceled at the WMS.", canceled_at=now,
            )  # fmt: skip
            if intake is not None:
                send_again(intake, one.order_id, now, actor=one.actor, zone=run.account.timezone)
            elif moved and one.canceled_by:
                tell_of_cancellation(moved, now, actor=one.canceled_by, why="The WMS has canceled it.")
        if in_part and moved:
            self.alert(one, "canceled_after_shipping", shipped_in_part.TOLD, shipped_in_part.FIX)
        self.decide(one, Effect.State.DONE)
        resolve("cancel_refused", [self.subject(one)], now)
        run.counts["canceled"] += 1
