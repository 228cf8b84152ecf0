"""A cart's ship-method map: reading it, and changing it with all that follows for the orders that wait."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction

from accounts import audit
from carts.models import Cart, CartShipMethod
from integration_manager import tenancy
from merchants.models import Service
from merchants.rules import ship_method
from merchants.rules.methods import MOST, MOST_CODES, Method, ShipMethods, cause_of, code_key
from merchants.schedules import wake
from orders import causes, releasing, ruling
from orders.models import Status

Match = CartShipMethod.Match
MOST_PATTERNS = 100  # of a cart: each order's code is compared with every one
MOST_TOLD = 50  # changes that one entry of the audit log names


class Refused(Exception):
    """What was asked for cannot be stored; the message says why, for the person who asked."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code, or all codes of a pattern, are to be for the WMS. `wms_code` "": not mapped."""

    match: str
    code: str
    wms_code: str

    @property
    def at(self) -> tuple[str, str]:
        """Its place in the map: the same for the same code, however it is written."""
        return self.match, "" if self.match == Match.DEFAULT else code_key(self.code)

    @property
    def said(self) -> str:
        """Its code in words."""
        return in_words(self.match, self.code)


@dataclass(slots=True)
class Saved:
    """What a change of the map came to."""

    changes: audit.Changes = field(default_factory=dict)
    released: int = 0


def in_words(match: str, code: str) -> str:
    """A code or a pattern, in words."""
    if match == Match.DEFAULT:
        return "everything else"
    said = ship_method.shown(code)
    return said if match == Match.EXACT else f"{Match(match).label.lower()} {said}"


