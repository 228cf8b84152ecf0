"""Sync Products To Cart."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carts", "0016_stock_first_failed"),
    ]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="list_products",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
