"""A database of a million orders in 50 accounts, of every size and state, in a few minutes.

Accounts, merchants and carts are made as anywhere; the rest by one INSERT … SELECT for each table, with its
indexes made afterwards. Orders of all accounts lie between one another, as they come in.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from time import perf_counter
from typing import Any

import orjson
from django.db import connection as django_connection
from psycopg2.extras import execute_values

from accounts.models import Account, Membership, User
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from merchants.models import Merchant, Schedule
from merchants.schedules import CART_SERVICES, MERCHANT_SERVICES
from orders.models import Event, Order, OrderDetail, OrderLine, Run, Shipment, ShipmentLine
from wms.models import Wms

ORDERS = int(os.environ.get("BENCH_ORDERS", "1000000"))
ACCOUNTS = 50
DAYS = 180  # over which they came in
# Of a hundred orders the first two accounts have so many; the other 48 share the rest evenly.
LARGE = (20, 10)
TABLES = (Order, OrderDetail, OrderLine, Shipment, ShipmentLine, Event, Run)
FIRST = ("Dana", "Marcus", "Ingrid", "Yuki", "Tess", "Ana", "Peter", "Carla", "Joan", "Amara", "Oskar", "Noor", "Ben")
LAST = ("Whitfield", "Oyelaran", "Solberg", "Tanabe", "Haldane", "Ruiz", "Nwosu", "Benedetti", "Abernathy", "Diallo",
        "Brandt", "Haddad", "Okafor", "Meyer", "Rossi", "Novak", "Silva", "Kowalski", "Jensen")  # fmt: skip
CITIES = ("Leeds", "Tulsa", "Bend", "Bergen", "Fresno", "Macon", "Hoboken", "Duluth", "Salem", "Reno", "Mesa", "Waco")
COUNTRIES = ("US", "US", "US", "US", "US", "US", "CA", "GB", "DE", "FR", "NO", "IS")
METHODS = ("UPS Ground", "UPS 2nd Day Air", "USPS Ground Advantage", "USPS Priority Mail", "FedEx Home Delivery",
           "FedEx Ground", "DHL Express", "LTL Freight")  # fmt: skip
CAUSES = 3  # of each merchant, that hold orders


@dataclass
class World:
    """What was built: the accounts, largest first, each with an owner, its merchants and its carts."""

    accounts: list[Account] = field(default_factory=list)
    owners: list[User] = field(default_factory=list)
    merchants: list[list[Merchant]] = field(default_factory=list)
    carts: list[list[Cart]] = field(default_factory=list)


def build(connection: Any) -> World:
    """Fills the database, with nothing else in it: other parts leave theirs. `connection`: past all walls."""
    began = perf_counter()
    world = World()
    with connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_account, accounts_user CASCADE")
    for number in range(ACCOUNTS):
        _account(world, number)
    print(f"  {ACCOUNTS} accounts: {perf_counter() - began:.0f} s", flush=True)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        _places(cursor, world)
        with _without_indexes(cursor):
            for model, columns, source in _tables():
                _insert(cursor, model, columns, source)
        filled = perf_counter()
        _alerts(cursor)
        cursor.execute("SET session_replication_role = origin")
        for model in (*TABLES, Alert, Merchant, Cart, Schedule, Account):
            cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")
        print(f"  VACUUM and the rest: {perf_counter() - filled:.0f} s", flush=True)
    print(f"  built in {perf_counter() - began:.0f} s", flush=True)
    return world


def _account(world: World, number: int) -> None:
    account = Account.objects.create(name=f"Warehouse {number:02}", timezone="UTC")
    owner = User.objects.create(email=f"owner{number}@bench.example", password="!", timezone="UTC")
    merchants, carts = [], []
    with tenancy.activate(account.pk):
        Membership.objects.create(user=owner, role="primary")
        Wms.objects.create(system="sandbox_wms", credentials={"url": "http://127.0.0.1:9", "api_key": "k"})
        for index in range((40, 25)[number] if number < 2 else 3 + number % 12):
            merchant = Merchant.objects.create(
                name=f"Seller {index:02}", code=f"S{index}", wms_values={"customer": "C"}
            )
            merchants.append(merchant)
            Schedule.objects.bulk_create(
                Schedule(merchant=merchant, service=service, every=3600) for service in MERCHANT_SERVICES
            )
            for shop in range(1 + index % 2):
                cart = Cart.objects.create(
                    merchant=merchant, system="sandbox_shop", name=f"Shop {index:02}{shop}", number=shop + 1,
                    shop=f"{number}-{index}-{shop}", credentials={}, earliest_order_date=date(2020, 1, 1),
                )  # fmt: skip
                carts.append(cart)
                Schedule.objects.bulk_create(
                    Schedule(merchant=merchant, cart=cart, service=service, every=3600) for service in CART_SERVICES
                )
    world.accounts.append(account)
    world.owners.append(owner)
    world.merchants.append(merchants)
    world.carts.append(carts)


def _places(cursor: Any, world: World) -> None:
    """A table of which cart each order is of: a thousand places, so that large accounts have more of them."""
    shares = [10 * share for share in LARGE]
    rest = 1000 - sum(shares)
    shares += [rest // (ACCOUNTS - len(LARGE))] * (ACCOUNTS - len(LARGE))
    rows = []
    for number, share in enumerate(shares):
        carts = world.carts[number]
        rows += [carts[index % len(carts)] for index in range(share)]
    cursor.execute("CREATE TEMP TABLE place (n int PRIMARY KEY, account_id bigint, merchant_id bigint, cart_id bigint,"
                   " source text)")  # fmt: skip
    values = [(index, cart.account_id, cart.merchant_id, cart.pk, cart.source) for index, cart in enumerate(rows)]
    execute_values(cursor, "INSERT INTO place VALUES %s", values)
    cursor.execute(
        """CREATE TEMP TABLE one AS
           SELECT i, p.*, clock_timestamp() - (%s - i) * interval '1 day' * %s / %s AS at,
                  i > %s AS young, (i::bigint * 7919) %% 1000 AS luck
           FROM generate_series(1, %s) i JOIN place p ON p.n = (i * 2654435761) %% %s""",
        [ORDERS, DAYS, ORDERS, int(ORDERS * 0.97), ORDERS, len(rows)],
    )
    cursor.execute(
        """ALTER TABLE one ADD status text, ADD held text, ADD code text, ADD cause text;
           UPDATE one SET status = CASE
               WHEN young AND luck < 250 THEN 'ready' WHEN young AND luck < 260 THEN 'sending'
               WHEN young AND luck < 340 THEN 'error' WHEN young AND luck < 390 THEN 'held'
               WHEN young AND luck < 700 THEN 'at_wms'
               WHEN luck < 10 THEN 'error' WHEN luck < 14 THEN 'gave_up' WHEN luck < 22 THEN 'held'
               WHEN luck < 60 THEN 'canceled' WHEN luck < 75 THEN 'at_wms' WHEN luck < 95 THEN 'shipped'
               ELSE 'confirmed' END;
           UPDATE one SET held = CASE WHEN status <> 'held' THEN '' WHEN i % 3 = 0 THEN 'person' ELSE 'rule' END,
               code = CASE WHEN status NOT IN ('error', 'gave_up') THEN '' WHEN i % 11 = 0 THEN 'outcome_unknown'
                      WHEN i % 3 = 0 THEN 'address_invalid' ELSE 'ship_method_unknown' END;
           UPDATE one SET cause = CASE WHEN code = '' THEN '' ELSE merchant_id || ':' || code || ':' || i % 3 END;
           ANALYZE one"""
    )


def _insert(cursor: Any, model: Any, columns: dict[str, str], source: str) -> None:
    """INSERT … SELECT; columns that are not named get their field's default."""
    names, parts = [], []
    for one in model._meta.local_concrete_fields:
        if one.primary_key and one.column not in columns:
            continue
        names.append(f'"{one.column}"')
        if one.column in columns:
            parts.append(columns[one.column])
        else:
            value = one.get_default()
            value = (
                orjson.dumps(value).decode() if one.get_internal_type() == "JSONField" and value is not None else value
            )
            parts.append(cursor.mogrify(f"%s::{one.db_type(django_connection)}", [value]).decode())
    table, began = model._meta.db_table, perf_counter()
    cursor.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(parts)} FROM {source}")  # noqa: S608
    rows = cursor.rowcount
    cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608
    print(f"  {table}: {rows:,} rows, {perf_counter() - began:.0f} s", flush=True)


