"""An address may be refused by its mail server and unsubscribed: two rows, and each ends by itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0006_channels"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="silenced",
            name="silenced_once",
        ),
        migrations.AddConstraint(
            model_name="silenced",
            constraint=models.UniqueConstraint(fields=("account", "address", "why"), name="silenced_once"),
        ),
    ]
