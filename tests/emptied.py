"""Undoes what a test with transactions of its own has stored.

Django empties every table of the product then, whether there is something in it or not, and writes down anew what
models and permissions there are: a second for each test. Here only the rows go, from where there are some.
"""

import os
from functools import cache

import psycopg2
from django.db import connection

from tests import services

MUCH = 1_000_000  # bytes; what is deleted row by row leaves its room behind
# What migrating writes down; no test changes it.
LEFT = ("django_content_type", "auth_permission")
FILLED = """SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)
            AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0 ORDER BY relname"""
TRIES = 5


def empty() -> None:
    """Deletes every row of the product's tables, in this process' database."""
    for tried in range(TRIES):
        try:
            _empty(_tables())
            return
        except psycopg2.errors.DeadlockDetected:  # an answer that nobody waited for is still being made
            if tried == TRIES - 1:
                raise


@cache
def _tables() -> list[str]:
    return [name for name in connection.introspection.django_table_names(include_views=False) if name not in LEFT]


def _empty(tables: list[str]) -> None:
    name = os.environ["DATABASE_URL"].rpartition("?")[0].rpartition("/")[2]
    with services.admin(os.environ, name) as cursor:
        emptied: set[str] = set()
        while True:  # what is written by others meanwhile may be the first row of its table
            cursor.execute(FILLED, [tables])
            sizes = {table: size for table, size in cursor.fetchall() if table not in emptied}
            if not sizes:
                return
            if max(sizes.values()) > MUCH:
                cursor.execute(f"TRUNCATE {', '.join(tables)}")
                return
            # Whoever still writes is waited for, as TRUNCATE would. Without rows keys have nothing to point at.
            begin = ["BEGIN", "SET LOCAL session_replication_role = replica"]
            lock = f"LOCK TABLE {', '.join(sizes)} IN SHARE MODE"
            cursor.execute("; ".join([*begin, lock, *(f"DELETE FROM {table}" for table in sizes), "COMMIT"]))  # noqa: S608
            emptied |= sizes.keys()
