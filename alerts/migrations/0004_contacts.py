"""Who is told of alerts, and how often."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import integration_manager.tenancy
from integration_manager.tenancy import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_wall"),
        ("alerts", "0003_wall"),
        ("merchants", "0006_archived"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ErrorContact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("alerted", models.BooleanField()),
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
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "merchant", "user"), name="one_contact", nulls_distinct=False
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ErrorEmail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.EmailField(max_length=254)),
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
                        fields=("account", "merchant", "address"), name="one_error_email", nulls_distinct=False
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Preference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "frequency",
                    models.CharField(
                        choices=[
                            ("never", "Never"),
                            ("immediately", "Immediately"),
                            ("30min", "Every 30 minutes"),
                            ("hourly", "Every hour"),
                            ("4h", "Every 4 hours"),
                            ("daily", "Once a day"),
                        ],
                        default="hourly",
                        max_length=11,
                    ),
                ),
                ("at_hour", models.PositiveSmallIntegerField(default=8)),
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
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [models.UniqueConstraint(fields=("account", "user"), name="one_preference")],
            },
        ),
        Wall("ErrorContact"),
        Wall("ErrorEmail"),
        Wall("Preference"),
    ]
