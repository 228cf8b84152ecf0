"""The book of files read."""

import django.db.models.deletion
import integration_manager.kit.clock
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_wall"),
        ("carts", "0004_wider_amounts"),
        ("merchants", "0007_stored_files"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReadFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=20)),
                ("name", models.CharField(max_length=255)),
                ("size", models.BigIntegerField(default=0)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("modified_at", models.DateTimeField()),
                ("read_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("rows", models.PositiveIntegerField(default=0)),
                ("refused", models.PositiveIntegerField(default=0)),
                ("left_out", models.PositiveIntegerField(default=0)),
                ("same", models.BooleanField(default=False)),
                ("by_hand", models.BooleanField(default=False)),
                ("taken_at", models.DateTimeField(null=True)),
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
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="carts.cart",
                    ),
                ),
                (
                    "merchant",
                    integration_manager.tenancy.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["account", "sha256"], name="read_file_content"),
                    models.Index(fields=["account", "merchant", "cart", "read_at"], name="read_file_list"),
                ],
            },
        ),
        integration_manager.tenancy.Wall("ReadFile"),
    ]
