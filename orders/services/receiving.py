"""Receiving: tells the WMS what goods to expect, each purchase order once, and reads back what has come of them.

A purchase order is looked up by our reference before it is sent, where the WMS can be asked; a call that is not
decided when it ends is looked at again only after it has settled. Where nothing can find out, a person decides.
"""

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from msgspec import structs

from alerts.raising import raise_alert, resolve
from carts.models import Cart
from integration_manager.kit.canonical import Found, PurchaseOrder, PurchaseStatus, from_json, to_json
from integration_manager.kit.connector import Dedupe, WmsConnector
from integration_manager.kit.crash import crash_here
from integration_manager.kit.errors import (
    AlreadyDone,
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    NeedsHuman,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
    storable,
)
from merchants.rules.codes import MASTER, ItemCodes
from orders import item_codes, purchase_rows
from orders.out_file import LEASE
from orders.purchase_rows import AGAIN, DAYS, FAILING, HOUR, ITEM_CODE, TAKEN, TRIES, UNKNOWN, Row, State, note
from orders.run import WINDOW, LostLease, Run
from orders.services import file_batches, out_files
from orders.services.receipts import pick_up

log = logging.getLogger(__name__)

BUGS, ROUNDS = 5, 3  # tries that end by our own fault, and unknown outcomes in a row, at most


def receiving(run: Run) -> None:
    """Sends the purchase orders of this merchant that wait, and takes up what has come."""
    connector = run.connector
    assert isinstance(connector, WmsConnector)
    sending = _Sending(run, connector)
    if "purchases" in connector.renders:
        sending.write()
    else:
        sending.send()
    if connector.overrides("receipts") and not run.stopping.is_set():
        pick_up(run, connector)


@dataclass(frozen=True, slots=True)
class Done:
    """The WMS knows what it has to. `did`: sent, changed, canceled, found, ended (it never had to know)."""

    did: str
    wms_key: str = ""


