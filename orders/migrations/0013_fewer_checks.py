"""What PostgreSQL looks at for every order and line that is stored, and that something else proves already."""

import django.db.models.deletion
from django.db import migrations, models


def account() -> "models.ForeignKey":
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.CASCADE,
        related_name="+",
        to="accounts.account",
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_own_password"), ("orders", "0012_rules")]

    operations = [
        *(
            migrations.AlterField(model_name=name, name="account", field=account())
            for name in ("order", "orderdetail", "orderline")
        ),
        # For LIKE 'abc%', which nobody asks of an id; the unique index stays.
        migrations.RunSQL(
            "DROP INDEX IF EXISTS orders_order_public_id_477d735f_like",
            "CREATE INDEX orders_order_public_id_477d735f_like ON orders_order (public_id varchar_pattern_ops)",
        ),
    ]
