"""What stock and cancellations need: the warehouse an order names, delivered orders by time, failures by the hour."""

from django.db import migrations, models

# Orders that were stored before. Only those that name a warehouse, which are few, are written.
FILL = """
    UPDATE orders_order o SET location = left(d.data ->> 'location', 100) FROM orders_orderdetail d
    WHERE d.account_id = o.account_id AND d.order_id = o.id AND d.data ->> 'location' <> ''
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_wider_amounts")]

    operations = [
        migrations.AddField(
            "order", "location", models.CharField(blank=True, db_default="", default="", max_length=100)
        ),
        migrations.AddField("effect", "failed_at", models.DateTimeField(blank=True, null=True)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            "order",
            models.Index(
                fields=["merchant", "delivered_at"],
                name="order_delivered",
                condition=models.Q(delivered_at__isnull=False),
            ),
        ),
    ]
