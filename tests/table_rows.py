"""How many rows of every model were added, and whether any of an account's has changed: each by one question."""

from django.apps import apps
from django.db import connection, models

from accounts.models import Account
from integration_manager import tenancy
from integration_manager.tenancy import TenantModel

OURS = ("accounts", "alerts", "billing", "carts", "merchants", "orders", "wms")


def tables() -> list[type[models.Model]]:
    """Every model of ours: those of an account, and those beside."""
    return [model for model in apps.get_models() if model._meta.app_label in OURS and not model._meta.proxy]


def of_tenant() -> list[type[TenantModel]]:
    """Those whose rows belong to an account."""
    return [model for model in tables() if issubclass(model, TenantModel)]


def added() -> dict[str, int]:
    """Rows that this transaction has added so far, less those it has deleted, by model: PostgreSQL counts them itself.

    What was undone to a savepoint stays in the number: only differences mean something.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins - n_tup_del FROM pg_stat_xact_user_tables")
        found = dict(cursor.fetchall())
    return {model.__name__: found.get(model._meta.db_table, 0) for model in tables()}


def state(account: Account) -> list[tuple[str, int, str]]:
    """Of every model the number of this account's rows and a sum over what stands in them."""
    parts = [
        f"SELECT '{model.__name__}', count(*), coalesce(sum(hashtextextended(t::text, 0) / 1024), 0)::text "  # noqa: S608
        f"FROM {connection.ops.quote_name(model._meta.db_table)} t WHERE account_id = {account.pk}"
        for model in of_tenant()
    ]
    with tenancy.activate(account.pk), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return sorted(cursor.fetchall())
