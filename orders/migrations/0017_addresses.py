"""Answers to look-ups of addresses, and how many there were."""

import django.db.models.deletion
from django.db import migrations, models

import integration_manager.kit.clock
from integration_manager.tenancy import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_addresses"),
        ("orders", "0016_cart_products"),
    ]

    operations = [
        migrations.CreateModel(
            name="AddressAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64)),
                ("domestic", models.BooleanField()),
                ("answer", models.JSONField(null=True)),
                ("answered_at", models.DateTimeField(null=True)),
                ("unasked", models.BooleanField(db_default=False, default=False)),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("failures", models.PositiveIntegerField(db_default=0, default=0)),
                ("retry_at", models.DateTimeField(null=True)),
                ("token", models.BigIntegerField(db_default=0, default=0)),
                ("lease_until", models.DateTimeField(null=True)),
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
                "constraints": [models.UniqueConstraint(fields=("account", "key"), name="address_asked_once")],
            },
        ),
        migrations.CreateModel(
            name="LookupCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("begins_on", models.DateField()),
                ("us", models.PositiveIntegerField(default=0)),
                ("international", models.PositiveIntegerField(default=0)),
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
                "constraints": [models.UniqueConstraint(fields=("account", "begins_on"), name="one_lookup_count")],
            },
        ),
        Wall("AddressAnswer"),
        Wall("LookupCount"),
    ]
