"""Removes the personal data of orders that need it no more, so many days after, by the kind of cart they came from.

Name, street, phone, e-mail, gift message, instructions, notes and extra fields become MARK wherever the order has
left them: its content, the source's own form, before and after in its timeline, exchanges, search keys, what its
events and alerts say. It cannot be taken back. Its keys, items, quantities, money, parcels and the place stay.

The days begin when the WMS got an order, which has its address then, and anew when it shipped or was canceled. One
that is not sent needs its address until it is canceled, which orders/abandoned.py sees to.
"""

import math
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction

from alerts.models import Alert
from carts.systems import registry
from integration_manager import tenancy
from integration_manager.kit.connector import CartConnector
from merchants.rules.address import SIDES, SUGGESTED
from orders.models import Event, EventDetail, OrderDetail

MARK = "**PII Removed**"
USUAL = 180  # days
PERSONAL = frozenset(
    (
        "company", "title", "first_name", "last_name", "address_1", "address_2", "address_3", "phone", "e_mail",
        "customer_id", "gift_message", "shipping_instructions", "line_comment", "extra_fields", "note",
    )
)  # fmt: skip
BATCH = 500  # orders of one transaction
_ADDRESSES = tuple(f"{word} " for word in (*SIDES.values(), SUGGESTED))
_SHORT = 4  # letters; a shorter value in a sentence may as well be another word

# Walks the table by its key: an index by time would have to be written with each order, to be read once a night.
_NEXT = """
    SELECT o.id FROM orders_order o JOIN carts_cart c ON c.account_id = o.account_id AND c.id = o.cart_id
    WHERE o.id > %(last)s AND o.forgotten_at IS NULL AND o.status IN ('at_wms', 'shipped', 'confirmed', 'canceled')
      AND coalesce(greatest(o.shipped_at, o.canceled_at), o.delivered_at) < %(now)s
          - make_interval(days => coalesce((%(days)s::jsonb ->> c.system)::int, %(otherwise)s))
      -- What is to be sent again once the WMS has canceled it needs its address.
      AND NOT (o.status = 'at_wms' AND EXISTS (
          SELECT 1 FROM orders_effect e
          WHERE e.account_id = o.account_id AND e.order_id = o.id AND e.kind = 'cancel_at_wms' AND e.state = 'waiting'))
    ORDER BY o.id LIMIT %(batch)s FOR UPDATE OF o SKIP LOCKED"""

# A filter's reason quotes the order, which may be somebody's name or address.
_SAID = "An Order Filter did not let it through."
_SKIPPED = """
    UPDATE orders_skippedorder SET raw = NULL,
           message = CASE WHEN reason = 'order_filtered' THEN %(said)s ELSE message END
    WHERE id IN (
        SELECT s.id FROM orders_skippedorder s JOIN carts_cart c ON c.account_id = s.account_id AND c.id = s.cart_id
        WHERE s.raw IS NOT NULL AND s.seen_at < %(now)s
              - make_interval(days => coalesce((%(days)s::jsonb ->> c.system)::int, %(otherwise)s))
        ORDER BY s.id LIMIT %(batch)s FOR UPDATE OF s SKIP LOCKED)"""


def days_of(system: str) -> int:
    """How many days after it was done an order of this kind of cart is forgotten.

    What the operator says of this kind counts; what is said of all of them makes no kind's own time longer.
    """
    given: Mapping[str, int] = settings.IM_PERSONAL_DAYS
    if system in given:
        return given[system]
    own = registry().systems.get(system, CartConnector)
    assert issubclass(own, CartConnector)
    of_all = given.get("", USUAL)
    return of_all if own.personal_days is None else min(of_all, own.personal_days)


def forget(now: datetime, until: float = math.inf) -> int:
    """Forgets what is due, for all accounts, as long as there is time: until `until`, by time.monotonic().

    Returns for how many orders it did.
    """
    total, last = 0, 0
    with tenancy.everyone("personal data"):
        while time.monotonic() < until:
            with transaction.atomic():
                due = _due(now, last)
                if due:
                    remove(due, now)
            if not due:
                break
            total, last = total + len(due), due[-1]
        _forget_skipped(now, until)
    return total


def _forget_skipped(now: datetime, until: float) -> None:
    """What was never loaded follows nobody: its time begins when its shop last showed it.

    What a person marked as handled, and why something was skipped, stays without the personal data.
    """
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(_SKIPPED, times(now) | {"batch": BATCH, "said": _SAID})
            if cursor.rowcount < BATCH:
                return


def times(now: datetime) -> dict[str, Any]:
    """After how many days each kind of cart's is forgotten."""
    days = {key: days_of(key) for key in registry().systems}
    return {"now": now, "days": orjson.dumps(days).decode(), "otherwise": days_of("")}


