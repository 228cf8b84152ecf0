"""SCAC Mapping: what carts are told in place of the WMS's carrier codes."""

import django.db.models.deletion
from django.db import migrations, models

import integration_manager.kit.clock
from integration_manager.tenancy import TenantKey, Wall


class Migration(migrations.Migration):
    dependencies = [("merchants", "0009_stock")]

    operations = [
        migrations.CreateModel(
            name="CarrierCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=60)),
                ("key", models.CharField(max_length=60)),
                ("scac", models.CharField(blank=True, max_length=20)),
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
                    "merchant",
                    TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={"abstract": False, "base_manager_name": "objects"},
        ),
        migrations.AddConstraint(
            "carriercode",
            models.UniqueConstraint(fields=("account", "merchant", "key"), name="carrier_code_once"),
        ),
        Wall("CarrierCode"),
    ]
