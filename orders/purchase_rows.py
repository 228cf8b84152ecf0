"""Purchase orders as they are kept: what a cart says of them, what came of them, their timeline and their alerts."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Count, F, Min
from msgspec import structs

from alerts.raising import raise_alert, resolve
from carts.models import Cart
from integration_manager.kit.canonical import (
    ZERO,
    PurchaseLine,
    PurchaseOrder,
    PurchaseStatus,
    Receipt,
    ReceiptLine,
    from_json,
    to_json,
)
from integration_manager.kit.csvcells import plain
from integration_manager.kit.errors import storable
from merchants import schedules
from merchants.models import Service
from orders import models
from orders.intake import Intake
from orders.models import PurchaseEvent
from orders.references import wms_ref
from orders.restored import forgot

Row = models.PurchaseOrder
State = Row.State
LONGEST = 100  # characters of a key, a number, a SKU
# What fails is tried again after a minute or (where that is for the other side to mend) an hour, so often and so long.
AGAIN, HOUR, TRIES, DAYS = timedelta(minutes=1), timedelta(hours=1), 360, timedelta(days=15)
# Of alerts: what waits for a person, by cart; what came that was not ordered, by purchase order; by merchant, what the
# WMS does not take at the moment; by cart, what that does not take.
REFUSED, DIFFERS, FAILING, UNTOLD = (
    "purchase_refused", "purchase_differs", "purchases_failing", "receipt_refused",
)  # fmt: skip
# Error codes.
ITEM_CODE, ITEM, TAKEN, UNKNOWN, FILE_UNKNOWN, OTHER_WMS = (
    "item_code_unknown", "item_unknown", "reference_taken", "outcome_unknown", "file_unknown", "other_wms",
)  # fmt: skip


def store(
    cart: Cart, orders: Sequence[PurchaseOrder], now: datetime, restored_at: datetime | None = None
) -> Counter[str]:
    """Keeps what a page says of a cart's purchase orders. What is new or changed waits for the WMS; how many of each.

    In the page's transaction. The rows are few: they are taken one by one. `restored_at`: when a backup was restored.
    """
    counts: Counter[str] = Counter()
    intake = Intake(cart.merchant, cart, restored_at=restored_at)
    known = Row.objects.select_for_update().filter(merchant=cart.merchant_id, source=cart.source)
    # All of them first, always in one order: what reads the WMS locks the same rows.
    list(known.filter(key__in=[_key(order.key) for order in orders]).order_by("pk").values_list("pk"))
    for order in orders:
        key = _key(order.key)
        row = known.filter(key=key).first()
        counts[_add(intake, key, order, now) if row is None else _follow(row, cart, order, now)] += 1
    return +counts


def _add(intake: Intake, key: str, order: PurchaseOrder, now: datetime) -> str:
    data = to_json(order)
    # As far as its source says when it was made: the WMS may have heard of it, and we have forgotten that.
    forgotten = forgot(order.ordered_on or (order.modified_at and order.modified_at.date()), intake.restored_at)
    if order.status is not PurchaseStatus.OPEN and not (forgotten and order.status is PurchaseStatus.CANCELED):
        return "found"  # it was over before we heard of it: nothing is to come
    row: Row = Row.objects.create(
        merchant=intake.merchant,
        cart=intake.cart,
        source=intake.cart.source,
        key=key,
        ref=_free_ref(intake, key, order.number),
        created_at=now,
        retry_at=now,
        starts=int(forgotten),
        sent=data if forgotten else {},
        **_facts(order, data),
    )
    note([row], "loaded", "From the cart.", now)
    return "new"


def _follow(row: Row, cart: Cart, order: PurchaseOrder, now: datetime) -> str:
    """What the source says now of one that is known."""
    data = to_json(order)
    if row.cart_id != cart.pk:
        row.cart = cart  # the same shop, connected again
        row.save(update_fields=["cart"])
    if _hash(data) == row.content_hash:
        return "found"
    if row.modified_at is not None and order.modified_at is not None and order.modified_at < row.modified_at:
        return "found"  # a file that comes late, say: what is known is newer
    for name, value in _facts(order, data).items():
        setattr(row, name, value)
    told = "Changed in the cart."
    if order.status is PurchaseStatus.CANCELED:
        told = "Canceled in the cart."
    elif order.status is PurchaseStatus.CLOSED:
        told = "Closed in the cart."
    changed = [*_facts(order, data), "state", "retry_at", "error_code", "error_message", "failures", "first_failed_at"]
    # What a person keeps here stays here, and what one has to say something about (its file, perhaps) waits for that.
    kept = row.state == State.HELD or row.error_code in (UNKNOWN, FILE_UNKNOWN)
    if row.receipt.get("closed") and not kept:
        row.state, row.error_code, row.error_message = _state_of(row), "", ""
        if order.status is PurchaseStatus.OPEN:
            told += " The WMS is not told: it expects nothing more of it."
    elif not kept and not (row.state == State.RECEIVED and order.status is PurchaseStatus.CLOSED):
        # Whatever it waited for may be mended by that.
        row.state, row.retry_at = State.WAITING, max(row.retry_at, now) if row.starts else now
        row.error_code = row.error_message = ""
        row.failures, row.first_failed_at = 0, None
    row.save(update_fields=changed)
    note([row], "changed", told, now)
    return "changed"


def _facts(order: PurchaseOrder, data: dict[str, Any]) -> dict[str, Any]:
    """The columns that follow from what the source says."""
    number = storable(order.number, LONGEST)
    return {
        "number": number,
        "search": fold(number),
        "supplier": storable(order.supplier or "", 200),
        "expected_on": order.expected_on,
        "data": data,
        "content_hash": _hash(data),
        "modified_at": order.modified_at,
    }


def fold(text: str) -> str:
    """A number as it is searched by."""
    return text.strip().casefold()[:LONGEST]


def _key(key: str) -> str:
    key = storable(key)
    return key if len(key) <= LONGEST else f"{key[:60]}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _hash(data: dict[str, Any]) -> str:
    content = {name: value for name, value in data.items() if name != "modified_at"}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _free_ref(intake: Intake, key: str, number: str) -> str:
    """Our reference at the WMS: the number where that is possible and no other purchase order's."""
    cart = intake.cart
    plain = wms_ref(cart.public_id, cart.number, key, number, 0, intake.prefix)
    if Row.objects.filter(merchant=intake.merchant, ref=plain).exists():
        return wms_ref(cart.public_id, cart.number, key, "", 0, intake.prefix)
    return plain


