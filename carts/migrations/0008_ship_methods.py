"""The ship-method map of each cart, and the mark by which everybody knows that a cart's rules have changed."""

import django.db.models.deletion
from django.db import migrations, models

import integration_manager.kit.clock
from integration_manager.tenancy import TenantKey, Wall


class Migration(migrations.Migration):
    dependencies = [("carts", "0007_grants")]

    operations = [
        migrations.AddField("cart", "reject_unmapped", models.BooleanField(db_default=False, default=False)),
        migrations.AddField(
            "cart",
            "rules_mark",
            models.CharField(db_default="", default="", editable=False, max_length=12),
        ),
        migrations.CreateModel(
            name="CartShipMethod",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "match",
                    models.CharField(
                        choices=[
                            ("exact", "Is"),
                            ("starts", "Starts with"),
                            ("contains", "Contains"),
                            ("default", "Everything else"),
                        ],
                        default="exact",
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=100)),
                ("key", models.CharField(blank=True, max_length=100)),
                ("position", models.PositiveIntegerField(default=0)),
                ("wms_code", models.CharField(blank=True, max_length=100)),
                ("by_hand", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "cart",
                    TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ship_methods",
                        to="carts.cart",
                    ),
                ),
            ],
            options={"abstract": False, "base_manager_name": "objects"},
        ),
        migrations.AddConstraint(
            "cartshipmethod",
            models.UniqueConstraint(fields=("account", "cart", "match", "key"), name="ship_method_once"),
        ),
        Wall("CartShipMethod"),
    ]
