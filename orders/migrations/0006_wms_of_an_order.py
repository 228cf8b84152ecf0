"""Which WMS an order was sent to: that of its account, for those that were sent before this was kept."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0005_pending"),
        ("wms", "0003_former_wms"),
    ]

    operations = [
        migrations.AddField("order", "wms_id", models.BigIntegerField(blank=True, null=True)),
        migrations.RunSQL(
            """UPDATE orders_order o SET wms_id = w.id FROM wms_wms w
               WHERE w.account_id = o.account_id AND (o.starts > 0 OR o.wms_key <> '')""",
            migrations.RunSQL.noop,
        ),
    ]