# ── what the WMS has ──


def arrived(row: Row, wms_key: str, wms_id: int | None, content_hash: str, now: datetime) -> None:
    """The WMS has a purchase order as it was when its `content_hash` was this. `row` is locked.

    `wms_key`: "" where nobody has said its number there. Our reference may be the number of another one.
    """
    row.wms_key, row.wms_id, row.sent_at = storable(wms_key, 100), wms_id, now
    know(row, content_hash, now)


def know(row: Row, content_hash: str, now: datetime) -> None:
    """The WMS knows what it has to of one as it was when its `content_hash` was this. `row` is locked."""
    row.sent_hash = content_hash
    row.lease_until, row.first_failed_at, row.out_file_id = None, None, None
    row.starts = row.rounds = row.failures = 0
    row.error_code = row.error_message = ""
    if row.content_hash != content_hash:  # changed in the cart meanwhile
        row.state, row.retry_at = State.WAITING, now
    else:
        row.state = _state_of(row)
    row.save()


def _state_of(row: Row) -> State:
    """What it is once nothing is left to be told."""
    status = PurchaseStatus(row.data["status"])
    if status is PurchaseStatus.CANCELED:
        return State.CANCELED
    over = status is PurchaseStatus.CLOSED or bool(row.receipt.get("closed"))
    return State.RECEIVED if over else State.EXPECTED


# ── what came ──