class _Sending:
    """The purchase orders of one run."""

    def __init__(self, run: Run, connector: WmsConnector) -> None:
        self.run, self.connector = run, connector
        self.codes: dict[int, ItemCodes | None] = {}
        self.carts: set[int] = set()
        self.refused: set[int] = set()  # carts with one that has to wait for a person
        self.failed: ConnectorError | None = None

    def send(self) -> None:
        """One after the other: they are few."""
        run, connector = self.run, self.connector
        lease = WINDOW + 3 * connector.timeout + connector.settle.total_seconds()
        while run.keep_alive() and not run.stopping.is_set():
            run.current()
            rows = claim(run, 1, lease)
            if not rows:
                break
            (row,) = rows
            self.carts.add(row.cart_id)
            try:
                done = self._bring(row)
            except _Gone:
                continue
            except LostLease:
                self._release(row, run.now)  # raised before a call, so that did not begin
                raise
            except Exception as error:  # a mistake of ours too: it stops this one alone, and is reported
                self._failed(row, error)
            else:
                self._done(row, done)
        self._close()

    def write(self) -> None:
        """By files, of which each may have many. A file says what a purchase order is now, also that it is canceled."""
        run = self.run
        try:
            run.connector.ready("purchases")
        except NeedsHuman as error:
            self.failed = error
            self._close()
            return
        out_files.recover(run, "purchases")
        while run.keep_alive() and not run.stopping.is_set():
            run.current()
            rows = claim(run, file_batches.RECORDS, LEASE)
            if not rows:
                break
            self.carts |= {row.cart_id for row in rows}
            batch = []
            for row in rows:
                try:
                    if row.sent and row.starts > 1 and not row.at_wms:
                        raise _Undecided  # it may be in a file that a restored backup made us forget
                    done = self._without_a_file(row)
                    order = self._prepared(row)
                except Exception as error:  # as above
                    self._failed(row, error)
                    continue
                if done is not None:
                    self._done(row, done)
                else:
                    batch.append((row, order))
            if batch:
                file_batches.tell_purchases(run, batch, lambda one, error: self._failed(one[0], error))
        if run.stopping.is_set() and run.refusal is None and run.outage is None:
            run.stopping.clear()  # a directory that takes nothing may still have receipts beside it
        self._close()

    def _without_a_file(self, row: Row) -> Done | None:
        """What need not be written: it is over, and was never in a file, or the source has closed it."""
        status = PurchaseStatus(row.data["status"])
        if status is PurchaseStatus.CLOSED or (status is PurchaseStatus.CANCELED and not row.sent):
            return Done("ended", row.wms_key)
        return None

    # ── one purchase order ──

    def _bring(self, row: Row) -> Done:
        """Has the WMS know what it has to know of one. Raises ConnectorError, and _Gone where another run has it."""
        connector, order = self.connector, self._prepared(row)
        looks = connector.overrides("find_purchase_order")
        key, wanted = row.wms_key, False
        none = connector.dedupe("send_purchase_order") is Dedupe.NONE
        canceled = order.status is PurchaseStatus.CANCELED
        if looks and not key:
            found: Found | None = self.run.call(connector.find_purchase_order, row.ref)
            if found is not None:  # that it is this one a person may have said already
                wanted = not row.at_wms and self._same(row, order, found)
                key = found.wms_key
        elif not row.at_wms and row.sent and row.starts > 1 and (canceled or none):
            raise _Undecided  # of one that is canceled also where sending it again would tell
        if order.status is not PurchaseStatus.OPEN:
            return self._end(row, order, key)
        if not (key or row.at_wms):
            self._begin(row, order)
            crash_here("before_purchase")
            key = self.run.call(connector.send_purchase_order, order, row.ref)
            crash_here("after_purchase")
            return Done("sent", key)
        if wanted:
            return Done("found" if row.starts == 1 else "sent", key)
        changes = connector.overrides("change_purchase_order")
        if key and changes:
            self._begin(row, order, key)
            self.run.call(connector.change_purchase_order, key, order)
            return Done("changed", key)
        if row.sent_hash == row.content_hash:
            return Done("found", key)
        why = _NAMELESS if changes else "the WMS takes no changes from here"
        raise NeedsHuman(
            f"It was changed after the WMS had it, and {why}.",
            code="changed_after_sending",
            fix="Change it there, then press It Is Settled.",
        )

    def _same(self, row: Row, order: PurchaseOrder, found: Found) -> bool:
        """Whether what the WMS has under our reference is this one as it is to be. Raises NeedsHuman.

        It tells number and lines alone: what was sent of the rest is known by the hash.
        """
        lines = _amounts((line.item, line.quantity) for line in order.lines)
        same = _amounts(found.lines) == lines
        if found.order_no not in (order.number, row.sent.get("number")) or not (same or row.sent):
            raise NeedsHuman(
                f"The WMS has purchase order {found.order_no} under our reference {row.ref}.",
                code=TAKEN,
                fix="If it is this one, press It Arrived. Else remove it there, then press Send Again.",
            )
        if found.canceled and order.status is PurchaseStatus.OPEN:
            raise NeedsHuman(
                "It had arrived, and somebody has canceled it at the WMS.",
                code="canceled_at_wms",
                fix="Enter it again there and press It Is Settled, or cancel it in the cart.",
            )
        return same and found.order_no == order.number and row.sent_hash in ("", row.content_hash)

    def _end(self, row: Row, order: PurchaseOrder, key: str) -> Done:
        """Nothing is to come any more: the source has canceled or closed it."""
        if not (key or row.at_wms) or order.status is PurchaseStatus.CLOSED:
            return Done("ended", key)
        cancels = self.connector.overrides("cancel_purchase_order")
        if not (key and cancels):
            why = _NAMELESS if cancels else "the WMS takes no cancellations from here"
            raise NeedsHuman(
                f"It was canceled after the WMS had it, and {why}.",
                code="cancel_by_hand",
                fix="Cancel it there, then press It Is Settled.",
            )
        if not self.run.call(self.connector.cancel_purchase_order, key):
            raise NeedsHuman(
                "It was canceled in the cart, and for the WMS that is too late: it still expects the goods.",
                code="cancel_refused",
                fix="Settle it with the warehouse, then press It Is Settled.",
            )
        return Done("canceled", key)

    def _prepared(self, row: Row) -> PurchaseOrder:
        """The purchase order in the WMS's codes. Raises NeedsHuman."""
        order = from_json(PurchaseOrder, row.data)
        if order.status is not PurchaseStatus.OPEN:
            return from_json(PurchaseOrder, {**row.sent, "status": order.status.value}) if row.sent else order
        if not order.lines:
            raise NeedsHuman("It has no lines.", code="nothing_to_send", fix="Add what is to come in the cart.")
        if any(not line.item for line in order.lines):
            raise NeedsHuman("A line has no SKU.", code="sku_missing", fix="Give the item one in the cart.")
        if any(line.quantity <= 0 for line in order.lines):
            raise NeedsHuman(
                "A line has no quantity above zero.", code="bad_quantity", fix="Correct or remove it in the cart."
            )
        if row.cart_id not in self.codes:
            self.codes[row.cart_id] = item_codes.of(self.run.merchant, row.cart)
        codes = self.codes[row.cart_id]
        if codes is None:
            return order
        lines = tuple(structs.replace(line, item=_sku(codes, line.item)) for line in order.lines)
        return structs.replace(order, lines=lines)

    def _begin(self, row: Row, order: PurchaseOrder, key: str = "") -> None:
        """Keeps what a call is begun with, before it. `key`: a change, of what the WMS knows by that. Raises _Gone."""
        known = {"wms_key": storable(key, 100)} if key else {"sent_hash": row.content_hash}
        if not Row.objects.filter(pk=row.pk, token=row.token).update(sent=to_json(order), **known):
            raise _Gone
        row.sent, row.wms_key = to_json(order), known.get("wms_key", "")

    # ── what became of it ──

    def _done(self, row: Row, done: Done) -> None:
        now = self.run.now
        with transaction.atomic():
            mine = self._mine(row)
            if mine is None:
                return
            if done.wms_key or mine.at_wms:
                purchase_rows.arrived(mine, done.wms_key, self.run.wms_id, row.content_hash, now)
            else:  # it never had to know
                purchase_rows.know(mine, row.content_hash, now)
            note([mine], done.did, SAID[done.did], now)
        self.run.counts[f"purchases_{done.did}"] += 1

    def _failed(self, row: Row, error: Exception) -> None:
        run, now = self.run, self.run.now
        if isinstance(error, AuthFailed):
            self._release(row, now)
            run.refused(error)
        elif isinstance(error, RateLimited):
            again = error.retry_at or now + AGAIN
            self._release(row, again)
            run.due_at(again)
            run.stopping.set()
        elif isinstance(error, ConnectionFailed):
            self._release(row, now + AGAIN)
            run.unreachable(error)
        elif isinstance(error, Permanent | NeedsHuman):
            self._stopped(row, error.code, f"{error} {getattr(error, 'fix', '')}".strip())
        elif isinstance(error, AlreadyDone):
            self._already(row, error)
        elif isinstance(error, _Undecided | OutcomeUnknown) and not row.at_wms:
            self._unknown(row, str(error), blind=isinstance(error, _Undecided))
        else:
            self._later(row, error)

    def _already(self, row: Row, error: AlreadyDone) -> None:
        """The WMS says that it has this reference. Believed only if a call of ours was begun before."""
        if row.starts > 1 and error.remote_id:
            self._done(row, Done("sent", error.remote_id))
        else:
            fix = "If it is this one, press It Arrived. Else remove it there, then press Send Again."
            self._stopped(row, TAKEN, f"The WMS has one under our reference {row.ref} already. {fix}")

    def _unknown(self, row: Row, why: str, *, blind: bool) -> None:
        """No answer came. It is looked up after it has settled; where that is no way out, a person decides."""
        now, none = self.run.now, self.connector.dedupe("send_purchase_order") is Dedupe.NONE
        if blind or none or row.rounds + 1 >= ROUNDS:
            message = "It was sent and no answer came. Look at the WMS, then say whether it arrived."
            self._stopped(row, UNKNOWN, message)
            return
        again = now + max(AGAIN, self.connector.settle)
        message = f"Whether it arrived is not known yet: {why} It is looked up."
        if self._update(row, rounds=row.rounds + 1, retry_at=again, error_code=UNKNOWN, error_message=message):
            self.run.due_at(again)
            self.run.counts["unknown"] += 1

    def _later(self, row: Row, error: Exception) -> None:
        """Once an hour, 360 times or for 15 days; then a person has it."""
        now, most = self.run.now, TRIES
        if not isinstance(error, ConnectorError):
            number = secrets.token_hex(4)
            log.error("report %s: purchase order %s failed", number, row.pk, exc_info=error)
            error, most = Transient(f"We could not send it (report {number}).", code="internal"), BUGS
        failures, first = row.failures + 1, row.first_failed_at or now
        self.run.counts["failed"] += 1
        if failures >= most or now - first >= DAYS:
            self._stopped(row, "gave_up", f"It was tried {failures} times and is not tried any more. Last: {error}")
            return
        # What is known to have come to nothing is no start; what may have come to something is looked at first.
        starts = row.starts - (not isinstance(error, OutcomeUnknown))
        self._update(
            row,
            failures=failures,
            first_failed_at=first,
            retry_at=now + HOUR,
            starts=starts,
            error_code=error.code,
            error_message=str(error),
        )
        self.run.due_at(now + HOUR)
        self.failed = error

    def _stopped(self, row: Row, code: str, why: str) -> None:
        unknown = code == UNKNOWN
        starts = row.starts - (not unknown)
        with transaction.atomic():
            mine = self._mine(row)
            if mine is None:
                return
            if mine.content_hash != row.content_hash and not unknown:  # changed in the cart meanwhile: it may be mended
                self._update(row, starts=starts, retry_at=self.run.now)
                return
            if self._update(row, state=State.REFUSED, starts=starts, error_code=code[:40], error_message=why):
                note([row], "refused", why, self.run.now)
                self.refused.add(row.cart_id)
                self.run.counts["purchases_refused"] += 1

    def _release(self, row: Row, retry_at: datetime) -> None:
        """Gives back one of which the WMS has not been told."""
        self._update(row, starts=row.starts - 1, retry_at=retry_at)

    def _update(self, row: Row, **fields: Any) -> bool:
        return bool(Row.objects.filter(pk=row.pk, token=row.token).update(lease_until=None, **fields))

    def _mine(self, row: Row) -> Row | None:
        found: Row | None = Row.objects.select_for_update().filter(pk=row.pk, token=row.token).first()
        return found

    def _close(self) -> None:
        run, key = self.run, f"receiving:{self.run.merchant.pk}"
        if self.failed is not None:
            raise_alert(
                FAILING,
                key,
                f"The WMS does not take purchase orders of {run.merchant.name} at the moment: {self.failed}",
                now=run.now,
                fix="Nothing to do: each is tried again once an hour.",
                said=self.failed.said,
                merchant_id=run.merchant.pk,
            )
        elif not Row.objects.filter(merchant=run.merchant, state=State.WAITING, failures__gt=0).exists():
            resolve(FAILING, [key], run.now)
        for cart in Cart.objects.filter(pk__in=self.carts):
            purchase_rows.tell(cart, run.now, worse=cart.pk in self.refused)


