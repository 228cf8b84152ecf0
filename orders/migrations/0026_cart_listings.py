"""Products of the WMS on their way to a cart."""

import django.db.models.deletion
import integration_manager.kit.clock
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_invitations_with_a_password"),
        ("carts", "0017_product_listing"),
        ("merchants", "0015_product_listing"),
        ("orders", "0025_waiting"),
    ]

    operations = [
        migrations.CreateModel(
            name="CartListing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("found", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("out_file_id", models.BigIntegerField(blank=True, null=True)),
                ("retry_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("token", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("starts", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("first_failed_at", models.DateTimeField(blank=True, null=True)),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                ("error_code", models.CharField(blank=True, default="", max_length=40)),
                ("error_message", models.TextField(blank=True, default="")),
                ("code", models.CharField(db_collation="C", max_length=100)),
                ("sku", models.CharField(db_collation="C", max_length=100)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("there", "In the cart"), ("refused", "Refused by the cart")],
                        default="waiting",
                        max_length=7,
                    ),
                ),
                ("cart_key", models.CharField(blank=True, default="", max_length=100)),
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
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["cart", "retry_at", "id"],
                        name="cart_listing_waiting",
                    ),
                    models.Index(fields=["account", "cart", "state"], name="cart_listing_by_state"),
                    models.Index(fields=["account", "cart", "code"], name="cart_listing_by_code"),
                ],
                "constraints": [models.UniqueConstraint(fields=("account", "cart", "sku"), name="cart_listing_once")],
            },
        ),
        integration_manager.tenancy.Wall("CartListing"),
    ]
