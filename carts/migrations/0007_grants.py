"""Access that people grant by OAuth, and links by which merchants give their credentials."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import integration_manager.crypto
import integration_manager.ids
import integration_manager.kit.clock
from integration_manager.tenancy import TenantKey, Wall

CASCADE = django.db.models.deletion.CASCADE


def _common() -> list[tuple[str, models.Field]]:  # type: ignore[type-arg]
    return [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("system", models.CharField(max_length=40)),
        ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
        ("account", models.ForeignKey(db_index=False, on_delete=CASCADE, related_name="+", to="accounts.account")),
        _key("merchant", "merchants.merchant"),
    ]


def _key(name: str, to: str, *, null: bool = False) -> tuple[str, models.Field]:  # type: ignore[type-arg]
    return name, TenantKey(db_constraint=False, null=null, on_delete=CASCADE, related_name="+", to=to)


def _public_id() -> tuple[str, models.Field]:  # type: ignore[type-arg]
    field = models.CharField(default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True)
    return "public_id", field


OPTIONS = {"abstract": False, "base_manager_name": "objects"}


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0001_initial"),
        ("carts", "0006_webhooks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SetupLink",
            fields=[
                *_common(),
                _public_id(),
                _key("cart", "carts.cart", null=True),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=100)),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("created_by", models.EmailField(max_length=254)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ],
            options=OPTIONS,
        ),
        migrations.CreateModel(
            name="Access",
            fields=[
                *_common(),
                _public_id(),
                _key("cart", "carts.cart", null=True),
                ("shop", models.CharField(blank=True, max_length=200)),
                ("address", integration_manager.crypto.EncryptedJSON(blank=True, default=dict)),
                ("token", integration_manager.crypto.EncryptedJSON(blank=True, default=dict)),
                ("held_until", models.DateTimeField(blank=True, null=True)),
                ("granted_by", models.CharField(max_length=254)),
            ],
            options=OPTIONS,
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                *_common(),
                _key("cart", "carts.cart", null=True),
                _key("link", "carts.setuplink", null=True),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("browser", models.CharField(max_length=64)),
                (
                    "user",
                    models.ForeignKey(null=True, on_delete=CASCADE, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
                ("secrets", integration_manager.crypto.EncryptedJSON(blank=True, default=dict)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
            ],
            options=OPTIONS,
        ),
        migrations.AddConstraint(
            "access",
            models.UniqueConstraint(
                fields=["account", "cart"], name="one_access", condition=models.Q(cart__isnull=False)
            ),
        ),
        Wall("SetupLink"),
        Wall("Access"),
        Wall("Attempt"),
    ]
