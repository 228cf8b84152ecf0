"""Saved views of the order list, and actions on many orders."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import integration_manager.ids
import integration_manager.kit.clock
import integration_manager.tenancy
from integration_manager.tenancy import Wall


def _id() -> tuple[str, models.Field]:
    return ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


def _public_id() -> tuple[str, models.Field]:
    field = models.CharField(default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True)
    return ("public_id", field)


def _account() -> tuple[str, models.Field]:
    field = models.ForeignKey(
        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
    )
    return ("account", field)


OPTIONS = {"abstract": False, "base_manager_name": "objects"}


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("accounts", "0006_users"),
        ("orders", "0010_tests_and_taken"),
    ]

    operations = [
        migrations.CreateModel(
            name="SavedView",
            fields=[
                _id(),
                _public_id(),
                ("name", models.CharField(blank=True, default="", max_length=60)),
                ("query", models.CharField(blank=True, default="", max_length=1000)),
                ("columns", models.JSONField(blank=True, default=list)),
                ("shared", models.BooleanField(default=False)),
                ("default", models.BooleanField(default=False)),
                _account(),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                **OPTIONS,
                "constraints": [
                    models.UniqueConstraint(fields=("account", "user", "name"), name="view_name_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("default", True)), fields=("account", "user"), name="one_default_view"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkAction",
            fields=[
                _id(),
                _public_id(),
                ("key", models.CharField(max_length=32)),
                ("action", models.CharField(max_length=20)),
                ("actor", models.CharField(max_length=254)),
                ("about", models.CharField(blank=True, default="", max_length=500)),
                ("total", models.PositiveIntegerField(default=0)),
                ("done", models.PositiveIntegerField(default=0)),
                ("refused", models.PositiveIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[("running", "Running"), ("done", "Done"), ("stopped", "Stopped")],
                        default="running",
                        max_length=7,
                    ),
                ),
                ("problem", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("token", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                _account(),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                **OPTIONS,
                "indexes": [
                    models.Index(fields=["account", "-id"], name="bulk_action_newest"),
                    models.Index(
                        condition=models.Q(("state", "running")), fields=["lease_until"], name="bulk_action_running"
                    ),
                ],
                "constraints": [models.UniqueConstraint(fields=("account", "key"), name="bulk_action_once")],
            },
        ),
        migrations.CreateModel(
            name="BulkRow",
            fields=[
                _id(),
                ("order_id", models.BigIntegerField()),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[("", "Waiting"), ("done", "Done"), ("refused", "Not done")],
                        default="",
                        max_length=7,
                    ),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                _account(),
                (
                    "bulk",
                    integration_manager.tenancy.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="orders.bulkaction",
                    ),
                ),
            ],
            options={
                **OPTIONS,
                "indexes": [
                    models.Index(fields=["account", "bulk", "outcome", "order_id"], name="bulk_row_by_outcome")
                ],
                "constraints": [models.UniqueConstraint(fields=("account", "bulk", "order_id"), name="bulk_row_once")],
            },
        ),
        Wall("SavedView"),
        Wall("BulkAction"),
        Wall("BulkRow"),
    ]
