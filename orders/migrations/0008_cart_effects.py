"""What is to be done once in a cart: cancellations and refunds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0007_answers_of_a_run")]

    operations = [
        migrations.AddField("effect", "data", models.JSONField(blank=True, default=dict)),
        migrations.AddField("effect", "remote_id", models.CharField(blank=True, default="", max_length=150)),
        migrations.AlterField(
            "effect",
            "kind",
            models.CharField(
                choices=[
                    ("cancel_at_wms", "Cancel at the WMS"),
                    ("cancel_in_cart", "Cancel in the cart"),
                    ("refund", "Refund in the cart"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex("effect", models.Index(fields=["account", "order"], name="effect_by_order")),
    ]
