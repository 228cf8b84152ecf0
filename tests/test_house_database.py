"""The database part of the house: roles, grants, and the refusal to run as the wrong one."""

import os
import subprocess
import sys

import psycopg2
import pytest
from django.db import connection

from integration_manager import startup
from integration_manager.embedded import CLONE
from tests import services


def query(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@pytest.mark.django_db
def test_tests_run_as_im_app() -> None:
    assert query("SELECT current_user") == [("im_app",)]


@pytest.mark.django_db
def test_every_table_belongs_to_the_owner_and_not_to_the_app() -> None:
    owners = query("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [("im_owner",)]


@pytest.mark.django_db
def test_the_app_may_change_rows_and_no_tables() -> None:
    with pytest.raises(Exception, match="must be owner"):
        query("ALTER TABLE django_session ADD COLUMN x int")


@pytest.mark.django_db
def test_the_app_does_not_inherit_the_systems_sight() -> None:
    rows = query("SELECT pg_has_role('im_app', 'im_system', 'USAGE'), pg_has_role('im_app', 'im_system', 'MEMBER')")
    assert rows == [(False, True)]


@pytest.mark.django_db
def test_a_later_table_of_the_owner_is_usable_by_the_app() -> None:
    name = os.environ["DATABASE_URL"].rpartition("?")[0].rpartition("/")[2]
    with services.admin(os.environ, name) as cursor:
        cursor.execute("SET ROLE im_owner; CREATE TABLE later (id serial)")
        try:
            assert query("INSERT INTO later DEFAULT VALUES RETURNING id") == [(1,)]
        finally:
            connection.close()
            cursor.execute("DROP TABLE later")


@pytest.mark.parametrize(
    ("role", "word"),
    [("im_owner", "owns the tables"), ("postgres", "is a superuser")],
)
@pytest.mark.django_db
def test_a_wrong_role_is_refused_in_words(role: str, word: str) -> None:
    name = os.environ["DATABASE_URL"].rpartition("?")[0].rpartition("/")[2]
    env = {**os.environ, "IM_DB_ROLE": role, "IM_PROCESS": "web"}
    if role == "postgres":
        env["DATABASE_URL"] = os.environ["IM_ADMIN_DATABASE_URL"].replace("/postgres?", f"/{name}?")
    result = subprocess.run(
        [sys.executable, "-c", "import integration_manager.wsgi"], env=env, cwd=CLONE, capture_output=True, text=True
    )
    assert result.returncode == 78
    assert "Refusing to start" in result.stderr
    assert word in result.stderr


@pytest.mark.django_db
def test_a_role_with_bypass_is_refused() -> None:
    with services.admin(os.environ) as cursor:
        cursor.execute("ALTER ROLE im_app BYPASSRLS")
        try:
            assert "BYPASSRLS" in startup.role_problem()
        finally:
            cursor.execute("ALTER ROLE im_app NOBYPASSRLS")
    assert startup.role_problem() == ""


@pytest.mark.django_db
def test_migrate_roles_may_be_repeated_and_says_what_is_missing() -> None:
    command = [sys.executable, "manage.py", "im", "migrate-roles"]
    again = subprocess.run(command, env=dict(os.environ), cwd=CLONE, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    with services.admin(os.environ) as cursor:
        cursor.execute("CREATE ROLE guest LOGIN PASSWORD 'guest-password'")
        try:
            url = os.environ["DATABASE_URL"].partition("@")[2]
            env = {**os.environ, "DATABASE_URL": f"postgresql://guest:guest-password@{url}"}
            env.pop("IM_ADMIN_DATABASE_URL")
            guest = subprocess.run(command, env=env, cwd=CLONE, capture_output=True, text=True)
        finally:
            cursor.execute("DROP ROLE guest")
    assert guest.returncode != 0
    assert "not granted to guest" in guest.stderr


@pytest.mark.django_db
def test_im_app_can_log_in_by_itself_for_production() -> None:
    url = os.environ["DATABASE_URL"].partition("@")[2]
    app = f"postgresql://im_app:app-password@{url}"
    command = [sys.executable, "manage.py", "im", "migrate-roles"]
    try:
        subprocess.run(command, env={**os.environ, "APP_DATABASE_URL": app}, cwd=CLONE, check=True, capture_output=True)
        with psycopg2.connect(app) as own, own.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == ("im_app",)
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("SET ROLE im_owner")
    finally:
        with services.admin(os.environ) as cursor:
            cursor.execute("ALTER ROLE im_app NOLOGIN")
