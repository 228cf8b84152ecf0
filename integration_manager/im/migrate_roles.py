"""`im migrate-roles`: the database and its three roles, made where they are missing.

im_owner owns the tables, im_app is what web and workers run as, im_system sees every
tenant's rows. Running it again changes nothing.
"""

import os
from argparse import ArgumentParser
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from integration_manager.embedded import CannotStart

HELP = "create the database roles im_owner, im_app and im_system, and grant what each may do"

# In PostgreSQL 16 and newer a grant remembers whether its holder inherits, so im_app is
# made NOINHERIT before im_system is granted to it: else it would see every tenant at once.
ROLES = (
    ("im_owner", "NOLOGIN NOINHERIT"),
    ("im_system", "NOLOGIN NOINHERIT"),
    ("im_app", "NOINHERIT"),
)
GRANTS = """
GRANT im_system TO im_app;
GRANT im_owner, im_app TO {login};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO im_owner, im_app, im_system;
GRANT USAGE, CREATE ON SCHEMA public TO im_owner;
GRANT USAGE ON SCHEMA public TO im_app, im_system;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
"""
# What im_owner creates later is usable by both at once, and what it created already too.
AS_OWNER = """
ALTER DEFAULT PRIVILEGES FOR ROLE im_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO im_app, im_system;
ALTER DEFAULT PRIVILEGES FOR ROLE im_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO im_app, im_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO im_app, im_system;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO im_app, im_system;
"""


def arguments(parser: ArgumentParser) -> None:
    """--admin-url, for a login that may create roles."""
    parser.add_argument(
        "--admin-url",
        default=os.environ.get("IM_ADMIN_DATABASE_URL", ""),
        help="login that may create roles (default: IM_ADMIN_DATABASE_URL, else DATABASE_URL)",
    )


def run(options: dict[str, Any]) -> None:
    """The subcommand."""
    from django.conf import settings

    url = os.environ.get("DATABASE_URL", "") or settings.DATABASES["default"]["NAME"]
    ensure(url, options.get("admin_url") or url, os.environ.get("APP_DATABASE_URL", ""))
    print("Roles are in place: im_owner, im_app, im_system.")


def ensure(url: str, admin_url: str, app_url: str = "") -> None:
    """Create what is missing; a login of `url` that has no right to do so only checks."""
    target = urlsplit(url)
    database, login = unquote(target.path.lstrip("/")), unquote(target.username or "")
    with _connect(admin_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolcreaterole OR rolsuper, current_user FROM pg_roles WHERE rolname = current_user")
        may_create, admin = cursor.fetchone() or (False, "")
        login = login or admin
        if not may_create:
            _check(cursor, login)
            return
        _roles(cursor, login, unquote(target.password or ""), urlsplit(app_url) if app_url else None)
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    parts = urlsplit(admin_url)
    with (
        _connect(parts._replace(path=target.path).geturl()) as connection,
        connection.cursor() as cursor,
    ):
        names = {"login": sql.Identifier(login), "database": sql.Identifier(database)}
        cursor.execute(sql.SQL(GRANTS).format(**names))
        cursor.execute("GRANT im_owner TO CURRENT_USER")
        cursor.execute("SET ROLE im_owner")
        cursor.execute(AS_OWNER)


class _Autocommit:
    """A connection in autocommit mode that is closed at the end; CREATE DATABASE needs one."""

    def __init__(self, url: str) -> None:
        try:
            self.connection = psycopg2.connect(url, connect_timeout=5)
        except psycopg2.OperationalError as error:
            raise CannotStart(f"The database cannot be reached: {str(error).strip()}") from error
        self.connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)

    def __enter__(self) -> Any:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def _connect(url: str) -> _Autocommit:
    return _Autocommit(url)


def _check(cursor: Any, login: str) -> None:
    """Everything must be there already; says what an administrator has to run if not."""
    cursor.execute(
        "SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('im_owner', 'im_app')"
        " AND pg_has_role(current_user, oid, 'MEMBER')"
    )
    if not cursor.fetchone()[0]:
        raise CannotStart(
            f"The roles im_owner and im_app are missing or not granted to {login}. Once, as an administrator: "
            "IM_ADMIN_DATABASE_URL=postgresql://… python manage.py im migrate-roles"
        )


def _roles(cursor: Any, login: str, password: str, app: Any) -> None:
    cursor.execute("SELECT rolname FROM pg_roles")
    existing = {name for (name,) in cursor.fetchall()}
    for name, options in ROLES:
        if name not in existing:
            cursor.execute(sql.SQL("CREATE ROLE {} " + options).format(sql.Identifier(name)))
    if login not in existing:
        cursor.execute(
            sql.SQL("CREATE ROLE {} LOGIN NOINHERIT PASSWORD %s").format(sql.Identifier(login)),
            [password],
        )
    if app is not None:  # production: im_app logs in by itself and can become nothing else
        if app.username != "im_app":
            raise CannotStart("APP_DATABASE_URL must log in as im_app.")
        cursor.execute("ALTER ROLE im_app LOGIN PASSWORD %s", [unquote(app.password or "")])
