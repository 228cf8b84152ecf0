"""Descriptions, frequencies for later, dry runs."""

import django.db.models.deletion
import integration_manager.ids
import integration_manager.tenancy
from django.db import migrations, models

from integration_manager.tenancy import Wall


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_wall"), ("carts", "0004_wider_amounts")]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="description",
            field=models.CharField(blank=True, db_default="", default="", max_length=300),
        ),
        migrations.AddField(model_name="cart", name="planned", field=models.JSONField(blank=True, default=dict)),
        migrations.CreateModel(
            name="DryRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("done", "Done"),
                            ("stopped", "Stopped"),
                            ("failed", "Failed"),
                        ],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("earliest", models.DateField()),
                ("started_by", models.CharField(max_length=254)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("problem", models.TextField(blank=True, default="")),
                ("failures", models.PositiveIntegerField(default=0)),
                ("cursor", models.DateTimeField(blank=True, null=True)),
                ("token", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dry_runs",
                        to="carts.cart",
                    ),
                ),
            ],
            options={"abstract": False, "base_manager_name": "objects"},
        ),
        migrations.CreateModel(
            name="DryOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=100)),
                ("number", models.CharField(max_length=100)),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("send", "Would be sent"),
                            ("error", "Would stop with an error"),
                            ("skip", "Would be skipped"),
                            ("leave", "Nothing to ship"),
                            ("known", "Loaded already"),
                            ("handled", "Marked as handled"),
                        ],
                        max_length=7,
                    ),
                ),
                ("message", models.TextField(blank=True, default="")),
                ("order_date", models.DateField(blank=True, null=True)),
                ("country", models.CharField(blank=True, default="", max_length=3)),
                ("lines", models.PositiveIntegerField(default=0)),
                ("raw", models.JSONField(null=True)),
                ("seen_at", models.DateTimeField()),
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
                    "dry_run",
                    integration_manager.tenancy.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="carts.dryrun",
                    ),
                ),
            ],
            options={"abstract": False, "base_manager_name": "objects"},
        ),
        migrations.AddConstraint(
            model_name="dryrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "running")), fields=("account", "cart"), name="one_running"
            ),
        ),
        migrations.AddIndex(
            model_name="dryorder",
            index=models.Index(fields=["account", "dry_run", "verdict", "-id"], name="dry_by_verdict"),
        ),
        migrations.AddConstraint(
            model_name="dryorder",
            constraint=models.UniqueConstraint(fields=("account", "dry_run", "key"), name="dry_once"),
        ),
        Wall("DryRun"),
        Wall("DryOrder"),
    ]
