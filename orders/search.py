"""The order list: the search box, filters and keyset paging.

Under row-level security only leak-proof operators use an index, which LIKE and lower() are not. So what is
searched is folded in Python when it is stored, and found by ranges: a UNION of prefix scans, one for each
kind of thing that the one box accepts. Nothing counts or skips rows.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import DateField, Expression, F, Func, IntegerField, Q, QuerySet, Value

from carts.models import Cart
from integration_manager import tenancy
from integration_manager.converters import looks_like_one
from integration_manager.kit import clock
from merchants.models import Merchant
from orders import listed, parcel_alerts, stuck
from orders.content import fold
from orders.models import LinePart, Order, OrderDetail, OrderLine, Shipment, Status

PAGE = 50
MOST_MATCHES = 500  # of one kind; who has more should type more
_LAST = chr(0x10FFFF)  # sorts behind every text, byte by byte


def _prefix(column: str, text: str) -> Q:
    return Q(**{f"{column}__gte": text, f"{column}__lt": text + _LAST})


def _names(text: str) -> list[str]:
    """What was typed as a name, in both orders: first name first, and last name first."""
    first, _, rest = text.partition(" ")
    return [text, f"{rest} {first}"] if rest else [text]


@dataclass(frozen=True, slots=True)
class Matches:
    """The ids of the orders that a text means; `capped`: there are more than are looked at."""

    ids: frozenset[int]
    capped: bool


def matching(text: str) -> Matches:
    """The orders that the search box's text means, by one UNION of index scans.

    Asked for by itself: joined with the list, the planner would rather walk through all orders.
    """
    key = fold(text)
    found: list[QuerySet[Any]] = []
    for column in ("ref_key", "number_key", "company_key", "email_key"):
        found.append(OrderDetail.objects.filter(_prefix(column, key)))
    found += [OrderDetail.objects.filter(_prefix("name_key", name)) for name in _names(key)]
    found.append(OrderLine.objects.filter(_prefix("item_key", key)))
    found.append(LinePart.objects.filter(_prefix("item_key", key)))  # what is in the box of a kit
    found.append(Shipment.objects.filter(_prefix("tracking_key", key)))
    arms = [
        rows.order_by().values_list("order_id", Value(index, IntegerField()))[:MOST_MATCHES]
        for index, rows in enumerate(found)
    ]
    rows = list(arms[0].union(*arms[1:], all=True))
    full = Counter(index for _, index in rows)
    return Matches(frozenset(pk for pk, _ in rows), max(full.values(), default=0) >= MOST_MATCHES)


STATES: dict[str, Q] = {
    "new": Q(status__in=[Status.RECEIVED, Status.READY, Status.SENDING]),
    "at-wms": Q(status=Status.AT_WMS),
    "shipped": Q(status=Status.SHIPPED),
    "confirmed": Q(status=Status.CONFIRMED),
    "error": Q(status__in=[Status.ERROR, Status.GAVE_UP]),
    "on-hold": Q(status=Status.HELD) & ~Q(held_by="person"),
    "cancel-sending": Q(status=Status.HELD, held_by="person"),
    "canceled": Q(status=Status.CANCELED),
}
MOVING = frozenset(STATES) - {"shipped", "confirmed", "canceled"}  # orders leave these, and few are in them


# Ids are given in the order of loading. So the last order that is older than a moment is found by halving, each
# step one look into the index that every tenant table has on (account, id); an index by time is not needed.
_LAST_BEFORE = """
    WITH RECURSIVE span(lo, hi) AS (
        SELECT coalesce(min(id), 1) - 1, coalesce(max(id), 0) FROM orders_order WHERE account_id = %(account)s
        UNION ALL
        SELECT CASE WHEN row.created_at < %(moment)s THEN row.id ELSE span.lo END,
               CASE WHEN row.created_at < %(moment)s THEN span.hi ELSE (span.lo + span.hi) / 2 END
        FROM span LEFT JOIN LATERAL (
            SELECT id, created_at FROM orders_order
            WHERE account_id = %(account)s AND id > (span.lo + span.hi) / 2 AND id <= span.hi ORDER BY id LIMIT 1
        ) row ON true
        WHERE span.lo < span.hi)
    SELECT lo FROM span WHERE lo >= hi LIMIT 1"""


def last_before(moment: datetime) -> int:
    """The id behind which the orders were loaded at or after `moment`; 0 where all were."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST_BEFORE, {"account": tenancy.account_id(), "moment": moment})
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def loaded_since(moment: datetime) -> Q:
    """Orders loaded at or after `moment`."""
    return Q(pk__gt=last_before(moment))


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list shows. Empty means: everything but what was canceled."""

    state: str = ""
    text: str = ""
    merchant: str = ""  # public ids
    cart: str = ""
    cause: str = ""
    stuck: bool = False  # those alone that do not move
    country: str = ""  # of the ship-to address, as stored
    method: str = ""  # the cart's code of the ship method
    placed_from: date | None = None
    placed_to: date | None = None
    loaded_from: datetime | None = None
    loaded_to: datetime | None = None  # before this moment


@dataclass(slots=True)
class Page:
    """Some rows, and the cursors to the pages around them."""

    items: list[Any] = field(default_factory=list)
    newer: str = ""
    older: str = ""


def filtered(filters: Filters, matches: Matches | None = None) -> QuerySet[Order]:
    """The orders that the filters let through, in no order yet. `matches`: those of their text, if known."""
    orders: QuerySet[Order] = Order.objects.all()
    if filters.state in STATES:
        orders = orders.filter(STATES[filters.state])
    elif not filters.text:
        orders = orders.exclude(status=Status.CANCELED)
    of_parcels = filters.cause.startswith(parcel_alerts.BEGIN)
    # Ids of merchants and carts are asked for inside, so that an index in the list's own order serves them.
    for name, value in (
        ("merchant", filters.merchant and Merchant.objects.filter(public_id=filters.merchant).values("pk")[:1]),
        ("cart", filters.cart and Cart.objects.filter(public_id=filters.cart).values("pk")[:1]),
        ("cause", "" if of_parcels else filters.cause),
        ("pk__in", Shipment.objects.filter(cause=filters.cause).values("order") if of_parcels else ""),
        ("ship_country", filters.country),
        ("ship_code", filters.method),
        ("order_date__gte", filters.placed_from),
        ("order_date__lte", filters.placed_to),
    ):
        if value != "" and value is not None:
            orders = orders.filter(**{name: value})
    if filters.stuck:
        orders = orders.filter(stuck.orders(clock.now()))
    if filters.loaded_from:
        orders = orders.filter(loaded_since(filters.loaded_from))
    if filters.loaded_to:
        orders = orders.filter(pk__lte=last_before(filters.loaded_to))
    if filters.text:
        orders = orders.filter(pk__in=(matches or matching(filters.text)).ids)
    return orders


# Ids are given in the order of loading. `-first`: the oldest first.
SORTS = {"loaded": "pk", "placed": "order_date", "loaded-first": "pk", "placed-first": "order_date"}


def oldest_first(sort: str) -> bool:
    """Whether a sort begins with the oldest."""
    return sort.endswith("-first")


def page(
    orders: QuerySet[Any], sort: str, after: str = "", before: str = "", size: int = PAGE, *, moving: bool = False
) -> Page:
    """One page of orders. `after` and `before` are public ids of orders in the list.

    `moving`: all of them are in a state that orders leave again.
    """
    column = SORTS.get(sort, "pk")
    ascending = oldest_first(sort)
    # What moves is young. PostgreSQL believes that it is of every age alike, and would walk to it from the oldest
    # order on: it may not see that there is an index by date.
    by = _BY_DATE if moving and ascending and column == "order_date" else None
    # Ids alone, which an index knows; the rest is read for this page only, not for all that match.
    ids = orders.values_list("pk", flat=True)
    found = keyset(ids, column, after, before, size, str, ascending=ascending, by=by)
    full = listed.rows(found.items)
    names = {str(pk): order.public_id for pk, order in full.items()}
    found.newer, found.older = names.get(found.newer, ""), names.get(found.older, "")
    found.items = [full[pk] for pk in found.items if pk in full]
    return found


_BY_DATE = Func(F("order_date"), template="(%(expressions)s + 0)", output_field=DateField())


def keyset(
    rows: QuerySet[Any],
    column: str,
    after: str,
    before: str,
    size: int,
    cursor: Callable[[Any], str],
    *,
    ascending: bool = False,
    by: Expression | None = None,
) -> Page:
    """A page of `rows` by (`column`, id), newest first unless `ascending`, found from the row that a cursor names.

    `by`: another way to say `column`.
    """
    mark = after or before
    if mark and not looks_like_one(mark):
        mark = ""
    upward = bool(before and not after)
    if mark:
        anchor = rows.model.objects.filter(public_id=mark[:12]).values_list(column, "pk").first()
        if anchor is None:
            mark, upward = "", False
        else:
            rows = rows.filter(_beyond(column, anchor, upward != ascending))
    keys = [F("pk")] if column == "pk" else [by or F(column), F("pk")]
    order = [key.asc() if upward != ascending else key.desc() for key in keys]
    return cut(rows.order_by(*order), size, cursor, begun=bool(mark), upward=upward)


def cut(rows: QuerySet[Any], size: int, cursor: Callable[[Any], str], *, begun: bool, upward: bool) -> Page:
    """The page that `rows` begin with. `begun`: they lie beyond a cursor; `upward`: in the reverse of their order."""
    found = list(rows[: size + 1])
    more, items = len(found) > size, found[:size]
    if upward:
        items.reverse()
    if not items:
        return Page()
    newer = begun and (more if upward else True)
    older = upward or more
    return Page(items, cursor(items[0]) if newer else "", cursor(items[-1]) if older else "")


def _beyond(column: str, anchor: Iterable[Any], greater: bool) -> Q:
    value, pk = anchor
    compare = "gt" if greater else "lt"
    same_or = Q(**{f"{column}__{compare}e": value})
    return same_or & (Q(**{f"{column}__{compare}": value}) | Q(**{f"pk__{compare}": pk}))


MOST_COUNTED = 100
_WAITING = {
    "error": "o.status IN ('error', 'gave_up')",
    "on-hold": "o.status = 'held' AND o.held_by <> 'person'",
}


def waiting(merchant: str = "") -> dict[str, str]:
    """How many orders wait for a person, of one merchant (public id) or of all, by the state of their tab.

    "99+" where that is many: bounded, so it stays cheap. Written out, for every list asks.
    """
    mine, values = tenancy.condition("o.account_id", "o.merchant_id")
    if merchant:
        mine += " AND o.merchant_id = (SELECT m.id FROM merchants_merchant m WHERE m.public_id = %s)"
        values = (*values, merchant)
    arms = [
        f"(SELECT count(*) FROM (SELECT FROM orders_order o WHERE {mine} AND {which} LIMIT {MOST_COUNTED}) found)"  # noqa: S608 (constants)
        for which in _WAITING.values()
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(arms)}", values * len(arms))
        numbers = cursor.fetchone()
    return {
        state: f"{MOST_COUNTED - 1}+" if number >= MOST_COUNTED else str(number)
        for state, number in zip(_WAITING, numbers, strict=True)
    }
