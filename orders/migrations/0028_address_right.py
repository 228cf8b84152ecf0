"""What a person says of an order's addresses is kept apart from what was released.

Until now `anyway` said both: it goes on doing so for what can still be sent, which an index finds.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0027_parcels_of_one_cause"),
    ]

    operations = [
        migrations.AddField("orderdetail", "address_right", models.BooleanField(db_default=False, default=False)),
        migrations.RunSQL(
            """UPDATE orders_orderdetail d SET address_right = true
               FROM accounts_account a
               JOIN orders_order o ON o.account_id = a.id AND o.status IN (
                   'received', 'ready', 'sending', 'held', 'error', 'gave_up', 'at_wms')
               WHERE o.anyway AND d.account_id = o.account_id AND d.order_id = o.id""",
            migrations.RunSQL.noop,
        ),
    ]
