"""Purchase orders are an option of a cart."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carts", "0013_addresses"),
    ]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="sync_purchases",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
