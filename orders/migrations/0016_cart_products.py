"""Products on their way from a cart to the WMS."""

import django.db.models.deletion
import integration_manager.ids
import integration_manager.kit.clock
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_own_password"),
        ("carts", "0012_product_sync"),
        ("merchants", "0011_product_sync"),
        ("orders", "0015_forgotten_at"),
    ]

    operations = [
        migrations.CreateModel(
            name="CartProduct",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True
                    ),
                ),
                ("key", models.CharField(db_collation="C", max_length=100)),
                ("sku", models.CharField(blank=True, db_collation="C", max_length=100)),
                ("data", models.JSONField()),
                ("content_hash", models.CharField(max_length=32)),
                ("modified_at", models.DateTimeField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("there", "At the WMS"),
                            ("refused", "Waiting for a person"),
                            ("left", "Not sent"),
                        ],
                        default="waiting",
                        max_length=7,
                    ),
                ),
                ("wms_key", models.CharField(blank=True, default="", max_length=100)),
                ("wms_id", models.BigIntegerField(blank=True, null=True)),
                ("sent_hash", models.CharField(blank=True, default="", max_length=32)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("found", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("retry_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("token", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("starts", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("first_failed_at", models.DateTimeField(blank=True, null=True)),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                ("error_code", models.CharField(blank=True, default="", max_length=40)),
                ("error_message", models.TextField(blank=True, default="")),
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
                    integration_manager.tenancy.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="carts.cart",
                    ),
                ),
                (
                    "merchant",
                    integration_manager.tenancy.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="merchants.merchant",
                    ),
                ),
                ("out_file_id", models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["merchant", "retry_at"],
                        name="cart_product_waiting",
                    ),
                    models.Index(fields=["account", "cart", "state", "key"], name="cart_product_by_state"),
                    models.Index(fields=["account", "cart", "sku"], name="cart_product_by_sku"),
                ],
                "constraints": [models.UniqueConstraint(fields=("account", "cart", "key"), name="cart_product_once")],
            },
        ),
        integration_manager.tenancy.Wall("CartProduct"),
    ]
