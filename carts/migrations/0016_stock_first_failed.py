"""Since when a cart does not take the stock of a product: it is tried for 30 days at most."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carts", "0015_would_be_held"),
    ]

    operations = [
        migrations.AddField(
            model_name="cartstock",
            name="first_failed_at",
            field=models.DateTimeField(null=True),
        ),
    ]
