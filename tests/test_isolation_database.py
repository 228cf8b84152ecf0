# ruff: noqa: S608 (names of our own tables)
"""The second wall between tenants: PostgreSQL itself refuses, whatever the code above it forgets."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from integration_manager import tenancy
from integration_manager.tenancy import TenantKey
from merchants.models import Merchant
from tests.rows import Rows, tenant_models

pytestmark = pytest.mark.django_db
OUTSIDE = pytest.mark.django_db(transaction=True)  # of any transaction: connections are at stake
TENANT = "(account_id = (current_setting('app.account'::text))::bigint)"


def ask(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


def tables() -> list[str]:
    return [row[0] for row in ask("SELECT table_name FROM information_schema.columns WHERE column_name = 'account_id'")]


@pytest.fixture
def ours() -> Rows:
    return Rows("Ours")


@pytest.fixture
def theirs() -> Rows:
    return Rows("Theirs")


def test_every_table_with_an_account_belongs_to_a_tenant_model() -> None:
    assert sorted(tables()) == sorted(model._meta.db_table for model in tenant_models())


def test_every_table_with_an_account_has_its_wall_and_another_owner() -> None:
    for table in tables():
        ((secured, owner),) = ask(
            "SELECT relrowsecurity, pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass", table
        )
        assert secured, f"{table} has no row-level security"
        assert owner == "im_owner"
        policies = ask(
            "SELECT policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies "
            "WHERE tablename = %s ORDER BY policyname",
            table,
        )
        assert policies == [
            ("system", "PERMISSIVE", "{im_system}", "ALL", "true", "true"),
            ("tenant", "PERMISSIVE", "{im_app}", "ALL", TENANT, TENANT),
        ], table


def test_the_tests_run_as_a_role_that_the_policies_bind() -> None:
    assert ask("SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user") == [
        ("im_app", False, False)
    ]


@OUTSIDE
def test_raw_sql_without_a_tenant_is_an_error_and_not_an_empty_answer(ours: Rows) -> None:
    for fresh in (True, False):  # a connection that never had a tenant, and one that had
        if fresh:
            connection.close()
        else:
            with tenancy.activate(ours.account.pk):
                Merchant.objects.count()
        for table in tables():
            with pytest.raises(DatabaseError, match=r"app\.account|bigint"):
                ask(f"SELECT * FROM {table}")


def test_raw_sql_with_a_tenant_sees_only_its_rows(ours: Rows, theirs: Rows) -> None:
    for rows in (ours, theirs):
        with tenancy.activate(rows.account.pk):
            for table in tables():
                assert ask(f"SELECT DISTINCT account_id FROM {table}") == [(rows.account.pk,)], table


def test_raw_sql_cannot_write_into_another_account(ours: Rows, theirs: Rows) -> None:
    for model in tenant_models():
        table, mine, foreign = model._meta.db_table, ours.made[model], theirs.made[model]
        columns = ", ".join(
            f'"{f.column}"' for f in model._meta.local_concrete_fields if f.name not in ("id", "account")
        )
        with tenancy.activate(ours.account.pk):
            with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
                ask(f"UPDATE {table} SET account_id = %s WHERE id = %s", theirs.account.pk, mine.pk)
            with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
                ask(
                    f"INSERT INTO {table} (account_id, {columns}) SELECT %s, {columns} FROM {table} WHERE id = %s",
                    theirs.account.pk,
                    mine.pk,
                )
            assert ask(f"UPDATE {table} SET account_id = account_id WHERE id = %s RETURNING id", foreign.pk) == []
            assert ask(f"DELETE FROM {table} WHERE id = %s RETURNING id", foreign.pk) == []


def keys() -> Iterator[tuple[Any, Any]]:
    for model in tenant_models():
        for field in model._meta.local_fields:
            if isinstance(field, TenantKey):
                yield model, field


def test_a_key_into_another_account_is_refused(ours: Rows, theirs: Rows) -> None:
    assert len(list(keys())) > 20
    for model, field in keys():
        foreign, mine = theirs.made[field.remote_field.model], ours.made[model]
        # Refused by the constraint, not by a policy: so also with both walls open.
        for scope in (lambda: tenancy.activate(ours.account.pk), lambda: tenancy.everyone("a test")):
            with scope(), pytest.raises(IntegrityError, match=f"{field.column}_tenant"), transaction.atomic():
                ask(f"UPDATE {model._meta.db_table} SET {field.column} = %s WHERE id = %s", foreign.pk, mine.pk)
                ask("SET CONSTRAINTS ALL IMMEDIATE")


def test_no_key_between_tenant_tables_is_a_plain_one() -> None:
    of_accounts = [f"'{table}'::regclass" for table in tables()]
    plain = ask(
        f"SELECT conname FROM pg_constraint WHERE contype = 'f' AND array_length(conkey, 1) = 1 "
        f"AND conrelid IN ({', '.join(of_accounts)}) AND confrelid IN ({', '.join(of_accounts)})"
    )
    assert plain == []


# ── the session's setting ──


def account_setting() -> str:
    return str(ask("SELECT current_setting('app.account', true)")[0][0])


@OUTSIDE
def test_a_tenant_does_not_change_inside_a_transaction(ours: Rows) -> None:
    for enter in (lambda: tenancy.activate(ours.account.pk), lambda: tenancy.everyone("a test")):
        with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
            enter().__enter__()


@OUTSIDE
def test_a_rolled_back_transaction_brings_no_tenant_back(ours: Rows, theirs: Rows) -> None:
    with tenancy.activate(theirs.account.pk):
        pass
    with tenancy.activate(ours.account.pk):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Merchant.objects.count()
            1 / 0  # noqa: B018
        assert account_setting() == str(ours.account.pk)
    assert account_setting() == ""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        1 / 0  # noqa: B018
    assert account_setting() == ""


@OUTSIDE
def test_a_connection_that_cannot_be_cleaned_does_not_live_on(ours: Rows) -> None:
    with tenancy.activate(ours.account.pk):
        connection.connection.close()  # the server went away in the middle
    assert connection.connection is None
    with pytest.raises(DatabaseError, match=r"app\.account"):
        ask("SELECT * FROM merchants_merchant")


@OUTSIDE
def test_a_failed_leave_closes_the_connection(ours: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = tenancy.activate(ours.account.pk)
    scope.__enter__()
    used = connection.connection

    def fails(*args: Any) -> None:
        raise DatabaseError("the setting was refused")

    with monkeypatch.context() as patch:
        patch.setattr(tenancy, "_tell_database", fails)
        scope.__exit__(None, None, None)
    assert used.closed
    assert connection.connection is None


@OUTSIDE
def test_a_new_connection_inside_a_tenant_answers_nothing_of_it(ours: Rows) -> None:
    with tenancy.activate(ours.account.pk):
        connection.close()
        with pytest.raises(DatabaseError, match=r"app\.account"):
            Merchant.objects.count()
