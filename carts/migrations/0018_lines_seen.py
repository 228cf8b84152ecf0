"""By which rules the lines of orders that wait were last seen."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carts", "0017_product_listing"),
    ]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="lines_mark",
            field=models.CharField(db_default="", default="", editable=False, max_length=12),
        ),
    ]
