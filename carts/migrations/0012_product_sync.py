"""A cart whose products go to the WMS: one for each merchant."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_own_password"),
        ("carts", "0011_delay_and_holds"),
        ("merchants", "0011_product_sync"),
    ]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="sync_price",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="cart",
            name="sync_products",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="cart",
            name="sync_updates",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddConstraint(
            model_name="cart",
            constraint=models.UniqueConstraint(
                condition=models.Q(("sync_products", True)), fields=("account", "merchant"), name="one_product_source"
            ),
        ),
    ]
