"""What a cart was told in place of a parcel's carrier."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0013_fewer_checks")]

    operations = [
        migrations.AddField(
            "shipment", "sent_carrier", models.CharField(blank=True, db_default="", default="", max_length=20)
        ),
    ]