SAID = {
    "sent": "The WMS expects it.",
    "changed": "The WMS has it as it is now.",
    "canceled": "The WMS expects it no more.",
    "found": "The WMS had it already.",
    "ended": "Nothing is to come any more, and the WMS had not to be told.",
}


_NAMELESS = "which number it has there is not known"


class _Gone(Exception):
    """Another run has taken this one over."""


class _Undecided(Exception):
    """A run ended in the middle of a send, and nobody can be asked what came of it."""


def _sku(codes: ItemCodes, item: str) -> str:
    """The WMS's SKU of what the cart calls an item. Raises NeedsHuman."""
    skus = sorted({hit.sku for hit in codes.hits(item)})
    if len(skus) == 1:
        return skus[0]
    if not skus and codes.kind == MASTER:
        return item
    why = (
        f"{item} may be several products: {', '.join(skus)}." if skus else f"{item} is no {codes.kind} of any product."
    )
    raise NeedsHuman(why, code=ITEM_CODE, fix="Mend the codes of the products: it goes by itself then.")


def _amounts(lines: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item, quantity in lines:
        found[item] = found.get(item, 0) + quantity
    return found


def claim(run: Run, limit: int, lease: float) -> list[Row]:
    """Takes purchase orders that wait for the WMS, for so many seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH picked AS MATERIALIZED (
                SELECT id FROM orders_purchaseorder
                WHERE merchant_id = %s AND state = 'waiting' AND retry_at <= %s AND out_file_id IS NULL
                  AND (lease_until IS NULL OR lease_until < now())
                ORDER BY retry_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
            UPDATE orders_purchaseorder p SET token = p.token + 1, starts = p.starts + 1,
                   wms_key = CASE WHEN p.wms_id = %s THEN p.wms_key ELSE '' END,
                   sent_at = CASE WHEN p.wms_id = %s THEN p.sent_at END,
                   wms_id = %s, lease_until = now() + make_interval(secs => %s)
            FROM picked WHERE p.id = picked.id RETURNING p.id""",
            [run.merchant.pk, run.now, limit, run.wms_id, run.wms_id, run.wms_id, lease],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(Row.objects.select_related("cart").filter(pk__in=ids).order_by("retry_at", "id"))
