"""Webhooks of carts, and whether a cart is told of cancellations."""

import django.db.models.deletion
from django.db import migrations, models

import integration_manager.crypto
import integration_manager.kit.clock
from integration_manager.tenancy import TenantKey, Wall


def _id() -> tuple[str, models.Field]:  # type: ignore[type-arg]
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def _account() -> tuple[str, models.Field]:  # type: ignore[type-arg]
    return "account", models.ForeignKey(
        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
    )


class Migration(migrations.Migration):
    dependencies = [("carts", "0005_going_live")]

    operations = [
        migrations.AddField("cart", "cancel_upload", models.BooleanField(db_default=False, default=False)),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                _id(),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("secrets", integration_manager.crypto.EncryptedJSON(blank=True, default=dict)),
                ("handles", models.JSONField(blank=True, default=list)),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("registered_at", models.DateTimeField(blank=True, null=True)),
                ("received_at", models.DateTimeField(blank=True, null=True)),
                ("refused", models.PositiveIntegerField(default=0)),
                _account(),
                (
                    "cart",
                    TenantKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="carts.cart",
                    ),
                ),
            ],
            options={"abstract": False, "base_manager_name": "objects"},
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                _id(),
                ("topic", models.CharField(blank=True, max_length=80)),
                ("delivery_id", models.CharField(blank=True, max_length=100)),
                ("received_at", models.DateTimeField()),
                ("verified", models.BooleanField()),
                _account(),
                (
                    "cart",
                    TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="carts.cart",
                    ),
                ),
            ],
            options={"abstract": False, "base_manager_name": "objects"},
        ),
        migrations.AddConstraint("webhook", models.UniqueConstraint(fields=("account", "cart"), name="one_webhook")),
        migrations.AddIndex(
            "webhookdelivery", models.Index(fields=["account", "cart", "-id"], name="delivery_by_cart")
        ),
        Wall("Webhook"),
        Wall("WebhookDelivery"),
    ]
