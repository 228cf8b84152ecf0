"""How many rows there are of every model, and whether any of an account's has changed: each by one question."""

from typing import Any

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


def counted(account: Account) -> dict[str, int]:
    """Rows by model: of this account, or of all where they belong to none."""
    parts = [
        f"SELECT '{model.__name__}', count(*) FROM {_table(model)}{_where(model, account)}"  # noqa: S608 (names of ours)
        for model in tables()
    ]
    return dict(_asked(account, parts))


def state(account: Account) -> list[tuple[str, int, str]]:
    """Of every model the number of this account's rows and a sum over what stands in them."""
    parts = [
        f"SELECT '{model.__name__}', count(*), coalesce(sum(hashtextextended(t::text, 0) / 1024), 0)::text "  # noqa: S608
        f"FROM {_table(model)} t{_where(model, account)}"
        for model in of_tenant()
    ]
    return sorted(_asked(account, parts))


def _asked(account: Account, parts: list[str]) -> list[Any]:
    with tenancy.activate(account.pk), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return list(cursor.fetchall())


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _where(model: type[models.Model], account: Account) -> str:
    return f" WHERE account_id = {account.pk}" if issubclass(model, TenantModel) else ""
