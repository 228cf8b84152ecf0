"""Country Rules of a merchant."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0011_product_sync"),
    ]

    operations = [
        migrations.AddField(
            model_name="merchant",
            name="country_rule",
            field=models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
        ),
    ]
