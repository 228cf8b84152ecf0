"""Address verification and Country Rules of a cart."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carts", "0012_product_sync"),
    ]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="country_rule",
            field=models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name="cart",
            name="hold_address_errors",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="cart",
            name="verify_addresses",
            field=models.CharField(
                blank=True,
                choices=[("", "Off"), ("ship", "Shipping"), ("both", "Shipping & Billing")],
                db_default="",
                default="",
                max_length=4,
            ),
        ),
        migrations.AddField(
            model_name="cart",
            name="verify_countries",
            field=models.CharField(
                choices=[("us", "US only"), ("other", "International only"), ("all", "Both")],
                db_default="all",
                default="all",
                max_length=5,
            ),
        ),
    ]
