"""All that the order list filters by stands in one index, in the order of the list: what fits seldom is found there."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0022_skipped_newest"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                fields=["account", "-id"],
                include=(
                    "status",
                    "held_by",
                    "order_date",
                    "created_at",
                    "merchant",
                    "cart",
                    "ship_country",
                    "ship_code",
                ),
                name="order_in_list",
            ),
        ),
    ]
