"""Where the rules meet what is stored: loading them, keeping them still, and telling timelines what they did."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from carts.models import Cart, CartShipMethod
from integration_manager import tenancy
from integration_manager.ids import public_ids
from merchants.models import Merchant
from merchants.rules import Outcome, Rules
from merchants.rules.delays import Delay
from merchants.rules.filters import OrderFilter
from merchants.rules.holds import rules_of as hold_rules
from merchants.rules.methods import Method, Pattern, ShipMethods
from orders import addresses, item_codes, item_filters, kit_lines

# What of a cart the rules go by: read again where its mark has changed.
FIELDS = (
    "rules_mark", "name", "order_source", "reject_unmapped", "earliest_order_date", "translate_items",
    "item_filter", "filter_whole_order", "order_filters", "delay_minutes", "delay_since", "send_not_before",
    "send_working_days", "hold_rules", "verify_addresses", "verify_countries", "hold_address_errors", "country_rule",
)  # fmt: skip
Match = CartShipMethod.Match


def load(merchant: Merchant, carts: Iterable[Cart]) -> dict[int, Rules]:
    """The rules of some carts of a merchant, by cart, in as many statements for a thousand as for one.

    They are as new as `carts` at least: the mark was read before what it stands for.
    """
    carts = list(carts)
    methods, filters = _ship_methods([cart.pk for cart in carts]), item_filters.of(carts)
    common = addresses.common(merchant)
    books = kit_lines.Book(merchant.pk)
    return {
        cart.pk: Rules(
            merchant_code=merchant.code,
            order_source=cart.order_source,
            cart=cart.public_id,
            cart_name=cart.name,
            mark=cart.rules_mark,
            ship_methods=_map(cart, methods.get(cart.pk, [])),
            item_codes=item_codes.of(merchant, cart),
            kits=books,
            item_filter=filters[cart.pk],
            order_filters=tuple(order_filter(row) for row in cart.order_filters),
            countries=addresses.countries(merchant, cart, common),
            verify=addresses.verify_of(cart, common),
            hold_rules=hold_rules(cart.hold_rules),
            delay=_delay(cart, merchant),
        )
        for cart in carts
    }


def refresh(known: dict[int, Rules], merchant: Merchant, carts: Iterable[Cart]) -> None:
    """Brings `known` up to these carts, which have just been read: only what changed is loaded."""
    changed = [cart for cart in carts if cart.pk not in known or known[cart.pk].mark != cart.rules_mark]
    if changed:
        known |= load(merchant, changed)


def asks_nobody(rules: Rules) -> bool:
    """Whether all that these rules need to know is loaded, whatever order they are to judge."""
    kits_known = not isinstance(rules.kits, kit_lines.Book) or rules.kits.loaded
    return rules.item_codes is None and rules.verify.answer is None and kits_known


def change(cart_ids: Sequence[int]) -> None:
    """Marks the rules of these carts as changed. Call it first of all in the transaction that changes them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE carts_cart c SET rules_mark = g.mark
               FROM (SELECT l.id, g.mark FROM unnest(%s::bigint[], %s::text[]) AS g(id, mark)
                     JOIN carts_cart l ON l.account_id = %s AND l.id = g.id ORDER BY l.id FOR NO KEY UPDATE OF l) AS g
               WHERE c.id = g.id""",
            [list(cart_ids), public_ids(len(cart_ids)), tenancy.account_id()],
        )


def keep(cart_ids: Iterable[int]) -> None:
    """Keeps the rules of these carts as they are, for somebody who looks at them and may then change them."""
    rows = Cart.objects.filter(pk__in=list(cart_ids)).order_by("pk").select_for_update(no_key=True)
    list(rows.values_list("pk"))


def keep_all(merchant: Merchant) -> None:
    """Keeps the rules of all carts of a merchant as they are; one person after the other, even if it has none."""
    ids = list(Cart.objects.filter(merchant=merchant).values_list("pk", flat=True))
    keep(ids)
    if not ids:
        Merchant.objects.select_for_update(no_key=True).only("pk", "account").get(pk=merchant.pk)


def lock(cart_id: int) -> str:
    """Keeps a cart's rules as they are until the transaction ends; gives their mark.

    Call it before orders are locked: who changes the rules locks the cart, then the orders that wait for that.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rules_mark FROM carts_cart WHERE account_id = %s AND id = %s FOR SHARE",
            [tenancy.account_id(), cart_id],
        )
        return str(cursor.fetchone()[0])


