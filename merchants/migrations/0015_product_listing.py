"""Sync Products To Carts, of a merchant; product lists among the files that can be mapped."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0014_purchase_orders"),
    ]

    operations = [
        migrations.AddField(
            model_name="merchant",
            name="list_products",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="fileformat",
            name="kind",
            field=models.CharField(
                choices=[
                    ("orders", "Orders"),
                    ("confirmations", "Confirmations"),
                    ("inventory", "Inventory"),
                    ("products", "Products"),
                    ("catalog", "Product lists"),
                    ("purchases", "Purchase orders"),
                    ("receipts", "Receipts"),
                ],
                max_length=13,
            ),
        ),
    ]