def _due(now: datetime, last: int) -> list[int]:
    """The next orders after `last`, locked."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, times(now) | {"last": last, "batch": BATCH})
        return [row[0] for row in cursor.fetchall()]


def remove(ids: list[int], now: datetime) -> None:
    """Removes the personal data of these orders, which the caller has locked."""
    details = list(OrderDetail.objects.filter(order__in=ids).values_list("order_id", "data", "applied"))
    edits = list(EventDetail.objects.filter(order_id__in=ids).values_list("id", "order_id", "changes"))
    events = Event.objects.filter(order_id__in=ids).exclude(message="").values_list("id", "order_id", "message")
    alerts = Alert.objects.filter(order_id__in=ids).values_list("id", "order_id", "message", "said")
    names: dict[int, set[str]] = defaultdict(set)
    for order_id, data, applied in details:
        told = [{entry.get("field", ""): [entry.get("before"), entry.get("after")]} for entry in applied or []]
        names[order_id].update(personal(data), personal(told))
    for _, order_id, changes in edits:
        names[order_id].update(personal(changes))
    said = {order_id: _pattern(values) for order_id, values in names.items()}
    _write(
        """UPDATE orders_orderdetail d SET data = r.data, applied = r.applied, raw = NULL, newer = NULL, there = NULL,
                  name_key = '', company_key = '', email_key = ''
           FROM json_to_recordset(%s) AS r(id bigint, data jsonb, applied jsonb) WHERE d.order_id = r.id""",
        [{"id": key, "data": without(data), "applied": _told(applied, said[key])} for key, data, applied in details],
    )
    _write(
        "UPDATE orders_eventdetail d SET changes = r.changes "
        "FROM json_to_recordset(%s) AS r(id bigint, changes jsonb) WHERE d.id = r.id",
        [{"id": key, "changes": without(changes)} for key, _, changes in edits],
    )
    _write(
        "UPDATE orders_event e SET message = r.message FROM json_to_recordset(%s) AS r(id bigint, message text) "
        "WHERE e.id = r.id",
        [{"id": key, "message": text} for key, of, old in events if (text := said[of].sub(MARK, old)) != old],
    )
    _write(
        "UPDATE alerts_alert a SET message = r.message, said = r.said "
        "FROM json_to_recordset(%s) AS r(id bigint, message text, said text) WHERE a.id = r.id",
        [
            {"id": key, "message": said[of].sub(MARK, message), "said": said[of].sub(MARK, quoted)}
            for key, of, message, quoted in alerts
        ],
    )
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM orders_exchange WHERE order_id = ANY(%s)", [ids])
        cursor.execute("UPDATE orders_effect SET data = data - 'note' WHERE order_id = ANY(%s)", [ids])
        cursor.execute("UPDATE orders_order SET forgotten_at = %s WHERE id = ANY(%s)", [now, ids])
        cursor.execute(
            'INSERT INTO orders_event (account_id, order_id, at, kind, frm, "to", actor, message) '
            "SELECT account_id, id, %s, 'forgotten', '', '', '', '' FROM orders_order WHERE id = ANY(%s)",
            [now, ids],
        )


def without(value: Any, *, inside: bool = False) -> Any:
    """A stored form with MARK in place of each personal value. `inside`: of something personal."""
    if isinstance(value, dict):
        return {name: without(part, inside=inside or _is_personal(name)) for name, part in value.items()}
    if isinstance(value, list):
        return [without(part, inside=inside) for part in value]
    return MARK if inside and value not in (None, "") else value


def personal(value: Any, *, inside: bool = False) -> Iterator[str]:
    """The personal values of a stored form, and a person's name in one piece."""
    if isinstance(value, dict):
        yield " ".join(str(value[part]) for part in ("first_name", "last_name") if value.get(part))
        for name, part in value.items():
            yield from personal(part, inside=inside or _is_personal(name))
    elif isinstance(value, list):
        for part in value:
            yield from personal(part, inside=inside)
    elif inside and isinstance(value, str):
        yield value


def _told(applied: Any, said: re.Pattern[str]) -> Any:
    """What the rules did to an order, with MARK for what was personal in it."""
    told = []
    for entry in applied or []:
        field = entry.get("field", "")
        values = {
            name: MARK if _is_personal(field) and entry.get(name) else entry.get(name) for name in ("before", "after")
        }
        why = MARK if field.startswith(SUGGESTED) else said.sub(MARK, entry.get("why", ""))
        told.append({**entry, **values, "why": why})
    return told


def _is_personal(name: str) -> bool:
    """Whether a field, by its name or as the rules for addresses tell of it, is about a person."""
    return name.rpartition(".")[2] in PERSONAL or name.startswith(_ADDRESSES)


def _pattern(values: Iterable[str]) -> re.Pattern[str]:
    """Finds the values as whole words, longer ones first."""
    known = sorted({value.strip() for value in values if len(value.strip()) >= _SHORT}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)" if known else r"(?!)", re.IGNORECASE)


def _write(sql: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(sql, [orjson.dumps(rows).decode()])
