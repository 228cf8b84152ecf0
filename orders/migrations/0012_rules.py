"""What the rules did to an order, and that a person wants it whatever they refuse."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0011_bulk_actions")]

    operations = [
        migrations.AddField("order", "anyway", models.BooleanField(db_default=False, default=False)),
        migrations.AddField("orderdetail", "applied", models.JSONField(db_default=[], default=list)),
    ]