def receive(row: Row, receipt: Receipt, now: datetime) -> bool:
    """Keeps what came of a purchase order, in all; False where that is no news. `row` is locked."""
    before = from_json(Receipt, row.receipt) if row.receipt else None
    if before is not None and receipt.modified_at and before.modified_at and receipt.modified_at < before.modified_at:
        return False
    data = to_json(structs.replace(receipt, wms_key=None, ref=None))
    if data == row.receipt:
        return False
    come, strange = allotted(ordered(row), receipt.lines)
    row.receipt, row.received_at = data, receipt.received_at or receipt.modified_at or now
    told = _hash({"come": {key: format(many.normalize(), "f") for key, many in come.items()}, "closed": receipt.closed})
    news = told != row.receipt_hash
    row.receipt_hash = told
    if news:
        row.tell_at, row.tell_failures, row.tell_failed_at, row.tell_error = now, 0, None, ""
    if receipt.closed and row.state != State.CANCELED:
        row.state, row.error_code, row.error_message = State.RECEIVED, "", ""
    row.save()
    if news:
        many = sum(come.values(), ZERO)
        said = f"{plain(many)} of {plain(_pieces(row))} so far."
        note([row], "received", f"{said} The WMS expects nothing more." if receipt.closed else said, now)
    _compare(row, come, strange, receipt.closed, now)
    return True


def ordered(row: Row) -> tuple[PurchaseLine, ...]:
    """The lines as the WMS has them; as the source has them where nothing was sent yet."""
    return from_json(PurchaseOrder, row.sent or row.data).lines


def allotted(
    lines: Sequence[PurchaseLine], received: Sequence[ReceiptLine]
) -> tuple[dict[str, Decimal], list[ReceiptLine]]:
    """How much came of each line, by its id; and what is on none of them.

    What the WMS says of an item fills its lines one after the other; what is too much is the last one's.
    """
    come = {line.line_id: ZERO for line in lines}
    strange: list[ReceiptLine] = []
    for one in received:
        if one.line_id in come:
            come[one.line_id] += one.quantity
            continue
        mine = [line for line in lines if line.item == one.item]
        left = one.quantity
        for line in mine:
            part = left if line is mine[-1] else min(left, max(line.quantity - come[line.line_id], ZERO))
            come[line.line_id] += part
            left -= part
        if not mine:
            strange.append(one)
    return come, strange


def _compare(row: Row, come: dict[str, Decimal], strange: Sequence[ReceiptLine], closed: bool, now: datetime) -> None:
    """Says what is other than it was ordered; what is right again says so too."""
    words = []
    canceled = row.state == State.CANCELED
    for line in ordered(row):
        many = come[line.line_id]
        if canceled and many:
            words.append(f"{plain(many)} {line.item}, although it is canceled")
            continue
        if many > line.quantity or (closed and not canceled and many < line.quantity):
            words.append(f"{plain(many)} of {plain(line.quantity)} {line.item}")
    words += [f"{plain(one.quantity)} {one.item}, which was not ordered" for one in strange]
    if not words:
        resolve(DIFFERS, [alert_key(row)], now)
        return
    raise_alert(
        DIFFERS,
        alert_key(row),
        f"Of {row.number} came {'; '.join(words[:5])}{' …' if len(words) > 5 else ''}.",
        now=now,
        fix="Settle it with the supplier and the warehouse.",
        total=len(words),
        merchant_id=row.merchant_id,
        cart_id=row.cart_id,
    )


def to_tell(row: Row) -> Receipt:
    """What the cart is to be told: by its own lines and codes."""
    lines = from_json(PurchaseOrder, row.data).lines
    receipt = from_json(Receipt, row.receipt)
    come, _ = allotted(ordered(row), receipt.lines)
    told = tuple(ReceiptLine(ln.item, come[ln.line_id], ln.line_id) for ln in lines if ln.line_id in come)
    return Receipt(lines=told, received_at=row.received_at, closed=receipt.closed)


def told(rows: Sequence[tuple[int, str]], now: datetime, message: str) -> None:
    """The cart knows what these (id, receipt_hash) said. What has come since is told next."""
    fields: dict[str, Any] = {"told_at": now, "tell_failures": 0, "tell_failed_at": None, "tell_error": ""}
    with transaction.atomic():
        for pk, known in rows:
            fields |= {"told_hash": known, "tell_file_id": None}
            if not Row.objects.filter(pk=pk, receipt_hash=known).update(tell_at=None, **fields):
                Row.objects.filter(pk=pk).update(tell_at=now, **fields)
        note(Row.objects.filter(pk__in=[pk for pk, _ in rows]), "told", message, now)


