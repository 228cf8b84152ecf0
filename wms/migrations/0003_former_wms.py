"""A WMS that was replaced stays, archived; the ship codes that a WMS knows."""

import django.db.models.deletion
from django.db import migrations, models

import integration_manager.tenancy
from integration_manager.tenancy import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_wall"),
        ("wms", "0002_wall"),
    ]

    operations = [
        migrations.CreateModel(
            name="WmsShipMethod",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=100)),
                ("description", models.CharField(blank=True, max_length=200)),
                ("carrier", models.CharField(blank=True, max_length=60)),
                ("active", models.BooleanField(default=True)),
                (
                    "source",
                    models.CharField(
                        choices=[("wms", "The WMS"), ("person", "By hand")], default="person", max_length=6
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.RemoveConstraint(
            model_name="wms",
            name="one_wms_per_account",
        ),
        migrations.AddField(
            model_name="wms",
            name="archived_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="wms",
            constraint=models.UniqueConstraint(
                condition=models.Q(("archived_at__isnull", True)), fields=("account",), name="one_wms_per_account"
            ),
        ),
        migrations.AddConstraint(
            model_name="wms",
            constraint=models.UniqueConstraint(fields=("account", "system"), name="one_row_per_system"),
        ),
        migrations.AddField(
            model_name="wmsshipmethod",
            name="account",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
            ),
        ),
        migrations.AddField(
            model_name="wmsshipmethod",
            name="wms",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="ship_methods",
                to="wms.wms",
            ),
        ),
        migrations.AddConstraint(
            model_name="wmsshipmethod",
            constraint=models.UniqueConstraint(fields=("account", "wms", "code"), name="one_ship_method"),
        ),
        Wall("WmsShipMethod"),
    ]
