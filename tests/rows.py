"""One row of every tenant table, made from the models themselves, so that a new model is swept too."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Account, User
from integration_manager import tenancy
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


def tenant_models() -> list[type[TenantModel]]:
    """Every model that belongs to an account."""
    return sorted((m for m in apps.get_models() if issubclass(m, TenantModel)), key=lambda m: m._meta.label)


class Rows:
    """An account with one row of each tenant model; `made[model]` is that row."""

    def __init__(self, name: str) -> None:
        self.account = Account.objects.create(name=name, timezone="UTC")
        self.user = User.objects.create_user(f"{name.lower()}@rows.example", "x" * 14)
        self.made: dict[type[TenantModel], Any] = {}
        with tenancy.activate(self.account.pk):
            for model in tenant_models():
                self.get(model)

    def get(self, model: Any) -> Any:
        """This account's row of a model; its parents come first."""
        if model not in self.made:
            self.made[model] = model.objects.create(**self.values(model))
        return self.made[model]

    def values(self, model: Any) -> dict[str, Any]:
        """What a row of the model needs, and all that it may point to."""
        found: dict[str, Any] = {}
        for field in model._meta.local_concrete_fields:
            if isinstance(field, TenantKey):
                found[field.name] = self.get(field.remote_field.model)
            elif field.primary_key or field.name == "account" or field.null or field.has_default():
                continue
            elif isinstance(field, models.ForeignKey):
                found[field.name] = self.user
            else:
                found[field.name] = _value(field)
        return found


def _value(field: Any) -> Any:
    if field.choices:
        return field.choices[0][0]
    if isinstance(field, ArrayField):
        return []
    if isinstance(field, models.CharField | models.TextField):
        return public_id()[: field.max_length or 12]
    if isinstance(field, models.DateTimeField):
        return clock.now()
    if isinstance(field, models.DateField):
        return date(2026, 1, 1)
    if isinstance(field, models.DecimalField):
        return Decimal(1)
    if isinstance(field, models.JSONField):
        return {}
    if isinstance(field, models.BinaryField):
        return b"x"
    return 1