def waiting(cart_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many orders wait for a map, by cart and cause: through the open alerts, by the index of causes."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.cart_id, a.key, count(*) FROM alerts_alert a
               JOIN orders_order o ON o.account_id = a.account_id AND o.cause = a.key AND o.status = 'error'
               WHERE a.account_id = %s AND a.kind = %s AND a.resolved_at IS NULL AND a.cart_id = ANY(%s)
               GROUP BY a.cart_id, a.key""",
            [tenancy.account_id(), ship_method.CODE, list(cart_ids)],
        )
        found: dict[int, dict[str, int]] = {}
        for cart_id, key, count in cursor.fetchall():
            found.setdefault(cart_id, {})[key] = count
    return found


def change(
    cart: Cart,
    now: datetime,
    actor: object,
    *,
    put: Iterable[Entry] = (),
    remove: Iterable[tuple[str, str]] = (),
    order: Sequence[tuple[str, str]] = (),
    reject: bool | None = None,
) -> Saved:
    """Changes the map, releases what waited for it, and enters it in the audit log; all of it or nothing.

    `remove`: places in the map. `order`: the patterns' places, first to last. `reject`: hold what nothing
    maps. `actor`: the user. Raises Refused.
    """
    saved = Saved()
    with transaction.atomic():
        ruling.change([cart.pk])
        before = _methods(cart)
        rows = {(row.match, row.key): row for row in CartShipMethod.objects.filter(cart=cart).order_by("position")}
        _put(cart, list(put), rows, saved)
        _remove(list(remove), rows, saved)
        _arrange(order, rows, saved)
        if reject is not None:
            Cart.objects.filter(pk=cart.pk).update(reject_unmapped=reject)
            saved.changes |= audit.difference({REJECT: before.reject}, {REJECT: reject})
        saved.released = let_go(cart, now, str(actor)) + _try_again(cart, before, now, str(actor))
        if saved.changes:
            told = dict(list(saved.changes.items())[:MOST_TOLD])
            if len(saved.changes) > MOST_TOLD:
                told["more"] = (None, len(saved.changes) - MOST_TOLD)
            audit.record(actor, "cart.ship_methods", cart.name, told)
    return saved


REJECT = "Reject Unmapped Shipping Codes"
REFUSED = "ship_method_unknown"  # what connectors call it when the WMS does not know a method
MAPPED = "Its ship method is mapped now."
MOST_AGAIN = 10_000  # orders of one saving


def _put(cart: Cart, entries: list[Entry], rows: dict[tuple[str, str], CartShipMethod], saved: Saved) -> None:
    last = max((row.position for row in rows.values()), default=0)
    wanted: dict[tuple[str, str], CartShipMethod] = {}
    for entry in entries:
        if entry.match in (Match.STARTS, Match.CONTAINS) and not entry.at[1]:
            raise Refused("A pattern needs a text.")
        row, before = rows.get(entry.at), ""
        if row is None:
            last += 1
            row = CartShipMethod(
                cart=cart, match=entry.match, code=" ".join(entry.code.split())[:MOST], key=entry.at[1], by_hand=True
            )
            row.position = 0 if entry.match in (Match.EXACT, Match.DEFAULT) else last
            rows[entry.at] = row
        elif row.wms_code == entry.wms_code:
            continue
        else:
            before = row.wms_code
        row.wms_code = entry.wms_code[:MOST]
        wanted[entry.at] = row
        saved.changes[entry.said] = (before, row.wms_code)
    if sum(1 for match, _ in rows if match == Match.EXACT) > MOST_CODES:
        raise Refused(f"A cart has at most {MOST_CODES:,} codes. Delete some that no order brings any more.")
    if sum(1 for match, _ in rows if match in (Match.STARTS, Match.CONTAINS)) > MOST_PATTERNS:
        raise Refused(f"A cart has at most {MOST_PATTERNS} patterns.")
    CartShipMethod.objects.bulk_create(
        wanted.values(),
        update_conflicts=True,
        unique_fields=["account", "cart", "match", "key"],
        update_fields=["wms_code"],
    )


def _remove(places: list[tuple[str, str]], rows: dict[tuple[str, str], CartShipMethod], saved: Saved) -> None:
    gone = [rows[place] for place in places if place in rows]
    for row in gone:
        saved.changes[in_words(row.match, row.code)] = (row.wms_code, None)
    CartShipMethod.objects.filter(pk__in=[row.pk for row in gone]).delete()


def _arrange(order: Sequence[tuple[str, str]], rows: dict[tuple[str, str], CartShipMethod], saved: Saved) -> None:
    patterns = [rows[place] for place in order if place in rows]
    if not patterns:
        return
    before = [row for row in rows.values() if row in patterns]
    for position, row in enumerate(patterns, 1):
        row.position = position
    CartShipMethod.objects.bulk_update(patterns, ["position"])
    if before != patterns:
        said = [", ".join(in_words(row.match, row.code) for row in many) for many in (before, patterns)]
        saved.changes["order of patterns"] = (said[0], said[1])


def let_go(cart: Cart, now: datetime, actor: str) -> int:
    """Lets go what the map decides now; gives how many. Call it where the cart is locked and its rules are changed.

    Whatever was changed: a release that failed is made up for.
    """
    methods = _methods(cart)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT o.cause, o.ship_code FROM alerts_alert a
               JOIN orders_order o ON o.account_id = a.account_id AND o.cause = a.key AND o.status = 'error'
               WHERE a.account_id = %s AND a.kind = %s AND a.resolved_at IS NULL AND a.cart_id = %s""",
            [tenancy.account_id(), ship_method.CODE, cart.pk],
        )
        held = cursor.fetchall()
    # Those on the list too, whose alert may have been dismissed and forgotten.
    wait = {cause_of(cart.public_id, key): key for key in methods.listed} | {key: code_key(code) for key, code in held}
    keys = [cause for cause, key in wait.items() if not methods.reject or methods.decide(key) is not None]
    return releasing.release(cart.merchant, sorted(keys), MAPPED, now, actor=actor)


def _try_again(cart: Cart, before: ShipMethods, now: datetime, actor: str) -> int:
    """Sends again what the WMS refused for its ship method, where the map makes another one of it now."""
    after = _methods(cart)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT o.id, o.ship_code FROM alerts_alert a
               JOIN orders_order o ON o.account_id = a.account_id AND o.cause = a.key AND o.status = 'error'
               WHERE a.account_id = %s AND a.kind = %s AND a.resolved_at IS NULL AND o.cart_id = %s
               ORDER BY o.id LIMIT %s""",
            [tenancy.account_id(), REFUSED, cart.pk, MOST_AGAIN],
        )
        refused = [(order_id, code_key(code)) for order_id, code in cursor.fetchall()]
    wanted = [pk for pk, key in refused if (new := after.decide(key)) and new.method != _method(before, key)]
    freed = causes.free(wanted, Status.ERROR, MAPPED, now, actor=actor) if wanted else []
    if freed:
        wake(Service.DELIVER, now, merchant_id=cart.merchant_id)
    return len(freed)


def _methods(cart: Cart) -> ShipMethods:
    """The map as it is stored now."""
    fresh = Cart.objects.select_related("merchant").get(pk=cart.pk)
    return ruling.load(fresh.merchant, [fresh])[cart.pk].ship_methods


def _method(methods: ShipMethods, key: str) -> Method | None:
    decided = methods.decide(key)
    return decided.method if decided else None
