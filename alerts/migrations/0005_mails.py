"""Mails about alerts: what is to be told, one row per mail, and who gets none."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from integration_manager.tenancy import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_users"),
        ("alerts", "0004_contacts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("alert", "news_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddIndex(
            "alert",
            models.Index(condition=models.Q(("news_at__isnull", False)), fields=["account"], name="alerts_news"),
        ),
        migrations.CreateModel(
            name="Silenced",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.EmailField(max_length=254)),
                (
                    "why",
                    models.CharField(
                        choices=[("refused", "Refused by the mail server"), ("stopped", "Unsubscribed")], max_length=7
                    ),
                ),
                ("said", models.CharField(blank=True, default="", max_length=200)),
                ("at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [models.UniqueConstraint(fields=("account", "address"), name="silenced_once")],
            },
        ),
        migrations.CreateModel(
            name="AlertMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.EmailField(blank=True, default="", max_length=254)),
                ("slot", models.DateTimeField()),
                ("at_once", models.BooleanField(default=False)),
                ("news", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
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
                    "mail",
                    models.ForeignKey(
                        null=True,
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.mail",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "user", "address", "slot"),
                        name="one_alert_mail_per_slot",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        Wall("Silenced"),
        Wall("AlertMail"),
    ]