def _one_of(words: tuple[str, ...], number: str) -> str:
    quoted = ", ".join(f"'{word}'" for word in words)
    return f"(ARRAY[{quoted}])[1 + ({number}) % {len(words)}]"


def _tables() -> Iterator[tuple[Any, dict[str, str], str]]:
    first, last = _one_of(FIRST, "i / 7"), _one_of(LAST, "i / 3")
    country, method = _one_of(COUNTRIES, "i / 5"), _one_of(METHODS, "i / 11")
    sent = "status IN ('at_wms', 'shipped', 'confirmed')"
    shipped = "status IN ('shipped', 'confirmed')"
    number = "'N' || lpad(i::text, 8, '0')"
    mine = {"account_id": "account_id"}
    about = {**mine, "merchant_id": "merchant_id", "cart_id": "cart_id"}
    yield Order, {
        **about, "id": "i", "public_id": "substr(md5(i::text), 1, 12)", "source": "source", "cart_key": number,
        "cust_ref": number, "cust_po_no": number, "wms_ref": "'R' || i", "status": "status", "held_by": "held",
        "wms_key": f"CASE WHEN {sent} THEN 'W' || i ELSE '' END", "error_code": "code", "cause": "cause",
        "error_message": "CASE WHEN code = '' THEN '' ELSE 'Ship method “X” is not known to the warehouse.' END",
        "retry_at": "at + interval '5 minutes'", "source_hash": "md5(i::text)",
        "order_date": "(at - interval '1 hour')::date",
        "ship_code": method, "ship_country": country, "grand_total": "(i % 900) + 9.5", "currency": "'USD'",
        "lines": "1 + i % 3", "qty_total": "2 + i % 3", "qty_shipped": f"CASE WHEN {shipped} THEN 2 + i % 3 ELSE 0 END",
        "created_at": "at", "updated_at": "at + interval '2 hours'",
        "delivered_at": f"CASE WHEN {sent} THEN at + interval '1 minute' END",
        "shipped_at": f"CASE WHEN {shipped} THEN at + interval '1 day' END",
        "confirmed_at": "CASE WHEN status = 'confirmed' THEN at + interval '25 hours' END",
        "lease_until": "CASE WHEN status = 'sending' THEN at END",
        "canceled_at": "CASE WHEN status = 'canceled' THEN at + interval '1 hour' END",
    }, "one ORDER BY i"  # fmt: skip
    ship = (
        f"jsonb_build_object('first_name', {first}, 'last_name', {last}, 'address_1', (i % 900) || ' High Street', "
        f"'city', {_one_of(CITIES, 'i / 13')}, 'state', 'OK', 'zip', 10000 + i % 80000, 'country', {country}, "
        f"'e_mail', lower({last}) || i || '@mail.example', 'phone', '+1 555 ' || i % 10000)"
    )
    lines = (
        "(SELECT jsonb_agg(jsonb_build_object('line_id', l::text, 'item', 'SKU-' || (i * l) % 5000, 'quantity', '1', "
        "'description', 'A thing of some kind, in a box', 'price', '19.00')) FROM generate_series(1, 1 + i % 3) l)"
    )
    yield OrderDetail, {
        **mine, "order_id": "i", "ref_key": f"lower({number})", "number_key": f"lower({number})",
        "data": f"jsonb_build_object('cart_key', {number}, 'ship', ship, 'bill', ship, 'lines', {lines}, "
                f"'ship_code_description', {method}, 'extra_fields', jsonb_build_object('gift', 'no'))",
        "raw": f"jsonb_build_object('id', i, 'order_number', {number}, 'shipping', ship)",
        "name_key": f"lower({last} || ' ' || {first})", "email_key": f"lower({last}) || i || '@mail.example'",
    }, f"(SELECT *, {ship} AS ship FROM one OFFSET 0) one"  # fmt: skip  # noqa: S608 (constants)
    yield OrderLine, {
        **mine, "order_id": "i", "position": "l", "line_id": "l::text", "item": "'SKU-' || (i * l) % 5000",
        "item_key": "'sku-' || (i * l) % 5000", "quantity": "1", "sent_item": "'SKU-' || (i * l) % 5000",
    }, "one, generate_series(1, 1 + i % 3) l"  # fmt: skip
    yield Shipment, {
        **about, "id": "i", "order_id": "i", "key": "'1Z' || i", "tracking_no": "'1Z' || lpad(i::text, 14, '0')",
        "tracking_key": "'1z' || lpad(i::text, 14, '0')", "carrier": "'UPS'", "shipped_at": "at + interval '1 day'",
        "data": "jsonb_build_object('tracking_url', 'https://track.example/1Z' || i)",
        "created_at": "at + interval '1 day'", "retry_at": "at + interval '1 day'",
        "uploaded_at": "CASE WHEN status = 'confirmed' THEN at + interval '25 hours' END",
    }, f"one WHERE {shipped}"  # fmt: skip
    yield ShipmentLine, {
        **mine, "shipment_id": "i", "line_id": "'1'", "item": "'SKU-' || i % 5000", "quantity": "2",
    }, f"one WHERE {shipped}"  # fmt: skip
    yield Event, {
        **mine, "order_id": "i", "at": "at + e * interval '1 minute'",
        "kind": "(ARRAY['loaded', 'sent', 'shipment', 'uploaded'])[e]", "frm": "''",
        "to": "(ARRAY['received', 'at_wms', 'shipped', 'confirmed'])[e]", "message": "'It went its way.'",
    }, f"one, generate_series(1, CASE WHEN {shipped} THEN 4 WHEN {sent} THEN 2 ELSE 1 END) e"  # fmt: skip
    yield Run, {
        **mine, "merchant_id": "merchant_id", "cart_id": "cart_id", "schedule_id": "id", "service": "service",
        "started_at": "now() - n * interval '1 hour'", "seconds": "0.5", "calls": "1",
        "outcome": "CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'ok' END",
    }, "merchants_schedule, generate_series(1, 10) n"  # fmt: skip