def _pieces(row: Row) -> Decimal:
    return sum((line.quantity for line in ordered(row)), ZERO)


# ── timeline and alerts ──


def note(rows: Iterable[Row], kind: str, message: str, now: datetime, *, actor: str = "") -> None:
    """Adds an entry to the timelines of these."""
    PurchaseEvent.objects.bulk_create(
        [PurchaseEvent(purchase=row, at=now, kind=kind, actor=actor, message=message) for row in rows]
    )


def alert_key(row: Row) -> str:
    """The key of what is said of this one alone."""
    return f"purchase:{row.public_id}"


def tell(cart: Cart, now: datetime, *, worse: bool) -> None:
    """Alerts of a cart's purchase orders that wait for a person: raised where it is `worse`, ended with the last.

    A cart whose purchase orders are switched off is told nothing, so nobody has to mend that.
    """
    for kind, rows, what, fix in (
        (REFUSED, Row.objects.filter(cart=cart, state=State.REFUSED), "not at the WMS", "See why on its page."),
        (
            UNTOLD,
            Row.objects.filter(cart=cart, cart__sync_purchases=True, tell_at__isnull=True).exclude(tell_error=""),
            "received, and the cart does not take that",
            "Correct it in the cart, or tell it again from its page.",
        ),
    ):
        found = rows.aggregate(number=Count("pk"), first=Min("pk"))
        if not found["number"]:
            resolve(kind, [f"cart:{cart.pk}"], now)
        elif worse:
            first = Row.objects.get(pk=found["first"])
            number = f"{first.number} is {what}"
            if found["number"] > 1:
                number = f"{found['number']} purchase orders of {cart.name} are {what}, first {first.number}"
            why = first.error_message if kind == REFUSED else first.tell_error
            raise_alert(
                kind,
                f"cart:{cart.pk}",
                f"{number}: {why}",
                now=now,
                fix=fix,
                total=found["number"],
                merchant_id=cart.merchant_id,
                cart_id=cart.pk,
            )


def stop(cart: Cart, now: datetime) -> None:
    """Purchase orders of the cart were switched off: what no call was begun for stays here, and it is told nothing."""
    rows = list(
        Row.objects.select_for_update().filter(cart=cart, state=State.WAITING, starts=0, wms_key="", sent_at=None)
    )
    for row in rows:
        row.state, row.error_code, row.error_message = State.HELD, "", ""
        row.save(update_fields=["state", "error_code", "error_message"])
    note(rows, "held", "Not sent: purchase orders were switched off.", now)
    resolve(UNTOLD, [f"cart:{cart.pk}"], now)


def codes_changed(merchant_id: int, now: datetime) -> None:
    """What waited for an item code, or was refused for a product, is tried once more."""
    waited = Row.objects.filter(merchant=merchant_id, state=State.REFUSED, error_code__in=(ITEM_CODE, ITEM))
    found = list(waited.select_for_update().order_by("pk").values_list("pk", flat=True))
    if found:
        again = {"state": State.WAITING, "retry_at": now, "error_code": "", "error_message": ""}
        Row.objects.filter(pk__in=found).update(**again)
        schedules.wake(Service.RECEIVING, now, merchant_id=merchant_id, timed=True)


def leave_wms(now: datetime) -> None:
    """Another WMS takes the place of the old one: what that has is not at the new one, and nothing goes by itself."""
    waited = set(Row.objects.filter(state=State.REFUSED).values_list("cart", flat=True))
    gone = Row.objects.filter(state__in=[State.WAITING, State.REFUSED, State.EXPECTED])
    gone = gone.exclude(starts=0, wms_key="", sent_at=None)
    gone.update(
        state=State.HELD,
        error_code=OTHER_WMS,
        error_message="The WMS was changed. Send it if the new one is to expect it.",
        out_file_id=None,
        lease_until=None,
        token=F("token") + 1,  # a call to the old one that is under way records nothing
    )
    for cart in Cart.objects.filter(pk__in=waited):
        tell(cart, now, worse=False)
