"""Places in an account that wait for the person they were offered to."""

import django.db.models.deletion
from django.db import migrations, models

import integration_manager.kit.clock
import integration_manager.tenancy
from integration_manager.tenancy import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_sign_in"),
        ("merchants", "0006_archived"),
    ]

    operations = [
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[("primary", "Primary user"), ("admin", "Admin user"), ("merchant", "Merchant user")],
                        max_length=8,
                    ),
                ),
                ("invited_by", models.CharField(max_length=254)),
                ("token_hash", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
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
                    integration_manager.tenancy.TenantKey(
                        blank=True,
                        db_constraint=False,
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
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("accepted_at__isnull", True)),
                        fields=("account", "email"),
                        name="one_open_invitation",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("role", "merchant"), _negated=True), ("merchant__isnull", False), _connector="OR"
                        ),
                        name="invited_merchant_user_has_merchant",
                    ),
                ],
            },
        ),
        Wall("Invitation"),
    ]
