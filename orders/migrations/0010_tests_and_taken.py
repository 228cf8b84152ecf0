"""Orders that were made to try a set-up; and what stands at the WMS under a reference that is taken."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0009_posted_files")]

    operations = [
        migrations.AddField("order", "test", models.BooleanField(db_default=False, default=False)),
        migrations.AddField("orderdetail", "there", models.JSONField(null=True)),
    ]