class _without_indexes:
    """Inside it the tables have only the indexes that keep rows apart; the others are made at its end."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._made: list[str] = []

    def __enter__(self) -> None:
        names = [model._meta.db_table for model in TABLES]
        self._cursor.execute(
            """SELECT i.relname, pg_get_indexdef(x.indexrelid) FROM pg_index x
               JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
               WHERE t.relname = ANY(%s) AND NOT x.indisunique""",
            [names],
        )
        found = self._cursor.fetchall()
        self._made = [definition for _, definition in found]
        for name, _ in found:
            self._cursor.execute(f'DROP INDEX "{name}"')

    def __exit__(self, *error: Any) -> None:
        began = perf_counter()
        for definition in self._made:
            self._cursor.execute(definition)
        print(f"  {len(self._made)} indexes, {perf_counter() - began:.0f} s", flush=True)


def _alerts(cursor: Any) -> None:
    """An alert for each cause, and as many again that are over."""
    for resolved in ("NULL::timestamptz", "now()"):
        _insert(
            cursor,
            Alert,
            {
                "account_id": "account_id", "merchant_id": "merchant_id", "kind": "code",
                "public_id": f"substr(md5(cause || '{resolved}'), 1, 12)",
                "key": "cause" if resolved.startswith("NULL") else "cause || ' over'",
                "message": "'Ship method “X” is not known to the warehouse.'", "fix": "'Map it.'", "count": "number",
                "first_seen": "first", "last_seen": "last", "resolved_at": resolved,
            },
            "(SELECT account_id, merchant_id, code, cause, count(*) AS number, min(at) AS first, max(at) AS last "
            "FROM one WHERE cause <> '' GROUP BY 1, 2, 3, 4) found",
        )  # fmt: skip