def tell(stories: Mapping[int, Outcome], now: datetime, *, store: bool = False) -> None:
    """Enters in timelines what the rules did to these orders (by id), with before and after: one statement.

    `store`: also on the orders, where that is not done with them.
    """
    told = {order_id: outcome for order_id, outcome in stories.items() if outcome.story or store}
    if not told:
        return
    with connection.cursor() as cursor:
        if store:
            cursor.execute(
                """UPDATE orders_orderdetail d SET applied = g.applied
                   FROM unnest(%s::bigint[], %s::jsonb[]) AS g(id, applied)
                   WHERE d.account_id = %s AND d.order_id = g.id""",
                [list(told), [orjson.dumps(o.story).decode() for o in told.values()], tenancy.account_id()],
            )
        cursor.execute(
            """WITH g AS (SELECT * FROM unnest(%s::bigint[], %s::text[], %s::jsonb[]) AS t(id, message, changes)),
               told AS (INSERT INTO orders_event (account_id, order_id, at, kind, frm, "to", actor, message)
                        SELECT %s, id, %s, 'rules', '', '', '', message FROM g RETURNING id, order_id)
               INSERT INTO orders_eventdetail (account_id, event_id, order_id, changes)
               SELECT %s, told.id, told.order_id, g.changes FROM told JOIN g ON g.id = told.order_id
               WHERE g.changes <> '{}'::jsonb""",
            [
                list(told),
                [" ".join(f"{one['field']}: {one['why']}" for one in o.story) or _NOTHING for o in told.values()],
                [orjson.dumps(_changes(o)).decode() for o in told.values()],
                *(tenancy.account_id(), now, tenancy.account_id()),
            ],
        )


def store_lines(outcomes: Mapping[int, Outcome]) -> None:
    """Stores what is now sent for the lines of these orders, where that has changed."""
    rows = [(pk, at, o.sent_item(at)[:100], at in o.left_out) for pk, o in outcomes.items() for at in o.lines]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_orderline l SET sent_item = g.item, filtered = g.filtered
               FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::bool[]) AS g(id, at, item, filtered)
               WHERE l.account_id = %s AND l.order_id = g.id AND l.position = g.at
                 AND (l.sent_item, l.filtered) IS DISTINCT FROM (g.item, g.filtered)""",
            [*map(list, zip(*rows, strict=True)), tenancy.account_id()],
        )
    kit_lines.store_parts(outcomes)


_NOTHING = "No rule changes the order any more."


def _changes(outcome: Outcome) -> dict[str, list[str | None]]:
    """{field: [before, after]}: of a field that several rules changed, from the first before to the last after."""
    found: dict[str, list[str | None]] = {}
    for one in outcome.story:
        if "before" in one or "after" in one:
            found.setdefault(one["field"], [one.get("before"), None])[1] = one.get("after")
    return found


def order_filter(row: Mapping[str, Any]) -> OrderFilter:
    """An order filter as a cart keeps it."""
    return OrderFilter(row["field"], tuple(row["values"]), row["match"], row["restricted"])


def _delay(cart: Cart, merchant: Merchant) -> Delay | None:
    """How long its orders wait. The account's time zone is only asked for where it matters."""
    by_the_clock = cart.send_not_before is not None or cart.send_working_days
    if not cart.delay_minutes and not by_the_clock:
        return None
    return Delay(
        minutes=cart.delay_minutes,
        placed=cart.delay_since == Cart.Since.PLACED,
        not_before=cart.send_not_before,
        working_days=cart.send_working_days,
        zone=merchant.account.timezone if by_the_clock else "UTC",
    )


def _map(cart: Cart, rows: Sequence[tuple[str, str, str, str]]) -> ShipMethods:
    exact, patterns, default = {}, [], None
    for match, key, code, carrier in rows:
        method = Method(code, carrier)
        if not code:
            continue
        if match == Match.EXACT:
            exact[key] = method
        elif match == Match.DEFAULT:
            default = method
        else:
            patterns.append(Pattern(key, method, anywhere=match == Match.CONTAINS))
    listed = frozenset(key for match, key, _, _ in rows if match == Match.EXACT)
    return ShipMethods(cart.reject_unmapped, exact, tuple(patterns), default, listed)


def _ship_methods(cart_ids: Sequence[int]) -> dict[int, list[tuple[str, str, str, str]]]:
    """The map's rows by cart, patterns in their order, with the carriers of the WMS's list."""
    account = tenancy.account_id()
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT m.cart_id, m.match, m.key, m.wms_code, coalesce(w.carrier, '')
               FROM carts_cartshipmethod m
               LEFT JOIN wms_wmsshipmethod w ON w.account_id = m.account_id AND w.code = m.wms_code AND w.wms_id =
                    (SELECT id FROM wms_wms WHERE account_id = %s AND archived_at IS NULL)
               WHERE m.account_id = %s AND m.cart_id = ANY(%s) ORDER BY m.cart_id, m.position, m.id""",
            [account, account, list(cart_ids)],
        )
        found: dict[int, list[tuple[str, str, str, str]]] = {}
        for cart_id, *row in cursor.fetchall():
            found.setdefault(cart_id, []).append(tuple(row))
        return found
