"""Purchase orders have services at both ends, and two kinds of files."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0013_kits"),
    ]

    operations = [
        migrations.AlterField(
            model_name="fileformat",
            name="kind",
            field=models.CharField(
                choices=[
                    ("orders", "Orders"),
                    ("confirmations", "Confirmations"),
                    ("inventory", "Inventory"),
                    ("products", "Products"),
                    ("purchases", "Purchase orders"),
                    ("receipts", "Receipts"),
                ],
                max_length=13,
            ),
        ),
        migrations.AlterField(
            model_name="schedule",
            name="service",
            field=models.CharField(
                choices=[
                    ("download", "Order Download"),
                    ("upload_shipments", "Shipment Upload"),
                    ("upload_inventory", "Inventory Upload"),
                    ("deliver", "Order Delivery"),
                    ("ship_confirm", "Shipping Confirmations"),
                    ("inventory", "Inventory"),
                    ("products", "Product Sync"),
                    ("purchases", "Purchase Orders"),
                    ("receiving", "Receiving"),
                ],
                max_length=16,
            ),
        ),
    ]
