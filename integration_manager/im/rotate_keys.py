"""`manage.py rotate_keys`: encrypts every stored secret anew, with the first key of IM_KEYS.

Put the new key first in IM_KEYS, restart, run this, then drop the old key. It may be stopped and
started again at any time, and while everything runs: a row is changed only if nobody has meanwhile.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connection

from accounts import two_step
from integration_manager import tenancy
from integration_manager.crypto import EncryptedJSON, decrypt, encrypt, key_ring
from integration_manager.tenancy import TenantModel

HELP = "encrypts every stored secret anew, with the first key of IM_KEYS"
BATCH = 500


def run(options: dict[str, Any]) -> None:
    """Goes through all tables with secrets. Raises ValueError where a row's key is gone."""
    changed = 0
    with tenancy.everyone("rotate_keys"):
        for field in secret_fields():
            changed += _rotate(field)
        changed += two_step.rotate()
    print(f"{changed} secrets encrypted anew with the key {next(iter(key_ring()))!r}.")


def secret_fields() -> list[EncryptedJSON]:
    """Every field of every model that keeps secrets."""
    return [f for model in apps.get_models() for f in model._meta.local_fields if isinstance(f, EncryptedJSON)]


def _rotate(field: EncryptedJSON) -> int:
    table, column, changed = field.model._meta.db_table, field.column, 0
    for rows in _batches(table, str(column), issubclass(field.model, TenantModel)):
        for pk, account_id, stored in rows:
            bound_to = field.bound_to(field.model(account_id=account_id) if account_id else field.model())
            anew = encrypt(decrypt(stored, bound_to), bound_to)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE {table} SET {column} = %s WHERE id = %s AND {column} = %s",  # noqa: S608 (names of ours)
                    [anew, pk, stored],
                )
                changed += cursor.rowcount
    return changed


def _batches(table: str, column: str, has_account: bool) -> Iterator[list[tuple[int, int, str]]]:
    """The rows whose secret stands under another key than the first, by id. Some belong to no account."""
    current, last = next(iter(key_ring())), 0
    account = "account_id" if has_account else "NULL::bigint"
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, {account}, {column} FROM {table} WHERE id > %s AND {column} <> '' "  # noqa: S608
                f"AND split_part({column}, ':', 1) <> %s ORDER BY id LIMIT %s",
                [last, current, BATCH],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        yield rows
        last = rows[-1][0]
