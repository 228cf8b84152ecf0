"""Merchants that are archived, and what a WMS of before knew them by."""

from django.db import migrations, models

import integration_manager.crypto


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0005_formats"),
    ]

    operations = [
        migrations.AddField(
            model_name="merchant",
            name="archived_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="merchant",
            name="former_values",
            field=integration_manager.crypto.EncryptedJSON(blank=True, default=dict),
        ),
    ]
