"""Product Sync is a service, and product files are a kind of file."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0010_carrier_codes"),
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
                ],
                max_length=16,
            ),
        ),
    ]
